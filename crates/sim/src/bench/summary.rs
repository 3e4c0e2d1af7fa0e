//! What a bench says, while it runs and at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_model::{PackageName, Version};
use serde::Serialize;

use super::Histogram;

/// How things stand now.
#[derive(Debug, Clone)]
pub struct Live {
    /// Since the agents began to connect.
    pub elapsed: Duration,
    /// How many there are.
    pub agents: u32,
    /// How many hold a stream of hints open.
    pub connected: u32,
    /// How many fell silent.
    pub silent: u32,
    /// Over the last ten seconds.
    pub reports_per_second: f64,
    /// From a report to its answer, over the last ten seconds: half of them took no longer.
    pub p50: Option<Duration>,
    /// The same for 99 %.
    pub p99: Option<Duration>,
    /// Since the beginning.
    pub errors: u64,
    /// What the agents run.
    pub versions: Vec<VersionCount>,
}

/// How many agents run a version, proven.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionCount {
    /// The package.
    pub package: PackageName,
    /// The version.
    pub version: Version,
    /// How many.
    pub agents: u32,
}

/// Everything that was counted.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Since the agents began to connect.
    pub seconds: f64,
    /// How many there were.
    pub agents: u32,
    /// How many held a stream of hints open at the end.
    pub connected: u32,
    /// How many fell silent.
    pub silent: u32,
    /// Connections that ended against the agents' will.
    pub connections_lost: u64,
    /// Reports that were answered.
    pub reports: u64,
    /// The same for each second.
    pub reports_per_second: f64,
    /// From a report to its answer.
    pub report_to_answer: Times,
    /// Hints that were followed.
    pub hints: u64,
    /// From a hint to the answer of the report that it asked for.
    pub hint_to_answer: Times,
    /// Events that the server stored.
    pub events: u64,
    /// Records of runs that the server stored.
    pub records: u64,
    /// Bundles fetched, or looked at.
    pub bundles: u64,
    /// Their bytes that came.
    pub bundle_bytes: u64,
    /// What failed, by what was attempted and how.
    pub errors: BTreeMap<String, u64>,
    /// What the agents ran at the end.
    pub versions: Vec<VersionCount>,
    /// How versions came to the fleet.
    pub spreads: Vec<Spread>,
    /// Connections made in each second from the beginning on.
    pub connects_per_second: Vec<u32>,
    /// What this process held in memory at the end, in bytes.
    pub memory_bytes: Option<u64>,
    /// How much of that came with each agent that was connected, about.
    pub memory_bytes_per_agent: Option<u64>,
    /// Whether all agents have proven the version that was waited for; none if none was.
    pub until: Option<bool>,
}

/// Durations in short, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Times {
    /// How many.
    pub count: u64,
    /// Half took no longer.
    pub p50_ms: f64,
    /// 90 %.
    pub p90_ms: f64,
    /// 99 %.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// How a version came to the fleet, in seconds since the first agent began a run to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// The package.
    pub package: PackageName,
    /// The version.
    pub version: Version,
    /// How many have proven it since.
    pub proven: u64,
    /// How runs to it ended.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// When the first agent had proven it.
    pub first_s: Option<f64>,
    /// When half of those had that have it now.
    pub half_s: Option<f64>,
    /// The same for 90 %.
    pub most_s: Option<f64>,
    /// The same for 99 %.
    pub nearly_all_s: Option<f64>,
    /// When the last one had.
    pub last_s: Option<f64>,
}

impl Times {
    pub(super) fn of(histogram: &Histogram) -> Self {
        let ms = |share| {
            let at = histogram.at(share).unwrap_or_default();
            at.as_secs_f64() * 1000.0
        };
        Self {
            count: histogram.count(),
            p50_ms: ms(0.5),
            p90_ms: ms(0.9),
            p99_ms: ms(0.99),
            max_ms: histogram.max().as_secs_f64() * 1000.0,
        }
    }
}

impl Spread {
    pub(super) fn of(
        package: &PackageName,
        version: &Version,
        begun: Option<Duration>,
        proven: &[Duration],
        outcomes: &BTreeMap<&'static str, u64>,
    ) -> Self {
        let begun = begun.unwrap_or_default();
        let at = |share: f64| {
            // The n-th of n is the last; rounding up, so that a share is really reached.
            let rank = ((proven.len() as f64) * share).ceil() as usize;
            let at = proven.get(rank.max(1) - 1)?;
            Some(at.saturating_sub(begun).as_secs_f64())
        };
        Self {
            package: package.clone(),
            version: version.clone(),
            proven: proven.len() as u64,
            outcomes: outcomes.clone(),
            first_s: at(0.0),
            half_s: at(0.5),
            most_s: at(0.9),
            nearly_all_s: at(0.99),
            last_s: at(1.0),
        }
    }
}
