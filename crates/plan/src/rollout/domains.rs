//! An order of hosts in which failure domains take turns.
//!
//! A first wave in one rack tells of that rack. So each part of the order holds of each domain as many hosts as its
//! share of all, as exactly as whole hosts can.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::schedule::stable_hash;

/// Puts hosts, each with its lot and its failure domain, in an order of which any beginning, and any stretch, is spread
/// over the domains in proportion: of `k` hosts in a row out of `all`, a domain with `n` hosts has `k * n / all`, give
/// or take less than two. Domains of one size come around one after the other. Within a domain, hosts come in the
/// order of their lots.
///
/// The salt says which domain begins; it is likelier to be a large one, as is just. The order depends on the salt, the
/// lots and the names of the domains, and on the order of `hosts` only where two of one domain have the same lot.
#[must_use]
pub fn interleave<'a, T: Copy>(hosts: &[(T, u64, &'a str)], salt: u64) -> Vec<T> {
    let mut by_name: HashMap<&'a str, Vec<(u64, T)>> = HashMap::new();
    for &(host, lot, domain) in hosts {
        by_name.entry(domain).or_default().push((lot, host));
    }
    let mut domains: Vec<_> = by_name.into_iter().collect();
    domains.sort_by_cached_key(|(name, _)| (draw(salt, name.as_bytes()), *name));
    let sizes: Vec<usize> = domains.iter().map(|(_, hosts)| hosts.len()).collect();
    let mut queues: Vec<_> = domains
        .into_iter()
        .map(|(_, mut hosts)| {
            hosts.sort_by_key(|(lot, _)| *lot);
            hosts.into_iter().map(|(_, host)| host)
        })
        .collect();
    let mut turns = turns(&sizes);
    if !turns.is_empty() {
        // Any stretch that goes over the end is as well spread as one that does not: `turns` begins anew there.
        let all = widened(turns.len());
        let begin = (u128::from(draw(salt, b"")) * all) >> 64;
        turns.rotate_left(usize::try_from(begin).unwrap_or_default());
    }
    turns
        .into_iter()
        .filter_map(|domain| queues.get_mut(domain)?.next())
        .collect()
}

/// What the salt says of a domain, or of the beginning.
fn draw(salt: u64, name: &[u8]) -> u64 {
    stable_hash::<&[u8]>(&[b"domain", &salt.to_le_bytes(), name])
}

/// Whose turn it is, as often as there are hosts; domains are called by their place in `sizes`.
///
/// Of a domain with `n` of `all` hosts, turn `i` must lie in the stretch from `i * all / n` to `(i + 1) * all / n`, which
/// keeps its number within one of its share at all times. Turns whose stretch has begun are taken by the earliest end.
/// That finds a place for each turn in its stretch, whenever there is one (Horn 1974), and there is: to give each domain
/// its share of every place at once is one in fractions, and so there is one in whole turns (Baruah, Cohen, Plaxton and
/// Varvel 1996).
fn turns(sizes: &[usize]) -> Vec<usize> {
    let all: usize = sizes.iter().sum();
    let begins = |domain: usize, turn: usize| widened(turn) * widened(all) / widened(sizes[domain]);
    let ends = |domain: usize, turn: usize| {
        (widened(turn + 1) * widened(all)).div_ceil(widened(sizes[domain]))
    };
    // The next turn of each domain, by its begin or its end.
    let mut waiting = BinaryHeap::new();
    let mut ready = BinaryHeap::new();
    for (domain, _) in sizes.iter().enumerate().filter(|(_, size)| **size > 0) {
        ready.push(Reverse((ends(domain, 0), domain, 0)));
    }
    let mut order = Vec::with_capacity(all);
    for now in 0..all {
        while let Some(&Reverse((begin, domain, turn))) = waiting.peek()
            && begin <= widened(now)
        {
            waiting.pop();
            ready.push(Reverse((ends(domain, turn), domain, turn)));
        }
        // Never empty, by the argument above.
        let Some(Reverse((_, domain, turn))) = ready.pop() else {
            continue;
        };
        order.push(domain);
        if turn + 1 < sizes[domain] {
            waiting.push(Reverse((begins(domain, turn + 1), domain, turn + 1)));
        }
    }
    order
}

/// A number of hosts whose products do not overflow.
fn widened(number: usize) -> u128 {
    number as u128
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// Hosts with numbers for names, whose lots are drawn from the seed.
    fn fleet(sizes: &[usize], seed: u64) -> Vec<(usize, u64, String)> {
        let mut hosts = Vec::new();
        for (domain, size) in sizes.iter().enumerate() {
            for _ in 0..*size {
                let name = hosts.len();
                let lot = stable_hash(&[seed.to_le_bytes(), name.to_le_bytes()]);
                hosts.push((name, lot, format!("rack-{domain}")));
            }
        }
        hosts
    }

    fn order(hosts: &[(usize, u64, String)], salt: u64) -> Vec<usize> {
        let hosts: Vec<_> = hosts
            .iter()
            .map(|(name, lot, domain)| (*name, *lot, domain.as_str()))
            .collect();
        interleave(&hosts, salt)
    }

    #[test]
    fn domains_of_one_size_come_around() {
        let hosts = fleet(&[4, 4, 4, 4, 4], 1);
        for salt in 0..50 {
            let domains: Vec<&str> = order(&hosts, salt)
                .iter()
                .map(|name| hosts[*name].2.as_str())
                .collect();
            for round in domains.windows(5) {
                assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), 5, "{round:?}");
            }
        }
    }

    #[test]
    fn without_domains_it_is_the_order_of_lots() {
        let hosts = fleet(&[100], 2);
        let mut by_lot = hosts.clone();
        by_lot.sort_by_key(|(_, lot, _)| *lot);
        let by_lot: Vec<usize> = by_lot.iter().map(|(name, ..)| *name).collect();
        assert_eq!(order(&hosts, 7), by_lot);
        assert!(order(&[], 7).is_empty());
    }

    #[test]
    fn another_salt_lets_others_begin() {
        let sizes = [60, 30, 5, 3, 1, 1];
        let hosts = fleet(&sizes, 3);
        let mut begun: BTreeMap<&str, usize> = BTreeMap::new();
        for salt in 0..1000 {
            let first = order(&hosts, salt)[0];
            *begun.entry(&hosts[first].2).or_default() += 1;
        }
        // In proportion: of 1,000 salts 600 with a deviation of 15, and 10 with one of 3.
        assert!((530..670).contains(&begun["rack-0"]), "{begun:?}");
        assert!((1..30).contains(&begun["rack-5"]), "{begun:?}");
    }

    #[test]
    fn the_order_never_changes() {
        // A server that is upgraded draws the waves of a rollout as the one before it did.
        let hosts = fleet(&[3, 2, 1], 4);
        assert_eq!(order(&hosts, 5), GOLDEN);
    }
    const GOLDEN: [usize; 6] = [5, 2, 4, 1, 3, 0];

    proptest! {
        #[test]
        fn every_stretch_is_spread(
            sizes in prop_oneof![
                proptest::collection::vec(0_usize..30, 1..20),
                // One large domain beside many small ones.
                (1_usize..150, proptest::collection::vec(1_usize..3, 0..100))
                    .prop_map(|(large, mut sizes)| { sizes.push(large); sizes }),
            ],
            seed: u64,
            salt: u64,
        ) {
            let hosts = fleet(&sizes, seed);
            let order = order(&hosts, salt);
            prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), hosts.len());
            prop_assert_eq!(order.len(), hosts.len());
            let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
            let mut lots: BTreeMap<&str, u64> = BTreeMap::new();
            for (at, name) in order.iter().enumerate() {
                let (_, lot, domain) = &hosts[*name];
                *counts.entry(domain).or_default() += 1;
                prop_assert!(lots.insert(domain, *lot).is_none_or(|before| before < *lot));
                for (domain, size) in sizes.iter().enumerate() {
                    let count = counts.get(format!("rack-{domain}").as_str()).copied().unwrap_or(0);
                    let off = count * hosts.len() as i64 - ((at + 1) * size) as i64;
                    prop_assert!(off.abs() < 2 * hosts.len() as i64, "{} of {}: {}", domain, at + 1, count);
                }
            }
        }

        /// The bound on which the other one rests.
        #[test]
        fn turns_keep_within_one_of_their_share(sizes in proptest::collection::vec(0_usize..40, 0..30)) {
            let all: usize = sizes.iter().sum();
            let turns = turns(&sizes);
            prop_assert_eq!(turns.len(), all);
            let mut counts = vec![0; sizes.len()];
            for (at, domain) in turns.iter().enumerate() {
                counts[*domain] += 1;
                for (count, size) in counts.iter().zip(&sizes) {
                    prop_assert!((count * all).abs_diff((at + 1) * size) < all);
                }
            }
            prop_assert_eq!(counts, sizes);
        }

        #[test]
        fn the_order_of_the_input_does_not_matter(
            sizes in proptest::collection::vec(0_usize..20, 1..10), seed: u64, salt: u64,
        ) {
            let mut hosts = fleet(&sizes, seed);
            let before = order(&hosts, salt);
            hosts.sort_by_key(|(name, ..)| stable_hash(&[salt.to_le_bytes(), name.to_le_bytes()]));
            prop_assert_eq!(order(&hosts, salt), before);
        }
    }
}
