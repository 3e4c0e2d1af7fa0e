//! Versions of releases and ranges of them, as Semantic Versioning 2.0.0 orders them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of a release, at most 64 bytes. Its characters (`0-9A-Za-z.+-`) are safe in a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Version(semver::Version);

/// Which versions are meant: `>=1.3, <2`, `=1.4.0`, or `*` for any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VersionRange(semver::VersionReq);

/// Why a text is not a version or a range of versions.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a version{}: {source}", if *.range { " range such as \">=1.3, <2\"" } else { " such as \"1.4.0\"" })]
pub struct VersionError {
    text: String,
    range: bool,
    source: semver::Error,
}

/// Longest version that is accepted, in bytes.
const LONGEST: usize = 64;

impl Version {
    /// Parses a version.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        // A text that is too long is cut, so that it fails as the parser's own error and is not repeated whole.
        let checked = if text.len() > LONGEST { "" } else { text };
        semver::Version::parse(checked)
            .map(Self)
            .map_err(|source| VersionError {
                text: text.chars().take(LONGEST).collect(),
                range: false,
                source,
            })
    }

    /// The version that this program was compiled as.
    #[must_use]
    pub fn of_this_program() -> Self {
        Self(
            semver::Version::parse(env!("CARGO_PKG_VERSION"))
                .expect("cargo only builds valid versions"),
        )
    }
}

impl VersionRange {
    /// Parses a range of versions.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        semver::VersionReq::parse(text)
            .map(Self)
            .map_err(|source| VersionError {
                text: text.chars().take(LONGEST).collect(),
                range: true,
                source,
            })
    }

    /// The range that every version is in.
    #[must_use]
    pub fn any() -> Self {
        Self(semver::VersionReq::STAR)
    }

    /// The range that holds `version` alone.
    #[must_use]
    pub fn exactly(version: &Version) -> Self {
        let text = format!("={}", version.0);
        Self(semver::VersionReq::parse(&text).expect("a version behind '=' is a range"))
    }

    /// True if `version` is in the range. A pre-release is judged as the release that it leads to, so `2.0.0-rc.1` is
    /// in `>=1.3` and not in `<2`: a fleet that tries a release candidate must not be cut off by a policy about final
    /// versions. It lies before the release itself, so `1.3.0-rc.1` is not in `>=1.3`.
    #[must_use]
    pub fn contains(&self, version: &Version) -> bool {
        if self.0.comparators.is_empty() || self.0.matches(&version.0) {
            return true;
        }
        if version.0.pre.is_empty() {
            return false;
        }
        // semver admits a pre-release only where the range names one of the same number; ask by its number, but
        // not where the range excludes what lies before that number.
        let mut number = version.0.clone();
        number.pre = semver::Prerelease::EMPTY;
        number.build = semver::BuildMetadata::EMPTY;
        let begins_at_number = self.0.comparators.iter().any(|c| {
            matches!(
                c.op,
                semver::Op::GreaterEq | semver::Op::Exact | semver::Op::Caret | semver::Op::Tilde
            ) && (c.major, c.minor.unwrap_or(0), c.patch.unwrap_or(0))
                == (number.major, number.minor, number.patch)
        });
        !begins_at_number && self.0.matches(&number)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl FromStr for Version {
    type Err = VersionError;
    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::parse(text)
    }
}
impl FromStr for VersionRange {
    type Err = VersionError;
    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::parse(text)
    }
}
impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
impl Serialize for VersionRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for VersionRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn order_is_that_of_semantic_versioning() {
        let mut versions: Vec<_> = ["1.10.0", "1.9.0", "1.10.0-rc.1", "2.0.0"]
            .map(version)
            .into();
        versions.sort();
        assert_eq!(
            versions,
            ["1.9.0", "1.10.0-rc.1", "1.10.0", "2.0.0"].map(version)
        );
    }

    #[test]
    fn a_range_judges_candidates_by_their_place() {
        let range = VersionRange::parse(">=1.3, <2").unwrap();
        for (text, inside) in [
            ("1.3.0", true),
            ("1.2.9", false),
            ("2.0.0", false),
            ("1.4.0-rc.1", true),
            ("1.3.0-rc.1", false),
        ] {
            assert_eq!(range.contains(&version(text)), inside, "{text}");
        }
        assert!(VersionRange::any().contains(&version("0.0.1-alpha")));
        assert!(VersionRange::exactly(&version("1.4.0")).contains(&version("1.4.0")));
    }

    #[test]
    fn nonsense_is_named() {
        assert!(
            Version::parse("1.4")
                .unwrap_err()
                .to_string()
                .starts_with("\"1.4\" is not a version")
        );
        assert!(Version::parse(&"9".repeat(1000)).is_err());
        assert!(VersionRange::parse("newest").is_err());
    }
}
