//! What is known of the hosts that a rollout is about.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{Delta, Health, HostName, ItemName, Level, Platform, Rollout, Version};
use lockstep_plan::rollout::{HostFacts, before};
use lockstep_store::Standing;

use super::orders::Orders;
use super::{events, follows};
use crate::app::App;

/// Items at `sick` or worse of each host, by name.
type Ailing = HashMap<HostName, Vec<(ItemName, Level)>>;

/// What is known of them now.
pub(crate) async fn facts(
    app: &App,
    rollout: &Rollout,
    now: Timestamp,
) -> Result<Vec<HostFacts>, lockstep_store::Error> {
    let fleet = app.store.standings(&rollout.package).await?;
    facts_of(app, rollout, fleet, now).await
}

/// Picks from the fleet the hosts that follow the rollout's channel and are not held at a version. A host for whose
/// platform there is no such release is left alone.
pub(crate) async fn facts_of(
    app: &App,
    rollout: &Rollout,
    fleet: Vec<Standing>,
    now: Timestamp,
) -> Result<Vec<HostFacts>, lockstep_store::Error> {
    let ailing = ailing(app, rollout).await?;
    let baselines = app.store.baselines(rollout.id).await?;
    let before = before(&baselines, rollout);
    put_together(app, rollout, fleet, (ailing, before), now).await
}

/// The same without how well the hosts are, for whoever asks only how far they have come.
pub(crate) async fn states_of(
    app: &App,
    rollout: &Rollout,
    fleet: Vec<Standing>,
    now: Timestamp,
) -> Result<Vec<HostFacts>, lockstep_store::Error> {
    let well = (Ailing::new(), HashMap::new());
    put_together(app, rollout, fleet, well, now).await
}

async fn put_together(
    app: &App,
    rollout: &Rollout,
    fleet: Vec<Standing>,
    (mut ailing, mut before): (Ailing, HashMap<HostName, Health>),
    now: Timestamp,
) -> Result<Vec<HostFacts>, lockstep_store::Error> {
    let orders = app.standing.read(app).await?;
    let failed = failed(app, rollout).await?;
    let accepted = app.fleet.accepted();
    let platforms = orders.platforms(&rollout.package, &rollout.version);
    let deltas = app.deltas.listed(app).await?;
    // A release that was withdrawn meanwhile does not make its hosts leave the rollout.
    let members: HashSet<&HostName> = rollout.waves.iter().flat_map(|wave| &wave.hosts).collect();
    let mut facts = Vec::with_capacity(fleet.len());
    for host in fleet {
        let platform = host.platform.as_ref();
        let runs_it = platform.is_some_and(|host| platforms.iter().any(|it| it.runs_on(host)));
        if !runs_it && !members.contains(&host.host) {
            continue;
        }
        let said = follows::said(&host.os, &host.kernel, platform, host.gateway.as_deref());
        let (package, channel) = (&rollout.package, &rollout.channel);
        if !follows::does_follow(accepted.as_deref(), &host.host, &said, package, channel) {
            continue;
        }
        let made_up = made_up(rollout, host.version.as_ref(), host.proven);
        let silent = app.is_silent(&host.host, host.last_seen, host.enrolled_at, now);
        let bytes = platform.map_or(0, |platform| {
            let from = host.version.as_ref();
            to_fetch(&orders, &deltas, rollout, platform, from)
        });
        facts.push(HostFacts {
            failed: failed.contains(&host.host) && !made_up,
            version: host.version,
            proven: host.proven,
            running: host.running,
            kept: host.kept,
            last_seen: host.last_seen,
            health: Health {
                silent,
                ailing: ailing.remove(&host.host).unwrap_or_default(),
            },
            before: before.remove(&host.host),
            labels: Arc::new(follows::labels(accepted.as_deref(), &host.host, said)),
            bytes,
            name: host.host,
        });
    }
    Ok(facts)
}

/// What a host of a platform fetches on its way from a version to the rollout's, in bytes: the delta where there is one,
/// otherwise the bundle.
fn to_fetch(
    orders: &Orders,
    deltas: &[Delta],
    rollout: &Rollout,
    platform: &Platform,
    from: Option<&Version>,
) -> u64 {
    let leads_there = |delta: &&Delta| {
        let details = &delta.details;
        details.package == rollout.package
            && details.to.version == rollout.version
            && Some(&details.from.version) == from
            && details.platform.runs_on(platform)
    };
    if let Some(delta) = deltas.iter().find(leads_there) {
        return delta.length;
    }
    let mut offered = orders.offered(&rollout.package, platform);
    let release = offered.find(|release| release.details.version == rollout.version);
    release.map_or(0, |release| release.length)
}

/// The items of all hosts that are at `sick` or worse and that the strategy gates.
async fn ailing(app: &App, rollout: &Rollout) -> Result<Ailing, lockstep_store::Error> {
    let gated = &rollout.strategy.items;
    let is_gated = |item: &ItemName| {
        !events::is_of_the_server(item)
            && (gated.is_empty() || gated.iter().any(|glob| glob.matches(item.as_str())))
    };
    let mut ailing = Ailing::new();
    for trouble in app.store.troubles().await? {
        if trouble.level >= Level::SICK && is_gated(&trouble.item) {
            let items = ailing.entry(trouble.host).or_default();
            items.push((trouble.item, trouble.level));
        }
    }
    for items in ailing.values_mut() {
        items.sort_by(|(a, one), (b, other)| other.cmp(one).then_with(|| a.cmp(b)));
        items.truncate(Health::MOST);
        items.sort();
    }
    Ok(ailing)
}

/// Whether a host has made up for a failure: it runs the rollout's version now, and has proven it.
pub(crate) fn made_up(rollout: &Rollout, runs: Option<&Version>, proven: bool) -> bool {
    proven && runs == Some(&rollout.version)
}

/// Hosts that tried the rollout's version by this order and failed, whatever came after.
pub(crate) async fn failed(
    app: &App,
    rollout: &Rollout,
) -> Result<HashSet<HostName>, lockstep_store::Error> {
    let blamed = app.store.blamed_runs(Some(rollout.id)).await?;
    // The way back to another version has the same order's number, and says nothing about this one.
    let of_this = blamed
        .into_iter()
        .filter(|run| run.record.package == rollout.package)
        .filter(|run| {
            run.record
                .to
                .as_ref()
                .is_some_and(|to| *to == rollout.version)
        });
    Ok(of_this.map(|run| run.host).collect())
}
