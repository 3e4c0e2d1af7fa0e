//! What the worker knows of the items: the prober that looks, the book that judges, the log of events, the history.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::{Layout, fault, fs};
use lockstep_model::api::{Notes, WatchedReport, WorkAnswer};
use lockstep_model::{
    ContentHash, Event, HostName, Interval, ItemName, ItemState, Level, LevelNames, PackageRule,
    Sample, Value, Work, WorkItem,
};
use lockstep_net::Clock;
use lockstep_plan::fitness::{BookRecord, Happened, ItemBook};
use lockstep_probe::{Config, NEEDS_TWO, Prober, Secrets};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::busy::{self, Busy};
use super::forecast::DISK_FORECAST;
use super::now::Asker;
use super::past::Past;
use super::runs::RUN;
use crate::config::AgentConfig;
use crate::events::EventLog;
use crate::state::{read, write_compact};
use crate::{Error, words};

/// The mind is written down this often when nothing happens.
const SAVE: Duration = Duration::from_secs(300);
/// After this time every item that there is has been looked at once.
const FIRST_LOOKS: Duration = Duration::from_secs(15);
/// Largest file of secrets, in bytes.
const MAX_SECRETS: u64 = 256 * 1024;

/// Everything about items.
pub(super) struct Watching {
    host: HostName,
    layout: Layout,
    prober: Prober,
    book: ItemBook,
    /// The states as they are shown: those of the book, or newer ones that could not be written down.
    shown: Shown,
    log: EventLog,
    past: Past,
    busy: Busy,
    work: Work,
    /// The identity of the work document in force; none for the defaults.
    work_hash: Option<ContentHash>,
    /// Why the newest work document is not in force.
    work_refused: Option<String>,
    /// When the server last took a report.
    reported_at: Option<Timestamp>,
    saved_at: Instant,
    own_at: Instant,
    begun_at: Instant,
    has_sampled: bool,
}

#[derive(Default)]
struct Shown {
    own: Vec<ItemState>,
    watched: Vec<WatchedReport>,
}

/// What is written down beside the events.
#[derive(Serialize, Deserialize)]
struct Memory {
    book: BookRecord,
    /// When the server last took a report.
    reported_at: Option<Timestamp>,
}

/// What the worker itself measures.
pub(super) struct Own {
    /// Seconds since another version of the agent was wanted; zero if none is.
    pub(super) version_lag: f64,
    /// Seconds by which this host's clock is ahead of the server's, where it has been compared.
    pub(super) clock_offset: Option<f64>,
    /// Runs that have stopped.
    pub(super) run: Option<Sample>,
}

impl Watching {
    /// Opens what is on disk and begins to look.
    pub(super) fn begin(
        layout: &Layout,
        config: &AgentConfig,
        host: &HostName,
        pids: Vec<u32>,
        clock: &Clock,
    ) -> Result<(Self, mpsc::Receiver<Vec<Sample>>), Error> {
        let saved: Option<WorkAnswer> = read(&layout.work())?;
        let work_hash = saved.as_ref().map(|saved| saved.hash);
        let work = saved.map_or_else(|| default_work(config), |saved| saved.work);
        let (log, memory) = fault::uncounted(|| EventLog::open::<Memory>(layout))?;
        let (book, reported_at) = match memory {
            Some(memory) => {
                let book = ItemBook::resume(memory.book, &work, clock.now());
                (book, memory.reported_at)
            }
            None => {
                let mut book = ItemBook::new();
                book.follow(&work);
                (book, None)
            }
        };
        let past = Past::start(layout.history(), work.history.clone(), clock.clone());
        let busy = Busy::of_this_machine(config.report.processes);
        let config = prober_config(layout, config, host, pids)?;
        let (prober, samples) = Prober::start(config, without_own(&work), clock.clone());
        let watching = Self {
            host: host.clone(),
            layout: layout.clone(),
            prober,
            book,
            shown: Shown::default(),
            log,
            past,
            busy,
            work,
            work_hash,
            work_refused: None,
            reported_at,
            saved_at: Instant::now(),
            own_at: Instant::now(),
            begun_at: Instant::now(),
            has_sampled: false,
        };
        Ok((watching, samples))
    }

    /// Looks at least this often, for as long as a version is on probation.
    pub(super) fn hurry(&self, at_least: Option<Duration>) {
        self.prober.hurry(at_least);
    }

    /// Takes a round of samples in. True if there are events to be sent.
    pub(super) fn take(&mut self, mut samples: Vec<Sample>, own: &Own, now: Timestamp) -> bool {
        if !samples.is_empty() && Instant::now() >= self.own_at {
            self.own_at = Instant::now() + self.own_interval();
            samples.extend(self.own_samples(own, now));
        }
        // A rate that has been measured once is no item yet.
        let is_no_rate_yet = |value: &Value| matches!(value, Value::None(why) if why == NEEDS_TWO);
        samples.retain(|sample| !is_no_rate_yet(&sample.value));
        self.past.record(now, &samples);
        self.has_sampled |= !samples.is_empty();
        let mut book = self.book.clone();
        let happened = book.take(&samples, now);
        self.show(&book);
        let wrong = busy::worst(&happened);
        let events: Vec<Event> = happened.into_iter().map(|it| self.event(it)).collect();
        let new = !events.is_empty();
        let memory = self.memory(&book);
        match fault::uncounted(|| self.log.add(events, &memory)) {
            Ok(()) => {
                self.book = book;
                if let Some(wrong) = wrong {
                    self.busy.notice(wrong, now);
                }
            }
            // The old book stays, so the next round finds the same again. Who is at work is not looked at before that: it
            // would be each minute, for as long as the disk is full.
            Err(error) => {
                error!(
                    error = words(&error),
                    "what happened could not be written down"
                );
                return false;
            }
        }
        if Instant::now() >= self.saved_at + SAVE {
            self.save();
        }
        new
    }

    /// Writes the mind down.
    pub(super) fn save(&mut self) {
        self.saved_at = Instant::now();
        let memory = self.memory(&self.book);
        if let Err(error) = fault::uncounted(|| self.log.save(&memory)) {
            warn!(
                error = words(&error),
                "the state of the items could not be written down"
            );
        }
    }

    fn memory(&self, book: &ItemBook) -> Memory {
        Memory {
            book: book.snapshot(),
            reported_at: self.reported_at,
        }
    }

    /// Time between two samples of the worker's own items.
    fn own_interval(&self) -> Duration {
        own_interval(&self.work).duration()
    }

    fn own_samples(&self, own: &Own, now: Timestamp) -> Vec<Sample> {
        let offset = own.clock_offset.map(|offset| (CLOCK_OFFSET, offset));
        let measured = [Some((VERSION_LAG, own.version_lag)), offset];
        measured
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((ItemName::parse(name).ok()?, value)))
            .chain(self.past.forecasts())
            .filter(|(item, _)| is_asked_for(&self.work, item))
            .map(|(item, value)| Sample {
                host: None,
                item,
                at: now,
                value: Value::Number {
                    value,
                    unit: "s".into(),
                },
                verdict: None,
            })
            .chain(
                own.run
                    .clone()
                    .filter(|it| is_asked_for(&self.work, &it.item)),
            )
            .collect()
    }

    /// The packages that the server wants to be current.
    pub(super) fn packages(&self) -> &[PackageRule] {
        &self.work.packages
    }

    fn event(&self, happened: Happened) -> Event {
        Event {
            number: 0,
            at: happened.at,
            host: happened.host.unwrap_or_else(|| self.host.clone()),
            item: happened.item,
            kind: happened.kind,
            from: happened.from,
            to: happened.to,
            value: happened.value,
            why: happened.why.to_string(),
        }
    }

    fn show(&mut self, book: &ItemBook) {
        let watched = self.work.watched.iter().map(|watched| WatchedReport {
            host: watched.host.clone(),
            items: book.states(Some(&watched.host)),
        });
        self.shown = Shown {
            own: book.states(None),
            watched: watched.collect(),
        };
    }

    /// How the host's own items stand; none before the first samples.
    pub(super) fn states(&self) -> Option<&[ItemState]> {
        self.has_sampled.then_some(&self.shown.own[..])
    }

    /// What is told beside the states.
    pub(super) fn notes(&self) -> Notes {
        Notes {
            programs: self.prober.programs(),
            processes: self.busy.untold(),
            ..Notes::default()
        }
    }

    /// The server has stored a report whose note of processes was of this moment.
    pub(super) fn told(&self, processes_at: Option<Timestamp>) {
        if let Some(at) = processes_at {
            self.busy.told(at);
        }
    }

    /// What answers a question about one item.
    pub(super) fn asker(&self, clock: Clock) -> Asker {
        Asker {
            host: self.host.clone(),
            live: self.prober.live(),
            book: self.book.clone(),
            clock,
        }
    }

    /// The names of the levels.
    pub(super) fn level_names(&self) -> &LevelNames {
        &self.work.levels
    }

    /// How the items of the watched hosts stand.
    pub(super) fn watched(&self) -> &[WatchedReport] {
        &self.shown.watched
    }

    /// The levels of the host's own items, for probation; none before each item that `is_gated` has been looked at,
    /// or has had its time: what has not been looked at cannot have become worse.
    pub(super) fn levels(
        &self,
        is_gated: impl Fn(&ItemName) -> bool,
    ) -> Option<BTreeMap<ItemName, Level>> {
        let states = self.states()?;
        let is_there = |entry: &WorkItem| {
            let matches = |state: &ItemState| entry.name.matches(state.item.as_str());
            states.iter().any(matches)
        };
        let is_awaited = |entry: &&WorkItem| {
            let name = ItemName::parse(entry.name.as_str());
            !entry.is_rule && name.is_ok_and(|name| is_gated(&name))
        };
        let all_there = self.work.items.iter().filter(is_awaited).all(is_there);
        if !all_there && Instant::now() < self.begun_at + FIRST_LOOKS {
            return None;
        }
        let levels = states.iter().map(|it| (it.item.clone(), it.level));
        Some(levels.collect())
    }

    pub(super) fn log(&self) -> &EventLog {
        &self.log
    }

    /// The server has the events of a series up to this one.
    pub(super) fn stored(&mut self, series: &str, through: u64) -> Result<(), Error> {
        fault::uncounted(|| self.log.stored(series, through))
    }

    pub(super) fn past(&self) -> &Past {
        &self.past
    }

    pub(super) fn work_hash(&self) -> Option<ContentHash> {
        self.work_hash
    }

    pub(super) fn work_refused(&self) -> Option<&str> {
        self.work_refused.as_deref()
    }

    /// The server took a report. Gives the time since the last one, when it was so long that what was measured in
    /// between should be told.
    pub(super) fn reported(&mut self, now: Timestamp) -> Option<Timestamp> {
        let before = self.reported_at.replace(now)?;
        let gap = now.duration_since(before).unsigned_abs();
        (now > before && gap > lockstep_model::api::Snapshot::SLOT.duration()).then_some(before)
    }

    /// The server has a newer work document that could not be taken over.
    pub(super) fn refuse_work(&mut self, why: String) {
        if self.work_refused.as_ref() != Some(&why) {
            warn!(
                why,
                "the new work document is not taken over; the old one stays in force"
            );
        }
        self.work_refused = Some(why);
    }

    /// Watches what the server says from now on; none for what is watched by default.
    pub(super) fn follow(&mut self, answer: Option<WorkAnswer>, config: &AgentConfig) {
        let written = match &answer {
            Some(answer) => fault::uncounted(|| write_compact(&self.layout.work(), answer)),
            None => {
                fault::uncounted(|| fs::remove_durable(&self.layout.work())).map_err(Error::from)
            }
        };
        if let Err(error) = written {
            self.refuse_work(words(&error));
            return;
        }
        self.work_hash = answer.as_ref().map(|answer| answer.hash);
        self.work_refused = None;
        self.watch(answer.map_or_else(|| default_work(config), |answer| answer.work));
        info!(work = ?self.work_hash, items = self.work.items.len(), "the work document is in force");
    }

    /// The configuration was read again.
    pub(super) fn reload(&mut self, config: &AgentConfig) {
        self.busy.permit(config.report.processes);
        self.prober
            .permit(config.probes.clone(), secrets_or_none(&self.layout));
        if self.work_hash.is_none() {
            self.watch(default_work(config));
        }
    }

    fn watch(&mut self, work: Work) {
        if work.history != self.work.history {
            let (past, retention) = (self.past.clone(), work.history.clone());
            tokio::spawn(async move { past.keep(retention).await });
        }
        self.prober.follow(without_own(&work));
        self.book.follow(&work);
        self.work = work;
        self.own_at = Instant::now();
    }
}

/// The items that no probe can know, because the worker does.
const VERSION_LAG: &str = "version_lag";
const CLOCK_OFFSET: &str = "clock_offset";

/// True for an entry about the worker's own items, with a pattern or without.
fn is_own(entry: &WorkItem) -> bool {
    let probe = entry.name.as_str().split(':').next().unwrap_or_default();
    [VERSION_LAG, CLOCK_OFFSET, DISK_FORECAST, RUN].contains(&probe)
}

/// What the prober shall look at: all but the worker's own items.
fn without_own(work: &Work) -> Work {
    let mut work = work.clone();
    work.items.retain(|entry| !is_own(entry));
    work
}

/// Time between two samples of the worker's own items: the shortest that one of them is due in.
fn own_interval(work: &Work) -> Interval {
    let own = work.items.iter().filter(|entry| is_own(entry));
    let every = own.map(|entry| entry.every.unwrap_or(work.sample)).min();
    every.unwrap_or(work.sample)
}

/// True if some entry asks for the item, and not merely says how it is judged.
fn is_asked_for(work: &Work, item: &ItemName) -> bool {
    let mut entries = work.items.iter();
    entries.any(|entry| !entry.is_rule && entry.name.matches(item.as_str()))
}

/// What is watched without a work document, at the pace of `agent.toml`.
fn default_work(config: &AgentConfig) -> Work {
    Work {
        sample: config.report.sample,
        report: config.report.every,
        ..Work::default()
    }
}

fn prober_config(
    layout: &Layout,
    config: &AgentConfig,
    host: &HostName,
    pids: Vec<u32>,
) -> Result<Config, Error> {
    fault::uncounted(|| fs::create_dir(&layout.probes_dir()))?;
    Ok(Config {
        host: Some(host.clone()),
        permits: config.probes.clone(),
        secrets: secrets_or_none(layout),
        state_dir: Some(layout.probes_dir()),
        ..Config::of_this_machine(pids)
    })
}

/// The secrets of this host, or none: a host whose file of secrets is wrong is watched all the same.
fn secrets_or_none(layout: &Layout) -> Secrets {
    secrets(layout).unwrap_or_else(|error| {
        error!(
            error = words(&error),
            "the secrets cannot be used; what needs them has no value"
        );
        Secrets::default()
    })
}

/// The secrets of this host. A file that others can read is refused: it is no secret any more.
fn secrets(layout: &Layout) -> Result<Secrets, Error> {
    let path = layout.secrets();
    let Some(bytes) = fs::read_capped(&path, MAX_SECRETS)? else {
        return Ok(Secrets::default());
    };
    let refuse = |why: String| Error::Config {
        path: path.clone(),
        why,
    };
    if is_open_to_others(&path)? {
        return Err(refuse("others can read it; run chmod 600".into()));
    }
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text".into()))?;
    // The parser's words repeat the line, and the line may hold a secret.
    toml::from_str(&text).map_err(|error| refuse(error.message().to_owned()))
}

fn is_open_to_others(path: &Path) -> Result<bool, Error> {
    let metadata = std::fs::metadata(path).map_err(|source| Error::System {
        doing: "look at the file of secrets",
        source,
    })?;
    Ok(metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use lockstep_model::Glob;

    use super::*;

    fn entry(name: &str, every_s: Option<u64>, is_rule: bool) -> WorkItem {
        WorkItem {
            every: every_s.map(Interval::from_secs),
            is_rule,
            ..WorkItem::named(Glob::parse(name).unwrap())
        }
    }

    fn work(items: Vec<WorkItem>) -> Work {
        Work {
            items,
            ..Work::default()
        }
    }

    #[tokio::test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a file of a test need not be durable"
    )]
    async fn who_is_at_work_is_looked_at_once_what_happened_is_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        fs::create_private_dir(&layout.state_dir()).unwrap();
        let (clock, _) = Clock::driven(Timestamp::UNIX_EPOCH);
        let host = HostName::parse("web1").unwrap();
        let config = AgentConfig::default();
        let (mut watching, _samples) =
            Watching::begin(&layout, &config, &host, Vec::new(), &clock).unwrap();
        let at = |minute: i64| Timestamp::from_second(60 * minute).unwrap();
        let mut take = |minute: i64, value: f64| {
            let sample = Sample {
                host: None,
                item: ItemName::parse("cpu_load").unwrap(),
                at: at(minute),
                value: Value::Number {
                    value,
                    unit: String::new(),
                },
                verdict: None,
            };
            let own = Own {
                version_lag: 0.0,
                clock_offset: None,
                run: None,
            };
            let is_new = watching.take(vec![sample], &own, at(minute));
            (is_new, watching.busy.is_looking())
        };
        take(0, 0.1);
        // The load is high for long enough while nothing can be written.
        let events = layout.events();
        let aside = dir.path().join("aside");
        std::fs::rename(&events, &aside).unwrap();
        std::fs::write(&events, "in the way").unwrap();
        for minute in 1..30 {
            let (is_new, is_looking) = take(minute, 90.0);
            assert!(!is_new && !is_looking, "minute {minute}");
        }
        std::fs::remove_file(&events).unwrap();
        std::fs::rename(&aside, &events).unwrap();
        let looked = (30..60).any(|minute| take(minute, 90.0).1);
        assert!(looked, "nobody looked when it was written down");
    }

    #[test]
    fn the_prober_is_not_asked_for_what_the_worker_measures() {
        let left = without_own(&work(vec![
            entry("cpu_load", None, false),
            entry("clock_offset", None, false),
            entry("disk_forecast:*", None, false),
            entry("disk_forecast:/var", None, true),
            entry("disk_usage:*", None, false),
        ]));
        let names: Vec<&str> = left.items.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["cpu_load", "disk_usage:*"]);
        let defaults = Work::default();
        assert_eq!(without_own(&defaults).items.len(), defaults.items.len() - 4);
    }

    #[test]
    fn own_items_are_sampled_as_often_as_the_one_that_is_due_first() {
        let interval = |items| own_interval(&work(items)).seconds();
        assert_eq!(interval(vec![entry("cpu_load", Some(5), false)]), 60.0);
        let slow = entry("disk_forecast:*", Some(600), false);
        assert_eq!(interval(vec![slow.clone()]), 600.0);
        // What says nothing of its own has the pace of the host.
        assert_eq!(
            interval(vec![slow, entry("version_lag", None, false)]),
            60.0
        );
        assert_eq!(
            interval(vec![entry("disk_forecast:/", Some(5), false)]),
            5.0
        );
    }

    #[test]
    fn a_rule_asks_for_nothing() {
        let item = ItemName::parse("disk_forecast:/var").unwrap();
        let asked = |items| is_asked_for(&work(items), &item);
        assert!(asked(Work::default().items));
        assert!(!asked(vec![entry("disk_usage:*", None, false)]));
        let rule = entry("disk_forecast:/var", None, true);
        assert!(!asked(vec![rule.clone()]));
        assert!(asked(vec![rule, entry("disk_forecast:*", None, false)]));
    }
}
