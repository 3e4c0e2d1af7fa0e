//! What one host should run.

use jiff::Timestamp;
use lockstep_model::{Rollout, RolloutState, Version, Wave, WaveState};

use super::facts::HostFacts;

/// The order for one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The version.
    pub version: Version,
    /// The generation of the order: always that of the newest rollout, whatever version it is. A host that has seen
    /// a rollout refuses every order that is older, so the order to go back must not be.
    pub generation: u64,
    /// Not to be begun before.
    pub not_before: Timestamp,
}

/// What `host` should run, from the rollouts of one package and channel, the newest first; `host` holds the facts
/// that concern the newest one. None is no order: the host stays as it is.
///
/// A host that has been let go should run the new version, unless it failed it, or the rollout halted before the
/// host had proven it. When the rollout is done every host should, those that joined meanwhile as well. Everybody
/// else should run what came before: the version of the last rollout that was done, or that of a rollout cut short
/// by this one, where it has proven itself on this very host. To take such a host back first, only to let it go
/// again later, would be two changes instead of one, and the first of them behind no gate.
#[must_use]
pub fn desired_version(host: &HostFacts, rollouts: &[Rollout]) -> Option<Target> {
    let (newest, older) = rollouts.split_first()?;
    let order = |version: &Version, not_before| {
        Some(Target {
            version: version.clone(),
            generation: newest.id.0,
            not_before,
        })
    };
    if newest.state == RolloutState::Done && !host.failed {
        return order(&newest.version, newest.created_at);
    }
    if may_run(newest, host)
        && let Some(wave) = wave_of(newest, host).filter(|wave| is_let_go(wave))
    {
        return order(&newest.version, wave.opened_at.unwrap_or(newest.created_at));
    }
    order(before(newest, older, host)?, newest.created_at)
}

/// Whether a host that was let go should run the rollout's version.
fn may_run(rollout: &Rollout, host: &HostFacts) -> bool {
    match rollout.state {
        RolloutState::Running | RolloutState::Holding => !host.failed,
        RolloutState::Halted => !host.failed && host.has_proven(&rollout.version),
        _ => false,
    }
}

/// What the host should run while the newest rollout does not concern it.
fn before<'a>(newest: &'a Rollout, older: &'a [Rollout], host: &HostFacts) -> Option<&'a Version> {
    older
        .iter()
        .take_while(|rollout| rollout.state == RolloutState::Cancelled)
        .find(|rollout| {
            // A wave in which that rollout stopped was in trouble, or is to be taken back: it does not count.
            let passed = |wave: &Wave| matches!(wave.state, WaveState::Open | WaveState::Proven);
            host.has_proven(&rollout.version) && wave_of(rollout, host).is_some_and(passed)
        })
        .map(|rollout| &rollout.version)
        .or(newest.from.as_ref())
}

/// True if the hosts of the wave have been let go.
pub(super) fn is_let_go(wave: &Wave) -> bool {
    wave.state != WaveState::Waiting
}

fn wave_of<'a>(rollout: &'a Rollout, host: &HostFacts) -> Option<&'a Wave> {
    rollout
        .waves
        .iter()
        .find(|wave| wave.hosts.contains(&host.name))
}
