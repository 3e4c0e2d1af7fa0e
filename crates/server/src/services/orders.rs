//! Standing orders: what each host shall run.
//!
//! Every report asks for them, so they are read from the store at most once a second and shared; what this
//! server changes itself is seen at once. An answer that is a moment old is as good as a report that came a moment
//! earlier.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lockstep_model::api::{Desired, Updates};
use lockstep_model::{
    ChannelName, HostName, PackageName, Platform, Release, Rollout, RolloutState, RunCommand,
    Version,
};
use lockstep_plan::rollout::{self, HostFacts};
use lockstep_trust::consistent_target_path;

use super::fresh::Fresh;
use super::settings;
use crate::app::App;

/// Rollouts that are looked at; those before them are all over.
const NEWEST: u32 = 10;

/// The orders as they stood when they were read.
#[derive(Debug)]
pub(crate) struct Orders {
    /// Whether hosts may update.
    pub(crate) updates: Updates,
    /// Everything that is listed.
    pub(crate) releases: Vec<Release>,
    /// The newest rollouts of the agent's own package on the channel that all hosts follow, newest first.
    rollouts: Vec<Rollout>,
    /// Hosts that failed the newest of these rollouts.
    failed: HashSet<HostName>,
    /// Releases by the path under which their bundles are fetched.
    targets: HashMap<String, usize>,
    /// What people say of runs that have stopped, and the host has not done yet.
    commands: HashMap<HostName, Vec<RunCommand>>,
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
        let (package, channel) = (PackageName::lockstep(), ChannelName::stable());
        let releases = app.store.releases().await?;
        let mut rollouts = app.store.rollouts(NEWEST).await?;
        rollouts.retain(|rollout| rollout.package == package && rollout.channel == channel);
        let failed = match rollouts.first() {
            Some(newest) => super::rollouts::failed(app, newest).await?,
            None => HashSet::new(),
        };
        let targets = releases
            .iter()
            .enumerate()
            .map(|(index, release)| (consistent_target_path(release), index))
            .collect();
        let mut commands: HashMap<HostName, Vec<RunCommand>> = HashMap::new();
        for (host, command) in app.store.run_commands().await? {
            commands.entry(host).or_default().push(command);
        }
        Ok(Self {
            commands,
            updates: settings::updates(app).await?,
            releases,
            rollouts,
            failed,
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

    /// The listed release of a package for a platform.
    fn release(
        &self,
        package: &PackageName,
        version: &Version,
        platform: &Platform,
    ) -> Option<&Release> {
        self.releases.iter().find(|release| {
            let details = &release.details;
            details.package == *package
                && details.version == *version
                && details.platform.runs_on(platform)
        })
    }

    /// The platforms for which a version is listed.
    pub(crate) fn platforms(&self, package: &PackageName, version: &Version) -> Vec<&Platform> {
        let listed = self.releases.iter().map(|release| &release.details);
        listed
            .filter(|details| details.package == *package && details.version == *version)
            .map(|details| &details.platform)
            .collect()
    }

    /// The version of the agent that a host shall run.
    pub(crate) fn target_of(&self, host: &HostFacts) -> Option<rollout::Target> {
        rollout::desired_version(host, &self.rollouts)
    }

    /// What matters to orders of a host that runs this version of the agent.
    pub(crate) fn facts(
        &self,
        host: &HostName,
        version: Option<Version>,
        proven: bool,
    ) -> HostFacts {
        let newest = self.rollouts.first().map(|rollout| &rollout.version);
        let has_proven = proven && version.is_some() && version.as_ref() == newest;
        HostFacts {
            name: host.clone(),
            failed: self.failed.contains(host) && !has_proven,
            version,
            proven,
            silent: false,
            running: false,
        }
    }

    /// What a host shall run. None where nothing was ever promoted, nothing listed runs on the host, or the release
    /// was withdrawn: then it stays as it is.
    pub(crate) fn desired(&self, host: &HostFacts, platform: Option<&Platform>) -> Option<Desired> {
        let target = self.target_of(host)?;
        let package = PackageName::lockstep();
        let release = self.release(&package, &target.version, platform?)?;
        Some(Desired {
            package,
            version: target.version,
            target: release.target.clone(),
            hash: release.hash,
            length: release.length,
            not_before: target.not_before,
            generation: target.generation,
        })
    }

    /// True while a rollout may move, so that news of hosts matter to the decider.
    pub(crate) fn anything_moves(&self) -> bool {
        self.rollouts
            .iter()
            .any(|rollout| !rollout.state.is_over() && rollout.state != RolloutState::Halted)
    }
}
