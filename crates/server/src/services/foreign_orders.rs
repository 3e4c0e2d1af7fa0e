//! What a host shall run, for those who ask for it by its name: gateways.

use jiff::Timestamp;
use lockstep_model::api::{Desired, Report, Updates};
use lockstep_model::{HostName, PackageName, Version};
use lockstep_store::HostRow;

use super::orders::{Asking, Orders, installed_of};
use super::{explain, follows};
use crate::app::App;
use crate::web::Refusal;

/// How a host's turn stands in the rollout of a package.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Turn {
    /// Nothing is to be done by the rollout: there is none, the host is not in it, or it runs the version already.
    Free,
    /// It has been let go.
    LetGo {
        /// To this version.
        version: Version,
        /// By this order.
        generation: u64,
    },
    /// It has not. This is why, in the words of `explain`.
    NotYet(String),
}

fn asking<'a>(host: &'a HostName, report: &'a Report) -> Asking<'a> {
    Asking {
        host,
        installed: &report.installed,
        run: report.run.as_ref(),
        facts: &report.facts,
    }
}

/// The order for a package in force for a host that said this.
pub(crate) async fn order(
    app: &App,
    host: &HostName,
    report: &Report,
    package: &PackageName,
    now: Timestamp,
) -> Result<Option<Desired>, Refusal> {
    let orders = app.standing.read(app).await?;
    let desired = orders.desired(&asking(host, report), now);
    Ok(desired
        .into_iter()
        .find(|desired| desired.package == *package))
}

/// What a host shall run of a package at this moment. While its order is not due, or updates are switched off, that is
/// what it runs: a client that is told nothing else would fall back to what an older list says.
pub(crate) async fn wanted(
    app: &App,
    row: &HostRow,
    package: &PackageName,
    now: Timestamp,
) -> Result<Option<Desired>, Refusal> {
    let report = super::foreign::report_of(row, &Default::default(), now);
    let orders = app.standing.read(app).await?;
    let desired = orders.desired(&asking(&row.name, &report), now);
    let desired = desired
        .into_iter()
        .find(|desired| desired.package == *package);
    let Some(desired) = desired else {
        return Ok(None);
    };
    let is_due = desired.not_before <= now && may_update(&orders);
    if is_due {
        return Ok(Some(desired));
    }
    let Some(installed) = installed_of(&report.installed, package) else {
        return Ok(None);
    };
    let platform = report.facts.platform.as_ref();
    let release = platform.and_then(|platform| {
        let mut offered = orders.offered(package, platform);
        offered.find(|release| release.details.version == installed.version)
    });
    Ok(release.map(|release| Desired {
        version: installed.version.clone(),
        target: release.target.clone(),
        hash: release.hash,
        length: release.length,
        ..desired
    }))
}

fn may_update(orders: &Orders) -> bool {
    orders.updates != Updates::Off
}

/// The version at which a host will be when its turn has come.
pub(crate) async fn aim(
    app: &App,
    row: &HostRow,
    package: &PackageName,
    now: Timestamp,
) -> Result<Option<Version>, Refusal> {
    let report = super::foreign::report_of(row, &Default::default(), now);
    let orders = app.standing.read(app).await?;
    let accepted = app.fleet.accepted();
    let said = follows::said_in(&report.facts);
    let follows = follows::follows(accepted.as_deref(), &row.name, &said);
    let Some(follow) = follows
        .into_iter()
        .find(|follow| follow.package == *package)
    else {
        return Ok(None);
    };
    let newest = orders
        .channel(package, &follow.channel)
        .and_then(|channel| channel.rollouts.first())
        .map(|newest| newest.rollout.version.clone());
    Ok(follow.pin.or(newest))
}

/// Whether a host may begin to change itself, as far as the rollout of a package has a say in it.
pub(crate) async fn turn(
    app: &App,
    host: &HostName,
    report: &Report,
    package: &PackageName,
    now: Timestamp,
) -> Result<Turn, Refusal> {
    let orders = app.standing.read(app).await?;
    let accepted = app.fleet.accepted();
    let said = follows::said_in(&report.facts);
    let follows = follows::follows(accepted.as_deref(), host, &said);
    let Some(follow) = follows
        .into_iter()
        .find(|follow| follow.package == *package)
    else {
        return Ok(Turn::Free);
    };
    let newest = orders
        .channel(package, &follow.channel)
        .and_then(|channel| channel.rollouts.first())
        .map(|newest| newest.rollout.version.clone());
    let Some(newest) = newest.filter(|_| follow.pin.is_none()) else {
        return Ok(Turn::Free);
    };
    let installed = installed_of(&report.installed, package);
    if installed.is_some_and(|it| it.version == newest && it.proven) {
        return Ok(Turn::Free);
    }
    let order = orders.desired(&asking(host, report), now).into_iter();
    let mut order = order.filter(|desired| desired.package == *package);
    match order.next() {
        Some(order)
            if order.version == newest && order.not_before <= now && may_update(&orders) =>
        {
            Ok(Turn::LetGo {
                version: order.version,
                generation: order.generation,
            })
        }
        _ => Ok(Turn::NotYet(words(app, host, package, now).await?)),
    }
}

/// Why a host is not on another version of a package.
pub(crate) async fn words(
    app: &App,
    host: &HostName,
    package: &PackageName,
    now: Timestamp,
) -> Result<String, Refusal> {
    let explained = explain::explain(app, host, Some(package), now).await?;
    let first = explained.packages.into_iter().next();
    Ok(first.map(|it| it.words).unwrap_or_default())
}
