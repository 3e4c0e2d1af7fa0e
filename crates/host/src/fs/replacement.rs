//! A file in the making, beside the one that it will replace.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::dir::{Dir, NewFile, split};
use super::{Mode, create_dir, temporary};
use crate::error::{Attempt, Result};
use crate::fault;

/// A new file that is written little by little and takes its name at one instant, by
/// [`finish`](Replacement::finish). Dropped before that, it is removed and the old file stays.
#[derive(Debug)]
pub struct Replacement {
    path: PathBuf,
    dir_path: PathBuf,
    dir: Dir,
    temporary: Option<OsString>,
    file: NewFile,
}

impl Replacement {
    /// Begins a file that everybody may read. Missing directories are created.
    pub fn begin(path: &Path) -> Result<Self> {
        Self::begin_as(path, Mode::Public)
    }

    /// Begins a file with a mode. Missing directories are created.
    pub fn begin_as(path: &Path, mode: Mode) -> Result<Self> {
        let (dir_path, name) = split(path).writing(path)?;
        let dir = match Dir::open(&dir_path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_dir(&dir_path)?;
                Dir::open(&dir_path)
            }
            other => other,
        }
        .writing(path)?;
        let (temporary, file) =
            temporary::with_free_name(name, |temporary| dir.create_file(temporary, mode.bits()))
                .writing(path)?;
        Ok(Self {
            path: path.into(),
            dir_path,
            dir,
            temporary: Some(temporary),
            file,
        })
    }

    /// Where its contents go.
    pub fn file(&mut self) -> &mut impl Write {
        &mut self.file
    }

    /// Puts the file in its place: at any instant, and after a power cut, the name has the old file or this one,
    /// complete, and this one once this has returned.
    pub fn finish(mut self) -> Result<()> {
        self.file.sync().writing(&self.path)?;
        if let Some(temporary) = &self.temporary {
            let name = self.path.file_name().unwrap_or(OsStr::new(""));
            self.dir
                .rename(temporary, &self.dir, name)
                .writing(&self.path)?;
        }
        self.temporary = None;
        self.dir.sync().syncing(&self.dir_path)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take()
            && let Err(error) = self.dir.remove_file(&temporary)
        {
            // It is removed with the leftovers of the dead at the next start.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(path = %self.path.display(), error, "cannot remove an unfinished file yet");
        }
    }
}

/// Writes a file so that at any instant, and after a power cut, it holds the old bytes or the new ones, complete,
/// and the new ones once this has returned. A link at `path` is replaced, not followed; missing directories are
/// created. Several writers may write at once; one of them wins whole. Killed in the middle it leaves a file for
/// [`remove_leftovers`](super::remove_leftovers).
pub fn write_durable(path: &Path, bytes: &[u8], mode: Mode) -> Result<()> {
    fault::point("fs.write-durable");
    let mut replacement = Replacement::begin_as(path, mode)?;
    replacement.file.write_all(bytes).writing(path)?;
    replacement.finish()
}
