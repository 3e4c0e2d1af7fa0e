//! The repository.

use lockstep_model::{PackageName, Platform};
use lockstep_store::{Error, Publication};

use crate::engine::Place;
use crate::samples::{release, version};

fn file(name: &str, body: &str) -> (String, String) {
    (name.into(), body.into())
}

/// Targets of a version, made from the one before.
fn targets(number: u64) -> Publication {
    Publication {
        expected_targets_version: (number > 1).then(|| number - 1),
        files: vec![
            file(&format!("{number}.targets.json"), "{}"),
            file("timestamp.json", &format!("{{\"for\":{number}}}")),
        ],
        targets_version: Some(number),
        releases: Some(vec![release(&format!("1.{number}.0"))]),
        ..Publication::default()
    }
}

pub(crate) async fn publications_are_whole_or_nothing(place: Place) {
    let store = place.open().await;
    assert_eq!(store.targets_version().await.unwrap(), None);
    assert_eq!(store.repo_revision().await.unwrap(), 0);
    assert_eq!(store.repo_file("timestamp.json").await.unwrap(), None);

    // A root alone comes before any targets.
    store
        .publish(Publication {
            files: vec![file("1.root.json", "{}")],
            ..Publication::default()
        })
        .await
        .unwrap();
    assert_eq!(store.targets_version().await.unwrap(), None);
    store.publish(targets(1)).await.unwrap();
    assert_eq!(store.targets_version().await.unwrap(), Some(1));
    assert_eq!(store.repo_revision().await.unwrap(), 2);

    // The timestamp alone leaves targets and releases as they are.
    store
        .publish(Publication {
            expected_targets_version: Some(1),
            expected_revision: Some(2),
            files: vec![file("timestamp.json", "renewed")],
            ..Publication::default()
        })
        .await
        .unwrap();
    assert_eq!(store.targets_version().await.unwrap(), Some(1));
    assert_eq!(store.releases().await.unwrap(), [release("1.1.0")]);

    // Whoever did not see that must not undo it.
    let mut late = targets(2);
    late.expected_revision = Some(2);
    let error = store.publish(late).await.unwrap_err();
    assert!(matches!(error, Error::PublishConflict { .. }), "{error}");
    let error = store.publish(targets(4)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the repository has changed: it has targets version 1, this was made from targets version 3; \
         fetch it and publish again"
    );
    let body = store.repo_file("timestamp.json").await.unwrap();
    assert_eq!(body.as_deref(), Some("renewed"));
    assert_eq!(store.repo_file("4.targets.json").await.unwrap(), None);
    assert_eq!(store.repo_revision().await.unwrap(), 3);
}

pub(crate) async fn a_published_version_is_never_replaced(place: Place) {
    let store = place.open().await;
    store.publish(targets(1)).await.unwrap();
    let again = |body: &str| Publication {
        expected_targets_version: Some(1),
        files: vec![
            file("timestamp.json", "newer"),
            file("1.targets.json", body),
        ],
        ..Publication::default()
    };
    store.publish(again("{}")).await.unwrap();
    let error = store.publish(again("{\"other\":1}")).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("1.targets.json was published before"),
        "{error}"
    );
    assert_eq!(
        store.repo_file("1.targets.json").await.unwrap().as_deref(),
        Some("{}")
    );
    let large = Publication {
        expected_targets_version: Some(1),
        files: vec![file("2.targets.json", &"x".repeat(9 * 1024 * 1024))],
        ..Publication::default()
    };
    let error = store.publish(large).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

pub(crate) async fn of_many_publications_one_wins(place: Place) {
    let stores = [place.open().await, place.open().await];
    let publishing: Vec<_> = (0..16)
        .map(|number| {
            let store = stores[number % 2].clone();
            tokio::spawn(async move {
                let mut mine = targets(1);
                mine.files[0].1 = format!("{{\"by\":{number}}}");
                (number, store.publish(mine).await)
            })
        })
        .collect();
    let mut winner = None;
    for outcome in publishing {
        match outcome.await.unwrap() {
            (number, Ok(())) => assert_eq!(winner.replace(number), None),
            (_, Err(Error::PublishConflict { .. })) => {}
            (_, Err(error)) => panic!("{error}"),
        }
    }
    let body = stores[0].repo_file("1.targets.json").await.unwrap();
    assert_eq!(body, winner.map(|number| format!("{{\"by\":{number}}}")));
    assert_eq!(stores[0].repo_revision().await.unwrap(), 1);
}

pub(crate) async fn releases_are_listed_in_order(place: Place) {
    let store = place.open().await;
    let mut publication = targets(1);
    publication.releases = Some(["1.10.0", "1.9.0", "1.10.0-rc.1"].map(release).into());
    store.publish(publication).await.unwrap();
    assert_eq!(
        store.releases().await.unwrap(),
        ["1.9.0", "1.10.0-rc.1", "1.10.0"].map(release)
    );
    let (package, platform) = (
        PackageName::lockstep(),
        Platform::parse("linux-x86_64").unwrap(),
    );
    let found = store
        .release(&package, &version("1.9.0"), &platform)
        .await
        .unwrap();
    assert_eq!(found, Some(release("1.9.0")));
    let other = Platform::parse("linux-aarch64").unwrap();
    for (version_text, platform) in [("1.9.0", &other), ("1.9.1", &platform)] {
        let found = store
            .release(&package, &version(version_text), platform)
            .await
            .unwrap();
        assert_eq!(found, None);
    }
    // The next targets do not list them any more.
    store.publish(targets(2)).await.unwrap();
    assert_eq!(store.releases().await.unwrap(), [release("1.2.0")]);
}
