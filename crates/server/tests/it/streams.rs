//! Hints.

use std::time::Duration;

use lockstep_model::api::Updates;
use lockstep_model::api::operator::SetUpdates;
use lockstep_net::client::EventStream;
use tokio::time::timeout;

use crate::world::{World, refused};

/// The next event; a test that waits in vain fails by this limit instead of hanging.
async fn next(stream: &mut EventStream) -> Option<(String, String)> {
    let event = timeout(Duration::from_secs(20), stream.next())
        .await
        .expect("something comes in time");
    event.ok().flatten().map(|event| (event.name, event.data))
}

#[tokio::test]
async fn hosts_are_told_when_there_is_something_for_them() {
    let (world, _publisher, hosts) = World::settled(&["web1", "web2", "web3"]).await;
    let mut streams = Vec::new();
    for host in &hosts {
        streams.push((host, host.client.events("/agent/v1/stream").await.unwrap()));
    }
    world.promote("1.1.0").await.unwrap();
    let view = world.rollout(2).await;
    let canary = view.waves[0].hosts[0].name.clone();
    let hint = Some(("report".to_owned(), "{}".to_owned()));
    let (_, stream) = streams
        .iter_mut()
        .find(|(host, _)| host.name == canary)
        .unwrap();
    assert_eq!(next(stream).await, hint);

    // Then all are called, and the server ends: the others hear that one call and nothing else.
    let set = SetUpdates {
        updates: Updates::On,
    };
    let path = "/api/v1/settings/updates";
    world.operator.put_json::<_, ()>(path, &set).await.unwrap();
    for (_, stream) in &mut streams {
        assert_eq!(next(stream).await, hint);
    }
    let stopped = tokio::spawn(world.running.stop());
    for (host, stream) in &mut streams {
        assert_eq!(next(stream).await, None, "{}", host.name);
    }
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_stream_ends_with_its_host() {
    let world = World::start().await;
    let (web1, web2) = (world.enroll("web1").await, world.enroll("web2").await);
    let mut gone = web1.client.events("/agent/v1/stream").await.unwrap();
    let mut stays = web2.client.events("/agent/v1/stream").await.unwrap();
    world
        .operator
        .delete::<()>("/api/v1/hosts/web1")
        .await
        .unwrap();
    assert_eq!(next(&mut gone).await, None);
    // The other one lives, and ends with the server.
    let set = SetUpdates {
        updates: Updates::On,
    };
    world
        .operator
        .put_json::<_, ()>("/api/v1/settings/updates", &set)
        .await
        .unwrap();
    assert_eq!(next(&mut stays).await, Some(("report".into(), "{}".into())));
    let stopped = tokio::spawn(world.running.stop());
    assert_eq!(next(&mut stays).await, None);
    stopped.await.unwrap();
}

#[tokio::test]
async fn one_host_cannot_hold_many_streams() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(web1.client.events("/agent/v1/stream").await.unwrap());
    }
    assert_eq!(
        refused(web1.client.events("/agent/v1/stream").await),
        (503, "busy".into())
    );
    let other = world.enroll("web2").await;
    other.client.events("/agent/v1/stream").await.unwrap();
}
