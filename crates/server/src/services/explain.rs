//! Why a host does not run what it is wanted to: the facts for `plan`'s answer.

use jiff::Timestamp;
use lockstep_model::api::Report;
use lockstep_model::api::operator::{Explained, Explanation};
use lockstep_model::{Follow, Health, HostName, PackageName, RunRecord};
use lockstep_plan::rollout::{self, Asked, HostFacts, Listed, Underway};
use lockstep_store::HostRow;

use super::orders::{Channel, Orders, installed_of};
use super::{follows, rollout_facts};
use crate::app::App;
use crate::web::Refusal;

/// Explains one package, or all that the host follows.
pub(crate) async fn explain(
    app: &App,
    name: &HostName,
    package: Option<&PackageName>,
    now: Timestamp,
) -> Result<Explained, Refusal> {
    let Some(host) = app.store.host(name).await? else {
        return Err(Refusal::not_found(
            match app.store.watched_host(name).await? {
                Some(watched) => format!(
                    "{name} has no agent, {} watches it: it runs no packages of ours",
                    watched.via
                ),
                None => format!("no host named {name} is enrolled"),
            },
        ));
    };
    let orders = app.standing.read(app).await?;
    let accepted = app.fleet.accepted();
    let machine = host.report.as_ref().map_or(&host.facts, |it| &it.facts);
    let said = follows::said_in(machine);
    let followed = follows::follows(accepted.as_deref(), name, &said);
    let mut packages = Vec::new();
    match package {
        Some(package) => {
            let follow = followed.iter().find(|it| it.package == *package);
            packages.push(one(app, &orders, &host, package, follow, now).await?);
        }
        None => {
            for follow in &followed {
                let package = &follow.package;
                packages.push(one(app, &orders, &host, package, Some(follow), now).await?);
            }
        }
    }
    Ok(Explained {
        host: name.clone(),
        packages,
    })
}

/// One package.
async fn one(
    app: &App,
    orders: &Orders,
    host: &HostRow,
    package: &PackageName,
    follow: Option<&Follow>,
    now: Timestamp,
) -> Result<Explanation, Refusal> {
    let nothing = Channel::default();
    let channel = follow.and_then(|it| orders.channel(package, &it.channel));
    let channel = channel.unwrap_or(&nothing);
    let newest = channel.rollouts.first().map(|it| &it.rollout);
    let fleet = match newest {
        Some(newest) => rollout_facts::facts(app, newest, now).await?,
        None => Vec::new(),
    };
    let known = fleet.iter().find(|it| it.name == host.name).cloned();
    let facts = known.unwrap_or_else(|| facts(app, channel, host, package, now));
    let machine = host.report.as_ref().map_or(&host.facts, |it| &it.facts);
    let platform = machine.platform.as_ref();
    let of_package = orders.releases.iter().map(|release| &release.details);
    let of_package = of_package.filter(|details| details.package == *package);
    let listed: Vec<Listed<'_>> = of_package
        .map(|details| Listed {
            version: &details.version,
            runs_here: platform.is_some_and(|host| details.platform.runs_on(host)),
        })
        .collect();
    let wanted = follow.and_then(|it| rollout::wanted(it, &channel.rollouts, &facts, now));
    let hop = wanted.zip(platform).map(|(wanted, platform)| {
        orders.next_hop(package, platform, facts.version.as_ref(), &wanted)
    });
    let runs = app.store.runs(Some(&host.name), RUNS).await?;
    let of_package: Vec<&RunRecord> = runs
        .iter()
        .map(|run| &run.record)
        .filter(|record| record.package == *package)
        .collect();
    // A host that asks for locks alone comes when it wants to.
    let reports = app.foreign.interval(&host.name).is_none();
    let said = rollout::explain(&Asked {
        follow,
        updates: orders.updates,
        listed: &listed,
        rollouts: &channel.rollouts,
        suspect: newest
            .and_then(|newest| orders.suspect(package, &newest.version))
            .map(|it| it.why.as_str()),
        host: &facts,
        fleet: &fleet,
        platform,
        failure: newest
            .and_then(|newest| failure(&of_package, newest.id.0))
            .as_deref(),
        run: host
            .report
            .as_ref()
            .and_then(|report| underway(report, package, &of_package)),
        kept: host
            .report
            .as_ref()
            .and_then(|report| report.kept.iter().find(|it| it.package == *package)),
        last_seen: host.last_seen,
        next_report: host.last_seen.filter(|_| reports).and_then(|seen| {
            seen.checked_add(app.report_interval(&host.name).duration())
                .ok()
        }),
        hop,
        now,
    });
    Ok(Explanation {
        package: package.clone(),
        version: facts.version,
        proven: facts.proven,
        wanted: said.wanted,
        channel: follow.map(|it| it.channel.clone()),
        rule: follow.and_then(|it| it.rule.clone()),
        gate: said.gate.code().into(),
        words: said.gate.to_string(),
        opens: said.opens,
        rollout: newest.map(|it| it.id),
    })
}

/// Runs of a host that are looked through for its last ones of a package.
const RUNS: u32 = 100;

/// What is known of a host that the newest rollout is not about: one that is held at a version, or for whose platform
/// there is no such release.
fn facts(
    app: &App,
    channel: &Channel,
    host: &HostRow,
    package: &PackageName,
    now: Timestamp,
) -> HostFacts {
    let report = host.report.as_ref();
    let installed = report.and_then(|it| installed_of(&it.installed, package));
    let proven = installed.is_some_and(|it| it.proven);
    let version = installed.map(|it| it.version.clone());
    let newest = channel.rollouts.first().map(|it| &it.rollout);
    let made_up =
        newest.is_some_and(|newest| rollout_facts::made_up(newest, version.as_ref(), proven));
    let keeps = |report: &Report| {
        let mut by_hand = report.kept.iter().filter(|it| it.is_by_hand());
        !report.updates_enabled || by_hand.any(|it| it.package == *package)
    };
    HostFacts {
        name: host.name.clone(),
        version,
        proven,
        failed: channel.failed.contains(&host.name) && !made_up,
        running: report
            .and_then(|it| it.run.as_ref())
            .is_some_and(|run| run.package == *package),
        kept: report.is_some_and(keeps),
        last_seen: host.last_seen,
        health: Health {
            silent: app.is_silent(&host.name, host.last_seen, host.enrolled_at, now),
            ailing: Vec::new(),
        },
        before: None,
        labels: Default::default(),
        bytes: 0,
    }
}

/// Why the newest run by an order failed, in words.
fn failure(runs: &[&RunRecord], generation: u64) -> Option<String> {
    let blames = |run: &&&RunRecord| {
        run.generation == generation && run.outcome.is_some_and(|it| it.blames_release())
    };
    let run = runs.iter().find(blames)?;
    let said = run.reason.as_ref().map(ToString::to_string);
    Some(format!(
        "{} (run {})",
        said.unwrap_or_else(|| "its run says no reason".into()),
        run.id
    ))
}

/// The run that is in progress by the host's last report, with what is known of it from its records.
fn underway(report: &Report, package: &PackageName, runs: &[&RunRecord]) -> Option<Underway> {
    let run = report.run.as_ref().filter(|run| run.package == *package)?;
    let record = runs.iter().find(|record| record.id == run.id);
    let newer = record.filter(|record| record.outcome.is_none());
    Some(Underway {
        to: run.to.clone(),
        phase: newer.map_or(run.phase, |record| record.phase),
        waits: newer.and_then(|record| record.waits.clone()),
        since: record.map(|record| record.started_at),
    })
}
