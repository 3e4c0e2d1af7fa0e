//! Sending files.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::put;
use axum::{Json, Router};
use futures_util::TryStreamExt as _;
use lockstep_net::client::CallError;
use tokio::fs::File;

use crate::world::{Authority, World, fingerprint};

const LENGTH: usize = 3_000_001;

async fn file(length: usize) -> File {
    let mut file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
    file.write_all(&bytes).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    File::from_std(file)
}

fn router() -> Router {
    async fn stored(headers: HeaderMap, body: Body) -> Json<(u64, String)> {
        let stated = headers["content-length"].to_str().unwrap().parse().unwrap();
        let pieces: Vec<Bytes> = body.into_data_stream().try_collect().await.unwrap();
        let bytes: Vec<u8> = pieces.concat();
        Json((stated, fingerprint(&bytes).to_string()))
    }
    async fn ignored(body: Body) -> StatusCode {
        std::future::pending::<()>().await;
        drop(body);
        StatusCode::OK
    }
    async fn slow(body: Body) -> StatusCode {
        body.into_data_stream()
            .try_collect::<Vec<_>>()
            .await
            .unwrap();
        std::future::pending::<()>().await;
        StatusCode::OK
    }
    Router::new()
        .route("/stored", put(stored))
        .route("/ignored", put(ignored))
        .route("/slow", put(slow))
        .route("/refused", put(|| async { StatusCode::PAYLOAD_TOO_LARGE }))
}

#[tokio::test]
async fn a_file_arrives_whole_and_says_how_far_it_is() {
    let world = World::serving(router()).await;
    for length in [0, LENGTH] {
        let seen = Arc::new(AtomicU64::new(0));
        let sent = {
            let seen = seen.clone();
            move |bytes| {
                assert!(seen.swap(bytes, Ordering::SeqCst) < bytes);
            }
        };
        let (stated, hash): (u64, String) = world
            .client()
            .put_file("/stored", file(length).await, sent)
            .await
            .unwrap();
        let expected: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        assert_eq!(stated, u64::try_from(length).unwrap());
        assert_eq!(hash, fingerprint(&expected).to_string());
        assert_eq!(seen.load(Ordering::SeqCst), stated);
    }
}

#[tokio::test]
async fn a_refusal_comes_through_in_the_middle() {
    let world = World::serving(router()).await;
    let error = world
        .client()
        .put_file::<()>("/refused", file(LENGTH).await, |_| {})
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(413), "{error}");
}

#[tokio::test]
async fn a_server_that_takes_nothing_is_given_up() {
    let world = World::serving(router()).await;
    let mut settings = world.settings();
    settings.timeouts.connect = Duration::from_millis(300);
    settings.timeouts.stall = Duration::from_millis(300);
    settings.timeouts.answer = Duration::from_millis(400);
    let client = world.client_of(settings);
    for (path, length) in [("/ignored", LENGTH), ("/slow", 100)] {
        let error = client
            .put_file::<()>(path, file(length).await, |_| {})
            .await
            .unwrap_err();
        assert!(
            matches!(&error, CallError::Unreachable { why, .. } if why.contains("stands still")),
            "{path}: {error}"
        );
    }
}

#[tokio::test]
async fn a_certificate_that_is_refused_is_said_to_be_even_in_the_middle_of_an_upload() {
    let world = World::serving(router()).await;
    let stranger = Authority::new("another authority").host("web1");
    for _ in 0..10 {
        let error = world
            .client_as(&stranger)
            .put_file::<()>("/stored", file(LENGTH).await, |_| {})
            .await
            .unwrap_err();
        assert!(matches!(error, CallError::NotBelieved { .. }), "{error}");
    }
}
