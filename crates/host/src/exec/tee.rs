//! Output that is written to a file while it comes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::error::{Attempt, Result};
use crate::fs;

/// Where the output of a command goes as well, while it is being written: what was written before this process
/// was killed is in the file. (It is not synced: a power cut may take the end of it.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tee {
    /// The file, which is appended to and created with mode `0600`. One process writes it at a time.
    pub path: PathBuf,
    /// Most bytes that it holds. When there would be more, the older half is left out, and a line says so.
    pub most: u64,
}

/// What stands where something was left out.
const LEFT_OUT: &[u8] = b"[earlier output was left out]\n";

/// An opened [`Tee`].
#[derive(Debug)]
pub(super) struct Teed {
    file: File,
    length: u64,
    most: u64,
    path: PathBuf,
    /// Whether writing failed, and was given up: a full disk does not stop the command.
    is_broken: bool,
}

impl Teed {
    pub(super) fn open(tee: &Tee) -> Result<Self> {
        if let Some(parent) = tee.path.parent()
            && !parent.as_os_str().is_empty()
        {
            fs::create_private_dir(parent)?;
        }
        let (file, length) = open(&tee.path).writing(&tee.path)?;
        Ok(Self {
            file,
            length,
            most: tee.most.max(4 * LEFT_OUT.len() as u64),
            path: tee.path.clone(),
            is_broken: false,
        })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.is_broken {
            return;
        }
        if let Err(error) = self.append(bytes) {
            self.is_broken = true;
            tracing::warn!(path = %self.path.display(), %error, "the rest of the output is not in the log");
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.length.saturating_add(bytes.len() as u64) > self.most {
            self.halve(bytes)?;
        } else {
            self.file.write_all(bytes)?;
            self.length += bytes.len() as u64;
        }
        Ok(())
    }

    /// Keeps the newer half. What is kept is written to the beginning before the file is cut, so that a process that
    /// is killed in between leaves some lines twice, and none out.
    fn halve(&mut self, more: &[u8]) -> io::Result<()> {
        let room = self.most / 2 - LEFT_OUT.len() as u64;
        let old = room.saturating_sub(more.len() as u64).min(self.length);
        self.file.seek(SeekFrom::Start(self.length - old))?;
        let mut kept = Vec::new();
        (&self.file).take(old).read_to_end(&mut kept)?;
        let more = last(more, room);
        kept.extend_from_slice(more);
        // Whole lines, if there are any.
        if let Some(end) = kept.iter().position(|byte| *byte == b'\n')
            && end + 1 < kept.len()
        {
            kept.drain(..=end);
        }
        self.file.rewind()?;
        self.file.write_all(LEFT_OUT)?;
        self.file.write_all(&kept)?;
        self.length = (LEFT_OUT.len() + kept.len()) as u64;
        self.file.set_len(self.length)
    }
}

fn last(bytes: &[u8], most: u64) -> &[u8] {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    &bytes[bytes.len().saturating_sub(most)..]
}

/// Opens the file at its end. It is not opened for appending, because then no write could go to its beginning.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let mut file: File = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?.into();
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let length = file.seek(SeekFrom::End(0))?;
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tee(most: u64) -> (tempfile::TempDir, Tee) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        (dir, Tee { path, most })
    }

    #[test]
    fn a_second_command_goes_on_where_the_first_ended() {
        let (_dir, tee) = tee(1000);
        Teed::open(&tee).unwrap().push(b"one\n");
        Teed::open(&tee).unwrap().push(b"two\n");
        assert_eq!(std::fs::read_to_string(&tee.path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_link_is_not_written_through() {
        let (dir, tee) = tee(1000);
        let target = dir.path().join("target");
        std::os::unix::fs::symlink(&target, &tee.path).unwrap();
        Teed::open(&tee).unwrap_err();
        assert!(!target.exists());
    }

    proptest! {
        #[test]
        fn the_newest_stays_and_the_file_is_bounded(
            pushes in prop::collection::vec("[a-z\n]{0,300}", 0..30),
            most in 120..600_u64,
        ) {
            let (_dir, tee) = tee(most);
            let mut teed = Teed::open(&tee).unwrap();
            for push in &pushes {
                teed.push(push.as_bytes());
                let written = std::fs::read(&tee.path).unwrap();
                prop_assert!(written.len() as u64 <= most);
                prop_assert_eq!(written.len() as u64, teed.length);
            }
            let whole = pushes.concat();
            let written = std::fs::read_to_string(&tee.path).unwrap();
            let newest = written.strip_prefix(std::str::from_utf8(LEFT_OUT).unwrap());
            match newest {
                None => prop_assert_eq!(written, whole),
                Some(newest) => prop_assert!(whole.ends_with(newest) && !newest.is_empty()),
            }
        }
    }
}
