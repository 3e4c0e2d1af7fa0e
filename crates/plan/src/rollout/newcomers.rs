//! Hosts that join the group while a rollout is under way.

use std::collections::{HashMap, HashSet};

use lockstep_model::{HostName, Late, Rollout, RolloutState, WaveState};

use super::draw::sort_by_turns;
use super::facts::HostFacts;
use super::why::Names;

/// Lets hosts that joined the group into a wave, if the strategy says so: into the last one, while that is not open, or
/// into the open one, once the first has proven the version. Returns which wave, and who; none if nobody was taken in.
pub(super) fn take_in(
    rollout: &mut Rollout,
    facts: &HashMap<&HostName, &HostFacts>,
) -> Option<(usize, Names)> {
    let waves = &rollout.waves;
    let moves = matches!(rollout.state, RolloutState::Running | RolloutState::Holding);
    if !moves || waves.is_empty() || rollout.strategy.late == Late::After {
        return None;
    }
    let last = waves.len() - 1;
    let one_is_proven = waves[0].state == WaveState::Proven;
    let open = waves
        .iter()
        .rposition(|wave| wave.state != WaveState::Waiting);
    let into = match (rollout.strategy.late, open) {
        (Late::AtOnce, Some(open)) if one_is_proven => open,
        (Late::Join, _) if waves[last].state == WaveState::Waiting => last,
        _ => return None,
    };
    let known: HashSet<&HostName> = waves.iter().flat_map(|wave| &wave.hosts).collect();
    let newcomers = facts.keys().filter(|host| !known.contains(*host));
    let mut joined: Vec<HostName> = newcomers.map(|&host| host.clone()).collect();
    if joined.is_empty() {
        return None;
    }
    let names = Names::of(&joined);
    let wave = &mut rollout.waves[into];
    // Those that were let go keep their places at the front.
    let mut waiting = wave.hosts.split_off(wave.split().0.len());
    waiting.append(&mut joined);
    sort_by_turns(&mut waiting, rollout.id);
    wave.let_go = wave.hosts.len();
    wave.hosts.append(&mut waiting);
    if wave.state == WaveState::Proven {
        // It has hosts again that must prove themselves.
        wave.state = WaveState::Open;
        wave.proven_at = None;
    }
    Some((into, names))
}
