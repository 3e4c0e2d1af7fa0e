//! The file as a whole.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use lockstep_model::{HostName, ItemName, Retention};
use sqlx::pool::PoolConnection;
use sqlx::query_scalar;
use sqlx::sqlite::{Sqlite, SqlitePool};

use crate::known::Memory;
use crate::{Error, file};

/// The history of all items that this host watches. All requests share one connection and wait for each other.
pub struct History {
    pool: SqlitePool,
    path: PathBuf,
    memory: Mutex<Memory>,
    retention: Mutex<Retention>,
    moved_aside: Option<PathBuf>,
}

/// An item of which there is history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The watched host whose item it is; none for the agent's own host.
    pub host: Option<HostName>,
    /// Which item.
    pub item: ItemName,
    /// The unit of its numbers; the newest one, should it ever have changed.
    pub unit: String,
}

impl History {
    /// Opens the file, or makes it, readable for its owner alone. A file that is damaged, or that a version with
    /// another layout wrote, is moved aside as `….damaged-SECONDS` and a new one begun, see [`History::moved_aside`].
    ///
    /// # Errors
    /// [`Error::Open`] and [`Error::File`] when the file can be neither used nor replaced: no rights, no space, or
    /// another process holds it.
    pub async fn open(path: &Path, retention: Retention, now: Timestamp) -> Result<Self, Error> {
        let (pool, moved_aside) = file::open(path, now).await?;
        let during = || Error::during("read the series");
        let memory = {
            let mut conn = pool.acquire().await.map_err(during())?;
            Memory::load(&mut conn).await.map_err(during())?
        };
        Ok(Self {
            pool,
            path: path.into(),
            memory: Mutex::new(memory),
            retention: Mutex::new(retention),
            moved_aside,
        })
    }

    /// Where the file that was found at opening lies now, if it could not be used.
    #[must_use]
    pub fn moved_aside(&self) -> Option<&Path> {
        self.moved_aside.as_deref()
    }

    /// Changes how long history is kept, from the next zap on.
    pub fn set_retention(&self, retention: Retention) {
        *self
            .retention
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = retention;
    }

    pub(crate) fn retention(&self) -> Retention {
        let retention = self.retention.lock();
        retention.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All items of which there is history, by host and name.
    #[must_use]
    pub fn items(&self) -> Vec<Kept> {
        let memory = self.memory();
        let kept = memory.all().map(|(host, item, known)| Kept {
            host: host.cloned(),
            item: item.clone(),
            unit: known.unit.clone(),
        });
        kept.collect()
    }

    /// Size of the file with its log, in bytes.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn size_bytes(&self) -> Result<u64, Error> {
        const SIZE: &str =
            "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        let mut conn = self.conn("measure the file").await?;
        let file: i64 = query_scalar(SIZE)
            .fetch_one(&mut *conn)
            .await
            .map_err(Error::during("measure the file"))?;
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        // Between two checkpoints there may be none.
        let log = tokio::fs::metadata(&log).await.map_or(0, |log| log.len());
        Ok(u64::try_from(file).unwrap_or(0) + log)
    }

    /// Folds the log into the file and lets go of it. Nothing is lost without it.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The one connection, when nobody else has it.
    pub(crate) async fn conn(&self, what: &'static str) -> Result<PoolConnection<Sqlite>, Error> {
        self.pool.acquire().await.map_err(Error::during(what))
    }

    /// Held for moments only, never while something is waited for.
    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({})", self.path.display())
    }
}
