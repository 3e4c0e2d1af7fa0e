//! How hosts stood before: what they are compared with.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use lockstep_model::{Baseline, Health, HostName, Rollout, Wave};

use super::facts::HostFacts;

/// What is known of each host from before, from what was kept with a rollout, in its order.
#[must_use]
pub fn before(baselines: &[Baseline], rollout: &Rollout) -> HashMap<HostName, Health> {
    let mut known: HashMap<HostName, Health> = HashMap::new();
    let mut was_let_go: HashSet<&HostName> = HashSet::new();
    for baseline in baselines {
        if baseline.opening {
            known.retain(|host, _| was_let_go.contains(host));
            for host in rollout.waves.iter().flat_map(|wave| &wave.hosts) {
                if !was_let_go.contains(host) {
                    known.insert(host.clone(), Health::default());
                }
            }
        }
        for (host, health) in &baseline.hosts {
            known.insert(host.clone(), health.clone());
            if !baseline.opening {
                was_let_go.insert(host);
            }
        }
    }
    known
}

/// Hosts are compared with how they stood when it was written down: those that were let go, and, when a wave was opened,
/// those that wait.
pub(super) fn note(hosts: &mut Cow<'_, [HostFacts]>, rollout: &Rollout, written: &[Baseline]) {
    let names = |let_go: bool| {
        let split = rollout.waves.iter().map(Wave::split);
        split.flat_map(move |(gone, waiting)| if let_go { gone } else { waiting })
    };
    let mut noted: HashSet<&HostName> = HashSet::new();
    if written.iter().any(|baseline| baseline.opening) {
        noted.extend(names(false));
    }
    let just_let_go = written.iter().filter(|baseline| !baseline.opening);
    noted.extend(just_let_go.flat_map(|baseline| baseline.hosts.iter().map(|(host, _)| host)));
    for host in hosts.to_mut() {
        if noted.contains(&host.name) {
            host.before = Some(host.health.clone());
        }
    }
}
