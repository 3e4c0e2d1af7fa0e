//! Runs of this host that are processes of their own: begun by its schedule, gone on with after a kill or a restart, and
//! told of.
//!
//! The worker never does such a run itself: it may be replaced by a new version at any time, and must not take a package
//! manager with it. Under systemd each run is a unit of its own, so that it also outlives a restart of the agent's.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::pid_file::PidFile;
use lockstep_host::process::{Process, Spawn};
use lockstep_host::{Layout, machine};
use lockstep_model::api::RunStatus;
use lockstep_model::{
    Interval, ItemName, Level, PackageName, PackageRule, RunCommand, RunId, RunKind, Sample, Value,
    Verdict,
};
use lockstep_plan::run::{RunJournal, Step, Wait};
use lockstep_plan::{schedule, spread};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::Worker;
use super::bundles::has_news;
use crate::run::config::UpgradeConfig;
use crate::run::journals::Journals;
use crate::run::package_lock;
use crate::words;

/// The item that tells of runs that have stopped.
pub(super) const RUN: &str = "run";
/// The journals are looked at this often.
pub(super) const LOOK_AT_RUNS: Duration = Duration::from_secs(5);
/// A run that is gone on with is not begun again sooner, so that one that fails at once does not spin.
const AGAIN: Duration = Duration::from_secs(60);
/// Processes of runs at once, at most.
const MOST: usize = 16;

/// What the worker knows of them.
#[derive(Default)]
pub(super) struct Runs {
    /// As they were when they were looked at last.
    journals: Vec<RunJournal>,
    children: Vec<Process>,
    /// When each was begun last, by this worker.
    begun: BTreeMap<PackageName, Instant>,
    /// What people said of runs that have stopped.
    commands: Vec<RunCommand>,
    /// Why packages that the server wants are left alone.
    pub(super) refused: Option<String>,
}

impl Runs {
    /// As they were when they were looked at last.
    pub(super) fn journals(&self) -> &[RunJournal] {
        &self.journals
    }

    /// What was begun a moment ago may be begun again: it is something else.
    pub(super) fn forget(&mut self, package: &PackageName) {
        self.begun.remove(package);
    }

    /// A run that changes the host now, as far as its journal was looked at.
    pub(super) fn at_work(&self) -> Option<RunId> {
        let at_work = self.journals.iter().find(|journal| journal.is_at_work())?;
        Some(at_work.id)
    }

    /// A person's word is not a run that spins: what it is said of is gone on with at once, whenever it was begun.
    fn forget_begun(&mut self, commands: &[RunCommand]) {
        let said_now = commands.iter().filter(|it| !self.commands.contains(it));
        for command in said_now {
            let journal = self.journals.iter().find(|it| it.id == command.run);
            if let Some(journal) = journal {
                self.begun.remove(&journal.job.package);
            }
        }
    }
}

/// What is to be begun.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) package: PackageName,
    pub(super) args: Vec<String>,
}

impl Worker {
    /// Looks at the journals, and begins or goes on with what is due.
    pub(super) fn look_at_runs(&mut self) {
        self.runs
            .children
            .retain_mut(|child| match child.try_wait() {
                Ok(None) => true,
                Ok(Some(status)) if status.success() => {
                    debug!(pid = child.pid(), "the process of a run ended");
                    false
                }
                Ok(Some(status)) => {
                    // The run's own end, or a systemd-run that could not begin it, which nobody else would tell.
                    warn!(pid = child.pid(), %status, "the process of a run ended badly");
                    false
                }
                Err(error) => {
                    warn!(error = words(&error), "the process of a run is lost");
                    false
                }
            });
        match Journals::new(&self.layout).all() {
            Ok(journals) => {
                // The first look after a start is no news.
                if self.reported_at.is_some() && has_news(&self.runs.journals, &journals) {
                    self.next_report = Instant::now();
                }
                self.runs.journals = journals;
            }
            Err(error) => {
                error!(error = words(&error), "the journals of runs cannot be read");
                return;
            }
        }
        if self.on_trial {
            return;
        }
        self.wishes.write_again(&self.layout);
        self.look_at_daemons();
        for due in self.what_is_due() {
            self.start(due);
        }
    }

    /// What people said, from the answer to a report.
    pub(super) fn take_commands(&mut self, commands: Vec<RunCommand>) {
        if commands != self.runs.commands {
            self.runs.forget_begun(&commands);
            self.runs.commands = commands;
            self.look_at_runs();
        }
    }

    /// Tells the runs that wait for a lock that there is news. The server gives no more than a hint; they ask.
    pub(super) fn tell_runs_of_news(&self) {
        let waits = |journal: &&RunJournal| {
            let why = journal.waiting.as_ref().map(|waiting| &waiting.why);
            matches!(why, Some(Wait::Lock { .. }))
        };
        // What they were some seconds ago is too old: one may have begun to wait since.
        let Ok(journals) = Journals::new(&self.layout).all() else {
            return;
        };
        for journal in journals.iter().filter(waits) {
            let package = &journal.job.package;
            let is_told = PidFile::hang_up(&package_lock(&self.layout, package));
            debug!(%package, is_told, "a run that waits for a lock is told of news");
        }
    }

    /// The run in progress, for reports; none while it only waits for its moment.
    pub(super) fn run_in_progress(&self) -> Option<RunStatus> {
        let journal = self.runs.journals.iter().find(|journal| {
            let waits = matches!(journal.step, Step::Check | Step::Spread { .. });
            !journal.is_over() && !journal.has_stopped() && !waits
        })?;
        Some(RunStatus {
            id: journal.id,
            package: journal.job.package.clone(),
            to: journal.job.to.clone(),
            phase: journal.step.phase(),
        })
    }

    /// The item `run`: how many runs have stopped, and why.
    pub(super) fn run_sample(&self, now: Timestamp) -> Option<Sample> {
        let stopped: Vec<String> = self.runs.journals.iter().filter_map(stopped).collect();
        let level = match stopped.is_empty() {
            true => Level::FINE,
            false => Level::CRITICAL,
        };
        Some(Sample {
            host: None,
            item: ItemName::parse(RUN).ok()?,
            at: now,
            value: Value::Number {
                value: stopped.len() as f64,
                unit: "stopped".into(),
            },
            verdict: Some(Verdict {
                level,
                why: stopped.join("; "),
            }),
        })
    }

    fn what_is_due(&mut self) -> Vec<Due> {
        let now = self.clock.now();
        let mut due = Vec::new();
        for journal in &self.runs.journals {
            if self.is_to_go_on(journal, now) {
                due.push(go_on(journal));
            }
        }
        due.extend(self.system_upgrade(now));
        due.extend(self.reboot_due());
        due.extend(self.bundles_due());
        let rules = self.watching.packages().to_vec();
        let mut refused = Vec::new();
        for rule in rules {
            match self.config.packages.check(&rule) {
                Ok(()) => due.extend(self.package_look(&rule, now)),
                Err(why) => refused.push(why),
            }
        }
        let refused = (!refused.is_empty()).then(|| refused.join("; "));
        if refused != self.runs.refused {
            if let Some(why) = &refused {
                warn!(
                    why,
                    "the server wants packages that this host does not permit"
                );
            }
            self.runs.refused = refused;
        }
        due
    }

    fn is_to_go_on(&self, journal: &RunJournal, now: Timestamp) -> bool {
        if journal.is_over() {
            return false;
        }
        if journal.job.wish.is_some() && !journal.begun && self.may_be_taken_back() {
            return false;
        }
        if let Step::Stopped { boot_id, .. } = &journal.step {
            let is_told = self
                .runs
                .commands
                .iter()
                .any(|command| command.run == journal.id && command.number > journal.commanded);
            let restarted = boot_id.as_ref().is_some_and(|before| {
                machine::boot_id_below(&self.layout).is_ok_and(|now| now != *before)
            });
            return is_told || restarted;
        }
        let waits_for_its_moment = matches!(journal.step, Step::Spread { .. })
            && journal
                .waiting
                .as_ref()
                .is_some_and(|waiting| !waiting.is_over(now));
        !waits_for_its_moment
    }

    /// The upgrade of the operating system, if this host does it by the agent's schedule.
    fn system_upgrade(&self, now: Timestamp) -> Option<Due> {
        let config = match UpgradeConfig::load(&self.layout.update_config(), false) {
            Ok(config) => config,
            Err(error) => {
                debug!(error = words(&error), "update.toml is not understood");
                return None;
            }
        };
        let every = config.every?;
        if config
            .hours()
            .ok()?
            .is_some_and(|hours| !hours.contain(now))
        {
            return None;
        }
        let package = PackageName::system();
        let last = self
            .runs
            .journals
            .iter()
            .find(|journal| journal.job.package == package);
        let seed = schedule::stable_hash(&[self.identity.host.as_str()]);
        let delay = spread::delay(&config.spread, seed);
        if !is_due(last, every, delay, now) {
            return None;
        }
        let args = ["update", "--by", "the schedule of this host"];
        Some(Due {
            package,
            args: args.map(String::from).into(),
        })
    }

    /// A look at a package that the server wants to be current.
    fn package_look(&self, rule: &PackageRule, now: Timestamp) -> Option<Due> {
        let last = self
            .runs
            .journals
            .iter()
            .find(|journal| journal.job.package == rule.name);
        if !is_due(last, rule.every, Duration::ZERO, now) {
            return None;
        }
        let name = rule.name.as_str();
        let args = ["package-update", "--work", "--by", "the fleet file", name];
        Some(Due {
            package: rule.name.clone(),
            args: args.map(String::from).into(),
        })
    }

    fn start(&mut self, due: Due) {
        let recently = self.runs.begun.get(&due.package);
        let is_recent = recently.is_some_and(|begun| begun.elapsed() < AGAIN);
        let is_at_it = PidFile::is_held(&package_lock(&self.layout, &due.package));
        if is_recent || is_at_it || self.runs.children.len() >= MOST {
            return;
        }
        self.runs.begun.insert(due.package.clone(), Instant::now());
        let program = self.slot.program();
        let spawned = Process::spawn(spawn(&self.layout, &program, &due));
        match spawned {
            Ok(child) => {
                info!(package = %due.package, pid = child.pid(), "a run is begun, or gone on with");
                self.runs.children.push(child);
            }
            Err(error) => {
                error!(package = %due.package, error = words(&error), "a run could not be begun")
            }
        }
    }
}

/// A run that has stopped, in words.
fn stopped(journal: &RunJournal) -> Option<String> {
    let Step::Stopped { phase, reason, .. } = &journal.step else {
        return None;
    };
    let package = &journal.job.package;
    let lock = match &journal.lock {
        Some(lock) => format!(", and keeps the lock {}", lock.name),
        None => String::new(),
    };
    Some(format!(
        "{package} has stopped in phase {phase}: {reason}{lock}"
    ))
}

fn go_on(journal: &RunJournal) -> Due {
    let package = journal.job.package.clone();
    let args = match journal.job.kind {
        RunKind::System => vec!["update", "--resume"],
        RunKind::Reboot => vec!["agent", "reboot-run", "--resume"],
        RunKind::Bundle => vec!["agent", "bundle-run", "--resume", package.as_str()],
        RunKind::Package => vec!["package-update", "--resume", package.as_str()],
    };
    let args = args.into_iter().map(String::from).collect();
    Due { package, args }
}

/// True if the last run began long enough ago; with a delay, if it began before the host's own moment of this interval, so
/// that hosts which were set up together stay apart. A clock that was set back is no reason to wait for years.
fn is_due(last: Option<&RunJournal>, every: Interval, delay: Duration, now: Timestamp) -> bool {
    let Some(last) = last else {
        return true;
    };
    if !last.is_over() {
        return false;
    }
    let passed = now.duration_since(last.started_at);
    let Ok(passed) = Duration::try_from(passed) else {
        return true;
    };
    if delay.is_zero() {
        return passed >= every.duration();
    }
    let turn = |at: Timestamp| {
        let since_moment = i128::from(at.as_millisecond()) - delay.as_millis().cast_signed();
        since_moment.div_euclid(every.duration().as_millis().max(1).cast_signed())
    };
    turn(now) > turn(last.started_at)
}

/// Under systemd a unit of its own, otherwise a child that leads a group of its own.
fn spawn(layout: &Layout, program: &Path, due: &Due) -> Spawn {
    let root = layout.root_text();
    let is_a_real_host = layout.root() == Path::new("/");
    if is_a_real_host && Path::new("/run/systemd/system").is_dir() {
        let unit = format!("--unit=lockstep-run-{}", due.package);
        let program = program.to_string_lossy().into_owned();
        let mut args = vec![
            unit,
            "--collect".into(),
            "--quiet".into(),
            "--property=KillMode=mixed".into(),
            "--property=TimeoutStopSec=30min".into(),
            "--".into(),
            program,
        ];
        args.extend(due.args.iter().cloned());
        return Spawn::new("systemd-run").args(args);
    }
    Spawn::new(program)
        .args(&due.args)
        .env("LOCKSTEP_ROOT", root)
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Outcome, RunVerb};
    use lockstep_plan::run::{Job, Rules};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn journal(step: Step) -> RunJournal {
        let job = Job {
            kind: RunKind::System,
            package: PackageName::system(),
            from: None,
            to: None,
            by: "a test".into(),
            lock: None,
            holds: false,
            order: None,
            wish: None,
            rules: Rules::default(),
        };
        let begun = RunJournal::begin(RunId::new(at(1_000), [1; 10]), job, at(1_000));
        RunJournal { step, ..begun }
    }

    #[test]
    fn runs_come_in_their_interval_and_never_two_at_once() {
        let hour = Interval::from_secs(3_600);
        let due = |last: Option<&RunJournal>, now| is_due(last, hour, Duration::ZERO, at(now));
        assert!(due(None, 1_000));
        let over = journal(Step::Over {
            outcome: Outcome::Done,
            reason: None,
        });
        assert!(!due(Some(&over), 1_000 + 3_599));
        assert!(due(Some(&over), 1_000 + 3_600));
        // Each host has its own moment of the hour, and no run moves it.
        let late = |now| is_due(Some(&over), hour, Duration::from_secs(1_800), at(now));
        assert!(!late(1_799) && late(1_800));
        // The clock was set back by an hour.
        assert!(due(Some(&over), 500));
        assert!(!due(Some(&journal(Step::Idle)), 1_000_000));
    }

    #[test]
    fn what_has_stopped_is_said_in_words() {
        let reason = lockstep_model::RunReason::RebootNeverCame { waited_s: 900.0 };
        let phase = lockstep_model::Phase::Reboot;
        let boot_id = None;
        let step = Step::Stopped {
            phase,
            reason,
            boot_id,
        };
        assert_eq!(
            stopped(&journal(step)).unwrap(),
            "os has stopped in phase reboot: the machine was told to restart 900 s ago, and has not"
        );
        assert_eq!(stopped(&journal(Step::Pre)), None);
    }

    #[test]
    fn a_persons_word_does_not_wait_and_a_word_that_is_known_does_not_count_again() {
        let journal = journal(Step::Post);
        let command = RunCommand {
            run: journal.id,
            verb: RunVerb::Retry,
            number: 7,
            by: "ann".into(),
            why: String::new(),
        };
        let package = journal.job.package.clone();
        let mut runs = Runs {
            journals: vec![journal],
            ..Runs::default()
        };
        runs.begun.insert(package.clone(), Instant::now());
        runs.forget_begun(std::slice::from_ref(&command));
        assert!(!runs.begun.contains_key(&package));
        runs.commands = vec![command.clone()];
        runs.begun.insert(package.clone(), Instant::now());
        runs.forget_begun(&[command]);
        assert!(runs.begun.contains_key(&package));
    }
}
