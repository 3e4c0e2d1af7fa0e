//! Failures that cluster on a label: is it the kernel, the rack, the model of the disk?

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use lockstep_model::{HostName, Rollout};
use serde::{Deserialize, Serialize};

use super::facts::HostFacts;
use crate::stats::fisher_one_sided;

/// A host that was let go, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Tried<'a> {
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// True if it failed.
    pub bad: bool,
}

/// A value of a label that failures cluster on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// The label.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Hosts with this value that failed.
    pub bad_with: u64,
    /// Hosts with it.
    pub with: u64,
    /// Hosts with another value, or without the label, that failed.
    pub bad_without: u64,
    /// All of those.
    pub without: u64,
    /// How likely chance alone does as much to any of the values that were looked at; at most 1 %.
    pub p: f64,
}

/// A cluster is named if chance does as much in one of a hundred fleets, or less often.
const SIGNIFICANT: f64 = 0.01;

/// So many hosts with one value must have failed: two that have something in common are no pattern yet.
const FEWEST_BAD: u64 = 3;

/// Labels that are looked at: the first ones in the order of their names.
const MOST_KEYS: usize = 64;

/// Values that are looked at, those of the most hosts first. A label with more values than this tells hosts apart,
/// instead of grouping them, and is not looked at.
const MOST_VALUES: usize = 10_000;

/// Names the value of a label that failures cluster on, if there is one: the one for which it is least likely that
/// chance alone put so many of the failures there. Of values that are equally unlikely, the one that more of the
/// failures have is taken, then the one that fewer hosts have.
///
/// Each value is judged by [`fisher_one_sided`], and what comes out is multiplied by the number of values that could
/// have been named (Bonferroni), so that fleets with many labels are not accused more often.
#[must_use]
pub fn cluster(tried: &[Tried<'_>]) -> Option<Cluster> {
    let all = number(tried.len());
    let bad = number(tried.iter().filter(|host| host.bad).count());
    if bad < FEWEST_BAD {
        return None;
    }
    let mut groups = groups(tried);
    // What can be named at all. How many failed must not matter here: who picks by the outcome tests more than he
    // counts. Hosts of small groups can, because they are never named however many fail.
    groups.retain(|it| it.with >= FEWEST_BAD && it.with < all);
    groups.sort_by_key(|it| (std::cmp::Reverse(it.with), it.key, it.value));
    groups.truncate(MOST_VALUES);
    let tested = groups.len();
    groups
        .into_iter()
        .filter(|it| it.bad >= FEWEST_BAD)
        .map(|it| {
            let (without, bad_without) = (all - it.with, bad - it.bad);
            let p = fisher_one_sided(it.bad, it.with, bad_without, without);
            Cluster {
                key: it.key.to_owned(),
                value: it.value.to_owned(),
                bad_with: it.bad,
                with: it.with,
                bad_without,
                without,
                p: p * number(tested) as f64,
            }
        })
        .filter(|it| it.p <= SIGNIFICANT)
        .min_by(|one, other| {
            one.p
                .total_cmp(&other.p)
                .then(other.bad_with.cmp(&one.bad_with))
                .then(one.with.cmp(&other.with))
                .then_with(|| (&one.key, &one.value).cmp(&(&other.key, &other.value)))
        })
}

/// Names what the bad ones have in common among the hosts that a rollout has let go, as far as there are facts of them.
#[must_use]
pub fn common(
    rollout: &Rollout,
    facts: &HashMap<&HostName, &HostFacts>,
    is_bad: impl Fn(&HostFacts) -> bool,
) -> Option<Cluster> {
    let let_go = rollout.waves.iter().flat_map(|wave| wave.split().0);
    let tried: Vec<Tried<'_>> = let_go
        .filter_map(|name| facts.get(name))
        .map(|host| Tried {
            labels: &host.labels,
            bad: is_bad(host),
        })
        .collect();
    cluster(&tried)
}

/// Hosts with one value of a label.
struct Group<'a> {
    key: &'a str,
    value: &'a str,
    with: u64,
    bad: u64,
}

/// Hosts by the values of their labels.
fn groups<'a>(tried: &[Tried<'a>]) -> Vec<Group<'a>> {
    // The first labels of all are among the first of each.
    let mut keys = BTreeSet::new();
    for host in tried {
        for key in host.labels.keys().take(MOST_KEYS) {
            if keys.insert(key.as_str()) && keys.len() > MOST_KEYS {
                keys.pop_last();
            }
        }
    }
    let mut found = Vec::new();
    for key in keys {
        let mut values: HashMap<&str, (u64, u64)> = HashMap::new();
        for host in tried {
            let Some(value) = host.labels.get(key) else {
                continue;
            };
            let (with, bad) = values.entry(value).or_default();
            *with += 1;
            *bad += u64::from(host.bad);
            if values.len() > MOST_VALUES {
                break;
            }
        }
        if values.len() <= MOST_VALUES {
            found.extend(values.into_iter().map(|(value, (with, bad))| Group {
                key,
                value,
                with,
                bad,
            }));
        }
    }
    found
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            value,
            bad_with,
            with,
            bad_without,
            without,
            ..
        } = self;
        match (bad_with == with, bad_without) {
            (true, 0) => write!(
                f,
                "all {bad_with} that failed have {key}={value}, none of {without} others"
            ),
            (true, some) => write!(
                f,
                "all {with} with {key}={value} failed, {some} of {without} others"
            ),
            (false, 0) => write!(
                f,
                "{bad_with} of {with} with {key}={value} failed, none of {without} others"
            ),
            (false, some) => write!(
                f,
                "{bad_with} of {with} with {key}={value} failed, {some} of {without} others"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::stable_hash;

    /// Hosts with these labels: so many, and so many of them failed.
    type Part = (&'static str, usize, usize);

    fn fleet(parts: &[Part]) -> Vec<(BTreeMap<String, String>, bool)> {
        let mut hosts = Vec::new();
        for (labels, count, bad) in parts {
            let labels: BTreeMap<String, String> = labels
                .split_whitespace()
                .filter_map(|label| label.split_once('='))
                .map(|(key, value)| (key.into(), value.into()))
                .collect();
            hosts.extend((0..*count).map(|n| (labels.clone(), n < *bad)));
        }
        hosts
    }

    fn found(hosts: &[(BTreeMap<String, String>, bool)]) -> Option<Cluster> {
        let tried: Vec<_> = hosts
            .iter()
            .map(|(labels, bad)| Tried { labels, bad: *bad })
            .collect();
        cluster(&tried)
    }

    fn words(parts: &[Part]) -> String {
        found(&fleet(parts)).map_or_else(|| "-".into(), |it| it.to_string())
    }

    #[test]
    fn what_failures_have_in_common_is_named() {
        for (parts, expected) in [
            (
                vec![
                    ("kernel=6.1.0-13 rack=a", 5, 5),
                    ("kernel=6.1.0-9 rack=a", 40, 0),
                ],
                "all 5 that failed have kernel=6.1.0-13, none of 40 others",
            ),
            (
                vec![("rack=r1", 6, 5), ("rack=r2", 40, 1)],
                "5 of 6 with rack=r1 failed, 1 of 40 others",
            ),
            (
                vec![("rack=r1", 6, 5), ("", 40, 0)],
                "5 of 6 with rack=r1 failed, none of 40 others",
            ),
            (
                vec![("rack=r1", 6, 6), ("rack=r2", 20, 1), ("rack=r3", 20, 0)],
                "all 6 with rack=r1 failed, 1 of 40 others",
            ),
            // The kernel is what the racks with failures have in common.
            (
                vec![
                    ("kernel=new rack=a", 9, 6),
                    ("kernel=new rack=b", 9, 7),
                    ("kernel=old rack=a", 9, 0),
                ],
                "13 of 18 with kernel=new failed, none of 9 others",
            ),
        ] {
            assert_eq!(words(&parts), expected);
        }
    }

    #[test]
    fn chance_is_not_accused() {
        for parts in [
            vec![],
            // Two are no pattern, however large the fleet is.
            vec![("rack=r1", 2, 2), ("rack=r2", 1000, 0)],
            vec![("rack=r1", 2, 2), ("rack=r2", 1000, 1)],
            // All have it.
            vec![("rack=r1", 100, 50)],
            // Everywhere alike; and better than elsewhere.
            vec![("rack=r1", 50, 5), ("rack=r2", 50, 5)],
            vec![("rack=r1", 50, 0), ("", 2, 2)],
            // 3 of 3 beside 0 of 3 are one of twenty fleets.
            vec![("rack=r1", 3, 3), ("rack=r2", 3, 0)],
            // No labels.
            vec![("", 50, 10)],
        ] {
            assert_eq!(words(&parts), "-", "{parts:?}");
        }
    }

    #[test]
    fn of_equals_the_one_that_says_more_is_named() {
        // Two labels that go together: the first by name, and always that one.
        let parts = [("os=13 kernel=6.12", 5, 5), ("os=12 kernel=6.1", 40, 0)];
        assert!(words(&parts).contains("kernel=6.12"));
        // Too unlikely for a number in either case.
        let parts = [("a=x b=x", 4000, 4000), ("b=x", 2000, 2000), ("", 9000, 0)];
        let found = found(&fleet(&parts)).unwrap();
        assert_eq!(
            (found.key.as_str(), found.bad_with, found.p),
            ("b", 6000, 0.0)
        );
    }

    #[test]
    fn names_of_hosts_do_not_hide_what_they_share() {
        let mut hosts = fleet(&[("rack=r1", 6, 5), ("rack=r2", 400, 1)]);
        for (n, (labels, _)) in hosts.iter_mut().enumerate() {
            labels.insert("asset".into(), n.to_string());
            for key in 0..200 {
                labels.insert(format!("z{key:03}"), "same".into());
            }
        }
        assert!(found(&hosts).unwrap().to_string().contains("rack=r1"));
    }

    #[test]
    fn work_is_bounded() {
        let mut hosts = fleet(&[("rack=r1", 20, 20), ("rack=r2", 12_000, 0)]);
        for (n, (labels, _)) in hosts.iter_mut().enumerate() {
            labels.insert("asset".into(), n.to_string());
        }
        assert!(found(&hosts).unwrap().to_string().contains("rack=r1"));
        // The 65th label is not looked at.
        let mut hosts = fleet(&[("rack=r1", 20, 20), ("rack=r2", 100, 0)]);
        for (labels, _) in &mut hosts {
            labels.extend((0..MOST_KEYS).map(|n| (format!("a{n:03}"), "same".into())));
        }
        assert!(found(&hosts).is_none());
        hosts
            .iter_mut()
            .for_each(|(labels, _)| drop(labels.remove("a000")));
        assert!(found(&hosts).is_some());
    }

    /// 2,000 fleets of 60 hosts with four labels at random, of which some hosts fail at random.
    #[test]
    fn random_labels_are_rarely_named() {
        const SEED: u64 = 0x5eed;
        const FLEETS: u64 = 2000;
        let mut named = 0;
        for fleet in 0..FLEETS {
            let draw = |host: u64, what: u64, of: u64| {
                stable_hash(&[SEED, fleet, host, what].map(u64::to_le_bytes)) % of
            };
            let hosts: Vec<_> = (0..60)
                .map(|host| {
                    let labels = [2, 3, 5, 8]
                        .iter()
                        .map(|of| (format!("k{of}"), draw(host, *of, *of).to_string()));
                    (labels.collect(), draw(host, 99, 100) < 5 + fleet % 40)
                })
                .collect();
            named += u32::from(found(&hosts).is_some());
        }
        // 20 would be the whole of what is permitted; its deviation is 4.5.
        assert!(named <= 30, "seed {SEED:#x}: {named} of {FLEETS}");
    }

    proptest! {
        #[test]
        fn the_order_of_hosts_does_not_matter(
            hosts in proptest::collection::vec((0_u8..3, 0_u8..4, 0_u8..30, any::<bool>()), 0..80),
            seed: u64,
        ) {
            let mut hosts: Vec<_> = hosts
                .iter()
                .map(|(a, b, c, lucky)| {
                    let mut labels = BTreeMap::new();
                    labels.insert("a".to_owned(), a.to_string());
                    if *b > 0 {
                        labels.insert("b".to_owned(), b.to_string());
                        labels.insert("c".to_owned(), c.to_string());
                    }
                    (labels, *a == 0 && *lucky)
                })
                .collect();
            let before = found(&hosts);
            if let Some(it) = &before {
                prop_assert!(it.p <= SIGNIFICANT && it.bad_with >= 3 && it.bad_with <= it.with);
                prop_assert_eq!(it.with + it.without, hosts.len() as u64);
            }
            let mut n = 0_u64;
            hosts.sort_by_cached_key(|_| {
                n += 1;
                stable_hash(&[seed.to_le_bytes(), n.to_le_bytes()])
            });
            prop_assert_eq!(found(&hosts), before);
        }
    }
}
