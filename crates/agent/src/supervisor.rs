//! The supervisor: the small process that must never be wrong.
//!
//! It has no network code and no probes. It keeps one worker running, from the slot that `current` names, and when
//! the worker offers a new slot it tries that one: it stops the old worker, starts the candidate, watches it
//! through [`probation`](lockstep_plan::probation), and only then moves `current` and executes itself anew, in
//! place, while the worker stays. Whatever else happens, the old worker is started again.
//!
//! Everything that must survive is in the journal before it is done; a start begins by finishing what the journal
//! says. The pieces: `children` starts and stops workers, `trial` tries candidates, `starts` notices a
//! version that dies again and again, `wished` spaces restarts that operators wish for.

mod children;
mod ends;
mod starts;
mod trial;
mod wished;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lockstep_host::lock::AgentLock;
use lockstep_host::slots::{Slot, Slots};
use lockstep_host::{Layout, fault, fs};
use lockstep_model::{RunReason, Version};
use lockstep_net::Clock;
use lockstep_plan::probation::Witness;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{error, info, warn};

use self::children::{Ended, Worker};
use self::starts::Starts;
use self::trial::Trial;
use self::wished::Wished;
use crate::config::AgentConfig;
use crate::local::{self, Asked, SupervisorAnswer, SupervisorRequest, SupervisorStatus};
use crate::state::State;
use crate::{Error, words};

/// How the supervisor was called.
#[derive(Debug, Clone)]
pub struct Options {
    /// The root of all paths.
    pub root: PathBuf,
    /// The worker that an earlier image of this process started and left running.
    pub adopt: Option<u32>,
    /// The program that is running now: what becomes the first slot of a host that has none.
    pub program: PathBuf,
}

/// What the process shall do when the supervisor is through.
#[derive(Debug, PartialEq, Eq)]
pub enum Exit {
    /// End.
    Stopped,
    /// Execute this program in place, with these arguments.
    Execute {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        args: Vec<OsString>,
        /// The worker that goes on running.
        worker: Option<u32>,
    },
}

type Request = Asked<SupervisorRequest, SupervisorAnswer>;

/// How long a worker has to finish its writes after SIGTERM.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// How long a failed candidate has: its last words matter less than the old version's return.
const RETURN_GRACE: Duration = Duration::from_secs(2);
/// A worker outside of probation that gave no sign for this long is started again.
const WORKER_SILENCE: Duration = Duration::from_secs(180);
/// While a candidate is on probation the clock is looked at this often.
const TRIAL_TICK: Duration = Duration::from_millis(250);
/// Otherwise this often.
const IDLE_TICK: Duration = Duration::from_secs(5);

struct Supervisor {
    layout: Layout,
    slots: Slots,
    state: State,
    config: AgentConfig,
    clock: Clock,
    starts: Starts,
    worker: Option<Worker>,
    trial: Option<Trial>,
    /// True while the journal says more than could be done.
    unfinished: bool,
    /// When a worker that ended is started again.
    restart_at: Option<Instant>,
    /// Ends of the worker in a row, each without a check-in between.
    deaths: u32,
    wished: Wished,
    witnesses: mpsc::Sender<Witness>,
}

/// Runs the supervisor until it is told to stop, or to execute another program in its place.
pub async fn run(options: Options, clock: Clock) -> Result<Exit, Error> {
    fault::set_role("supervisor");
    let layout = Layout::below(&options.root);
    fs::create_private_dir(&layout.run_dir())?;
    fs::create_private_dir(&layout.state_dir())?;
    let lock = AgentLock::acquire(&layout)?;
    remove_leftovers(&layout);

    let slots = Slots::new(layout.clone());
    let state = State::new(&layout);
    // With a bad file the worker will not begin and says why; the supervisor stays, to be asked and to start it again.
    let config = AgentConfig::load(&layout.config()).unwrap_or_else(|error| {
        error!(
            error = words(&error),
            "the configuration is bad; the supervisor goes on with the defaults"
        );
        AgentConfig::default()
    });
    if slots.current()?.is_none() {
        let version = Version::of_this_program();
        info!(%version, program = %options.program.display(), "this host has no slot yet: the running program becomes its first");
        let slot = slots.adopt_program(&options.program, &version, clock.now())?;
        slots.make_current(&slot)?;
    }
    let requests = local::serve(&layout.supervisor_socket())?;
    let (witnesses, witness_words) = mpsc::channel(4);
    let starts = Starts::new(&layout);
    let mut supervisor = Supervisor {
        layout,
        slots,
        state,
        config,
        clock,
        starts,
        worker: None,
        trial: None,
        unfinished: false,
        restart_at: None,
        deaths: 0,
        wished: Wished::default(),
        witnesses,
    };
    let exit = match supervisor.begin(options.adopt).await? {
        Some(exit) => exit,
        None => {
            notify(sd_notify::NotifyState::Ready);
            supervisor.watch(requests, witness_words).await?
        }
    };
    if matches!(exit, Exit::Execute { .. }) {
        lock.hand_over();
    }
    Ok(exit)
}

enum Event {
    WorkerEnded(Ended),
    Asked(Request),
    Witness(Witness),
    Terminate,
    Reload,
    Reexecute,
    Tick,
}

impl Supervisor {
    /// Finishes what the journal says, and starts (or takes over) the worker.
    async fn begin(&mut self, adopted: Option<u32>) -> Result<Option<Exit>, Error> {
        if let Some(pid) = adopted {
            match children::adopt(pid, &self.current()?) {
                Ok(worker) => {
                    info!(pid, version = %worker.slot.manifest.version, "took over the worker that was running");
                    self.worker = Some(worker);
                    return Ok(None);
                }
                Err(error) => warn!(
                    pid,
                    error = words(&error),
                    "the worker that was running is gone"
                ),
            }
        }
        match self.finish_journal() {
            Ok(None) => {}
            Ok(exit) => return Ok(exit),
            Err(error) => self.finish_later(&error),
        }
        match self.starts.count_start(&self.current()?) {
            Ok(None) => {}
            Ok(Some(times)) => {
                warn!(times, "this version died again and again after its start");
                if self.may_return().await? {
                    return Ok(Some(
                        self.return_to_previous(RunReason::CrashLoop { times })
                            .await?,
                    ));
                }
            }
            Err(error) => warn!(error = words(&error), "this start could not be counted"),
        }
        self.start_current();
        Ok(None)
    }

    async fn watch(
        &mut self,
        mut requests: mpsc::Receiver<Request>,
        mut witness_words: mpsc::Receiver<Witness>,
    ) -> Result<Exit, Error> {
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut reload = listen(SignalKind::hangup())?;
        let mut reexecute = listen(SignalKind::user_defined1())?;
        let mut next_tick = Instant::now();
        loop {
            // By a fixed time, not after a quiet one: however much is asked of the supervisor, it looks at the clock,
            // and tells the service manager that it lives.
            if next_tick <= Instant::now() {
                next_tick = Instant::now() + self.pace();
                if let Some(exit) = self.attempt(Event::Tick).await {
                    return Ok(exit);
                }
            }
            let wake = self.restart_at.map_or(next_tick, |at| at.min(next_tick));
            let event = tokio::select! {
                ended = children::ended(&mut self.worker) => Event::WorkerEnded(ended),
                Some(request) = requests.recv() => Event::Asked(request),
                Some(witness) = witness_words.recv() => Event::Witness(witness),
                _ = terminate.recv() => Event::Terminate,
                _ = interrupt.recv() => Event::Terminate,
                _ = reload.recv() => Event::Reload,
                _ = reexecute.recv() => Event::Reexecute,
                () = tokio::time::sleep_until(wake) => Event::Tick,
            };
            if let Some(exit) = self.attempt(event).await {
                return Ok(exit);
            }
        }
    }

    /// Handles an event. What fails (on a full disk, say) is tried again; what runs goes on, and without a worker the
    /// current one is started again.
    async fn attempt(&mut self, event: Event) -> Option<Exit> {
        match self.handle(event).await {
            Ok(exit) => exit,
            Err(error) => {
                self.finish_later(&error);
                if self.worker.is_none() && self.trial.is_none() {
                    self.restart_at = Some(Instant::now() + Duration::from_secs(1));
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                None
            }
        }
    }

    /// How often the clock is looked at: more often in a trial, and three times within a service manager's patience.
    fn pace(&self) -> Duration {
        let pace = if self.trial.is_some() {
            TRIAL_TICK
        } else {
            IDLE_TICK
        };
        sd_notify::watchdog_enabled().map_or(pace, |patience| pace.min(patience / 3))
    }

    async fn handle(&mut self, event: Event) -> Result<Option<Exit>, Error> {
        match event {
            Event::WorkerEnded(ended) => self.worker_ended(ended).await,
            Event::Asked((request, answer)) => self.answer(request, answer).await,
            Event::Witness(witness) => self.witness_spoke(witness).await,
            Event::Tick => self.tick().await,
            Event::Reload => {
                self.reload();
                Ok(None)
            }
            Event::Terminate => self.stop().await,
            Event::Reexecute => {
                info!("executing the current version anew");
                self.pause_trial()?;
                self.stop_worker(STOP_GRACE).await?;
                self.starts.clear()?;
                Ok(Some(self.execute_current(None)?))
            }
        }
    }

    async fn answer(
        &mut self,
        request: SupervisorRequest,
        answer: tokio::sync::oneshot::Sender<SupervisorAnswer>,
    ) -> Result<Option<Exit>, Error> {
        // Whoever asked may have gone away meanwhile; that is no reason to do less.
        match request {
            SupervisorRequest::Status => {
                let status = self.status()?;
                let _ = answer.send(SupervisorAnswer::Status(Box::new(status)));
                Ok(None)
            }
            SupervisorRequest::Sign(sign) => {
                let _ = answer.send(SupervisorAnswer::SignTaken {
                    proven: self.trial.is_none(),
                });
                self.take_sign(sign).await
            }
            SupervisorRequest::Try { run } => match self.offered(run)? {
                Ok(journal) => {
                    let _ = answer.send(SupervisorAnswer::Accepted);
                    self.begin_trial(journal).await
                }
                Err(why) => {
                    warn!(%run, why, "the offer was refused");
                    let _ = answer.send(SupervisorAnswer::Refused { why });
                    Ok(None)
                }
            },
            SupervisorRequest::Rollback => {
                let refusal = self.rollback_refusal().await?;
                if let Some(why) = refusal {
                    let _ = answer.send(SupervisorAnswer::Refused { why });
                    return Ok(None);
                }
                let _ = answer.send(SupervisorAnswer::Accepted);
                Ok(Some(self.return_to_previous(RunReason::ByHand).await?))
            }
            SupervisorRequest::Stop => {
                let _ = answer.send(SupervisorAnswer::Accepted);
                self.stop().await
            }
        }
    }

    /// Ends in order. A trial that is cut off by it is no evidence against the candidate: it begins anew.
    async fn stop(&mut self) -> Result<Option<Exit>, Error> {
        info!("stopping");
        notify(sd_notify::NotifyState::Stopping);
        self.pause_trial()?;
        self.stop_worker(STOP_GRACE).await?;
        self.starts.clear()?;
        Ok(Some(Exit::Stopped))
    }

    async fn tick(&mut self) -> Result<Option<Exit>, Error> {
        notify(sd_notify::NotifyState::Watchdog);
        if self.trial.is_some() {
            return self.trial_tick().await;
        }
        if let Some(worker) = &self.worker {
            let silent = worker.last_sign.elapsed();
            if silent > WORKER_SILENCE {
                warn!(
                    silent_s = silent.as_secs(),
                    "the worker gives no sign of life and is started again"
                );
                self.stop_worker(RETURN_GRACE).await?;
                self.restart_at = Some(Instant::now());
            }
        }
        let restart = self.restart_at.is_some_and(|at| at <= Instant::now());
        if restart || self.unfinished {
            self.unfinished = false;
            match self.finish_journal() {
                Ok(None) => {}
                Ok(exit) => {
                    self.stop_worker(STOP_GRACE).await?;
                    return Ok(exit);
                }
                Err(error) => self.finish_later(&error),
            }
        }
        if restart {
            self.restart_at = None;
            self.start_current();
        }
        Ok(None)
    }

    async fn worker_ended(&mut self, ended: Ended) -> Result<Option<Exit>, Error> {
        self.worker = None;
        if self.trial.is_some() {
            return self.candidate_ended(ended.status).await;
        }
        if ended.is_wished {
            info!("the worker ended because an operator wishes it, and is started again");
            self.restart_at = Some(self.wished.restart_at(Instant::now()));
            return Ok(None);
        }
        self.deaths += 1;
        let wait = Duration::from_secs(1 << self.deaths.min(6).saturating_sub(1));
        error!(
            status = ended.status,
            deaths = self.deaths,
            wait_s = wait.as_secs(),
            "the worker ended by itself and is started again"
        );
        let is_enough = !ended.blames_host && self.deaths >= starts::MAX_DEATHS;
        if is_enough && self.may_return().await? {
            let reason = RunReason::CrashLoop { times: self.deaths };
            return Ok(Some(self.return_to_previous(reason).await?));
        }
        self.restart_at = Some(Instant::now() + wait);
        Ok(None)
    }

    async fn take_sign(
        &mut self,
        sign: lockstep_plan::probation::Sign,
    ) -> Result<Option<Exit>, Error> {
        if let Some(worker) = &mut self.worker {
            worker.last_sign = Instant::now();
        }
        if self.trial.is_some() {
            return self.candidate_signed(sign).await;
        }
        if matches!(sign.link, lockstep_plan::probation::Link::Up) {
            self.deaths = 0;
            self.starts.clear()?;
        }
        Ok(None)
    }

    fn status(&self) -> Result<SupervisorStatus, Error> {
        Ok(SupervisorStatus {
            pid: std::process::id(),
            worker: self.worker.as_ref().map(Worker::pid),
            current: self.slots.current()?.map(|slot| slot.manifest.version),
            previous: self.slots.previous()?.map(|slot| slot.manifest.version),
            trial: self.trial.as_ref().map(Trial::status),
            run: self.state.journal()?,
        })
    }

    fn reload(&mut self) {
        match AgentConfig::load(&self.layout.config()) {
            Ok(config) => {
                self.config = config;
                info!("the configuration was read again");
            }
            Err(error) => error!(
                error = words(&error),
                "the configuration is bad; the old one stays in force"
            ),
        }
        if let Some(worker) = &self.worker {
            worker.reload();
        }
    }

    fn current(&self) -> Result<Slot, Error> {
        self.slots.current()?.ok_or_else(|| {
            Error::Refused(format!("{} names no slot", self.layout.current().display()))
        })
    }
}

/// Files that a cut left half-written beside the ones they were to replace. They harm nobody, so nothing waits for
/// their removal.
fn remove_leftovers(layout: &Layout) {
    let config = layout.config();
    let dirs = [
        layout.state_dir(),
        layout.identity_dir(),
        layout.tuf_dir(),
        layout.outbox(),
        layout.program_dir(),
    ];
    for dir in dirs.iter().map(PathBuf::as_path).chain(config.parent()) {
        if let Err(error) = fs::remove_leftovers(dir) {
            warn!(error = words(&error), "leftovers of a cut stay for now");
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind).map_err(|source| Error::System {
        doing: "listen for signals",
        source,
    })
}

/// Tells the service manager. Without one there is nobody to tell, which is no error.
fn notify(state: sd_notify::NotifyState<'_>) {
    let _ = sd_notify::notify(&[state]);
}
