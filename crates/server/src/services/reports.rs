//! Reports and runs: what hosts say of themselves.
//!
//! A report is stored before it is answered, the report of an agent that is not wanted, too: its host must not
//! look silent while it updates.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::{Installed, Report, ReportAnswer, WatchedReport};
use lockstep_model::{HostName, Interval, PackageName, Phase, ProblemKind, RunRecord, Version};
use lockstep_plan::schedule;

use super::events;
use crate::app::App;
use crate::operator_api::add;
use crate::web::Refusal;

/// Stores a report and says what the host should do, and when it should report again.
pub(crate) async fn receive(
    app: &App,
    host: &HostName,
    version: &Version,
    report: &Report,
    now: Timestamp,
) -> Result<ReportAnswer, Refusal> {
    check_items(report)?;
    app.store
        .record_report(host, &heard(app, host, report), now)
        .await?;
    add(&app.counters.reports, 1);
    let orders = app.standing.read(app).await?;
    if app.novelty.is_news(host, report) && orders.anything_moves() {
        app.wake.notify_one();
    }
    let installed = agent_in(report);
    let facts = orders.facts(
        host,
        installed.map(|it| it.version.clone()),
        installed.is_some_and(|it| it.proven),
    );
    let desired = orders.desired(&facts, report.facts.platform.as_ref());
    if let Err(refusal) = app.config.agents.check(version, &app.version) {
        // Only a version that would be talked to is worth updating to.
        let wanted = desired.filter(|desired| {
            app.config
                .agents
                .check(&desired.version, &app.version)
                .is_ok()
        });
        let detail = match &wanted {
            Some(_) => refusal.to_string(),
            None => format!("{refusal}; no such version has been promoted for it"),
        };
        tracing::info!(%host, %version, wanted = wanted.is_some(), "an agent outside of the policy reported");
        return Err(Refusal::new(ProblemKind::UpgradeRequired, detail).with_wanted(wanted));
    }
    Ok(ReportAnswer {
        desired: desired.into_iter().collect(),
        next_report: next_report(app, host, now),
        updates: orders.updates,
        server_time: now,
        server_version: app.version.clone(),
        work: app.fleet.hash(host),
    })
}

/// A report that says too much is refused whole: half of it would look like the truth.
fn check_items(report: &Report) -> Result<(), Refusal> {
    let watched: usize = report.watched.iter().map(|it| it.items.len()).sum();
    let items = report.items.len() + watched;
    if items > Report::MOST_ITEMS || report.watched.len() > Report::MOST_WATCHED {
        return Err(Refusal::bad_request(format!(
            "a report carries at most {} items of {} watched hosts, this one has {items} of {}",
            Report::MOST_ITEMS,
            Report::MOST_WATCHED,
            report.watched.len()
        )));
    }
    Ok(())
}

/// A report as it is believed: without hosts that the fleet file does not have this one watch. The rest counts: a
/// host whose work document is old must learn of the new one by the answer to its report.
fn heard<'a>(app: &App, host: &HostName, report: &'a Report) -> Cow<'a, Report> {
    let foreign = |it: &WatchedReport| !events::speaks_for(app, host, &it.host) || it.host == *host;
    if !report.watched.iter().any(foreign) {
        return Cow::Borrowed(report);
    }
    let mut report = report.clone();
    report.watched.retain(|it| !foreign(it));
    Cow::Owned(report)
}

/// Stores where a run is.
pub(crate) async fn receive_run(
    app: &App,
    host: &HostName,
    record: &RunRecord,
    now: Timestamp,
) -> Result<(), Refusal> {
    if record.log.len() > RunRecord::LONGEST_LOG {
        return Err(Refusal::bad_request(format!(
            "log: a record carries at most {} bytes of log, this one has {}",
            RunRecord::LONGEST_LOG,
            record.log.len()
        )));
    }
    app.store.record_run(host, record, now).await?;
    app.recent_runs.forget();
    if record
        .outcome
        .is_some_and(|outcome| outcome.blames_release())
    {
        // A host that failed a release must not be told to run it by the answer to its next report.
        app.standing.forget();
    }
    match (&record.outcome, &record.reason) {
        (Some(outcome), Some(reason)) => {
            tracing::info!(%host, run = %record.id, to = %record.to, %outcome, %reason, "a run ended");
        }
        (Some(outcome), None) => {
            tracing::info!(%host, run = %record.id, to = %record.to, %outcome, "a run ended");
        }
        (None, _) => {
            tracing::debug!(%host, run = %record.id, to = %record.to, phase = %record.phase, "a run goes on");
        }
    }
    app.wake.notify_one();
    Ok(())
}

/// The agent itself among what is installed.
pub(crate) fn agent_in(report: &Report) -> Option<&Installed> {
    let lockstep = PackageName::lockstep();
    report.installed.iter().find(|it| it.package == lockstep)
}

/// Reports are spread by host and by time, and never come together for long.
fn next_report(app: &App, host: &HostName, now: Timestamp) -> Interval {
    let seed = schedule::stable_hash(&[host.as_str().as_bytes()]);
    let count = now.as_millisecond().unsigned_abs();
    let wait: Duration = schedule::next_report(app.report_interval(host).duration(), seed, count);
    Interval::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1))
}

/// What each host said last of its agent: a report that says the same again is no news to a rollout.
#[derive(Debug, Default)]
pub(crate) struct Novelty {
    said: Mutex<HashMap<HostName, Said>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Said {
    version: Option<(Version, bool)>,
    phase: Option<Phase>,
}

/// Hosts remembered; beyond it the memory starts anew, and every report is news once.
const REMEMBERED: usize = 200_000;

impl Novelty {
    fn is_news(&self, host: &HostName, report: &Report) -> bool {
        let says = Said {
            version: agent_in(report).map(|it| (it.version.clone(), it.proven)),
            phase: report.run.as_ref().map(|run| run.phase),
        };
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(host) == Some(&says) {
            return false;
        }
        if said.len() >= REMEMBERED {
            said.clear();
        }
        said.insert(host.clone(), says);
        true
    }

    /// The host is gone.
    pub(crate) fn forget(&self, host: &HostName) {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(host);
    }
}
