//! Releases: what may be installed, where it is, and how it fares.

use std::collections::{HashMap, HashSet};

use lockstep_model::api::operator::ReleaseView;
use lockstep_model::{Delta, HostName, PackageName, PackageVersion, Version};

use crate::app::App;
use crate::web::Refusal;

/// Everything that is listed, with the channels that point at it and the hosts that run it or failed on it.
pub(crate) async fn list(app: &App) -> Result<Vec<ReleaseView>, Refusal> {
    let releases = app.store.releases().await?;
    let channels = app.store.channels().await?;
    let lockstep = PackageName::lockstep();
    let mut running: HashMap<Version, u64> = HashMap::new();
    for standing in app.store.standings(&lockstep).await? {
        if let Some(version) = standing.version {
            *running.entry(version).or_default() += 1;
        }
    }
    // A host that failed twice on a release, under two orders, is one host.
    let mut failed: HashMap<(PackageName, Option<PackageVersion>), HashSet<HostName>> =
        HashMap::new();
    for run in app.store.blamed_runs(None).await? {
        failed
            .entry((run.record.package, run.record.to))
            .or_default()
            .insert(run.host);
    }
    let deltas = app.deltas.listed(app).await?;
    let views = releases.into_iter().map(|release| {
        let details = &release.details;
        let hosts = match details.package == lockstep {
            true => running.get(&details.version).copied().unwrap_or(0),
            false => 0,
        };
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
        ReleaseView {
            deltas: deltas.iter().filter(leads_to_it).cloned().collect(),
            release,
            channels,
            hosts,
            failed,
        }
    });
    Ok(views.collect())
}
