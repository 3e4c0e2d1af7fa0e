//! The agent's jar: which file it is, which version it says it is, and its checksum.
//!
//! A jar is a zip archive. At its top RHQ's build puts `rhq-agent-update-version.properties`, and everything that is said
//! of the version is copied from there: a server that says another build than the agent reports of itself would have it
//! update for ever.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use md5::{Digest as _, Md5};
use tokio::sync::Semaphore;
use zip::ZipArchive;

use super::properties::{self, NotProperties};

/// The file at the top of the jar.
pub const STAMP: &str = "rhq-agent-update-version.properties";
/// Its keys, which are those of the answer, too.
pub(super) const VERSION: &str = "rhq-agent.latest.version";
pub(super) const BUILD: &str = "rhq-agent.latest.build-number";

/// Most directory entries that are looked at for a jar.
const MOST_ENTRIES: usize = 10_000;
/// Most directories below one another.
const DEEPEST: usize = 16;
/// Jars whose checksum is remembered.
const REMEMBERED: usize = 16;

/// What a jar says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Its version, as in `4.12.0`.
    pub version: String,
    /// Its build, as in `bd41cbb`.
    pub build: String,
}

/// What is known of a jar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jar {
    pub(super) stamp: Stamp,
    /// MD5 of the whole file in lower-case hexadecimal digits. It is RHQ's checksum against damaged downloads. It comes
    /// over the same connection as the file and protects from nobody.
    pub(super) md5: String,
}

/// Why there is no jar to hand out.
#[derive(Debug, thiserror::Error)]
pub enum NoJar {
    /// A file or directory cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is none, or more than one.
    #[error("{} has {count} files *.jar; exactly one is handed out", dir.display())]
    NotOne {
        /// The directory.
        dir: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// The directory is not what it should be.
    #[error("{} has more than {MOST_ENTRIES} entries, or more than {DEEPEST} levels", dir.display())]
    TooLarge {
        /// The directory.
        dir: PathBuf,
    },
    /// The file is no jar of RHQ's agent.
    #[error("{} is not a jar of an RHQ agent's update: {why}", path.display())]
    NoStamp {
        /// The file.
        path: PathBuf,
        /// Why.
        why: NotStamped,
    },
}

/// Why a file does not say which version it is.
#[derive(Debug, thiserror::Error)]
pub enum NotStamped {
    /// It is not a zip archive, or has no such file.
    #[error("{STAMP}: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The file in it cannot be read.
    #[error("{STAMP}: {0}")]
    Read(#[from] io::Error),
    /// The file in it cannot be understood.
    #[error("{STAMP}: {0}")]
    Properties(#[from] NotProperties),
    /// The file in it does not say what it should.
    #[error("{STAMP} has no {0}")]
    Key(&'static str),
}

/// The one jar in a directory.
pub(super) fn in_directory(dir: &Path) -> Result<PathBuf, NoJar> {
    one(dir, search(dir, 1)?)
}

/// The one jar among a release's files.
pub(super) fn in_tree(root: &Path) -> Result<PathBuf, NoJar> {
    one(root, search(root, DEEPEST)?)
}

fn one(dir: &Path, mut jars: Vec<PathBuf>) -> Result<PathBuf, NoJar> {
    match (jars.pop(), jars.len()) {
        (Some(jar), 0) => Ok(jar),
        (found, more) => Err(NoJar::NotOne {
            dir: dir.into(),
            count: more + usize::from(found.is_some()),
        }),
    }
}

/// All jars, so many levels deep. Links to directories are not followed.
fn search(root: &Path, levels: usize) -> Result<Vec<PathBuf>, NoJar> {
    let mut jars = Vec::new();
    let mut seen = 0;
    let mut left = vec![(root.to_owned(), levels)];
    while let Some((dir, levels)) = left.pop() {
        let unreadable = |source| NoJar::Unreadable {
            path: dir.clone(),
            source,
        };
        for entry in std::fs::read_dir(&dir).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            seen += 1;
            let is_too_deep = kind.is_dir() && levels == 1 && root != dir;
            if seen > MOST_ENTRIES || is_too_deep {
                return Err(NoJar::TooLarge { dir: root.into() });
            }
            let path = entry.path();
            let is_jar = path.extension().is_some_and(|it| it == "jar");
            if kind.is_dir() && levels > 1 {
                left.push((path, levels - 1));
            } else if is_jar && path.is_file() {
                jars.push(path);
            }
        }
    }
    Ok(jars)
}

/// What a jar says of itself.
///
/// # Errors
/// For everything that is not a zip archive with such a file in it, bounded to [`properties::LARGEST`] bytes.
pub fn read_stamp(jar: impl Read + Seek) -> Result<Stamp, NotStamped> {
    let mut archive = ZipArchive::new(jar)?;
    let mut text = Vec::new();
    let bound = properties::LARGEST as u64 + 1;
    archive.by_name(STAMP)?.take(bound).read_to_end(&mut text)?;
    let mut found = properties::parse(&text)?;
    let mut take = |key| found.remove(key).ok_or(NotStamped::Key(key));
    Ok(Stamp {
        version: take(VERSION)?,
        build: take(BUILD)?,
    })
}

/// A name for `Content-Disposition` that needs no quotes, since RHQ's agent would keep them: letters, digits and `._+-`,
/// and at the beginning neither a dot nor a dash.
pub(super) fn safe_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut safe: String = name
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '+' | '-' => c,
            _ => '_',
        })
        .collect();
    if safe.starts_with(['.', '-']) {
        safe.replace_range(..1, "_");
    }
    safe
}

/// Which bytes a path stood for when they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    modified: (i64, i64),
    length: u64,
    inode: (u64, u64),
}

impl Seen {
    fn of(metadata: &Metadata) -> Self {
        Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            length: metadata.len(),
            inode: (metadata.dev(), metadata.ino()),
        }
    }
}

/// What is known of jars, by what they were when they were read: one that is replaced is read anew, also if the new one
/// is older.
#[derive(Debug)]
pub(super) struct Known {
    jars: Mutex<HashMap<PathBuf, (Seen, Jar)>>,
    /// One at a time: agents that all ask at once for a new jar wait for one reading of it.
    turn: Semaphore,
}

impl Known {
    pub(super) fn new() -> Self {
        Self {
            jars: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }

    /// Version, build and checksum of a jar.
    pub(super) async fn of(&self, path: &Path) -> Result<Jar, NoJar> {
        let unreadable = |source| NoJar::Unreadable {
            path: path.into(),
            source,
        };
        // It is never closed.
        let _turn = self.turn.acquire().await;
        let seen = Seen::of(&tokio::fs::metadata(path).await.map_err(unreadable)?);
        if let Some(jar) = self.remembered(path, seen) {
            return Ok(jar);
        }
        let owned = path.to_owned();
        let reading = tokio::task::spawn_blocking(move || inspect(&owned)).await;
        let (seen, jar) = reading.map_err(|error| unreadable(io::Error::other(error)))??;
        let mut jars = self.jars.lock().unwrap_or_else(PoisonError::into_inner);
        if jars.len() >= REMEMBERED {
            jars.clear();
        }
        jars.insert(path.into(), (seen, jar.clone()));
        Ok(jar)
    }

    fn remembered(&self, path: &Path, seen: Seen) -> Option<Jar> {
        let jars = self.jars.lock().unwrap_or_else(PoisonError::into_inner);
        let (was, jar) = jars.get(path)?;
        (*was == seen).then(|| jar.clone())
    }
}

fn inspect(path: &Path) -> Result<(Seen, Jar), NoJar> {
    let unreadable = |source| NoJar::Unreadable {
        path: path.into(),
        source,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let seen = Seen::of(&file.metadata().map_err(unreadable)?);
    let stamp = read_stamp(&mut file).map_err(|why| NoJar::NoStamp {
        path: path.into(),
        why,
    })?;
    file.rewind().map_err(unreadable)?;
    let mut digest = Md5::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => break,
            count => digest.update(&piece[..count]),
        }
    }
    let md5 = digest
        .finalize()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect();
    Ok((seen, Jar { stamp, md5 }))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn jar(name: &str, text: &[u8]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text).unwrap();
        zip.finish().unwrap().into_inner()
    }

    fn put(path: &Path, bytes: &[u8]) {
        File::create(path).unwrap().write_all(bytes).unwrap();
    }

    #[test]
    fn a_jar_says_which_version_it_is() {
        let text = b"rhq-agent.latest.version=4.12.0\nrhq-agent.latest.build-number : bd41cbb\n";
        let stamp = read_stamp(Cursor::new(jar(STAMP, text))).unwrap();
        assert_eq!(
            (stamp.version.as_str(), stamp.build.as_str()),
            ("4.12.0", "bd41cbb")
        );
        for (bytes, why) in [
            (jar("other", text), STAMP),
            (jar(STAMP, b"rhq-agent.latest.version=1"), BUILD),
            (jar(STAMP, &vec![b' '; 1_000_000]), "more than"),
            (b"no zip at all".to_vec(), STAMP),
        ] {
            let error = read_stamp(Cursor::new(bytes)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn exactly_one_jar_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        put(&deep.join("agent.jar"), b"");
        put(&dir.path().join("readme.txt"), b"");
        assert_eq!(in_tree(dir.path()).unwrap(), deep.join("agent.jar"));
        let error = in_directory(dir.path()).unwrap_err().to_string();
        assert!(error.contains("has 0 files"), "{error}");
        put(&dir.path().join("other.jar"), b"");
        assert_eq!(
            in_directory(dir.path()).unwrap(),
            dir.path().join("other.jar")
        );
        let error = in_tree(dir.path()).unwrap_err().to_string();
        assert!(error.contains("has 2 files"), "{error}");
        std::fs::create_dir_all(dir.path().join("x/".repeat(DEEPEST + 1))).unwrap();
        assert!(matches!(in_tree(dir.path()), Err(NoJar::TooLarge { .. })));
    }

    #[test]
    fn names_need_no_quotes_and_lead_nowhere() {
        for (name, safe) in [
            (
                "dir/rhq-enterprise-agent-4.12.0.jar",
                "rhq-enterprise-agent-4.12.0.jar",
            ),
            ("my agent\".jar", "my_agent_.jar"),
            ("..jar", "_.jar"),
            ("-rf.jar", "_rf.jar"),
            ("a\r\nb;ä.jar", "a__b__.jar"),
        ] {
            assert_eq!(safe_name(Path::new(name)), safe);
        }
    }

    #[tokio::test]
    async fn a_replaced_jar_is_read_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, known) = (dir.path().join("agent.jar"), Known::new());
        let text = |build: &str| format!("{VERSION}=1\n{BUILD}={build}\n");
        put(&path, &jar(STAMP, text("a").as_bytes()));
        let first = known.of(&path).await.unwrap();
        assert_eq!(known.of(&path).await.unwrap(), first);
        let old = File::open(&path)
            .unwrap()
            .metadata()
            .unwrap()
            .modified()
            .unwrap();
        // Another file of the same length, and of the same time: its number is another one.
        let beside = dir.path().join("new");
        put(&beside, &jar(STAMP, text("b").as_bytes()));
        File::options()
            .write(true)
            .open(&beside)
            .unwrap()
            .set_modified(old)
            .unwrap();
        std::fs::hard_link(&path, dir.path().join("kept")).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::hard_link(&beside, &path).unwrap();
        let second = known.of(&path).await.unwrap();
        assert_eq!(second.stamp.build, "b");
        assert_ne!(second.md5, first.md5);
        assert_eq!(first.md5.len(), 32);
    }
}
