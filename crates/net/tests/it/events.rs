//! Streams of events.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::{Stream, StreamExt as _, stream};
use lockstep_net::client::CallError;

use crate::world::World;

fn events<T: Into<Bytes>>(pieces: impl Stream<Item = T> + Send + 'static) -> Response {
    let pieces = pieces.map(|piece| Ok::<_, std::io::Error>(piece.into()));
    let headers = [(header::CONTENT_TYPE, "text/event-stream")];
    (headers, Body::from_stream(pieces)).into_response()
}

/// In pieces of some size: many tiny ones look like an attack to HTTP/2.
fn endless(text: &str) -> impl Stream<Item = String> + use<> {
    stream::repeat(text.repeat(500))
}

fn router() -> Router {
    let pieces = [
        ": hi\n",
        "\nevent: wo",
        "rk\r\ndata: 1\r",
        "\n\r\ndata: a\ndata: b\n\nda",
    ];
    Router::new()
        .route(
            "/ended",
            get(move || async move { events(stream::iter(pieces)) }),
        )
        .route(
            "/silent",
            get(|| async { events(stream::iter(["data: 1\n\n"]).chain(stream::pending())) }),
        )
        .route("/line", get(|| async { events(endless("never ends ")) }))
        .route("/event", get(|| async { events(endless("data: more\n")) }))
        .route("/page", get(|| async { "data: 1\n\n" }))
}

#[tokio::test]
async fn events_arrive_however_they_were_divided() {
    let world = World::serving(router()).await;
    let mut stream = world.client().events("/ended").await.unwrap();
    let mut event = async || {
        let event = stream.next().await.unwrap();
        event.map(|event| (event.name, event.data))
    };
    assert_eq!(event().await, Some(("work".into(), "1".into())));
    assert_eq!(event().await, Some(("message".into(), "a\nb".into())));
    assert_eq!(event().await, None);
}

#[tokio::test]
async fn what_never_ends_is_refused() {
    let world = World::serving(router()).await;
    for path in ["/line", "/event"] {
        let mut stream = world.client().events(path).await.unwrap();
        let error = stream.next().await.unwrap_err();
        assert!(
            matches!(&error, CallError::BadAnswer { why, .. } if why.contains("longer than")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_silent_stream_counts_as_lost() {
    let world = World::serving(router()).await;
    let mut settings = world.settings();
    settings.timeouts.stall = Duration::from_millis(300);
    let mut stream = world.client_of(settings).events("/silent").await.unwrap();
    assert!(stream.next().await.unwrap().is_some());
    let error = stream.next().await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn something_else_is_no_stream() {
    let world = World::serving(router()).await;
    let error = world.client().events("/page").await.unwrap_err();
    assert!(matches!(error, CallError::BadAnswer { .. }), "{error}");
}
