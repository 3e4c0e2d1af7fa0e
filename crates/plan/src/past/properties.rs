use proptest::prelude::*;

use super::tests::{at, event, host, snapshot, state};
use super::*;

/// The moment lies between minute -60 and 60; things happen to four items from -200 to 200.
const ITEMS: [&str; 4] = ["a", "b", "c", "d"];

fn level(rank: usize) -> Level {
    Level::ALL[rank % 5]
}

/// What truly happened: each item begins fine, and goes from level to level.
fn events(steps: &[(usize, i64, usize)]) -> Vec<StoredEvent> {
    let mut steps = steps.to_vec();
    steps.sort_by_key(|(_, minute, _)| *minute);
    steps.dedup_by_key(|(item, minute, _)| (*item, *minute));
    let mut levels = [Level::FINE; 4];
    let mut events = Vec::new();
    for (item, minute, rank) in steps {
        let to = level(rank);
        if to != levels[item] {
            events.push(event(minute, ITEMS[item], levels[item], to));
            levels[item] = to;
        }
    }
    events
}

/// The true level of an item at a minute.
fn truth(events: &[StoredEvent], name: &str, moment: Timestamp) -> Level {
    let mut of_item = events.iter().filter(|it| it.event.item.as_str() == name);
    let last = of_item.rfind(|it| it.event.at <= moment);
    last.map_or(Level::FINE, |it| it.event.to)
}

fn nearest(events: &[StoredEvent], moment: Timestamp) -> (Vec<&StoredEvent>, Vec<&StoredEvent>) {
    let of = |name: &str| {
        let name = name.to_owned();
        events
            .iter()
            .filter(move |it| it.event.item.as_str() == name)
    };
    let before = ITEMS.iter();
    let before = before.filter_map(|name| of(name).rfind(|it| it.event.at <= moment));
    let after = ITEMS.iter();
    let after = after.filter_map(|name| of(name).find(|it| it.event.at > moment));
    (before.collect(), after.collect())
}

prop_compose! {
    fn steps()(steps in prop::collection::vec((0..4_usize, -200..200_i64, 0..5_usize), 0..40)) -> Vec<StoredEvent> {
        events(&steps)
    }
}

proptest! {
    /// Whatever of the past is kept: what is said of an item is what was.
    #[test]
    fn nothing_is_said_that_was_not(
        events in steps(), minute in -60..60_i64, taken in prop::option::of(-20..=0_i64), kept_from in -250..=-80_i64,
        with_now in any::<bool>(),
    ) {
        let moment = at(minute);
        // Events before `kept_from` were forgotten; those since the snapshot are there.
        let kept: Vec<StoredEvent> =
            events.iter().filter(|it| it.event.at >= at(kept_from)).cloned().collect();
        let (before, after) = nearest(&kept, moment);
        let shot = taken.map(|age| {
            let minute = minute + age;
            let items: Vec<_> =
                ITEMS.iter().map(|name| (*name, 1.0, truth(&events, name, at(minute)))).collect();
            snapshot(minute, &items)
        });
        let mut now = Vec::new();
        for name in ITEMS {
            let last = events.iter().rfind(|it| it.event.item.as_str() == name);
            let since = last.map_or(-9_000, |it| it.event.at.duration_since(at(0)).as_mins());
            now.push(state(since, name, truth(&events, name, at(10_000))));
        }
        let name = host("web1");
        let known = Known {
            host: &name, is_there: true, enrolled_at: Some(at(-10_000)), snapshot: shot.as_ref(), before: &before,
            after: &after, now: if with_now { &now } else { &[] },
        };
        match stood(&known, moment) {
            Stood::So { level, taken, items } => {
                prop_assert_eq!(taken.is_some(), shot.is_some());
                prop_assert_eq!(Some(level), items.iter().map(|it| it.level).max());
                for it in &items {
                    prop_assert_eq!(it.level, truth(&events, it.item.as_str(), moment), "{:?}", it);
                    prop_assert!(it.since.is_none_or(|since| since <= moment));
                }
                // With the present at hand, or a snapshot, no item is missing: each was told of, or has not changed.
                if with_now || shot.is_some() {
                    prop_assert_eq!(items.len(), ITEMS.len());
                }
            }
            other => {
                prop_assert_eq!(other, Stood::Unknown);
                prop_assert!(shot.is_none() && !with_now && before.is_empty() && after.is_empty());
            }
        }
    }

    /// Every host is counted once.
    #[test]
    fn the_sums_are_right(
        events in steps(), minute in -60..60_i64, hosts in prop::collection::vec((any::<bool>(), -300..300_i64, any::<bool>()), 0..12),
    ) {
        let moment = at(minute);
        let (before, after) = nearest(&events, moment);
        let names: Vec<HostName> = (0..hosts.len()).map(|it| host(&format!("h{it}"))).collect();
        let shot = snapshot(minute - 1, &[("a", 1.0, Level::SICK)]);
        let known: Vec<Known<'_>> = hosts.iter().zip(&names).map(|((there, enrolled, has), host)| Known {
            host, is_there: *there, enrolled_at: there.then(|| at(*enrolled)), snapshot: has.then_some(&shot),
            before: if *has { &before } else { &[] }, after: if *has { &after } else { &[] }, now: &[],
        }).collect();
        let board = board(&known, moment);
        let gone = known.iter().filter(|it| stood(it, moment) == Stood::Gone).count() as u64;
        let counted: u64 = board.levels.iter().sum();
        prop_assert_eq!(counted, board.snapshots + board.by_events);
        prop_assert_eq!(counted + board.unknown.len() as u64 + board.not_yet + gone, hosts.len() as u64);
        prop_assert!(board.items.is_sorted_by_key(|it| std::cmp::Reverse(it.level)));
    }
}
