//! The store is cut off after any write. What was stored must still protect, and the host must go on by itself.

use lockstep_trust::author::{self, TargetsEdit};
use lockstep_trust::{Error, Role};

use crate::world::{Host, Memory, World, day, package, release, version};

/// A world with a new root and a new list, and a host that knows neither.
fn ahead() -> (World, Memory) {
    let mut world = World::new();
    world.publish(TargetsEdit::new().add(release("1.1.0")));
    let root = author::next_root(
        world.root(),
        &world.plan,
        &[&world.root_keys[0], &world.root_keys[1]],
    )
    .unwrap();
    world.roots.push(root);
    world.serve();
    (world, Memory::default())
}

#[tokio::test]
async fn a_cut_at_any_write_fails_the_refresh_and_heals() {
    // root 1, root 2, timestamp, snapshot, targets.
    let mut cuts = 0;
    loop {
        let (world, memory) = ahead();
        let mut host = Host::with(&world, memory.clone());
        memory.fail_after(cuts);
        let done = host.refresh(day(1)).await;
        if done.is_ok() {
            break;
        }
        assert!(
            matches!(done, Err(Error::Store { verb: "kept", .. })),
            "{done:?}"
        );
        memory.mend();
        let mut restarted = Host::with(&world, memory);
        restarted.refresh(day(1)).await.unwrap();
        restarted
            .repository
            .release(&release("1.1.0").target, day(1))
            .unwrap();
        cuts += 1;
    }
    assert_eq!(cuts, 4);
}

#[tokio::test]
async fn a_cut_at_any_write_loses_no_protection_that_there_was() {
    for cut in 0..4 {
        let mut world = World::new();
        let memory = Memory::default();
        let mut host = Host::with(&world, memory.clone());
        world.publish(TargetsEdit::new().add(release("1.1.0")));
        let old = world.targets.clone();
        world.publish(TargetsEdit::new().withdraw(package(), version("1.1.0")));
        host.refresh(day(1)).await.unwrap();

        world.publish(TargetsEdit::new().set_floor(package(), version("1.0.0")));
        memory.fail_after(cut);
        let _ = host.refresh(day(1)).await;
        memory.mend();

        // Whoever holds the server's keys offers the list from before the withdrawal.
        world.targets = old;
        world.resign();
        let mut restarted = Host::with(&world, memory);
        let error = restarted.refresh(day(1)).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Rollback {
                    trusted: 4..=5,
                    offered: 3,
                    ..
                }
            ),
            "cut {cut}: {error}"
        );
    }
}

#[tokio::test]
async fn nothing_is_asked_for_twice() {
    let mut world = World::new();
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    assert_eq!(
        world.served.requests(),
        [
            "2.root.json",
            "timestamp.json",
            "1.snapshot.json",
            "2.targets.json"
        ]
    );
    host.refresh(day(1)).await.unwrap();
    assert_eq!(world.served.requests(), ["2.root.json", "timestamp.json"]);

    // The server signs anew every few hours; the list stays, and is not sent again.
    world.resign();
    let mut restarted = Host::with(&world, host.memory.clone());
    restarted.refresh(day(1)).await.unwrap();
    assert_eq!(
        world.served.requests(),
        ["2.root.json", "timestamp.json", "2.snapshot.json"]
    );
    assert_eq!(
        host.memory.names(),
        [
            "root.json",
            "snapshot.json",
            "targets.json",
            "timestamp.json"
        ]
    );
    assert_eq!(host.memory.version(Role::Snapshot), Some(2));
}

#[tokio::test]
async fn a_store_that_cannot_be_read_fails_the_refresh() {
    struct Unreadable(Memory, &'static str);
    impl lockstep_trust::MetadataStore for Unreadable {
        fn load(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
            if name == self.1 {
                return Err(std::io::ErrorKind::PermissionDenied.into());
            }
            self.0.load(name)
        }
        fn store(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
            self.0.store(name, bytes)
        }
    }
    let world = World::new();
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    for name in ["timestamp.json", "snapshot.json"] {
        let store = Unreadable(host.memory.clone(), name);
        let mut repository =
            lockstep_trust::TrustedRepository::open(Box::new(store), None).unwrap();
        let error = repository.refresh(&world.served, day(1)).await.unwrap_err();
        assert!(
            matches!(error, Error::Store { verb: "loaded", .. }),
            "{error}"
        );
    }
}
