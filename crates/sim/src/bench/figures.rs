//! What a bench counts while it runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_model::{Outcome, PackageName, Version};
use lockstep_net::client::CallError;
use tokio::time::Instant;

use super::Histogram;
use super::behaviour::Ended;
use super::remembered::Carried;
use super::summary::{Live, Spread, Summary, Times, VersionCount};

/// Seconds that the live line looks back.
const RECENT: usize = 10;
/// Seconds of which the connects are counted one by one: a day.
const MOST_SECONDS: usize = 86_400;

/// The figures of all agents.
#[derive(Debug)]
pub(super) struct Figures {
    began: Instant,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    connected: u32,
    silent: u32,
    lost: u64,
    connects: Vec<u32>,
    reports: u64,
    hints: u64,
    events: u64,
    records: u64,
    bundles: u64,
    bundle_bytes: u64,
    errors: BTreeMap<String, u64>,
    latency: Histogram,
    hinted: Histogram,
    recent: Recent,
    running: BTreeMap<(PackageName, Version), u32>,
    ways: BTreeMap<(PackageName, Version), Way>,
}

/// How a version came to the fleet.
#[derive(Debug, Default)]
struct Way {
    /// When the first agent began a run to it.
    begun: Option<Duration>,
    /// When each agent had proven it, in the order in which they did.
    proven: Vec<Duration>,
    outcomes: BTreeMap<&'static str, u64>,
}

/// The last seconds, one histogram each.
#[derive(Debug, Default)]
struct Recent {
    seconds: [Histogram; RECENT],
    newest: usize,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            counted: Mutex::default(),
        }
    }

    /// An agent is there with what it carries.
    pub(super) fn carries(&self, carried: &[Carried]) {
        let mut counted = self.lock();
        for it in carried {
            if let Some(version) = &it.version {
                let key = (it.package.clone(), version.clone());
                *counted.running.entry(key).or_default() += 1;
            }
        }
    }

    pub(super) fn connected(&self) {
        let second = self.second();
        let mut counted = self.lock();
        counted.connected += 1;
        if second < MOST_SECONDS {
            if counted.connects.len() <= second {
                counted.connects.resize(second + 1, 0);
            }
            counted.connects[second] += 1;
        }
    }

    pub(super) fn hung_up(&self) {
        let mut counted = self.lock();
        counted.connected = counted.connected.saturating_sub(1);
        counted.lost += 1;
    }

    pub(super) fn fell_silent(&self) {
        let mut counted = self.lock();
        counted.connected = counted.connected.saturating_sub(1);
        counted.silent += 1;
    }

    /// A report was answered after so long; `hinted` is how long ago a hint had asked for it.
    pub(super) fn reported(&self, took: Duration, hinted: Option<Duration>) {
        let second = self.second();
        let mut counted = self.lock();
        counted.reports += 1;
        counted.latency.record(took);
        counted.recent.at(second).record(took);
        if let Some(hinted) = hinted {
            counted.hints += 1;
            counted.hinted.record(hinted);
        }
    }

    pub(super) fn sent_events(&self, count: usize) {
        self.lock().events += count as u64;
    }

    pub(super) fn sent_record(&self) {
        self.lock().records += 1;
    }

    pub(super) fn fetched(&self, bytes: u64) {
        let mut counted = self.lock();
        counted.bundles += 1;
        counted.bundle_bytes += bytes;
    }

    /// Something failed.
    pub(super) fn error(&self, what: &str, error: &CallError) {
        let kind = match error {
            CallError::Refused { status, .. } => format!("{what}: answered {status}"),
            CallError::Unreachable { .. } => format!("{what}: unreachable"),
            CallError::ServerNotBelieved { .. } => format!("{what}: server not believed"),
            CallError::NotBelieved { .. } => format!("{what}: certificate not believed"),
            CallError::TooLarge { .. } => format!("{what}: answer too large"),
            _ => format!("{what}: unusable answer"),
        };
        *self.lock().errors.entry(kind).or_default() += 1;
    }

    /// An agent begins a run.
    pub(super) fn begins(&self, package: &PackageName, version: &Version) {
        let now = self.began.elapsed();
        let mut counted = self.lock();
        let key = (package.clone(), version.clone());
        counted
            .ways
            .entry(key)
            .or_default()
            .begun
            .get_or_insert(now);
    }

    /// An agent's run has ended.
    pub(super) fn ended(&self, ended: &Ended) {
        let now = self.began.elapsed();
        let mut counted = self.lock();
        let key = (ended.package.clone(), ended.version.clone());
        let way = counted.ways.entry(key.clone()).or_default();
        *way.outcomes.entry(ended.outcome.as_str()).or_default() += 1;
        if ended.outcome != Outcome::Done {
            return;
        }
        way.proven.push(now);
        *counted.running.entry(key).or_default() += 1;
        if let Some(before) = &ended.before {
            let key = (ended.package.clone(), before.clone());
            if let Some(count) = counted.running.get_mut(&key) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// True if so many agents have proven this version of one package.
    pub(super) fn all_have(&self, version: &Version, agents: u32) -> bool {
        let counted = self.lock();
        let mut running = counted.running.iter();
        running.any(|((_, it), count)| it == version && *count >= agents)
    }

    /// How things stand now.
    pub(super) fn live(&self, agents: u32) -> Live {
        let second = self.second();
        let mut counted = self.lock();
        let recent = counted.recent.all(second);
        let seconds = second.clamp(1, RECENT) as f64;
        Live {
            elapsed: self.began.elapsed(),
            agents,
            connected: counted.connected,
            silent: counted.silent,
            reports_per_second: recent.count() as f64 / seconds,
            p50: recent.at(0.5),
            p99: recent.at(0.99),
            errors: counted.errors.values().sum(),
            versions: counted.versions(),
        }
    }

    /// Everything.
    pub(super) fn summary(&self, agents: u32) -> Summary {
        let counted = self.lock();
        let elapsed = self.began.elapsed();
        Summary {
            seconds: elapsed.as_secs_f64(),
            agents,
            connected: counted.connected,
            silent: counted.silent,
            connections_lost: counted.lost,
            reports: counted.reports,
            reports_per_second: counted.reports as f64 / elapsed.as_secs_f64().max(0.001),
            report_to_answer: Times::of(&counted.latency),
            hints: counted.hints,
            hint_to_answer: Times::of(&counted.hinted),
            events: counted.events,
            records: counted.records,
            bundles: counted.bundles,
            bundle_bytes: counted.bundle_bytes,
            errors: counted.errors.clone(),
            versions: counted.versions(),
            spreads: counted.spreads(),
            connects_per_second: counted.connects.clone(),
            memory_bytes: None,
            memory_bytes_per_agent: None,
            until: None,
        }
    }

    fn second(&self) -> usize {
        usize::try_from(self.began.elapsed().as_secs()).unwrap_or(usize::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn versions(&self) -> Vec<VersionCount> {
        let running = self.running.iter().filter(|(_, count)| **count > 0);
        running
            .map(|((package, version), count)| VersionCount {
                package: package.clone(),
                version: version.clone(),
                agents: *count,
            })
            .collect()
    }

    fn spreads(&self) -> Vec<Spread> {
        let ways = self.ways.iter();
        ways.map(|((package, version), way)| {
            Spread::of(package, version, way.begun, &way.proven, &way.outcomes)
        })
        .collect()
    }
}

impl Recent {
    /// The histogram of this second; those between it and the newest one are cleared.
    fn at(&mut self, second: usize) -> &mut Histogram {
        self.forget_before(second);
        &mut self.seconds[second % RECENT]
    }

    fn all(&mut self, second: usize) -> Histogram {
        self.forget_before(second);
        let mut all = Histogram::new();
        for second in &self.seconds {
            all.add(second);
        }
        all
    }

    fn forget_before(&mut self, second: usize) {
        let passed = second.saturating_sub(self.newest).min(RECENT);
        for n in 0..passed {
            self.seconds[(second - n) % RECENT].clear();
        }
        self.newest = self.newest.max(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_line_forgets_after_ten_seconds() {
        let mut recent = Recent::default();
        recent.at(0).record(Duration::from_millis(1));
        recent.at(5).record(Duration::from_millis(2));
        assert_eq!(recent.all(9).count(), 2);
        assert_eq!(recent.all(10).count(), 1);
        assert_eq!(recent.all(14).count(), 1);
        assert_eq!(recent.all(15).count(), 0);
        recent.at(100).record(Duration::from_millis(3));
        assert_eq!(recent.all(100).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn versions_are_counted_when_they_are_proven() {
        let figures = Figures::new();
        let (one, two) = (
            Version::parse("1.0.0").unwrap(),
            Version::parse("2.0.0").unwrap(),
        );
        let package = PackageName::lockstep();
        for _ in 0..100 {
            figures.carries(&[Carried::at(package.clone(), Some(one.clone()))]);
        }
        assert!(figures.all_have(&one, 100));
        tokio::time::advance(Duration::from_secs(10)).await;
        figures.begins(&package, &two);
        for n in 0..100 {
            tokio::time::advance(Duration::from_secs(1)).await;
            let ended = Ended {
                package: package.clone(),
                version: two.clone(),
                before: Some(one.clone()),
                outcome: if n < 99 {
                    Outcome::Done
                } else {
                    Outcome::RolledBack
                },
            };
            figures.ended(&ended);
        }
        assert!(!figures.all_have(&two, 100) && figures.all_have(&two, 99));
        let summary = figures.summary(100);
        let spread = &summary.spreads[0];
        assert_eq!((spread.proven, spread.outcomes["rolled-back"]), (99, 1));
        let seconds = |it: Option<f64>| it.map(f64::round);
        assert_eq!(seconds(spread.first_s), Some(1.0));
        assert_eq!(seconds(spread.half_s), Some(50.0));
        assert_eq!(seconds(spread.last_s), Some(99.0));
        assert_eq!(summary.versions.len(), 2);
    }
}
