//! Which rule counts: an order without gaps and circles, and nobody else's affair.

use std::collections::BTreeMap;

use lockstep_model::Follow;
use proptest::prelude::*;

use super::*;

const HOSTS: [&str; 5] = ["web1", "web12", "db1", "db2", "other"];

/// A rule as text, but for its name and its package.
fn a_rule() -> impl Strategy<Value = String> {
    let hosts = prop::sample::select(vec![
        "",
        "hosts = [\"web1\"]\n",
        "hosts = [\"db1\", \"web12\"]\n",
        "hosts = [\"web*\"]\n",
        "hosts = [\"*1\"]\n",
        "hosts = [\"w*b?\"]\n",
        "hosts = [\"*\"]\n",
        "hosts = [\"d*\", \"db*\"]\n",
    ]);
    let groups = prop::sample::select(vec![
        "",
        "",
        "groups = [\"db\"]\n",
        "groups = [\"g\", \"db\"]\n",
    ]);
    let labels = prop::sample::select(vec![
        "",
        "",
        "labels = [\"class=a\"]\n",
        "labels = [\"os=D*\"]\n",
    ]);
    let rest = prop::sample::select(vec![
        "",
        "",
        "priority = 1\n",
        "priority = -1\n",
        "pin = \"1.0.0\"\n",
    ]);
    (hosts, groups, labels, rest)
        .prop_map(|(hosts, groups, labels, rest)| format!("{hosts}{groups}{labels}{rest}"))
}

/// The rules of package `x`, by their numbers, in the order that is given.
fn with(rules: &[String], order: &[usize]) -> Fleet {
    let mut text = String::from(
        "[group.db]\nhosts = [\"db*\"]\n[group.g]\nhosts = [\"?e*\", \"class=a\"]\n\
         [host.web1]\nlabels = { class = \"a\" }\n[host.db1]\nlabels = { class = \"b\" }\n[host.web12]\n",
    );
    for &number in order {
        text.push_str(&format!(
            "[follow.r{number:02}]\npackage = \"x\"\nchannel = \"c{number}\"\n{}",
            rules[number]
        ));
    }
    fleet(&text)
}

fn of(fleet: &Fleet, name: &str, package: &str) -> Option<Follow> {
    let says = BTreeMap::from([("os".to_owned(), "Debian".to_owned())]);
    let mut follows = fleet.follows(&host(name), &says).into_iter();
    follows.find(|follow| follow.package.as_str() == package)
}

fn rule(fleet: &Fleet, name: &str) -> Option<String> {
    of(fleet, name, "x").and_then(|follow| follow.rule)
}

proptest! {
    /// The one that counts beats each other one by itself, whatever the order in the file: so there are no circles, and
    /// there is always one.
    #[test]
    fn precedence_is_a_total_order(rules in prop::collection::vec(a_rule(), 1..6), seed in any::<u64>()) {
        let order: Vec<usize> = (0..rules.len()).collect();
        let mut shuffled = order.clone();
        let by = |number: usize| (number as u64 + 1).wrapping_mul(seed | 1).rotate_left(29);
        shuffled.sort_by_key(|&number| by(number));
        let all = with(&rules, &order);
        let other = with(&rules, &shuffled);
        for name in HOSTS {
            let best = rule(&all, name);
            prop_assert_eq!(&best, &rule(&other, name));
            for &number in &order {
                let mut alone = rule(&with(&rules, &[number]), name);
                let Some(best) = &best else {
                    prop_assert_eq!(alone, None);
                    continue;
                };
                let winner: usize = best[1..].parse().unwrap();
                if winner != number {
                    alone = rule(&with(&rules, &[number, winner]), name);
                }
                if alone.is_some() {
                    prop_assert_eq!(alone.as_ref(), Some(best), "{} against {}", number, winner);
                }
            }
        }
    }

    #[test]
    fn a_rule_for_another_package_changes_nothing(
        rules in prop::collection::vec(a_rule(), 1..5),
        added in a_rule(),
        lockstep in any::<bool>(),
    ) {
        let order: Vec<usize> = (0..rules.len()).collect();
        let before = with(&rules, &order);
        let package = if lockstep { "lockstep" } else { "y" };
        let mut texts: Vec<(String, String)> = before.texts().map(|(name, text)| (name.into(), text.into())).collect();
        texts.push(("z".into(), format!("[follow.added]\npackage = \"{package}\"\n{added}")));
        let after = Fleet::parse(texts).unwrap();
        for name in HOSTS {
            prop_assert_eq!(of(&before, name, "x"), of(&after, name, "x"));
            let agent = of(&after, name, "lockstep").unwrap();
            prop_assert!(lockstep || agent == Follow::agent());
        }
    }

    #[test]
    fn the_rule_that_is_explained_is_the_one_that_counts(rules in prop::collection::vec(a_rule(), 1..6)) {
        let order: Vec<usize> = (0..rules.len()).collect();
        let fleet = with(&rules, &order);
        let says = BTreeMap::from([("os".to_owned(), "Debian".to_owned())]);
        for name in HOSTS {
            let follows = fleet.follows(&host(name), &says);
            prop_assert!(follows.is_sorted_by(|one, other| one.package < other.package));
            let explained = fleet.explain_follows(&host(name), &says);
            prop_assert_eq!(explained.len(), follows.len());
            for (explained, follow) in explained.iter().zip(&follows) {
                prop_assert_eq!(&explained.follow, follow);
                let Some(rule) = &follow.rule else { continue };
                // Its place is that of its table, and who would have come next is the best of the others.
                let place = explained.place.as_ref().unwrap();
                let (_, text) = fleet.texts().next().unwrap();
                let line = text.lines().nth(place.line - 1).unwrap();
                prop_assert_eq!(line, format!("[follow.{rule}]"));
                let others: Vec<usize> = explained.instead_of.iter().map(|name| name[1..].parse().unwrap()).collect();
                let next = self::rule(&with(&rules, &others), name);
                prop_assert_eq!(next.is_some(), !others.is_empty());
                prop_assert!(!explained.instead_of.contains(rule));
            }
        }
    }
}
