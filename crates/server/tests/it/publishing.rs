//! From the publisher's keys to a host that believes what it gets.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use lockstep_model::api::operator::{ReleaseView, SignedMetadata, StoredArtifact};
use lockstep_model::{ContentHash, PackageName};
use lockstep_net::client::{CallError, HttpClient};
use lockstep_trust::author::TargetsEdit;
use lockstep_trust::{Fetch, MetadataStore, SigningKey, TrustedRepository, stated};

use crate::world::{Publisher, World, build, hours, refusal, refused, upload, version};

/// A host's memory of the repository.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<HashMap<String, Vec<u8>>>>);

impl MetadataStore for Memory {
    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }
    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().insert(name.into(), bytes.into());
        Ok(())
    }
}

/// Fetches metadata from the server, as a host does.
pub(crate) struct FromServer<'a>(pub(crate) &'a HttpClient);

impl Fetch for FromServer<'_> {
    async fn fetch(
        &self,
        name: &str,
        max: usize,
    ) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        match self
            .0
            .get_capped(&format!("/repo/metadata/{name}"), max)
            .await
        {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[tokio::test]
async fn what_the_publisher_signed_is_what_a_host_believes() {
    let world = World::start().await;
    let early = world.enroll("early").await;
    let no_root = early
        .client
        .get_json::<serde_json::Value>("/agent/v1/root")
        .await;
    assert_eq!(refused(no_root), (404, "not-found".into()));

    let mut publisher = Publisher::begin(&world).await;
    let built = publisher.publish(&world, &["1.0.0"]).await.remove(0);
    let root = early
        .client
        .get_capped("/agent/v1/root", 1 << 20)
        .await
        .unwrap();
    assert_eq!(root, publisher.root);

    let memory = Memory::default();
    let mut repository = TrustedRepository::open(Box::new(memory), Some(&root)).unwrap();
    let fetch = FromServer(&early.client);
    repository.refresh(&fetch, world.now()).await.unwrap();
    let release = repository
        .release(&built.release().target, world.now())
        .unwrap();
    assert_eq!(release, built.release());

    // The next list is seen by the next refresh, and a withdrawn release is gone from it and from the server.
    let second = publisher.publish(&world, &["1.1.0"]).await.remove(0);
    repository.refresh(&fetch, world.now()).await.unwrap();
    assert_eq!(repository.releases().len(), 2);
    publisher.edit(&TargetsEdit::new().withdraw(PackageName::lockstep(), version("1.1.0")));
    publisher.send(&world, false).await.unwrap();
    repository.refresh(&fetch, world.now()).await.unwrap();
    assert_eq!(repository.releases().len(), 1);
    let path = format!(
        "/repo/targets/{}",
        lockstep_trust::consistent_target_path(&second.release())
    );
    assert_eq!(
        refused(early.client.get_capped(&path, 1 << 20).await),
        (404, "not-found".into())
    );

    let listed: Vec<ReleaseView> = world.operator.get_json("/api/v1/releases").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].release, built.release());
    // A host that enrols now gets the root at once.
    let token = world.token(1, None).await;
    let key = lockstep_trust::identity::HostKey::generate(&crate::world::host("late")).unwrap();
    let answer = world.enroll_with("late", &token.token, &key).await.unwrap();
    assert_eq!(answer.trusted_root.unwrap().into_bytes(), publisher.root);
}

#[tokio::test]
async fn a_publication_is_checked_before_the_fleet_sees_it() {
    let world = World::start().await;
    let post = async |metadata: &SignedMetadata| -> Result<(), CallError> {
        world
            .operator
            .post_json("/api/v1/repo/metadata", metadata)
            .await
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(
        refused(post(&SignedMetadata::default()).await),
        (400, "bad-request".into())
    );

    let mut publisher = Publisher::prepare(&world).await;
    let only_targets = SignedMetadata {
        roots: vec![],
        targets: Some(text(&publisher.targets)),
    };
    assert_eq!(refused(post(&only_targets).await), (409, "conflict".into()));
    publisher.send(&world, true).await.unwrap();
    // The answer was lost: the same publication again is a success.
    publisher.send(&world, true).await.unwrap();

    // A bundle that is not here must not be listed.
    let (bundle, file) = build(&world, "1.0.0", b"#!/bin/sh\n");
    let before = publisher.targets.clone();
    publisher.edit(&TargetsEdit::new().add(bundle.release()));
    let words = refusal(publisher.send(&world, false).await);
    assert!(
        words.contains("not here") && words.contains(&bundle.hash.to_string()),
        "{words}"
    );
    let stored = upload(&world, &bundle, &file).await.unwrap();
    assert_eq!((stored.hash, stored.length), (bundle.hash, bundle.length));
    let again = upload(&world, &bundle, &file).await.unwrap();
    assert_eq!((again.hash, again.length), (stored.hash, stored.length));
    publisher.send(&world, false).await.unwrap();

    // A list that was made from an older one, and one that somebody else signed.
    let good = std::mem::replace(&mut publisher.targets, before);
    publisher.edit(&TargetsEdit::new().set_floor(PackageName::lockstep(), version("1.0.0")));
    assert_eq!(
        refused(publisher.send(&world, false).await),
        (409, "conflict".into())
    );
    publisher.targets = good;
    let mine = std::mem::replace(&mut publisher.targets_key, SigningKey::generate().unwrap());
    let signed = publisher.targets.clone();
    publisher.edit(&TargetsEdit::new());
    let words = refusal(publisher.send(&world, false).await);
    assert!(words.contains("signatures"), "{words}");
    (publisher.targets, publisher.targets_key) = (signed, mine);

    // A listed version keeps its bytes, even if the publisher signs others.
    let (other, file) = build(&world, "1.0.0", b"#!/bin/sh\nexit 1\n");
    upload(&world, &other, &file).await.unwrap();
    let lockstep = PackageName::lockstep();
    publisher.edit(
        &TargetsEdit::new()
            .withdraw(lockstep, version("1.0.0"))
            .add(other.release()),
    );
    assert_eq!(
        refused(publisher.send(&world, false).await),
        (409, "conflict".into())
    );

    // A root that names another server's keys would leave this one unable to sign.
    let elsewhere = World::start().await;
    let foreign = Publisher::prepare(&elsewhere).await;
    let root = SignedMetadata {
        roots: vec![text(&foreign.root)],
        targets: None,
    };
    assert!(
        refusal(post(&root).await).contains("version"),
        "it does not follow"
    );
}

#[tokio::test]
async fn a_root_with_other_online_keys_is_refused() {
    let (world, elsewhere) = (World::start().await, World::start().await);
    let foreign = Publisher::prepare(&elsewhere).await;
    let words = refusal(foreign.send(&world, true).await);
    assert!(words.contains("online keys"), "{words}");
}

#[tokio::test]
async fn artifacts_are_what_their_names_say() {
    let world = World::with(|config| config.limits.artifact_bytes = 1000).await;
    let (bundle, file) = build(&world, "1.0.0", b"#!/bin/sh\n");
    let wrong = format!("/api/v1/artifacts/{}", ContentHash::from_digest([1; 32]));
    let send = async |path: &str, file: &std::path::Path| -> Result<StoredArtifact, CallError> {
        let file = tokio::fs::File::open(file).await.unwrap();
        world.operator.put_file(path, file, |_| {}).await
    };
    assert_eq!(
        refused(send(&wrong, &file).await),
        (400, "bad-request".into())
    );
    assert_eq!(
        refused(send("/api/v1/artifacts/abc", &file).await),
        (400, "bad-request".into())
    );
    let there = format!("/api/v1/artifacts/{}", bundle.hash);
    assert_eq!(
        refused(world.operator.get_json::<StoredArtifact>(&there).await).0,
        404
    );
    send(&there, &file).await.unwrap();
    world
        .operator
        .get_json::<StoredArtifact>(&there)
        .await
        .unwrap();
    // Nothing of what was refused is left.
    let kept = std::fs::read_dir(world.config.data.join("artifacts"))
        .unwrap()
        .count();
    assert_eq!(kept, 1);

    let noise: Vec<u8> = (0..4000).map(|_| fastrand::u8(..)).collect();
    let (large, file) = build(&world, "1.1.0", &noise);
    assert!(large.length > 1000);
    let path = format!("/api/v1/artifacts/{}", large.hash);
    // The refusal may overtake the body, and then the connection is lost instead; never is it stored.
    assert!(send(&path, &file).await.is_err());
    assert_eq!(
        refused(world.operator.get_json::<StoredArtifact>(&path).await).0,
        404
    );
}

#[tokio::test]
async fn freshness_is_signed_anew_before_it_ends() {
    let world = World::start().await;
    let mut publisher = Publisher::begin(&world).await;
    publisher.publish(&world, &["1.0.0"]).await;
    let web1 = world.enroll("web1").await;
    let timestamp = async || {
        let bytes = web1
            .client
            .get_capped("/repo/metadata/timestamp.json", 1 << 20)
            .await
            .unwrap();
        stated(lockstep_trust::Role::Timestamp, &bytes).unwrap()
    };
    let first = timestamp().await;
    world.driver.advance(hours(15));
    world.running.tick().await.unwrap();
    assert_eq!(timestamp().await, first, "two thirds are not over");
    world.driver.advance(hours(2));
    world.running.tick().await.unwrap();
    let second = timestamp().await;
    assert!(second.version > first.version);
    assert!(second.expires > first.expires);

    // For a month, a host that looks now and then always finds it fresh.
    let root = web1
        .client
        .get_capped("/agent/v1/root", 1 << 20)
        .await
        .unwrap();
    let mut repository = TrustedRepository::open(Box::new(Memory::default()), Some(&root)).unwrap();
    for _ in 0..4 * 30 {
        world.driver.advance(hours(6));
        world.running.tick().await.unwrap();
        repository
            .refresh(&FromServer(&web1.client), world.now())
            .await
            .unwrap();
    }
}
