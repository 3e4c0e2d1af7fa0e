//! A log file that was asked for by name.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// When the file has grown to this many bytes it becomes `PATH.1`, in the place of the one before.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The file. Clones share it.
#[derive(Clone)]
pub(super) struct LogFile(Arc<Mutex<Open>>);

struct Open {
    path: PathBuf,
    file: File,
    length: u64,
}

impl LogFile {
    /// Opens it for appending; none, with a note to the person who asked, if that is not possible.
    pub(super) fn open(path: &Path) -> Option<Self> {
        match Open::new(path) {
            Ok(open) => Some(Self(Arc::new(Mutex::new(open)))),
            Err(error) => {
                let path = path.display();
                crate::out::note(format_args!("lockstep: no log file {path}: {error}"));
                None
            }
        }
    }
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o640).open(path)?;
        let length = file.metadata()?.len();
        let path = path.to_owned();
        Ok(Self { path, file, length })
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".1");
        // A log need not survive a power cut.
        #[expect(clippy::disallowed_methods, reason = "a log is worth no sync")]
        std::fs::rename(&self.path, aside)?;
        *self = Self::new(&self.path)?;
        Ok(())
    }
}

impl Write for &LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One that cannot be begun anew goes on growing rather than losing what is to be said.
        let _ = match open.length > LARGEST {
            true => open.begin_anew(),
            false => Ok(()),
        };
        open.file.write_all(bytes)?;
        open.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = &'a Self;
    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_begun_anew_and_the_one_before_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("u.log");
        let log = LogFile::open(&path).unwrap();
        (&log).write_all(b"first\n").unwrap();
        log.0.lock().unwrap().length = LARGEST + 1;
        (&log).write_all(b"second\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second\n");
        let before = dir.path().join("u.log.1");
        assert_eq!(std::fs::read_to_string(before).unwrap(), "first\n");
    }
}
