//! Things to store.

use jiff::Timestamp;
use lockstep_model::alert::{Notice, Silence};
use lockstep_model::api::{Facts, Installed, Report};
use lockstep_model::{
    Baseline, ChannelName, ContentHash, Event, EventKind, Glob, Health, HostName, ItemName,
    ItemState, Level, LevelNames, Outcome, PackageName, Phase, Platform, Release, ReleaseDetails,
    Requires, Rollout, RolloutState, RunId, RunKind, RunRecord, Strategy, Value, Version, Wave,
};
use lockstep_store::{Decided, NewHost, NewRollout, Store, StoredToken};

/// Seconds after the beginning of all tests.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub(crate) fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

pub(crate) fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

pub(crate) fn stable() -> ChannelName {
    ChannelName::stable()
}

/// A hash that is different for every number.
pub(crate) fn hash(number: u64) -> ContentHash {
    let mut digest = [7; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    ContentHash::from_digest(digest)
}

pub(crate) fn facts(hostname: &str) -> Facts {
    Facts {
        hostname: hostname.into(),
        os: "Debian GNU/Linux 12 (bookworm)".into(),
        kernel: "6.1.0".into(),
        platform: Some(Platform::parse("linux-x86_64").unwrap()),
        gateway: None,
    }
}

pub(crate) fn new_host(name: &str, key: u64) -> NewHost {
    NewHost {
        name: host(name),
        key: hash(key),
        facts: facts(name),
        at: at(0),
        replace: false,
    }
}

/// Enrols hosts of these names.
pub(crate) async fn enroll(store: &Store, names: &[&str]) {
    for (number, name) in names.iter().enumerate() {
        store
            .enroll_host(new_host(name, number as u64))
            .await
            .unwrap();
    }
}

pub(crate) fn token(id: &str, uses: u32) -> StoredToken {
    StoredToken {
        id: id.into(),
        secret_hash: format!("hash of {id}"),
        uses,
        expires_at: at(3600),
        host: None,
        created_by: "admin".into(),
    }
}

/// A report whose `generation` is `number`.
pub(crate) fn report(number: u64) -> Report {
    Report {
        at: at(0),
        boot_id: "b1d".into(),
        installed: vec![Installed {
            package: PackageName::lockstep(),
            version: version("1.4.0"),
            hash: Some(hash(1)),
            previous: Some(version("1.3.0")),
            proven: true,
        }],
        items: vec![
            item("cpu_load", Level::FINE),
            item("disk_usage:/", Level::SICK),
        ],
        run: None,
        updates_enabled: true,
        generation: number,
        skipped: vec![hash(2)],
        facts: facts("reported"),
        watched: Vec::new(),
        work: None,
        work_refused: None,
        kept: Vec::new(),
        notes: lockstep_model::api::Notes::default(),
    }
}

pub(crate) fn item(name: &str, level: Level) -> ItemState {
    ItemState {
        item: ItemName::parse(name).unwrap(),
        value: Value::Number {
            value: 0.5,
            unit: "%".into(),
        },
        level,
        since: at(-60),
        why: "\u{0}because \"so\"".into(),
        no_data: false,
        flapping: false,
        pending: None,
    }
}

/// A run that began at second `began`, as it was at second `now`.
pub(crate) fn record(number: u8, began: i64, now: i64) -> RunRecord {
    RunRecord {
        id: RunId::new(at(began), [number; 10]),
        package: PackageName::lockstep(),
        kind: RunKind::Bundle,
        from: Some((&version("1.3.0")).into()),
        to: Some((&version("1.4.0")).into()),
        hash: Some(hash(3)),
        generation: 7,
        by: "order 7 of the server".into(),
        waits: None,
        lock: None,
        phase: Phase::Apply,
        outcome: None,
        reason: None,
        started_at: at(began),
        at: at(now),
        log: "line\n\u{1b}[1mbold\u{0}".into(),
        link: None,
    }
}

pub(crate) fn done(mut record: RunRecord) -> RunRecord {
    record.phase = Phase::Done;
    record.outcome = Some(Outcome::Done);
    record
}

/// A run that has stopped.
pub(crate) fn stopped(mut record: RunRecord) -> RunRecord {
    record.outcome = Some(Outcome::Stopped);
    record
}

pub(crate) fn release(text: &str) -> Release {
    let (package, platform) = (
        PackageName::lockstep(),
        Platform::parse("linux-x86_64").unwrap(),
    );
    let version = version(text);
    Release {
        target: lockstep_model::target_path(&package, &version, &platform),
        details: ReleaseDetails {
            package,
            version,
            platform,
            unpacked_bytes: 1000,
            entries: 3,
            requires: Requires::default(),
            content: None,
        },
        length: 100,
        hash: hash(4),
    }
}

pub(crate) fn order(text: &str) -> NewRollout {
    NewRollout {
        package: PackageName::lockstep(),
        version: version(text),
        channel: stable(),
        strategy: Strategy::default(),
        urgent: false,
        clears_suspect: false,
        state: RolloutState::Running,
        why: "it was ordered".into(),
        at: at(0),
    }
}

/// What became of a rollout, and why.
pub(crate) fn decided<'a>(after: &'a Rollout, decisions: &'a [String]) -> Decided<'a> {
    Decided {
        after,
        decisions,
        baselines: &[],
        suspect: None,
    }
}

/// How hosts stood: the first one was silent, the others had a full disk.
pub(crate) fn baseline(opening: bool, hosts: &[&str]) -> Baseline {
    let ailing = vec![(name("disk_usage:/"), Level::SICK)];
    let health = |number: usize| Health {
        silent: number == 0,
        ailing: if number == 0 {
            Vec::new()
        } else {
            ailing.clone()
        },
    };
    let hosts = hosts.iter().enumerate();
    Baseline {
        opening,
        hosts: hosts
            .map(|(number, name)| (host(name), health(number)))
            .collect(),
    }
}

/// One wave of the hosts.
pub(crate) fn wave(hosts: &[&str]) -> Wave {
    Wave::waiting(hosts.iter().map(|name| host(name)).collect())
}

pub(crate) fn name(item: &str) -> ItemName {
    ItemName::parse(item).unwrap()
}

/// An event at a second of the host's clock.
pub(crate) fn event(
    number: u64,
    second: i64,
    name: &str,
    item: &str,
    from: Level,
    to: Level,
) -> Event {
    Event {
        number,
        at: at(second),
        host: host(name),
        item: self::name(item),
        kind: EventKind::Level,
        from,
        to,
        value: Value::Number {
            value: 0.5,
            unit: "%".into(),
        },
        why: "\u{0}because \"so\"".into(),
    }
}

pub(crate) fn notice(id: &str, receiver: &str) -> Notice {
    Notice {
        id: id.into(),
        receiver: receiver.into(),
        route: "on-call".into(),
        thread: "t1".into(),
        at: at(0),
        entries: Vec::new(),
        more: 0,
        cause: Some("é\u{0}".into()),
        levels: LevelNames::default(),
        server_url: None,
    }
}

pub(crate) fn silence(id: &str, from: i64, to: i64) -> Silence {
    Silence {
        id: id.into(),
        hosts: vec![Glob::parse("web*").unwrap()],
        groups: vec!["db".into()],
        items: Vec::new(),
        starts_at: at(from),
        ends_at: at(to),
        owner: "ann".into(),
        reason: "new \u{0} disks".into(),
        run: None,
    }
}
