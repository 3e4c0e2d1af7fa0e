use super::*;
use crate::system::find;
use crate::system::world::World;

fn debian() -> World {
    let world = World::new();
    let package = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n";
    world.put("var/lib/dpkg/status", package);
    offer(&world, "1");
    world
}

/// What the security archive has.
fn offer(world: &World, version: &str) {
    let lists = "var/lib/apt/lists";
    world.put(format!("{lists}/x_Release"), "Label: Debian-Security\n");
    let list = format!("Package: a\nArchitecture: amd64\nVersion: {version}\n");
    world.put(format!("{lists}/x_main_Packages"), &list);
    let second = if version == "1" { 1000 } else { 2000 };
    world.touch(lists, second);
}

#[tokio::test]
async fn a_fix_grows_old_until_it_is_installed() {
    let world = debian();
    let items = ["pending_updates", "security_updates", "patch_age"];
    let look = async |second| {
        let mut values = Vec::new();
        for item in items {
            values.push(world.value(item, second).await);
        }
        values
    };
    assert_eq!(look(1500).await, ["0.00", "0.00", "0.0 s"]);
    offer(&world, "2");
    assert_eq!(look(3000).await, ["1.00", "1.00", "0.0 s"]);
    assert_eq!(
        look(4000).await,
        ["1.00", "1.00", "1000.0 s"],
        "each look is made by new probes"
    );
    let installed = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.0\n";
    world.put("var/lib/dpkg/status", installed);
    assert_eq!(look(5000).await, ["0.00", "0.00", "0.0 s"]);
}

#[tokio::test]
async fn a_host_without_packages_has_no_such_items() {
    let world = World::new();
    for item in ["pending_updates", "security_updates", "patch_age"] {
        assert_eq!(world.look(item, 0).await, []);
    }
}

#[tokio::test]
async fn what_fails_has_a_reason() {
    let world = World::new();
    world.put("var/lib/dpkg/status", "");
    let value = world.value("patch_age", 0).await;
    assert!(
        value.contains("apt/lists cannot be read: No such file"),
        "{value}"
    );
}

#[test]
fn probes_of_one_machine_share_what_they_found() {
    let (one, other) = (World::new(), World::new());
    let updates = Updates::of(&one.order("pending_updates"));
    assert!(Arc::ptr_eq(&updates, &Updates::of(&one.order("patch_age"))));
    assert!(!Arc::ptr_eq(
        &updates,
        &Updates::of(&other.order("patch_age"))
    ));
    let was = Arc::downgrade(&updates);
    drop(updates);
    assert!(
        was.upgrade().is_none(),
        "nothing stays when nobody looks any more"
    );
    let why = find(&one.order("patch_age:x")).unwrap().unwrap_err();
    assert_eq!(why, "patch_age is written without a colon");
}
