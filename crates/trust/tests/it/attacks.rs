//! A hostile or broken repository: refused with a clear error, and nothing older or foreign is ever believed.

use std::error::Error as StdError;
use std::sync::Mutex;

use lockstep_trust::author::{self, TargetsEdit};
use lockstep_trust::{Error, Fetch, Result, Role, TrustedRepository};

use crate::world::{Host, Memory, World, content, day, keys, package, release, signed, version};

#[tokio::test]
async fn metadata_with_other_bytes_than_the_signed_hash() {
    for role in [Role::Snapshot, Role::Targets] {
        let world = World::new();
        // Same role, same version, rightly signed, other content.
        let mut other = content(match role {
            Role::Snapshot => &world.snapshot,
            _ => &world.targets,
        });
        other["x"] = "y".into();
        let other = signed(role, &other, &[&world.snapshot_key, &world.targets_keys[0]]);
        let name = role.file_name(world.version(role));
        let mut padded = other.clone();
        padded.truncate(200);
        world.served.put(&name, &padded);
        let why = Host::of(&world).refused(day(1)).await;
        assert!(why.contains("length 200 != pinned"), "{why}");
        world.served.put(&name, &other);
        let why = Host::of(&world).refused(day(1)).await;
        assert!(why.starts_with(&format!("{name} is longer than")), "{why}");
    }
}

#[tokio::test]
async fn metadata_of_the_signed_length_with_another_hash() {
    for role in [Role::Snapshot, Role::Targets] {
        let world = World::new();
        let name = role.file_name(world.version(role));
        let mut bytes = match role {
            Role::Snapshot => world.snapshot.clone(),
            _ => world.targets.clone(),
        };
        let last_digit = bytes
            .iter()
            .rposition(|byte| byte.is_ascii_digit())
            .unwrap();
        bytes[last_digit] ^= 1;
        world.served.put(&name, &bytes);
        let why = Host::of(&world).refused(day(1)).await;
        assert!(why.contains("sha256 mismatch"), "{why}");
    }
}

#[tokio::test]
async fn endless_answers_end_at_the_limit() {
    /// Answers one name without an end, the others as they should be; keeps what was allowed.
    struct Endless<'a>(&'a World, String, Mutex<usize>);
    impl Fetch for Endless<'_> {
        async fn fetch(
            &self,
            name: &str,
            max: usize,
        ) -> Result<Option<Vec<u8>>, Box<dyn StdError + Send + Sync>> {
            if name != self.1 {
                return self.0.served.fetch(name, max).await;
            }
            *self.2.lock().unwrap() = max;
            Ok(Some(vec![b' '; max + 1]))
        }
    }
    let world = World::new();
    for (name, limit) in [
        ("2.root.json".to_owned(), Role::Root.max_bytes()),
        ("timestamp.json".to_owned(), Role::Timestamp.max_bytes()),
        // The parent says how long these are.
        (
            Role::Snapshot.file_name(world.version(Role::Snapshot)),
            world.snapshot.len(),
        ),
        (
            Role::Targets.file_name(world.version(Role::Targets)),
            world.targets.len(),
        ),
    ] {
        let endless = Endless(&world, name.clone(), Mutex::new(0));
        let mut host = Host::of(&world);
        let error = host.repository.refresh(&endless, day(1)).await.unwrap_err();
        assert!(
            matches!(&error, Error::TooLong { file, max } if *file == name && *max == limit),
            "{error}"
        );
        assert_eq!(*endless.2.lock().unwrap(), limit);
        assert!(!error.is_surroundings());
    }
}

#[tokio::test]
async fn a_timestamp_that_goes_back() {
    let mut world = World::new();
    let old = world.timestamp.clone();
    world.resign();
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    world.served.put("timestamp.json", &old);
    assert_eq!(
        host.refused(day(1)).await,
        "timestamp.json goes back from version 2 to 1"
    );
    assert_eq!(host.memory.version(Role::Timestamp), Some(2));
}

#[tokio::test]
async fn a_snapshot_that_goes_back() {
    let mut world = World::new();
    let old = world.snapshot.clone();
    world.resign();
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    world.snapshot = old;
    world.restamp(day(7));
    assert_eq!(
        host.refused(day(1)).await,
        "timestamp.json goes back from version 2 to 1"
    );
    assert_eq!(
        host.memory.version(Role::Timestamp),
        Some(2),
        "refused as a whole"
    );
}

#[tokio::test]
async fn a_list_of_releases_that_goes_back() {
    let mut world = World::new();
    let old = world.targets.clone();
    world.publish(TargetsEdit::new().withdraw(package(), version("1.0.0")));
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    world.targets = old;
    world.resign();
    assert_eq!(
        host.refused(day(1)).await,
        "targets.json goes back from version 3 to 2"
    );
    assert_eq!(host.memory.version(Role::Snapshot), Some(2));
}

/// The server's own keys suffice to show a newer timestamp, withhold what it names, and come again with an old list.
#[tokio::test]
async fn a_withheld_snapshot_does_not_make_the_host_forget() {
    let mut world = World::new();
    let old = world.targets.clone();
    world.publish(TargetsEdit::new().withdraw(package(), version("1.0.0")));
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();

    world.resign();
    let withheld = Role::Snapshot.file_name(world.version(Role::Snapshot));
    world.served.remove(&withheld);
    assert_eq!(
        host.refused(day(1)).await,
        format!("the repository does not hold {withheld}")
    );
    assert_eq!(
        host.memory.version(Role::Timestamp),
        Some(3),
        "this one verified"
    );

    world.targets = old;
    world.resign();
    for mut host in [Host::with(&world, host.memory.clone()), host] {
        assert_eq!(
            host.refused(day(1)).await,
            "targets.json goes back from version 3 to 2"
        );
        assert!(host.repository.releases().is_empty());
    }
}

#[tokio::test]
async fn a_list_of_releases_that_vanishes() {
    let mut world = World::new();
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    let mut without = content(&world.snapshot);
    without["version"] = 2.into();
    without["meta"] = serde_json::json!({});
    world.snapshot = signed(Role::Snapshot, &without, &[&world.snapshot_key]);
    world.restamp(day(7));
    let why = host.refused(day(1)).await;
    assert!(why.contains("no longer names targets.json"), "{why}");
}

#[tokio::test]
async fn each_role_expires() {
    // Nothing new comes from the repository: it is frozen.
    for (now, file) in [(8, "timestamp.json"), (31, "1.snapshot.json")] {
        let mut world = World::new();
        if now == 31 {
            world.restamp(day(100));
        }
        let mut host = Host::of(&world);
        host.refresh(day(1)).await.unwrap();
        let error = host.refresh(day(now)).await.unwrap_err();
        assert!(
            matches!(&error, Error::Expired { file: expired, .. } if expired == file),
            "{error}"
        );
        let error = Host::of(&world).refresh(day(now)).await.unwrap_err();
        assert!(matches!(error, Error::Expired { .. }), "{error}");
    }
    let mut world = World::new();
    world.targets = author::next_targets(
        &world.targets,
        &TargetsEdit::new(),
        day(2),
        &[&world.targets_keys[0]],
    )
    .unwrap();
    world.resign();
    assert_eq!(
        Host::of(&world).refused(day(3)).await,
        format!("3.targets.json expired at {}", day(2))
    );

    let mut world = World::new();
    world.plan.expires = day(2);
    let signers = [0, 1].map(|n| {
        lockstep_trust::SigningKey::from_pem(&world.root_keys[n].to_pem().unwrap()).unwrap()
    });
    world.rotate(&[&signers[0], &signers[1]]);
    let mut host = Host::of(&world);
    assert_eq!(
        host.refused(day(3)).await,
        format!("root.json expired at {}", day(2))
    );
    assert_eq!(
        host.memory.version(Role::Root),
        Some(2),
        "it is trusted, and too old"
    );
    assert_eq!(host.memory.version(Role::Timestamp), None);
}

#[tokio::test]
async fn an_expired_root_in_the_middle_of_a_chain_is_walked_over() {
    let mut world = World::new();
    let [first, second, _] = &world.root_keys;
    world.plan.expires = day(-10);
    let root2 = author::next_root(world.root(), &world.plan, &[first, second]).unwrap();
    world.plan.expires = day(365);
    let root3 = author::next_root(&root2, &world.plan, &[first, second]).unwrap();
    world.roots.extend([root2, root3]);
    world.serve();
    Host::of(&world).refresh(day(1)).await.unwrap();
}

#[tokio::test]
async fn parts_of_different_times_do_not_go_together() {
    let mut world = World::new();
    let (old_snapshot, old_targets) = (world.snapshot.clone(), world.targets.clone());
    world.publish(TargetsEdit::new().add(release("1.1.0")));

    world.served.put("2.snapshot.json", &old_snapshot);
    let why = Host::of(&world).refused(day(1)).await;
    assert!(
        why.starts_with("2.snapshot.json is not what was signed for it"),
        "{why}"
    );

    world.serve();
    world.served.put("3.targets.json", &old_targets);
    let why = Host::of(&world).refused(day(1)).await;
    assert!(
        why.starts_with("3.targets.json is not what was signed for it"),
        "{why}"
    );
}

#[tokio::test]
async fn signatures_of_unknown_keys_count_for_nothing() {
    let mut world = World::new();
    let [thief] = keys();
    let mut refusals = Vec::new();

    let honest = world.timestamp.clone();
    world.timestamp = author::timestamp(&world.snapshot, 9, day(7), &thief).unwrap();
    world.serve();
    refusals.push(Host::of(&world).refused(day(1)).await);
    world.timestamp = honest;

    let honest = world.snapshot.clone();
    world.snapshot = author::snapshot(&world.targets, 9, day(7), &thief).unwrap();
    world.restamp(day(7));
    refusals.push(Host::of(&world).refused(day(1)).await);
    world.snapshot = honest;

    // The server's own keys do not sign releases.
    for key in [&thief, &world.snapshot_key, &world.timestamp_key] {
        let edit = TargetsEdit::new().add(release("6.6.6"));
        let list = author::next_targets(&world.targets, &edit, day(9), &[key]).unwrap();
        let snapshot = author::snapshot(&list, 9, day(7), &world.snapshot_key).unwrap();
        let timestamp = author::timestamp(&snapshot, 9, day(7), &world.timestamp_key).unwrap();
        world.served.put("3.targets.json", &list);
        world.served.put("9.snapshot.json", &snapshot);
        world.served.put("timestamp.json", &timestamp);
        refusals.push(Host::of(&world).refused(day(1)).await);
    }
    for why in refusals {
        assert!(
            why.ends_with("carries 0 valid signatures of the 1 that its role needs"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn a_root_needs_the_threshold_of_the_old_and_of_the_new() {
    let world = World::new();
    let [first, second, _] = &world.root_keys;
    let [new1, new2, new3] = &keys::<3>();
    let mut plan = world.plan.clone();
    plan.root_keys = [new1, new2, new3]
        .map(|key| key.public_key().clone())
        .into();
    for (signers, found) in [
        (vec![first, new1, new2], 1),
        (vec![first, second, new1], 1),
        (vec![new1, new2], 0),
        (vec![first, second], 0),
    ] {
        let root = author::next_root(world.root(), &plan, &signers).unwrap();
        world.served.put("2.root.json", &root);
        let mut host = Host::of(&world);
        assert_eq!(
            host.refused(day(1)).await,
            format!("2.root.json carries {found} valid signatures of the 2 that its role needs")
        );
        assert_eq!(host.memory.get("root.json").unwrap(), world.roots[0]);
    }
    let root = author::next_root(world.root(), &plan, &[first, second, new1, new3]).unwrap();
    world.served.put("2.root.json", &root);
    Host::of(&world).refresh(day(1)).await.unwrap();
}

#[tokio::test]
async fn one_signature_twice_is_not_two() {
    let mut world = World::new();
    world.plan.targets_threshold = 2;
    let root = author::next_root(
        world.root(),
        &world.plan,
        &[&world.root_keys[0], &world.root_keys[1]],
    )
    .unwrap();
    world.roots.push(root);
    let mut list: serde_json::Value = serde_json::from_slice(&world.targets).unwrap();
    let one = list["signatures"][0].clone();
    list["signatures"].as_array_mut().unwrap().push(one);
    world.targets = list.to_string().into_bytes();
    world.resign();
    let why = Host::of(&world).refused(day(1)).await;
    assert!(why.contains("duplicate signature"), "{why}");
}

#[tokio::test]
async fn a_chain_of_roots_has_no_gap() {
    let mut world = World::new();
    let signers = [&world.root_keys[0], &world.root_keys[1]];
    let root2 = author::next_root(world.root(), &world.plan, &signers).unwrap();
    let root3 = author::next_root(&root2, &world.plan, &signers).unwrap();

    world.served.put("2.root.json", &root3);
    assert_eq!(
        Host::of(&world).refused(day(1)).await,
        "2.root.json has version 3 where version 2 must follow"
    );
    // Nobody asks for the third while the second is missing.
    world.served.remove("2.root.json");
    world.served.put("3.root.json", &root3);
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    assert_eq!(host.repository.root_version(), 1);
    world.roots.extend([root2, root3]);
    world.serve();
    host.refresh(day(1)).await.unwrap();
    assert_eq!(host.repository.root_version(), 3);
}

#[tokio::test]
async fn versions_that_a_thief_drove_up_are_left_behind_with_his_keys() {
    let mut world = World::new();
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    world.snapshot =
        author::snapshot(&world.targets, u64::MAX - 1, day(30), &world.snapshot_key).unwrap();
    world.timestamp =
        author::timestamp(&world.snapshot, u64::MAX - 1, day(7), &world.timestamp_key).unwrap();
    world.serve();
    host.refresh(day(1)).await.unwrap();
    assert_eq!(host.memory.version(Role::Timestamp), Some(u64::MAX - 1));

    [world.snapshot_key, world.timestamp_key] = keys();
    world.plan.snapshot_key = world.snapshot_key.public_key().clone();
    world.plan.timestamp_key = world.timestamp_key.public_key().clone();
    let root = author::next_root(
        world.root(),
        &world.plan,
        &[&world.root_keys[0], &world.root_keys[1]],
    )
    .unwrap();
    world.roots.push(root);
    world.snapshot = author::snapshot(&world.targets, 2, day(30), &world.snapshot_key).unwrap();
    world.timestamp = author::timestamp(&world.snapshot, 2, day(7), &world.timestamp_key).unwrap();
    world.serve();
    host.refresh(day(1)).await.unwrap();
    assert_eq!(host.memory.version(Role::Timestamp), Some(2));
    assert_eq!(host.memory.version(Role::Snapshot), Some(2));
}

#[tokio::test]
async fn a_list_signed_by_a_key_that_was_taken_away_is_refused() {
    let mut world = World::new();
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    world.plan.targets_keys.remove(0);
    let root = author::next_root(
        world.root(),
        &world.plan,
        &[&world.root_keys[0], &world.root_keys[1]],
    )
    .unwrap();
    world.roots.push(root);
    world.resign();
    let why = host.refused(day(1)).await;
    assert!(
        why.starts_with("2.targets.json carries 0 valid signatures"),
        "{why}"
    );
    let restarted = Host::with(&world, host.memory.clone());
    assert!(restarted.repository.releases().is_empty());
}

#[tokio::test]
async fn after_a_refusal_nothing_is_installed_until_a_refresh_succeeds() {
    let mut world = World::new();
    let mut host = Host::of(&world);
    let path = release("1.0.0").target;
    assert!(matches!(
        host.repository.release(&path, day(1)),
        Err(Error::NotRefreshed)
    ));
    host.refresh(day(1)).await.unwrap();
    host.repository.release(&path, day(6)).unwrap();
    assert!(
        matches!(
            host.repository.release(&path, day(8)),
            Err(Error::Expired { .. })
        ),
        "the timestamp is good for seven days"
    );

    let honest = world.timestamp.clone();
    world.served.put("timestamp.json", b"{}");
    host.refresh(day(1)).await.unwrap_err();
    assert!(matches!(
        host.repository.release(&path, day(1)),
        Err(Error::NotRefreshed)
    ));
    assert_eq!(
        host.repository.releases(),
        [release("1.0.0")],
        "still shown"
    );
    world.timestamp = honest;
    world.serve();
    host.refresh(day(1)).await.unwrap();
    host.repository.release(&path, day(1)).unwrap();
}

#[tokio::test]
async fn an_unreachable_repository_is_told_from_one_that_lies() {
    struct Unreachable;
    impl Fetch for Unreachable {
        async fn fetch(
            &self,
            _: &str,
            _: usize,
        ) -> Result<Option<Vec<u8>>, Box<dyn StdError + Send + Sync>> {
            Err("connection refused".into())
        }
    }
    let world = World::new();
    let mut host = Host::of(&world);
    let error = host
        .repository
        .refresh(&Unreachable, day(1))
        .await
        .unwrap_err();
    assert!(error.is_surroundings());
    assert_eq!(error.to_string(), "2.root.json could not be fetched");
    assert_eq!(error.source().unwrap().to_string(), "connection refused");
}

#[tokio::test]
async fn a_refresh_can_run_on_any_thread() {
    fn any_thread<T: Send>(work: T) -> T {
        work
    }
    let world = World::new();
    let mut host = Host::of(&world);
    any_thread(host.repository.refresh(&world.served, day(1)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_host_without_a_root_or_with_a_broken_one_trusts_nothing() {
    let world = World::new();
    assert!(matches!(
        TrustedRepository::open(Box::new(Memory::default()), None),
        Err(Error::NoRoot)
    ));
    let mut unsigned: serde_json::Value = serde_json::from_slice(world.root()).unwrap();
    unsigned["signatures"].as_array_mut().unwrap().truncate(1);
    let memory = Memory::default();
    assert!(matches!(
        TrustedRepository::open(
            Box::new(memory.clone()),
            Some(unsigned.to_string().as_bytes())
        ),
        Err(Error::Threshold {
            found: 1,
            needed: 2,
            ..
        })
    ));
    assert!(memory.names().is_empty());
    // A damaged store is not taken for an empty one.
    memory.put("root.json", b"{");
    assert!(matches!(
        TrustedRepository::open(Box::new(memory), Some(world.root())),
        Err(Error::Unreadable { .. })
    ));
}
