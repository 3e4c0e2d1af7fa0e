//! Standing orders: what each host shall run.
//!
//! Every report asks for them, so they are read from the store at most once a second and shared; what this
//! server changes itself is seen at once. An answer that is a moment old is as good as a report that came a moment
//! earlier.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::api::{Desired, Facts, Installed, RunStatus, Updates};
use lockstep_model::{
    ChannelName, Follow, HostName, HostWish, PackageName, Platform, Release, RolloutState,
    RunCommand, Suspect, Version,
};
use lockstep_plan::rollout::{self, Asker, NoWay, Offer, Ordered, Target};
use lockstep_trust::consistent_target_path;

use super::fleet::Accepted;
use super::fresh::Fresh;
use super::rollout_facts::made_up;
use super::{follows, releases, settings};
use crate::app::App;

/// The orders as they stood when they were read.
#[derive(Debug)]
pub(crate) struct Orders {
    /// Whether hosts may update.
    pub(crate) updates: Updates,
    /// Everything that is listed.
    pub(crate) releases: Vec<Release>,
    /// Releases of each package, by their places in the list.
    by_package: HashMap<PackageName, Vec<usize>>,
    /// What each channel says of a package.
    channels: HashMap<(PackageName, ChannelName), Channel>,
    /// Versions that were found wanting.
    pub(crate) suspects: Vec<Suspect>,
    /// The fleet file in force.
    accepted: Option<Arc<Accepted>>,
    /// Releases by the path under which their bundles are fetched.
    targets: HashMap<String, usize>,
    /// What people say of runs that have stopped, and the host has not done yet.
    commands: HashMap<HostName, Vec<RunCommand>>,
    /// What operators wish of hosts.
    wishes: HashMap<HostName, Vec<HostWish>>,
}

/// What a channel says of a package.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    /// Its rollouts, newest first, as far as they say what hosts shall run.
    pub(crate) rollouts: Vec<Ordered>,
    /// Hosts that failed the newest of them.
    pub(crate) failed: HashSet<HostName>,
}

/// A host that asks what it shall run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) host: &'a HostName,
    pub(crate) installed: &'a [Installed],
    pub(crate) run: Option<&'a RunStatus>,
    pub(crate) facts: &'a Facts,
}

/// What is wanted of a host for one package.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) follow: Follow,
    /// Where it shall come to in the end; none where nothing was ever promoted.
    pub(crate) target: Option<Target>,
    /// The next version on the way there.
    pub(crate) hop: Option<Result<Version, NoWay>>,
}

/// The orders, read when they are needed.
#[derive(Debug, Default)]
pub(crate) struct Standing(Fresh<Orders>);

impl Standing {
    /// The orders as they are now, or were a moment ago.
    pub(crate) async fn read(&self, app: &App) -> Result<Arc<Orders>, lockstep_store::Error> {
        self.0.read(app.now(), Orders::load(app)).await
    }

    /// The orders have changed: the next one who asks reads them anew.
    pub(crate) fn forget(&self) {
        self.0.forget();
    }
}

impl Orders {
    async fn load(app: &App) -> Result<Self, lockstep_store::Error> {
        let releases = app.store.releases().await?;
        let suspects = app.store.suspects().await?;
        let mut channels: HashMap<(PackageName, ChannelName), Channel> = HashMap::new();
        for rollout in app.store.standing_rollouts().await? {
            let suspect = releases::suspect(&suspects, &rollout.package, &rollout.version);
            let key = (rollout.package.clone(), rollout.channel.clone());
            let channel = channels.entry(key).or_default();
            if channel.rollouts.is_empty() {
                channel.failed = super::rollout_facts::failed(app, &rollout).await?;
            }
            let is_suspect = suspect.is_some();
            channel.rollouts.push(Ordered::new(rollout, is_suspect));
        }
        let targets = releases
            .iter()
            .enumerate()
            .map(|(index, release)| (consistent_target_path(release), index))
            .collect();
        let mut by_package: HashMap<PackageName, Vec<usize>> = HashMap::new();
        for (index, release) in releases.iter().enumerate() {
            let of_package = by_package.entry(release.details.package.clone());
            of_package.or_default().push(index);
        }
        let mut commands: HashMap<HostName, Vec<RunCommand>> = HashMap::new();
        for (host, command) in app.store.run_commands().await? {
            commands.entry(host).or_default().push(command);
        }
        let mut wishes: HashMap<HostName, Vec<HostWish>> = HashMap::new();
        for (host, wish) in app.store.open_wishes(app.now()).await? {
            wishes.entry(host).or_default().push(wish);
        }
        Ok(Self {
            commands,
            wishes,
            updates: settings::updates(app).await?,
            accepted: app.fleet.accepted(),
            releases,
            by_package,
            channels,
            suspects,
            targets,
        })
    }

    /// The release whose bundle is fetched from this path below `targets/`.
    pub(crate) fn target(&self, path: &str) -> Option<&Release> {
        self.targets.get(path).map(|index| &self.releases[*index])
    }

    /// What people say of runs of this host.
    pub(crate) fn commands(&self, host: &HostName) -> &[RunCommand] {
        self.commands.get(host).map_or(&[], Vec::as_slice)
    }

    /// What operators wish of this host, as far as it is neither taken back nor over.
    pub(crate) fn open_wishes(&self, host: &HostName) -> &[HostWish] {
        self.wishes.get(host).map_or(&[], Vec::as_slice)
    }

    /// The listed releases of a package that a platform can run.
    pub(crate) fn offered<'a>(
        &'a self,
        package: &PackageName,
        platform: &'a Platform,
    ) -> impl Iterator<Item = &'a Release> {
        let listed = self.by_package.get(package).map_or(&[][..], Vec::as_slice);
        listed
            .iter()
            .filter_map(|&index| self.releases.get(index))
            .filter(|release| release.details.platform.runs_on(platform))
    }

    /// The platforms for which a version is listed.
    pub(crate) fn platforms(&self, package: &PackageName, version: &Version) -> Vec<&Platform> {
        let listed = self.releases.iter().map(|release| &release.details);
        listed
            .filter(|details| details.package == *package && details.version == *version)
            .map(|details| &details.platform)
            .collect()
    }

    /// What a channel says of a package.
    pub(crate) fn channel(&self, package: &PackageName, channel: &ChannelName) -> Option<&Channel> {
        self.channels.get(&(package.clone(), channel.clone()))
    }

    /// What was found wanting in a version.
    pub(crate) fn suspect(&self, package: &PackageName, version: &Version) -> Option<&Suspect> {
        releases::suspect(&self.suspects, package, version)
    }

    /// The next version on the way of a host of a platform from `current`, if it has one, to `target`.
    pub(crate) fn next_hop(
        &self,
        package: &PackageName,
        platform: &Platform,
        current: Option<&Version>,
        target: &Version,
    ) -> Result<Version, NoWay> {
        let offered = self.offered(package, platform);
        let offers: Vec<Offer<'_>> = offered
            .map(|release| Offer {
                version: &release.details.version,
                from: release.details.requires.from.as_ref(),
            })
            .collect();
        rollout::next_hop(current, target, &offers)
    }

    /// What is wanted of a host, for each package that it follows.
    pub(crate) fn wishes(&self, asking: &Asking<'_>, now: Timestamp) -> Vec<Wish> {
        let said = follows::said_in(asking.facts);
        follows::follows(self.accepted.as_deref(), asking.host, &said)
            .into_iter()
            .map(|follow| self.wish(asking, follow, now))
            .collect()
    }

    fn wish(&self, asking: &Asking<'_>, follow: Follow, now: Timestamp) -> Wish {
        let target = match &follow.pin {
            Some(version) => Some(Target {
                version: version.clone(),
                generation: self.newest_generation(&follow.package),
                not_before: Timestamp::UNIX_EPOCH,
            }),
            None => self.target_of(asking, &follow, now),
        };
        let hop = target.as_ref().zip(asking.facts.platform.as_ref());
        let hop = hop.map(|(target, platform)| {
            let current = installed_of(asking.installed, &follow.package);
            let current = current.map(|it| &it.version);
            self.next_hop(&follow.package, platform, current, &target.version)
        });
        Wish {
            follow,
            target,
            hop,
        }
    }

    fn target_of(&self, asking: &Asking<'_>, follow: &Follow, now: Timestamp) -> Option<Target> {
        let channel = self.channel(&follow.package, &follow.channel)?;
        let installed = installed_of(asking.installed, &follow.package);
        let newest = channel.rollouts.first()?;
        let version = installed.map(|it| &it.version);
        let proven = installed.is_some_and(|it| it.proven);
        let has_failed = channel.failed.contains(asking.host);
        let asker = Asker {
            name: asking.host,
            version,
            proven,
            failed: has_failed && !made_up(&newest.rollout, version, proven),
            running: asking.run.is_some_and(|run| run.package == follow.package),
        };
        rollout::desired_version(&asker, &channel.rollouts, now)
    }

    /// The newest order for a package, whichever channel gave it: a host that is held at a version must not refuse that
    /// as an older one.
    fn newest_generation(&self, package: &PackageName) -> u64 {
        let of_package = self
            .channels
            .iter()
            .filter(|((name, _), _)| name == package);
        of_package
            .filter_map(|(_, channel)| channel.rollouts.first())
            .map(|newest| newest.rollout.id.0)
            .max()
            .unwrap_or_default()
    }

    /// What a host shall run. A package of which nothing was ever promoted, that has no listed release for the host, or
    /// whose release was withdrawn, is left out: then it stays as it is.
    pub(crate) fn desired(&self, asking: &Asking<'_>, now: Timestamp) -> Vec<Desired> {
        let wishes = self.wishes(asking, now).into_iter();
        wishes.filter_map(|wish| self.order(asking, wish)).collect()
    }

    fn order(&self, asking: &Asking<'_>, wish: Wish) -> Option<Desired> {
        let target = wish.target?;
        let version = wish.hop?.ok()?;
        let platform = asking.facts.platform.as_ref()?;
        let release = self
            .offered(&wish.follow.package, platform)
            .find(|release| release.details.version == version)?;
        Some(Desired {
            package: wish.follow.package,
            version,
            target: release.target.clone(),
            hash: release.hash,
            length: release.length,
            not_before: target.not_before,
            generation: target.generation,
            channel: match wish.follow.pin {
                Some(_) => None,
                None => Some(wish.follow.channel),
            },
        })
    }

    /// True while a rollout may move, so that news of hosts matter to the decider.
    pub(crate) fn anything_moves(&self) -> bool {
        self.channels
            .values()
            .flat_map(|channel| &channel.rollouts)
            .map(|ordered| ordered.rollout.state)
            .any(|state| !state.is_over() && state != RolloutState::Halted)
    }
}

/// One package among what is installed.
pub(crate) fn installed_of<'a>(
    installed: &'a [Installed],
    package: &PackageName,
) -> Option<&'a Installed> {
    installed.iter().find(|it| it.package == *package)
}
