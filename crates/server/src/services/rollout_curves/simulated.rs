//! The expected curve, simulated over the rollout's own hosts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::operator::SimulatedCurve;
use lockstep_model::{Delta, HostName, Platform, Release, Rollout, RolloutId};
use lockstep_plan::rollout::HostFacts;
use lockstep_sim::simulate::{Band, Fleet, Settings, impossible};

use super::Simulation;
use crate::app::App;
use crate::services::rollout_facts::facts;

/// Simulations of one rollout, of a small fleet.
const RUNS: usize = 21;
/// Hosts that are simulated for one rollout, all its simulations together, unless one alone has more.
const HOSTS: usize = 400_000;
/// The largest rollout that is simulated, in hosts.
const MOST_HOSTS: usize = 200_000;
/// Points of a curve.
const POINTS: usize = 121;

/// Hosts with their labels.
type Hosts = Vec<(HostName, BTreeMap<String, String>)>;

/// Simulates a rollout, after those that are being simulated already.
pub(super) async fn simulate(app: &Arc<App>, id: RolloutId) -> Simulation {
    let Ok(_one_at_a_time) = app.curves.simulating.acquire().await else {
        return Simulation::NotBegun;
    };
    let (rollout, hosts, settings) = match known(app, id).await {
        Ok(Some(known)) => known,
        Ok(None) => return Simulation::Never("the rollout is not there any more".into()),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, rollout = %id, "what a rollout's simulation needs could not be read");
            return Simulation::NotBegun;
        }
    };
    if hosts.len() > MOST_HOSTS {
        return Simulation::Never(format!(
            "{} hosts are more than the {MOST_HOSTS} that are simulated here; \"lockstep rollout simulate\" can",
            hosts.len()
        ));
    }
    let stop = app.stop.clone();
    let work = tokio::task::spawn_blocking(move || {
        over(&rollout, &hosts, &settings, || !stop.is_cancelled())
    });
    match work.await {
        Ok(simulation) => simulation,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, rollout = %id, "a rollout could not be simulated");
            Simulation::Never("it could not be simulated; the server's log says why".into())
        }
    }
}

/// Simulates it over these hosts.
fn over(
    rollout: &Rollout,
    hosts: &Hosts,
    settings: &Settings,
    goes_on: impl Fn() -> bool,
) -> Simulation {
    let strategy = &rollout.strategy;
    if let Some(why) = impossible(strategy, hosts.len(), settings) {
        return Simulation::Never(format!("it can never finish: {why}"));
    }
    let fleet = Fleet::labelled(hosts, strategy, rollout.id);
    let runs = (HOSTS / hosts.len().max(1)).clamp(1, RUNS);
    let seed = rollout.id.0;
    match Band::of(&fleet, strategy, settings, runs, POINTS, seed, goes_on) {
        Some(band) => Simulation::Done(dated(&band, settings.start)),
        None => Simulation::NotBegun,
    }
}

/// The same with the times of day at which it would have been.
fn dated(band: &Band, start: Timestamp) -> SimulatedCurve {
    let moment = |after: Duration| start.checked_add(after).unwrap_or(Timestamp::MAX);
    let curve = |shares: &[f64]| -> Vec<(Timestamp, f64)> {
        let times = band.times.iter().map(|after| moment(*after));
        times.zip(shares.iter().copied()).collect()
    };
    SimulatedCurve {
        runs: band.runs,
        done: band.done,
        median: curve(&band.median),
        p10: curve(&band.p10),
        p90: curve(&band.p90),
        end: band.end.map(moment),
    }
}

/// The rollout, its hosts, and what is known of how they work.
async fn known(
    app: &App,
    id: RolloutId,
) -> Result<Option<(Rollout, Hosts, Settings)>, lockstep_store::Error> {
    let Some(rollout) = app.store.rollout(id).await? else {
        return Ok(None);
    };
    let facts = facts(app, &rollout, app.now()).await?;
    let facts: HashMap<&HostName, &HostFacts> = facts.iter().map(|it| (&it.name, it)).collect();
    // A host that has left the fleet meanwhile was there when the waves were drawn.
    let members = rollout.waves.iter().flat_map(|wave| &wave.hosts);
    let hosts: Hosts = members
        .map(|name| {
            let labels = facts.get(name).map(|it| (*it.labels).clone());
            (name.clone(), labels.unwrap_or_default())
        })
        .collect();
    let releases = app.store.releases().await?;
    let deltas = app.deltas.listed(app).await?;
    let mut reports: Vec<Duration> = hosts
        .iter()
        .map(|(name, _)| app.report_interval(name).duration())
        .collect();
    let pushed = hosts.iter().filter(|(name, _)| app.streams.holds(name));
    let defaults = Settings::new(rollout.created_at, rollout.version.clone());
    let settings = Settings {
        report: median(&mut reports).unwrap_or(defaults.report),
        push: pushed.count() * 2 > hosts.len(),
        bytes: bytes(&rollout, &releases, &deltas).unwrap_or(defaults.bytes),
        downloads: app.config.downloads.max(1),
        ..defaults
    };
    Ok(Some((rollout, hosts, settings)))
}

fn median(times: &mut [Duration]) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// What a host fetches, in bytes: the delta from the version before where there is one, otherwise the bundle; of several
/// platforms the one for which it is most. None if the release is not listed any more.
fn bytes(rollout: &Rollout, releases: &[Release], deltas: &[Delta]) -> Option<u64> {
    let leads_there = |delta: &&Delta, platform: &Platform| {
        let details = &delta.details;
        details.package == rollout.package
            && details.to.version == rollout.version
            && details.platform == *platform
            && Some(&details.from.version) == rollout.from.as_ref()
    };
    let of_version = releases.iter().filter(|release| {
        let details = &release.details;
        details.package == rollout.package && details.version == rollout.version
    });
    let to_fetch = of_version.map(|release| {
        let platform = &release.details.platform;
        let delta = deltas.iter().find(|delta| leads_there(delta, platform));
        delta.map_or(release.length, |delta| delta.length)
    });
    to_fetch.max()
}

#[cfg(test)]
mod tests {
    use lockstep_model::{ChannelName, PackageName, RolloutState, Strategy, Version, WaveSize};

    use super::*;

    fn rollout(strategy: Strategy) -> Rollout {
        Rollout {
            id: RolloutId(7),
            package: PackageName::lockstep(),
            version: Version::parse("1.4.2").unwrap(),
            from: None,
            channel: ChannelName::stable(),
            strategy,
            urgent: false,
            state: RolloutState::Running,
            why: String::new(),
            paused_by: None,
            skipped: std::collections::BTreeMap::new(),
            waves: Vec::new(),
            created_at: "2026-11-21T09:00:00Z".parse().unwrap(),
        }
    }

    fn hosts(count: usize) -> Hosts {
        let name = |number| HostName::parse(&format!("web{number}")).unwrap();
        (0..count)
            .map(|number| (name(number), BTreeMap::new()))
            .collect()
    }

    #[test]
    fn a_rollout_is_simulated_from_its_beginning_on() {
        let rollout = rollout(Strategy::default());
        let settings = Settings::new(rollout.created_at, rollout.version.clone());
        let simulated = || over(&rollout, &hosts(40), &settings, || true);
        let Simulation::Done(curve) = simulated() else {
            panic!("it is not simulated");
        };
        assert_eq!((curve.runs, curve.median.len()), (RUNS, POINTS));
        assert_eq!(curve.median[0].0, rollout.created_at);
        assert!(curve.end.unwrap() > rollout.created_at);
        let Simulation::Done(again) = simulated() else {
            panic!("it is not simulated");
        };
        assert_eq!(curve, again, "the rollout's number is the seed");
        let stopped = over(&rollout, &hosts(40), &settings, || false);
        assert!(matches!(stopped, Simulation::NotBegun));
    }

    #[test]
    fn what_can_never_finish_is_not_simulated() {
        let strategy = Strategy {
            fit: Some(WaveSize::ALL),
            ..Strategy::default()
        };
        let rollout = rollout(strategy);
        let settings = Settings::new(rollout.created_at, rollout.version.clone());
        match over(&rollout, &hosts(4), &settings, || true) {
            Simulation::Never(why) => assert!(why.contains("never finish"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}
