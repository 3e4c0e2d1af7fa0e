use std::time::Duration;

use lockstep_model::Level;
use tokio::net::TcpListener;

use super::*;
use crate::remote::world::{PATIENCE, look, nobody, order, refusal, watched};

/// The answer to a question: `flags`, and records of the kind that was asked for.
fn answer(question: &[u8], flags: u16, records: &[&[u8]]) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let mut packet = question[..end].to_vec();
    packet[2..4].copy_from_slice(&(0x8180 | flags).to_be_bytes());
    packet[6..12].copy_from_slice(&[0, records.len() as u8, 0, 0, 0, 0]);
    for data in records {
        packet.extend([0xc0, 12]);
        packet.extend(&question[end - 4..end]);
        packet.extend([0, 0, 0, 60, 0, data.len() as u8]);
        packet.extend(*data);
    }
    packet
}

const CUT: u16 = 0x200;

/// Answers by UDP, and by TCP on the same port with two records.
async fn server(flags: u16, records: &'static [&'static [u8]]) -> String {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        // The port may be taken for the other protocol.
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, peer)) = udp.recv_from(&mut question).await {
            // Somebody guesses.
            udp.send_to(&[0x55; 40], peer).await.unwrap();
            udp.send_to(&answer(&question[..length], flags, records), peer)
                .await
                .unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let length = stream.read_u16().await.unwrap();
            let mut question = vec![0; length.into()];
            stream.read_exact(&mut question).await.unwrap();
            let answer = answer(&question, 0, &[&[192, 0, 2, 1], &[192, 0, 2, 2]]);
            stream.write_u16(answer.len() as u16).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    address.to_string()
}

#[tokio::test]
async fn a_name_server_is_asked() {
    let server = server(0, &[&[192, 0, 2, 1]]).await;
    let asked = order("dns:www.example.org").with("server", server.as_str());
    assert!(look(&asked).await.verdict.is_none());
    assert!(
        look(&asked.clone().with("expect", "192.0.2.1"))
            .await
            .verdict
            .is_none()
    );
    let other = look(&asked.with("expect", "192.0.2.2")).await;
    assert_eq!(other.level(), Some(Level::CRITICAL));
    assert_eq!(
        other.why(),
        "\"192.0.2.2\" is not among the answers: 192.0.2.1"
    );
    assert!(other.number() > 0.0);
    let of_target = look(&watched("dns:www.example.org", &server)).await;
    assert!(of_target.verdict.is_none(), "{of_target:?}");
}

#[tokio::test]
async fn texts_and_mail_servers_are_asked_for() {
    let text = server(0, &[b"\x0bv=spf1 -all"]).await;
    let asked = order("dns:example.org")
        .with("server", text.as_str())
        .with("type", "txt");
    assert!(
        look(&asked.with("expect", "v=spf1 -all"))
            .await
            .verdict
            .is_none()
    );
    let mail = server(0, &[b"\0\x0a\x04mail\xc0\x0c"]).await;
    let asked = order("dns:example.org")
        .with("server", mail.as_str())
        .with("type", "MX");
    assert!(
        look(&asked.with("expect", "mail.example.org"))
            .await
            .verdict
            .is_none()
    );
}

#[tokio::test]
async fn what_does_not_fit_comes_by_tcp() {
    let server = server(CUT, &[]).await;
    let asked = order("dns:example.org").with("server", server.as_str());
    let found = look(&asked.with("expect", "192.0.2.2")).await;
    assert!(found.number() > 0.0 && found.verdict.is_none(), "{found:?}");
}

#[tokio::test]
async fn refusals_are_critical() {
    let why = async |flags| {
        let server = server(flags, &[]).await;
        let found = look(&order("dns:example.org").with("server", server.as_str())).await;
        assert!(found.number() > 0.0 && found.level() == Some(Level::CRITICAL));
        found.why().to_owned()
    };
    assert!(why(3).await.ends_with("answers: there is no such name"));
    assert!(why(5).await.ends_with("answers: refused"));
    assert_eq!(why(0).await, "there is no such record");
    let gone = nobody().await.to_string();
    let found = look(
        &order("dns:a")
            .with("server", gone.as_str())
            .within(Duration::from_secs(1)),
    )
    .await;
    assert!(
        found.none().contains("refused") || found.none().contains("no answer"),
        "{found:?}"
    );
    assert_eq!(found.level(), Some(Level::CRITICAL));
}

#[tokio::test]
async fn nonsense_is_waited_out() {
    let server = server(0, &[&[1, 2, 3]]).await;
    let began = Instant::now();
    let asked = order("dns:example.org").with("server", server.as_str());
    let found = look(&asked.within(Duration::from_millis(600))).await;
    assert!(found.none().contains("no answer in time") && began.elapsed() < PATIENCE / 4);
}

#[tokio::test]
async fn the_name_server_of_the_system_is_found() {
    let text = "# made by hand\nsearch example.org\nnameserver\nnameserver x\nnameserver ::1\nnameserver 192.0.2.1\n";
    assert_eq!(first_server(text), Some("[::1]:53".parse().unwrap()));
    assert_eq!(first_server(""), None);
    let dir = tempfile::tempdir().unwrap();
    let mut asked = order("dns:example.org");
    asked.root = dir.path().into();
    let found = look(&asked).await;
    assert!(found.none().contains("/etc/resolv.conf cannot be read"));
    assert_eq!(
        found.level(),
        Some(Level::FINE),
        "it is not the server's fault"
    );
}

#[test]
fn odd_questions_are_refused() {
    assert!(refusal(&order("dns:a b")).contains("not a name of the domain name system"));
    assert!(refusal(&order("dns")).contains("write \"dns:NAME\""));
    assert!(refusal(&order("dns:a").with("type", "ANY")).contains("A, AAAA, CNAME, MX"));
}
