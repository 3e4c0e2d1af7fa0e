//! Bodies and requests that nobody sends by accident. None of them is answered with 500, none holds the server up.

use std::sync::Arc;
use std::time::Duration;

use lockstep_net::client::Identity;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::world::World;

/// A connection that says HTTP/1.1 byte by byte.
async fn connect(world: &World, identity: &Identity) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(world.running.ca_pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        rustls::ClientConfig::builder_with_details(provider, Arc::new(world.clock.clone()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(identity.cert_pem.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap(),
            )
            .unwrap();
    let stream = TcpStream::connect(world.running.agent_addr).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

/// Sends a request as it stands, and reads the whole answer.
async fn exchange(world: &World, identity: &Identity, request: &[u8]) -> (u16, String) {
    let mut stream = connect(world, identity).await;
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    answer(&mut stream).await
}

async fn answer(stream: &mut TlsStream<TcpStream>) -> (u16, String) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (
        status.unwrap_or_else(|| panic!("no answer: {text:?}")),
        text,
    )
}

fn post(path: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nlockstep-agent-version: 1.0.0\r\ncontent-type: {media_type}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

#[tokio::test]
async fn bodies_that_are_no_messages_are_refused_with_words() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let report = serde_json::to_value(web1.report_of("1.0.0", true)).unwrap();
    let with = |pointer: &str, value: serde_json::Value| {
        let mut report = report.clone();
        *report.pointer_mut(pointer).unwrap() = value;
        serde_json::to_vec(&report).unwrap()
    };
    let deep =
        |open: &str, close: &str| (open.repeat(100_000) + &close.repeat(100_000)).into_bytes();
    let json = "application/json";
    let cases: Vec<(&str, &str, Vec<u8>, u16, &str)> = vec![
        ("empty", json, vec![], 400, "EOF"),
        ("no json", json, b"hello".to_vec(), 400, "line 1"),
        (
            "another type",
            "text/plain",
            b"{}".to_vec(),
            415,
            "application/json",
        ),
        ("not text", json, vec![0xff, 0xfe, 0x00], 400, ""),
        (
            "bad utf-8 in a string",
            json,
            b"{\"boot_id\": \"\xff\"}".to_vec(),
            400,
            "",
        ),
        ("a list", json, b"[]".to_vec(), 400, ""),
        (
            "a field missing",
            json,
            b"{}".to_vec(),
            400,
            "missing field",
        ),
        (
            "a number for a name",
            json,
            with("/installed/0/package", 7.into()),
            400,
            "installed[0].package",
        ),
        (
            "a bad version",
            json,
            with("/installed/0/version", "one".into()),
            400,
            "installed[0].version",
        ),
        (
            "a name that leaves",
            json,
            with("/installed/0/package", "../x".into()),
            400,
            "installed[0].package",
        ),
        (
            "a time that is none",
            json,
            with("/at", "yesterday".into()),
            400,
            "at:",
        ),
        (
            "a negative generation",
            json,
            with("/generation", (-1).into()),
            400,
            "generation",
        ),
        ("deep lists", json, deep("[", "]"), 400, ""),
        (
            "deep in an unknown field",
            json,
            [b"{\"x\":".to_vec(), deep("[", "]"), b"}".to_vec()].concat(),
            400,
            "missing field",
        ),
        ("deep objects", json, deep("{\"a\":", "}"), 400, ""),
        (
            "two documents",
            json,
            [with("/boot_id", "b".into()), b"{}".to_vec()].concat(),
            400,
            "trailing",
        ),
        (
            "too large",
            json,
            vec![b' '; 2 * 1024 * 1024],
            413,
            "larger than",
        ),
        (
            "large for the store",
            json,
            with("/boot_id", "x".repeat(900_000).into()),
            413,
            "bytes",
        ),
        (
            "nul in a text",
            json,
            with("/boot_id", "a\0b".into()),
            200,
            "",
        ),
    ];
    for (what, media_type, body, status, words) in cases {
        let request = post("/agent/v1/report", media_type, &body);
        let (got, text) = exchange(&world, &web1.identity, &request).await;
        assert_eq!(got, status, "{what}: {text}");
        if got >= 400 {
            assert!(text.contains("application/problem+json"), "{what}: {text}");
            assert!(text.contains(words), "{what}: {text}");
        }
    }
    // After all of that it works as before.
    web1.report("1.0.0", true).await.unwrap();
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let head = |line: &str, headers: &str| {
        format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").into_bytes()
    };
    for (request, statuses) in [
        (head("GET /agent/v1/report", ""), &[405][..]),
        (head("BREW /agent/v1/ping", ""), &[405]),
        (head("GET /nowhere", ""), &[404]),
        (head("GET //agent//v1//ping", ""), &[404]),
        (head("GET /agent/v1/../../etc/passwd", ""), &[404]),
        (head("GET /repo/metadata/%2e%2e%2fserver.db", ""), &[404]),
        (head("GET /repo/metadata/%ff%00", ""), &[400, 404]),
        (
            head("GET /repo/targets/%2e%2e/%2e%2e/operator.toml", ""),
            &[404],
        ),
        (
            head("GET /agent/v1/ping", "lockstep-request-id: \x01\x02\r\n"),
            &[204, 400],
        ),
        (
            head(
                "GET /agent/v1/ping",
                &format!("x: {}\r\n", "y".repeat(100_000)),
            ),
            &[400, 431],
        ),
        (
            post("/agent/v1/enroll", "application/json", &vec![b'x'; 100_000]),
            &[413],
        ),
        (
            head(
                "POST /agent/v1/report",
                "content-type: application/json\r\ncontent-length: 99999999999\r\n",
            ),
            &[413],
        ),
    ] {
        let (status, text) = exchange(&world, &web1.identity, &request).await;
        assert!(statuses.contains(&status), "{status}: {text}");
    }
    // A body without an announced length is bounded, too.
    let mut stream = connect(&world, &web1.identity).await;
    let begin = "POST /agent/v1/report HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(begin.as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    for _ in 0..64 {
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    assert_eq!(answer(&mut stream).await.0, 413);
}

#[tokio::test]
async fn the_request_id_comes_back() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let request = "GET /agent/v1/ping HTTP/1.1\r\nhost: x\r\nlockstep-request-id: my-id-7\r\nconnection: close\r\n\r\n";
    let (status, text) = exchange(&world, &web1.identity, request.as_bytes()).await;
    assert_eq!(status, 204);
    assert!(text.contains("lockstep-request-id: my-id-7"), "{text}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up_and_holds_up_nobody() {
    let world = World::with(|config| config.limits.requests = 2).await;
    let web1 = world.enroll("web1").await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&world, &web1.identity).await;
        let begin = "POST /agent/v1/report HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
        stream.write_all(begin.as_bytes()).await.unwrap();
        // The server asks for the body once it waits for it.
        let mut line = [0; 25];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"{").await.unwrap();
        slow.push(stream);
    }
    // All places are taken: others are told to come back.
    let busy = web1
        .client
        .get_json::<()>("/agent/v1/ping")
        .await
        .unwrap_err();
    assert_eq!(busy.status(), Some(503), "{busy}");
    assert!(busy.retry_after().is_some());
    // From here on time runs ahead by itself: the limit of 30 s passes.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    for mut stream in slow {
        let (status, text) = answer(&mut stream).await;
        assert_eq!(status, 408, "{text}");
    }
    web1.client.get_json::<()>("/agent/v1/ping").await.unwrap();
}
