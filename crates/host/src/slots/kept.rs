//! The bundle that a slot came from, kept in it: deltas lead from the archive in it, and the tree is not enough to make
//! that again bit for bit.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Attempt, Result};
use crate::fs::Dir;
use crate::unpack::KEPT;

/// Copies a bundle into a slot that is being built. Whoever reads it later checks what is in it: a copy that was spoiled
/// costs a whole download and nothing else.
pub(super) fn keep(bundle: &Path, tree: &Dir, slot: &Path) -> Result<()> {
    let mut from = File::open(bundle).reading(bundle)?;
    let mut copy = || -> io::Result<()> {
        let mut kept = tree.create_file(KEPT.as_ref(), 0o644)?;
        io::copy(&mut from, &mut kept)?;
        kept.sync()
    };
    copy().writing(&slot.join(KEPT))
}
