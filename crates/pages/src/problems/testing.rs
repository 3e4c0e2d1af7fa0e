//! Problems for tests.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::alert::{Ack, Trouble};
use lockstep_model::api::operator::ProblemView;
use lockstep_model::{Change, ChangeKind, HostName, ItemName, Level, Value};

/// So many minutes before the noon at which tests take place.
pub(crate) fn minutes(minutes: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    noon - SignedDuration::from_mins(minutes)
}

/// A problem that began so many minutes ago.
pub(crate) fn problem(host: &str, item: &str, level: u8, since: i64) -> ProblemView {
    ProblemView {
        trouble: Trouble {
            host: HostName::parse(host).unwrap(),
            item: ItemName::parse(item).unwrap(),
            level: Level::ALL[usize::from(level)],
            from: Level::FINE,
            value: Value::Number {
                value: 97.2,
                unit: "%".into(),
            },
            why: "above 95 %".into(),
            since: minutes(since),
            no_data: false,
            flapping: false,
            seen_at: minutes(0),
        },
        ack: None,
        silence: None,
        depends_on: None,
        owner: None,
        changes: Vec::new(),
    }
}

/// A run that ended so many minutes ago.
pub(crate) fn change(what: &str, at: i64) -> Change {
    Change {
        at: minutes(at),
        kind: ChangeKind::Run,
        what: what.into(),
        run: None,
    }
}

/// Somebody is on it.
pub(crate) fn ack(problem: &ProblemView, note: &str) -> Ack {
    Ack {
        host: problem.trouble.host.clone(),
        item: problem.trouble.item.clone(),
        level: problem.trouble.level,
        by: "bob".into(),
        note: note.into(),
        at: minutes(3),
        until: None,
    }
}
