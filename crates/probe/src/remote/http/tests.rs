use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use lockstep_model::{Glob, Level};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::remote::world::{look, nobody, order, refusal, serve};
use crate::{HttpSecret, Secrets};

/// Answers by the path; the body of `/head` is what was asked.
async fn site() -> SocketAddr {
    serve(|mut stream| async move {
        let mut asked = vec![0; 4096];
        let length = stream.read(&mut asked).await.unwrap();
        let asked = String::from_utf8(asked[..length].to_vec()).unwrap();
        let path = asked.split(' ').nth(1).unwrap();
        let (head, body) = match path {
            "/broken" => (
                "502 Bad Gateway",
                "the \x1b[1mbackend\r\nis away".to_owned(),
            ),
            "/head" => ("200 OK", asked.clone()),
            "/round" => ("302 Found\r\nlocation: /round", String::new()),
            "/moved" => ("301 Moved\r\nlocation: /", String::new()),
            "/endless" => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while stream.write_all(&[b'x'; 16_384]).await.is_ok() {}
                return;
            }
            "/drip" => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                return;
            }
            "/garbage" => {
                let _ = stream.write_all(&[0xff; 9000]).await;
                return;
            }
            _ => ("200 OK", "all is well".to_owned()),
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await
}

#[tokio::test]
async fn a_page_takes_a_time() {
    let at = site().await;
    for path in ["", "/", "/moved", "/?a=b"] {
        let found = look(&order(&format!("http:http://{at}{path}")).with("body", "is well")).await;
        assert!(
            found.number() > 0.0 && found.verdict.is_none(),
            "{path}: {found:?}"
        );
    }
}

#[tokio::test]
async fn the_wrong_page_is_critical_and_takes_a_time() {
    let at = site().await;
    let wrong = async |path: &str, option: Option<(&str, &str)>| {
        let mut asked = order(&format!("http:http://{at}{path}"));
        if let Some((name, value)) = option {
            asked = asked.with(name, value);
        }
        let found = look(&asked).await;
        assert!(
            found.number() > 0.0 && found.level() == Some(Level::CRITICAL),
            "{found:?}"
        );
        found.why().to_owned()
    };
    assert_eq!(
        wrong("/broken", None).await,
        "it answers 502, not 100-399: the  [1mbackend  is away"
    );
    assert_eq!(
        wrong("/", Some(("status", "404,5xx"))).await,
        "it answers 200, not 404, 5xx: all is well"
    );
    assert_eq!(
        wrong("/", Some(("body", "ill"))).await,
        "its body does not have \"ill\""
    );
    assert_eq!(
        wrong("/", Some(("not_body", "well"))).await,
        "its body has \"well\""
    );
    let broken = order(&format!("http:http://{at}/broken")).with("status", 502.0);
    assert!(look(&broken).await.verdict.is_none());
}

#[tokio::test]
async fn hostile_servers_cost_bounded_time_and_memory() {
    let at = site().await;
    let short = Duration::from_secs(1);
    let asked = |path: &str| order(&format!("http:http://{at}{path}")).within(short);
    // A megabyte is read, and is all there is.
    let endless = look(&order(&format!("http:http://{at}/endless")).with("body", "y")).await;
    assert!(
        endless.why().contains("within its first 1048576 bytes"),
        "{endless:?}"
    );
    for (path, words) in [
        ("/drip", "no answer in time"),
        ("/round", "redirect"),
        ("/garbage", "invalid HTTP"),
    ] {
        let found = look(&asked(path)).await;
        assert!(found.none().contains(words), "{found:?}");
        assert_eq!(found.level(), Some(Level::CRITICAL));
    }
    let gone = look(&order(&format!("http:http://{}/", nobody().await))).await;
    assert!(gone.none().contains("refused"), "{gone:?}");
}

fn knowing(mut order: Order) -> Order {
    let secret = |hosts: &[&str]| HttpSecret {
        hosts: hosts
            .iter()
            .map(|host| Glob::parse(host).unwrap())
            .collect(),
        ..HttpSecret::default()
    };
    let token = HttpSecret {
        token: Some("t0ken".into()),
        ..secret(&["127.0.*"])
    };
    let basic = HttpSecret {
        user: Some("Aladdin".into()),
        password: Some("open sesame".into()),
        ..secret(&["127.0.0.1"])
    };
    let nowhere = HttpSecret {
        token: Some("x".into()),
        ..secret(&[])
    };
    let half = HttpSecret {
        user: Some("x".into()),
        ..secret(&["*"])
    };
    let http = [
        ("token", token),
        ("basic", basic),
        ("nowhere", nowhere),
        ("half", half),
    ];
    order.secrets = Arc::new(Secrets {
        http: BTreeMap::from(http.map(|(name, secret)| (name.into(), secret))),
        ..Secrets::default()
    });
    order
}

#[tokio::test]
async fn secrets_are_shown_to_those_they_are_for() {
    let at = site().await;
    let asked = |auth| knowing(order(&format!("http:http://{at}/head"))).with("auth", auth);
    let shown = look(&asked("token").with("body", "authorization: Bearer t0ken\r\n")).await;
    assert!(shown.verdict.is_none(), "{shown:?}");
    let shown = look(&asked("basic").with(
        "body",
        "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n",
    ))
    .await;
    assert!(shown.verdict.is_none(), "{shown:?}");
    assert!(refusal(&asked("other")).contains("has no [http.other]"));
    assert!(refusal(&asked("nowhere")).contains("is not for 127.0.0.1"));
    assert!(refusal(&asked("half")).contains("needs `user` and `password`"));
    let elsewhere = knowing(order("http:http://evil.example/")).with("auth", "token");
    assert!(refusal(&elsewhere).contains("is not for evil.example"));
    assert!(!format!("{:?}", crate::remote::world::probe(&asked("token"))).contains("t0ken"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let why = |name: &str, value: &str| refusal(&order("http:http://a/").with(name, value));
    assert!(why("status", "fine").contains("not an HTTP status"));
    assert!(why("method", "DELETE").contains("GET, HEAD or OPTIONS"));
    let both = order("http:http://a/")
        .with("ca", "/x")
        .with("insecure", true);
    assert!(refusal(&both).contains("contradict"));
}
