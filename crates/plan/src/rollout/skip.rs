//! Leaving one host out of a rollout, and taking it in again.
//!
//! A host that is left out is not ordered to begin. It keeps what it had, as if its turn had not come, also when the rollout
//! is done. Gates do not wait for it, and do not count it as silent or worse; the place that it would take in flight is
//! free. While its wave has nobody else, and when its wave opens, the next one in the draw goes in its place.
//!
//! What it has begun it finishes, and counts. What it begins it says with its next report. So one that was told to begin
//! counts as if nobody had left it out until it reports again ([`SKIP_KNOWN_WITHIN`]): its place in flight is taken, gates
//! wait for it, and if it falls silent it counts as silent. One that was told to begin and has fallen silent cannot be left
//! out until it reports. A failure counts whoever was left out, and the comparison with others looks at the same hosts as
//! before: nobody picks who is looked at.
//!
//! [`SKIP_KNOWN_WITHIN`]: super::SKIP_KNOWN_WITHIN

use jiff::Timestamp;
use lockstep_model::{HostName, Rollout, RolloutId, RolloutState, SkippedHost};

use super::command::{Refused, wrong_state};
use super::facts::HostFacts;
use super::tick::Step;
use super::why::{Decision, Why};

/// Leaves a host out of the rollout until [`take_back`], or the next rollout, which knows nothing of it. `known` is what
/// is known of the host; none if it does not follow the channel, or has left the fleet. `now` is when the answer is stored,
/// not when the person asked: who reports in between is told to begin.
pub fn skip_host(
    rollout: &Rollout,
    host: &HostName,
    known: Option<&HostFacts>,
    by: &str,
    why: &str,
    now: Timestamp,
) -> Result<Step, Refused> {
    if !matches!(
        rollout.state,
        RolloutState::Planned | RolloutState::Running | RolloutState::Holding
    ) {
        return Err(wrong_state("skip a host of", rollout));
    }
    let (id, host) = (rollout.id, host.clone());
    if let Some(earlier) = rollout.skipped.get(&host) {
        let by = earlier.by.clone();
        return Err(Refused::HostSkippedAlready { id, host, by });
    }
    let mut members = rollout.waves.iter().flat_map(|wave| &wave.hosts);
    if known.is_none() && !members.any(|it| *it == host) {
        return Err(Refused::NotItsHost { id, host });
    }
    let version = rollout.version.clone();
    match known {
        Some(known) if known.failed => return Err(Refused::HostFailed { id, host, version }),
        Some(known) if known.has_begun(&rollout.version) => {
            return Err(Refused::HostHasBegun { id, host, version });
        }
        Some(known) if known.health.silent && known.was_told(rollout) => {
            return Err(Refused::HostMayHaveBegun { id, host, version });
        }
        _ => {}
    }
    if rollout.skipped.len() >= Rollout::MOST_SKIPPED {
        return Err(Refused::TooManySkipped { id });
    }
    let mut next = rollout.clone();
    let skipped = SkippedHost {
        by: by.into(),
        why: why.into(),
        since: now,
        told: known.is_some_and(|known| known.was_told(rollout)),
    };
    next.skipped.insert(host.clone(), skipped);
    let (by, why) = (by.into(), why.into());
    // Where the rollout stands the next look says.
    let said = Decision::Ordered(Why::LeftOut { host, by, why });
    Ok(Step::of(next, vec![said]))
}

/// Takes a host in again that was left out. Its turn is then where it was in the waves; of a rollout that is done it gets
/// the version at once, as one that comes late. `newest` is the newest rollout of its channel: what an older one says reaches
/// nobody any more.
pub fn take_back(
    rollout: &Rollout,
    host: &HostName,
    by: &str,
    newest: RolloutId,
) -> Result<Step, Refused> {
    if !matches!(
        rollout.state,
        RolloutState::Planned | RolloutState::Running | RolloutState::Holding | RolloutState::Done
    ) {
        return Err(wrong_state("take a host back into", rollout));
    }
    if newest != rollout.id {
        return Err(Refused::NotTheNewest {
            id: rollout.id,
            host: host.clone(),
            newest,
        });
    }
    let mut next = rollout.clone();
    if next.skipped.remove(host).is_none() {
        return Err(Refused::HostNotSkipped {
            id: rollout.id,
            host: host.clone(),
        });
    }
    let said = Decision::Ordered(Why::TakenIn {
        host: host.clone(),
        by: by.into(),
    });
    Ok(Step::of(next, vec![said]))
}
