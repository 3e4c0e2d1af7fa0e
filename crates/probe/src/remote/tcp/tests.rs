use std::time::Duration;

use lockstep_model::Level;

use super::*;
use crate::remote::world::{PATIENCE, look, nobody, order, refusal, serve};

/// Long enough to be told from nothing, and short enough to wait for.
const SHORT: Duration = Duration::from_millis(600);

#[tokio::test]
async fn a_port_that_is_open_takes_a_time() {
    let address = serve(|_| async {}).await;
    let found = look(&order(&format!("tcp:{address}"))).await;
    assert!((0.0..PATIENCE.as_secs_f64()).contains(&found.number()));
    assert!(found.verdict.is_none());
    let found = look(&order(&format!("tcp:localhost:{}", address.port()))).await;
    assert!(found.verdict.is_none(), "{found:?}");
}

#[tokio::test]
async fn a_port_that_is_closed_is_critical() {
    let address = nobody().await;
    let found = look(&order(&format!("tcp:{address}"))).await;
    assert!(found.none().contains("refused"), "{found:?}");
    assert_eq!(found.level(), Some(Level::CRITICAL));
    let found = look(&order("tcp:no-such-host.invalid:80")).await;
    assert!(
        found
            .none()
            .contains("find the address of no-such-host.invalid"),
        "{found:?}"
    );
}

#[tokio::test]
async fn words_are_sent_and_expected() {
    let address = serve(|mut stream| async move {
        let mut question = [0; 6];
        stream.read_exact(&mut question).await.unwrap();
        assert_eq!(&question, b"PING\r\n");
        stream.write_all(b"+PO").await.unwrap();
        stream.write_all(b"NG\r\n").await.unwrap();
        // It does not hang up.
        let _ = stream.read_u8().await;
    })
    .await;
    let asked = order(&format!("tcp:{address}")).with("send", "PING\r\n");
    assert!(
        look(&asked.clone().with("expect", "+PONG"))
            .await
            .verdict
            .is_none()
    );
    let other = look(&asked.with("expect", "-ERR").within(SHORT)).await;
    assert_eq!(other.level(), Some(Level::CRITICAL));
    assert!(
        other
            .why()
            .ends_with("does not say \"-ERR\", but \"+PONG\""),
        "{}",
        other.why()
    );
    assert!(other.number() > 0.0);
}

#[tokio::test]
async fn hostile_peers_cost_bounded_time_and_memory() {
    let endless =
        serve(|mut stream| async move { while stream.write_all(&[b'x'; 4096]).await.is_ok() {} })
            .await;
    let drip = serve(|mut stream| async move {
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let silent = serve(|mut stream| async move { drop(stream.read_u8().await) }).await;
    for (address, words) in [(endless, "xxx"), (drip, "xx"), (silent, "nothing")] {
        let began = Instant::now();
        let found = look(&order(&format!("ssh:{address}")).within(SHORT)).await;
        assert_eq!(found.level(), Some(Level::CRITICAL));
        assert!(
            found.why().contains("is no SSH server") && found.why().contains(words),
            "{}",
            found.why()
        );
        assert!(found.why().len() < 400 && began.elapsed() < PATIENCE / 4);
    }
}

#[tokio::test]
async fn an_ssh_server_says_its_version() {
    let address = serve(|mut stream| async move {
        let _ = stream
            .write_all(b"Welcome, SSH-friend\r\nSSH-2.0-OpenSSH_9.2\x1b[1m\r\n")
            .await;
    })
    .await;
    let found = look(&order(&format!("ssh:{address}"))).await;
    assert_eq!(
        (found.level(), found.why()),
        (Some(Level::FINE), "SSH-2.0-OpenSSH_9.2 [1m")
    );
    let half =
        serve(|mut stream| async move { drop(stream.write_all(b"SSH-2.0-Open").await) }).await;
    assert_eq!(
        look(&order(&format!("ssh:{half}"))).await.level(),
        Some(Level::CRITICAL)
    );
}

#[test]
fn options_with_a_slip_are_refused() {
    assert_eq!(
        refusal(&order("tcp:a:1").with("exspect", "x")),
        "the probe tcp has no option \"exspect\"; it has send, expect"
    );
    assert_eq!(
        refusal(&order("ssh:a").with("send", "x")),
        "the probe ssh has no options, and so no \"send\""
    );
    assert_eq!(
        refusal(&order("tcp:a:1").with("expect", true)),
        "the option \"expect\" is not a text"
    );
    assert!(refusal(&order("tcp:a:1").with("expect", "x".repeat(9000).as_str())).contains("8192"));
}
