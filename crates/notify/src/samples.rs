//! Messages for tests.

use jiff::Timestamp;
use lockstep_model::alert::{Notice, NoticeEntry, NoticeKind};
use lockstep_model::{Change, ChangeKind, HostName, ItemName, Level, LevelNames, Value};

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
        note: String::new(),
        groups: vec!["web".into(), "db".into()],
    }
}

pub(crate) fn notice(entries: Vec<NoticeEntry>) -> Notice {
    Notice {
        id: "n1".into(),
        receiver: "ann".into(),
        route: "on-call".into(),
        thread: "t1".into(),
        at: at(300),
        entries,
        more: 0,
        cause: None,
        levels: LevelNames::default(),
        server_url: Some("https://lockstep.example.org:7443".into()),
    }
}

/// One problem of everyday life.
pub(crate) fn problem() -> Notice {
    notice(vec![entry(
        NoticeKind::Problem,
        "web1",
        "disk_usage:/",
        Level::CRITICAL,
    )])
}
