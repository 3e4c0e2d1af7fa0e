//! The worker: looks at the host, reports, and carries out what the server's answer asks for.
//!
//! One task, `Worker::watch`, owns all state and takes in events one at a time; whatever can take long (a report,
//! a sample, a fetch) runs beside it and comes back as an event. Its sign of life to the supervisor is given by that
//! same task, so a worker whose heart stands still is noticed.
//!
//! * `link` talks to the server: reports, records, hints, renewal of the certificate.
//! * `watching` knows the items: what was measured, how that is judged, what is to be told. `past` is their history.
//! * `fetch` has a release brought into a slot, each stage journaled.
//! * `runs` begins runs that are processes of their own, and goes on with them; `bundles` says which of them the orders
//!   for packages of others begin, `daemons` starts those that nobody else starts with the machine.
//! * `asked` is what operators wish of the host: a restart of the machine, or of this worker.
//! * `control` answers the local socket, `wishes` what comes in by gateways.

mod asked;
mod bundles;
mod busy;
mod control;
mod daemons;
mod fetch;
mod figures;
mod forecast;
mod hints;
mod link;
mod now;
mod orders;
mod past;
mod reports;
mod runs;
mod told;
mod watching;
mod wishes;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_host::slots::{Slot, Slots};
use lockstep_host::{Layout, fault, machine, process};
use lockstep_model::api::{Desired, Query, Updates, WorkAnswer};
use lockstep_model::{Interval, RunId, Sample, Version};
use lockstep_net::Clock;
use lockstep_net::client::HttpClient;
use lockstep_plan::probation::{Link as LinkState, Sign};
use lockstep_plan::update::{Hold, Journal, Memory, Order};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

pub(crate) use self::link::send_records;

use self::bundles::Bundles;
use self::daemons::Awake;
use self::fetch::{Fetched, Fetching};
use self::figures::Figures;
use self::link::{EventsSent, Link, Reported};
use self::runs::{LOOK_AT_RUNS, Runs};
use self::told::Told;
use self::watching::Watching;
use crate::config::AgentConfig;
use crate::gateway::dmon;
use crate::local::{self, SupervisorAnswer, SupervisorRequest, WorkerAnswer, WorkerRequest};
use crate::state::State;
use crate::xymon::Reporter;
use crate::{Error, Identity, words};

/// How the worker was called by its supervisor.
#[derive(Debug, Clone)]
pub struct Options {
    /// The root of all paths.
    pub root: PathBuf,
    /// The slot that this program lies in.
    pub slot: PathBuf,
    /// The supervisor's process.
    pub supervisor: u32,
    /// The run whose candidate this worker is.
    pub trial: Option<RunId>,
}

/// The exit code of a worker that cannot begin because its host's configuration or identity cannot be used
/// (`EX_CONFIG` of sysexits(3)). No other version would do better, so none is tried for it.
pub const EXIT_UNUSABLE_HOST: u8 = 78;

/// A sign of life is given this often on probation.
const TRIAL_SIGN: Duration = Duration::from_millis(500);
/// Otherwise this often.
const SIGN: Duration = Duration::from_secs(10);
/// On probation a report that was not accepted is tried again this soon, and an accepted one repeated at most this
/// late: the new version is to show that it can.
const TRIAL_REPORT: Duration = Duration::from_secs(1);
/// On probation samples are taken at least this often.
const TRIAL_SAMPLE: Duration = Duration::from_secs(2);
/// Shortest time between two reports that hints ask for.
const HINT_PAUSE: Duration = Duration::from_millis(500);
/// The items are judged this often though no sample came.
const LOOK: Duration = Duration::from_secs(30);
/// The supervisor answers at once or never.
const SUPERVISOR_PATIENCE: Duration = Duration::from_secs(5);

enum Event {
    Sampled(Vec<Sample>),
    Reported(Box<Reported>),
    Renewed(Result<Identity, Error>),
    RecordsSent,
    EventsSent(EventsSent),
    Work(Result<Option<WorkAnswer>, String>),
    Queried(Box<Query>),
    Hint,
    Fetched(RunId, Box<Fetched>),
    SignTaken(Result<SupervisorAnswer, Error>),
    Asked(Box<local::Asked<WorkerRequest, WorkerAnswer>>),
    Ordered(Order, oneshot::Sender<WorkerAnswer>),
}

/// What a local request that waits for the server wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Is another version wanted?
    Check,
    /// Install it.
    Update,
}

/// A fetch that is to be tried again.
struct Retry {
    why: String,
    /// When, for people; what counts is `due`, which no administrator can turn.
    at: Timestamp,
    due: Instant,
}

struct Worker {
    layout: Layout,
    slots: Slots,
    state: State,
    config: AgentConfig,
    clock: Clock,
    slot: Slot,
    identity: Identity,
    link: Link,
    /// The client in use, for those that keep one for long.
    client: watch::Sender<HttpClient>,
    events: mpsc::Sender<Event>,
    /// True while this worker is on probation.
    on_trial: bool,
    watching: Watching,
    figures: Figures,
    /// Reports to a Xymon server, too.
    xymon: Reporter,
    /// The port of dmon's client.
    dmon: dmon::Port,
    memory: Memory,
    run: Option<Journal>,
    fetching: Option<Fetching>,
    /// Why the fetch that failed is tried again, and when.
    retry: Option<Retry>,
    /// Not before this moment, because the last run was postponed.
    postponed_until: Option<Instant>,
    /// The server's clock in its last answer, and when that came. Orders are dated by it.
    server_clock: Option<(Timestamp, Instant)>,
    desired: Vec<Desired>,
    updates: Updates,
    hold: Option<Hold>,
    link_state: LinkState,
    reported_at: Option<Timestamp>,
    reports: u64,
    /// How often the server wished to be told, in its last answer.
    asked_every: Option<Interval>,
    next_report: Instant,
    last_report: Instant,
    next_sign: Instant,
    /// When the book is asked though nothing came: an item that is silent must be noticed.
    next_look: Instant,
    reporting: bool,
    signing: bool,
    sending_records: bool,
    sending_events: bool,
    fetching_work: bool,
    /// When the report under way was sent, by this host's clock.
    asked_at: Timestamp,
    /// By how much this host's clock is ahead of the server's, in seconds.
    clock_offset: Option<f64>,
    /// Since when another version is wanted.
    wanted_since: Option<Timestamp>,
    /// Runs that are processes of their own.
    runs: Runs,
    /// What operators wish of this host.
    wishes: Told,
    /// True once this worker ends so that it is started again.
    ends_for_restart: bool,
    /// Packages of others.
    bundles: Bundles,
    /// Their daemons.
    awake: Awake,
    /// When they are looked at.
    next_look_at_runs: Instant,
    /// Local requests that wait for the server's next answer.
    waiting: Vec<(Ask, oneshot::Sender<WorkerAnswer>)>,
    boot_id: String,
}

/// A worker ends with this code if an operator wishes the agent to be started again: it is no death that counts. It is
/// beyond the codes of sysexits(3).
pub const EXIT_RESTART: u8 = 90;

/// Why a worker ended in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was told to stop.
    Stopped,
    /// It is to be started again, by an operator's wish.
    Restart,
}

/// Runs the worker until it is told to stop, or its supervisor is gone.
pub async fn run(options: Options, clock: Clock) -> Result<End, Error> {
    process::die_with_parent(options.supervisor)?;
    fault::set_role(if options.trial.is_some() {
        "candidate"
    } else {
        "worker"
    });
    fault::set_partner(options.supervisor);
    let layout = Layout::below(&options.root);
    let config = AgentConfig::load(&layout.config())?;
    let identity = Identity::load(&layout)?;
    let slots = Slots::new(layout.clone());
    let slot = slots.open(&options.slot)?;
    let (events, incoming) = mpsc::channel(64);
    let version = slot.manifest.version.clone();
    info!(host = %identity.host, %version, on_trial = options.trial.is_some(), "the worker begins");

    let link = Link::new(&config, &identity, &version, &clock)?;
    let (client, _) = watch::channel(link.client());
    let requests = local::serve(&layout.agent_socket())?;
    let state = State::new(&layout);
    let pids = vec![options.supervisor, std::process::id()];
    let (watching, samples) = Watching::begin(&layout, &config, &identity.host, pids, &clock)?;
    let figures = Figures::begin(config.metrics.listen, &version);
    let boot_id = machine::boot_id_below(&layout)?;
    let (dmon, wishes) = dmon::Port::begin(&layout, &config, &version, &clock);
    let now = Instant::now();
    let mut worker = Worker {
        memory: state.memory()?,
        run: state.journal()?,
        on_trial: options.trial.is_some(),
        watching,
        figures,
        xymon: Reporter::new(&layout, &identity.host, &version, &clock),
        dmon,
        fetching: None,
        retry: None,
        postponed_until: None,
        server_clock: None,
        desired: Vec::new(),
        updates: Updates::On,
        hold: None,
        link_state: LinkState::Unknown,
        reported_at: None,
        reports: 0,
        asked_every: None,
        next_report: now,
        last_report: now,
        next_sign: now,
        next_look: now + LOOK,
        reporting: false,
        signing: false,
        sending_records: false,
        sending_events: false,
        fetching_work: false,
        asked_at: clock.now(),
        clock_offset: None,
        wanted_since: None,
        waiting: Vec::new(),
        runs: Runs::default(),
        wishes: Told::default(),
        ends_for_restart: false,
        bundles: Bundles::default(),
        awake: Awake::default(),
        next_look_at_runs: now,
        layout,
        slots,
        state,
        config,
        clock,
        slot,
        identity,
        link,
        client,
        events,
        boot_id,
    };
    worker.resume_run();
    worker.wishes.read(&worker.layout);
    // A version on probation has enough to show, and the old one's way of telling is still the one in force.
    if !worker.on_trial {
        worker.xymon.follow(worker.config.report.xymon.as_ref());
    }
    worker
        .watching
        .hurry(worker.on_trial.then_some(TRIAL_SAMPLE));
    tokio::spawn(hints::follow(
        worker.client.subscribe(),
        worker.events.clone(),
        worker.identity.host.clone(),
        worker.config.report.every.duration(),
    ));
    worker.watch(incoming, requests, samples, wishes).await
}

impl Worker {
    async fn watch(
        &mut self,
        mut incoming: mpsc::Receiver<Event>,
        mut requests: mpsc::Receiver<local::Asked<WorkerRequest, WorkerAnswer>>,
        mut samples: mpsc::Receiver<Vec<Sample>>,
        mut wishes: mpsc::Receiver<dmon::Wish>,
    ) -> Result<End, Error> {
        let listen = |kind| {
            signal(kind).map_err(|source| Error::System {
                doing: "listen for signals",
                source,
            })
        };
        let mut terminate = listen(SignalKind::terminate())?;
        let mut reload = listen(SignalKind::hangup())?;
        loop {
            self.start_what_is_due();
            let looks = self.next_look.min(self.next_look_at_runs);
            let wake = self.next_report.min(self.next_sign).min(looks);
            let retry = self.retry_in();
            tokio::select! {
                Some(event) = incoming.recv() => self.handle(event),
                Some(samples) = samples.recv() => self.handle(Event::Sampled(samples)),
                Some(asked) = requests.recv() => self.handle(Event::Asked(Box::new(asked))),
                Some(wish) = wishes.recv() => self.wished(wish),
                _ = terminate.recv() => {
                    self.watching.save();
                    info!("the worker stops");
                    return Ok(End::Stopped);
                }
                _ = reload.recv() => self.reload(),
                () = tokio::time::sleep_until(wake) => {}
                () = tokio::time::sleep(retry) => self.retry_run(),
            }
            if self.ends_for_restart {
                self.watching.save();
                info!("the worker ends and is started again");
                return Ok(End::Restart);
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Sampled(samples) => self.sampled(samples),
            Event::Reported(reported) => self.reported(*reported),
            Event::Renewed(Ok(identity)) => self.take_identity(identity),
            Event::Renewed(Err(error)) => {
                warn!(error = words(&error), until = %self.identity.not_after, "the certificate could not be renewed; tried again");
            }
            Event::RecordsSent => self.sending_records = false,
            Event::EventsSent(sent) => self.events_sent(sent),
            Event::Work(work) => self.take_work(work),
            Event::Queried(query) => self.answer_query(*query),
            Event::Hint => {
                debug!("the server has news");
                self.tell_runs_of_news();
                self.next_report = asked::soon(self.next_report, self.last_report, Instant::now());
            }
            Event::Fetched(run, fetched) => self.fetched(run, *fetched),
            Event::SignTaken(answer) => self.sign_taken(answer),
            Event::Asked(asked) => self.asked(*asked),
            Event::Ordered(order, answer) => self.ordered(order, answer),
        }
    }

    /// Starts each periodic thing whose time has come and that is not under way.
    fn start_what_is_due(&mut self) {
        let now = Instant::now();
        if now >= self.next_look {
            self.sampled(Vec::new());
        }
        if now >= self.next_look_at_runs {
            self.next_look_at_runs = now + LOOK_AT_RUNS;
            self.look_at_runs();
        }
        if now >= self.next_sign && !self.signing {
            self.signing = true;
            self.next_sign = now + if self.on_trial { TRIAL_SIGN } else { SIGN };
            self.give_sign();
        }
        // The first report waits for the first samples: half a report would count as one.
        let has_sampled = self.watching.states().is_some();
        if now >= self.next_report && !self.reporting && has_sampled {
            self.reporting = true;
            self.asked_at = self.clock.now();
            self.last_report = now;
            self.reports += 1;
            let report = self.report();
            self.link.report(report, self.events.clone());
        }
        // Whatever is under way sets the next time itself; until then it must not keep the loop spinning.
        for (under_way, next) in [
            (self.signing, &mut self.next_sign),
            (self.reporting || !has_sampled, &mut self.next_report),
        ] {
            if under_way && *next <= now {
                *next = now + Duration::from_millis(200);
            }
        }
    }

    fn give_sign(&self) {
        let sign = Sign {
            link: self.link_state.clone(),
            levels: self
                .watching
                .levels(|item| self.config.probation.is_gated(item)),
        };
        let (socket, events) = (self.layout.supervisor_socket(), self.events.clone());
        tokio::spawn(async move {
            let answer =
                local::ask(&socket, &SupervisorRequest::Sign(sign), SUPERVISOR_PATIENCE).await;
            events.send(Event::SignTaken(answer)).await
        });
    }

    fn sign_taken(&mut self, answer: Result<SupervisorAnswer, Error>) {
        self.signing = false;
        match answer {
            Ok(SupervisorAnswer::SignTaken { proven: true }) if self.on_trial => {
                self.on_trial = false;
                self.watching.hurry(None);
                self.xymon.follow(self.config.report.xymon.as_ref());
                self.run = self.journal();
                self.memory = self.state.memory().unwrap_or_else(|_| self.memory.clone());
                info!(version = %self.slot.manifest.version, "this version has proven itself");
                if let Err(error) = process::stderr_to_stdout() {
                    warn!(
                        error = words(&error),
                        "the log could not be turned from the trial's file"
                    );
                }
                self.next_report = Instant::now();
            }
            Ok(_) => {}
            // It may be executing itself anew; the next sign tells.
            Err(error) => debug!(
                error = words(&error),
                "the supervisor did not take the sign of life"
            ),
        }
    }

    fn renew_if_due(&mut self) {
        if self.clock.now() >= self.identity.renew_at() {
            let (identity, layout) = (self.identity.clone(), self.layout.clone());
            let (client, events) = (self.link.client(), self.events.clone());
            tokio::spawn(async move {
                let renewed = identity.renew(&layout, &client).await;
                events.send(Event::Renewed(renewed)).await
            });
        }
    }

    fn take_identity(&mut self, identity: Identity) {
        match Link::new(&self.config, &identity, self.version(), &self.clock) {
            Ok(link) => {
                self.client.send_replace(link.client());
                self.link = link;
                self.identity = identity;
            }
            Err(error) => error!(
                error = words(&error),
                "the renewed certificate cannot be used; the old one stays in use"
            ),
        }
    }

    fn reload(&mut self) {
        match AgentConfig::load(&self.layout.config()) {
            Ok(config) => {
                self.config = config;
                self.watching.reload(&self.config);
                self.figures.listen(self.config.metrics.listen);
                if !self.on_trial {
                    self.xymon.follow(self.config.report.xymon.as_ref());
                }
                self.dmon.listen(&self.config);
                self.take_identity(self.identity.clone());
                info!("the configuration was read again");
                self.next_report = Instant::now();
            }
            Err(error) => error!(
                error = words(&error),
                "the configuration is bad; the old one stays in force"
            ),
        }
    }

    fn version(&self) -> &Version {
        &self.slot.manifest.version
    }
}
