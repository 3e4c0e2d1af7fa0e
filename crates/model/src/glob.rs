//! Patterns for names: `*` stands for any text, `?` for one character, everything else for itself.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A pattern for names of hosts, items and labels, as in `web*.example.org` or `disk_usage:*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob(String);

impl Glob {
    /// Longest pattern, in bytes.
    pub const LONGEST: usize = 256;

    /// Parses a pattern. Only its length, and characters that no name holds, can be wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > Self::LONGEST {
            return Err(format!(
                "a pattern has 1 to {} bytes, not {}",
                Self::LONGEST,
                text.len()
            ));
        }
        if let Some(bad) = text.chars().find(|c| c.is_control()) {
            return Err(format!("{bad:?} is not allowed in a pattern"));
        }
        Ok(Self(text.into()))
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if it is a plain name, which only that name matches.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// How much of a name it pins down: the number of its characters that stand for themselves. Of two patterns
    /// that match, the one with more is the more particular one.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.0.chars().filter(|c| !matches!(c, '*' | '?')).count()
    }

    /// True if the whole of `name` matches. Time is at most the product of both lengths.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let pattern: Vec<char> = self.0.chars().collect();
        let name: Vec<char> = name.chars().collect();
        let (mut p, mut n) = (0, 0);
        // Where the last star stood, and up to where it has eaten.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            if p < pattern.len() && pattern[p] == '*' {
                star = Some((p, n));
                p += 1;
            } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
                p += 1;
                n += 1;
            } else if let Some((at, eaten)) = star {
                p = at + 1;
                n = eaten + 1;
                star = Some((at, eaten + 1));
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|&c| c == '*')
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_others() {
        let matches = |pattern, name| Glob::parse(pattern).unwrap().matches(name);
        assert!(matches("web*.example.org", "web12.example.org"));
        assert!(matches("*", ""));
        assert!(matches("web?", "web1") && !matches("web?", "web12"));
        assert!(matches("a*b*c", "a-b-b-c") && !matches("a*b*c", "a-b-b-d"));
        assert!(!matches("disk_usage:/", "disk_usage:/var"));
    }

    proptest! {
        #[test]
        fn a_plain_pattern_matches_itself_alone(name in "[a-z:/.]{1,20}", other in "[a-z:/.]{1,20}") {
            let glob = Glob::parse(&name).unwrap();
            prop_assert!(glob.is_plain() && glob.matches(&name));
            prop_assert_eq!(glob.matches(&other), name == other);
        }

        #[test]
        fn a_star_may_be_put_anywhere(name in "[a-z]{0,12}", at in 0_usize..13) {
            let at = at.min(name.len());
            let pattern = format!("{}*{}", &name[..at], &name[at..]);
            prop_assert!(Glob::parse(&pattern).unwrap().matches(&name));
        }
    }
}
