//! How a server stops.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::stream;
use lockstep_net::tls::{Ended, Limits};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::world::World;

/// `/slow` answers when it is told to, `/never` sends the beginning of an answer, `/` answers.
fn router(entered: Arc<Notify>, leave: Arc<Notify>) -> Router {
    let slow = move || async move {
        entered.notify_one();
        leave.notified().await;
        "1"
    };
    let never = || async {
        let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"1"))]);
        Body::from_stream(futures_util::StreamExt::chain(begun, stream::pending()))
    };
    Router::new()
        .route("/", get(|| async { "1" }))
        .route("/slow", get(slow))
        .route("/never", get(never))
}

async fn end(world: World) -> Ended {
    timeout(Duration::from_secs(5), world.server)
        .await
        .expect("it ends in time")
        .unwrap()
}

#[tokio::test]
async fn open_requests_are_answered_first() {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let world = World::serving(router(entered.clone(), leave.clone())).await;
    let (client, idle) = (world.client(), world.client());
    idle.get_json::<u8>("/").await.unwrap();
    let open = tokio::spawn(async move { client.get_json::<u8>("/slow").await });
    entered.notified().await;

    world.stop.cancel();
    let late = world.client();
    leave.notify_one();
    assert_eq!(open.await.unwrap().unwrap(), 1);
    assert_eq!(end(world).await, Ended { cut: 0 });
    late.get_json::<u8>("/").await.unwrap_err();
}

#[tokio::test]
async fn what_does_not_end_is_cut() {
    let limits = Limits {
        grace: Duration::from_millis(200),
        ..Limits::default()
    };
    let world = World::limited(router(Arc::default(), Arc::default()), limits).await;
    let client = world.client();
    let mut download = client.download_from("/never", 0, 100).await.unwrap();
    download.chunk().await.unwrap();
    world.stop.cancel();
    assert_eq!(end(world).await, Ended { cut: 1 });
    download.chunk().await.unwrap_err();
}

#[tokio::test]
async fn a_connection_grows_old() {
    let limits = Limits {
        lifetime: Duration::from_millis(300),
        grace: Duration::from_millis(200),
        ..Limits::default()
    };
    let world = World::limited(router(Arc::default(), Arc::default()), limits).await;
    let client = world.client();
    let mut download = client.download_from("/never", 0, 100).await.unwrap();
    download.chunk().await.unwrap();
    let end = timeout(Duration::from_secs(5), download.chunk()).await;
    end.expect("it is cut").unwrap_err();
    assert_eq!(client.get_json::<u8>("/").await.unwrap(), 1);
}
