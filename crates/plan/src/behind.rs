//! Which hosts do not run what their channel says, and what is in the way of each, in short.

use lockstep_model::api::operator::{ChannelBehind, HostBehind, WhyBehind};
use lockstep_model::{ChannelName, HostName, PackageName, RolloutId, RolloutState, Version};

/// What a channel says.
#[derive(Debug, Clone)]
pub struct Channel {
    /// The package.
    pub package: PackageName,
    /// The channel's name.
    pub channel: ChannelName,
    /// The version at which it points.
    pub version: Version,
    /// Its newest rollout, and where that stands.
    pub rollout: Option<(RolloutId, RolloutState)>,
}

/// A host that follows a channel.
#[derive(Debug, Clone, Copy)]
pub struct Follower<'a> {
    /// Its name.
    pub host: &'a HostName,
    /// The version that it runs.
    pub version: Option<&'a Version>,
    /// True if there is a release of the channel's version for its platform.
    pub has_release: bool,
    /// True if a person on the host keeps the package as it is.
    pub kept: bool,
    /// True if a run of the package is at work.
    pub running: bool,
    /// True if it failed on the channel's version, or took it back.
    pub failed: bool,
    /// True if nothing is heard of it.
    pub silent: bool,
}

impl Follower<'_> {
    /// What is in its way: first what lasts until somebody does something.
    fn why(&self) -> WhyBehind {
        match self {
            it if !it.has_release => WhyBehind::NoRelease,
            it if it.kept => WhyBehind::Kept,
            it if it.silent => WhyBehind::Silent,
            it if it.running => WhyBehind::Running,
            it if it.failed => WhyBehind::Failed,
            _ => WhyBehind::Waits,
        }
    }
}

/// Who of a channel's followers is behind, in their order. A host that runs a newer version is not where the channel wants
/// it either.
#[must_use]
pub fn behind(channel: Channel, followers: &[Follower<'_>]) -> ChannelBehind {
    let those = || {
        let other = |it: &&Follower<'_>| it.version != Some(&channel.version);
        followers.iter().filter(other)
    };
    let hosts = those().take(ChannelBehind::MOST).map(|it| HostBehind {
        host: it.host.clone(),
        version: it.version.cloned(),
        why: it.why(),
    });
    let (rollout, state) = channel.rollout.unzip();
    ChannelBehind {
        followers: followers.len() as u64,
        behind: those().count() as u64,
        hosts: hosts.collect(),
        rollout,
        state,
        package: channel.package,
        channel: channel.channel,
        version: channel.version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_another_version_is_behind_and_the_lasting_reason_counts() {
        let version = |text: &str| Version::parse(text).unwrap();
        let (old, new, host) = (
            version("1.3.0"),
            version("1.4.0"),
            HostName::parse("web1").unwrap(),
        );
        let follower = Follower {
            host: &host,
            version: Some(&old),
            has_release: true,
            kept: false,
            running: false,
            failed: false,
            silent: false,
        };
        let followers = [
            Follower {
                version: Some(&new),
                silent: true,
                ..follower
            },
            follower,
            Follower {
                version: None,
                failed: true,
                ..follower
            },
            Follower {
                failed: true,
                running: true,
                ..follower
            },
            Follower {
                running: true,
                silent: true,
                ..follower
            },
            Follower {
                kept: true,
                silent: true,
                ..follower
            },
            Follower {
                kept: true,
                has_release: false,
                ..follower
            },
        ];
        let channel = Channel {
            package: PackageName::parse("web").unwrap(),
            channel: ChannelName::stable(),
            version: new.clone(),
            rollout: Some((RolloutId(3), RolloutState::Running)),
        };
        let found = behind(channel, &followers);
        assert_eq!((found.followers, found.behind), (7, 6));
        let why: Vec<WhyBehind> = found.hosts.iter().map(|it| it.why).collect();
        assert_eq!(
            why,
            [
                WhyBehind::Waits,
                WhyBehind::Failed,
                WhyBehind::Running,
                WhyBehind::Silent,
                WhyBehind::Kept,
                WhyBehind::NoRelease,
            ]
        );
        assert_eq!(found.rollout, Some(RolloutId(3)));
    }
}
