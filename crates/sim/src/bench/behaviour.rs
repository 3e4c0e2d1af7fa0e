//! What a simulated agent does next: a state machine without a clock, a network or a disk.
//!
//! It does what the worker of a real host does, by the same decisions ([`lockstep_plan::update::consider`],
//! [`lockstep_plan::schedule`]), with time in the place of work: a bundle takes the way to it, a version takes its time
//! to be applied and to be tried. Whoever drives it asks for the next [`Act`], does it, says how it went, and asks
//! again until there is none; then nothing happens before [`Agent::due`], or a hint.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::{
    Desired, EventBatch, Facts, Installed, Kept, Report, ReportAnswer, RunStatus, Updates,
};
use lockstep_model::{
    ContentHash, Event, HostName, Outcome, PackageName, Platform, RunId, RunReason, RunRecord,
    Version,
};
use lockstep_plan::schedule;
use lockstep_plan::update::{Journal, Memory, Order, Situation, Skipped, Step, consider};

use super::character::{Character, Fate};
use super::items::{Items, Names};
use super::remembered::Carried;

/// One thing to do.
#[derive(Debug, PartialEq)]
pub(super) enum Act {
    /// Send these events; then [`Agent::stored`] or [`Agent::failed`].
    Events(EventBatch),
    /// Send this record; then [`Agent::recorded`] or [`Agent::failed`].
    Record(Box<RunRecord>),
    /// Send a report; then [`Agent::answered`] or [`Agent::failed`].
    Report(Box<Report>),
    /// Fetch the work document; then [`Agent::work_came`] or [`Agent::failed`].
    FetchWork,
    /// Fetch a bundle; then [`Agent::fetched`] or [`Agent::not_fetched`].
    Fetch {
        /// The path below the repository's `targets/` under which its bytes lie.
        target: String,
        /// Its length in bytes.
        length: u64,
    },
    /// Hang up and never be heard of again.
    FallSilent,
}

/// A version proved itself, or came back: what the bench counts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ended {
    pub(super) package: PackageName,
    pub(super) version: Version,
    /// What was there before, if the version is proven.
    pub(super) before: Option<Version>,
    pub(super) outcome: Outcome,
}

/// What all agents of a fleet share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) character: Character,
    pub(super) names: Names,
    pub(super) facts: Facts,
}

/// A simulated agent.
#[derive(Debug)]
pub(super) struct Agent {
    common: Arc<Common>,
    pub(super) number: u32,
    pub(super) host: HostName,
    dice: fastrand::Rng,
    boot: u64,
    pub(super) carried: Vec<Carried>,
    items: Items,
    events: Vec<Event>,
    run: Option<Box<Run>>,
    /// Why orders are not followed now.
    kept: Vec<Kept>,
    outbox: VecDeque<RunRecord>,
    /// The work document in force, and the one that the server speaks of.
    work: Option<ContentHash>,
    wanted_work: Option<ContentHash>,
    updates: Updates,
    every: Duration,
    reports: u64,
    next_report: Timestamp,
    /// Nothing is sent before: the last attempt failed.
    quiet_until: Timestamp,
    /// Since when a hint waits for its report.
    hinted_at: Option<Timestamp>,
    silent: bool,
    ended: Option<Ended>,
}

#[derive(Debug)]
struct Run {
    journal: Journal,
    stage: Stage,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// On the way to the bundle.
    Fetch { from: Timestamp },
    /// The bundle is there and is being applied.
    Apply { until: Timestamp },
    /// On probation.
    Trial { until: Timestamp },
}

/// On probation a host reports at least this often, as a real one does.
const TRIAL_REPORT: Duration = Duration::from_secs(1);
/// After a failure the next attempt comes at the earliest after this, and before twice as much.
const AFTER_FAILURE: Duration = Duration::from_secs(15);
/// What a host reports by until the server has said how often.
const FIRST_EVERY: Duration = Duration::from_secs(60);
/// Events that wait for the server; the oldest go, as on a host.
const MOST_EVENTS: usize = 1_000;
/// Records that wait for the server.
const MOST_RECORDS: usize = 256;

impl Common {
    pub(super) fn new(character: Character) -> Self {
        Self {
            names: Names::new(character.items),
            facts: Facts {
                hostname: String::new(),
                os: "simulated".into(),
                kernel: "simulated".into(),
                platform: Some(Platform::of_this_program()),
                gateway: None,
            },
            character,
        }
    }
}

impl Agent {
    /// An agent that has just started and reports at once.
    pub(super) fn new(
        common: &Arc<Common>,
        number: u32,
        host: HostName,
        carried: Vec<Carried>,
        now: Timestamp,
    ) -> Self {
        let mut dice = fastrand::Rng::with_seed(common.character.own_seed(number));
        Self {
            common: Arc::clone(common),
            number,
            host,
            boot: dice.u64(..),
            carried,
            items: Items::new(common.names.len(), &mut dice, now),
            dice,
            events: Vec::new(),
            run: None,
            kept: Vec::new(),
            outbox: VecDeque::new(),
            work: None,
            wanted_work: None,
            updates: Updates::On,
            every: common.character.report.unwrap_or(FIRST_EVERY),
            reports: 0,
            next_report: now,
            quiet_until: now,
            hinted_at: None,
            silent: false,
            ended: None,
        }
    }

    /// How often it reports.
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// How many reports were answered.
    pub(super) fn reports(&self) -> u64 {
        self.reports
    }

    /// The newest order that it has seen, of all packages.
    pub(super) fn generation(&self) -> u64 {
        let seen = self.carried.iter().map(|it| it.memory.generation);
        seen.max().unwrap_or(0)
    }

    /// The run in progress.
    pub(super) fn run_id(&self) -> Option<RunId> {
        self.run.as_deref().map(|run| run.journal.id)
    }

    /// What the run in progress brings.
    pub(super) fn running(&self) -> Option<(&PackageName, &Version)> {
        let order = self.run.as_deref().map(|run| &run.journal.order)?;
        Some((&order.package, &order.version))
    }

    /// True once it has fallen silent.
    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    /// The version of a package that is proven here.
    pub(super) fn version(&self, package: &PackageName) -> Option<&Version> {
        let carried = self.carried.iter().find(|it| it.package == *package);
        carried.and_then(|it| it.version.as_ref())
    }

    /// The version of the agent's own program, the one on trial if there is one.
    pub(super) fn own_version(&self) -> Option<&Version> {
        let own = PackageName::lockstep();
        match self.run.as_deref().filter(|run| run.is_on_trial()) {
            Some(run) if run.journal.order.package == own => Some(&run.journal.order.version),
            _ => self.version(&own),
        }
    }

    /// When there may be something to do.
    pub(super) fn due(&self) -> Timestamp {
        let report = self.next_report.max(self.quiet_until);
        let run = match self.run.as_deref().map(|run| run.stage) {
            Some(Stage::Fetch { from }) => from.max(self.quiet_until),
            Some(Stage::Apply { until } | Stage::Trial { until }) => until,
            None => report,
        };
        let waits =
            !self.outbox.is_empty() || !self.events.is_empty() || self.wanted_work != self.work;
        let rest = if waits { self.quiet_until } else { report };
        report.min(run).min(rest)
    }

    /// What to do now, if anything.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Act> {
        if self.silent {
            return None;
        }
        self.go_on(now);
        if self.silent {
            return Some(Act::FallSilent);
        }
        if now < self.quiet_until {
            return None;
        }
        if let Some(record) = self.outbox.front() {
            return Some(Act::Record(Box::new(record.clone())));
        }
        if !self.events.is_empty() {
            return Some(Act::Events(self.batch()));
        }
        if now >= self.next_report {
            return Some(Act::Report(Box::new(self.report(now))));
        }
        if self.wanted_work != self.work {
            return Some(Act::FetchWork);
        }
        match self.run.as_deref() {
            Some(run) if run.wants_bundle(now) => Some(Act::Fetch {
                target: consistent(&run.journal.order.target, &run.journal.order.hash),
                length: run.journal.order.length,
            }),
            _ => None,
        }
    }

    /// The server asks for a report.
    pub(super) fn hinted(&mut self, now: Timestamp) {
        self.hinted_at.get_or_insert(now);
        self.next_report = self.next_report.min(now);
    }

    /// The server has stored the report. Returns how long ago a hint asked for it.
    pub(super) fn answered(&mut self, answer: ReportAnswer, now: Timestamp) -> Option<Duration> {
        self.reports += 1;
        self.updates = answer.updates;
        self.wanted_work = answer.work;
        if answer.work.is_none() {
            self.work = None;
        }
        let wait = match self.common.character.report {
            _ if self.is_on_trial() => self.every.min(TRIAL_REPORT),
            Some(own) => {
                let seed = schedule::stable_hash(&[self.host.as_str()]);
                schedule::next_report(own, seed, self.reports)
            }
            // The server has spread its hosts, and counts on this moment.
            None => answer.next_report.duration(),
        };
        if self.common.character.report.is_none() {
            self.every = answer.next_report.duration();
        }
        self.next_report = later(now, wait);
        self.take_orders(&answer.desired, now);
        // The items move between two reports; what changed is told at once.
        self.sample(now);
        let hinted = self.hinted_at.take()?;
        Duration::try_from(now.duration_since(hinted)).ok()
    }

    /// What was to be sent did not arrive, or was sent back. `wait` is what the server asked for.
    pub(super) fn failed(&mut self, wait: Option<Duration>, now: Timestamp) {
        let base = wait.unwrap_or_else(|| self.every.min(AFTER_FAILURE));
        let wait = schedule::spread_retry(base, self.dice.u64(..));
        self.quiet_until = later(now, wait);
    }

    /// The server does not talk to this version, and says which one it wants.
    pub(super) fn upgrade_required(&mut self, wanted: &Desired, now: Timestamp) {
        self.take_orders(std::slice::from_ref(wanted), now);
    }

    /// The server has the events up to this one.
    pub(super) fn stored(&mut self, through: u64) {
        self.events.retain(|event| event.number > through);
    }

    /// The server has the oldest record, or does not want it.
    pub(super) fn recorded(&mut self) {
        self.outbox.pop_front();
    }

    /// The work document is there.
    pub(super) fn work_came(&mut self, hash: ContentHash, now: Timestamp) {
        self.work = Some(hash);
        self.wanted_work = Some(hash);
        // The server shall see that it is in force.
        self.next_report = self.next_report.min(later(now, Duration::from_secs(2)));
    }

    /// The bundle is there.
    pub(super) fn fetched(&mut self, now: Timestamp) {
        let apply = self.common.character.apply;
        if let Some(run) = &mut self.run {
            run.stage = Stage::Apply {
                until: later(now, apply),
            };
        }
    }

    /// The bundle did not come: it is asked for again.
    pub(super) fn not_fetched(&mut self, wait: Option<Duration>, now: Timestamp) {
        let wait = schedule::spread_retry(wait.unwrap_or(AFTER_FAILURE), self.dice.u64(..));
        if let Some(run) = &mut self.run {
            run.stage = Stage::Fetch {
                from: later(now, wait),
            };
        }
    }

    /// What has ended since this was asked last.
    pub(super) fn take_ended(&mut self) -> Option<Ended> {
        self.ended.take()
    }

    fn is_on_trial(&self) -> bool {
        self.run.as_deref().is_some_and(Run::is_on_trial)
    }

    /// Takes in what the server wants.
    fn take_orders(&mut self, desired: &[Desired], now: Timestamp) {
        self.abandon_unwanted(desired, now);
        self.kept.clear();
        for wanted in desired {
            let index = self.carry(&wanted.package);
            let carried = &self.carried[index];
            let situation = Situation {
                current: carried.version.as_ref(),
                memory: &carried.memory,
                run: self.run.as_ref().map(|run| &run.journal),
                other: None,
                enabled_here: true,
                updates: self.updates,
                retry_at: None,
            };
            let verdict = consider(wanted, &situation, now);
            let memory = &mut self.carried[index].memory;
            memory.saw(wanted);
            match verdict {
                Ok(order) => self.begin(index, order, now),
                Err(hold) => {
                    let kept = hold.kept(&wanted.package, &wanted.version);
                    self.kept.extend(kept);
                }
            }
        }
    }

    fn begin(&mut self, index: usize, order: Order, now: Timestamp) {
        let from = self.carried[index].version.clone();
        let id = RunId::new(now, self.random());
        let character = &self.common.character;
        let way = character.way(self.number);
        let fate = character.fate(self.number, &order.version);
        let journal = Journal::begin(id, order, from, now);
        self.keep(&journal, now);
        self.run = Some(Box::new(Run {
            journal,
            stage: Stage::Fetch {
                from: later(now, way),
            },
            fate,
        }));
    }

    /// Gives up a run that has not come to its trial when the server wants something else, as a worker does.
    fn abandon_unwanted(&mut self, desired: &[Desired], now: Timestamp) {
        let Some(run) = self.run.as_deref().filter(|run| !run.is_on_trial()) else {
            return;
        };
        let order = &run.journal.order;
        let wanted = desired.iter().find(|it| it.package == order.package);
        let unwanted = match wanted {
            None => true,
            Some(it) => it.generation >= order.generation && it.hash != order.hash,
        };
        if unwanted {
            self.end(Outcome::Postponed, None, now);
        }
    }

    /// Where a package stands among those carried; one that is new here has no version yet.
    fn carry(&mut self, package: &PackageName) -> usize {
        if let Some(index) = self.carried.iter().position(|it| it.package == *package) {
            return index;
        }
        self.carried.push(Carried::at(package.clone(), None));
        self.carried.len() - 1
    }

    /// Moves the run on as far as time allows.
    fn go_on(&mut self, now: Timestamp) {
        let Some(run) = &mut self.run else { return };
        match run.stage {
            Stage::Apply { until } if now >= until => {
                if run.fate == Fate::Silent {
                    self.silent = true;
                    return;
                }
                let probation = self.common.character.probation;
                // What fails is seen to fail before the end.
                let length = match run.fate {
                    Fate::Fails => probation / 2,
                    _ => probation,
                };
                run.stage = Stage::Trial {
                    until: later(now, length),
                };
                run.journal = run.journal.at(Step::Trial, now);
                let journal = run.journal.clone();
                self.keep(&journal, now);
                self.next_report = self.next_report.min(now);
            }
            Stage::Trial { until } if now >= until => match run.fate {
                Fate::Fails => {
                    let reason = RunReason::WorkerExited {
                        status: "exit status: 1".into(),
                        after_s: (self.common.character.probation / 2).as_secs_f64(),
                    };
                    self.end(Outcome::RolledBack, Some(reason), now);
                }
                _ => self.end(Outcome::Done, None, now),
            },
            _ => {}
        }
    }

    fn end(&mut self, outcome: Outcome, reason: Option<RunReason>, now: Timestamp) {
        let Some(run) = self.run.take() else { return };
        let over = Step::Over {
            outcome,
            reason: reason.clone(),
        };
        let journal = run.journal.at(over, now);
        self.keep(&journal, now);
        let order = journal.order;
        let index = self.carry(&order.package);
        let carried = &mut self.carried[index];
        if outcome == Outcome::Done {
            carried.previous = carried.version.replace(order.version.clone());
            carried.hash = Some(order.hash);
        }
        if let Some(reason) = reason.filter(|_| outcome.blames_release()) {
            let generation = carried.memory.generation.max(order.generation);
            carried.memory.skip(Skipped {
                hash: order.hash,
                version: order.version.clone(),
                generation,
                reason,
                at: now,
            });
        }
        self.ended = Some(Ended {
            before: journal.from.filter(|_| outcome == Outcome::Done),
            package: order.package,
            version: order.version,
            outcome,
        });
        self.next_report = now;
    }

    /// Puts the record of where a run is into the outbox.
    fn keep(&mut self, journal: &Journal, now: Timestamp) {
        if self.outbox.len() >= MOST_RECORDS {
            self.outbox.pop_front();
        }
        self.outbox.push_back(journal.record(now, String::new()));
    }

    fn sample(&mut self, now: Timestamp) {
        let character = &self.common.character;
        let worse = self
            .own_version()
            .is_some_and(|version| character.is_worse(self.number, version));
        let names = &self.common.names;
        let events = self
            .items
            .wander(names, &self.host, worse, &mut self.dice, now);
        self.events.extend(events);
        let excess = self.events.len().saturating_sub(MOST_EVENTS);
        self.events.drain(..excess);
    }

    fn batch(&self) -> EventBatch {
        let events: Vec<Event> = self.events.iter().take(EventBatch::MOST).cloned().collect();
        EventBatch {
            series: self.series(),
            oldest: events.first().map_or(0, |event| event.number),
            events,
        }
    }

    /// Events are numbered anew by each bench: their memory is not kept.
    fn series(&self) -> String {
        format!("sim-{:016x}", self.boot)
    }

    /// Makes this start another one than those before it with the same seed.
    pub(super) fn start_anew(&mut self, salt: u64) {
        self.boot ^= salt;
    }

    fn report(&self, now: Timestamp) -> Report {
        let run = self.run.as_deref();
        let on_trial = run.filter(|run| run.is_on_trial());
        let installed = self.carried.iter().filter_map(|it| {
            let tried = on_trial
                .map(|run| &run.journal.order)
                .filter(|order| order.package == it.package);
            match tried {
                Some(order) => Some(Installed {
                    package: it.package.clone(),
                    version: order.version.clone(),
                    hash: Some(order.hash),
                    previous: it.version.clone(),
                    proven: false,
                }),
                None => Some(Installed {
                    package: it.package.clone(),
                    version: it.version.clone()?,
                    hash: it.hash,
                    previous: it.previous.clone(),
                    proven: true,
                }),
            }
        });
        let memories = || self.carried.iter().map(|it| &it.memory);
        let skipped = |memory: &Memory| memory.skipped.iter().map(|it| it.hash).collect::<Vec<_>>();
        Report {
            at: now,
            boot_id: format!("{:016x}", self.boot),
            installed: installed.collect(),
            items: self.items.states(&self.common.names),
            run: run.map(|run| RunStatus {
                id: run.journal.id,
                package: run.journal.order.package.clone(),
                to: Some((&run.journal.order.version).into()),
                phase: run.journal.step.phase(),
            }),
            updates_enabled: true,
            generation: memories().map(|it| it.generation).max().unwrap_or(0),
            skipped: memories().flat_map(skipped).collect(),
            facts: Facts {
                hostname: self.host.to_string(),
                ..self.common.facts.clone()
            },
            watched: Vec::new(),
            kept: self.kept.clone(),
            work: self.work,
            work_refused: None,
            notes: lockstep_model::api::Notes::default(),
        }
    }

    fn random(&mut self) -> [u8; 10] {
        let mut bytes = [0; 10];
        self.dice.fill(&mut bytes);
        // Two benches with one seed must not give two runs one identity.
        for (byte, salt) in bytes.iter_mut().zip(self.boot.to_le_bytes()) {
            *byte ^= salt;
        }
        bytes
    }
}

impl Run {
    fn is_on_trial(&self) -> bool {
        matches!(self.stage, Stage::Trial { .. })
    }

    fn wants_bundle(&self, now: Timestamp) -> bool {
        matches!(self.stage, Stage::Fetch { from } if now >= from)
    }
}

/// A target's path in a repository with consistent snapshots: its file's name begins with its hash (The Update Framework,
/// section 6.2).
fn consistent(target: &str, hash: &ContentHash) -> String {
    match target.rsplit_once('/') {
        Some((directory, file)) => format!("{directory}/{hash}.{file}"),
        None => format!("{hash}.{target}"),
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
