//! Which host follows what, by the fleet file and by what the host says of itself.

use lockstep_model::api::Facts;
use lockstep_model::{ChannelName, Follow, HostName, PackageName, Platform};
use lockstep_plan::rollout::Labels;

use super::fleet::Accepted;

/// The label of hosts that speak through a gateway.
const GATEWAY: &str = "gateway";

/// What a host says of itself, as labels.
pub(crate) fn said(
    os: &str,
    kernel: &str,
    platform: Option<&Platform>,
    gateway: Option<&str>,
) -> Labels {
    let platform = platform.map(ToString::to_string).unwrap_or_default();
    let labels = [
        ("os", os),
        ("kernel", kernel),
        ("platform", &platform),
        (GATEWAY, gateway.unwrap_or_default()),
    ];
    labels
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// What a host says of itself in its facts.
pub(crate) fn said_in(facts: &Facts) -> Labels {
    let (platform, gateway) = (facts.platform.as_ref(), facts.gateway.as_deref());
    said(&facts.os, &facts.kernel, platform, gateway)
}

/// All labels of a host: what the fleet file says counts more than what the host says.
pub(crate) fn labels(accepted: Option<&Accepted>, host: &HostName, mut said: Labels) -> Labels {
    if let Some(accepted) = accepted {
        let file = accepted.fleet.labels_of(host).iter();
        said.extend(file.map(|(key, value)| (key.clone(), value.clone())));
    }
    said
}

/// What a host follows, one for each package.
pub(crate) fn follows(accepted: Option<&Accepted>, host: &HostName, said: &Labels) -> Vec<Follow> {
    let mut follows = match accepted {
        Some(accepted) if accepted.fleet.has_follow_rules() => accepted.fleet.follows(host, said),
        _ => vec![Follow::agent()],
    };
    if said.contains_key(GATEWAY) {
        follows.retain(|follow| follow.package != PackageName::lockstep());
    }
    follows
}

/// True if a host follows this channel for the package, and is not held at a version.
pub(crate) fn does_follow(
    accepted: Option<&Accepted>,
    host: &HostName,
    said: &Labels,
    package: &PackageName,
    channel: &ChannelName,
) -> bool {
    are_of(&follows(accepted, host, said), package, channel)
}

/// The same of what a host follows.
pub(crate) fn are_of(follows: &[Follow], package: &PackageName, channel: &ChannelName) -> bool {
    let is_it = |it: &Follow| it.package == *package && it.channel == *channel && it.pin.is_none();
    follows.iter().any(is_it)
}
