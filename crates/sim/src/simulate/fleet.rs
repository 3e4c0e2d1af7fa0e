//! The hosts of a simulation: numbers instead of names, and the waves that were drawn of them.

use std::collections::{BTreeMap, HashMap};

use lockstep_model::{HostName, RolloutId, Strategy};
use lockstep_plan::rollout::{interleave, lot, turn};
use lockstep_plan::schedule::stable_hash;

/// Hosts of one invented rack: from so many to so many.
const RACK: (u64, u64) = (20, 40);
/// Hosts of one invented site, roughly.
const SITE: u32 = 500;

/// A host as the simulation is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name, from which its lot and its turn follow.
    pub name: HostName,
    /// Its failure domain; empty where it has none.
    pub domain: String,
    /// Its site, if it has one.
    pub site: Option<String>,
}

/// Hosts and the waves that are drawn of them, which many simulations share. A host is a number from 0 on.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// Who stands in for others first, by the draw.
    pub(super) lots: Vec<u64>,
    /// When a host's turn comes within its wave.
    pub(super) turns: Vec<u64>,
    /// The site of each host, and [`Self::NOWHERE`] for none.
    pub(super) sites: Vec<u32>,
    /// Hosts of each wave, by their turns.
    pub(super) waves: Vec<Vec<u32>>,
    /// Sites that there are.
    pub(super) site_count: usize,
}

impl Fleet {
    /// The site of hosts that have none.
    pub(super) const NOWHERE: u32 = u32::MAX;
    /// Most hosts.
    pub const MOST: u32 = 10_000_000;

    /// These hosts, with the waves that rollout `id` would draw of them.
    #[must_use]
    pub fn of(hosts: &[Host], strategy: &Strategy, id: RolloutId) -> Self {
        let mut sites: HashMap<&str, u32> = HashMap::new();
        let mut fleet = Self::with_capacity(hosts.len());
        for host in hosts {
            let site = host.site.as_deref().map_or(Self::NOWHERE, |site| {
                let next = u32::try_from(sites.len()).unwrap_or(Self::NOWHERE);
                *sites.entry(site).or_insert(next)
            });
            fleet.push(id, &host.name, site);
        }
        fleet.site_count = sites.len();
        let domains: Vec<&str> = hosts.iter().map(|host| host.domain.as_str()).collect();
        fleet.draw(strategy, &domains, id);
        fleet
    }

    /// These hosts with their labels, of which the strategy says what is a failure domain and what a site.
    #[must_use]
    pub fn labelled(
        hosts: &[(HostName, BTreeMap<String, String>)],
        strategy: &Strategy,
        id: RolloutId,
    ) -> Self {
        let label = |labels: &BTreeMap<String, String>, label: Option<&String>| {
            label.and_then(|label| labels.get(label)).cloned()
        };
        let hosts: Vec<Host> = hosts
            .iter()
            .map(|(name, labels)| Host {
                name: name.clone(),
                domain: label(labels, strategy.domain.as_ref()).unwrap_or_default(),
                site: label(labels, strategy.site.as_ref()),
            })
            .collect();
        Self::of(&hosts, strategy, id)
    }

    /// So many invented hosts, in racks of 20 to 40 and sites of about 500. Racks and sites count for as much as the
    /// strategy says: it may name a domain, or a site, or neither.
    #[must_use]
    pub fn invented(hosts: u32, strategy: &Strategy, id: RolloutId) -> Self {
        let mut fleet = Self::with_capacity(hosts as usize);
        let mut racks: Vec<String> = Vec::new();
        let mut rack_of = Vec::with_capacity(hosts as usize);
        let mut left = 0;
        for number in 0..hosts {
            if left == 0 {
                let drawn = stable_hash(&[b"rack".as_slice(), &number.to_le_bytes()]);
                left = RACK.0 + drawn % (RACK.1 - RACK.0 + 1);
                racks.push(format!("rack-{}", racks.len()));
            }
            left -= 1;
            rack_of.push(racks.len() - 1);
            let site = number / SITE;
            if let Ok(name) = HostName::parse(&format!("host-{number}")) {
                fleet.push(id, &name, site);
            }
            fleet.site_count = site as usize + 1;
        }
        let domains: Vec<&str> = rack_of
            .iter()
            .map(|&rack| {
                if strategy.domain.is_some() {
                    racks[rack].as_str()
                } else {
                    ""
                }
            })
            .collect();
        fleet.draw(strategy, &domains, id);
        fleet
    }

    fn with_capacity(hosts: usize) -> Self {
        Self {
            lots: Vec::with_capacity(hosts),
            turns: Vec::with_capacity(hosts),
            sites: Vec::with_capacity(hosts),
            waves: Vec::new(),
            site_count: 0,
        }
    }

    fn push(&mut self, id: RolloutId, name: &HostName, site: u32) {
        self.lots.push(lot(id, name));
        self.turns.push(turn(id, name));
        self.sites.push(site);
    }

    /// Draws the waves, as `plan::rollout::start` draws them of names.
    fn draw(&mut self, strategy: &Strategy, domains: &[&str], id: RolloutId) {
        let lots: Vec<(u32, u64, &str)> = (0_u32..)
            .zip(&self.lots)
            .zip(domains)
            .map(|((host, lot), domain)| (host, *lot, *domain))
            .collect();
        let mut order = interleave(&lots, id.0).into_iter();
        self.waves = strategy
            .sizes(lots.len())
            .into_iter()
            .map(|size| {
                let mut hosts: Vec<u32> = order.by_ref().take(size).collect();
                self.sort_by_turns(&mut hosts);
                hosts
            })
            .collect();
    }

    /// Brings hosts into the order in which they are let go within their wave.
    pub(super) fn sort_by_turns(&self, hosts: &mut [u32]) {
        hosts.sort_unstable_by_key(|&host| (self.turns[host as usize], host));
    }

    /// How many hosts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lots.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lots.is_empty()
    }

    /// How many hosts each wave has.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        self.waves.iter().map(Vec::len).collect()
    }

    /// How many sites there are.
    #[must_use]
    pub fn sites(&self) -> usize {
        self.site_count
    }
}
