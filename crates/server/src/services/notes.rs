//! What agents say beside the states of items: who was at work when something went wrong, and the programs that hosts run
//! to look at something.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::api::operator::ProbeView;
use lockstep_model::api::{ProcessesSeen, ProgramSeen, Report};
use lockstep_model::{ContentHash, HostName, ItemName};
use lockstep_pages::hosts::HostLine;

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
pub(super) fn probes(hosts: &[Arc<HostLine>]) -> Vec<ProbeView> {
    let of = |line: &Arc<HostLine>| {
        let on = line.view.name.clone();
        let view = move |program: ProgramSeen| ProbeView {
            on: on.clone(),
            program,
            differs: false,
        };
        line.view.programs.clone().into_iter().map(view)
    };
    let mut all: Vec<ProbeView> = hosts.iter().flat_map(of).collect();
    all.sort_by_cached_key(place);
    for of_item in all.chunk_by_mut(|a, b| a.program.item == b.program.item) {
        mark(of_item);
    }
    all
}

/// Says of each program of one name whether its file is another than the one of most hosts. A host that runs it for many
/// others that it watches is one.
fn mark(probes: &mut [ProbeView]) {
    let mut hosts: HashMap<ContentHash, HashSet<&HostName>> = HashMap::new();
    for probe in probes.iter() {
        if let Some(hash) = probe.program.hash {
            hosts.entry(hash).or_default().insert(&probe.on);
        }
    }
    let most = hosts.values().map(HashSet::len).max().unwrap_or(0);
    let mut of_most = hosts.iter().filter(|(_, hosts)| hosts.len() == most);
    // Two files with as many hosts each: nobody knows which is the right one.
    let usual = match (of_most.next(), of_most.next()) {
        (Some((hash, _)), None) => Some(*hash),
        _ => None,
    };
    for probe in probes {
        probe.differs = probe.program.hash.is_some() && probe.program.hash != usual;
    }
}

/// The part of them that is asked for: those of one host or of all, behind a place, at most so many.
pub(crate) async fn some_probes(
    app: &App,
    host: Option<&HostName>,
    after: Option<&PlaceOfProbe>,
    wanted: usize,
) -> Result<Vec<ProbeView>, Refusal> {
    let board = app.boards.read(app).await?;
    if let Some(host) = host.filter(|host| board.host(host).is_none()) {
        hosts::known(app, host).await?;
    }
    let all = board.probes();
    let seen = after.map_or(0, |after| all.partition_point(|it| place(it) <= *after));
    let of_host = all[seen..]
        .iter()
        .filter(|it| host.is_none_or(|host| it.on == *host));
    Ok(of_host.take(wanted).cloned().collect())
}

/// Where a probe stands in the list.
pub(crate) fn place(probe: &ProbeView) -> PlaceOfProbe {
    let ProbeView { on, program, .. } = probe;
    (program.item.clone(), on.clone(), program.host.clone())
}

/// Item, host, and the watched host whom it is about.
pub(crate) type PlaceOfProbe = (ItemName, HostName, Option<HostName>);

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(on: &str, file: Option<&[u8]>) -> ProbeView {
        ProbeView {
            on: HostName::parse(on).unwrap(),
            program: ProgramSeen {
                item: ItemName::parse("plugin:a").unwrap(),
                host: None,
                path: "/x".into(),
                hash: file.map(ContentHash::of),
                exit: Some(0),
                ended: String::new(),
                took_ms: 12,
                at: Timestamp::UNIX_EPOCH,
            },
            differs: false,
        }
    }

    fn differing(files: &[Option<&[u8]>]) -> Vec<usize> {
        let hosts = files.iter().enumerate();
        marked(
            hosts
                .map(|(nth, it)| probe(&format!("web{nth}"), *it))
                .collect(),
        )
    }

    fn marked(mut probes: Vec<ProbeView>) -> Vec<usize> {
        mark(&mut probes);
        let differing = probes.iter().enumerate().filter(|(_, it)| it.differs);
        differing.map(|(index, _)| index).collect()
    }

    #[test]
    fn the_file_that_few_hosts_have_is_the_one_that_differs() {
        let (one, two) = (Some(&b"one"[..]), Some(&b"two"[..]));
        assert_eq!(differing(&[one, one, two, one]), [2]);
        assert_eq!(differing(&[one, one]), Vec::<usize>::new());
        // Of what could not be read nothing is said, and it makes no other one odd.
        assert_eq!(differing(&[one, None, None]), Vec::<usize>::new());
        assert_eq!(differing(&[one, None, two, one]), [2]);
        assert_eq!(differing(&[one, two]), [0, 1]);
        assert_eq!(differing(&[]), Vec::<usize>::new());
    }

    #[test]
    fn a_host_that_runs_a_program_for_many_others_is_one() {
        let about = |watched: &str| {
            let mut probe = probe("watcher", Some(b"old"));
            probe.program.host = Some(HostName::parse(watched).unwrap());
            probe
        };
        let new = |on| probe(on, Some(b"new"));
        let probes = vec![
            about("ups1"),
            about("ups2"),
            about("ups3"),
            new("web1"),
            new("web2"),
        ];
        assert_eq!(marked(probes), [0, 1, 2]);
    }
}
