//! What the probes of the kernel share: where it is, and what has been read of it in this round.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::time::Instant;

use crate::disk::{self, Measure};

/// Largest file of `/proc` that is read, in bytes. What lies behind it is not seen; `stat` of a machine with
/// thousands of interrupts and `mountinfo` of one with thousands of mounts are that long.
const MOST_BYTES: u64 = 1024 * 1024;
/// Room for a file before anything is known of it.
const ROOM: usize = 4096;

/// The kernel of this machine. Several items come from one file, and several from one walk over all processes; each
/// is read once in a round, into a cell that all of them share.
pub(crate) struct Kernel {
    /// Where its `proc` file system is.
    pub(crate) proc: PathBuf,
    /// Where `/sys` and `/run` lie.
    pub(crate) root: PathBuf,
    /// The agent's processes.
    pub(crate) agent_pids: Vec<u32>,
    /// How a file system is asked for its space.
    pub(crate) measure: Arc<Measure>,
    cells: Mutex<Cells>,
}

/// Cells by what they hold and of what.
type Cells = HashMap<(TypeId, String), Arc<dyn Any + Send + Sync>>;

/// A file as it was at one moment.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) at: Instant,
    pub(crate) bytes: Vec<u8>,
}

/// Why a file was not read.
#[derive(Debug, Clone)]
pub(crate) struct Unread {
    pub(crate) kind: io::ErrorKind,
    why: String,
}

impl Kernel {
    /// The kernel whose `proc` and root are at these paths, and the agent whose processes these are.
    pub(crate) fn new(proc: PathBuf, root: PathBuf, agent_pids: Vec<u32>) -> Self {
        Self::with_measure(proc, root, agent_pids, Arc::new(disk::statvfs))
    }

    /// One whose file systems answer otherwise, for tests.
    pub(crate) fn with_measure(
        proc: PathBuf,
        root: PathBuf,
        agent_pids: Vec<u32>,
        measure: Arc<Measure>,
    ) -> Self {
        Self {
            proc,
            root,
            agent_pids,
            measure,
            cells: Mutex::default(),
        }
    }

    /// A new round begins, or the last one has ended: what was read is read anew when it is wanted again. A cell that
    /// somebody still waits for stays, as its file system is not asked twice at the same time.
    pub(crate) fn forget(&self) {
        self.cells().retain(|_, cell| Arc::strong_count(cell) > 1);
    }

    /// The cell of this round with this key, empty for who comes first.
    pub(crate) fn cell<C: Default + Send + Sync + 'static>(&self, key: &str) -> Arc<C> {
        let mut cells = self.cells();
        let cell = cells
            .entry((TypeId::of::<C>(), key.into()))
            .or_insert_with(|| Arc::<C>::default());
        Arc::clone(cell)
            .downcast()
            .expect("the type is part of the key")
    }

    /// A file below `proc`, read at most once in a round. Only for files that cannot hang.
    pub(crate) fn text(&self, path: &str) -> Result<Arc<Text>, Unread> {
        self.cell::<OnceLock<Result<Arc<Text>, Unread>>>(path)
            .get_or_init(|| {
                let at = Instant::now();
                let bytes = read(&self.proc.join(path))?;
                Ok(Arc::new(Text { at, bytes }))
            })
            .clone()
    }

    /// The same, for files that are texts.
    pub(crate) fn parse<T>(
        &self,
        path: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, String> {
        let text = self.text(path)?;
        std::str::from_utf8(&text.bytes)
            .ok()
            .and_then(parse)
            .ok_or_else(|| format!("{} is not understood", self.proc.join(path).display()))
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first megabyte of a file of `/proc`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Unread> {
    // Most of these files fit in here. They do not say how long they are, so that a small beginning would be read in
    // small pieces.
    let mut bytes = Vec::with_capacity(ROOM);
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes))
        .map_err(|error| Unread {
            kind: error.kind(),
            why: format!("{} cannot be read: {error}", path.display()),
        })?;
    Ok(bytes)
}

impl From<Unread> for String {
    fn from(unread: Unread) -> Self {
        unread.why
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("proc", &self.proc)
            .field("root", &self.root)
            .field("agent_pids", &self.agent_pids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::kernel::fake;

    #[test]
    fn a_file_is_read_once_in_a_round() {
        let machine = fake::machine();
        let kernel = machine.kernel();
        let first = kernel.text("uptime").unwrap();
        machine.put("proc/uptime", "9.00 9.00\n");
        assert_eq!(kernel.text("uptime").unwrap().bytes, first.bytes);
        kernel.forget();
        assert_eq!(kernel.text("uptime").unwrap().bytes, b"9.00 9.00\n");
    }

    #[test]
    fn a_cell_that_is_in_use_is_not_forgotten() {
        let kernel = fake::machine().kernel();
        let held = kernel.cell::<OnceLock<u8>>("x");
        kernel.cell::<OnceLock<u8>>("y").set(1).unwrap();
        assert!(kernel.cell::<OnceLock<u16>>("y").get().is_none());
        kernel.forget();
        assert!(Arc::ptr_eq(&held, &kernel.cell::<OnceLock<u8>>("x")));
        assert!(kernel.cell::<OnceLock<u8>>("y").get().is_none());
    }
}
