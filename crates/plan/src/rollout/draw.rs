//! Drawing hosts for waves.

use std::collections::HashMap;

use lockstep_model::{HostName, RolloutId, Strategy, Wave, WaveState};

use super::facts::HostFacts;
use crate::schedule::stable_hash;

/// Draws the waves of rollout `id`: first as many hosts as the strategy wants for canaries, then the rest. No wave
/// is empty, and no host is in two.
///
/// The draw depends on the rollout's number, so that it is not always the same host that goes first; it does not
/// depend on the order of the candidates. Within a wave, hosts are in the order of their names.
#[must_use]
pub fn start(strategy: &Strategy, candidates: &[HostName], id: RolloutId) -> Vec<Wave> {
    let mut hosts = candidates.to_vec();
    hosts.sort_by_cached_key(|host| (lot(id, host), host.clone()));
    hosts.dedup();
    let canaries = usize::try_from(strategy.canaries)
        .unwrap_or(usize::MAX)
        .min(hosts.len());
    let rest = hosts.split_off(canaries);
    [hosts, rest]
        .into_iter()
        .filter(|hosts| !hosts.is_empty())
        .map(wave_of)
        .collect()
}

fn wave_of(mut hosts: Vec<HostName>) -> Wave {
    hosts.sort();
    Wave {
        hosts,
        state: WaveState::Waiting,
        opened_at: None,
        proven_at: None,
    }
}

/// The lot of a host in the draw for a rollout; the smallest goes first.
fn lot(id: RolloutId, host: &HostName) -> u64 {
    stable_hash::<&[u8]>(&[b"rollout", &id.0.to_le_bytes(), host.as_str().as_bytes()])
}

/// When a host of a wave is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replace {
    /// The wave is about to be opened: who is silent or has left the fleet would only block it.
    SilentOrGone,
    /// The wave is open and nobody of it is left, so it would pass without any evidence.
    Gone,
}

/// Lets hosts of later waves, which have not been opened, stand in for hosts of wave `index` that cannot show
/// anything; those wait there instead. The next ones in the draw come first. Returns who left the wave and who came.
///
/// Nobody stands in who is silent or failed, or, for a host that is gone, nobody but hosts of the fleet. All waves
/// keep their sizes.
pub(super) fn replace(
    waves: &mut [Wave],
    index: usize,
    id: RolloutId,
    facts: &HashMap<&HostName, &HostFacts>,
    which: Replace,
) -> (Vec<HostName>, Vec<HostName>) {
    let (mut left, mut came) = (Vec::new(), Vec::new());
    let Some((wave, later)) = waves.get_mut(index..).and_then(<[Wave]>::split_first_mut) else {
        return (left, came);
    };
    let wanted: Vec<usize> = (0..wave.hosts.len())
        .filter(|&place| match facts.get(&wave.hosts[place]) {
            None => true,
            Some(host) => which == Replace::SilentOrGone && host.silent,
        })
        .collect();
    if wanted.is_empty() {
        return (left, came);
    }
    let mut stand_ins = stand_ins(later, id, facts);
    for place in wanted {
        let gone = !facts.contains_key(&wave.hosts[place]);
        let found = stand_ins.iter().position(|it| it.responds || gone);
        let Some(stand_in) = found.map(|at| stand_ins.remove(at)) else {
            continue;
        };
        let theirs = &mut later[stand_in.wave].hosts[stand_in.place];
        std::mem::swap(&mut wave.hosts[place], theirs);
        left.push(theirs.clone());
        came.push(wave.hosts[place].clone());
    }
    for wave in std::iter::once(wave).chain(later) {
        wave.hosts.sort();
    }
    (left, came)
}

/// A host that could stand in for another one.
struct StandIn {
    wave: usize,
    place: usize,
    responds: bool,
    lot: u64,
}

/// Hosts of the fleet: those that respond first, and then by their lots.
fn stand_ins(
    later: &[Wave],
    id: RolloutId,
    facts: &HashMap<&HostName, &HostFacts>,
) -> Vec<StandIn> {
    let mut found = Vec::new();
    for (wave, hosts) in later.iter().enumerate() {
        for (place, host) in hosts.hosts.iter().enumerate() {
            let Some(known) = facts.get(host) else {
                continue;
            };
            found.push(StandIn {
                wave,
                place,
                responds: !known.silent && !known.failed,
                lot: lot(id, host),
            });
        }
    }
    found.sort_by_key(|it| (!it.responds, it.lot));
    found
}
