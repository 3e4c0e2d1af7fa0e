//! What agents say beside the states of items: who was at work when something went wrong, and the programs that hosts run
//! to look at something.

use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::api::operator::ProbeView;
use lockstep_model::api::{ProcessesSeen, ProgramSeen, Report};
use lockstep_model::{HostName, ItemName};
use lockstep_pages::hosts::HostLine;

use super::board::Board;
use super::hosts;
use crate::app::App;
use crate::web::Refusal;

/// Takes the note of processes out of a report and stores it; a report without one costs nothing.
pub(crate) async fn receive(
    app: &App,
    host: &HostName,
    report: &Report,
    now: Timestamp,
) -> Result<(), Refusal> {
    if report.notes.processes.is_none() {
        return Ok(());
    }
    let mut notes = report.notes.clone();
    notes.cut();
    if let Some(seen) = &notes.processes {
        app.store.record_processes(host, seen, now).await?;
    }
    Ok(())
}

/// Who was at work when something went wrong on a host last.
pub(crate) async fn processes(app: &App, host: &HostName) -> Result<ProcessesSeen, Refusal> {
    if let Some(seen) = app.store.processes_of(host).await? {
        return Ok(seen);
    }
    hosts::one(app, host).await?;
    Err(Refusal::not_found(format!(
        "nothing is known of processes of {host}: no item of its processors or memory has become sick, or its agent is \
         too old to say"
    )))
}

/// The plugins and scripts of the fleet, by their names and then by the hosts that run them.
pub(crate) fn probes(board: &Board) -> Vec<ProbeView> {
    let of = |line: &Arc<HostLine>| {
        let on = line.view.name.clone();
        let view = move |program: ProgramSeen| ProbeView {
            on: on.clone(),
            program,
        };
        line.view.programs.clone().into_iter().map(view)
    };
    let mut all: Vec<ProbeView> = board.hosts.iter().flat_map(of).collect();
    all.sort_by_cached_key(place);
    all
}

/// Where a probe stands in the list.
pub(crate) fn place(probe: &ProbeView) -> PlaceOfProbe {
    let ProbeView { on, program } = probe;
    (program.item.clone(), on.clone(), program.host.clone())
}

/// Item, host, and the watched host whom it is about.
pub(crate) type PlaceOfProbe = (ItemName, HostName, Option<HostName>);
