//! What slow, silent and many peers can do to a listener: not much.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use lockstep_net::client::CallError;
use lockstep_net::tls::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::world::World;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(3600);

fn hello() -> Router {
    Router::new().route("/", get(|| async { "1" }))
}

#[tokio::test]
async fn a_slow_handshake_is_cut_and_delays_nobody() {
    let limits = Limits {
        handshake: SHORT,
        ..Limits::default()
    };
    let world = World::limited(hello(), limits).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut peer = TcpStream::connect(world.addr).await.unwrap();
        // The beginning of a ClientHello that never goes on.
        peer.write_all(&[22, 3, 1, 1, 0]).await.unwrap();
        silent.push(peer);
    }
    assert_eq!(world.client().get_json::<u8>("/").await.unwrap(), 1);
    for mut peer in silent {
        let end = timeout(Duration::from_secs(5), peer.read(&mut [0; 100])).await;
        assert!(matches!(end, Ok(Ok(0) | Err(_))), "{end:?}");
    }
}

#[tokio::test]
async fn a_peer_that_asks_nothing_is_sent_away() {
    let limits = Limits {
        first_request: SHORT,
        idle: LONG,
        ..Limits::default()
    };
    for (protocol, beginning) in [
        ("http/1.1", "GET / HTTP/1.1\r\nslow: "),
        ("http/1.1", ""),
        ("h2", "PRI * HTTP/2.0\r\n\r\n"),
        ("h2", ""),
    ] {
        let world = World::limited(hello(), limits.clone()).await;
        let mut stream = world.connect(&world.connector(protocol)).await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        let end = timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
        assert!(end.is_ok(), "{protocol} {beginning:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_ended() {
    let limits = Limits {
        idle: SHORT,
        ..Limits::default()
    };
    let world = World::limited(hello(), limits).await;
    let mut stream = world.connect(&world.connector("http/1.1")).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let end = timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await;
    end.expect("the connection ends").unwrap();
    assert!(answer.ends_with("\r\n\r\n1"), "{answer}");
}

/// Requests that stay open until the gate lets them go.
struct Gate {
    inside: AtomicUsize,
    most: AtomicUsize,
    entered: Semaphore,
    leave: Semaphore,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inside: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            entered: Semaphore::new(0),
            leave: Semaphore::new(0),
        })
    }

    fn router(self: &Arc<Self>) -> Router {
        let gate = self.clone();
        let handler = move || async move {
            let inside = gate.inside.fetch_add(1, Ordering::SeqCst) + 1;
            gate.most.fetch_max(inside, Ordering::SeqCst);
            gate.entered.add_permits(1);
            gate.leave.acquire().await.unwrap().forget();
            gate.inside.fetch_sub(1, Ordering::SeqCst);
            "1"
        };
        Router::new().route("/", get(handler))
    }
}

#[tokio::test]
async fn those_beyond_the_limit_wait_until_there_is_a_place() {
    let gate = Gate::new();
    let limits = Limits {
        connections: 2,
        idle: LONG,
        ..Limits::default()
    };
    let world = World::limited(gate.router(), limits).await;
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        let client = world.client();
        calls.spawn(async move { client.get_json::<u8>("/").await });
    }
    // Each request that leaves lets another connection in, because its own becomes idle.
    for _ in 0..6 {
        gate.entered.acquire().await.unwrap().forget();
        gate.leave.add_permits(1);
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().unwrap(), 1);
    }
    assert!(gate.most.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn a_full_house_waits_without_answering() {
    let gate = Gate::new();
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let world = World::limited(gate.router(), limits).await;
    let first = world.client();
    let open = tokio::spawn(async move { first.get_json::<u8>("/").await });
    gate.entered.acquire().await.unwrap().forget();

    let mut settings = world.settings();
    settings.timeouts.answer = SHORT;
    let error = world
        .client_of(settings)
        .get_json::<u8>("/")
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
    assert!(
        error.to_string().contains("no answer within 0.3 s"),
        "{error}"
    );
    gate.leave.add_permits(1);
    assert_eq!(open.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn an_idle_connection_makes_room_for_the_next() {
    let limits = Limits {
        connections: 1,
        idle: LONG,
        ..Limits::default()
    };
    let world = World::limited(hello(), limits).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        let client = world.client();
        assert_eq!(client.get_json::<u8>("/").await.unwrap(), 1);
        idle.push(client);
    }
    // Those that were sent away come back without noticing more than a new handshake.
    for client in idle {
        assert_eq!(client.get_json::<u8>("/").await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let world = World::serving(hello()).await;
    let mut stream = world.connect(&world.connector("http/1.1")).await;
    let request = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    // The server may close before it has read everything.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = vec![0; 100];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");

    let long = world
        .client()
        .with_header("long", &"x".repeat(40_000))
        .unwrap();
    let error = long.get_json::<u8>("/").await.unwrap_err();
    assert!(
        error.status() == Some(431) || error.status().is_none(),
        "{error}"
    );
}
