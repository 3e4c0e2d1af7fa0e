//! What many requests ask for and few change: read at most once a second, or in a longer time, and shared.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::OnceCell;

/// How old something may be that a request is answered with.
const FRESH: Duration = Duration::from_secs(1);

/// Something that is read when it is needed, and again when it is older than a second, or than it may become.
#[derive(Debug)]
pub(crate) struct Fresh<T> {
    oldest: Duration,
    read: Mutex<Option<Reading<T>>>,
}

/// One reading: when it was begun, and what came of it.
#[derive(Debug)]
struct Reading<T> {
    begun: Instant,
    begun_at: Timestamp,
    found: Arc<OnceCell<Arc<T>>>,
}

impl<T> Default for Fresh<T> {
    fn default() -> Self {
        Self::lasting(FRESH)
    }
}

impl<T> Fresh<T> {
    /// Something that may become so old before it is read again.
    pub(crate) fn lasting(oldest: Duration) -> Self {
        Self {
            oldest,
            read: Mutex::default(),
        }
    }

    /// What it is now, or was a moment ago. Whoever comes first reads with `load`, and those who come meanwhile wait.
    pub(crate) async fn read<E>(
        &self,
        now: Timestamp,
        load: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        let cell = self.cell(now);
        let found = cell
            .get_or_try_init(|| async { load.await.map(Arc::new) })
            .await?;
        Ok(Arc::clone(found))
    }

    /// It has changed: the next one who asks reads it anew.
    pub(crate) fn forget(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn cell(&self, now: Timestamp) -> Arc<OnceCell<Arc<T>>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match &*read {
            Some(reading) if reading.is_fresh(now, self.oldest) => Arc::clone(&reading.found),
            _ => {
                let found = Arc::default();
                *read = Some(Reading {
                    begun: Instant::now(),
                    begun_at: now,
                    found: Arc::clone(&found),
                });
                found
            }
        }
    }
}

impl<T> Reading<T> {
    /// By both clocks: what the server's clock is set to must neither keep old things nor be missed.
    fn is_fresh(&self, now: Timestamp, oldest: Duration) -> bool {
        let passed = now.duration_since(self.begun_at).unsigned_abs();
        self.begun.elapsed() < oldest && passed < oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    async fn read(fresh: &Fresh<u32>, second: i64, value: Result<u32, ()>) -> Result<u32, ()> {
        let found = fresh.read(at(second), async move { value }).await;
        found.map(|found| *found)
    }

    #[tokio::test]
    async fn it_is_read_again_when_time_has_passed_or_it_was_forgotten() {
        let fresh = Fresh::default();
        assert_eq!(read(&fresh, 100, Err(())).await, Err(()), "kept by nobody");
        assert_eq!(read(&fresh, 100, Ok(1)).await, Ok(1));
        assert_eq!(read(&fresh, 100, Ok(2)).await, Ok(1));
        fresh.forget();
        assert_eq!(read(&fresh, 100, Ok(3)).await, Ok(3));
        assert_eq!(read(&fresh, 101, Ok(4)).await, Ok(4));
        assert_eq!(
            read(&fresh, 90, Ok(5)).await,
            Ok(5),
            "the clock was set back"
        );
    }

    #[tokio::test]
    async fn what_may_become_older_is_read_less_often() {
        let fresh = Fresh::lasting(Duration::from_secs(600));
        assert_eq!(read(&fresh, 100, Ok(1)).await, Ok(1));
        assert_eq!(read(&fresh, 699, Ok(2)).await, Ok(1));
        assert_eq!(read(&fresh, 700, Ok(3)).await, Ok(3));
    }
}
