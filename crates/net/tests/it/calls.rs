//! JSON calls, and everything that can be wrong with an answer.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use lockstep_model::{Problem, ProblemKind};
use lockstep_net::client::CallError;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::world::World;

async fn world(path: &str, answer: axum::routing::MethodRouter) -> World {
    World::serving(Router::new().route(path, answer)).await
}

#[tokio::test]
async fn a_document_goes_there_and_another_comes_back() {
    let echo = |headers: HeaderMap, Json(question): Json<Value>| async move {
        let header = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        Json(json!({
            "question": question,
            "version": header("lockstep-agent-version"),
            "bearer": header("authorization"),
            "id": header("lockstep-request-id"),
            "agent": header("user-agent"),
        }))
    };
    let world = world("/echo", post(echo).put(echo)).await;
    let mut settings = world.settings();
    settings.headers = vec![("lockstep-agent-version".into(), "1.2.3".into())];
    settings.bearer = Some("lso1.x".into());
    let client = world.client_of(settings);
    let expected = |id: Value| {
        json!({
            "question": {"a": 1}, "version": "1.2.3", "bearer": "Bearer lso1.x", "id": id,
            "agent": format!("lockstep/{}", env!("CARGO_PKG_VERSION")),
        })
    };
    let question = json!({"a": 1});
    let answer: Value = client.post_json("/echo", &question).await.unwrap();
    assert_eq!(answer, expected(Value::Null));
    let named = client.with_header("lockstep-request-id", "r1").unwrap();
    let named = named.with_header("lockstep-request-id", "r2").unwrap();
    let answer: Value = named.put_json("/echo", &question).await.unwrap();
    assert_eq!(answer, expected("r2".into()));
    assert!(client.with_header("bad name", "x").is_err());
    assert!(client.with_header("name", "bad\nvalue").is_err());
}

#[tokio::test]
async fn no_body_reads_as_nothing() {
    let nothing = || async { StatusCode::NO_CONTENT };
    let world = world("/", get(nothing).delete(nothing)).await;
    world.client().delete::<()>("/").await.unwrap();
    let answer: Option<u8> = world.client().get_json("/").await.unwrap();
    assert_eq!(answer, None);
}

/// `/stated/N` answers with N bytes and says so, `/streamed/N` does not.
fn bytes() -> Router {
    use axum::extract::Path;
    Router::new()
        .route(
            "/stated/{n}",
            get(|Path(n): Path<usize>| async move { "1".repeat(n) }),
        )
        .route(
            "/streamed/{n}",
            get(|Path(n): Path<usize>| async move {
                let pieces = (0..n).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"1")));
                Body::from_stream(stream::iter(pieces))
            }),
        )
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused() {
    let world = World::serving(bytes()).await;
    let client = world.client();
    for kind in ["stated", "streamed"] {
        let body = client
            .get_capped(&format!("/{kind}/1000"), 1000)
            .await
            .unwrap();
        assert_eq!(body.len(), 1000);
        let error = client
            .get_capped(&format!("/{kind}/1001"), 1000)
            .await
            .unwrap_err();
        assert!(
            matches!(error, CallError::TooLarge { max: 1000, .. }),
            "{error}"
        );
        assert!(
            error.to_string().ends_with("more than 1000 bytes"),
            "{error}"
        );
    }
    let mut settings = world.settings();
    settings.max_answer = 5;
    let client = world.client_of(settings);
    assert_eq!(client.get_json::<u32>("/streamed/5").await.unwrap(), 11_111);
    let error = client.get_json::<u32>("/streamed/6").await.unwrap_err();
    assert!(
        matches!(error, CallError::TooLarge { max: 5, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_problem_document_comes_with_the_refusal() {
    let problem = Problem::new(ProblemKind::Busy, "four downloads are served already");
    let busy = move || {
        let body = serde_json::to_string(&problem).unwrap();
        async move {
            let headers = [
                (
                    header::CONTENT_TYPE,
                    "application/problem+json; charset=utf-8",
                ),
                (header::RETRY_AFTER, "17"),
            ];
            (StatusCode::SERVICE_UNAVAILABLE, headers, body)
        }
    };
    let world = world("/x", get(busy)).await;
    let error = world.client().get_json::<()>("/x").await.unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(17)));
    assert_eq!(error.problem().unwrap().kind, ProblemKind::Busy);
    assert_eq!(
        error.to_string(),
        format!(
            "https://{}/x answers 503: four downloads are served already",
            world.addr
        )
    );
}

#[tokio::test]
async fn a_refusal_without_a_usable_explanation_is_a_refusal_all_the_same() {
    let answers = |media: &'static str, body: String| {
        get(move || async move { (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, media)], body) })
    };
    let router = Router::new()
        .route("/html", answers("text/html", "<p>".into()))
        .route("/torn", answers(Problem::MEDIA_TYPE, "{\"type\":".into()))
        .route(
            "/huge",
            answers(
                Problem::MEDIA_TYPE,
                format!("{{\"detail\":\"{}\"}}", "x".repeat(100_000)),
            ),
        );
    let world = World::serving(router).await;
    for path in ["/html", "/torn", "/huge", "/not-there"] {
        let error = world.client().get_json::<()>(path).await.unwrap_err();
        assert!(error.is_not_found() && error.problem().is_none(), "{error}");
        assert_eq!(error.retry_after(), None);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let router = Router::new()
        .route("/from", get(|| async { Redirect::temporary("/to") }))
        .route("/to", get(|| async { "1" }));
    let world = World::serving(router).await;
    let error = world.client().get_json::<u8>("/from").await.unwrap_err();
    assert_eq!(error.status(), Some(307));
}

#[tokio::test]
async fn an_answer_that_is_something_else_is_refused() {
    let world = world("/", get(|| async { "<html>".into_response() })).await;
    let error = world.client().get_json::<u8>("/").await.unwrap_err();
    assert!(
        matches!(error, CallError::BadAnswer { .. }) && error.to_string().contains("JSON"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let never = || async {
        std::future::pending::<()>().await;
        "1"
    };
    let begun = || async { Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()) };
    let router = Router::new()
        .route("/never", get(never))
        .route("/begun", get(begun));
    let world = World::serving(router).await;
    let mut settings = world.settings();
    settings.timeouts.answer = Duration::from_millis(200);
    let client = world.client_of(settings);
    for path in ["/never", "/begun"] {
        let error = client.get_json::<u8>(path).await.unwrap_err();
        assert!(
            error.to_string().ends_with("no answer within 0.2 s"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let world = World::serving(Router::new()).await;
    let client = world.client();
    world.stop.cancel();
    world.server.await.unwrap();
    let error = client.get_json::<u8>("/").await.unwrap_err();
    assert!(
        matches!(&error, CallError::Unreachable { why, .. } if why.contains("refused")),
        "{error}"
    );
}

#[tokio::test]
async fn a_path_cannot_become_another_host() {
    let world = World::serving(bytes()).await;
    for path in ["@evil.example/", ".evil.example/", "", "x"] {
        let error = world.client().get_json::<u8>(path).await.unwrap_err();
        assert!(matches!(error, CallError::BadUrl { .. }), "{error}");
    }
    let error = world.client().get_json::<u8>("//evil.example/").await;
    assert_eq!(error.unwrap_err().status(), Some(404));
}

#[tokio::test]
async fn a_problem_cannot_write_on_the_terminal() {
    let problem = Problem::new(
        ProblemKind::Internal,
        format!("\u{1b}[2J{}", "x".repeat(5000)),
    );
    let body = serde_json::to_string(&problem).unwrap();
    let answer = move || async move {
        let headers = [(header::CONTENT_TYPE, Problem::MEDIA_TYPE)];
        (StatusCode::INTERNAL_SERVER_ERROR, headers, body)
    };
    let world = world("/", get(answer)).await;
    let error = world.client().get_json::<()>("/").await.unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("answers 500:  [2Jxxx") && words.len() < 1200,
        "{words}"
    );
}

/// Between client and server, until it is told to take no more from the connections that stand.
async fn middleman(to: SocketAddr, mute: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(to).await.unwrap();
            let mut mute = mute.clone();
            mute.mark_unchanged();
            tokio::spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = mute.changed() => std::future::pending().await,
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn a_dead_connection_is_not_used_again() {
    let served = world("/", get(|| async { "1" })).await;
    let (mute, muted) = watch::channel(false);
    let addr = middleman(served.addr, muted).await;
    let mut settings = served.settings();
    settings.base_url = format!("https://{addr}");
    settings.timeouts.answer = Duration::from_millis(1500);
    let client = served.client_of(settings);
    assert_eq!(client.get_json::<u8>("/").await.unwrap(), 1);
    mute.send_replace(true);
    let error = client.get_json::<u8>("/").await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
    assert_eq!(client.get_json::<u8>("/").await.unwrap(), 1);
}
