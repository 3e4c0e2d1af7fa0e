//! What a host's page tells, by the services that answer the API.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::{Explanation, LockView, ProblemView, RunView, WishView};
use lockstep_model::api::{ProcessesSeen, Snapshot, StoredEvent};
use lockstep_model::{Holder, HostName, Interval, ItemName, Role, RunId};
use lockstep_pages::host::HostSheet;
use lockstep_pages::hosts::HostLine;
use lockstep_pages::item::Said;
use lockstep_pages::runs::{Verdict, verdict};
use lockstep_store::EventFilter;

use crate::app::App;
use crate::pages::Visit;
use crate::pages::items::judgement;
use crate::pages::problems::zone;
use crate::pages::runs::{MOST_EVENTS, watched_until};
use crate::services::{explain, lock_views, wishes};
use crate::web::Refusal;

/// Runs, events and locks that are shown; each list names the page with all of them.
const RUNS: u32 = 20;
const EVENTS: u32 = 30;
const LOCKS: usize = 20;
/// Items whose rules are looked up.
const RULES: usize = 150;
/// Largest work document that is shown on the page, in bytes.
const LARGEST_WORK: usize = 32 * 1024;
/// The slots of a day.
const SLOTS: usize = 144;

/// What was found.
#[derive(Debug)]
pub(super) struct Facts {
    kernel: String,
    platform: String,
    address: Option<String>,
    zone: String,
    interval: Interval,
    problems: Vec<ProblemView>,
    rules: BTreeMap<ItemName, Vec<Said>>,
    explained: Vec<Explanation>,
    days: BTreeMap<ItemName, Vec<Option<f64>>>,
    runs: Vec<RunView>,
    verdicts: BTreeMap<RunId, Verdict>,
    events: Vec<StoredEvent>,
    locks: Vec<LockView>,
    processes: Option<ProcessesSeen>,
    wishes: Vec<WishView>,
    watches: Vec<HostName>,
    work: Option<String>,
}

impl Facts {
    pub(super) async fn read(app: &App, visit: &Visit, line: &HostLine) -> Result<Self, Refusal> {
        let (name, now) = (&line.view.name, visit.now);
        let levels = visit.frame().levels;
        let has_agent = line.view.via.is_none();
        let row = match has_agent {
            true => app.store.host(name).await?,
            false => None,
        };
        let machine = row.map(|row| row.report.map_or(row.facts, |report| report.facts));
        let machine = machine.unwrap_or_default();
        let accepted = app.fleet.accepted();
        let problems = visit.board.problems.iter();
        let problems: Vec<ProblemView> = problems
            .filter(|it| it.trouble.host == *name)
            .cloned()
            .collect();
        // Those of which something is wrong first: of these the rule is told at length.
        let wrong = problems.iter().map(|problem| &problem.trouble.item);
        let all = line.items.iter().map(|state| &state.item);
        let rules = wrong.chain(all).take(RULES).map(|item| {
            let judged = judgement::of(app, name, item, visit.signed.role, levels);
            (item.clone(), judged.judgement.keys)
        });
        let rules = rules.collect();
        let explained = match has_agent {
            true => explain::explain(app, name, None, now).await?.packages,
            false => Vec::new(),
        };
        let runs = app.store.runs(Some(name), RUNS).await?;
        let filter = EventFilter {
            host: Some(name.clone()),
            ..EventFilter::default()
        };
        let watches = visit.board.hosts.iter();
        let watches = watches.filter(|it| it.view.via.as_ref() == Some(name));
        // It has options that may be secrets, as the fleet file has.
        let may_see = visit.signed.role >= Role::Operator;
        let work = accepted.as_ref().filter(|_| has_agent && may_see);
        let work = work.and_then(|it| serde_json::to_string_pretty(&it.work(name).work).ok());
        Ok(Self {
            kernel: machine.kernel,
            platform: machine
                .platform
                .map(|it| it.to_string())
                .unwrap_or_default(),
            address: accepted
                .as_ref()
                .and_then(|it| it.fleet.address_of(name))
                .map(String::from),
            zone: zone(app),
            interval: app.report_interval(line.view.via.as_ref().unwrap_or(name)),
            problems,
            rules,
            explained,
            days: days(app, line, now).await?,
            verdicts: verdicts(app, name, &runs, now).await?,
            runs,
            events: app.store.events(&filter, EVENTS).await?,
            locks: locks(app, name, now).await?,
            processes: app.store.processes_of(name).await?,
            wishes: wishes::of_host(app, name, now).await?,
            watches: watches.map(|it| it.view.name.clone()).collect(),
            work: work.filter(|text| text.len() <= LARGEST_WORK),
        })
    }

    pub(super) fn sheet<'a>(&'a self, line: &'a HostLine) -> HostSheet<'a> {
        HostSheet {
            line,
            kernel: &self.kernel,
            platform: &self.platform,
            address: self.address.as_deref(),
            zone: &self.zone,
            interval: self.interval,
            problems: &self.problems,
            rules: &self.rules,
            explained: &self.explained,
            days: &self.days,
            runs: &self.runs,
            verdicts: &self.verdicts,
            events: &self.events,
            locks: &self.locks,
            processes: self.processes.as_ref(),
            wishes: &self.wishes,
            watches: &self.watches,
            work: self.work.as_deref(),
        }
    }
}

/// The locks that the host holds or waits for.
async fn locks(app: &App, name: &HostName, now: Timestamp) -> Result<Vec<LockView>, Refusal> {
    let host = Holder::Host(name.clone());
    let mut views = Vec::new();
    for (lock, state) in app.store.locks().await? {
        let waits = state.waiters.iter().any(|it| it.holder == host);
        if (waits || state.held_by(&host).is_some()) && views.len() < LOCKS {
            views.push(lock_views::one(app, &lock, now).await?);
        }
    }
    Ok(views)
}

/// What became of the host's items by each of its runs. The events are read at once; of runs before the oldest of them
/// nothing is said.
async fn verdicts(
    app: &App,
    name: &HostName,
    runs: &[RunView],
    now: Timestamp,
) -> Result<BTreeMap<RunId, Verdict>, Refusal> {
    let Some(first) = runs.iter().map(|run| run.record.started_at).min() else {
        return Ok(BTreeMap::new());
    };
    let filter = EventFilter {
        host: Some(name.clone()),
        since: Some(first),
        ..EventFilter::default()
    };
    let events = app.store.events(&filter, MOST_EVENTS).await?;
    let is_cut = events.len() >= MOST_EVENTS as usize;
    let oldest = events.iter().map(|it| it.event.at).min().filter(|_| is_cut);
    let runs = runs
        .iter()
        .filter(|run| oldest.is_none_or(|at| run.record.started_at > at));
    let runs = runs.map(|run| {
        let begin = run.record.started_at;
        let end = watched_until(run, now).unwrap_or(Timestamp::MAX);
        let of_run = |it: &&StoredEvent| (begin..end).contains(&it.event.at);
        let of_run: Vec<StoredEvent> = events.iter().filter(of_run).cloned().collect();
        (run.record.id, verdict(&of_run))
    });
    Ok(runs.collect())
}

/// What the server keeps of the last day, for each item that the host has now.
async fn days(
    app: &App,
    line: &HostLine,
    now: Timestamp,
) -> Result<BTreeMap<ItemName, Vec<Option<f64>>>, Refusal> {
    let from = now
        .checked_sub(SignedDuration::from_hours(24))
        .unwrap_or(Timestamp::MIN);
    let snapshots = app.store.snapshots(&line.view.name, from, now).await?;
    let items = line.items.iter().map(|it| &it.item);
    Ok(laid_out(items, snapshots, from))
}

/// Lays the numbers of snapshots out by slots.
fn laid_out<'a>(
    items: impl Iterator<Item = &'a ItemName>,
    snapshots: Vec<Snapshot>,
    from: Timestamp,
) -> BTreeMap<ItemName, Vec<Option<f64>>> {
    let mut days: HashMap<&ItemName, Vec<Option<f64>>> =
        items.map(|item| (item, vec![None; SLOTS])).collect();
    for snapshot in snapshots {
        let passed = snapshot.at.duration_since(from).as_secs();
        let slot = usize::try_from(passed).unwrap_or_default();
        let slot = slot / Snapshot::SLOT.duration().as_secs().max(1) as usize;
        for (item, value, _) in snapshot.items {
            if let Some(place) = days.get_mut(&item).and_then(|day| day.get_mut(slot)) {
                *place = value;
            }
        }
    }
    let days = days.into_iter();
    days.map(|(item, day)| (item.clone(), day)).collect()
}

#[cfg(test)]
mod tests {
    use lockstep_model::Level;

    use super::*;

    #[test]
    fn numbers_lie_in_their_slots() {
        let from: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let item = ItemName::parse("cpu_load").unwrap();
        let gone = ItemName::parse("swap_used").unwrap();
        let at = |minutes: i64, value: f64| Snapshot {
            at: from + SignedDuration::from_mins(minutes),
            host: None,
            items: vec![
                (item.clone(), Some(value), Level::FINE),
                (gone.clone(), Some(1.0), Level::FINE),
            ],
        };
        // The last one lies behind the day: a host's clock may be ahead.
        let days = laid_out(
            [&item].into_iter(),
            vec![at(5, 1.0), at(1_435, 2.0), at(1_445, 3.0)],
            from,
        );
        assert_eq!(days.len(), 1);
        let day = &days[&item];
        assert_eq!((day[0], day[143], day.len()), (Some(1.0), Some(2.0), SLOTS));
        assert_eq!(day.iter().flatten().count(), 2);
    }
}
