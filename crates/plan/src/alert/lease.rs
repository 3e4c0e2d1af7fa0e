//! What a run explains, and what a host's silence is worth.
//!
//! A run in progress makes silences for the symptoms that it is expected to have, and for no others: a disk that
//! fills up meanwhile is told. They are a lease. Each sign of life of the run renews it; a run that is heard of no
//! more, because the host, the agent or the server died in the middle, holds nothing back for long.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::alert::Silence;
use lockstep_model::{Glob, HostName, Interval, Level};

use super::facts::HostRun;
use super::look::after;
use crate::rollout::SILENT_AFTER_REPORTS;

/// A lease ends so long after the run's last sign of life.
const LASTS: Interval = Interval::from_secs(300);
/// No run holds anything back for longer.
const LONGEST: Interval = Interval::from_secs(3_600);

/// The item by which the server says that it does not hear of a host.
pub const SILENCE_ITEM: &str = "agent_silence";
/// What is expected of a host whose agent or machine is restarted.
const EXPECTED: [&str; 5] = [
    SILENCE_ITEM,
    "uptime",
    "agent_memory",
    "unit:lockstep*",
    "version_lag",
];

/// The silences that runs have now: one for the run's own host, and one for the hosts that depend on it, which may
/// fall silent with it. `dependents` says which ones these are. What is not returned any more is over.
#[must_use]
pub fn leases(
    runs: &[HostRun],
    dependents: impl Fn(&HostName) -> Vec<HostName>,
    now: Timestamp,
) -> Vec<Silence> {
    let mut leases = Vec::new();
    for run in runs {
        let ends_at = after(run.seen_at, LASTS).min(after(run.started_at, LONGEST));
        if run.ended_at.is_some() || ends_at <= now {
            continue;
        }
        let lease = |id: String, hosts: &[HostName], items: &[&str]| Silence {
            id,
            hosts: globs(hosts.iter().map(HostName::as_str)),
            groups: Vec::new(),
            items: globs(items.iter().copied()),
            starts_at: run.started_at,
            ends_at,
            owner: "lockstep".into(),
            reason: format!("run {} brings {} to {}", run.run, run.release, run.host),
            run: Some(run.run),
        };
        let own = std::slice::from_ref(&run.host);
        leases.push(lease(format!("run-{}", run.run), own, &EXPECTED));
        let others = dependents(&run.host);
        if !others.is_empty() {
            let id = format!("run-{}-dependents", run.run);
            leases.push(lease(id, &others, &EXPECTED[..1]));
        }
    }
    leases
}

/// Names of hosts and items hold nothing that a pattern may not hold, and are shorter than one may be.
fn globs<'n>(names: impl Iterator<Item = &'n str>) -> Vec<Glob> {
    names.filter_map(|name| Glob::parse(name).ok()).collect()
}

/// The level of a host that has been silent for so long and reports every `interval`: one report missed is soso, two
/// are sick, three are dead. A report may be a tenth of the interval late, as [`crate::schedule::next_report`] spreads
/// them. Dead is exactly what [`crate::rollout::is_silent`] calls silent, so that pages, rollouts and alerts agree.
///
/// As there, a server that was away counts from its own return: nothing was missed while nobody listened.
#[must_use]
pub fn silence_level(silent_for: Duration, interval: Duration) -> Level {
    let late = interval / 10;
    let misses = |reports: u32| silent_for > interval.saturating_mul(reports).saturating_add(late);
    if silent_for > interval.saturating_mul(SILENT_AFTER_REPORTS) {
        Level::DEAD
    } else if misses(2) {
        Level::SICK
    } else if misses(1) {
        Level::SOSO
    } else {
        Level::FINE
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::RunId;
    use proptest::prelude::*;

    use super::*;
    use crate::rollout::is_silent;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn host(name: &str) -> HostName {
        HostName::parse(name).unwrap()
    }

    fn run(seen_at: i64, ended_at: Option<i64>) -> HostRun {
        HostRun {
            run: RunId::new(at(1_000), [7; 10]),
            host: host("web1"),
            release: "lockstep 1.4.2".into(),
            started_at: at(1_000),
            seen_at: at(seen_at),
            ended_at: ended_at.map(at),
        }
    }

    fn leases_at(run: HostRun, now: i64) -> Vec<Silence> {
        leases(&[run], |_| Vec::new(), at(now))
    }

    #[test]
    fn a_lease_ends_with_its_run_or_with_its_signs_of_life() {
        let lease = leases_at(run(1_000, None), 1_299).remove(0);
        assert_eq!((lease.starts_at, lease.ends_at), (at(1_000), at(1_300)));
        assert!(leases_at(run(1_000, None), 1_300).is_empty(), "no sign");
        assert_eq!(leases_at(run(2_000, None), 2_100)[0].ends_at, at(2_300));
        assert!(
            leases_at(run(2_000, Some(2_050)), 2_100).is_empty(),
            "ended"
        );
        let capped = leases_at(run(4_500, None), 4_550).remove(0);
        assert_eq!(capped.ends_at, at(4_600), "an hour after its beginning");
        assert!(leases_at(run(9_000, None), 9_001).is_empty());
    }

    #[test]
    fn a_lease_covers_expected_symptoms_alone() {
        let lease = leases_at(run(1_000, None), 1_001).remove(0);
        let covers = |item: &str| lease.items.iter().any(|glob| glob.matches(item));
        for item in [
            "agent_silence",
            "uptime",
            "unit:lockstep-agent",
            "version_lag",
        ] {
            assert!(covers(item), "{item}");
        }
        for item in ["disk_usage:/", "units_failed", "unit:nginx", "ping:web1"] {
            assert!(!covers(item), "{item}");
        }
        assert_eq!(lease.hosts, globs(["web1"].into_iter()));
    }

    #[test]
    fn those_behind_a_host_may_fall_silent_with_it() {
        let behind = |_: &HostName| vec![host("ups1"), host("ups2")];
        let both = leases(&[run(1_000, None)], behind, at(1_001));
        assert_eq!(both.len(), 2);
        assert_eq!(both[1].hosts, globs(["ups1", "ups2"].into_iter()));
        assert_eq!(both[1].items, globs(["agent_silence"].into_iter()));
        assert!(both[0].id != both[1].id && both[0].run == both[1].run);
    }

    #[test]
    fn each_missed_report_is_a_level() {
        let level = |seconds| silence_level(Duration::from_secs(seconds), Duration::from_secs(300));
        assert_eq!(level(330), Level::FINE);
        assert_eq!(level(331), Level::SOSO);
        assert_eq!(level(630), Level::SOSO);
        assert_eq!(level(631), Level::SICK);
        assert_eq!(level(900), Level::SICK);
        assert_eq!(level(901), Level::DEAD);
    }

    proptest! {
        #[test]
        fn rollouts_and_alerts_agree_who_is_silent(silent in 0_i64..10_000, interval in 1_u64..3_000) {
            let interval = Duration::from_secs(interval);
            let level = silence_level(Duration::from_secs(silent.unsigned_abs()), interval);
            prop_assert_eq!(level == Level::DEAD, is_silent(Some(at(0)), at(0), interval, at(silent)));
        }

        #[test]
        fn a_longer_silence_is_never_better(a in 0_u64..10_000, b in 0_u64..10_000, interval in 0_u64..3_000) {
            let level = |seconds| silence_level(Duration::from_secs(seconds), Duration::from_secs(interval));
            prop_assert!(level(a.min(b)) <= level(a.max(b)));
        }
    }
}
