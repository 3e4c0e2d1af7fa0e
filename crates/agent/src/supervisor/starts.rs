//! A version that dies again and again right after its start.
//!
//! The supervisor itself is part of every update. Its new version is rehearsed before the trial, and the same
//! program has run as the worker for the whole probation, but it has not yet supervised. So each start is counted
//! in a file before anything else is done, and the count is cleared once a worker has checked in, or when the agent
//! is stopped in order. A version that reaches the limit makes way for the one before it.

use std::path::PathBuf;

use lockstep_host::Layout;
use lockstep_host::fs::{self, Mode};
use lockstep_host::slots::Slot;

use crate::Error;

/// Starts, or ends of the worker, in a row after which a fresh version is given up.
pub(super) const MAX_DEATHS: u32 = 5;

/// The count of starts on disk: the version and a number on one line.
pub(super) struct Starts {
    path: PathBuf,
    is_clear: bool,
}

impl Starts {
    pub(super) fn new(layout: &Layout) -> Self {
        Self {
            path: layout.state_dir().join("starts"),
            is_clear: false,
        }
    }

    /// Counts this start; returns the number if it is one too many.
    pub(super) fn count_start(&mut self, current: &Slot) -> Result<Option<u32>, Error> {
        let version = current.manifest.version.to_string();
        let text = fs::read_capped(&self.path, 1024)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let before = match text.trim().split_once(' ') {
            Some((counted, number)) if counted == version => number.parse().unwrap_or(0),
            _ => 0,
        };
        let starts: u32 = before + 1;
        fs::write_durable(
            &self.path,
            format!("{version} {starts}\n").as_bytes(),
            Mode::Private,
        )?;
        self.is_clear = false;
        Ok((starts > MAX_DEATHS).then_some(starts))
    }

    /// All is well: the next start is the first again.
    pub(super) fn clear(&mut self) -> Result<(), Error> {
        if !self.is_clear {
            fs::remove_durable(&self.path)?;
            self.is_clear = true;
        }
        Ok(())
    }
}
