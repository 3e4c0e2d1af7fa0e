//! Since when each security fix has been waiting: since this machine was first seen without it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lockstep_host::fault;
use lockstep_host::fs::{Mode, read_capped, write_durable};

/// Largest file, in bytes; all packages of a large machine are half of it.
const LARGEST: u64 = 1024 * 1024;

/// When each package was first seen without its fix. A package that is fixed is forgotten; one for which a second fix
/// comes while it waits for the first goes on waiting.
#[derive(Debug)]
pub(super) struct Ages {
    path: Option<PathBuf>,
    /// None before the file has been read.
    seen: Option<BTreeMap<String, Timestamp>>,
}

impl Ages {
    /// Kept in a file of this directory, or in memory alone.
    pub(super) fn kept_in(dir: Option<&Path>) -> Self {
        Self {
            path: dir.map(|dir| dir.join("patches.json")),
            seen: None,
        }
    }

    /// Since when the oldest of these has been waiting.
    pub(super) fn oldest(&mut self, fixes: &[String], at: Timestamp) -> Option<Timestamp> {
        let path = self.path.as_deref();
        let seen = self.seen.get_or_insert_with(|| load(path));
        let now: BTreeMap<String, Timestamp> = fixes
            .iter()
            .map(|fix| (fix.clone(), seen.get(fix).copied().unwrap_or(at)))
            .collect();
        if now != *seen {
            *seen = now;
            if let Some(path) = path {
                save(path, seen);
            }
        }
        seen.values().min().copied()
    }
}

fn load(path: Option<&Path>) -> BTreeMap<String, Timestamp> {
    let Some(path) = path else {
        return BTreeMap::new();
    };
    let read = match read_capped(path, LARGEST) {
        Ok(None) => return BTreeMap::new(),
        Ok(Some(bytes)) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    read.unwrap_or_else(|error| {
        // Without it the fixes seem younger than they are, which is better than no figure at all.
        tracing::warn!(path = %path.display(), error, "the ages of pending fixes are lost and begin anew");
        BTreeMap::new()
    })
}

/// A failure costs the ages at the next start, and no sooner.
fn save(path: &Path, seen: &BTreeMap<String, Timestamp>) {
    let saved = serde_json::to_vec(seen)
        .map_err(|error| error.to_string())
        .and_then(|bytes| {
            fault::uncounted(|| write_durable(path, &bytes, Mode::Private))
                .map_err(|error| error.to_string())
        });
    if let Err(error) = saved {
        tracing::warn!(path = %path.display(), error, "the ages of pending fixes cannot be kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::world::{World, at};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(String::from).collect()
    }

    #[test]
    fn the_oldest_fix_counts_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let mut ages = Ages::kept_in(Some(dir.path()));
        assert_eq!(ages.oldest(&[], at(100)), None);
        assert_eq!(ages.oldest(&names(&["a"]), at(200)), Some(at(200)));
        assert_eq!(ages.oldest(&names(&["a", "b"]), at(300)), Some(at(200)));
        let mut ages = Ages::kept_in(Some(dir.path()));
        assert_eq!(ages.oldest(&names(&["a", "b"]), at(400)), Some(at(200)));
        assert_eq!(ages.oldest(&names(&["b"]), at(500)), Some(at(300)));
        assert_eq!(ages.oldest(&[], at(600)), None);
        assert_eq!(ages.oldest(&names(&["a"]), at(700)), Some(at(700)), "anew");
    }

    #[test]
    fn without_a_directory_it_is_remembered_until_the_end() {
        let mut ages = Ages::kept_in(None);
        assert_eq!(ages.oldest(&names(&["a"]), at(200)), Some(at(200)));
        assert_eq!(ages.oldest(&names(&["a"]), at(300)), Some(at(200)));
    }

    #[test]
    fn a_broken_file_is_begun_anew() {
        let world = World::new();
        world.put("patches.json", "{");
        let mut ages = Ages::kept_in(Some(world.root()));
        assert_eq!(ages.oldest(&names(&["a"]), at(200)), Some(at(200)));
        let mut ages = Ages::kept_in(Some(world.root()));
        assert_eq!(ages.oldest(&names(&["a"]), at(300)), Some(at(200)));
    }
}
