//! What became of the programs that this host runs to look at something: which file, how it ended, how long it took.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lockstep_host::fs::hash_file;
use lockstep_model::api::{Notes, ProgramSeen};
use lockstep_model::{ContentHash, HostName, ItemName};

/// Largest program whose bytes are read, in bytes: reading it must cost less than running it.
const LARGEST: u64 = 32 * 1024 * 1024;

/// The programs of this host, as they ended last.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    seen: Mutex<BTreeMap<Key, Known>>,
}

/// The host whom it is about, and the program's own item.
type Key = (Option<HostName>, ItemName);

#[derive(Debug)]
struct Known {
    seen: ProgramSeen,
    /// What the file was when its hash was made; while it is so, it is not read again.
    stamp: Option<Stamp>,
}

/// What changes when a file does: device, inode, length, and both times (the second cannot be set by hand), with their
/// nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, u64, (i64, i64), (i64, i64));

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self(
            file.dev(),
            file.ino(),
            file.len(),
            (file.mtime(), file.mtime_nsec()),
            (file.ctime(), file.ctime_nsec()),
        )
    }
}

/// A file's hash, with what it was then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    hash: Option<ContentHash>,
    stamp: Option<Stamp>,
}

impl Programs {
    /// The hash of a program's file, from before if the file has not changed. It may wait for a disk.
    pub(crate) fn mark(&self, host: Option<&HostName>, item: &ItemName, path: &Path) -> Marked {
        let Ok(metadata) = std::fs::metadata(path) else {
            return Marked::default();
        };
        let stamp = Some(Stamp::of(&metadata));
        let before = {
            let seen = self.seen();
            let known = seen.get(&(host.cloned(), item.clone()));
            known
                .filter(|it| it.stamp == stamp && it.seen.path == shown(path))
                .map(|it| it.seen.hash)
        };
        let hash = before.unwrap_or_else(|| match metadata.len() <= LARGEST {
            true => hash_file(path).ok(),
            false => None,
        });
        Marked { hash, stamp }
    }

    /// Notes how a program ended.
    pub(crate) fn note(&self, mut program: ProgramSeen, marked: Marked) {
        program.hash = marked.hash;
        let mut seen = self.seen();
        let key = (program.host.clone(), program.item.clone());
        let known = Known {
            seen: program,
            stamp: marked.stamp,
        };
        let is_full = seen.len() >= Notes::MOST_PROGRAMS;
        match seen.entry(key) {
            Entry::Occupied(mut place) => {
                place.insert(known);
            }
            Entry::Vacant(place) if !is_full => {
                place.insert(known);
            }
            // Those that came first stay, so that the list does not change with each report.
            Entry::Vacant(_) => {}
        }
    }

    /// Forgets those that are not looked at any more.
    pub(crate) fn keep(&self, is_wanted: impl Fn(Option<&HostName>, &ItemName) -> bool) {
        self.seen()
            .retain(|(host, item), _| is_wanted(host.as_ref(), item));
    }

    /// All of them, by host and name; at most [`Notes::MOST_PROGRAMS`].
    pub(crate) fn all(&self) -> Vec<ProgramSeen> {
        self.seen().values().map(|it| it.seen.clone()).collect()
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<Key, Known>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A path as it is told.
pub(crate) fn shown(path: &Path) -> String {
    let mut text = path.to_string_lossy().into_owned();
    text.truncate(text.floor_char_boundary(ProgramSeen::LONGEST_PATH));
    text
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn program(name: &str) -> ProgramSeen {
        ProgramSeen {
            item: ItemName::parse(name).unwrap(),
            host: None,
            path: String::new(),
            hash: None,
            exit: Some(0),
            ended: String::new(),
            took_ms: 1,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a file of a test need not be durable"
    )]
    fn a_file_is_read_again_when_it_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("check");
        let (programs, item) = (Programs::default(), program("plugin:check").item);
        assert_eq!(programs.mark(None, &item, &path), Marked::default());
        std::fs::write(&path, "one").unwrap();
        let first = programs.mark(None, &item, &path);
        assert_eq!(first.hash, Some(ContentHash::of(b"one")));
        let seen = ProgramSeen {
            path: shown(&path),
            ..program("plugin:check")
        };
        programs.note(seen, first);
        // As long as it looks the same, what was found stands.
        let lie = Some(ContentHash::of(b"a lie"));
        programs
            .seen()
            .values_mut()
            .for_each(|it| it.seen.hash = lie);
        assert_eq!(programs.mark(None, &item, &path).hash, lie);
        std::fs::write(&path, "two and more").unwrap();
        let second = programs.mark(None, &item, &path);
        assert_eq!(second.hash, Some(ContentHash::of(b"two and more")));
    }

    #[test]
    fn the_list_is_bounded_and_forgets_what_is_not_wanted() {
        let programs = Programs::default();
        for n in 0..100 {
            programs.note(program(&format!("script:{n:03}")), Marked::default());
        }
        assert_eq!(programs.all().len(), Notes::MOST_PROGRAMS);
        let mut worse = program("script:007");
        worse.exit = Some(2);
        programs.note(worse, Marked::default());
        programs.keep(|_, item| item.as_str() == "script:007");
        let all = programs.all();
        assert_eq!((all.len(), all[0].exit), (1, Some(2)));
    }
}
