//! Names that come from outside and end up in file names, certificates and database keys.
//!
//! One parser serves them all: a word is not empty, not long, of plain characters, and never `.`, `..` or
//! anything else that a file system or a shell would read as more than a name.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a host, as its certificate states it: a DNS name or a single label, at most 253 bytes (RFC 1035),
/// lower case.
pub type HostName = Word<Host>;
/// The name of a package, e.g. `lockstep`.
pub type PackageName = Word<Package>;
/// The name of a channel, e.g. `stable`.
pub type ChannelName = Word<Channel>;
/// What a release runs on: `linux-x86_64`, `linux-aarch64`, or `any`.
pub type Platform = Word<Target>;

/// The name of a lock, e.g. `db`.
pub type LockName = Word<Lock>;
/// The name of a user of the server, e.g. `ann`.
pub type UserName = Word<User>;

impl Platform {
    /// The platform that this program was built for.
    #[must_use]
    pub fn of_this_program() -> Self {
        let name = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        Self(name, PhantomData)
    }

    /// True if something built for `self` runs on `host`.
    #[must_use]
    pub fn runs_on(&self, host: &Self) -> bool {
        self == host || self.as_str() == "any"
    }
}

impl PackageName {
    /// The package that is the agent itself.
    #[must_use]
    pub fn lockstep() -> Self {
        Self("lockstep".into(), PhantomData)
    }

    /// What stands for the operating system as a whole in runs and records.
    #[must_use]
    pub fn system() -> Self {
        Self("os".into(), PhantomData)
    }

    /// What stands for the restart of the machine in runs and records.
    #[must_use]
    pub fn reboot() -> Self {
        Self("reboot".into(), PhantomData)
    }

    /// True for names that stand for something of the machine, and are no packages.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        *self == Self::system() || *self == Self::reboot()
    }
}

impl ChannelName {
    /// The channel that a host follows when nothing else is configured.
    #[must_use]
    pub fn stable() -> Self {
        Self("stable".into(), PhantomData)
    }
}

/// What kind of thing a [`Word`] names; it decides the longest length and the words of the error.
pub trait Kind {
    /// What the error calls it.
    const WHAT: &'static str;
    /// Longest allowed length in bytes.
    const MAX: usize;
    /// Whether upper-case letters and `+` are allowed, too: package managers have names such as `NetworkManager` and
    /// `g++`, and tell `a` from `A`.
    const AS_PACKAGE_MANAGERS: bool = false;
}

/// Marks the name of a host.
#[derive(Debug)]
pub enum Host {}
/// Marks the name of a package.
#[derive(Debug)]
pub enum Package {}
/// Marks the name of a channel.
#[derive(Debug)]
pub enum Channel {}
/// Marks the name of a platform.
#[derive(Debug)]
pub enum Target {}
/// Marks the name of a lock.
#[derive(Debug)]
pub enum Lock {}
/// Marks the name of a user.
#[derive(Debug)]
pub enum User {}

impl Kind for Host {
    const WHAT: &'static str = "host name";
    const MAX: usize = 253;
}
impl Kind for Package {
    const WHAT: &'static str = "package name";
    const MAX: usize = 64;
    const AS_PACKAGE_MANAGERS: bool = true;
}
impl Kind for Channel {
    const WHAT: &'static str = "channel name";
    const MAX: usize = 64;
}
impl Kind for Target {
    const WHAT: &'static str = "platform";
    const MAX: usize = 64;
}
impl Kind for Lock {
    const WHAT: &'static str = "name of a lock";
    const MAX: usize = 64;
}
impl Kind for User {
    const WHAT: &'static str = "name of a user";
    const MAX: usize = 64;
}

/// A checked name: lower-case letters, digits, `.`, `_`, `-`; it begins and ends with a letter or a digit and
/// holds no two dots in a row. Names of packages may have upper-case letters and, but for the beginning, `+`.
pub struct Word<K>(String, PhantomData<fn() -> K>);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: {why}")]
pub struct WordError {
    what: &'static str,
    text: String,
    why: String,
}

impl<K: Kind> Word<K> {
    /// Parses a name. Upper-case letters are kept or refused, never folded, so that a name has one spelling.
    pub fn parse(text: &str) -> Result<Self, WordError> {
        let refuse = |why: String| {
            // The error repeats at most a line of what it was given.
            let text = text.chars().take(80).collect();
            Err(WordError {
                what: K::WHAT,
                text,
                why,
            })
        };
        if text.is_empty() {
            return refuse("it is empty".into());
        }
        if text.len() > K::MAX {
            return refuse(format!("it is longer than {} bytes", K::MAX));
        }
        let wide = K::AS_PACKAGE_MANAGERS;
        let plain = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || (wide && c.is_ascii_uppercase())
        };
        let plus = |c: char| wide && c == '+';
        if let Some(bad) = text
            .chars()
            .find(|&c| !plain(c) && !plus(c) && !matches!(c, '.' | '_' | '-'))
        {
            return refuse(match wide {
                true => {
                    format!("{bad:?} is not allowed, only a-z, A-Z, 0-9, '.', '_', '-' and '+'")
                }
                false => format!("{bad:?} is not allowed, only a-z, 0-9, '.', '_' and '-'"),
            });
        }
        if !text.starts_with(plain) || !text.ends_with(|c| plain(c) || plus(c)) {
            return refuse("it must begin and end with a letter or a digit".into());
        }
        if text.contains("..") {
            return refuse("it holds two dots in a row".into());
        }
        Ok(Self(text.into(), PhantomData))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<K: Kind> FromStr for Word<K> {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        Self::parse(text)
    }
}

// Derives would ask the same of `K`, which is only a mark.
impl<K> Clone for Word<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}
impl<K> PartialEq for Word<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Word<K> {}
impl<K> PartialOrd for Word<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Word<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> std::hash::Hash for Word<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K> fmt::Debug for Word<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
impl<K> fmt::Display for Word<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl<K> Serialize for Word<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de, K: Kind> Deserialize<'de> for Word<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_the_field_are_accepted() {
        for name in ["web1", "web1.example.org", "db-2", "a", "x_1"] {
            assert_eq!(HostName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn packages_are_named_as_their_package_managers_name_them() {
        for name in [
            "lockstep",
            "NetworkManager",
            "g++",
            "libstdc++6",
            "python3.11",
        ] {
            assert_eq!(PackageName::parse(name).unwrap().as_str(), name);
        }
        for name in ["+x", "-x", "a b", "a/b", "a..b", ""] {
            assert!(PackageName::parse(name).is_err(), "{name:?}");
        }
        assert!(ChannelName::parse("Stable").is_err());
    }

    #[test]
    fn each_refusal_says_why() {
        let why = |text: &str| HostName::parse(text).unwrap_err().to_string();
        assert_eq!(why(""), "\"\" is not a host name: it is empty");
        assert!(
            why("../etc").contains("'/' is not allowed"),
            "{}",
            why("../etc")
        );
        assert!(why("a..b").contains("two dots"));
        assert!(why(".hidden").contains("begin and end"));
        assert!(why("Web1").contains("'W' is not allowed"));
        assert!(why(&"a".repeat(254)).contains("longer than 253"));
    }

    proptest! {
        #[test]
        fn no_accepted_name_can_leave_a_directory(text in "\\PC{0,300}") {
            if let Ok(name) = HostName::parse(&text) {
                prop_assert_eq!(name.as_str(), &text);
                prop_assert!(!text.contains('/') && !text.contains('\0') && !text.contains(".."));
                prop_assert!(!text.starts_with(['.', '-']));
            }
        }
    }
}
