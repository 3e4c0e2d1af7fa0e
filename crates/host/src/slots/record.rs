//! `slot.json`: what the host remembers of a slot, beside what the bundle says of itself.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use lockstep_model::{Content, ContentHash, PackageName, Version};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fs::{self, Dir};
use crate::unpack::RECORD;

/// Largest record that is read, in bytes.
const MAX_BYTES: u64 = 16 * 1024;

/// The contents of `slot.json`. Fields from the future are ignored, because an agent that was rolled back reads
/// the records of the newer one.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) package: PackageName,
    pub(super) version: Version,
    /// Of the bundle.
    pub(super) hash: Option<ContentHash>,
    /// Of the bare program that the slot was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) program: Option<ContentHash>,
    /// Of the archive in the bundle, which is kept beside this. Slots of older agents keep none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Content>,
    pub(super) installed_at: Timestamp,
}

impl Record {
    /// Reads the record of a slot. A directory without one is not a slot.
    pub(super) fn read(slot: &Path) -> Result<Self> {
        let path = slot.join(RECORD);
        let nonsense = |why: String| Error::Nonsense {
            path: path.clone(),
            why,
        };
        let bytes =
            fs::read_capped(&path, MAX_BYTES)?.ok_or_else(|| nonsense("it is missing".into()))?;
        serde_json::from_slice(&bytes).map_err(|error| nonsense(error.to_string()))
    }

    /// Writes the record into a slot that is not complete yet, and syncs it.
    pub(super) fn write(&self, slot: &Dir) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        let mut file = slot.create_file(RECORD.as_ref(), 0o644)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As version 0.1 writes it. Later versions must read it, and it must read theirs.
    const V0_1: &str = r#"{
        "package": "lockstep",
        "version": "0.1.0",
        "hash": "abababababababababababababababababababababababababababababababab",
        "installed_at": "2025-11-21T04:00:00Z",
        "a field from the future": 1
    }"#;

    #[test]
    fn records_are_read_across_versions() {
        let record: Record = serde_json::from_str(V0_1).unwrap();
        assert_eq!(record.hash, Some(ContentHash::from_digest([0xab; 32])));
        assert_eq!(record.program, None);
        assert_eq!(record.content, None);
        assert_eq!(record.installed_at.to_string(), "2025-11-21T04:00:00Z");
    }
}
