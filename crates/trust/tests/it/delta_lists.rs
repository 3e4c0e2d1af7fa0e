//! Deltas in the signed list.

use lockstep_model::{Content, ContentHash};
use lockstep_trust::author::{TargetsEdit, next_targets};
use lockstep_trust::{Role, releases_of};

use crate::world::{Host, World, content, day, delta, package, release, signed, version};

fn three_versions() -> TargetsEdit {
    TargetsEdit::new()
        .add(release("1.1.0"))
        .add(release("1.2.0"))
}

#[tokio::test]
async fn a_host_sees_what_leads_to_a_release_the_smallest_first() {
    let mut world = World::new();
    let mut small = delta("1.0.0", "1.2.0");
    (small.length, small.hash) = (3, ContentHash::of(b"abc"));
    let mut large = delta("1.1.0", "1.2.0");
    large.length = 4;
    world.publish(
        three_versions()
            .add_delta(large.clone())
            .add_delta(small.clone())
            .add_delta(delta("1.0.0", "1.1.0")),
    );
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    let names = |host: &Host| {
        let releases = host.repository.releases().iter();
        releases
            .map(|release| release.details.version.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&host),
        ["1.0.0", "1.1.0", "1.2.0"],
        "a delta is no release"
    );
    let to = release("1.2.0");
    assert_eq!(host.repository.deltas_to(&to), [small, large]);
    // One that is longer than the bundle is of no use, nor is one to another archive.
    assert_eq!(host.repository.deltas_to(&release("1.1.0")), []);
    let mut other = to;
    other.details.content = Some(Content {
        hash: ContentHash::of(b"other"),
        length: 10_240,
    });
    assert_eq!(host.repository.deltas_to(&other), []);
    other.details.content = None;
    assert_eq!(host.repository.deltas_to(&other), []);
    // A new program over the same store, before it has asked anybody.
    let again = Host::with(&world, host.memory.clone());
    assert_eq!(again.repository.deltas_to(&release("1.2.0")).len(), 2);
}

#[test]
fn what_is_withdrawn_takes_its_deltas_along() {
    let mut world = World::new();
    let all = [("1.0.0", "1.1.0"), ("1.0.0", "1.2.0"), ("1.1.0", "1.2.0")];
    let edit = all.iter().fold(three_versions(), |edit, (from, to)| {
        edit.add_delta(delta(from, to))
    });
    world.publish(edit);
    assert_eq!(releases_of(&world.targets).unwrap().deltas.len(), 3);
    world.publish(TargetsEdit::new().withdraw(package(), version("1.1.0")));
    let left = releases_of(&world.targets).unwrap();
    assert_eq!(left.deltas, [delta("1.0.0", "1.2.0")]);
    assert_eq!(
        content(&world.targets)["targets"]
            .as_object()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn a_delta_never_changes_and_fits_what_is_listed() {
    let mut world = World::new();
    world.publish(three_versions().add_delta(delta("1.0.0", "1.1.0")));
    let refused = |delta| {
        let edit = TargetsEdit::new().add_delta(delta);
        let signers = [&world.targets_keys[0]];
        next_targets(&world.targets, &edit, day(365), &signers).map_err(|error| error.to_string())
    };
    refused(delta("1.0.0", "1.1.0")).expect("the same again");
    let with = |change: &dyn Fn(&mut lockstep_model::Delta)| {
        let mut delta = delta("1.0.0", "1.2.0");
        change(&mut delta);
        refused(delta).unwrap_err()
    };
    let mut changed = delta("1.0.0", "1.1.0");
    changed.length += 1;
    for (words, error) in [
        ("a delta never changes", refused(changed).unwrap_err()),
        (
            "is not listed",
            refused(delta("0.9.0", "1.1.0")).unwrap_err(),
        ),
        (
            "is not listed",
            refused(delta("1.0.0", "1.3.0")).unwrap_err(),
        ),
        (
            "leads nowhere",
            refused(delta("1.0.0", "1.0.0")).unwrap_err(),
        ),
        (
            "must have the path",
            with(&|delta| delta.target = "other".into()),
        ),
        ("is empty", with(&|delta| delta.length = 0)),
        (
            "does not fit",
            with(&|delta| {
                delta.details.to.content.length += 1;
                delta.target = delta.details.target_path();
            }),
        ),
        (
            "does not fit",
            with(&|delta| delta.details.from.content.hash = ContentHash::of(b"x")),
        ),
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn releases_from_before_there_were_deltas_can_be_led_from() {
    let mut world = World::new();
    let mut old = release("1.1.0");
    old.details.content = None;
    world.publish(TargetsEdit::new().add(old).add(release("1.2.0")));
    // The same bundle, inspected by a newer publisher, is the same release.
    world.publish(
        TargetsEdit::new()
            .add(release("1.1.0"))
            .add_delta(delta("1.1.0", "1.2.0")),
    );
    let listed = releases_of(&world.targets).unwrap();
    assert_eq!(listed.deltas.len(), 1);
    assert_eq!(
        listed.releases[1].details.content, None,
        "what is listed stays as it is"
    );
    let to_it = TargetsEdit::new().add_delta(delta("1.0.0", "1.1.0"));
    let refused = next_targets(&world.targets, &to_it, day(365), &[&world.targets_keys[0]]);
    assert!(refused.unwrap_err().to_string().contains("does not fit"));
}

#[tokio::test]
async fn a_delta_that_contradicts_itself_harms_nobody_else() {
    let mut world = World::new();
    world.publish(three_versions().add_delta(delta("1.0.0", "1.1.0")));
    let mut list = content(&world.targets);
    let listed = list["targets"][delta("1.0.0", "1.1.0").target.as_str()].clone();
    list["targets"][delta("1.0.0", "1.2.0").target.as_str()] = listed;
    world.targets = signed(Role::Targets, &list, &[&world.targets_keys[0]]);
    world.resign();
    let mut host = Host::of(&world);
    host.refresh(day(1)).await.unwrap();
    assert_eq!(host.repository.releases().len(), 3);
    assert_eq!(host.repository.deltas_to(&release("1.2.0")), []);
    assert!(releases_of(&world.targets).is_err(), "a publisher stops");
}
