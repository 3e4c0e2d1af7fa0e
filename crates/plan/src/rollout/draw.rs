//! Drawing hosts for waves.

use std::collections::{HashMap, HashSet};

use lockstep_model::{HostName, Rollout, RolloutId, Strategy, Wave};

use super::domains::interleave;
use super::facts::HostFacts;
use crate::schedule::stable_hash;

/// Draws the waves of rollout `id` by the strategy's sizes. No wave is empty, and no host is in two. Each candidate
/// comes with its failure domain, which is empty where the strategy names no label or the host does not have it.
///
/// The draw depends on the rollout's number, so that it is not always the same host that goes first; it does not
/// depend on the order of the candidates. Within a wave, hosts stand by their turns.
#[must_use]
pub fn start(strategy: &Strategy, candidates: &[(HostName, &str)], id: RolloutId) -> Vec<Wave> {
    let mut seen = HashSet::new();
    let lots: Vec<(&HostName, u64, &str)> = candidates
        .iter()
        .filter(|(host, _)| seen.insert(host))
        .map(|(host, domain)| (host, lot(id, host), *domain))
        .collect();
    let mut order = interleave(&lots, id.0).into_iter();
    let sizes = strategy.sizes(lots.len());
    sizes
        .into_iter()
        .map(|size| {
            let mut hosts: Vec<HostName> = order.by_ref().take(size).cloned().collect();
            sort_by_turns(&mut hosts, id);
            Wave::waiting(hosts)
        })
        .collect()
}

/// Brings hosts into the order in which they are let go within their wave.
pub(super) fn sort_by_turns(hosts: &mut [HostName], id: RolloutId) {
    hosts.sort_by_cached_key(|host| (turn(id, host), host.clone()));
}

/// The lot of a host in the draw for a rollout; the smallest goes first.
#[must_use]
pub fn lot(id: RolloutId, host: &HostName) -> u64 {
    stable_hash::<&[u8]>(&[b"rollout", &id.0.to_le_bytes(), host.as_str().as_bytes()])
}

/// The turn of a host within its wave: the seed of its moment in the strategy's curve.
#[must_use]
pub fn turn(id: RolloutId, host: &HostName) -> u64 {
    stable_hash::<&[u8]>(&[b"turn", &id.0.to_le_bytes(), host.as_str().as_bytes()])
}

/// When a host of a wave is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replace {
    /// The wave is about to be opened: who is silent, keeps itself out of it, was left out of it or has left the fleet would
    /// only block it.
    Unable,
    /// The wave is open, and everybody of it has left, keeps itself out of it or was left out of it, so it would pass
    /// without any evidence.
    Gone,
}

/// Lets hosts of later waves, which have not been opened, stand in for hosts of wave `index` that cannot show
/// anything; those wait there instead. The next ones in the draw come first. Returns who left the wave and who came.
///
/// Nobody stands in who is silent, kept, left out or failed, or, for a host that is gone, nobody but hosts of the fleet. All
/// waves keep their sizes. `rollout` need not have its waves: those are looked at where they are changed.
pub(super) fn replace(
    waves: &mut [Wave],
    index: usize,
    rollout: &Rollout,
    facts: &HashMap<&HostName, &HostFacts>,
    which: Replace,
) -> (Vec<HostName>, Vec<HostName>) {
    let (mut left, mut came) = (Vec::new(), Vec::new());
    let id = rollout.id;
    let Some((wave, later)) = waves.get_mut(index..).and_then(<[Wave]>::split_first_mut) else {
        return (left, came);
    };
    let wanted: Vec<usize> = (0..wave.hosts.len())
        .filter(|&place| match facts.get(&wave.hosts[place]) {
            None => true,
            Some(host) => {
                host.kept
                    || host.is_left_out(rollout)
                    || (which == Replace::Unable && host.health.silent)
            }
        })
        .collect();
    if wanted.is_empty() {
        return (left, came);
    }
    // The best ones come last, so that each is taken off the end.
    let mut stand_ins = stand_ins(later, rollout, facts);
    let unable = stand_ins.partition_point(|it| !it.responds);
    let mut able = stand_ins.split_off(unable);
    for place in wanted {
        let gone = !facts.contains_key(&wave.hosts[place]);
        let found = able
            .pop()
            .or_else(|| if gone { stand_ins.pop() } else { None });
        let Some(stand_in) = found else {
            continue;
        };
        let theirs = &mut later[stand_in.wave].hosts[stand_in.place];
        std::mem::swap(&mut wave.hosts[place], theirs);
        left.push(theirs.clone());
        came.push(wave.hosts[place].clone());
    }
    if which == Replace::Gone {
        // Whoever came has not been let go yet.
        wave.let_go = 0;
    }
    for wave in std::iter::once(wave).chain(later) {
        sort_by_turns(&mut wave.hosts, id);
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

/// Hosts of the fleet: those that respond last, and of them the next in the draw at the very end.
fn stand_ins(
    later: &[Wave],
    rollout: &Rollout,
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
                responds: !known.health.silent
                    && !known.failed
                    && !known.kept
                    && !rollout.skipped.contains_key(host),
                lot: lot(rollout.id, host),
            });
        }
    }
    found.sort_by_key(|it| (it.responds, std::cmp::Reverse(it.lot)));
    found
}
