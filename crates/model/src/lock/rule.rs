//! What the fleet file says of a lock.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Interval, Level, LevelNames};

/// What holds for a lock. A lock that the fleet file does not name has the default: one place, counted by holders
/// alone, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LockRule {
    /// How many places there are.
    pub capacity: Capacity,
    /// The group whose hosts it protects: their health counts, and they alone may take it. None for all hosts.
    pub group: Option<String>,
    /// Which hosts of the group take a place without holding it.
    pub counts: Counts,
    /// What must be true of the fleet without the host that asks; all of them.
    pub needs: Vec<Need>,
    /// After this time without a word of its holder a grant is over; none for never.
    pub lease: Option<Interval>,
    /// Why it gives no places, if it does not.
    pub disabled: Option<String>,
}

impl LockRule {
    /// What it says, for people, one line for each thing; `places` is what a share comes to now.
    #[must_use]
    pub fn words(&self, places: usize) -> Vec<String> {
        let whom = match &self.group {
            Some(group) => format!("the hosts of group {group}"),
            None => "all hosts".to_owned(),
        };
        let mut lines = vec![match self.capacity {
            Capacity::Number(1) => format!("one place, for {whom}"),
            Capacity::Number(number) => format!("{number} places, for {whom}"),
            Capacity::Percent(_) => format!("{} of {whom}, now {places}", self.capacity),
        }];
        let mut also = Vec::new();
        if self.counts.silent {
            also.push("silent".to_owned());
        }
        if self.counts.running {
            also.push("in a run".to_owned());
        }
        if let Some(level) = self.counts.level {
            also.push(format!("{level} or worse"));
        }
        if !also.is_empty() {
            let also = also.join(", or ");
            lines.push(format!("a host that is {also} takes a place as well"));
        }
        let needs = self.needs.iter();
        lines.extend(needs.map(|need| format!("without the host that asks there must be {need}")));
        lines.push(match self.lease {
            Some(lease) => {
                format!("a grant is over when its holder has not renewed it for {lease}")
            }
            None => "a grant holds until it is given back".into(),
        });
        lines
    }
}

/// How many places a lock has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capacity {
    /// So many.
    Number(u32),
    /// So many percent of the group's hosts, rounded down, and at least one.
    Percent(u8),
}

impl Default for Capacity {
    fn default() -> Self {
        Self::Number(1)
    }
}

impl Capacity {
    /// Most places of a lock.
    pub const MOST: u32 = 100_000;

    /// Parses `10%`, or a number from 1 to [`Capacity::MOST`].
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = || {
            format!(
                "{text:?} is not a capacity: a number such as \"2\" or a share such as \"10%\" is expected"
            )
        };
        let text = text.trim();
        if let Some(percent) = text.strip_suffix('%') {
            let percent: u8 = percent.trim().parse().map_err(|_| refuse())?;
            return match percent {
                1..=100 => Ok(Self::Percent(percent)),
                _ => Err(format!(
                    "{text:?} is not a share: it lies between 1% and 100%"
                )),
            };
        }
        let places: u32 = text.parse().map_err(|_| refuse())?;
        match places {
            1..=Self::MOST => Ok(Self::Number(places)),
            _ => Err(format!(
                "a lock has 1 to {} places, not {places}",
                Self::MOST
            )),
        }
    }

    /// The places in a group of so many hosts.
    #[must_use]
    pub fn places(self, hosts: usize) -> usize {
        match self {
            Self::Number(places) => usize::try_from(places).unwrap_or(usize::MAX),
            Self::Percent(percent) => (hosts.saturating_mul(usize::from(percent)) / 100).max(1),
        }
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(places) => places.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Which hosts of a lock's group take a place although they do not hold the lock. Whoever holds it always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Hosts that are silent.
    pub silent: bool,
    /// Hosts on which a run is under way.
    pub running: bool,
    /// Hosts that are at this level or a worse one.
    pub level: Option<Level>,
}

/// One condition on the fleet: at least one of its parts must hold. Written with `or` between them:
/// `2 of 3 of db fine or 1 of standby fine`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need(pub Vec<AtLeast>);

/// So many hosts of a group are well, not counting the one that asks, those that hold the lock, and those on which a
/// run is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtLeast {
    /// How many.
    pub share: Share,
    /// Of which group.
    pub group: String,
    /// Well means this level or a better one.
    pub level: Level,
}

/// How many of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// So many, however large the group is.
    Number(u32),
    /// So many of each so many, rounded up: `2 of 3` of a group of six are four.
    OutOf(u32, u32),
    /// So many percent, rounded up.
    Percent(u8),
}

impl Share {
    /// The hosts needed in a group of so many.
    #[must_use]
    pub fn of(self, hosts: usize) -> usize {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        match self {
            Self::Number(number) => count(number),
            Self::OutOf(number, of) => hosts
                .saturating_mul(count(number))
                .div_ceil(count(of).max(1)),
            Self::Percent(percent) => hosts.saturating_mul(usize::from(percent)).div_ceil(100),
        }
    }
}

impl Need {
    /// Most parts of one condition.
    pub const MOST_PARTS: usize = 8;

    /// Parses `2 of 3 of db fine`, `1 of db soso`, `60% of db fine`, and several of them with `or` between them. Names of
    /// levels are those of the fleet file; without a level the best one is meant.
    pub fn parse(text: &str, levels: &LevelNames) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(" or ").collect();
        if parts.len() > Self::MOST_PARTS {
            return Err(format!(
                "a condition has at most {} parts",
                Self::MOST_PARTS
            ));
        }
        let parts = parts.into_iter().map(|part| AtLeast::parse(part, levels));
        parts.collect::<Result<_, _>>().map(Self)
    }
}

impl AtLeast {
    fn parse(text: &str, levels: &LevelNames) -> Result<Self, String> {
        let refuse = |why: &str| {
            let text: String = text.trim().chars().take(80).collect();
            Err(format!(
                "{text:?} is not a condition such as \"2 of 3 of db fine\": {why}"
            ))
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (share, rest) = match words.as_slice() {
            [number, "of", of, "of", rest @ ..] => {
                let (Ok(number), Ok(of)) = (number.parse::<u32>(), of.parse::<u32>()) else {
                    return refuse("numbers are expected on both sides of the first \"of\"");
                };
                if number == 0 || number > of {
                    return refuse("the first number lies between 1 and the second");
                }
                (Share::OutOf(number, of), rest)
            }
            [share, "of", rest @ ..] => match share.strip_suffix('%') {
                Some(percent) => match percent.parse::<u8>() {
                    Ok(percent @ 1..=100) => (Share::Percent(percent), rest),
                    _ => return refuse("a share lies between 1% and 100%"),
                },
                None => match share.parse::<u32>() {
                    Ok(number @ 1..) => (Share::Number(number), rest),
                    _ => return refuse("it begins with a number or a share of at least 1"),
                },
            },
            _ => return refuse("it begins with a number and \"of\""),
        };
        let (group, level) = match rest {
            [group] => (*group, Level::FINE),
            [group, level] => match levels.level(level) {
                Some(level) => (*group, level),
                None => {
                    return refuse(&format!(
                        "{level:?} is no level, known are {}",
                        levels.all().join(", ")
                    ));
                }
            },
            _ => return refuse("behind the number stand a group and a level"),
        };
        Ok(Self {
            share,
            group: group.into(),
            level,
        })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::OutOf(number, of) => write!(f, "{number} of {of}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}
impl fmt::Display for AtLeast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} {}", self.share, self.group, self.level)
    }
}
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.pad(&parts.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_are_numbers_or_shares() {
        assert_eq!(Capacity::parse("2"), Ok(Capacity::Number(2)));
        assert_eq!(Capacity::parse(" 10 % "), Ok(Capacity::Percent(10)));
        assert_eq!(Capacity::Percent(10).places(57), 5);
        assert_eq!(Capacity::Percent(10).places(3), 1);
        for text in ["0", "-1", "0%", "101%", "many", ""] {
            assert!(Capacity::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn needs_are_read_and_written_alike() {
        let levels = LevelNames::default();
        for text in [
            "2 of 3 of db fine",
            "1 of lb soso",
            "60% of web fine or 1 of standby fine",
        ] {
            assert_eq!(Need::parse(text, &levels).unwrap().to_string(), text);
        }
        assert_eq!(
            Need::parse("2 of db", &levels).unwrap().to_string(),
            "2 of db fine"
        );
        for text in [
            "",
            "db fine",
            "0 of db",
            "4 of 3 of db",
            "x of db",
            "2 of 3 of db good",
            "2 of",
            "2 of db fine or",
        ] {
            let error = Need::parse(text, &levels).unwrap_err();
            assert!(error.contains("is not a condition"), "{text:?}: {error}");
        }
    }

    #[test]
    fn shares_are_rounded_towards_safety() {
        assert_eq!(Share::OutOf(2, 3).of(3), 2);
        assert_eq!(Share::OutOf(2, 3).of(4), 3);
        assert_eq!(Share::Percent(60).of(4), 3);
        assert_eq!(Share::Number(2).of(0), 2);
    }

    #[test]
    fn shares_and_leases_are_told_with_their_figures() {
        let rule = LockRule {
            capacity: Capacity::Percent(10),
            lease: Some("10m".parse().unwrap()),
            ..LockRule::default()
        };
        assert_eq!(
            rule.words(5),
            [
                "10% of all hosts, now 5",
                "a grant is over when its holder has not renewed it for 10m",
            ]
        );
    }
}
