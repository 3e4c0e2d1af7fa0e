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

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
