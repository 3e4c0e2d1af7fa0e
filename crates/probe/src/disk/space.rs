//! The space of one file system.

use std::io;
use std::path::Path;

use lockstep_model::Value;

use crate::kernel;

/// Asks the file system at a path for its space; none if the path is no directory or has no space at all, and so is
/// nothing to watch. It may hang for as long as it likes.
pub(crate) type Measure = dyn Fn(&Path) -> io::Result<Option<Space>> + Send + Sync;

/// What there is of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    /// Blocks that hold something.
    pub(crate) used: u64,
    /// Blocks that anybody may still fill; those kept back for root are in neither number.
    pub(crate) available: u64,
    /// Bytes in a block.
    pub(crate) block: u64,
    /// Inodes, used or not; 0 if the file system makes them as it goes.
    pub(crate) inodes: u64,
    /// Those that anybody may still use.
    pub(crate) inodes_available: u64,
}

impl Space {
    /// The used part in per cent, as `df` counts it: what is kept back for root is no room.
    pub(crate) fn usage(self) -> Value {
        kernel::percent(self.used, self.used.saturating_add(self.available))
            .unwrap_or_else(|| Value::None("the file system has no room for anybody".into()))
    }

    /// Bytes that anybody may still fill.
    #[expect(clippy::cast_precision_loss, reason = "no disk has 2^52 bytes yet")]
    pub(crate) fn free(self) -> Value {
        let bytes = self.available.saturating_mul(self.block);
        kernel::number(bytes as f64, "bytes")
    }

    /// The used part of all inodes in per cent; none if their number is not fixed.
    pub(crate) fn inode_usage(self) -> Option<Value> {
        let used = self.inodes.saturating_sub(self.inodes_available);
        kernel::percent(used, self.inodes)
    }
}

/// [`Measure`] by `statvfs(3)`.
pub(crate) fn statvfs(path: &Path) -> io::Result<Option<Space>> {
    // Container runtimes mount single files such as /etc/hosts from the host's disk.
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(None);
    }
    let answer = rustix::fs::statvfs(path)?;
    if answer.f_blocks == 0 {
        return Ok(None);
    }
    Ok(Some(Space {
        used: answer.f_blocks.saturating_sub(answer.f_bfree),
        available: answer.f_bavail,
        block: answer.f_frsize,
        inodes: answer.f_files,
        inodes_available: answer.f_favail,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fake::half_full;
    use crate::kernel::number;

    #[test]
    fn usage_is_that_of_df() {
        let usage = |used, available| {
            let space = Space {
                used,
                available,
                ..half_full()
            };
            space.usage()
        };
        assert_eq!(usage(90, 5), number(94.7, "%"));
        assert_eq!(usage(0, 5), number(0.0, "%"));
        assert_eq!(usage(5, 0), number(100.0, "%"));
        assert!(matches!(usage(0, 0), Value::None(_)));
        assert!(matches!(usage(u64::MAX, u64::MAX), Value::Number { .. }));
    }

    #[test]
    fn a_file_system_may_make_inodes_as_it_goes() {
        assert_eq!(half_full().inode_usage(), Some(number(10.0, "%")));
        let btrfs = Space {
            inodes: 0,
            inodes_available: 0,
            ..half_full()
        };
        assert_eq!(btrfs.inode_usage(), None);
        assert_eq!(btrfs.free(), number(204_800.0, "bytes"));
    }

    #[test]
    fn directories_have_space_and_files_have_not() {
        let dir = tempfile::tempdir().unwrap();
        let space = statvfs(dir.path()).unwrap().unwrap();
        assert!(space.used.saturating_add(space.available) > 0);
        let file = tempfile::NamedTempFile::new_in(dir.path()).unwrap();
        assert_eq!(statvfs(file.path()).unwrap(), None);
        assert_eq!(
            statvfs(Path::new("/proc")).unwrap(),
            None,
            "it has no blocks"
        );
        assert_eq!(
            statvfs(&dir.path().join("gone")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
