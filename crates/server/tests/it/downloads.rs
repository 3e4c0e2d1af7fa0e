//! Handing out bundles: parts of them, so many at once, and not at all.

use lockstep_model::api::Updates;
use lockstep_model::api::operator::SetUpdates;
use lockstep_trust::bundle::BuiltBundle;
use lockstep_trust::consistent_target_path;

use crate::world::{Host, Publisher, World, build, refused, upload};
use lockstep_trust::author::TargetsEdit;

/// Far more than what sockets and flow control take in without the reader.
const LARGE: usize = 24 * 1024 * 1024;

/// Publishes a bundle of noise that does not compress, and enrols a host.
async fn with_large_bundle(world: &World) -> (BuiltBundle, Host, String) {
    let mut publisher = Publisher::begin(world).await;
    let mut noise = vec![0_u8; LARGE];
    fastrand::Rng::with_seed(7).fill(&mut noise);
    let (bundle, file) = build(world, "1.0.0", &noise);
    upload(world, &bundle, &file).await.unwrap();
    publisher.edit(&TargetsEdit::new().add(bundle.release()));
    publisher.send(world, false).await.unwrap();
    let path = format!(
        "/repo/targets/{}",
        consistent_target_path(&bundle.release())
    );
    (bundle, world.enroll("web1").await, path)
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_broken_off() {
    let world = World::start().await;
    let (bundle, web1, path) = with_large_bundle(&world).await;
    let whole = std::fs::read(world.dir.path().join("lockstep-1.0.0.tar.zst")).unwrap();

    let mut got = Vec::new();
    let mut download = web1
        .client
        .download_from(&path, 0, bundle.length)
        .await
        .unwrap();
    assert_eq!(
        (download.total(), download.resumed()),
        (Some(bundle.length), false)
    );
    while got.len() < LARGE / 2 {
        got.extend_from_slice(&download.chunk().await.unwrap().unwrap());
    }
    drop(download);
    let mut download = web1
        .client
        .download_from(&path, got.len() as u64, bundle.length)
        .await
        .unwrap();
    assert!(download.resumed());
    while let Some(chunk) = download.chunk().await.unwrap() {
        got.extend_from_slice(&chunk);
    }
    assert!(got == whole, "the parts make the whole");
    // Nothing is left to fetch: that is no error.
    let mut download = web1
        .client
        .download_from(&path, bundle.length, bundle.length)
        .await
        .unwrap();
    assert_eq!(download.chunk().await.unwrap(), None);

    // An operator can fetch it, too.
    let copy = world
        .operator
        .get_capped(&path, LARGE + (1 << 20))
        .await
        .unwrap();
    assert!(copy == whole);
}

#[tokio::test]
async fn only_so_many_are_served_at_once_and_the_rest_is_told_when_to_come_back() {
    let world = World::with(|config| config.downloads = 1).await;
    let (bundle, web1, path) = with_large_bundle(&world).await;
    let mut slow = web1
        .client
        .download_from(&path, 0, bundle.length)
        .await
        .unwrap();
    slow.chunk().await.unwrap();

    let web2 = world.enroll("web2").await;
    let mut waits = Vec::new();
    for _ in 0..20 {
        let error = web2
            .client
            .download_from(&path, 0, bundle.length)
            .await
            .err()
            .unwrap();
        assert_eq!(error.status(), Some(503), "{error}");
        waits.push(error.retry_after().expect("it says when").as_secs());
    }
    assert!(
        waits.iter().all(|wait| (5..=10).contains(wait)),
        "{waits:?}"
    );
    waits.dedup();
    assert!(waits.len() > 1, "they are spread");
    // What is small is served all the same.
    web2.client
        .get_json::<serde_json::Value>("/repo/metadata/timestamp.json")
        .await
        .unwrap();

    while slow.chunk().await.unwrap().is_some() {}
    let whole = web2
        .client
        .get_capped(&path, LARGE + (1 << 20))
        .await
        .unwrap();
    assert_eq!(whole.len() as u64, bundle.length);
}

#[tokio::test]
async fn a_reader_that_goes_away_frees_its_place() {
    let world = World::with(|config| config.downloads = 1).await;
    let (bundle, web1, path) = with_large_bundle(&world).await;
    let mut download = web1
        .client
        .download_from(&path, 0, bundle.length)
        .await
        .unwrap();
    download.chunk().await.unwrap();
    drop(download);
    // The server notices when its next piece finds no reader.
    loop {
        match web1.client.get_capped(&path, LARGE + (1 << 20)).await {
            Ok(whole) => break assert_eq!(whole.len() as u64, bundle.length),
            Err(error) => assert_eq!(error.status(), Some(503), "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn downloads_switched_off_in_the_configuration_are_refused() {
    let world = World::with(|config| config.downloads = 0).await;
    let (_, web1, path) = with_large_bundle(&world).await;
    let answer = web1.client.get_capped(&path, 1 << 20).await;
    assert_eq!(refused(answer), (403, "updates-off".into()));
}

#[tokio::test]
async fn updates_switched_off_for_all_servers_are_refused_until_they_are_on() {
    let (world, _publisher, hosts) = World::settled(&["web1"]).await;
    let web1 = &hosts[0];
    let desired = web1.report("0.9.0", true).await.unwrap().desired.remove(0);
    let hash = desired.hash.to_string();
    let path = format!(
        "/repo/targets/{}",
        desired
            .target
            .replace("lockstep-1", &format!("{hash}.lockstep-1"))
    );
    web1.client.get_capped(&path, 1 << 20).await.unwrap();

    let set = async |updates| -> () {
        let path = "/api/v1/settings/updates";
        world
            .operator
            .put_json(path, &SetUpdates { updates })
            .await
            .unwrap()
    };
    set(Updates::Off).await;
    assert_eq!(
        web1.report("1.0.0", true).await.unwrap().updates,
        Updates::Off
    );
    assert_eq!(
        refused(web1.client.get_capped(&path, 1 << 20).await),
        (403, "updates-off".into())
    );
    set(Updates::On).await;
    assert_eq!(
        web1.report("1.0.0", true).await.unwrap().updates,
        Updates::On
    );
    web1.client.get_capped(&path, 1 << 20).await.unwrap();
}

#[tokio::test]
async fn updates_switched_off_on_this_server_are_off() {
    let world = World::with(|config| config.updates = false).await;
    let (_, web1, path) = with_large_bundle(&world).await;
    assert_eq!(
        web1.report("1.0.0", true).await.unwrap().updates,
        Updates::Off
    );
    assert_eq!(
        refused(web1.client.get_capped(&path, 1 << 20).await),
        (403, "updates-off".into())
    );
}
