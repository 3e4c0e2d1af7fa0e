//! What survives a change: settings and plugins, copied from the old slot into the new one before it is complete.
//!
//! Where both have a file, the old one's is taken: it is what somebody on the host made of it. Contents, modes
//! and owners are copied; links only if they stay in the slot; sockets, fifos and devices are left behind. The
//! slot's own files (`bundle.toml`, `slot.json`, the kept bundle) are never taken from another slot.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lockstep_model::BundleManifest;
use rustix::fs::FileType;

use super::{Slot, space};
use crate::error::{Attempt, Error, Result};
use crate::fs::{Dir, split};
use crate::unpack::{check_link, is_reserved};

/// Deepest directory that is copied.
const DEEPEST: usize = 64;

/// Copies what the patterns name: `dir/` is a directory with everything in it, anything else files and links
/// whose last part may hold `*`. What does not exist is not preserved. Contents are synced, names are not.
pub(super) fn preserve(old: &Slot, new: &Dir, new_path: &Path, patterns: &[String]) -> Result<()> {
    let from = Dir::open(&old.dir).reading(&old.dir)?;
    let mut chosen = Vec::new();
    for pattern in patterns {
        choose(&from, &old.dir, pattern, &mut chosen)?;
    }
    let bytes = chosen
        .iter()
        .fold(0_u64, |sum, file| sum.saturating_add(file.space()));
    space::check(&[(new_path.into(), bytes)])?;
    for file in &chosen {
        file.copy(new).map_err(|error| Error::Preserve {
            path: old.dir.join(&file.path),
            why: error.to_string(),
        })?;
    }
    Ok(())
}

/// A file or link of the old slot that will be copied.
struct Chosen {
    /// From the slot's root.
    path: PathBuf,
    from: Dir,
    name: OsString,
    what: What,
}

enum What {
    File {
        length: u64,
        mode: u32,
    },
    Link {
        target: OsString,
    },
    /// An empty directory; others come with what is in them.
    Dir {
        mode: u32,
    },
}

fn choose(from: &Dir, root: &Path, pattern: &str, chosen: &mut Vec<Chosen>) -> Result<()> {
    let refuse = |why: String| Error::Preserve {
        path: root.join(pattern),
        why,
    };
    let (parent, last) =
        split(Path::new(pattern)).map_err(|_| refuse("it names nothing below the slot".into()))?;
    let parent: PathBuf = parent
        .components()
        .filter(|part| part.as_os_str() != ".")
        .collect();
    if parent.as_os_str().as_bytes().contains(&b'*') {
        return Err(refuse("only its last part may hold \"*\"".into()));
    }
    let dir = match from.descend(&parent) {
        Ok(Some(dir)) => dir,
        Ok(None) => return Ok(()),
        Err(error) => return Err(refuse(format!("its directory cannot be entered: {error}"))),
    };
    let whole_dirs = pattern.ends_with('/');
    for name in dir.names().reading(&root.join(&parent))? {
        if matches_glob(last.as_bytes(), name.as_bytes()) {
            choose_one(&dir, &parent, &name, whole_dirs, DEEPEST, chosen).map_err(|error| {
                Error::Preserve {
                    path: root.join(&parent).join(&name),
                    why: error.to_string(),
                }
            })?;
        }
    }
    Ok(())
}

fn choose_one(
    dir: &Dir,
    parent: &Path,
    name: &OsStr,
    whole_dirs: bool,
    depth: usize,
    chosen: &mut Vec<Chosen>,
) -> io::Result<()> {
    let path = parent.join(name);
    let at_root = parent.as_os_str().is_empty();
    if at_root && (name == BundleManifest::FILE || is_reserved(name.as_bytes())) {
        return Ok(());
    }
    let Some(stat) = dir.stat(name)? else {
        return Ok(());
    };
    let mode = stat.st_mode & 0o777;
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => What::File {
            length: u64::try_from(stat.st_size).unwrap_or(0),
            mode,
        },
        FileType::Symlink => {
            let target = dir.read_link(name)?;
            check_link(parent.components().count(), target.as_bytes()).map_err(io::Error::other)?;
            What::Link { target }
        }
        FileType::Directory if whole_dirs => {
            let inner = dir.open_dir(name)?;
            let deeper = depth
                .checked_sub(1)
                .ok_or_else(|| io::Error::other("the directory is too deep"))?;
            for name in inner.names()? {
                choose_one(&inner, &path, &name, whole_dirs, deeper, chosen)?;
            }
            What::Dir { mode }
        }
        // A pattern for files does not mean directories.
        FileType::Directory => return Ok(()),
        _ => {
            tracing::warn!(path = %path.display(), "left behind what is neither file, directory nor link");
            return Ok(());
        }
    };
    chosen.push(Chosen {
        path,
        from: dir.clone(),
        name: name.into(),
        what,
    });
    Ok(())
}

impl Chosen {
    fn space(&self) -> u64 {
        match self.what {
            What::File { length, .. } => length.saturating_add(4096),
            What::Link { .. } | What::Dir { .. } => 4096,
        }
    }

    fn copy(&self, new: &Dir) -> io::Result<()> {
        let mut to = new.clone();
        for part in self.path.parent().into_iter().flat_map(Path::components) {
            to = enter(&to, part.as_os_str())?;
        }
        match &self.what {
            What::Dir { mode } => {
                let dir = enter(&to, &self.name)?;
                dir.set_mode(*mode)
            }
            What::Link { target } => {
                make_room(&to, &self.name)?;
                to.create_link(target, &self.name)
            }
            What::File { mode, .. } => {
                make_room(&to, &self.name)?;
                self.copy_file(&to, *mode)
            }
        }
    }

    fn copy_file(&self, to: &Dir, mode: u32) -> io::Result<()> {
        let mut old = self.from.open_file(&self.name)?;
        let mut new = to.create_file(&self.name, mode)?;
        io::copy(&mut old, &mut new)?;
        if let Some(stat) = self.from.stat(&self.name)? {
            new.give_to(&stat)?;
        }
        new.sync()
    }
}

fn enter(dir: &Dir, name: &OsStr) -> io::Result<Dir> {
    match dir.open_dir(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => dir.create_dir(name, 0o755),
        other => other,
    }
}

/// The new slot is not complete, so there is nothing to lose yet in replacing what it brought.
fn make_room(dir: &Dir, name: &OsStr) -> io::Result<()> {
    match dir.kind(name)? {
        None => Ok(()),
        Some(FileType::Directory) => Err(io::Error::other(
            "it is a file in the old slot and a directory in the new one",
        )),
        Some(_) => dir.remove_file(name),
    }
}

/// `*` stands for any number of bytes; everything else for itself. A name with a dot before it needs a pattern
/// with a dot before it, as in a shell.
fn matches_glob(pattern: &[u8], name: &[u8]) -> bool {
    if name.starts_with(b".") && !pattern.starts_with(b".") {
        return false;
    }
    // Two positions and the last star's: as many steps as the product of the lengths, and no recursion.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && pattern[p] == name[n] {
            p += 1;
            n += 1;
        } else if let Some((after, taken)) = star {
            p = after + 1;
            n = taken + 1;
            star = Some((after, taken + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, matches) in [
            ("*.env", "a.env", true),
            ("*.env", "a.env.bak", false),
            ("*", "anything", true),
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("plain", "plain", true),
            ("plain", "plainer", false),
            ("**", "", true),
        ] {
            assert_eq!(
                matches_glob(pattern.as_bytes(), name.as_bytes()),
                matches,
                "{pattern} {name}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_star_for_any_part_of_a_name_matches_it(name in "[a-c]{0,12}", from in 0..12_usize, to in 0..12_usize) {
            let (from, to) = (from.min(name.len()), to.min(name.len()));
            let (from, to) = (from.min(to), from.max(to));
            let pattern = format!("{}*{}", &name[..from], &name[to..]);
            prop_assert!(matches_glob(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
