//! The agent's own files: the journal of the run, the memory between runs, the outbox.
//!
//! All of them are written whole, beside the old one, synced and renamed over it, so a reader finds the old state
//! or the new one. A file that cannot be understood is moved aside and reported, never overwritten in silence: the
//! agent goes on with what it would do on a host that is new.

use std::path::Path;

use lockstep_host::fs::{self, Mode};
use lockstep_host::{Layout, fault};
use lockstep_model::RunRecord;
use lockstep_plan::update::{Journal, Memory};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::error;

use crate::Error;
use crate::run::records;

/// Largest state file that is read or written, in bytes. The journal holds one run, the memory at most 64 failures;
/// the levels of 500 items with long windows of values are the largest.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Most records that wait for the server; a host that makes more runs than that while it is cut off loses the
/// oldest ones.
const MAX_OUTBOX: usize = 256;

/// The agent's state on disk.
#[derive(Debug, Clone)]
pub struct State {
    layout: Layout,
}

impl State {
    /// The state below a root.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            layout: layout.clone(),
        }
    }

    /// The journal of the run in progress, or of the last one.
    pub fn journal(&self) -> Result<Option<Journal>, Error> {
        read(&self.layout.journal())
    }

    /// Writes the journal, durably.
    pub fn write_journal(&self, journal: &Journal) -> Result<(), Error> {
        fault::point("journal");
        write(&self.layout.journal(), journal)?;
        fault::point("journaled");
        Ok(())
    }

    /// What the host remembers between runs.
    pub fn memory(&self) -> Result<Memory, Error> {
        Ok(read(&self.layout.memory())?.unwrap_or_default())
    }

    /// Writes the memory, durably.
    pub fn write_memory(&self, memory: &Memory) -> Result<(), Error> {
        write(&self.layout.memory(), memory)
    }

    /// Adds a record to the host's chain, and puts it into the outbox, durably. The name is its own, so that whoever
    /// removes a record that was sent never removes a newer one.
    pub fn send_later(&self, record: &RunRecord) -> Result<(), Error> {
        let record = records::linked(&self.layout, record.clone());
        let dir = self.layout.outbox();
        fs::create_private_dir(&dir)?;
        let number = record.link.map_or_else(
            || format!("at-{}", record.at.as_millisecond()),
            |link| link.number.to_string(),
        );
        let name = format!("{}-{}-{number}.json", record.id, record.phase);
        write(&dir.join(name), &record)?;
        let names = self.outbox_names()?;
        for name in names.iter().take(names.len().saturating_sub(MAX_OUTBOX)) {
            error!(
                record = name,
                "the outbox is full, its oldest record is dropped"
            );
            fs::remove_durable(&dir.join(name))?;
        }
        Ok(())
    }

    /// The records that the server has not acknowledged, oldest first, with the names to remove them by.
    pub fn outbox(&self) -> Result<Vec<(String, RunRecord)>, Error> {
        let mut records = Vec::new();
        for name in self.outbox_names()? {
            if let Some(record) = read::<RunRecord>(&self.layout.outbox().join(&name))? {
                records.push((name, record));
            }
        }
        records.sort_by_key(|(_, record)| record.at);
        Ok(records)
    }

    /// Removes a record that the server has stored.
    pub fn acknowledge(&self, name: &str) -> Result<(), Error> {
        Ok(fs::remove_durable(&self.layout.outbox().join(name))?)
    }

    fn outbox_names(&self) -> Result<Vec<String>, Error> {
        let entries = match std::fs::read_dir(self.layout.outbox()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(Error::System {
                    doing: "list the outbox",
                    source,
                });
            }
        };
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.ends_with(".json"))
            .collect();
        names.sort();
        Ok(names)
    }
}

pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let bytes = match fs::read_capped(path, MAX_BYTES) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        // Nothing of ours is that large, and an agent that cannot begin for it would never begin again.
        Err(error @ lockstep_host::Error::TooLarge { .. }) => return move_aside(path, &error),
        Err(error) => return Err(error.into()),
    };
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => move_aside(path, &error),
    }
}

/// Reads for a mere look: what cannot be understood is an error, and stays where it is. A rehearsal may be that of an
/// older version, and the file in use by a newer one.
pub(crate) fn look<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let bytes = fs::read_capped(path, MAX_BYTES)?;
    let value = bytes.map(|bytes| serde_json::from_slice(&bytes));
    value.transpose().map_err(|error| Error::NotUnderstood {
        path: path.into(),
        why: format!("{error}; a newer version may have written it"),
    })
}

fn move_aside<T>(path: &Path, error: &dyn std::error::Error) -> Result<Option<T>, Error> {
    let aside = path.with_extension("json.damaged");
    fs::rename_durable(path, &aside)?;
    error!(file = %path.display(), kept = %aside.display(), %error, "a state file is damaged and was moved aside");
    Ok(None)
}

pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| Error::Encode {
        path: path.into(),
        source,
    })?;
    bytes.push(b'\n');
    write_bytes(path, &bytes)
}

/// The same for what no person reads and is written often.
pub(crate) fn write_compact<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let bytes = serde_json::to_vec(value).map_err(|source| Error::Encode {
        path: path.into(),
        source,
    })?;
    write_bytes(path, &bytes)
}

/// What could not be read again must not be written.
fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(lockstep_host::Error::TooLarge {
            path: path.into(),
            max: MAX_BYTES,
        }
        .into());
    }
    Ok(fs::write_durable(path, bytes, Mode::Private)?)
}
