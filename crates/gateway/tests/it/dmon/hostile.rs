use lockstep_gateway::dmon::wire::LONGEST_LINE;

use super::{Port, ask};
use crate::desk::Desk;

#[tokio::test]
async fn whoever_is_not_known_gets_not_a_byte() {
    let desk = Desk::new();
    desk.declare("web1", "127.0.0.2");
    let port = Port::open(&desk, "senders = [\"127.0.0.1\"]").await;
    assert_eq!(ask(port.address, "127.0.0.3", b"PING\n").await, "");
    for from in ["127.0.0.1", "127.0.0.2"] {
        let answer = ask(port.address, from, b"PING\n").await;
        assert!(answer.contains("PONG from Server"), "{from}: {answer}");
    }
}

#[tokio::test]
async fn what_is_no_request_gets_a_frame_or_nothing_and_the_port_stays_open() {
    let desk = Desk::new();
    let port = Port::open(&desk, "").await;
    let long = [b"CLIENTS ".as_slice(), &vec![b'x'; LONGEST_LINE], b"\n"].concat();
    let huge = [b"REPORT ".as_slice(), &vec![b'['; 9 * 1024 * 1024], b"\n"].concat();
    for (bytes, expected) in [
        (
            &b"\x00\xff\xfe garbage \x80\n"[..],
            "COMMAND UNKNOWN\nrefused: ",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "COMMAND GET\nrefused: ",
        ),
        (b"\n", "COMMAND UNKNOWN\nrefused: the request is empty\n"),
        (b"COMMAND DONE\n", "COMMAND COMMAND\nrefused: "),
        (
            &long,
            "COMMAND UNKNOWN\nrefused: the request line is too long",
        ),
        (
            &huge,
            "COMMAND UNKNOWN\nrefused: the request line is too long",
        ),
    ] {
        let answer = ask(port.address, "127.0.0.1", bytes).await;
        let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).into_owned();
        assert!(answer.starts_with(expected), "{begin:?}: {answer}");
        assert!(answer.ends_with("COMMAND DONE\n"), "{begin:?}: {answer}");
    }
    assert!(port.ask("PING").await.contains("PONG"));
}
