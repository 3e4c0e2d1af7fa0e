//! How well something is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One place in the ordered list of levels, best first. On the wire it is its rank, because the names are the
/// operator's choice; the five names here are the ones that hold when nothing else is configured.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Level(u8);

const NAMES: [&str; 5] = ["fine", "soso", "sick", "critical", "dead"];

impl Level {
    /// All is well.
    pub const FINE: Self = Self(0);
    /// Worth a look, nobody is woken.
    pub const SOSO: Self = Self(1);
    /// Something must be done.
    pub const SICK: Self = Self(2);
    /// Something must be done now.
    pub const CRITICAL: Self = Self(3);
    /// It does not work at all.
    pub const DEAD: Self = Self(4);

    /// All levels, best first.
    pub const ALL: [Self; 5] = [
        Self::FINE,
        Self::SOSO,
        Self::SICK,
        Self::CRITICAL,
        Self::DEAD,
    ];

    /// The rank: 0 is the best level.
    #[must_use]
    pub fn rank(self) -> u8 {
        self.0
    }

    /// The default name of the level.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or("dead")
    }

    /// True if `self` is a worse place to be than `other`.
    #[must_use]
    pub fn is_worse_than(self, other: Self) -> bool {
        self.0 > other.0
    }
}

/// The operator's names for the five levels, best first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct LevelNames([String; 5]);

impl LevelNames {
    /// Five different names of 1 to 24 letters, digits, `_` or `-`.
    pub fn parse(names: &[String]) -> Result<Self, String> {
        let Ok(names) = <[String; 5]>::try_from(names.to_vec()) else {
            return Err(format!(
                "there are five levels, best first, not {}",
                names.len()
            ));
        };
        for (index, name) in names.iter().enumerate() {
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
            if name.is_empty() || name.chars().count() > 24 || !name.chars().all(plain) {
                return Err(format!(
                    "{name:?} is not a level's name: it has 1 to 24 letters, digits, '_' or '-'"
                ));
            }
            if names[..index].contains(name) {
                return Err(format!("{name:?} names two levels"));
            }
        }
        Ok(Self(names))
    }

    /// The name of a level.
    #[must_use]
    pub fn name(&self, level: Level) -> &str {
        self.0
            .get(usize::from(level.0))
            .map_or("dead", String::as_str)
    }

    /// The level of that name.
    #[must_use]
    pub fn level(&self, name: &str) -> Option<Level> {
        let found = self.0.iter().position(|known| known == name)?;
        Level::ALL.get(found).copied()
    }

    /// All names, best first.
    #[must_use]
    pub fn all(&self) -> &[String; 5] {
        &self.0
    }
}

impl Default for LevelNames {
    fn default() -> Self {
        Self(NAMES.map(String::from))
    }
}
impl TryFrom<Vec<String>> for LevelNames {
    type Error = String;
    fn try_from(names: Vec<String>) -> Result<Self, String> {
        Self::parse(&names)
    }
}
impl From<LevelNames> for Vec<String> {
    fn from(names: LevelNames) -> Self {
        names.0.into()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_choose_the_names() {
        let names = ["gut", "mäßig", "krank", "kritisch", "tot"].map(String::from);
        let names = LevelNames::parse(&names).unwrap();
        assert_eq!(names.level("krank"), Some(Level::SICK));
        assert_eq!(names.name(Level::DEAD), "tot");
        assert_eq!(names.level("sick"), None);
        let json = serde_json::to_string(&names).unwrap();
        assert_eq!(serde_json::from_str::<LevelNames>(&json).unwrap(), names);
        for bad in [
            &["a", "b", "c", "d"][..],
            &["a", "b", "c", "d", "a"],
            &["a", "b", "c", "d", "e f"],
        ] {
            let bad: Vec<String> = bad.iter().map(|&name| name.into()).collect();
            assert!(LevelNames::parse(&bad).is_err(), "{bad:?}");
        }
    }
}
