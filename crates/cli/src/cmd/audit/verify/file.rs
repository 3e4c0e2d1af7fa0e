//! A host's own chain, from its files.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use lockstep_model::ChainEntry;

use super::super::walk::{Broken, Walk};

/// Longest line that is read. A byte of a body takes six as JSON at most; what stands around it is short.
const LONGEST_LINE: u64 = ChainEntry::LARGEST_BODY as u64 * 6 + 4096;

/// Walks along the files, one entry on each line. The outer error means that one could not be read.
pub(super) fn walk(walk: &mut Walk, files: &[PathBuf]) -> anyhow::Result<Result<(), Broken>> {
    for path in files {
        if let Err(broken) = walk_one(walk, path)? {
            return Ok(Err(broken));
        }
    }
    Ok(walk.end(None))
}

fn walk_one(walk: &mut Walk, path: &Path) -> anyhow::Result<Result<(), Broken>> {
    let failed = || format!("failed to read {}", path.display());
    let mut file = BufReader::new(File::open(path).with_context(failed)?);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let mut reader = file.by_ref().take(LONGEST_LINE);
        reader.read_until(b'\n', &mut line).with_context(failed)?;
        if line.is_empty() {
            break;
        }
        let added = parse(&line, number)
            .map_err(|why| Broken::at(walk.head().map_or(1, |head| head.number + 1), why))
            .and_then(|entry| walk.add(&entry));
        if let Err(broken) = added {
            return Ok(Err(broken));
        }
    }
    Ok(Ok(()))
}

fn parse(line: &[u8], number: u64) -> Result<ChainEntry, String> {
    let is_whole = line.ends_with(b"\n");
    if !is_whole && line.len() as u64 >= LONGEST_LINE {
        return Err(format!("line {number} is longer than any entry"));
    }
    let parsed = serde_json::from_slice(line);
    parsed.map_err(|error| match is_whole {
        true => format!("line {number} is no entry: {error}"),
        false => format!("line {number} is cut off"),
    })
}
