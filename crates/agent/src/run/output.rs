//! What scripts and package managers wrote during a run: one file for each package, begun anew by each run.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use lockstep_host::{Layout, fs};
use lockstep_model::{PackageName, RunRecord};
use tracing::warn;

use crate::words;

/// The file of one package.
#[derive(Debug, Clone)]
pub(super) struct Output {
    path: PathBuf,
}

impl Output {
    pub(super) fn of(layout: &Layout, package: &PackageName) -> Self {
        Self {
            path: layout.run_log(package),
        }
    }

    /// The file that is written to.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Begins anew.
    pub(super) fn clear(&self) {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                warn!(%error, path = %self.path.display(), "the output of the last run stays where it is");
            }
            _ => {}
        }
    }

    /// Adds what was written elsewhere. What cannot be added is lost to the record, and to nothing else.
    pub(super) fn add(&self, text: &str) {
        let added = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)
            .and_then(|mut file| writeln!(file, "{}", text.trim_end()));
        if let Err(error) = added {
            warn!(%error, path = %self.path.display(), "what the package manager said could not be kept");
        }
    }

    /// The end of it, as much as a record carries.
    pub(super) fn end(&self) -> String {
        // Nothing was written yet.
        if !self.path.exists() {
            return String::new();
        }
        match fs::read_tail(&self.path, RunRecord::LONGEST_LOG as u64) {
            Ok(bytes) => {
                let mut text = String::from_utf8_lossy(&bytes).into_owned();
                // Bytes that are no text become longer.
                let excess = text.len().saturating_sub(RunRecord::LONGEST_LOG);
                let begin = text.ceil_char_boundary(excess);
                text.drain(..begin);
                text
            }
            Err(error) => {
                warn!(
                    error = words(&error),
                    "the output of the run cannot be read"
                );
                String::new()
            }
        }
    }
}
