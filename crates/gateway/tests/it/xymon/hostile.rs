//! Those who mean harm, or are broken: the server stays up, and others are served.

use std::time::Duration;

use lockstep_gateway::xymon::server::Bounds;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::world::{LONG, Server, Setup, say};

async fn is_up(server: &Server) {
    let answer = timeout(Duration::from_secs(5), server.say("ping")).await;
    assert!(answer.unwrap().starts_with("xymond "));
}

#[tokio::test]
async fn nothing_that_comes_ends_the_server() {
    let server = Setup::default().start().await;
    for nasty in [
        "download",
        "config",
        "download ",
        "config x",
        "query",
        "query x",
        "clientlog",
        "client",
        "client ",
        "client/",
        "client x",
        "client .linux",
        "status",
        "status x",
        "combo",
        "combo\n",
        "extcombo",
        "extcombo 0 9\nping",
        "extcombo 17 21 \nping",
        "extcombo 99999999999999999999 1\nx",
        "size:",
        "size:99999999999999999999999",
        "size:5\nabc",
        "starttls\nping",
        "compress:zlib 99\nabc",
        "xymondboard host=((((",
        "\n\n\n",
        "",
    ] {
        assert_eq!(server.say(nasty).await, "", "{nasty:?}");
        is_up(&server).await;
    }
    assert_eq!(server.say("starttls\n").await, "ERR No TLS\n");
    assert!(server.desk.heard.lock().unwrap().is_empty());
    // What may stand in an extcombo is taken, and what has an answer is not answered.
    let parts = [
        "ping",
        "status www,example,org.a green x\n",
        "download new.tar",
    ];
    let mut places = vec![100];
    for part in parts {
        places.push(places.last().unwrap() + part.len());
    }
    let places: Vec<String> = places.iter().map(ToString::to_string).collect();
    let head = format!("extcombo {}", places.join(" "));
    let message = format!("{head:<99}\n{}", parts.concat());
    assert_eq!(server.say(&message).await, "");
    assert_eq!(server.samples("www.example.org"), ["xymon:a x fine"]);
}

#[tokio::test]
async fn a_flood_and_a_trickle_delay_nobody() {
    let bounds = Bounds {
        grace: Duration::from_millis(500),
        ..Bounds::default()
    };
    let server = Setup {
        bounds,
        ..Setup::default()
    }
    .start()
    .await;
    let mut trickles = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"s").await.unwrap();
        trickles.push(stream);
    }
    let address = server.address;
    let flood = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream
            .write_all(b"client www,example,org.linux linux\n")
            .await;
        let chunk = vec![b'x'; 1 << 20];
        let mut sent = 0;
        for _ in 0..65 {
            if stream.write_all(&chunk).await.is_err() {
                break;
            }
            sent += 1;
        }
        sent
    });
    for _ in 0..10 {
        is_up(&server).await;
    }
    let sent = timeout(LONG, flood).await.unwrap().unwrap();
    assert!(sent < 65, "65 MiB were taken");
    // One byte each second is not fast enough.
    let mut trickle = trickles.pop().unwrap();
    let (mut reader, mut writer) = trickle.split();
    let dropped = async {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
        answer
    };
    let dripping = async {
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            if writer.write_all(b"t").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let answer = tokio::select! {
        answer = timeout(LONG, dropped) => answer.unwrap(),
        () = dripping => unreachable!("it drips for ever"),
    };
    assert!(answer.is_empty());
    is_up(&server).await;
}

#[tokio::test]
async fn it_speaks_over_ipv6() {
    let setup = Setup {
        listen: "[::1]:0",
        ..Setup::default()
    };
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6 on loopback");
        return;
    }
    let server = setup.start().await;
    is_up(&server).await;
    let report = b"client www,example,org.linux linux\n[date]\nx\n";
    assert!(!say(server.address, report).await.is_empty());
}
