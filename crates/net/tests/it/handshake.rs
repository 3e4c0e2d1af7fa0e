//! Who is let in, and who is believed.

use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Json, Router};
use lockstep_net::client::{CallError, HttpClient};
use lockstep_net::tls::{Limits, PeerAddr, PeerCertificate};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{Authority, World, fingerprint};

/// Answers with the fingerprint of the certificate that it sees.
fn whoami() -> Router {
    async fn handler(
        certificate: Option<Extension<PeerCertificate>>,
        Extension(PeerAddr(addr)): Extension<PeerAddr>,
    ) -> Json<Option<String>> {
        assert!(addr.ip().is_loopback());
        Json(certificate.map(|Extension(PeerCertificate(der))| fingerprint(&der).to_string()))
    }
    Router::new().route("/whoami", get(handler))
}

async fn ask(client: &HttpClient) -> Result<Option<String>, CallError> {
    client.get_json("/whoami").await
}

/// The server's reason arrives as an alert.
fn refused_by_the_server(result: Result<Option<String>, CallError>) -> String {
    match result {
        Err(error @ CallError::NotBelieved { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn refused_by_us(result: Result<Option<String>, CallError>) -> String {
    match result {
        Err(error @ CallError::ServerNotBelieved { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_port_serves_hosts_with_and_without_certificate() {
    let world = World::serving(whoami()).await;
    let host = world.ca.host("web1");
    assert_eq!(ask(&world.client()).await.unwrap(), None);
    assert_eq!(
        ask(&world.client_as(&host)).await.unwrap(),
        Some(fingerprint(&host.der).to_string())
    );
}

#[tokio::test]
async fn http_1_is_served_as_well() {
    let world = World::serving(whoami()).await;
    for protocol in ["http/1.1", "unknown"] {
        let connector = world.connector("http/1.1");
        let mut stream = world.connect(&connector).await;
        stream
            .write_all(b"GET /whoami HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 OK"),
            "{protocol}: {answer}"
        );
        assert!(
            answer.contains("content-length: 4") && answer.ends_with("null"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let world = World::serving(whoami()).await;
    let stranger = Authority::new("another authority").host("web1");
    let why = refused_by_the_server(ask(&world.client_as(&stranger)).await);
    assert!(why.contains("does not accept our certificate"), "{why}");
    // Also if that authority bears the same name.
    let namesake = Authority::new("the authority").host("web1");
    refused_by_the_server(ask(&world.client_as(&namesake)).await);
}

#[tokio::test]
async fn an_expired_certificate_is_refused_though_none_would_do() {
    let world = World::serving(whoami()).await;
    let host = world.ca.host("web1");
    ask(&world.client_as(&host)).await.unwrap();
    // The server's own expires as well, so the client's clock stays behind: only the server's judgement counts.
    let (stale, _) = lockstep_net::Clock::driven(world.clock.now());
    world.time.set("2027-01-01T00:00:01Z".parse().unwrap());
    let mut settings = world.settings();
    settings.identity = Some(host.identity());
    let late = HttpClient::new(settings, &stale).unwrap();
    let why = refused_by_the_server(ask(&late).await);
    assert!(why.contains("Expired"), "{why}");
    let anonymous = HttpClient::new(world.settings(), &stale).unwrap();
    assert_eq!(ask(&anonymous).await.unwrap(), None);
    world.time.set("2025-12-31T23:59:59Z".parse().unwrap());
    refused_by_the_server(ask(&late).await);
}

#[tokio::test]
async fn a_servers_certificate_is_no_hosts() {
    let world = World::serving(whoami()).await;
    let server = world.ca.server(&["web1"]);
    refused_by_the_server(ask(&world.client_as(&server)).await);
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_believed() {
    let world = World::serving(whoami()).await;
    for name in ["another authority", "the authority"] {
        let other = Authority::new(name);
        let why = refused_by_us(ask(&world.believing(other.roots())).await);
        assert!(why.contains("not believed"), "{why}");
    }
}

#[tokio::test]
async fn an_expired_server_is_not_believed() {
    let world = World::serving(whoami()).await;
    let client = world.client();
    world.time.set("2027-01-01T00:00:01Z".parse().unwrap());
    let why = refused_by_us(ask(&client).await);
    assert!(why.contains("expired"), "{why}");
}

#[tokio::test]
async fn a_server_with_another_name_is_not_believed() {
    let ca = Authority::new("the authority");
    let shown = ca.server(&["127.0.0.2", "localhost"]).with_chain("");
    let world = World::showing(ca, &shown, whoami(), Limits::default()).await;
    refused_by_us(ask(&world.client()).await);
}

#[tokio::test]
async fn a_hosts_certificate_is_no_servers() {
    let ca = Authority::new("the authority");
    let shown = ca.host("127.0.0.1").with_chain("");
    let world = World::showing(ca, &shown, whoami(), Limits::default()).await;
    refused_by_us(ask(&world.client()).await);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let world = World::serving(whoami()).await;
    let open = world.client();
    ask(&open).await.unwrap();

    let next = Authority::new("next");
    let renewed = next.server(&["127.0.0.1"]).with_chain(&next.pem);
    world.tls.renew(&renewed).unwrap();
    ask(&world.believing(next.roots())).await.unwrap();
    refused_by_us(ask(&world.client()).await);
    ask(&open)
        .await
        .expect("connections that stand are not touched");

    // A key of another certificate changes nothing.
    let mut broken = world.ca.server(&["127.0.0.1"]).with_chain("");
    broken.key_pem = renewed.key_pem;
    world.tls.renew(&broken).unwrap_err();
    ask(&world.believing(next.roots())).await.unwrap();
}

#[tokio::test]
async fn sessions_are_never_resumed() {
    let world = World::serving(whoami()).await;
    let connector = world.connector("http/1.1");
    for _ in 0..2 {
        let mut stream = world.connect(&connector).await;
        stream
            .write_all(b"GET /whoami HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        // A ticket would come with the answer.
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(
            stream.get_ref().1.handshake_kind(),
            Some(rustls::HandshakeKind::Full)
        );
    }
}

#[tokio::test]
async fn a_key_of_another_certificate_makes_no_client() {
    let world = World::serving(whoami()).await;
    let mut identity = world.ca.host("web1").identity();
    identity.key_pem = world.ca.host("web2").key;
    let mut settings = world.settings();
    settings.identity = Some(identity);
    let error = HttpClient::new(settings, &world.clock).unwrap_err();
    assert_eq!(
        error.to_string(),
        "use the client's certificate and key for TLS"
    );
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let world = World::serving(whoami()).await;
    let mut settings = world.settings();
    let host = world.ca.host("web1");
    settings.identity = Some(host.identity());
    settings.bearer = Some("lso1.hush".into());
    settings.timeouts.connect = Duration::from_secs(1);
    let shown = format!(
        "{settings:?}{:?}{:?}{:?}{:?}",
        settings.identity,
        host.with_chain(""),
        world.tls,
        world.client_of(settings.clone()),
    );
    assert!(
        !shown.contains("PRIVATE") && !shown.contains("hush"),
        "{shown}"
    );
}
