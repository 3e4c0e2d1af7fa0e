//! Which names and links a bundle may hold.
//!
//! The rules are lexical, and yet nothing can leave the tree: names are walked part by part through real
//! directories only, and a link may climb only with `..` at its beginning, no further than the tree's root. A link
//! through a link therefore starts from a real directory of the tree again.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::Refusal;

/// Longest name and longest link target, in bytes.
pub(super) const LONGEST: usize = 1024;
/// Most parts of a name.
const DEEPEST: usize = 64;

/// A name below the root of a tree, as its parts. The root itself has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(Vec<OsString>);

impl Name {
    /// Parses the name of an entry. `./a` and `a/` are `a`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.is_empty() {
            return Err(Refusal::NoName);
        }
        if bytes.len() > LONGEST {
            return Err(Refusal::NameTooLong);
        }
        if bytes.contains(&0) {
            return Err(Refusal::NulInName);
        }
        let mut parts = Vec::new();
        for part in Path::new(OsStr::from_bytes(bytes)).components() {
            match part {
                Component::CurDir => {}
                Component::Normal(part) if part.len() > 255 => return Err(Refusal::NameTooLong),
                Component::Normal(part) => parts.push(part.to_owned()),
                Component::ParentDir => return Err(Refusal::Climbs),
                Component::RootDir | Component::Prefix(_) => return Err(Refusal::Absolute),
            }
        }
        if parts.len() > DEEPEST {
            return Err(Refusal::TooDeep);
        }
        Ok(Self(parts))
    }

    /// The directory and the name in it; `None` for the root.
    pub(super) fn split(&self) -> Option<(&[OsString], &OsStr)> {
        let (name, dir) = self.0.split_last()?;
        Some((dir, name))
    }

    /// The name as a path below the root.
    pub(super) fn to_path(&self) -> PathBuf {
        self.0.iter().collect()
    }

    /// True for a file of this name at the root of the tree.
    pub(super) fn is_at_root(&self, name: &str) -> bool {
        self.at_root() == Some(name.as_bytes())
    }

    /// The name of what lies at the root of the tree.
    pub(super) fn at_root(&self) -> Option<&[u8]> {
        match &self.0[..] {
            [only] => Some(only.as_bytes()),
            _ => None,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_path().display())
    }
}

/// Checks the target of a link that lies in a directory `depth` levels below the root of its tree.
pub(crate) fn check_link(depth: usize, target: &[u8]) -> Result<(), Refusal> {
    let leaves = || Refusal::LinkLeaves {
        target: String::from_utf8_lossy(&target[..target.len().min(80)]).into_owned(),
    };
    if target.is_empty() || target.len() > LONGEST || target.contains(&0) {
        return Err(leaves());
    }
    let mut climbed = 0;
    let mut descended = false;
    for part in Path::new(OsStr::from_bytes(target)).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(_) => descended = true,
            // Behind a name, `..` would be that of whatever the name points at.
            Component::ParentDir if descended || climbed == depth => return Err(leaves()),
            Component::ParentDir => climbed += 1,
            Component::RootDir | Component::Prefix(_) => return Err(leaves()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_relative_and_stay() {
        let parts = |text: &str| Name::parse(text.as_bytes()).map(|name| name.0);
        assert_eq!(parts("bin/lockstep").unwrap(), ["bin", "lockstep"]);
        assert_eq!(parts("./bin//lockstep/").unwrap(), ["bin", "lockstep"]);
        assert!(parts("./").unwrap().is_empty());
        assert_eq!(parts("/etc/passwd"), Err(Refusal::Absolute));
        assert_eq!(parts("a/../b"), Err(Refusal::Climbs));
        assert_eq!(parts(".."), Err(Refusal::Climbs));
        assert_eq!(parts(""), Err(Refusal::NoName));
        assert_eq!(parts("a\0b"), Err(Refusal::NulInName));
        assert_eq!(parts(&"a/".repeat(65)), Err(Refusal::TooDeep));
        assert_eq!(parts(&"a".repeat(256)), Err(Refusal::NameTooLong));
        assert_eq!(parts(&"a".repeat(2000)), Err(Refusal::NameTooLong));
    }

    #[test]
    fn links_climb_only_at_their_beginning_and_no_further_than_the_root() {
        for (depth, target, inside) in [
            (0, "bin/lockstep", true),
            (1, "../lib/x", true),
            (2, "../../lib", true),
            (0, "./a", true),
            (0, "..", false),
            (1, "../..", false),
            (1, "../../etc/passwd", false),
            (0, "/etc/passwd", false),
            (3, "a/../../b", false),
            (0, "", false),
        ] {
            assert_eq!(
                check_link(depth, target.as_bytes()).is_ok(),
                inside,
                "{target}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_accepted_name_climbs(bytes in prop::collection::vec(prop::sample::select(b"a./\0".to_vec()), 0..20)) {
            if let Ok(name) = Name::parse(&bytes) {
                for part in &name.0 {
                    prop_assert!(part != ".." && part != "." && !part.is_empty());
                    prop_assert!(!part.as_bytes().contains(&b'/'));
                }
            }
        }
    }
}
