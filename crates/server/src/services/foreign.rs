//! Hosts with other systems' clients: what the server keeps for them that an agent of ours would keep itself.
//!
//! Such a host stands among the hosts like all others, with a report, items, levels, events and runs. Its fitness
//! functions are judged here, by the same code and the same fleet file as on a host with our agent, and what they remember
//! is stored after each word of it. Whoever has our agent is a *native* host: what a gateway says of its items is not
//! taken, since a protocol without certificates must not speak for a host that has one.

mod changes;
mod kept;
mod pace;
mod runs;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use lockstep_gateway::seams::{Gateway, Known, Said, Standing};
use lockstep_model::api::{EventBatch, Facts, Installed, Report, RunStatus};
use lockstep_model::{
    Change, ChangeKind, ContentHash, HostName, Interval, PackageName, Platform, Version,
};
use lockstep_plan::fitness::ItemBook;
use lockstep_plan::schedule;
use lockstep_store::{HostRow, NewHost};

pub(crate) use kept::Kept;
pub(crate) use runs::{begun, failed};

use changes::{numbered, parts};
use runs::Taken;

use super::orders::installed_of;
use super::{audit, events, reports};
use crate::app::App;
use crate::web::Refusal;

/// When hosts with other systems' clients are to be heard of, and whose turn it is to be changed.
#[derive(Debug)]
pub(crate) struct Foreign {
    speaks: Mutex<HashMap<HostName, Speaks>>,
    /// One word of a host at a time; hosts share these by their names.
    turns: [tokio::sync::Mutex<()>; TURNS],
}

const TURNS: usize = 64;

/// What stands in the place of a key's hash: no key has it.
const NO_KEY: [u8; 32] = [0; 32];

impl Default for Foreign {
    fn default() -> Self {
        Self {
            speaks: Mutex::default(),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::default()),
        }
    }
}

/// When a host is to be heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// It reports, at the intervals of the fleet file.
    Reports,
    /// It asks for locks or files, whenever it wants to.
    Asks,
    /// It has been given a lock for a change, and should come back from it.
    AsksInRun,
}

impl Speaks {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reports => "reports",
            Self::Asks => "asks",
            Self::AsksInRun => "asks-in-run",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "asks" => Self::Asks,
            "asks-in-run" => Self::AsksInRun,
            _ => Self::Reports,
        }
    }

    /// Between two words of such a host; a host is silent after three of them.
    fn interval(self) -> Option<Interval> {
        match self {
            Self::Reports => None,
            // Nobody waits for a host that has nothing to ask for.
            Self::Asks => Some(Interval::from_secs(10 * 366 * 86_400)),
            // An upgrade of an operating system with its restart is over in an hour.
            Self::AsksInRun => Some(Interval::from_secs(1_200)),
        }
    }
}

impl Foreign {
    /// How often a host is heard of, where another rule than the fleet file's holds.
    pub(crate) fn interval(&self, host: &HostName) -> Option<Interval> {
        let speaks = self.speaks.lock().unwrap_or_else(PoisonError::into_inner);
        speaks.get(host)?.interval()
    }

    fn learn(&self, host: &HostName, how: Speaks) {
        let mut speaks = self.speaks.lock().unwrap_or_else(PoisonError::into_inner);
        speaks.insert(host.clone(), how);
    }

    /// Reads from the store who speaks how: another server may have heard of somebody.
    pub(crate) async fn look(&self, app: &App) -> Result<(), lockstep_store::Error> {
        let rows = app.store.foreign_hosts().await?;
        let rows = rows.into_iter();
        let read = rows.map(|(host, speaks)| (host, Speaks::parse(&speaks)));
        *self.speaks.lock().unwrap_or_else(PoisonError::into_inner) = read.collect();
        Ok(())
    }

    /// Waits for the turn of a host.
    pub(crate) async fn turn(&self, host: &HostName) -> tokio::sync::MutexGuard<'_, ()> {
        let number = schedule::stable_hash(&[host.as_str().as_bytes()]) as usize % TURNS;
        self.turns[number].lock().await
    }
}

/// How a host is known; none for a stranger.
pub(crate) async fn known(app: &App, host: &HostName) -> Result<Option<Known>, Refusal> {
    let row = app.store.host(host).await?;
    let accepted = app.fleet.accepted();
    let standing = match row {
        Some(row) if row.facts.gateway.is_some() => Standing::Foreign,
        Some(_) => Standing::Native,
        None if accepted.is_some_and(|accepted| accepted.fleet.knows(host)) => Standing::Declared,
        None => return Ok(None),
    };
    Ok(Some(Known {
        host: host.clone(),
        standing,
    }))
}

/// A foreign host at the moment of one of its words.
pub(crate) struct Present {
    pub(crate) row: HostRow,
    pub(crate) kept: Kept,
}

/// Opens what is known of a foreign host, and enrols it if it is new here. None for a native host.
pub(crate) async fn open(
    app: &App,
    host: &HostName,
    via: Gateway,
    facts: &Facts,
    declared: bool,
    now: Timestamp,
) -> Result<Option<Present>, Refusal> {
    let row = app.store.host(host).await?;
    if row.as_ref().is_some_and(|row| row.facts.gateway.is_none()) {
        return Ok(None);
    }
    let accepted = app.fleet.accepted();
    let is_named = accepted.is_some_and(|accepted| accepted.fleet.knows(host));
    if row.is_none() && !declared && !is_named {
        return Err(Refusal::not_found(format!(
            "the fleet file names no host {host}, and none of that name is enrolled"
        )));
    }
    let mut kept = match app.store.foreign_host(host).await? {
        Some(document) => Kept::parse(&document).unwrap_or_else(|why| {
            tracing::error!(%host, why, "what is kept for a host cannot be read; it begins anew");
            Kept::default()
        }),
        None => Kept::default(),
    };
    let is_new = kept.gateways.insert(via);
    if row.is_none() || is_new {
        enroll(app, host, &kept, facts, row.as_ref(), now).await?;
        kept.keep(app, host).await?;
    }
    let row = app
        .store
        .host(host)
        .await?
        .ok_or_else(|| Refusal::conflict(format!("{host} was removed at this moment")))?;
    Ok(Some(Present { row, kept }))
}

/// A foreign host as it is known; none for every other.
pub(crate) async fn present(app: &App, host: &HostName) -> Result<Option<Present>, Refusal> {
    let row = app.store.host(host).await?;
    let Some(row) = row.filter(|row| row.facts.gateway.is_some()) else {
        return Ok(None);
    };
    let document = app.store.foreign_host(host).await?;
    let kept = document.and_then(|document| Kept::parse(&document).ok());
    Ok(kept.map(|kept| Present { row, kept }))
}

/// Makes a host one of ours. It has no key.
async fn enroll(
    app: &App,
    host: &HostName,
    kept: &Kept,
    facts: &Facts,
    before: Option<&HostRow>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let known = before.map(|row| row.facts.clone()).unwrap_or_default();
    let facts = Facts {
        gateway: kept.gateway().map(|gateway| gateway.as_str().to_owned()),
        ..merged(&known, facts)
    };
    // Of a host that says nothing of itself it is known that it can run what runs everywhere.
    let anything = || Platform::parse("any").ok();
    let facts = Facts {
        platform: facts.platform.clone().or_else(anything),
        ..facts
    };
    app.store
        .enroll_host(NewHost {
            name: host.clone(),
            key: ContentHash::from_digest(NO_KEY),
            facts,
            at: now,
            replace: false,
        })
        .await?;
    if before.is_some() {
        return Ok(());
    }
    let gateway = kept.gateway().map_or("?", Gateway::as_str);
    let change = Change {
        at: now,
        kind: ChangeKind::Enrolled,
        what: format!("came in by the gateway {gateway}"),
        run: None,
    };
    app.store.record_change(host, &change).await?;
    tracing::info!(%host, gateway, "a host came in by a gateway");
    let what = format!("host {host} came in by the gateway {gateway}");
    audit::note(app, "lockstep", &what, now).await;
    Ok(())
}

/// What is said newly, and what was known where nothing is said.
fn merged(known: &Facts, said: &Facts) -> Facts {
    let or = |new: &String, old: &String| if new.is_empty() { old } else { new }.clone();
    Facts {
        hostname: or(&said.hostname, &known.hostname),
        os: or(&said.os, &known.os),
        kernel: or(&said.kernel, &known.kernel),
        platform: said.platform.clone().or_else(|| known.platform.clone()),
        gateway: known.gateway.clone(),
    }
}

/// Takes what a foreign host says. Nothing is changed for a native one.
pub(crate) async fn hear(
    app: &App,
    host: &HostName,
    said: Said,
    declared: bool,
    now: Timestamp,
) -> Result<(), Refusal> {
    let _turn = app.foreign.turn(host).await;
    let Some(present) = open(app, host, said.via, &said.facts, declared, now).await? else {
        tracing::debug!(%host, via = %said.via, "a gateway speaks of a host that has our agent; not taken");
        return Ok(());
    };
    take(app, present, said, now).await
}

async fn take(app: &App, present: Present, said: Said, now: Timestamp) -> Result<(), Refusal> {
    let Present { row, mut kept } = present;
    let host = row.name.clone();
    let accepted = app.fleet.accepted();
    let work = accepted
        .map(|accepted| accepted.work(&host).work)
        .unwrap_or_default();
    let work = pace::at_the_pace_of_reports(work);
    let mut book = match kept.book.take() {
        Some(record) => ItemBook::resume(record, &work, now),
        None => ItemBook::new(),
    };
    book.follow(&work);
    let happened = book.take(&said.samples, now);
    let events = numbered(&host, &mut kept, happened);
    if !events.is_empty() {
        let batch = EventBatch {
            series: kept.series(&row),
            oldest: events.first().map_or(0, |event| event.number),
            events,
        };
        for batch in parts(batch) {
            events::receive(app, &host, &batch, now).await?;
        }
    }
    let mut report = report_of(&row, &kept, now);
    report.items = book.states(None);
    report.facts = merged(&report.facts, &said.facts);
    if !said.boot_id.is_empty() {
        report.boot_id = said.boot_id;
    }
    kept.book = Some(book.snapshot());
    let had_reported = row.report.is_some();
    let mut runs = Vec::new();
    for (package, version) in said.installed {
        let before = installed_of(&report.installed, &package).map(|it| it.version.clone());
        set_installed(&mut report, &package, version.as_ref());
        if let Some(version) = version
            && had_reported
            && before.as_ref() != Some(&version)
        {
            let change = Taken {
                package,
                before,
                version,
            };
            runs.push(change.record(app, &report, &host, said.via, now).await?);
        }
    }
    // The runs come first: should this be cut off here, the host says the same again, and they are made again.
    for run in &runs {
        reports::receive_run(app, &host, run, now).await?;
    }
    reports::store(app, &host, &report, now).await?;
    kept.keep(app, &host).await?;
    Ok(())
}

/// The report that a foreign host would have sent: as the one before, from now.
pub(crate) fn report_of(row: &HostRow, kept: &Kept, now: Timestamp) -> Report {
    let blank = Report {
        at: now,
        boot_id: String::new(),
        installed: Vec::new(),
        items: Vec::new(),
        run: None,
        updates_enabled: true,
        generation: 0,
        skipped: Vec::new(),
        facts: row.facts.clone(),
        watched: Vec::new(),
        work: None,
        work_refused: None,
        kept: Vec::new(),
        notes: lockstep_model::api::Notes::default(),
    };
    let report = row.report.clone().unwrap_or(blank);
    let report = Report {
        at: now,
        facts: Facts {
            gateway: row.facts.gateway.clone(),
            ..report.facts
        },
        ..report
    };
    if row.facts.gateway.is_none() {
        // A host with our agent says itself which run it is in.
        return report;
    }
    with_run(report, kept)
}

/// The report with the run that the host is in now.
pub(crate) fn with_run(report: Report, kept: &Kept) -> Report {
    let run = kept.run.as_ref().map(|run| RunStatus {
        id: run.id,
        package: run.package.clone(),
        to: run.to.clone(),
        phase: run.phase,
    });
    Report { run, ..report }
}

/// Says which version of a package a host runs. Whoever came back with it and said so has proven it, as far as such a
/// host can.
pub(crate) fn set_installed(report: &mut Report, package: &PackageName, version: Option<&Version>) {
    let before = installed_of(&report.installed, package).map(|it| it.version.clone());
    if before.as_ref() == version {
        return;
    }
    report.installed.retain(|it| it.package != *package);
    if let Some(version) = version {
        report.installed.push(Installed {
            package: package.clone(),
            version: version.clone(),
            hash: None,
            previous: before,
            proven: true,
        });
    }
}
