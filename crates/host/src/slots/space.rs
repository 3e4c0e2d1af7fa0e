//! Is there enough space? Asked before a download and again before unpacking.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lockstep_model::Release;

use super::Slots;
use crate::error::Result;
use crate::fs;

/// What stays free whatever is needed: 64 MiB. A host that an update filled to the last byte is a broken host.
const LEAST_MARGIN: u64 = 64 << 20;
/// Each file, directory and link takes a block on top of its length at most.
const BLOCK: u64 = 4096;

impl Slots {
    /// Checks that a release can be fetched and unpacked: what is still to be downloaded, the unpacked slot with the
    /// bundle that it keeps, and a margin of 64 MiB or 5 % of that, whichever is more. The old slots are there already
    /// and stay. Needs on one file system are added up. `downloaded` is how many bytes of the bundle are there.
    pub fn check_space(&self, release: &Release, downloaded: u64) -> Result<()> {
        let download = release.length.saturating_sub(downloaded);
        check(&[
            (self.layout.downloads(), download),
            (self.layout.slots_dir(), unpacked(release, release.length)),
        ])
    }

    /// The same for a release that comes by a delta. `downloads` is how many bytes will be written where downloads
    /// lie: the rest of the delta, the archive it leads from, the new bundle.
    pub fn check_space_by_delta(&self, release: &Release, downloads: u64) -> Result<()> {
        // No bundle is longer than its archive by more than a few bytes.
        let kept = release.details.content.map_or(0, |content| content.length);
        check(&[
            (self.layout.downloads(), downloads),
            (self.layout.slots_dir(), unpacked(release, kept)),
        ])
    }

    /// Checks that a bundle that is there, and has so many bytes, can be unpacked.
    pub(super) fn check_space_to_unpack(&self, release: &Release, bundle: u64) -> Result<()> {
        check(&[(self.layout.slots_dir(), unpacked(release, bundle))])
    }
}

/// What a slot takes: its tree, and the bundle that it keeps.
fn unpacked(release: &Release, kept: u64) -> u64 {
    let blocks = release.details.entries.saturating_add(1);
    let tree = release.details.unpacked_bytes;
    tree.saturating_add(blocks.saturating_mul(BLOCK))
        .saturating_add(kept)
}

/// How many bytes must be free below one place for a download and an unpacked slot: both, and a margin of 64 MiB
/// or 5 % of them, whichever is more.
#[must_use]
pub fn space_needed(download: u64, unpacked: u64) -> u64 {
    let bytes = download.saturating_add(unpacked);
    bytes.saturating_add(LEAST_MARGIN.max(bytes / 20))
}

/// Checks needs against the file systems they fall on.
pub(super) fn check(needs: &[(PathBuf, u64)]) -> Result<()> {
    let mut by_device: BTreeMap<u64, (&Path, u64)> = BTreeMap::new();
    for (path, bytes) in needs {
        let need = by_device.entry(fs::device(path)?).or_insert((path, 0));
        need.1 = need.1.saturating_add(*bytes);
    }
    for (path, bytes) in by_device.into_values() {
        fs::check_space(path, space_needed(0, bytes))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn the_margin_is_64_mib_or_5_percent() {
        let mib = |n: u64| n << 20;
        assert_eq!(space_needed(mib(40), mib(60)), mib(164));
        assert_eq!(space_needed(mib(1000), mib(1000)), mib(2100));
        assert_eq!(space_needed(u64::MAX, 1), u64::MAX);
    }

    #[test]
    fn needs_on_one_file_system_are_added_up() {
        let root = tempfile::tempdir().unwrap();
        let free = fs::free_bytes(root.path()).unwrap();
        // Two thirds fit once, and not twice.
        let (a, b) = (root.path().join("a/b"), root.path().join("c"));
        let part = free / 3 * 2;
        check(&[(a.clone(), part)]).unwrap();
        let error = check(&[(a, part), (b, part)]).unwrap_err();
        assert!(matches!(error, Error::NoSpace(_)), "{error}");
    }
}
