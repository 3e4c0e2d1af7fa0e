//! Messages to deliver.

use jiff::Timestamp;
use lockstep_model::alert::{Notice, NoticeEntry, NoticeKind};
use lockstep_model::{Change, ChangeKind, HostName, ItemName, Level, LevelNames, Value};
use lockstep_net::{Clock, ClockDriver};
use lockstep_notify::{Notifier, Settings};

/// Seconds after the beginning of all tests.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub(crate) fn entry(kind: NoticeKind, host: &str, item: &str, level: Level) -> NoticeEntry {
    NoticeEntry {
        kind,
        host: HostName::parse(host).unwrap(),
        item: ItemName::parse(item).unwrap(),
        level,
        told: Level::FINE,
        value: Value::Number {
            value: 96.0,
            unit: "%".into(),
        },
        why: ">= 95%".into(),
        since: at(0),
        ended: None,
        changes: vec![Change {
            at: at(-180),
            kind: ChangeKind::Run,
            what: "lockstep 1.4.1 → 1.4.2".into(),
            run: None,
        }],
        run: None,
        note: "bob is on it: größer".into(),
        groups: vec!["web".into()],
    }
}

pub(crate) fn notice(id: &str, kind: NoticeKind) -> Notice {
    Notice {
        id: id.into(),
        receiver: "ann".into(),
        route: "on-call".into(),
        thread: "t1".into(),
        at: at(300),
        entries: vec![entry(kind, "web1", "disk_usage:/", Level::CRITICAL)],
        more: 0,
        cause: None,
        levels: LevelNames::default(),
        server_url: Some("https://lockstep.example.org:7443".into()),
    }
}

/// A notifier whose clock stands still, five minutes after the beginning.
pub(crate) fn notifier(settings: Settings) -> (Notifier, ClockDriver) {
    let (clock, driver) = Clock::driven(at(300));
    (Notifier::new(settings, &clock), driver)
}
