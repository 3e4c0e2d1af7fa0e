//! What `apt` would update, from the files that it and `dpkg` keep, without running either.
//!
//! A package can be updated if an archive has a newer version of it than the installed one; it has a security fix if
//! one of those versions comes from a security archive, even when a newer one comes from elsewhere. Held packages
//! do not count, nor do versions of archives that are `NotAutomatic` (backports, experimental), nor those that
//! Ubuntu has not handed out to everybody yet. Other pins are not known here, and whether `apt` would find a way
//! through the dependencies is not asked.
//!
//! The lists are read in a stream, so reading 60 MB of them takes two hundred kilobytes beside the installed
//! packages.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use lz4_flex::frame::FrameDecoder;

use super::Pending;
use super::stanza::{Stanza, Stanzas};
use super::version;

/// What is installed, below the root.
pub(super) const STATUS: &str = "var/lib/dpkg/status";
/// What the archives have.
const LISTS: &str = "var/lib/apt/lists";
/// Lists that nobody has refreshed for so long say nothing about what is pending.
const STALE_AFTER_DAYS: i64 = 30;
/// Most files of lists; each archive has a few.
const MOST_FILES: usize = 10_000;
/// Longest list, unpacked, in bytes: all of Debian is 60 MB.
const LONGEST_LIST: u64 = 1024 * 1024 * 1024;
/// The head of a `Release` file; behind it come checksums.
const LONGEST_HEAD: u64 = 16 * 1024;

/// The newest survey, and what the files were like before it.
#[derive(Debug, Default)]
pub(super) struct Survey {
    newest: Option<(Stamp, Arc<Pending>)>,
}

/// Size and time of the status file, and the time of the directory of lists: files in it are replaced, not written
/// anew.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    status: (u64, i64, i64),
    lists: (i64, i64),
}

impl Survey {
    /// What could be updated; none if there is no `dpkg` here. Costs two questions to the file system while nothing
    /// has changed.
    pub(super) fn pending(
        &mut self,
        root: &Path,
        at: Timestamp,
    ) -> Result<Option<Arc<Pending>>, String> {
        let (status, lists) = (root.join(STATUS), root.join(LISTS));
        let of_status = match std::fs::metadata(&status) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(unread(&status))?,
        };
        let of_lists = std::fs::metadata(&lists).map_err(unread(&lists))?;
        // A run of apt that finds nothing new leaves its traces beside the lists.
        let partial =
            std::fs::metadata(lists.join("partial")).map_or(i64::MIN, |found| found.mtime());
        let refreshed = of_lists.mtime().max(partial);
        let days = at.as_second().saturating_sub(refreshed) / 86_400;
        if days >= STALE_AFTER_DAYS {
            return Err(format!(
                "the lists of packages in {} are {days} days old; let apt-get update run daily",
                lists.display()
            ));
        }
        let stamp = Stamp {
            status: (of_status.len(), of_status.mtime(), of_status.mtime_nsec()),
            lists: (of_lists.mtime(), of_lists.mtime_nsec()),
        };
        if let Some((of, pending)) = &self.newest
            && *of == stamp
        {
            return Ok(Some(Arc::clone(pending)));
        }
        let pending = Arc::new(survey(&status, &lists)?);
        self.newest = Some((stamp, Arc::clone(&pending)));
        Ok(Some(pending))
    }
}

fn unread(path: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| format!("{} cannot be read: {error}", path.display())
}

/// An installed package.
#[derive(Debug)]
struct Installed {
    architecture: String,
    version: String,
    has_update: bool,
    has_fix: bool,
}

/// Those that are not held, by name.
#[derive(Debug, Default)]
struct Packages {
    by_name: HashMap<String, Vec<Installed>>,
    /// The machine's own architecture, which packages for all architectures count for.
    native: String,
}

/// Reads everything.
fn survey(status: &Path, lists: &Path) -> Result<Pending, String> {
    let mut packages = File::open(status)
        .and_then(|file| Packages::read(BufReader::new(file)))
        .map_err(unread(status))?;
    for list in find_lists(lists)? {
        let archive = match &list.release {
            Some(path) => Archive::read(path).map_err(unread(path))?,
            None => Archive::default(),
        };
        if !archive.is_not_automatic {
            list.open()
                .and_then(|reader| packages.compare(reader, &archive))
                .map_err(unread(&list.path))?;
        }
    }
    Ok(packages.pending())
}

impl Packages {
    fn read(status: impl BufRead) -> io::Result<Self> {
        let mut packages = Self::default();
        let mut stanzas = Stanzas::new(status);
        let mut stanza = Stanza::default();
        while stanzas.next(&mut stanza)? {
            if stanza.package == "dpkg" {
                packages.native.clone_from(&stanza.architecture);
            }
            let mut words = stanza.status.split_ascii_whitespace();
            let (wanted, state) = (words.next(), words.nth(1));
            let is_there = !matches!(state, None | Some("not-installed" | "config-files"));
            if is_there && wanted != Some("hold") && !stanza.version.is_empty() {
                let installed = Installed {
                    architecture: stanza.architecture.clone(),
                    version: stanza.version.clone(),
                    has_update: false,
                    has_fix: false,
                };
                let entry = packages.by_name.entry(stanza.package.clone());
                entry.or_default().push(installed);
            }
        }
        Ok(packages)
    }

    /// Notes what a list has newer versions of.
    fn compare(&mut self, list: impl BufRead, archive: &Archive) -> io::Result<()> {
        let mut stanzas = Stanzas::new(list);
        let mut stanza = Stanza::default();
        while stanzas.next(&mut stanza)? {
            let Some(installed) = self.by_name.get_mut(&stanza.package) else {
                continue;
            };
            let native = |architecture| match architecture {
                "all" => self.native.as_str(),
                other => other,
            };
            for one in installed {
                let is_newer = native(&one.architecture) == native(&stanza.architecture)
                    && is_for_everybody(&stanza)
                    && version::compare(&stanza.version, &one.version) == Ordering::Greater;
                one.has_update |= is_newer;
                one.has_fix |= is_newer && archive.is_security;
            }
        }
        Ok(())
    }

    fn pending(self) -> Pending {
        let mut pending = Pending::default();
        for (name, installed) in self.by_name {
            for one in installed.iter().filter(|one| one.has_update) {
                pending.packages += 1;
                if one.has_fix {
                    pending
                        .security
                        .push(format!("{name}:{}", one.architecture));
                }
            }
        }
        pending.security.sort_unstable();
        pending
    }
}

/// Ubuntu hands a version out to more and more machines, and takes it back if they fall ill.
fn is_for_everybody(stanza: &Stanza) -> bool {
    stanza
        .phased
        .parse::<u32>()
        .map_or(true, |part| part >= 100)
}

/// What the `Release` file says of an archive.
#[derive(Debug, Default, PartialEq, Eq)]
struct Archive {
    is_security: bool,
    /// Its versions are taken only by who names them.
    is_not_automatic: bool,
}

impl Archive {
    fn read(path: &Path) -> io::Result<Self> {
        let mut head = Vec::new();
        File::open(path)?
            .take(LONGEST_HEAD)
            .read_to_end(&mut head)?;
        Ok(Self::parse(&String::from_utf8_lossy(&head)))
    }

    fn parse(head: &str) -> Self {
        let mut archive = Self::default();
        let fields = head
            .lines()
            // The checksums are indented, and nothing behind them is looked for.
            .take_while(|line| !line.starts_with(' '))
            .filter_map(|line| line.split_once(':'));
        for (field, value) in fields {
            let value = value.trim();
            match field {
                "Label" => archive.is_security |= value == "Debian-Security",
                "Suite" | "Codename" => archive.is_security |= value.ends_with("-security"),
                "NotAutomatic" => archive.is_not_automatic = value == "yes",
                _ => {}
            }
        }
        archive
    }
}

/// One list of packages.
#[derive(Debug)]
struct List {
    path: PathBuf,
    is_lz4: bool,
    /// The `Release` file of its archive.
    release: Option<PathBuf>,
}

impl List {
    fn open(&self) -> io::Result<Box<dyn BufRead>> {
        let file = BufReader::new(File::open(&self.path)?);
        let reader: Box<dyn BufRead> = if self.is_lz4 {
            Box::new(FrameDecoder::new(file).take(LONGEST_LIST))
        } else {
            Box::new(file.take(LONGEST_LIST))
        };
        Ok(reader)
    }
}

/// All lists of packages. Their names are those of their addresses, so a list belongs to the `Release` file whose
/// name has the longest beginning in common with it.
fn find_lists(dir: &Path) -> Result<Vec<List>, String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .map_err(unread(dir))?
        .take(MOST_FILES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    let releases: Vec<(&str, &str)> = names
        .iter()
        .filter_map(|name| {
            // `x_InRelease` ends with `Release` as well.
            let prefix = name
                .strip_suffix("_InRelease")
                .or_else(|| name.strip_suffix("_Release"))?;
            Some((prefix, name.as_str()))
        })
        .collect();
    let mut lists: BTreeMap<&str, List> = BTreeMap::new();
    for name in &names {
        let (base, is_lz4) = match name.rsplit_once('.') {
            _ if name.ends_with("_Packages") => (name.as_str(), false),
            Some((base, "lz4")) if base.ends_with("_Packages") => (base, true),
            Some((base, "gz" | "xz" | "zst" | "bz2" | "lzma")) if base.ends_with("_Packages") => {
                return Err(format!(
                    "{} is compressed in a way that is not understood here, only lz4 is; set Acquire::GzipIndexes to \
                     false in apt's configuration and let apt-get update run",
                    dir.join(name).display()
                ));
            }
            _ => continue,
        };
        let belongs = |prefix: &str| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with('_'))
        };
        let release = releases
            .iter()
            .filter(|(prefix, _)| belongs(prefix))
            .max_by_key(|(prefix, _)| prefix.len());
        // Plain names come before those that have something behind them.
        lists.entry(base).or_insert_with(|| List {
            path: dir.join(name),
            is_lz4,
            release: release.map(|(_, file)| dir.join(file)),
        });
    }
    if lists.is_empty() {
        return Err(format!(
            "there are no lists of packages in {}; let apt-get update run daily",
            dir.display()
        ));
    }
    Ok(lists.into_values().collect())
}

#[cfg(test)]
mod tests;
