//! Deltas on the server: checked before they are listed, handed out like bundles, shown with the release.

use lockstep_model::api::operator::{ReleaseView, StoredArtifact};
use lockstep_model::{ContentHash, Delta, DeltaAlgorithm, DeltaDetails, DeltaEnd, Version};
use lockstep_net::client::CallError;
use lockstep_trust::author::TargetsEdit;
use lockstep_trust::bundle::BuiltBundle;
use lockstep_trust::consistent_delta_path;

use crate::world::{Publisher, World, refusal, refused};

/// A delta between two bundles, of these bytes; the server does not look into it.
fn delta(from: &BuiltBundle, to: &BuiltBundle, bytes: &[u8]) -> Delta {
    let end = |built: &BuiltBundle| DeltaEnd {
        version: built.details.version.clone(),
        content: built.details.content.unwrap(),
    };
    let details = DeltaDetails {
        package: to.details.package.clone(),
        platform: to.details.platform.clone(),
        from: end(from),
        to: end(to),
        algorithm: DeltaAlgorithm::Zstd,
    };
    Delta {
        target: details.target_path(),
        details,
        length: bytes.len() as u64,
        hash: ContentHash::of(bytes),
    }
}

async fn upload(world: &World, bytes: &[u8]) -> Result<StoredArtifact, CallError> {
    let path = world.dir.path().join("delta");
    write(&path, bytes);
    let file = tokio::fs::File::open(&path).await.unwrap();
    let target = format!("/api/v1/artifacts/{}", ContentHash::of(bytes));
    world.operator.put_file(&target, file, |_| {}).await
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's file need not survive a power cut"
)]
fn write(path: &std::path::Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_delta_is_handed_out_in_parts_until_it_is_withdrawn() {
    let world = World::start().await;
    let mut publisher = Publisher::begin(&world).await;
    let built = publisher.publish(&world, &["1.0.0", "1.1.0"]).await;
    let bytes: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
    let delta = delta(&built[0], &built[1], &bytes);
    upload(&world, &bytes).await.unwrap();
    publisher.edit(&TargetsEdit::new().add_delta(delta.clone()));
    publisher.send(&world, false).await.unwrap();

    let web1 = world.enroll("web1").await;
    let path = format!("/repo/targets/{}", consistent_delta_path(&delta));
    let mut download = web1
        .client
        .download_from(&path, 15_000, delta.length)
        .await
        .unwrap();
    assert!(download.resumed());
    let mut rest = Vec::new();
    while let Some(chunk) = download.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    assert!(rest == bytes[15_000..]);
    let whole = world.operator.get_capped(&path, 1 << 20).await.unwrap();
    assert!(whole == bytes);

    let releases: Vec<ReleaseView> = world.operator.get_json("/api/v1/releases").await.unwrap();
    let of = |version: &str| {
        let version = Version::parse(version).unwrap();
        let mut views = releases.iter();
        views
            .find(|view| view.release.details.version == version)
            .unwrap()
    };
    assert_eq!(of("1.0.0").deltas, []);
    assert_eq!(of("1.1.0").deltas, std::slice::from_ref(&delta));

    publisher.edit(&TargetsEdit::new().withdraw(delta.details.package, delta.details.from.version));
    publisher.send(&world, false).await.unwrap();
    let gone = web1.client.get_capped(&path, 1 << 20).await;
    assert_eq!(refused(gone), (404, "not-found".into()));
}

#[tokio::test]
async fn a_delta_must_be_here_before_it_is_listed_and_never_changes() {
    let world = World::start().await;
    let mut publisher = Publisher::begin(&world).await;
    let built = publisher.publish(&world, &["1.0.0", "1.1.0"]).await;
    let first = delta(&built[0], &built[1], b"the first");
    let before = publisher.targets.clone();
    publisher.edit(&TargetsEdit::new().add_delta(first.clone()));
    let why = refusal(publisher.send(&world, false).await);
    assert!(
        why.contains("the delta of") && why.contains("upload it first"),
        "{why}"
    );

    // Here, but not as long as it is listed.
    upload(&world, b"the first").await.unwrap();
    let longer = Delta {
        length: first.length + 1,
        ..first.clone()
    };
    publisher.targets = before.clone();
    publisher.edit(&TargetsEdit::new().add_delta(longer));
    let why = refusal(publisher.send(&world, false).await);
    assert!(why.contains("is listed with 10 bytes"), "{why}");

    publisher.targets = before.clone();
    publisher.edit(&TargetsEdit::new().add_delta(first));
    publisher.send(&world, false).await.unwrap();
    // A publisher who made another list from the one before, and the same step twice.
    let second = delta(&built[0], &built[1], b"the second");
    upload(&world, b"the second").await.unwrap();
    publisher.targets = before;
    publisher.edit(&TargetsEdit::new());
    publisher.edit(&TargetsEdit::new().add_delta(second));
    let why = refusal(publisher.send(&world, false).await);
    assert!(why.contains("a delta never changes"), "{why}");
}
