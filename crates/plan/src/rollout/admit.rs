//! Who of an open wave is let go now: each host at its moment, within the strategy's limits.

use std::collections::HashMap;
use std::hash::Hash;

use jiff::Timestamp;
use lockstep_model::{HostName, Rollout, Strategy, WaveState};

use super::draw::turn;
use super::facts::{HostFacts, Standing};
use super::why::Short;
use crate::spread;

/// What is left of the strategy's limits. `S` names a site.
#[derive(Debug, Clone)]
pub struct Budget<S> {
    in_flight: Option<(usize, usize)>,
    fit: Option<(usize, usize, usize)>,
    sites: Option<(u64, HashMap<S, u64>)>,
}

/// What limits look at: the hosts of a rollout that are in the fleet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Strength {
    /// How many there are.
    pub hosts: usize,
    /// Let go, and not come to an end.
    pub in_flight: usize,
    /// Fit, and not in flight.
    pub fit: usize,
}

/// A host that could be let go.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<S> {
    /// True if it is fit now: while it is in flight it does not count as fit.
    pub fit: bool,
    /// Its site, where the strategy names a label and the host has it.
    pub site: Option<S>,
    /// What it would fetch, in bytes.
    pub bytes: u64,
}

impl<S: Hash + Eq> Budget<S> {
    /// What a strategy leaves, with so many hosts, and so many bytes under way to each site.
    #[must_use]
    pub fn new(strategy: &Strategy, strength: Strength, under_way: HashMap<S, u64>) -> Self {
        let in_flight = strategy.in_flight.map(|limit| {
            // With a limit that rounds down to nobody, nobody would ever go.
            let limit = limit.of(strength.hosts).max(1);
            (limit.saturating_sub(strength.in_flight), limit)
        });
        let fit = strategy.fit.map(|demanded| {
            let demanded = demanded.of(strength.hosts);
            let spare = strength.fit.saturating_sub(demanded);
            (spare, demanded, strength.hosts)
        });
        let sites = strategy.site_bytes.map(|bytes| (bytes, under_way));
        Self {
            in_flight,
            fit,
            sites,
        }
    }

    /// Takes what a host needs, or says what is short. Nothing is taken then.
    pub fn take(&mut self, candidate: Candidate<S>) -> Result<(), Short> {
        if let Some((0, limit)) = self.in_flight {
            return Err(Short::InFlight { limit });
        }
        if candidate.fit
            && let Some((0, demanded, hosts)) = self.fit
        {
            return Err(Short::Fit { demanded, hosts });
        }
        if let Some((most, under_way)) = &mut self.sites
            && let Some(site) = candidate.site
        {
            let bytes = under_way.entry(site).or_default();
            if *bytes > 0 && bytes.saturating_add(candidate.bytes) > *most {
                return Err(Short::Sites { bytes: *most });
            }
            *bytes = bytes.saturating_add(candidate.bytes);
        }
        if let Some((left, _)) = &mut self.in_flight {
            *left -= 1;
        }
        if candidate.fit
            && let Some((spare, ..)) = &mut self.fit
        {
            *spare -= 1;
        }
        Ok(())
    }

    /// The bytes that are under way to each site now, those of hosts that were taken included; empty where the strategy
    /// does not limit them.
    #[must_use]
    pub fn into_under_way(self) -> HashMap<S, u64> {
        self.sites
            .map(|(_, under_way)| under_way)
            .unwrap_or_default()
    }
}

/// When a host with this turn may be let go, in a wave that was opened then.
#[must_use]
pub fn moment(strategy: &Strategy, opened_at: Timestamp, turn: u64) -> Timestamp {
    let delay = spread::delay(&strategy.spread, turn);
    opened_at.checked_add(delay).unwrap_or(Timestamp::MAX)
}

/// Who was let go just now, and why nobody else was.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    pub(super) hosts: Vec<HostName>,
    pub(super) short: Option<Short>,
}

/// Lets go whoever may go now. In each open wave those that were let go stand first, in the order in which they were.
pub(super) fn admit(
    rollout: &mut Rollout,
    facts: &HashMap<&HostName, &HostFacts>,
    now: Timestamp,
) -> Admitted {
    let mut admitted = Admitted::default();
    let windows = &rollout.strategy.windows;
    if !windows.is_open(now) {
        admitted.short = Some(Short::Shut {
            opens: windows.opens(now),
        });
        return admitted;
    }
    let mut budget = budget(rollout, facts);
    // The waves change while the rest of the rollout is looked at.
    let mut waves = std::mem::take(&mut rollout.waves);
    for wave in &mut waves {
        if !matches!(wave.state, WaveState::Open | WaveState::Proven) {
            continue;
        }
        let opened_at = wave.opened_at.unwrap_or(now);
        let (let_go, waiting) = wave.split();
        let mut order = let_go.to_vec();
        let mut left = Vec::new();
        for name in waiting {
            let host = facts.get(name);
            let verdict = host.map_or(Ok(false), |host| {
                may_go(host, rollout, opened_at, now, &mut budget)
            });
            match verdict {
                Ok(true) => {
                    order.push(name.clone());
                    admitted.hosts.push(name.clone());
                }
                Ok(false) => left.push(name.clone()),
                Err(short) => {
                    left.push(name.clone());
                    // The reason that ends last is told: a limit rather than a moment that comes by itself.
                    let told = admitted.short.get_or_insert_with(|| short.clone());
                    if matches!(told, Short::Moment { .. })
                        && !matches!(short, Short::Moment { .. })
                    {
                        *told = short;
                    }
                }
            }
        }
        wave.let_go = order.len();
        order.append(&mut left);
        wave.hosts = order;
    }
    rollout.waves = waves;
    admitted
}

/// Why a host of an open wave would not be let go now; none if nothing is short.
pub(super) fn short_of(
    rollout: &Rollout,
    wave: usize,
    host: &HostFacts,
    facts: &HashMap<&HostName, &HostFacts>,
    now: Timestamp,
) -> Option<Short> {
    let strategy = &rollout.strategy;
    if !strategy.windows.is_open(now) {
        let opens = strategy.windows.opens(now);
        return Some(Short::Shut { opens });
    }
    let opened_at = rollout.waves.get(wave)?.opened_at.unwrap_or(now);
    let mut budget = budget(rollout, facts);
    may_go(host, rollout, opened_at, now, &mut budget).err()
}

/// Whether a host goes now; no if it could show nothing.
fn may_go<'a>(
    host: &'a HostFacts,
    rollout: &Rollout,
    opened_at: Timestamp,
    now: Timestamp,
    budget: &mut Budget<&'a str>,
) -> Result<bool, Short> {
    match host.standing(rollout) {
        // It has the version already: it costs nothing.
        Standing::Proven => return Ok(true),
        Standing::Silent | Standing::Kept | Standing::Skipped | Standing::Failed => {
            return Ok(false);
        }
        // It was told to begin and then left out: it counts until it reports, and is not ordered to begin.
        Standing::Ordered if rollout.skipped.contains_key(&host.name) => return Ok(false),
        Standing::Ordered | Standing::Running => {}
    }
    let strategy = &rollout.strategy;
    let at = moment(strategy, opened_at, turn(rollout.id, &host.name));
    if now < at {
        return Err(Short::Moment { at });
    }
    budget.take(Candidate {
        fit: host.health.is_fit(),
        site: site_of(strategy, host),
        bytes: host.bytes,
    })?;
    Ok(true)
}

fn site_of<'a>(strategy: &Strategy, host: &'a HostFacts) -> Option<&'a str> {
    let label = strategy.site.as_ref()?;
    host.labels.get(label).map(String::as_str)
}

fn budget<'a>(rollout: &Rollout, facts: &HashMap<&HostName, &'a HostFacts>) -> Budget<&'a str> {
    let mut strength = Strength::default();
    let mut under_way = HashMap::new();
    for wave in &rollout.waves {
        let (let_go, _) = wave.split();
        for (place, name) in wave.hosts.iter().enumerate() {
            let Some(host) = facts.get(name).copied() else {
                continue;
            };
            strength.hosts += 1;
            if place < let_go.len() && host.is_in_flight(rollout) {
                strength.in_flight += 1;
                if let Some(site) = site_of(&rollout.strategy, host) {
                    *under_way.entry(site).or_default() += host.bytes;
                }
            } else if host.health.is_fit() {
                strength.fit += 1;
            }
        }
    }
    Budget::new(&rollout.strategy, strength, under_way)
}
