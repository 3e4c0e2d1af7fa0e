//! Which hosts do not run what their channels say.

use std::collections::HashMap;

use jiff::Timestamp;
use lockstep_model::api::operator::ChannelBehind;
use lockstep_model::{Follow, HostName, PackageName};
use lockstep_plan::behind::{Channel, Follower, behind};
use lockstep_store::Standing;

use super::follows;
use super::releases::{self, Failed};
use crate::app::App;
use crate::web::Refusal;

/// The channels of one package or of all, by package and channel.
pub(crate) async fn list(
    app: &App,
    package: Option<&PackageName>,
    now: Timestamp,
) -> Result<Vec<ChannelBehind>, Refusal> {
    let failed = releases::failed(app).await?;
    let mut standings = HashMap::new();
    for row in app.store.channels().await? {
        if package.is_none_or(|wanted| *wanted == row.package)
            && !standings.contains_key(&row.package)
        {
            let found = app.store.standings(&row.package).await?;
            standings.insert(row.package, found);
        }
    }
    if let Some(package) = package.filter(|_| standings.is_empty()) {
        known(app, package).await?;
    }
    of(app, &standings, &failed, now).await
}

/// Refuses a package of which nothing is listed.
async fn known(app: &App, package: &PackageName) -> Result<(), Refusal> {
    let releases = app.store.releases().await?;
    match releases.iter().any(|it| it.details.package == *package) {
        true => Ok(()),
        false => Err(Refusal::not_found(format!(
            "no release of a package {package} is listed, and no channel says anything of it"
        ))),
    }
}

/// The same, of packages whose hosts are known already.
pub(crate) async fn of(
    app: &App,
    standings: &HashMap<PackageName, Vec<Standing>>,
    failed: &Failed,
    now: Timestamp,
) -> Result<Vec<ChannelBehind>, Refusal> {
    let orders = app.standing.read(app).await?;
    let accepted = app.fleet.accepted();
    // What a host follows is the same for each package and channel: rules are looked through once for each host.
    let mut followed: HashMap<&HostName, Vec<Follow>> = HashMap::new();
    for host in standings.values().flatten() {
        followed.entry(&host.host).or_insert_with(|| {
            let said = follows::said(
                &host.os,
                &host.kernel,
                host.platform.as_ref(),
                host.gateway.as_deref(),
            );
            follows::follows(accepted.as_deref(), &host.host, &said)
        });
    }
    let mut channels = Vec::new();
    for row in app.store.channels().await? {
        let Some(hosts) = standings.get(&row.package) else {
            continue;
        };
        let platforms = orders.platforms(&row.package, &row.version);
        let failed = failed.get(&(row.package.clone(), Some((&row.version).into())));
        let does_follow = |it: &&Standing| {
            let of_host = followed.get(&it.host).map_or(&[][..], Vec::as_slice);
            follows::are_of(of_host, &row.package, &row.channel)
        };
        let followers: Vec<Follower<'_>> = hosts
            .iter()
            .filter(does_follow)
            .map(|it| Follower {
                host: &it.host,
                version: it.version.as_ref(),
                has_release: it
                    .platform
                    .as_ref()
                    .is_some_and(|host| platforms.iter().any(|platform| platform.runs_on(host))),
                kept: it.kept,
                running: it.running,
                failed: failed.is_some_and(|failed| failed.contains(&it.host)),
                silent: app.is_silent(&it.host, it.last_seen, it.enrolled_at, now),
            })
            .collect();
        let newest = orders.channel(&row.package, &row.channel);
        let newest = newest.and_then(|channel| channel.rollouts.first());
        let channel = Channel {
            rollout: newest.map(|it| (it.rollout.id, it.rollout.state)),
            package: row.package,
            channel: row.channel,
            version: row.version,
        };
        channels.push(behind(channel, &followers));
    }
    channels.sort_by(|a, b| (&a.package, &a.channel).cmp(&(&b.package, &b.channel)));
    Ok(channels)
}
