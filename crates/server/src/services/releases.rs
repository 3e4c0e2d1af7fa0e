//! Releases: what may be installed, where it is, and how it fares.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use lockstep_model::api::operator::{ClearSuspect, ReleaseView};
use lockstep_model::{Delta, HostName, PackageName, PackageVersion, Suspect, Version};
use lockstep_store::Standing;

use super::audit;
use crate::app::App;
use crate::web::Refusal;

/// The hosts that failed on each version of each package. A host that failed twice on a release, under two orders, is one.
pub(crate) type Failed = HashMap<(PackageName, Option<PackageVersion>), HashSet<HostName>>;

/// What is listed, and what it was read with.
#[derive(Debug)]
pub(crate) struct Releases {
    /// Everything that is listed.
    pub(crate) views: Vec<ReleaseView>,
    /// How hosts stand towards each package of it.
    pub(crate) standings: HashMap<PackageName, Vec<Standing>>,
    /// Who failed on what.
    pub(crate) failed: Failed,
}

/// Everything that is listed, with the channels that point at it and the hosts that run it or failed on it.
pub(crate) async fn list(app: &App) -> Result<Vec<ReleaseView>, Refusal> {
    Ok(read(app).await?.views)
}

/// Who failed on what.
pub(crate) async fn failed(app: &App) -> Result<Failed, Refusal> {
    let mut failed = Failed::new();
    for run in app.store.blamed_runs(None).await? {
        failed
            .entry((run.record.package, run.record.to))
            .or_default()
            .insert(run.host);
    }
    Ok(failed)
}

/// The same as [`list`], with how hosts stand towards each package.
pub(crate) async fn read(app: &App) -> Result<Releases, Refusal> {
    let releases = app.store.releases().await?;
    let channels = app.store.channels().await?;
    let packages: HashSet<PackageName> = releases
        .iter()
        .map(|release| release.details.package.clone())
        .collect();
    let mut running: HashMap<(PackageName, Version), u64> = HashMap::new();
    let mut standings = HashMap::new();
    for package in packages {
        let hosts = app.store.standings(&package).await?;
        for version in hosts
            .iter()
            .filter_map(|standing| standing.version.as_ref())
        {
            *running
                .entry((package.clone(), version.clone()))
                .or_default() += 1;
        }
        standings.insert(package, hosts);
    }
    let failed = failed(app).await?;
    let suspects = app.store.suspects().await?;
    let deltas = app.deltas.listed(app).await?;
    let views = releases.into_iter().map(|release| {
        let details = &release.details;
        let version = (details.package.clone(), details.version.clone());
        let hosts = running.get(&version).copied().unwrap_or(0);
        let failed = failed
            .get(&(details.package.clone(), Some((&details.version).into())))
            .map_or(0, HashSet::len) as u64;
        let channels = channels
            .iter()
            .filter(|row| row.package == details.package && row.version == details.version)
            .map(|row| row.channel.clone())
            .collect();
        let leads_to_it = |delta: &&Delta| {
            let to = &delta.details;
            to.package == details.package
                && to.platform == details.platform
                && to.to.version == details.version
        };
        let suspect = suspect(&suspects, &details.package, &details.version);
        ReleaseView {
            suspect: suspect.cloned(),
            deltas: deltas.iter().filter(leads_to_it).cloned().collect(),
            release,
            channels,
            hosts,
            failed,
        }
    });
    let views = views.collect();
    Ok(Releases {
        views,
        standings,
        failed,
    })
}

/// What was found wanting in a version, if anything was.
pub(crate) fn suspect<'a>(
    suspects: &'a [Suspect],
    package: &PackageName,
    version: &Version,
) -> Option<&'a Suspect> {
    suspects
        .iter()
        .find(|it| it.package == *package && it.version == *version)
}

/// Longest reason for the audit trail, in bytes.
const LONGEST_WHY: usize = 500;

/// Takes the mark off a version that a rollout has found wanting.
pub(crate) async fn clear_suspect(
    app: &App,
    order: &ClearSuspect,
    who: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let (package, version) = (&order.package, &order.version);
    let why = order.why.trim();
    if why.is_empty() || why.len() > LONGEST_WHY {
        return Err(Refusal::bad_request(format!(
            "say why {package} {version} is not suspect any more, in 1 to {LONGEST_WHY} bytes"
        )));
    }
    if !app.store.clear_suspect(package, version).await? {
        return Err(Refusal::not_found(format!(
            "{package} {version} is not suspect; \"lockstep release list\" shows what is"
        )));
    }
    tracing::info!(%package, %version, who, why, "not suspect any more");
    let what = format!("cleared {package} {version}, which was suspect: {why}");
    audit::note(app, who, &what, now).await;
    // A rollout that holds because of it goes on at the next look.
    app.standing.forget();
    app.wake.notify_one();
    Ok(())
}
