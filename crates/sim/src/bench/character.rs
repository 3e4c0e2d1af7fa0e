//! What becomes of an agent when it gets a version: drawn once for each agent and version, from the seed of the fleet.

use std::time::Duration;

use lockstep_model::Version;
use lockstep_plan::schedule::stable_hash;

/// How the agents of a fleet behave.
#[derive(Debug, Clone)]
pub struct Character {
    /// Equal seeds give equal fleets.
    pub seed: u64,
    /// Items in a report.
    pub items: usize,
    /// Which share of the agents fails a version, from 0 to 1.
    pub fail: f64,
    /// A version that fails on every agent.
    pub bad_version: Option<Version>,
    /// A version under which items get worse.
    pub worse_version: Option<Version>,
    /// On which share of the agents that have it, from 0 to 1.
    pub worse: f64,
    /// Which share of the agents is never heard of again when it tries a version, from 0 to 1.
    pub silent: f64,
    /// How long a version takes from its bundle to its trial.
    pub apply: Duration,
    /// How long it is tried.
    pub probation: Duration,
    /// The longest way to a bundle; each agent has a wait of its own below it.
    pub network: Duration,
    /// The time between two reports; the server says so if there is none.
    pub report: Option<Duration>,
}

/// How a trial will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The version proves itself.
    Proven,
    /// It does not.
    Fails,
    /// The agent falls silent in the middle of it.
    Silent,
}

impl Character {
    pub(super) fn fate(&self, agent: u32, version: &Version) -> Fate {
        if self.bad_version.as_ref() == Some(version) {
            return Fate::Fails;
        }
        // One draw for both: shares add up as they are written.
        let drawn = self.draw("fate", agent, &version.to_string());
        if drawn < self.silent {
            Fate::Silent
        } else if drawn < self.silent + self.fail {
            Fate::Fails
        } else {
            Fate::Proven
        }
    }

    /// True if the agent's items are worse while it runs this version.
    pub(super) fn is_worse(&self, agent: u32, version: &Version) -> bool {
        self.worse_version.as_ref() == Some(version)
            && self.draw("worse", agent, &version.to_string()) < self.worse
    }

    /// How long the way to a bundle takes: most are near, a few are far.
    pub(super) fn way(&self, agent: u32) -> Duration {
        let drawn = self.draw("way", agent, "");
        self.network.mul_f64(drawn * drawn)
    }

    /// The seed of one agent.
    pub(super) fn own_seed(&self, agent: u32) -> u64 {
        stable_hash::<&[u8]>(&[b"agent", &self.seed.to_le_bytes(), &agent.to_le_bytes()])
    }

    /// A number from 0 to below 1.
    fn draw(&self, what: &str, agent: u32, of: &str) -> f64 {
        let hash = stable_hash::<&[u8]>(&[
            what.as_bytes(),
            &self.seed.to_le_bytes(),
            &agent.to_le_bytes(),
            of.as_bytes(),
        ]);
        // The 53 bits that a number of this type has.
        (hash >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Default for Character {
    fn default() -> Self {
        Self {
            seed: 1,
            items: 40,
            fail: 0.0,
            bad_version: None,
            worse_version: None,
            worse: 0.1,
            silent: 0.0,
            apply: Duration::from_secs(2),
            probation: Duration::from_secs(5),
            network: Duration::from_millis(500),
            report: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn shares_are_what_they_say_and_stay_so() {
        let character = Character {
            fail: 0.02,
            silent: 0.01,
            ..Character::default()
        };
        let two = version("2.0.0");
        let fates: Vec<Fate> = (0..10_000).map(|n| character.fate(n, &two)).collect();
        let count = |fate| fates.iter().filter(|it| **it == fate).count();
        assert!((150..250).contains(&count(Fate::Fails)));
        assert!((60..140).contains(&count(Fate::Silent)));
        let again: Vec<Fate> = (0..10_000).map(|n| character.fate(n, &two)).collect();
        assert_eq!(fates, again);
        let other: Vec<Fate> = (0..10_000)
            .map(|n| character.fate(n, &version("3.0.0")))
            .collect();
        assert_ne!(fates, other, "another version fails on other agents");
    }

    #[test]
    fn a_bad_version_fails_everywhere_and_a_worse_one_is_worse_somewhere() {
        let character = Character {
            bad_version: Some(version("3.0.0")),
            worse_version: Some(version("4.0.0")),
            ..Character::default()
        };
        for agent in 0..100 {
            assert_eq!(character.fate(agent, &version("3.0.0")), Fate::Fails);
            assert_eq!(character.fate(agent, &version("4.0.0")), Fate::Proven);
            assert!(!character.is_worse(agent, &version("3.0.0")));
        }
        let worse = (0..10_000).filter(|n| character.is_worse(*n, &version("4.0.0")));
        assert!((900..1100).contains(&worse.count()));
    }

    #[test]
    fn no_way_is_longer_than_the_longest() {
        let character = Character::default();
        for agent in 0..1000 {
            assert!(character.way(agent) <= character.network);
        }
    }
}
