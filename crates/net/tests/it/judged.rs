//! Certificates that are judged behind the handshake, for clients that must be told in their own protocol.

use axum::routing::get;
use axum::{Extension, Json, Router};
use lockstep_net::client::{HttpClient, Identity};
use lockstep_net::tls::{PeerCertificate, UnverifiedCertificate};

use crate::world::{Authority, Leaf, World, fingerprint};

/// What a handler sees: `verified` or `unverified` with the certificate's fingerprint, or nothing.
fn seen() -> Router {
    async fn handler(
        verified: Option<Extension<PeerCertificate>>,
        unverified: Option<Extension<UnverifiedCertificate>>,
    ) -> Json<Vec<String>> {
        let mut seen = Vec::new();
        if let Some(Extension(PeerCertificate(der))) = verified {
            seen.push(format!("verified {}", fingerprint(&der)));
        }
        if let Some(Extension(UnverifiedCertificate { der, why })) = unverified {
            assert!(!why.is_empty());
            seen.push(format!("unverified {}", fingerprint(&der)));
        }
        Json(seen)
    }
    Router::new().route("/seen", get(handler))
}

async fn ask(client: &HttpClient) -> Vec<String> {
    client.get_json("/seen").await.unwrap()
}

fn is(what: &str, leaf: &Leaf) -> Vec<String> {
    vec![format!("{what} {}", fingerprint(&leaf.der))]
}

#[tokio::test]
async fn every_certificate_comes_in_and_is_said_to_be_what_it_is() {
    let world = World::judging(seen()).await;
    assert!(ask(&world.client()).await.is_empty());
    let host = world.ca.host("web1");
    assert_eq!(ask(&world.client_as(&host)).await, is("verified", &host));
    let others = [
        Authority::new("another authority").host("web1"),
        Authority::new("the authority").host("web1"),
        world.ca.server(&["web1"]),
    ];
    for other in others {
        let answer = ask(&world.client_as(&other)).await;
        assert_eq!(answer, is("unverified", &other));
    }
}

#[tokio::test]
async fn the_clock_decides_when_a_certificate_is_over() {
    let world = World::judging(seen()).await;
    let host = world.ca.host("web1");
    // The server's own expires as well, so the client's clock stays behind.
    let (stale, _) = lockstep_net::Clock::driven(world.clock.now());
    world.time.set("2027-01-01T00:00:01Z".parse().unwrap());
    let mut settings = world.settings();
    settings.identity = Some(host.identity());
    let late = HttpClient::new(settings, &stale).unwrap();
    assert_eq!(ask(&late).await, is("unverified", &host));
}

#[tokio::test]
async fn who_does_not_hold_the_key_does_not_come_in() {
    let world = World::judging(seen()).await;
    let host = world.ca.host("web1");
    let client = world.presenting(&Identity {
        cert_pem: host.pem.clone(),
        key_pem: world.ca.host("web2").key,
    });
    let mut stream = tokio_rustls::TlsConnector::from(client)
        .connect(
            world.addr.ip().into(),
            tokio::net::TcpStream::connect(world.addr).await.unwrap(),
        )
        .await
        .unwrap();
    // With TLS 1.3 a client hears of it when it reads.
    let heard = tokio::io::AsyncReadExt::read(&mut stream, &mut [0]).await;
    let error = heard.unwrap_err().to_string();
    assert!(error.contains("alert"), "{error}");
}
