//! What is authored verifies, and says what was meant.

use lockstep_trust::author::{self, RootPlan, TargetsEdit};
use lockstep_trust::{Error, Role, SigningKey, releases_of};

use crate::world::{Host, World, content, day, keys, package, release, signed, version};

#[tokio::test]
async fn a_host_sees_what_was_published() {
    let mut world = World::new();
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    assert_eq!(host.repository.releases(), [release("1.0.0")]);

    world.publish(
        TargetsEdit::new()
            .add(release("1.1.0"))
            .set_floor(package(), version("1.1.0")),
    );
    host.refresh(day(1)).await.unwrap();
    assert_eq!(
        host.repository
            .release(&release("1.1.0").target, day(1))
            .unwrap(),
        release("1.1.0")
    );
    assert_eq!(host.repository.floor(&package()), Some(version("1.1.0")));
    assert_eq!(host.repository.targets_version(), Some(3));

    world.publish(TargetsEdit::new().withdraw(package(), version("1.1.0")));
    host.refresh(day(1)).await.unwrap();
    assert_eq!(host.repository.releases(), [release("1.0.0")]);
}

#[tokio::test]
async fn a_release_below_the_floor_or_unlisted_is_refused() {
    let mut world = World::new();
    world.publish(TargetsEdit::new().set_floor(package(), version("2.0.0")));
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    assert_eq!(
        host.repository
            .release(&release("1.0.0").target, day(1))
            .unwrap_err()
            .to_string(),
        "lockstep 1.0.0 is below the floor 2.0.0 that the publisher set"
    );
    assert!(matches!(
        host.repository.release(&release("3.0.0").target, day(1)),
        Err(Error::UnknownTarget { .. })
    ));
}

#[tokio::test]
async fn foreign_and_contradictory_targets_are_refused_by_name_and_harm_nobody_else() {
    let mut world = World::new();
    let mut list = content(&world.targets);
    let listed = list["targets"][release("1.0.0").target.as_str()].clone();
    list["targets"]["other/tool.bin"] =
        serde_json::json!({ "length": 3, "hashes": { "sha256": "ab".repeat(32) } });
    list["targets"]["lockstep/9.0.0/lockstep-9.0.0-linux-x86_64.tar.zst"] = listed;
    world.targets = signed(Role::Targets, &list, &[&world.targets_keys[0]]);
    world.resign();
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    assert_eq!(host.repository.releases(), [release("1.0.0")]);
    let why = |path: &str| {
        host.repository
            .release(path, day(1))
            .unwrap_err()
            .to_string()
    };
    assert!(why("other/tool.bin").contains("no \"lockstep\" in its custom data"));
    assert!(
        why("lockstep/9.0.0/lockstep-9.0.0-linux-x86_64.tar.zst").contains("its custom data says"),
    );
    assert!(releases_of(&world.targets).is_err(), "a publisher stops");
}

#[test]
fn edits_that_contradict_the_list_are_refused() {
    let world = World::new();
    let why = |edit: TargetsEdit| {
        author::next_targets(&world.targets, &edit, day(9), &[&world.targets_keys[0]])
            .unwrap_err()
            .to_string()
    };
    let mut other_bytes = release("1.0.0");
    other_bytes.length += 1;
    let mut other_path = release("1.1.0");
    other_path.target = "lockstep.tar.zst".into();
    let mut empty = release("1.1.0");
    empty.length = 0;
    for (edit, words) in [
        (
            TargetsEdit::new().add(other_bytes),
            "a version never changes",
        ),
        (TargetsEdit::new().add(other_path), "must have the path"),
        (TargetsEdit::new().add(empty), "is empty"),
        (
            TargetsEdit::new().withdraw(package(), version("7.0.0")),
            "7.0.0 is not listed",
        ),
        (
            TargetsEdit::new()
                .set_floor(package(), version("2.0.0"))
                .add(release("1.5.0")),
            "below the floor 2.0.0",
        ),
    ] {
        let error = why(edit);
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn listing_the_same_again_only_renews() {
    let world = World::new();
    let edit = TargetsEdit::new().add(release("1.0.0"));
    let renewed =
        author::next_targets(&world.targets, &edit, day(500), &[&world.targets_keys[1]]).unwrap();
    let (before, after) = (
        releases_of(&world.targets).unwrap(),
        releases_of(&renewed).unwrap(),
    );
    assert_eq!(after.releases, before.releases);
    assert_eq!(after.version, before.version + 1);
    assert_eq!(after.expires, day(500));
}

#[test]
fn what_others_wrote_into_the_list_survives_an_edit() {
    let world = World::new();
    let mut list = content(&world.targets);
    list["x-comment"] = "by hand".into();
    list["lockstep"]["x-later"] = 7.into();
    list["targets"]["foreign"] = serde_json::json!({ "length": 1, "hashes": {} });
    let old = signed(Role::Targets, &list, &[]);
    let edit = TargetsEdit::new()
        .add(release("2.0.0"))
        .set_floor(package(), version("1.0.0"));
    let new = content(&author::next_targets(&old, &edit, day(9), &[]).unwrap());
    assert_eq!(new["x-comment"], "by hand");
    assert_eq!(new["lockstep"]["x-later"], 7);
    assert_eq!(new["lockstep"]["floors"]["lockstep"], "1.0.0");
    assert_eq!(new["targets"]["foreign"]["length"], 1);
}

#[test]
fn the_same_content_is_the_same_bytes() {
    let world = World::new();
    let make = || {
        author::next_targets(
            &world.targets,
            &TargetsEdit::new().add(release("1.2.0")),
            day(9),
            &[&world.targets_keys[0], &world.targets_keys[1]],
        )
        .unwrap()
    };
    assert_eq!(make(), make());
}

#[tokio::test]
async fn holders_of_a_threshold_sign_one_after_the_other() {
    let mut world = World::new();
    world.plan.targets_threshold = 2;
    let begun = author::next_root(world.root(), &world.plan, &[&world.root_keys[1]]).unwrap();
    let whole = author::cosign(Role::Root, &begun, &[&world.root_keys[2]]).unwrap();
    world.roots.push(whole);
    let begun = author::next_targets(
        &world.targets,
        &TargetsEdit::new(),
        day(365),
        &[&world.targets_keys[0]],
    )
    .unwrap();
    world.targets = author::cosign(Role::Targets, &begun, &[&world.targets_keys[1]]).unwrap();
    world.resign();
    Host::of(&world).refresh(day(1)).await.unwrap();
}

#[tokio::test]
async fn two_of_three_root_keys_rotate_a_lost_one_away() {
    let mut world = World::new();
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();

    // The third holder lost the key: the two others replace it, and later the new holder signs too.
    let [fresh] = keys();
    world.plan.root_keys[2] = fresh.public_key().clone();
    let [first, second, lost] = &world.root_keys;
    let root2 = author::next_root(world.root(), &world.plan, &[first, second]).unwrap();
    world.plan.expires = day(730);
    let root3 = author::next_root(&root2, &world.plan, &[second, &fresh]).unwrap();
    assert!(matches!(
        author::next_root(&root3, &world.plan, &[first, lost]),
        Err(Error::Author { .. })
    ));
    world.roots.extend([root2, root3]);
    world.serve();
    host.refresh(day(1)).await.unwrap();
    assert_eq!(host.repository.root_version(), 3);
    assert_eq!(host.memory.get("root.json").unwrap(), world.root());
    // A host that slept through the first rotation walks over it.
    Host::of(&world).refresh(day(1)).await.unwrap();
}

#[test]
fn a_plan_survives_its_root() {
    let world = World::new();
    assert_eq!(RootPlan::of(world.root()).unwrap(), world.plan);
}

#[test]
fn roots_that_would_be_a_trap_are_not_made() {
    let world = World::new();
    let why = |change: &dyn Fn(&mut RootPlan), signer: &SigningKey| {
        let mut plan = world.plan.clone();
        change(&mut plan);
        author::new_root(&plan, &[signer]).unwrap_err().to_string()
    };
    let signer = &world.root_keys[0];
    for (words, error) in [
        (
            "root needs 4 signatures of 3 keys",
            why(&|plan| plan.root_threshold = 4, signer),
        ),
        (
            "targets needs 0 signatures of 2 keys",
            why(&|plan| plan.targets_threshold = 0, signer),
        ),
        (
            "names the key",
            why(
                &|plan| plan.root_keys[1] = plan.root_keys[0].clone(),
                signer,
            ),
        ),
        (
            "the server's online key",
            why(
                &|plan| plan.targets_keys[0] = plan.snapshot_key.clone(),
                signer,
            ),
        ),
        ("is not a root key", why(&|_| {}, &world.targets_keys[0])),
    ] {
        assert!(error.contains(words), "{error}");
    }
}
