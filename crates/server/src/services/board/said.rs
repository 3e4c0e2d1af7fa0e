//! What is said of hosts elsewhere than in their reports: problems that are held back, silences, waves of rollouts. It is
//! looked through once for a board, not once for each host.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use lockstep_model::alert::Silence;
use lockstep_model::api::operator::ProblemView;
use lockstep_model::{Glob, HostName, ItemName, Rollout, RolloutId};
use lockstep_pages::hosts::{Hush, Hushed};

/// What is said of all hosts.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    unhandled: HashMap<&'a HostName, usize>,
    hushed: HashMap<&'a HostName, BTreeMap<ItemName, Hush>>,
    waves: HashMap<&'a HostName, Vec<(RolloutId, usize)>>,
    /// Silences that name hosts; runs make one for each of theirs.
    named: HashMap<&'a str, &'a Silence>,
    /// Those that have patterns or groups, or are of all hosts.
    wide: Vec<&'a Silence>,
}

/// What is said of one host.
#[derive(Debug, Default)]
pub(super) struct OfHost {
    pub(super) unhandled: usize,
    pub(super) hushed: BTreeMap<ItemName, Hush>,
    pub(super) waves: Vec<(RolloutId, usize)>,
    pub(super) quiet: Option<Hushed>,
}

impl<'a> Said<'a> {
    /// Looks through problems, the newest rollouts of all channels, and silences.
    pub(super) fn by(
        problems: &'a [ProblemView],
        rollouts: &'a [Rollout],
        silences: &'a [Silence],
        now: Timestamp,
    ) -> Self {
        let mut said = Self::default();
        for problem in problems {
            let trouble = &problem.trouble;
            if problem.is_unhandled() {
                *said.unhandled.entry(&trouble.host).or_default() += 1;
            } else if let Some(hush) = Hush::of(problem) {
                let of_host = said.hushed.entry(&trouble.host).or_default();
                of_host.insert(trouble.item.clone(), hush);
            }
        }
        for rollout in rollouts {
            for (number, wave) in (1..).zip(&rollout.waves) {
                for host in &wave.hosts {
                    said.waves
                        .entry(host)
                        .or_default()
                        .push((rollout.id, number));
                }
            }
        }
        // One of some items is told beside these.
        let whole = silences
            .iter()
            .filter(|it| it.items.is_empty() && it.is_in_force(now));
        for silence in whole {
            let is_plain = !silence.hosts.is_empty()
                && silence.groups.is_empty()
                && silence.hosts.iter().all(Glob::is_plain);
            if !is_plain {
                said.wide.push(silence);
                continue;
            }
            for host in &silence.hosts {
                let longest = said.named.entry(host.as_str()).or_insert(silence);
                if silence.ends_at > longest.ends_at {
                    *longest = silence;
                }
            }
        }
        said
    }

    /// What is said of a host that is in these groups.
    pub(super) fn of(&self, host: &HostName, groups: &[String]) -> OfHost {
        let is_meant = |silence: &Silence| {
            (silence.hosts.is_empty() && silence.groups.is_empty())
                || silence.hosts.iter().any(|it| it.matches(host.as_str()))
                || silence.groups.iter().any(|it| groups.contains(it))
        };
        let wide = self.wide.iter().filter(|it| is_meant(it));
        let named = self.named.get(host.as_str());
        let longest = wide.chain(named).max_by_key(|it| it.ends_at);
        OfHost {
            unhandled: self.unhandled.get(host).copied().unwrap_or_default(),
            hushed: self.hushed.get(host).cloned().unwrap_or_default(),
            waves: self.waves.get(host).cloned().unwrap_or_default(),
            quiet: longest.map(|silence| Hushed {
                // A window of the fleet file is said anew each minute, until it closes.
                until: (!silence.id.starts_with("fleet:")).then_some(silence.ends_at),
                why: silence.reason.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn silence(id: &str, hosts: &[&str], groups: &[&str], ends: i64) -> Silence {
        Silence {
            id: id.into(),
            hosts: hosts.iter().map(|it| Glob::parse(it).unwrap()).collect(),
            groups: groups.iter().map(|it| (*it).to_owned()).collect(),
            items: Vec::new(),
            starts_at: at(100),
            ends_at: at(ends),
            owner: "olga".into(),
            reason: id.into(),
            run: None,
        }
    }

    #[test]
    fn a_host_is_as_quiet_as_its_longest_silence_says() {
        let mut of_item = silence("item", &[], &[], 900);
        of_item.items = vec![Glob::parse("cpu_load").unwrap()];
        let silences = [
            silence("one", &["web1"], &[], 300),
            silence("longer", &["web1", "web2"], &[], 400),
            silence("group", &[], &["db"], 350),
            silence("fleet:nights", &["cache*"], &[], 160),
            of_item,
        ];
        let why = |host: &str, groups: &[String], now| {
            let said = Said::by(&[], &[], &silences, at(now));
            let found = said.of(&HostName::parse(host).unwrap(), groups).quiet;
            found.map(|it| (it.why, it.until))
        };
        let db = ["db".to_owned()];
        assert_eq!(
            why("web1", &[], 200),
            Some(("longer".into(), Some(at(400))))
        );
        assert_eq!(why("web1", &db, 200).unwrap().0, "longer");
        assert_eq!(why("web3", &db, 200), Some(("group".into(), Some(at(350)))));
        assert_eq!(why("cache7", &[], 150), Some(("fleet:nights".into(), None)));
        assert_eq!(why("web3", &[], 200), None);
        assert_eq!(why("web1", &[], 99), None, "it is not in force yet");
        assert_eq!(why("web1", &[], 400), None, "it is over");
    }
}
