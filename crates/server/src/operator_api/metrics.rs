//! Figures for Prometheus, and a sign of life for load balancers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use lockstep_model::{Level, PackageName};
use lockstep_net::exposition::{Exposition, Format, Kind};

use crate::app::App;
use crate::services::{lock_views, problems, rollouts};
use crate::web::Refusal;

/// Samples in one answer.
const MOST: usize = 20_000;
/// Locks with figures of their own, the first ones by name.
const MOST_LOCKS: usize = 1_000;

/// What this process counts.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) started_at: Timestamp,
    pub(crate) reports: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) notices: AtomicU64,
}

impl Counters {
    pub(crate) fn from(now: Timestamp) -> Self {
        Self {
            started_at: now,
            reports: AtomicU64::new(0),
            events: AtomicU64::new(0),
            notices: AtomicU64::new(0),
        }
    }
}

/// Counts up.
pub(crate) fn add(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}

/// `GET /healthz`: whether this server can do its work. Nobody is asked who they are, and nothing is told but that.
pub(crate) async fn healthz(State(app): State<Arc<App>>) -> Response {
    match app.store.ping().await {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(error) => {
            tracing::warn!(%error, "the database does not answer");
            let words = "the database does not answer; the log says more\n";
            (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
        }
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::wanted(accept);
    let mut out = Exposition::new(format, MOST);
    let now = app.now();
    server(&app, &mut out);
    fleet(&app, &mut out, now).await?;
    locks(&app, &mut out, now).await?;
    let headers = [(CONTENT_TYPE, format.content_type())];
    Ok((headers, out.finish()).into_response())
}

fn server(app: &App, out: &mut Exposition) {
    let version = [([("version", app.version.to_string())], 1.0)];
    let help = "The version of the server.";
    out.family("lockstep_server_info", Kind::Gauge, help, version);
    let mut gauge = |name, help, value| out.single(name, Kind::Gauge, help, value);
    gauge(
        "lockstep_server_start_time_seconds",
        "When the server was started, in seconds since 1970.",
        app.counters.started_at.as_second() as f64,
    );
    gauge(
        "lockstep_streams_open",
        "Streams of hints that hosts hold open on this server.",
        app.streams.count() as f64,
    );
    let version = app.fleet.accepted().map_or(0, |accepted| accepted.version);
    gauge(
        "lockstep_fleet_file_version",
        "The number of the fleet file in force; 0 without one.",
        version as f64,
    );
    let mut counter = |name, help, value: &AtomicU64| {
        out.single(
            name,
            Kind::Counter,
            help,
            value.load(Ordering::Relaxed) as f64,
        );
    };
    counter(
        "lockstep_reports_total",
        "Reports that this server has stored.",
        &app.counters.reports,
    );
    counter(
        "lockstep_events_total",
        "Events that this server has taken in, those sent twice included.",
        &app.counters.events,
    );
    counter(
        "lockstep_notices_total",
        "Messages to receivers that this server has decided on.",
        &app.counters.notices,
    );
}

async fn fleet(app: &App, out: &mut Exposition, now: Timestamp) -> Result<(), Refusal> {
    let standings = app.store.standings(&PackageName::lockstep()).await?;
    let mut versions: BTreeMap<String, u64> = BTreeMap::new();
    let mut silent = 0_u64;
    for standing in &standings {
        silent += u64::from(app.is_silent(
            &standing.host,
            standing.last_seen,
            standing.enrolled_at,
            now,
        ));
        if let Some(version) = &standing.version {
            *versions.entry(version.to_string()).or_default() += 1;
        }
    }
    let mut gauge = |name, help, value| out.single(name, Kind::Gauge, help, value);
    let hosts = standings.len() as u64;
    gauge("lockstep_hosts", "Enrolled hosts.", hosts as f64);
    gauge(
        "lockstep_hosts_silent",
        "Enrolled hosts that have missed three reports.",
        silent as f64,
    );
    gauge(
        "lockstep_rollouts_active",
        "Rollouts that are not over.",
        rollouts::count_active(app).await? as f64,
    );
    let versions = versions
        .into_iter()
        .map(|(version, hosts)| ([("version", version)], hosts as f64));
    let help = "Hosts by the version of the agent that they run.";
    out.family("lockstep_agents", Kind::Gauge, help, versions);

    let problems = problems::list(app, now).await?;
    let names = problems::levels(app);
    let count = |level: Level, unhandled: bool| {
        let counted = problems
            .iter()
            .filter(|it| it.trouble.level == level && it.is_unhandled() == unhandled);
        counted.count() as f64
    };
    let counts = Level::ALL.into_iter().flat_map(|level| {
        let name = names.name(level).to_owned();
        [true, false].map(|unhandled| {
            let labels = [
                ("level", name.clone()),
                ("unhandled", unhandled.to_string()),
            ];
            (labels, count(level, unhandled))
        })
    });
    let help = "Items that are not well, by their level and whether anybody is on it.";
    out.family("lockstep_problems", Kind::Gauge, help, counts);
    if hosts <= app.config.metrics.hosts {
        let levels = problems.iter().map(|it| {
            let labels = [
                ("host", it.trouble.host.to_string()),
                ("item", it.trouble.item.to_string()),
            ];
            (labels, f64::from(it.trouble.level.rank()))
        });
        let help = "The level of each item that is not well: 0 is the best, 4 the worst.";
        out.family("lockstep_item_level", Kind::Gauge, help, levels);
    }
    let states = app.store.count_deliveries().await?;
    let states = states
        .into_iter()
        .map(|(state, count)| ([("state", state.as_str().to_owned())], count as f64));
    let help = "Messages to receivers of the last four weeks, by their state.";
    out.family("lockstep_deliveries", Kind::Gauge, help, states);
    Ok(())
}

async fn locks(app: &App, out: &mut Exposition, now: Timestamp) -> Result<(), Refusal> {
    out.single(
        "lockstep_runs_stopped",
        Kind::Gauge,
        "Runs that have stopped half-way and wait for a person.",
        app.store.count_stopped_runs().await? as f64,
    );
    let figures = lock_views::figures(app, MOST_LOCKS, now).await?;
    let mut gauge = |name, help, of: fn(&lock_views::Figures) -> usize| {
        let samples = figures
            .iter()
            .map(|lock| ([("lock", lock.name.to_string())], of(lock) as f64));
        out.family(name, Kind::Gauge, help, samples);
    };
    gauge(
        "lockstep_lock_places",
        "Places of each lock that is named in the fleet file or in use.",
        |lock| lock.places,
    );
    gauge(
        "lockstep_lock_taken",
        "Places that holders, and hosts that are not well, take.",
        |lock| lock.taken,
    );
    gauge(
        "lockstep_lock_waiting",
        "Hosts and operators in the queue of each lock.",
        |lock| lock.waiting,
    );
    Ok(())
}
