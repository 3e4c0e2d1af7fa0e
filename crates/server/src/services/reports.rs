//! Reports and runs: what hosts say of themselves.
//!
//! A report is stored before it is answered, the report of an agent that is not wanted, too: its host must not
//! look silent while it updates.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::{Installed, Report, ReportAnswer, WatchedReport};
use lockstep_model::{
    Change, ChangeKind, ContentHash, HostName, Interval, ItemState, Outcome, PackageName, Phase,
    ProblemKind, RunRecord, Value, Version,
};
use lockstep_plan::schedule;

use super::orders::{Asking, Orders, installed_of};
use super::wishes;
use super::{events, notes};
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
    let orders = store(app, host, report, now).await?;
    if app.novelty.has_other_work(host, report.work) {
        let change = Change {
            at: now,
            kind: ChangeKind::Work,
            what: watches_by(app, host, report.work),
            run: None,
        };
        app.store.record_change(host, &change).await?;
    }
    let asking = Asking {
        host,
        installed: &report.installed,
        run: report.run.as_ref(),
        facts: &report.facts,
    };
    let desired = orders.desired(&asking, now);
    if let Err(refusal) = app.config.agents.check(version, &app.version) {
        // Only a version that would be talked to is worth updating to.
        let wanted = desired.into_iter().find(|desired| {
            let talks = |version| app.config.agents.check(version, &app.version).is_ok();
            desired.package == PackageName::lockstep() && talks(&desired.version)
        });
        let detail = match &wanted {
            Some(_) => refusal.to_string(),
            None => format!("{refusal}; no such version has been promoted for it"),
        };
        tracing::info!(%host, %version, wanted = wanted.is_some(), "an agent outside of the policy reported");
        return Err(Refusal::new(ProblemKind::UpgradeRequired, detail).with_wanted(wanted));
    }
    let (open, seen) = (orders.open_wishes(host), &report.notes.wishes);
    wishes::note_done(app, host, open, seen).await?;
    Ok(ReportAnswer {
        desired,
        next_report: next_report(app, host, now),
        updates: orders.updates,
        server_time: now,
        server_version: app.version.clone(),
        work: app.fleet.hash(host, report.work),
        commands: orders.commands(host).to_vec(),
        wishes: wishes::told(open, seen, now),
    })
}

/// What a host watches by, in words that are the same for all hosts that were told by the same fleet file.
fn watches_by(app: &App, host: &HostName, work: Option<ContentHash>) -> String {
    // Of a document that is not the one in force it is not known which file it came from.
    let is_newest = !app.fleet.is_behind() && app.fleet.hash(host, work) == work;
    match app.fleet.accepted().filter(|_| is_newest) {
        Some(accepted) => format!("watches by fleet file {}", accepted.version),
        None => "watches by another work document".into(),
    }
}

/// Stores a report, and wakes the decider if it is news to a rollout.
pub(crate) async fn store(
    app: &App,
    host: &HostName,
    report: &Report,
    now: Timestamp,
) -> Result<Arc<Orders>, Refusal> {
    check_items(report)?;
    notes::receive(app, host, report, now).await?;
    app.store
        .record_report(host, &heard(app, host, report), now)
        .await?;
    add(&app.counters.reports, 1);
    let orders = app.standing.read(app).await?;
    if app.novelty.is_news(host, report) && orders.anything_moves() {
        app.wake.notify_one();
    }
    Ok(orders)
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

/// A report as it is believed: without hosts that the fleet file does not have this one watch, and without the items
/// that the server itself speaks of. The rest counts: a host whose work document is old must learn of the new one by
/// the answer to its report.
fn heard<'a>(app: &App, host: &HostName, report: &'a Report) -> Cow<'a, Report> {
    let foreign = |it: &WatchedReport| !events::speaks_for(app, host, &it.host) || it.host == *host;
    let mut heard = Cow::Borrowed(report);
    if report.watched.iter().any(foreign) {
        heard.to_mut().watched.retain(|it| !foreign(it));
    }
    let of_the_server = |it: &ItemState| events::is_of_the_server(&it.item);
    let watched = heard.watched.iter().flat_map(|it| &it.items);
    if heard.items.iter().chain(watched).any(of_the_server) {
        let heard = heard.to_mut();
        heard.items.retain(|it| !of_the_server(it));
        for watched in &mut heard.watched {
            watched.items.retain(|it| !of_the_server(it));
        }
    }
    if !heard.notes.is_empty() {
        let notes = &mut heard.to_mut().notes;
        // It has a place of its own.
        notes.processes = None;
        notes.cut();
    }
    for longest in SHORTER {
        if fits(&heard) {
            break;
        }
        shorten(heard.to_mut(), longest);
    }
    if !heard.notes.programs.is_empty() && !fits(&heard) {
        heard.to_mut().notes.programs.clear();
    }
    heard
}

/// Largest report, in bytes of JSON: what the store takes.
const LARGEST: usize = 256 * 1024;
/// The texts of a report that is larger are cut to these lengths, one after the other. A host whose plugins say much
/// must not look silent because of it.
const SHORTER: [usize; 4] = [1024, 256, 64, 16];

fn fits(report: &Report) -> bool {
    // A byte is written as six at most, so most reports need not be written to be measured.
    let bytes = |state: &ItemState| {
        let text = match &state.value {
            Value::Number { unit, .. } => unit,
            Value::Text(text) | Value::None(text) => text,
        };
        6 * (text.len() + state.why.len() + state.item.as_str().len()) + 256
    };
    let own = report.items.iter();
    let all = own.chain(report.watched.iter().flat_map(|it| &it.items));
    all.map(bytes).sum::<usize>() <= LARGEST / 2
        || serde_json::to_vec(report).is_ok_and(|json| json.len() <= LARGEST)
}

fn shorten(report: &mut Report, longest: usize) {
    let cut = |text: &mut String| {
        if text.len() > longest {
            text.truncate(text.floor_char_boundary(longest));
            text.push('…');
        }
    };
    let own = report.items.iter_mut();
    for state in own.chain(report.watched.iter_mut().flat_map(|it| &mut it.items)) {
        cut(&mut state.why);
        match &mut state.value {
            Value::Number { unit, .. } => cut(unit),
            Value::Text(text) | Value::None(text) => cut(text),
        }
    }
}

/// Longest word on what a run waits for, in bytes: it may name ten hosts.
const LONGEST_WAITS: usize = 4 * 1024;

/// Stores where a run is.
pub(crate) async fn receive_run(
    app: &App,
    host: &HostName,
    record: &RunRecord,
    now: Timestamp,
) -> Result<(), Refusal> {
    check_lengths(record)?;
    app.store.record_run(host, record, now).await?;
    app.recent_runs.forget();
    let blames = |outcome: Outcome| outcome.blames_release();
    let has_commands = !app.standing.read(app).await?.commands(host).is_empty();
    if has_commands || record.outcome.is_some_and(blames) {
        // A host that failed a release must not be told to run it by the answer to its next report, nor what it has
        // just done.
        app.standing.forget();
    }
    let what = record.what();
    match (&record.outcome, &record.reason) {
        (Some(Outcome::Stopped), reason) => {
            let reason = reason.as_ref().map(ToString::to_string);
            let lock = record.lock.as_ref().map(|lock| lock.name.as_str());
            tracing::warn!(
                %host, run = %record.id, what, phase = %record.phase, reason, lock,
                "a run has stopped half-way and waits for a person"
            );
        }
        (Some(outcome), Some(reason)) => {
            tracing::info!(%host, run = %record.id, what, %outcome, %reason, "a run ended");
        }
        (Some(outcome), None) => {
            tracing::info!(%host, run = %record.id, what, %outcome, "a run ended");
        }
        (None, _) => {
            tracing::debug!(%host, run = %record.id, what, phase = %record.phase, "a run goes on");
        }
    }
    app.wake.notify_one();
    Ok(())
}

/// A record that says too much is refused whole. What the host's own chain says of it ([`RunRecord::link`]) is kept as
/// it is, if it is there: the host alone can prove it.
fn check_lengths(record: &RunRecord) -> Result<(), Refusal> {
    let waits = record.waits.as_deref().unwrap_or_default();
    for (what, max, bytes) in [
        ("log", RunRecord::LONGEST_LOG, record.log.len()),
        ("by", RunRecord::LONGEST_BY, record.by.len()),
        ("waits", LONGEST_WAITS, waits.len()),
    ] {
        if bytes > max {
            return Err(Refusal::bad_request(format!(
                "{what}: a record carries at most {max} bytes of it, this one has {bytes}"
            )));
        }
    }
    Ok(())
}

/// The agent itself among what is installed.
pub(crate) fn agent_in(report: &Report) -> Option<&Installed> {
    installed_of(&report.installed, &PackageName::lockstep())
}

/// Reports are spread by host and by time, and never come together for long.
fn next_report(app: &App, host: &HostName, now: Timestamp) -> Interval {
    let seed = schedule::stable_hash(&[host.as_str().as_bytes()]);
    let count = now.as_millisecond().unsigned_abs();
    let wait: Duration = schedule::next_report(app.report_interval(host).duration(), seed, count);
    Interval::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1))
}

/// What each host said last of its packages: a report that says the same again is no news to a rollout.
#[derive(Debug, Default)]
pub(crate) struct Novelty {
    said: Mutex<HashMap<HostName, Said>>,
    works: Mutex<HashMap<HostName, Option<ContentHash>>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Said {
    installed: Vec<(PackageName, Version, bool)>,
    run: Option<(PackageName, Phase)>,
    updates_enabled: bool,
    /// Packages that it keeps as they are, and why.
    kept: Vec<(PackageName, String)>,
}

/// Hosts remembered; beyond it the memory starts anew, and every report is news once.
const REMEMBERED: usize = 200_000;

impl Novelty {
    fn is_news(&self, host: &HostName, report: &Report) -> bool {
        let installed = report.installed.iter();
        let says = Said {
            installed: installed
                .map(|it| (it.package.clone(), it.version.clone(), it.proven))
                .collect(),
            run: report
                .run
                .as_ref()
                .map(|run| (run.package.clone(), run.phase)),
            updates_enabled: report.updates_enabled,
            kept: report
                .kept
                .iter()
                .map(|it| (it.package.clone(), it.code.clone()))
                .collect(),
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

    /// True if the host had another work document in its last report to this server.
    fn has_other_work(&self, host: &HostName, work: Option<ContentHash>) -> bool {
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        if works.len() >= REMEMBERED {
            works.clear();
        }
        works
            .insert(host.clone(), work)
            .is_some_and(|before| before != work)
    }

    /// The host is gone.
    pub(crate) fn forget(&self, host: &HostName) {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(host);
    }
}
