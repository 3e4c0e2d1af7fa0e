//! What the server refuses to publish.

use lockstep_trust::author::{self, TargetsEdit};
use lockstep_trust::{
    Error, Role, check_next_roots, check_next_targets, check_online_keys, check_targets,
};

use crate::world::{World, content, day, keys, publics, release, signed};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.into()).unwrap()
}

#[test]
fn a_chain_of_roots_is_taken_whole_or_not_at_all() {
    let world = World::new();
    let signers = [&world.root_keys[0], &world.root_keys[1]];
    let root2 = author::next_root(world.root(), &world.plan, &signers).unwrap();
    let root3 = author::next_root(&root2, &world.plan, &signers).unwrap();
    let chain = [world.root(), &root2, &root3].map(text);

    assert_eq!(check_next_roots(None, &chain, day(1)).unwrap().version, 3);
    assert_eq!(
        check_next_roots(Some(world.root()), &chain[1..], day(1))
            .unwrap()
            .version,
        3
    );
    assert!(matches!(
        check_next_roots(None, &[], day(1)),
        Err(Error::NoRoot)
    ));
    assert!(matches!(
        check_next_roots(Some(world.root()), &chain[2..], day(1)),
        Err(Error::WrongVersion {
            wanted: 2,
            offered: 3,
            ..
        })
    ));
    assert!(matches!(
        check_next_roots(None, &chain[1..], day(1)),
        Err(Error::WrongVersion { wanted: 1, .. })
    ));
    assert!(matches!(
        check_next_roots(None, &chain, day(366)),
        Err(Error::Expired { .. })
    ));
    let one_signature = author::next_root(world.root(), &world.plan, &signers[..1]).unwrap();
    assert!(matches!(
        check_next_roots(Some(world.root()), &[text(&one_signature)], day(1)),
        Err(Error::Threshold {
            found: 1,
            needed: 2,
            ..
        })
    ));
}

#[test]
fn roots_against_our_rules_are_refused() {
    let world = World::new();
    let signers = [&world.root_keys[0], &world.root_keys[1]];
    let why = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut root = content(world.root());
        change(&mut root);
        let root = text(&signed(Role::Root, &root, &signers));
        check_next_roots(None, &[root], day(1))
            .unwrap_err()
            .to_string()
    };
    let key = world.root_keys[0].id();
    let copy = world.root_keys[0].public();
    let online = world.snapshot_key.id();
    for (words, error) in [
        (
            "consistent snapshots",
            why(&|root| root["consistent_snapshot"] = false.into()),
        ),
        (
            "twice",
            why(&|root| {
                root["keys"]["alias"] = copy.clone();
                root["roles"]["targets"]["keyids"] = serde_json::json!([key, "alias"]);
            }),
        ),
        (
            "online key",
            why(&|root| root["roles"]["targets"]["keyids"] = serde_json::json!([online])),
        ),
        (
            "threshold 1",
            why(&|root| root["roles"]["timestamp"]["threshold"] = 2.into()),
        ),
        (
            "names no role snapshot",
            why(&|root| drop(root["roles"].as_object_mut().unwrap().remove("snapshot"))),
        ),
        (
            "which is not listed",
            why(&|root| root["roles"]["root"]["keyids"][0] = "nobody".into()),
        ),
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn the_root_must_name_the_servers_keys() {
    let world = World::new();
    let [other] = keys();
    let (snapshot, timestamp) = (
        world.snapshot_key.public_key(),
        world.timestamp_key.public_key(),
    );
    check_online_keys(world.root(), snapshot, timestamp).unwrap();
    let error = check_online_keys(world.root(), snapshot, other.public_key()).unwrap_err();
    assert!(
        error.to_string().contains("it gives timestamp the key"),
        "{error}"
    );
}

#[test]
fn a_list_must_follow_and_verify() {
    let world = World::new();
    let edit = TargetsEdit::new().add(release("2.0.0"));
    let next =
        author::next_targets(&world.targets, &edit, day(9), &[&world.targets_keys[1]]).unwrap();
    let content = check_next_targets(world.root(), Some(&world.targets), &next, day(1)).unwrap();
    assert_eq!(content.releases.len(), 2);
    let check = |current: Option<&[u8]>, new: &[u8], now| {
        check_next_targets(world.root(), current, new, now).unwrap_err()
    };
    assert!(matches!(
        check(Some(&next), &next, day(1)),
        Error::WrongVersion {
            wanted: 4,
            offered: 3,
            ..
        }
    ));
    assert!(matches!(
        check(None, &next, day(1)),
        Error::WrongVersion { wanted: 1, .. }
    ));
    assert!(matches!(
        check(Some(&world.targets), &next, day(10)),
        Error::Expired { .. }
    ));
    let forged =
        author::next_targets(&world.targets, &edit, day(9), &[&world.root_keys[0]]).unwrap();
    assert!(matches!(
        check(Some(&world.targets), &forged, day(1)),
        Error::Threshold {
            found: 0,
            needed: 1,
            ..
        }
    ));
    assert!(matches!(
        check(Some(&world.targets), b"{}", day(1)),
        Error::Unreadable { .. }
    ));
}

#[test]
fn a_list_that_delegates_or_contradicts_itself_is_refused() {
    let world = World::new();
    let why = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut list = content(&world.targets);
        change(&mut list);
        let list = signed(Role::Targets, &list, &[&world.targets_keys[0]]);
        check_targets(world.root(), &list, day(1))
            .unwrap_err()
            .to_string()
    };
    let delegates =
        why(&|list| list["delegations"] = serde_json::json!({ "keys": {}, "roles": [] }));
    assert!(delegates.contains("delegates"), "{delegates}");
    let path = release("1.0.0").target;
    let contradicts =
        why(&|list| list["targets"][&path]["custom"]["lockstep"]["version"] = "9.9.9".into());
    assert!(contradicts.contains("custom data says"), "{contradicts}");
    let floors = why(&|list| list["lockstep"]["floors"]["lockstep"] = "newest".into());
    assert!(floors.contains("floors"), "{floors}");
}

#[test]
fn a_new_root_may_take_the_list_in_force_with_it() {
    let mut world = World::new();
    check_targets(world.root(), &world.targets, day(1)).unwrap();
    world.plan.targets_keys = publics(&keys::<2>());
    let root = author::next_root(
        world.root(),
        &world.plan,
        &[&world.root_keys[0], &world.root_keys[1]],
    )
    .unwrap();
    assert!(matches!(
        check_targets(&root, &world.targets, day(1)),
        Err(Error::Threshold { .. })
    ));
}
