//! How the fleet stands at one moment: the facts that alerts and pages are decided by.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use lockstep_model::alert::{Ack, AlertRules, Pace, Silence, Trouble};
use lockstep_model::api::operator::RunView;
use lockstep_model::{Change, HostName, ItemName, PackageName, Phase, Value};
use lockstep_plan::alert::{Facts, Fleet, HostRun};
use lockstep_store::Standing;

use super::fleet::Accepted;
use crate::app::App;

/// What was changed on a host within this time before a problem is told with it.
const CHANGES: SignedDuration = SignedDuration::from_hours(4);
/// Runs that ended within this time may explain a problem.
const RUNS: SignedDuration = SignedDuration::from_hours(2);
/// Runs are read again after this time, or when one has said something new.
const READ_AGAIN: SignedDuration = SignedDuration::from_secs(5);
/// Runs that are looked at: as many as the store lists at once.
const MOST_RUNS: u32 = 1_000;

/// Everything that is known of the fleet's health at one moment.
#[derive(Debug)]
pub(crate) struct Situation {
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) silences: Vec<Silence>,
    pub(crate) acks: Vec<Ack>,
    pub(crate) runs: Vec<HostRun>,
    pub(crate) rules: AlertRules,
    changes: BTreeMap<HostName, Vec<Change>>,
    accepted: Option<Arc<Accepted>>,
}

impl Situation {
    /// Reads it.
    pub(crate) async fn read(app: &App, now: Timestamp) -> Result<Self, lockstep_store::Error> {
        let accepted = app.fleet.accepted();
        let mut silences = app.store.silences(now).await?;
        if let Some(accepted) = &accepted {
            silences.extend(accepted.fleet.silences().iter().filter_map(|it| it.at(now)));
        }
        let mut changes: BTreeMap<HostName, Vec<Change>> = BTreeMap::new();
        for (host, change) in app.store.changes_of_all(before(now, CHANGES)).await? {
            changes.entry(host).or_default().push(change);
        }
        let rules = accepted
            .as_ref()
            .map_or_else(nobody, |accepted| accepted.rules.clone());
        Ok(Self {
            troubles: app.store.troubles().await?,
            acks: app.store.acks().await?,
            runs: app.recent_runs.read(app, now).await?,
            silences,
            rules,
            changes,
            accepted,
        })
    }

    /// The facts for a decision.
    pub(crate) fn facts<'a>(
        &'a self,
        app: &'a App,
        roster: &'a Roster,
        now: Timestamp,
    ) -> Facts<'a> {
        Facts {
            now,
            rules: &self.rules,
            troubles: &self.troubles,
            silences: &self.silences,
            acks: &self.acks,
            runs: &self.runs,
            fleet: roster,
            server_url: Some(&app.addresses.operators),
        }
    }
}

/// Without a fleet file nobody is told.
fn nobody() -> AlertRules {
    AlertRules {
        levels: Default::default(),
        receivers: BTreeMap::new(),
        routes: Vec::new(),
        pace: Pace::default(),
    }
}

fn before(now: Timestamp, time: SignedDuration) -> Timestamp {
    now.checked_sub(time).unwrap_or(Timestamp::MIN)
}

/// The hosts of a situation, and of what is remembered of them.
#[derive(Debug)]
pub(crate) struct Roster {
    hosts: HashMap<HostName, Place>,
    changes: BTreeMap<HostName, Vec<Change>>,
    /// The newest values of items that somebody was told of and that are well now.
    values: HashMap<(HostName, ItemName), Value>,
}

/// Where a host stands in the fleet.
#[derive(Debug, Default)]
struct Place {
    groups: Vec<String>,
    parents: Vec<HostName>,
}

impl Roster {
    /// The hosts that are in trouble, for showing.
    pub(crate) fn of(situation: &Situation) -> Self {
        let mut roster = Self {
            hosts: HashMap::new(),
            changes: situation.changes.clone(),
            values: HashMap::new(),
        };
        for trouble in &situation.troubles {
            roster.learn(situation, &trouble.host);
        }
        roster
    }

    /// Looks a host up, and those that it depends on.
    fn learn(&mut self, situation: &Situation, host: &HostName) {
        let Some(accepted) = &situation.accepted else {
            return;
        };
        let mut unknown = vec![host.clone()];
        while let Some(host) = unknown.pop() {
            if self.hosts.contains_key(&host) {
                continue;
            }
            let groups = accepted.fleet.groups_of(&host).into_iter();
            let parents = accepted.fleet.parents_of(&host).into_iter();
            let place = Place {
                groups: groups.map(String::from).collect(),
                parents: parents.cloned().collect(),
            };
            unknown.extend(place.parents.iter().cloned());
            self.hosts.insert(host, place);
        }
    }

    /// The hosts, with the newest values of these items as far as they are well again.
    pub(crate) async fn read<'a>(
        app: &App,
        situation: &Situation,
        told: impl Iterator<Item = (&'a HostName, &'a ItemName)>,
    ) -> Result<Self, lockstep_store::Error> {
        let mut roster = Self::of(situation);
        let troubled: HashSet<(&HostName, &ItemName)> = situation
            .troubles
            .iter()
            .map(|it| (&it.host, &it.item))
            .collect();
        let mut well: BTreeMap<&HostName, HashSet<&ItemName>> = BTreeMap::new();
        for (host, item) in told.filter(|problem| !troubled.contains(problem)) {
            well.entry(host).or_default().insert(item);
        }
        for (host, items) in well {
            roster.learn(situation, host);
            let row = app.store.host(host).await?;
            let own = row.and_then(|row| row.report).map(|report| report.items);
            let states = match own {
                Some(states) => states,
                None => match app.store.watched_host(host).await? {
                    Some(watched) => watched.items,
                    None => continue,
                },
            };
            let server_item =
                |item: &&&ItemName| item.probe() == lockstep_plan::alert::lease::SILENCE_ITEM;
            // The server's own items stand in no report: the host is there, so it is heard of again.
            for item in items.iter().filter(server_item) {
                let value = Value::Text("it reports again".into());
                roster.values.insert((host.clone(), (*item).clone()), value);
            }
            for state in states {
                if items.contains(&state.item) {
                    roster
                        .values
                        .insert((host.clone(), state.item), state.value);
                }
            }
        }
        Ok(roster)
    }

    /// What was changed on a host in the hours before.
    pub(crate) fn changes(&self, host: &HostName) -> &[Change] {
        self.changes.get(host).map_or(&[], Vec::as_slice)
    }
}

impl Fleet for Roster {
    fn groups_of(&self, host: &HostName) -> &[String] {
        self.hosts.get(host).map_or(&[], |place| &place.groups)
    }

    fn parents_of(&self, host: &HostName) -> &[HostName] {
        self.hosts.get(host).map_or(&[], |place| &place.parents)
    }

    fn value_of(&self, host: &HostName, item: &ItemName) -> Option<Value> {
        self.values.get(&(host.clone(), item.clone())).cloned()
    }

    fn changes_of(&self, host: &HostName) -> Vec<Change> {
        self.changes(host).to_vec()
    }
}

/// The runs in progress and those that have just ended, as they were a moment ago.
#[derive(Debug, Default)]
pub(crate) struct RecentRuns {
    known: Mutex<Option<(Timestamp, Vec<HostRun>)>>,
}

impl RecentRuns {
    /// A run has said something new.
    pub(crate) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) async fn read(
        &self,
        app: &App,
        now: Timestamp,
    ) -> Result<Vec<HostRun>, lockstep_store::Error> {
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((at, runs)) = known
            && at <= now
            && now < at + READ_AGAIN
        {
            return Ok(runs);
        }
        let mut runs = app.store.runs(None, MOST_RUNS).await?;
        // A run that waits for its turn has not touched its host yet, and explains nothing there.
        runs.retain(|run| match run.record.outcome {
            None => run.record.phase >= Phase::Pre,
            Some(_) => run.record.at >= before(now, RUNS),
        });
        let standings = match runs.iter().any(|run| run.record.outcome.is_none()) {
            true => app.store.standings(&PackageName::lockstep()).await?,
            false => Vec::new(),
        };
        let runs: Vec<HostRun> = runs.iter().map(|run| host_run(run, &standings)).collect();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, runs.clone()));
        Ok(runs)
    }
}

fn host_run(run: &RunView, standings: &[Standing]) -> HostRun {
    let record = &run.record;
    // A report that speaks of the run is a sign of its life as well.
    let speaks = standings
        .binary_search_by(|standing| standing.host.cmp(&run.host))
        .ok()
        .and_then(|found| standings.get(found))
        .filter(|standing| standing.running)
        .and_then(|standing| standing.last_seen);
    // Before it had the lock it waited, for hours perhaps.
    let granted_at = record.lock.as_ref().map(|lock| lock.since);
    let started_at = granted_at.map_or(record.started_at, |at| at.max(record.started_at));
    HostRun {
        run: record.id,
        host: run.host.clone(),
        release: record.brings(),
        started_at,
        seen_at: speaks.map_or(record.at, |speaks| speaks.max(record.at)),
        ended_at: record.outcome.is_some().then_some(record.at),
    }
}
