//! Items of a simulated host: numbers that wander, and are fine most of the time.

use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{Event, EventKind};
use lockstep_model::{HostName, ItemName, ItemState, Level, Value};

/// The names of a host's items, the same for all of a fleet.
#[derive(Debug, Clone)]
pub(super) struct Names(Arc<[ItemName]>);

/// How the items of one host stand, in few bytes: there are ten thousand of these.
#[derive(Debug, Clone)]
pub(super) struct Items {
    states: Box<[State]>,
    /// The last event's number.
    number: u64,
}

#[derive(Debug, Clone, Copy)]
struct State {
    value: f32,
    level: Level,
    /// Since when it has its level, in seconds since 1970.
    since: i64,
}

/// Probes whose names the items bear.
const PROBES: [&str; 8] = [
    "cpu_busy",
    "memory_used",
    "disk_usage",
    "inodes_used",
    "network_load",
    "swap_used",
    "file_handles",
    "queue_length",
];

/// Values lie in 0 to 100 and are drawn back to here.
const MIDDLE: f32 = 45.0;
/// How much of the way back is gone in one step, and how far a step may lead away. Together they let a value stay
/// around the middle by 13 or so, above [`SOSO`] for some ten-thousandths of the time.
const BACK: f32 = 0.1;
const STEP: f32 = 10.0;
/// From where on a value is not fine, and a little below it is so again.
const SOSO: f32 = 88.0;
const SICK: f32 = 95.0;
const BELOW: f32 = 5.0;

/// What is worse under a version that makes items worse: this item, at this value.
const WORSE: f32 = 97.0;

impl Names {
    /// Names for so many items.
    pub(super) fn new(count: usize) -> Self {
        let name = |n: usize| {
            let (probe, round) = (PROBES[n % PROBES.len()], n / PROBES.len());
            ItemName::parse(&format!("{probe}:sim{round}")).ok()
        };
        Self((0..count).filter_map(name).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Items {
    /// All fine.
    pub(super) fn new(count: usize, dice: &mut fastrand::Rng, now: Timestamp) -> Self {
        let state = |_| State {
            value: MIDDLE + (dice.f32() - 0.5) * 40.0,
            level: Level::FINE,
            since: now.as_second(),
        };
        Self {
            states: (0..count).map(state).collect(),
            number: 0,
        }
    }

    /// Moves all values one step, and says which levels changed. `worse` holds the first item at a sick value.
    pub(super) fn wander(
        &mut self,
        names: &Names,
        host: &HostName,
        worse: bool,
        dice: &mut fastrand::Rng,
        now: Timestamp,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        for (index, (state, name)) in self.states.iter_mut().zip(names.0.iter()).enumerate() {
            let away = (dice.f32() - 0.5) * 2.0 * STEP;
            state.value += (MIDDLE - state.value) * BACK + away;
            state.value = state.value.clamp(0.0, 100.0);
            if worse && index == 0 {
                state.value = WORSE;
            }
            let level = level(state.value, state.level);
            if level == state.level {
                continue;
            }
            self.number += 1;
            events.push(Event {
                number: self.number,
                at: now,
                host: host.clone(),
                item: name.clone(),
                kind: EventKind::Level,
                from: state.level,
                to: level,
                value: number(state.value),
                why: why(state.value, level),
            });
            state.level = level;
            state.since = now.as_second();
        }
        events
    }

    /// All of them, as a report says them.
    pub(super) fn states(&self, names: &Names) -> Vec<ItemState> {
        let both = self.states.iter().zip(names.0.iter());
        both.map(|(state, name)| ItemState {
            item: name.clone(),
            value: number(state.value),
            level: state.level,
            since: Timestamp::from_second(state.since).unwrap_or_default(),
            why: why(state.value, state.level),
            no_data: false,
            flapping: false,
            pending: None,
        })
        .collect()
    }
}

fn level(value: f32, before: Level) -> Level {
    // Who is up already comes down a little later, or values at the edge would make events without end.
    let reaches =
        |level: Level, from: f32| value >= from - if before >= level { BELOW } else { 0.0 };
    if reaches(Level::SICK, SICK) {
        Level::SICK
    } else if reaches(Level::SOSO, SOSO) {
        Level::SOSO
    } else {
        Level::FINE
    }
}

fn number(value: f32) -> Value {
    Value::Number {
        // Hosts round as well: the digits behind would only make reports longer.
        value: f64::from((value * 10.0).round()) / 10.0,
        unit: "%".into(),
    }
}

fn why(value: f32, level: Level) -> String {
    match level {
        Level::FINE => String::new(),
        _ => format!("{value:.1} % is above {SOSO} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn items_are_mostly_fine_and_sometimes_not() {
        let (names, host) = (Names::new(40), HostName::parse("sim-00001").unwrap());
        assert_eq!(names.len(), 40);
        let mut dice = fastrand::Rng::with_seed(7);
        let mut items = Items::new(40, &mut dice, at(0));
        let (mut troubled, mut events) = (0, 0);
        for n in 0..1_000 {
            events += items.wander(&names, &host, false, &mut dice, at(n)).len();
            troubled += items
                .states(&names)
                .iter()
                .filter(|it| it.is_troubled())
                .count();
        }
        assert!(events > 0, "never an event");
        assert!(
            troubled < 400,
            "{troubled} of 40,000 are troubled: too many"
        );
    }

    #[test]
    fn events_are_numbered_without_a_gap_and_tell_what_states_show() {
        let (names, host) = (Names::new(200), HostName::parse("sim-00001").unwrap());
        let mut dice = fastrand::Rng::with_seed(1);
        let mut items = Items::new(200, &mut dice, at(0));
        let mut levels = vec![Level::FINE; 200];
        let mut next = 1;
        for n in 0..2_000 {
            for event in items.wander(&names, &host, false, &mut dice, at(n)) {
                assert_eq!(event.number, next);
                next += 1;
                let index = names.0.iter().position(|name| *name == event.item).unwrap();
                assert_eq!(levels[index], event.from);
                levels[index] = event.to;
            }
            let shown: Vec<Level> = items.states(&names).iter().map(|it| it.level).collect();
            assert_eq!(shown, levels);
        }
    }

    #[test]
    fn a_version_that_is_worse_makes_an_item_sick_until_it_is_gone() {
        let (names, host) = (Names::new(3), HostName::parse("sim-00001").unwrap());
        let mut dice = fastrand::Rng::with_seed(1);
        let mut items = Items::new(3, &mut dice, at(0));
        let events = items.wander(&names, &host, true, &mut dice, at(1));
        assert_eq!((events[0].to, events[0].number), (Level::SICK, 1));
        let mut steps = 0;
        while items.states(&names)[0].level != Level::FINE {
            items.wander(&names, &host, false, &mut dice, at(2 + steps));
            steps += 1;
            assert!(steps < 100, "it never becomes well again");
        }
    }
}
