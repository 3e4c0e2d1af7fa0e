//! What became of the programs that this host runs to look at something: which file, how it ended, how long it took.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lockstep_host::fs::hash_file;
use lockstep_model::api::{Notes, ProgramSeen};
use lockstep_model::{ContentHash, HostName, ItemName};

/// Largest program whose bytes are read, in bytes: reading it must cost less than running it.
const LARGEST: u64 = 32 * 1024 * 1024;
/// Most files whose hashes are remembered. A host with more programs than that says of the others no hash.
const MOST_FILES: usize = 1024;

/// The programs of this host, as they ended last.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    seen: Mutex<BTreeMap<Key, Known>>,
    /// What was read, by the file's path: also of programs that have no place in the list.
    files: Mutex<BTreeMap<PathBuf, File>>,
}

/// The host whom it is about, and the program's own item.
type Key = (Option<HostName>, ItemName);

#[derive(Debug)]
struct Known {
    seen: ProgramSeen,
    /// What the file was when it was run.
    stamp: Option<Stamp>,
}

/// A file that was read.
#[derive(Debug)]
struct File {
    /// What it was then; while it is so, it is not read again.
    stamp: Stamp,
    /// None: it could not be read, or is too large.
    hash: Option<ContentHash>,
}

/// What changes when a file does: device, inode, length, and both times (the second cannot be set by hand), with their
/// nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64, u64, u64, (i64, i64), (i64, i64));

impl Stamp {
    /// Of a file as it is now. It may wait for a disk.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let file = std::fs::metadata(path).ok()?;
        Some(Self(
            file.dev(),
            file.ino(),
            file.len(),
            (file.mtime(), file.mtime_nsec()),
            (file.ctime(), file.ctime_nsec()),
        ))
    }

    fn len(self) -> u64 {
        self.2
    }
}

impl Programs {
    /// True if a file must be read before its hash is known.
    pub(crate) fn is_unread(&self, path: &Path, stamp: Stamp) -> bool {
        let files = self.files();
        match files.get(path) {
            Some(file) => file.stamp != stamp,
            None => files.len() < MOST_FILES,
        }
    }

    /// Reads a file, and remembers its hash if it was the same all the while. It may wait for a disk, for long.
    pub(crate) fn read(&self, path: &Path, stamp: Stamp) {
        let hash = match stamp.len() <= LARGEST {
            true => hash_file(path).ok(),
            false => None,
        };
        if Stamp::of(path) != Some(stamp) {
            return;
        }
        let mut files = self.files();
        if files.len() < MOST_FILES || files.contains_key(path) {
            files.insert(path.to_owned(), File { stamp, hash });
        }
        drop(files);
        // The reading may have ended after the run was noted.
        let mut seen = self.seen();
        let is_it = |it: &&mut Known| it.stamp == Some(stamp);
        for known in seen.values_mut().filter(is_it) {
            known.seen.hash = hash;
        }
    }

    /// Notes how a program ended, whose file was this when it was run.
    pub(crate) fn note(&self, mut program: ProgramSeen, path: &Path, stamp: Option<Stamp>) {
        program.path = shown(path);
        program.hash = stamp.and_then(|stamp| {
            let files = self.files();
            let file = files.get(path).filter(|file| file.stamp == stamp);
            file.and_then(|file| file.hash)
        });
        let known = Known {
            seen: program,
            stamp,
        };
        self.put(known);
    }

    /// Notes why a program could not be run. Which file it was last stays: it may be the same again, and a disk that hangs
    /// makes no other program of it.
    pub(crate) fn note_not_run(&self, mut program: ProgramSeen) {
        let key = (program.host.clone(), program.item.clone());
        let mut stamp = None;
        if let Some(before) = self.seen().get(&key) {
            program.path.clone_from(&before.seen.path);
            program.hash = before.seen.hash;
            stamp = before.stamp;
        }
        let known = Known {
            seen: program,
            stamp,
        };
        self.put(known);
    }

    fn put(&self, known: Known) {
        let mut seen = self.seen();
        let key = (known.seen.host.clone(), known.seen.item.clone());
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

    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A path as it is told.
fn shown(path: &Path) -> String {
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

    /// A run of a program, after whose file was looked at.
    fn runs(programs: &Programs, name: &str, path: &Path) -> Option<ContentHash> {
        let stamp = Stamp::of(path);
        if let Some(stamp) = stamp
            && programs.is_unread(path, stamp)
        {
            programs.read(path, stamp);
        }
        programs.note(program(name), path, stamp);
        let all = programs.all();
        all.into_iter()
            .find(|it| it.item.as_str() == name)
            .and_then(|it| it.hash)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a file of a test need not be durable"
    )]
    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("check");
        let programs = Programs::default();
        assert_eq!(runs(&programs, "plugin:check", &path), None);
        write(&path, "one");
        let one = Some(ContentHash::of(b"one"));
        assert_eq!(runs(&programs, "plugin:check", &path), one);
        // As long as it looks the same, what was found stands.
        assert!(!programs.is_unread(&path, Stamp::of(&path).unwrap()));
        write(&path, "two and more");
        let two = Some(ContentHash::of(b"two and more"));
        assert_eq!(runs(&programs, "plugin:check", &path), two);
        // One that could not be run is what it was.
        programs.note_not_run(program("plugin:check"));
        let all = programs.all();
        assert_eq!((all[0].hash, all[0].path.clone()), (two, shown(&path)));
    }

    #[test]
    fn what_has_no_place_in_the_list_is_read_once_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("check");
        write(&path, "one");
        let programs = Programs::default();
        for n in 0..100 {
            programs.note_not_run(program(&format!("script:{n:03}")));
        }
        assert_eq!(runs(&programs, "script:late", &path), None);
        assert!(!programs.is_unread(&path, Stamp::of(&path).unwrap()));
    }

    #[test]
    fn a_reading_that_ends_after_the_run_is_told_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("check");
        write(&path, "one");
        let (programs, stamp) = (Programs::default(), Stamp::of(&path).unwrap());
        programs.note(program("plugin:check"), &path, Some(stamp));
        assert_eq!(programs.all()[0].hash, None);
        programs.read(&path, stamp);
        assert_eq!(programs.all()[0].hash, Some(ContentHash::of(b"one")));
        // Bytes of another file than the one that was run are not told as its own.
        write(&path, "two and more");
        let other = Programs::default();
        other.note(program("plugin:check"), &path, Some(stamp));
        other.read(&path, stamp);
        assert_eq!(other.all()[0].hash, None);
    }

    #[test]
    fn the_list_is_bounded_and_forgets_what_is_not_wanted() {
        let programs = Programs::default();
        for n in 0..100 {
            programs.note_not_run(program(&format!("script:{n:03}")));
        }
        assert_eq!(programs.all().len(), Notes::MOST_PROGRAMS);
        let mut worse = program("script:007");
        worse.exit = Some(2);
        programs.note_not_run(worse);
        programs.keep(|_, item| item.as_str() == "script:007");
        let all = programs.all();
        assert_eq!((all.len(), all[0].exit), (1, Some(2)));
    }
}
