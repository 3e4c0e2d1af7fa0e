//! The engine: asks what is next, writes it down, does it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::idle_lock::{IdleLock, Tried};
use lockstep_host::pid_file::PidFile;
use lockstep_host::run_lock::RunLock as HostLock;
use lockstep_host::{Layout, machine};
use lockstep_model::api::LockRequest;
use lockstep_model::{
    Counted, Holder, Hours, LockName, LockRefusal, Outcome, PackageName, Phase, RunCommand,
    RunReason, RunVerb, Taken,
};
use lockstep_net::Clock;
use lockstep_net::client::CallError;
use lockstep_plan::run::{self, Do, Facts, Happened, RunJournal, Step, Wait};
use serde::Serialize;
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use super::config::Verify;
use super::health;
use super::journals::Journals;
use super::locks::Locks;
use super::output::Output;
use super::package::PackageUpdate;
use super::system::SystemUpgrade;
use crate::{Error, Identity, State, words};

/// What a run is done by.
#[derive(Debug)]
pub(super) enum Backend {
    /// The operating system.
    System(Box<SystemUpgrade>),
    /// One package.
    Package(Box<PackageUpdate>),
}

/// How a call of the engine ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "ended", rename_all = "kebab-case")]
pub enum Ended {
    /// There was nothing to do.
    Nothing,
    /// The run is over.
    Over {
        /// How.
        outcome: Outcome,
        /// Why it did not end well.
        reason: Option<RunReason>,
    },
    /// A phase failed; a person must say how it goes on.
    Stopped {
        /// Which.
        phase: Phase,
        /// Why.
        reason: RunReason,
    },
    /// It was told to end before the run was over; called again it goes on.
    Interrupted {
        /// Where it is.
        phase: Phase,
        /// What it waits for.
        waits: Option<Wait>,
    },
}

/// One run, under way.
#[derive(Debug)]
pub struct Engine {
    pub(super) layout: Layout,
    pub(super) clock: Clock,
    pub(super) journals: Journals,
    pub(super) journal: RunJournal,
    pub(super) backend: Backend,
    pub(super) verify: Verify,
    pub(super) locks: Option<Arc<Locks>>,
    pub(super) output: Output,
    pub(super) idle: Option<IdleLock>,
    /// This package's lock: one process goes on with its run.
    pub(super) owner: Option<PidFile>,
    /// The host's run lock, while the run is at work.
    pub(super) at_work: Option<HostLock>,
    /// The hours in which a run may begin, and as they are written.
    pub(super) hours: Option<(Hours, String)>,
    pub(super) lock_is_confirmed: bool,
    /// True if the process ends while the host waits for its own moment: whoever called it calls again.
    pub(super) leaves: bool,
    /// True once somebody asked the process to end.
    pub(super) stop: watch::Receiver<bool>,
}

/// While nothing happens it is looked this often whether the machine was restarted, or a person has said something.
const LOOK: Duration = Duration::from_secs(30);
/// A grant is renewed this often: three times within the shortest lease.
const RENEW: Duration = Duration::from_secs(100);
/// Records are sent for so long; then they wait in the outbox.
const SEND_WITHIN: Duration = Duration::from_secs(10);

impl Engine {
    /// The run as it stands.
    #[must_use]
    pub fn journal(&self) -> &RunJournal {
        &self.journal
    }

    /// Obeys a person's word on a run that has stopped. False if it was none for this run.
    pub fn obey(&mut self, command: &RunCommand) -> Result<bool, Error> {
        let obeyed = run::command(&self.journal, command, self.clock.now());
        self.take_word(obeyed, command.verb, &command.by)
    }

    /// The same of a person on this host.
    pub fn obey_person(&mut self, verb: RunVerb, by: &str, why: &str) -> Result<bool, Error> {
        let obeyed = run::command_by_hand(&self.journal, verb, by, why, self.clock.now());
        self.take_word(obeyed, verb, by)
    }

    fn take_word(&mut self, obeyed: RunJournal, verb: RunVerb, by: &str) -> Result<bool, Error> {
        if obeyed == self.journal {
            return Ok(false);
        }
        info!(run = %self.journal.id, ?verb, by, "a person has said how it goes on");
        self.enter(obeyed)?;
        Ok(true)
    }

    /// Asks the server whether a person has said how a stopped run goes on.
    pub async fn ask_person(&mut self) -> Result<(), Error> {
        if let (true, Some(locks)) = (self.journal.has_stopped(), &self.locks) {
            match locks.command(&self.journal.id).await {
                Ok(Some(command)) => {
                    self.obey(&command)?;
                }
                Ok(None) => {}
                Err(why) => debug!(why, "nobody could be asked how the run goes on"),
            }
        }
        Ok(())
    }

    /// Goes on until the run is over, has stopped, or the process is asked to end.
    pub async fn run(&mut self) -> Result<Ended, Error> {
        let boot_id = machine::boot_id_below(&self.layout)?;
        let resumed = run::resume(&self.journal, &self.facts(&boot_id));
        // A script that a killed engine left behind must not run beside the same one.
        lockstep_host::scripts::end_leftover(self.output.path()).await?;
        // What was held before a kill is held still.
        if let Some(path) = self.idle_lock() {
            self.idle = IdleLock::recall(&path, self.journal.id)?;
            if !self.journal.keeps_still() {
                self.leave();
            }
        }
        // The record is told again: the process may have died between the journal and it.
        self.enter(resumed)?;
        loop {
            self.send_records().await;
            let boot_id = machine::boot_id_below(&self.layout)?;
            let step = run::next(&self.journal, &self.facts(&boot_id));
            if self.take_or_leave_the_host().await? {
                // That may have taken long.
                continue;
            }
            let is_asked_to_end = *self.stop.borrow();
            let happened = match step {
                Do::End => return Ok(self.ended()),
                Do::AskPerson => {
                    self.leave();
                    return Ok(self.ended());
                }
                _ if is_asked_to_end => return Ok(self.interrupted()),
                Do::Wait { why, .. } if self.leaves && matches!(why, Wait::Spread { .. }) => {
                    return Ok(self.interrupted());
                }
                Do::Wait { until, .. } => {
                    if !self.wait(until).await? {
                        return Ok(Ended::Nothing);
                    }
                    continue;
                }
                Do::ConfirmLock => match self.confirm_lock().await {
                    Some(happened) => happened,
                    None => continue,
                },
                step => {
                    let renewing = self.renewing();
                    tokio::select! {
                        happened = self.act(&step) => happened,
                        () = renewing => continue,
                    }
                }
            };
            debug!(run = %self.journal.id, step = ?self.journal.step, ?happened, "happened");
            let next = run::after(&self.journal, happened, &self.facts(&boot_id));
            self.enter(next)?;
        }
    }

    async fn act(&mut self, step: &Do) -> Happened {
        match step {
            Do::Check => {
                self.output.clear();
                self.check().await
            }
            Do::AskWhetherIdle => self.ask_whether_idle().await,
            Do::Hold => self.hold().await,
            Do::AcquireLock => self.acquire_lock().await,
            Do::ReleaseLock => self.release_lock().await,
            Do::Work(phase) => self.work(*phase).await,
            Do::AskWhetherReboot => match &self.backend {
                Backend::System(system) => system.needs_reboot(&self.journal, &self.output).await,
                Backend::Package(_) => Happened::Succeeded,
            },
            Do::Reboot => match &self.backend {
                Backend::System(system) => {
                    info!(run = %self.journal.id, "restarting the machine");
                    system.reboot().await
                }
                Backend::Package(_) => Happened::Failed(RunReason::HostFailed {
                    why: "a package restarts no machine".into(),
                }),
            },
            Do::AskHealth => {
                let now = health::levels(&self.layout, &self.verify).await;
                health::compare(self.journal.baseline.as_ref(), now)
            }
            Do::Return => match &mut self.backend {
                Backend::Package(package) => package.go_back(&self.journal, &self.output).await,
                Backend::System(_) => Happened::Failed(RunReason::HostFailed {
                    why: "an operating system cannot be taken back".into(),
                }),
            },
            // Waiting, confirming and ending are the loop's.
            Do::GoOn | Do::Wait { .. } | Do::ConfirmLock | Do::AskPerson | Do::End => {
                Happened::Waited
            }
        }
    }

    async fn check(&mut self) -> Happened {
        let now = self.clock.now();
        match &mut self.backend {
            Backend::System(system) => system.check(&self.journal, &self.output).await,
            Backend::Package(package) => package.check(&self.journal, now).await,
        }
    }

    async fn work(&mut self, phase: Phase) -> Happened {
        info!(run = %self.journal.id, %phase, "working");
        match &mut self.backend {
            Backend::System(system) => system.work(&self.journal, &self.output, phase).await,
            Backend::Package(package) => {
                let happened = package.work(&self.journal, &self.output, phase).await;
                if let Some(newer) = package.take_newer() {
                    self.journal.job.to = Some(newer);
                }
                happened
            }
        }
    }

    async fn ask_whether_idle(&mut self) -> Happened {
        let rest = match &self.backend {
            Backend::System(system) => system.rest(&self.journal, &self.output).await,
            Backend::Package(package) => package.rest(&self.journal),
        };
        match rest {
            Ok(()) => Happened::Rest {
                baseline: health::levels(&self.layout, &self.verify).await,
            },
            Err(why) => Happened::Busy { why },
        }
    }

    /// Looks once more whether the host is at rest, now that the lock is there, and creates the idle lock.
    async fn hold(&mut self) -> Happened {
        let rest = self.ask_whether_idle().await;
        if matches!(rest, Happened::Busy { .. }) {
            return rest;
        }
        let Some(path) = self.idle_lock() else {
            return rest;
        };
        match IdleLock::try_hold(&path, self.journal.id) {
            Ok(Tried::Held(lock)) => {
                self.idle = Some(lock);
                rest
            }
            Ok(Tried::Busy { since, contents }) => Happened::Busy {
                why: super::package::busy(&path, since, &contents),
            },
            Err(error) => Happened::Busy { why: words(&error) },
        }
    }

    fn idle_lock(&self) -> Option<std::path::PathBuf> {
        match &self.backend {
            Backend::System(_) => None,
            Backend::Package(package) => package.idle_lock(),
        }
    }

    async fn acquire_lock(&mut self) -> Happened {
        let Some(lock) = self.journal.job.lock.clone() else {
            return Happened::Waited;
        };
        let request = self.lock_request(true);
        if let Some(refused) = self.held_by_another_run(&lock) {
            return refused;
        }
        match &self.locks {
            Some(locks) => {
                let happened = locks.acquire(&lock, &request).await;
                // The grant is as fresh as can be, but it has to be written down first.
                if let Happened::LockGranted(granted) = &happened {
                    info!(run = %self.journal.id, %lock, fence = %granted.fence, "the lock is granted");
                }
                happened
            }
            None => Happened::LockFailed {
                why: "this host is not enrolled, so no server grants it a lock".into(),
            },
        }
    }

    /// The server knows hosts, not runs: a lock that another run of this host holds, one that has stopped perhaps, would
    /// be granted to this one as well, and be given back by it.
    fn held_by_another_run(&self, lock: &LockName) -> Option<Happened> {
        let others = match self.journals.all() {
            Ok(journals) => journals,
            Err(error) => return Some(Happened::LockFailed { why: words(&error) }),
        };
        let holds = |other: &RunJournal| {
            other.id != self.journal.id && other.lock.as_ref().is_some_and(|it| it.name == *lock)
        };
        let other = others.iter().find(|other| holds(other))?;
        info!(run = %self.journal.id, %lock, other = %other.id, package = %other.job.package, "another run of this host holds the lock");
        let host = Identity::load(&self.layout).ok()?.host;
        Some(Happened::LockRefused {
            why: LockRefusal::Full {
                places: 1,
                taken: vec![Taken {
                    by: Holder::Host(host),
                    counted: Counted::Holds,
                }],
            },
            position: None,
            retry_after: None,
        })
    }

    async fn confirm_lock(&mut self) -> Option<Happened> {
        let Some(lock) = &self.journal.lock else {
            return Some(Happened::LockLost);
        };
        let is_held = match &self.locks {
            Some(locks) => locks.is_held(lock).await,
            None => Err("this host is not enrolled any more".into()),
        };
        match is_held {
            Ok(true) => {
                self.lock_is_confirmed = true;
                None
            }
            Ok(false) => {
                warn!(run = %self.journal.id, lock = %lock.name, fence = %lock.fence, "the lock is not held any more; asked for anew before anything else is done");
                Some(Happened::LockLost)
            }
            Err(why) => Some(Happened::LockUnknown { why }),
        }
    }

    /// Says again and again that the lock is in use, and never ends: a grant may be a lease, and a script may take longer.
    fn renewing(&self) -> impl Future<Output = ()> + use<> {
        let held = self.journal.lock.clone().zip(self.locks.clone());
        let request = self.lock_request(false);
        async move {
            let Some((lock, locks)) = held else {
                return std::future::pending().await;
            };
            loop {
                tokio::time::sleep(RENEW).await;
                match locks.acquire(&lock.name, &request).await {
                    Happened::LockGranted(now) if now.fence == lock.fence => {}
                    // The next step asks before it does anything.
                    other => debug!(lock = %lock.name, ?other, "the grant could not be renewed"),
                }
            }
        }
    }

    fn lock_request(&self, wait: bool) -> LockRequest {
        LockRequest {
            reason: format!("run of {}", self.journal.job.package),
            run: Some(self.journal.id),
            boot_id: machine::boot_id_below(&self.layout).ok(),
            wait,
        }
    }

    async fn release_lock(&mut self) -> Happened {
        self.leave();
        let Some(lock) = self.journal.job.lock.clone() else {
            return Happened::LockReleased;
        };
        match self.give_back(&lock).await {
            Ok(was_held) => {
                info!(run = %self.journal.id, %lock, was_held, "the lock is given back");
                Happened::LockReleased
            }
            Err(why) => Happened::LockUnknown { why },
        }
    }

    /// Gives back what this run was granted, be it by an answer that was lost on the way. What another run of this host
    /// holds stays.
    async fn give_back(&self, lock: &LockName) -> Result<bool, String> {
        let Some(locks) = &self.locks else {
            // Without a grant there was nobody to ask for one.
            return match self.journal.lock {
                Some(_) => Err("this host is not enrolled any more".into()),
                None => Ok(false),
            };
        };
        if let Some(granted) = &self.journal.lock {
            return locks.release(lock, granted.fence).await;
        }
        if self.held_by_another_run(lock).is_some() {
            return Ok(false);
        }
        match locks.standing(lock).await? {
            Some(fence) => locks.release(lock, fence).await,
            None => Ok(false),
        }
    }

    /// Lets what works on the host go on.
    fn leave(&mut self) {
        if let Some(idle) = self.idle.take()
            && let Err(error) = idle.release()
        {
            error!(
                error = words(&error),
                "the idle lock stays; remove it by hand"
            );
        }
    }

    /// One run on a host is at work at a time; what only waits keeps nobody else from working. True if the host was
    /// taken just now.
    async fn take_or_leave_the_host(&mut self) -> Result<bool, Error> {
        if !self.journal.is_at_work() {
            self.at_work = None;
            return Ok(false);
        }
        while self.at_work.is_none() && !*self.stop.borrow() {
            match HostLock::acquire(&self.layout) {
                Ok(lock) if self.agent_is_at_work()? => drop(lock),
                Ok(lock) => {
                    self.at_work = Some(lock);
                    // What was confirmed before another run was at work must be confirmed anew.
                    self.lock_is_confirmed = false;
                    return Ok(true);
                }
                Err(lockstep_host::Error::LockHeld { pid, .. }) => {
                    debug!(?pid, "another run is at work on this host");
                }
                Err(error) => return Err(error.into()),
            }
            self.pause(Duration::from_secs(1)).await;
        }
        Ok(false)
    }

    /// True while the agent changes its own version. While it only fetches one, which may take for ever, it does not.
    fn agent_is_at_work(&self) -> Result<bool, Error> {
        use lockstep_plan::update::Step;
        let journal = State::new(&self.layout).journal()?;
        Ok(journal.is_some_and(|journal| {
            !matches!(
                journal.step,
                Step::Fetch | Step::Unpack | Step::Preflight | Step::Over { .. }
            )
        }))
    }

    /// Waits, at most for [`LOOK`]. While a host waits for its own moment anybody may make the change at once; false if
    /// somebody has.
    async fn wait(&mut self, until: Timestamp) -> Result<bool, Error> {
        let left = until.duration_since(self.clock.now());
        let left = Duration::try_from(left).unwrap_or_default();
        if !matches!(self.journal.step, Step::Spread { .. }) {
            self.pause(left.min(LOOK)).await;
            return Ok(true);
        }
        self.owner = None;
        self.pause(left.min(LOOK)).await;
        let package = self.journal.job.package.clone();
        loop {
            match own(&self.layout, &package) {
                Ok(owner) => break self.owner = Some(owner),
                Err(lockstep_host::Error::LockHeld { .. }) if !*self.stop.borrow() => {}
                Err(error) => return Err(error.into()),
            }
            self.pause(Duration::from_secs(1)).await;
        }
        let on_disk = self.journals.read(&package)?;
        let is_ours = on_disk.as_ref() == Some(&self.journal);
        if !is_ours {
            info!(run = %self.journal.id, "somebody else has gone on with the run meanwhile");
        }
        Ok(is_ours)
    }

    /// Sleeps, but not on when the process is asked to end.
    async fn pause(&mut self, time: Duration) {
        let sleep = tokio::time::sleep(time);
        tokio::select! {
            () = sleep => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Writes the next step down before anything is done about it, and tells of it.
    fn enter(&mut self, next: RunJournal) -> Result<(), Error> {
        let is_new = next != self.journal;
        let is_another_step = next.step != self.journal.step || next.lock != self.journal.lock;
        let told = self.told(&next);
        if next.is_over() {
            // Afterwards nobody would know of it: the next run is another one.
            self.leave();
            if told {
                self.tell(&next)?;
            }
        }
        if is_new {
            self.journals.write(&next)?;
            self.lock_is_confirmed = false;
        }
        if is_another_step {
            info!(run = %next.id, phase = %next.step.phase(), step = ?next.step, "the run goes on");
        }
        if let Some(waiting) = &next.waiting {
            let before = self.journal.waiting.as_ref();
            match is_new && before.is_some_and(|before| before.why == waiting.why) {
                true => debug!(run = %next.id, why = %waiting.why, "waits on"),
                false => info!(run = %next.id, why = %waiting.why, "waits"),
            }
        }
        self.journal = next;
        if told && !self.journal.is_over() {
            self.tell(&self.journal)?;
        }
        Ok(())
    }

    /// Puts the record into the outbox, and into the host's chain.
    fn tell(&self, journal: &RunJournal) -> Result<(), Error> {
        match self.record_of(journal) {
            Some(record) => State::new(&self.layout).send_later(&record),
            None => Ok(()),
        }
    }

    /// True if the server must hear of it, whatever becomes of this process.
    fn told(&self, next: &RunJournal) -> bool {
        let before = &self.journal;
        let shown = |journal: &RunJournal| {
            let ended = journal.has_stopped() || journal.is_over();
            (journal.step.phase(), ended, journal.lock.clone())
        };
        shown(before) != shown(next) || next == before
    }

    fn record_of(&self, journal: &RunJournal) -> Option<lockstep_model::RunRecord> {
        let log = match journal.has_stopped() || journal.is_over() {
            true => self.output.end(),
            false => String::new(),
        };
        journal.record(self.clock.now(), log)
    }

    /// Sends what waits in the outbox, and what this run waits for.
    async fn send_records(&self) {
        let Some(client) = self.locks.as_ref().and_then(|locks| locks.client()) else {
            return;
        };
        let state = State::new(&self.layout);
        let sending = crate::worker::send_records(client, &state);
        match tokio::time::timeout(SEND_WITHIN, sending).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(error = words(&error), "records wait in the outbox"),
            Err(_) => debug!("records wait in the outbox"),
        }
        // What is only waited for is not worth keeping: the next record says the same, or something newer.
        if let Some(record) = self.waiting_record() {
            let sent = client.post_json::<_, serde_json::Value>("/agent/v1/runs", &record);
            let sent: Result<Result<_, CallError>, _> =
                tokio::time::timeout(SEND_WITHIN, sent).await;
            if let Ok(Err(error)) = sent {
                debug!(
                    error = words(&error),
                    "the server does not know what is waited for"
                );
            }
        }
    }

    /// The record of a run that waits, or does again what it was to do later. Neither is an entry of the chain, which the
    /// server knows by what it says of waiting.
    fn waiting_record(&self) -> Option<lockstep_model::RunRecord> {
        let waiting = self.journal.waiting.as_ref()?;
        let mut record = self.record_of(&self.journal)?;
        if record.waits.is_none() && matches!(waiting.why, Wait::Later { .. }) {
            record.waits = Some(format!("{}; called again now", waiting.why));
        }
        record.waits.is_some().then_some(record)
    }

    fn facts<'a>(&'a self, boot_id: &'a str) -> Facts<'a> {
        let now = self.clock.now();
        let outside = self.hours.as_ref().filter(|(hours, _)| !hours.contain(now));
        let outside = outside.map(|(_, text)| text.as_str());
        Facts {
            now,
            boot_id,
            lock_is_confirmed: self.lock_is_confirmed,
            outside_of_hours: outside,
        }
    }

    fn interrupted(&self) -> Ended {
        Ended::Interrupted {
            phase: self.journal.step.phase(),
            waits: self
                .journal
                .waiting
                .as_ref()
                .map(|waiting| waiting.why.clone()),
        }
    }

    fn ended(&self) -> Ended {
        match &self.journal.step {
            Step::Over { outcome, reason } => Ended::Over {
                outcome: *outcome,
                reason: reason.clone(),
            },
            Step::Stopped { phase, reason, .. } => Ended::Stopped {
                phase: *phase,
                reason: reason.clone(),
            },
            _ => Ended::Nothing,
        }
    }
}

/// Takes the lock of a package's run, for one process on the host.
pub(super) fn own(layout: &Layout, package: &PackageName) -> Result<PidFile, lockstep_host::Error> {
    lockstep_host::fs::create_private_dir(&layout.runs_dir())?;
    PidFile::hold(&package_lock(layout, package))
}

/// The file that whoever goes on with a package's run holds.
pub(crate) fn package_lock(layout: &Layout, package: &PackageName) -> PathBuf {
    layout.runs_dir().join(format!("{package}.pid"))
}
