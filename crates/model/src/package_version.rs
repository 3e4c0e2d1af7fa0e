//! Versions as package managers write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::Version;

/// A version in whatever way its package writes it: `1.4.0`, `1:2.3-1ubuntu2~22.04`, `5.14.0-427.el9`. Printable ASCII
/// without blanks, at most [`PackageVersion::LONGEST`] bytes, and it begins with a letter or a digit, so that no program
/// takes it for an option. Nothing is said about which of two is the newer: each package manager knows that of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PackageVersion(String);

impl PackageVersion {
    /// Longest version, in bytes.
    pub const LONGEST: usize = 128;

    /// Parses a version.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown: String = text.chars().take(80).collect();
        if text.is_empty() || text.len() > Self::LONGEST {
            return Err(format!(
                "{shown:?} is not a version: it has 1 to {} bytes",
                Self::LONGEST
            ));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{shown:?} is not a version: only printable ASCII without blanks"
            ));
        }
        if !text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Err(format!(
                "{shown:?} is not a version: it begins with a letter or a digit"
            ));
        }
        Ok(Self(text.into()))
    }

    /// The version as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Version> for PackageVersion {
    /// A semantic version is shorter and of fewer characters.
    fn from(version: &Version) -> Self {
        Self(version.to_string())
    }
}

impl PartialEq<Version> for PackageVersion {
    fn eq(&self, other: &Version) -> bool {
        self.0 == other.to_string()
    }
}

impl FromStr for PackageVersion {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}
impl fmt::Display for PackageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl<'de> Deserialize<'de> for PackageVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_package_managers_are_taken_and_options_are_not() {
        for text in ["1.4.0", "1:2.3-1ubuntu2~22.04", "5.14.0-427.el9", "2024a+b"] {
            assert_eq!(PackageVersion::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "-y", "1 2", "1\n", "ü1", &"1".repeat(129)] {
            assert!(PackageVersion::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            PackageVersion::parse("1.4.0").unwrap(),
            Version::parse("1.4.0").unwrap()
        );
    }
}
