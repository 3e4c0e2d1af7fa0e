//! Handing out bundles: at most so many at once, and never to a reader that has stopped reading.
//!
//! A permit is held until the last byte was taken. The file is read by a task of its own, so that a stalled
//! reader frees its permit by the clock and not when its connection happens to notice.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use lockstep_model::ProblemKind;
use lockstep_plan::schedule::spread_retry;
use lockstep_plan::throttle::{self, Admission};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::TaskTracker;

use crate::web::Refusal;

/// Bytes read and sent at a time.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait for the connection.
const AHEAD: usize = 2;
/// How long a reader may take for one chunk.
const STALL: Duration = Duration::from_secs(30);
/// What a reader must manage on the whole, in bytes per second, after [`GRACE`]: who trickles would hold a place
/// for hours.
const SLOWEST: u64 = 16 * 1024;
const GRACE: Duration = Duration::from_secs(60);

/// The places for downloads on this server.
#[derive(Debug)]
pub(crate) struct Downloads {
    rule: throttle::Downloads,
    active: Arc<AtomicU32>,
    tasks: TaskTracker,
}

/// One place, free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicU32>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Downloads {
    pub(crate) fn at_most(max: u32, tasks: TaskTracker) -> Self {
        Self {
            rule: throttle::Downloads { max },
            active: Arc::default(),
            tasks,
        }
    }

    /// Takes a place, or says why there is none: all taken, or downloads are switched off.
    pub(crate) fn admit(&self) -> Result<Place, Refusal> {
        let mut active = self.active.load(Ordering::Acquire);
        loop {
            match self.rule.decide(active) {
                Admission::Admit => {}
                Admission::Busy { retry_after } => {
                    return Err(Refusal::busy(
                        format!("{active} downloads are under way, as many as this server allows"),
                        spread_retry(retry_after, fastrand::u64(..)),
                    ));
                }
                Admission::Off => {
                    return Err(Refusal::new(
                        ProblemKind::UpdatesOff,
                        "downloads are switched off on this server (downloads = 0)",
                    ));
                }
            }
            match self.active.compare_exchange(
                active,
                active + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Ok(Place(Arc::clone(&self.active))),
                Err(now) => active = now,
            }
        }
    }

    /// A body of `length` bytes from where `file` stands; it holds the place until it is read or given up.
    pub(crate) fn body(&self, file: File, length: u64, place: Place) -> Body {
        let (send, receive) = mpsc::channel(AHEAD);
        self.tasks.spawn(async move {
            let longest = GRACE + Duration::from_secs(length / SLOWEST);
            let ended = tokio::time::timeout(longest, pump(file.take(length), length, send)).await;
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(why)) => tracing::info!(why, "a download was given up"),
                Err(_) => tracing::info!("a download was given up: its reader is too slow"),
            }
            drop(place);
        });
        Body::from_stream(ReceiverStream::new(receive))
    }
}

/// Reads and sends. What ends it early reaches the reader as a broken body, because the length was announced.
async fn pump(
    mut file: impl AsyncRead + Unpin,
    mut left: u64,
    send: mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), &'static str> {
    while left > 0 {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let read = match file.read_buf(&mut chunk).await {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        let part = match read {
            Ok(count) => {
                left -= (count as u64).min(left);
                Ok(chunk.freeze())
            }
            Err(error) => {
                tracing::error!(%error, "an artifact cannot be read");
                left = 0;
                Err(error)
            }
        };
        match tokio::time::timeout(STALL, send.send(part)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err("its reader went away"),
            Err(_) => return Err("its reader stopped reading"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let downloads = Downloads::at_most(2, TaskTracker::new());
        let first = downloads.admit().unwrap();
        let _second = downloads.admit().unwrap();
        assert!(downloads.admit().is_err());
        drop(first);
        assert!(downloads.admit().is_ok());
    }

    #[test]
    fn none_at_all_is_another_refusal() {
        let refusal = Downloads::at_most(0, TaskTracker::new())
            .admit()
            .unwrap_err();
        assert!(format!("{refusal:?}").contains("UpdatesOff"), "{refusal:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_loses_its_place() {
        let tasks = TaskTracker::new();
        let downloads = Downloads::at_most(1, tasks.clone());
        let path = tempfile::NamedTempFile::new().unwrap();
        let mut file = File::create(path.path()).await.unwrap();
        file.write_all(&vec![7; 10 * CHUNK]).await.unwrap();
        file.flush().await.unwrap();
        let place = downloads.admit().unwrap();
        let file = File::open(path.path()).await.unwrap();
        let body = downloads.body(file, 10 * CHUNK as u64, place);
        tasks.close();
        // Nobody reads: the task ends by the clock, which runs ahead by itself here.
        tasks.wait().await;
        assert!(downloads.admit().is_ok());
        drop(body);
    }
}
