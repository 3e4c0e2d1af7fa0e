//! Long downloads: resumed, refused, stalled.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::{StreamExt as _, stream};
use lockstep_net::client::{CallError, Download};

use crate::world::World;

const FILE: &[u8] = b"0123456789";
const MAX: u64 = 10;

async fn world(answer: axum::routing::MethodRouter) -> World {
    World::serving(Router::new().route("/f", answer)).await
}

/// A server that understands ranges, of the form that we send.
async fn ranged(headers: HeaderMap) -> Response {
    let Some(range) = headers.get(header::RANGE) else {
        return FILE.into_response();
    };
    let from = range
        .to_str()
        .unwrap()
        .strip_prefix("bytes=")
        .and_then(|range| range.strip_suffix('-'));
    let from: usize = from.unwrap().parse().unwrap();
    if from >= FILE.len() {
        let range = [(header::CONTENT_RANGE, format!("bytes */{}", FILE.len()))];
        return (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response();
    }
    part(
        &format!("bytes {from}-{}/{}", FILE.len() - 1, FILE.len()),
        &FILE[from..],
    )
}

fn part(range: &str, bytes: &'static [u8]) -> Response {
    let headers = [(header::CONTENT_RANGE, range)];
    (StatusCode::PARTIAL_CONTENT, headers, bytes).into_response()
}

async fn all(download: &mut Download) -> Result<Vec<u8>, CallError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = download.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[tokio::test]
async fn a_download_goes_on_where_it_ended() {
    let world = world(get(ranged)).await;
    let client = world.client();
    for offset in 0..=10 {
        let mut download = client.download_from("/f", offset, MAX).await.unwrap();
        assert_eq!(download.total(), Some(10));
        assert_eq!(download.resumed(), offset > 0);
        let from = usize::try_from(offset).unwrap();
        assert_eq!(all(&mut download).await.unwrap(), &FILE[from..]);
        assert!(download.chunk().await.unwrap().is_none(), "the end stays");
    }
}

#[tokio::test]
async fn one_that_has_more_than_there_is_begins_anew() {
    let world = world(get(ranged)).await;
    let mut download = world.client().download_from("/f", 11, MAX).await.unwrap();
    assert!(!download.resumed());
    assert_eq!(all(&mut download).await.unwrap(), FILE);
}

#[tokio::test]
async fn a_server_without_ranges_begins_anew() {
    let world = world(get(|| async { FILE })).await;
    let mut download = world.client().download_from("/f", 4, MAX).await.unwrap();
    assert_eq!((download.resumed(), download.total()), (false, Some(10)));
    assert_eq!(all(&mut download).await.unwrap(), FILE);
}

#[tokio::test]
async fn a_part_must_be_the_one_that_was_asked_for() {
    let parts = |Path(n): Path<usize>| async move {
        match n {
            0 => part("bytes 3-9/10", &FILE[3..]),
            1 => part("bytes 4-8/10", &FILE[4..9]),
            2 => part("pages 4-9/10", &FILE[4..]),
            3 => (StatusCode::PARTIAL_CONTENT, &FILE[4..]).into_response(),
            4 => part("bytes */10", &FILE[4..]),
            _ => part("bytes 4-9/*", &FILE[4..]),
        }
    };
    let world = World::serving(Router::new().route("/{n}", get(parts))).await;
    for n in 0..5 {
        let error = world
            .client()
            .download_from(&format!("/{n}"), 4, MAX)
            .await
            .unwrap_err();
        assert!(matches!(error, CallError::BadAnswer { .. }), "{n}: {error}");
    }
    let mut download = world.client().download_from("/5", 4, MAX).await.unwrap();
    assert_eq!((download.resumed(), download.total()), (true, None));
    assert_eq!(all(&mut download).await.unwrap(), &FILE[4..]);
}

#[tokio::test]
async fn a_refusal_is_one_with_and_without_range() {
    let world = world(get(|| async { StatusCode::FORBIDDEN })).await;
    for offset in [0, 4] {
        let error = world
            .client()
            .download_from("/f", offset, MAX)
            .await
            .unwrap_err();
        assert_eq!(error.status(), Some(403));
    }
}

fn too_large(error: &CallError) -> bool {
    matches!(error, CallError::TooLarge { max: 9, .. })
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_before_its_first_byte() {
    let world = world(get(ranged)).await;
    for offset in [0, 4] {
        let error = world
            .client()
            .download_from("/f", offset, 9)
            .await
            .unwrap_err();
        assert!(too_large(&error), "{error}");
    }
}

#[tokio::test]
async fn an_endless_file_is_refused_when_it_exceeds_its_limit() {
    let endless = || async {
        let pieces = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b"x")));
        Body::from_stream(pieces)
    };
    let world = world(get(endless)).await;
    let mut download = world.client().download_from("/f", 0, 9).await.unwrap();
    assert_eq!(download.total(), None);
    let error = all(&mut download).await.unwrap_err();
    assert!(too_large(&error), "{error}");
}

/// The first byte, and then `rest`.
fn begun(rest: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> Response {
    let first = stream::iter([Bytes::from_static(b"0")]);
    let body = Body::from_stream(first.chain(rest).map(Ok::<_, std::io::Error>));
    ([(header::CONTENT_LENGTH, "10")], body).into_response()
}

#[tokio::test]
async fn a_download_that_stands_still_is_given_up() {
    let trickle = || {
        let piece = |()| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"1")), ()))
        };
        Body::from_stream(stream::unfold((), piece))
    };
    let router = Router::new()
        .route("/still", get(|| async { begun(stream::pending()) }))
        .route("/trickle", get(move || async move { trickle() }));
    let world = World::serving(router).await;
    let mut settings = world.settings();
    settings.timeouts.stall = Duration::from_millis(400);
    let client = world.client_of(settings);
    for path in ["/still", "/trickle"] {
        let mut download = client.download_from(path, 0, 1_000_000).await.unwrap();
        let error = all(&mut download).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Unreachable { why, .. } if why.contains("stands still")),
            "{path}: {error}"
        );
    }
}

#[tokio::test]
async fn a_slow_writer_does_not_count_as_a_slow_server() {
    let halves = || async {
        let half = Bytes::from(vec![7; 100_000]);
        Body::from_stream(stream::iter([
            Ok::<_, std::io::Error>(half.clone()),
            Ok(half),
        ]))
    };
    let world = world(get(halves)).await;
    let mut settings = world.settings();
    settings.timeouts.stall = Duration::from_millis(300);
    let mut download = world
        .client_of(settings)
        .download_from("/f", 0, 200_000)
        .await
        .unwrap();
    let mut length = 0;
    let mut pauses = 0;
    while let Some(chunk) = download.chunk().await.unwrap() {
        if pauses < 3 {
            // The writer is slow here: this is the condition under test.
            tokio::time::sleep(Duration::from_millis(200)).await;
            pauses += 1;
        }
        length += chunk.len();
    }
    assert_eq!((length, pauses), (200_000, 3));
}

#[tokio::test]
async fn an_end_that_comes_too_early_is_no_end() {
    let world = world(get(|| async { begun(stream::empty()) })).await;
    let mut download = world.client().download_from("/f", 0, MAX).await.unwrap();
    let error = all(&mut download).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
}
