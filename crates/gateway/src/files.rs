//! Files as answers over HTTP: opened, described, sent piece by piece.
//!
//! A file is read by a task of its own, a few pieces ahead of its reader. There is no limit to how long a transfer may
//! take, since slow lines are not to be punished; but a reader that takes nothing for [`STALL`] is given up, and what it
//! held is free again.

use std::any::Any;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Bytes read and sent at a time.
const PIECE: usize = 64 * 1024;
/// Pieces that wait for the connection.
const AHEAD: usize = 2;
/// How long a reader may take for one piece.
const STALL: Duration = Duration::from_secs(30);

/// What a transfer holds while it goes on: places, and the files themselves.
pub(crate) type Held = Box<dyn Any + Send>;

/// A regular file, open for reading.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    /// Bytes.
    pub(crate) length: u64,
    /// When it was changed last.
    pub(crate) modified: Timestamp,
}

/// Opens a regular file.
///
/// # Errors
/// Of kind `NotFound` also for directories and everything else that is no regular file.
pub(crate) async fn open(path: &Path) -> io::Result<Opened> {
    // Looked at first: to open a fifo would wait for its writer.
    if !tokio::fs::metadata(path).await?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = File::open(path).await?;
    let metadata = file.metadata().await?;
    Ok(Opened {
        file,
        length: metadata.len(),
        modified: metadata.modified().map(when)?,
    })
}

/// A file's time; one that is out of all bounds is the epoch.
fn when(time: std::time::SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A body of `length` bytes from where `file` stands. When the connection has taken the last of them `taken` is run, and
/// at the end, however it comes, `held` is dropped.
pub(crate) fn body(
    file: File,
    length: u64,
    held: Held,
    taken: impl Future<Output = ()> + Send + 'static,
) -> Body {
    let (send, receive) = mpsc::channel(AHEAD);
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        match pump(file, length, &send).await {
            Ok(()) => {
                if drained(&send, &counted, length).await {
                    taken.await;
                }
            }
            Err(why) => tracing::info!(why, "a download was given up"),
        }
        drop(held);
    });
    let pieces = stream::unfold((receive, count), |(mut receive, count)| async move {
        let piece: io::Result<Bytes> = receive.recv().await?;
        let bytes = piece.as_ref().map_or(0, Bytes::len) as u64;
        count.fetch_add(bytes, Ordering::AcqRel);
        Some((piece, (receive, count)))
    });
    Body::from_stream(pieces)
}

/// Reads and sends. What ends it early reaches the reader as a broken body, because the length was announced.
async fn pump(
    file: File,
    mut left: u64,
    send: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), &'static str> {
    let mut file = file.take(left);
    while left > 0 {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = match file.read_buf(&mut piece).await {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        };
        let (part, ends) = match read {
            Ok(count) => {
                left -= (count as u64).min(left);
                (Ok(piece.freeze()), false)
            }
            Err(error) => {
                tracing::error!(%error, "a file that is being downloaded cannot be read");
                (Err(error), true)
            }
        };
        match timeout(STALL, send.send(part)).await {
            Ok(Ok(())) if ends => return Err("its file cannot be read"),
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err("its reader went away"),
            Err(_) => return Err("its reader stopped reading"),
        }
    }
    Ok(())
}

/// Waits until the connection has taken all pieces; true if it did.
async fn drained(send: &mpsc::Sender<io::Result<Bytes>>, count: &AtomicU64, length: u64) -> bool {
    // All permits are there again when the last piece was taken. A connection may also drop the body at once then,
    // because the length was announced: so the count decides.
    let _ = timeout(STALL * AHEAD as u32, send.reserve_many(AHEAD)).await;
    count.load(Ordering::Acquire) >= length
}

/// A time as headers have it (RFC 9110, section 5.6.7).
pub(crate) fn http_date(time: Timestamp) -> String {
    let printer = DateTimePrinter::new();
    // Years that have no four digits cannot be written; no file has them.
    let text = printer.timestamp_to_rfc9110_string(&time);
    text.unwrap_or_else(|_| "Thu, 01 Jan 1970 00:00:00 GMT".into())
}

/// The time of a header; none if it cannot be understood.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use http_body_util::BodyExt as _;

    use super::*;

    async fn file(bytes: usize) -> (tempfile::NamedTempFile, Opened) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(bytes as u64).unwrap();
        let opened = open(file.path()).await.unwrap();
        (file, opened)
    }

    #[test]
    fn dates_of_the_standard() {
        let text = "Sun, 06 Nov 1994 08:49:37 GMT";
        let time = parse_http_date(text).unwrap();
        assert_eq!(time, "1994-11-06T08:49:37Z".parse().unwrap());
        assert_eq!(http_date(time), text);
        assert_eq!(parse_http_date("yesterday"), None);
    }

    #[tokio::test]
    async fn whoever_has_taken_all_is_told_of_and_others_are_not() {
        for (whole, bytes) in [(true, 5 * PIECE), (true, 0), (false, 5 * PIECE)] {
            let (_kept, opened) = file(bytes).await;
            let told = Arc::new(AtomicBool::new(false));
            let tells = Arc::clone(&told);
            let (held, free) = tokio::sync::oneshot::channel::<()>();
            let mut body = body(opened.file, opened.length, Box::new(held), async move {
                tells.store(true, Ordering::Release);
            });
            if whole {
                assert_eq!(body.collect().await.unwrap().to_bytes().len(), bytes);
            } else {
                body.frame().await.unwrap().unwrap();
                drop(body);
            }
            // It comes when what was held is dropped.
            assert!(free.await.is_err());
            assert_eq!(told.load(Ordering::Acquire), whole, "{bytes}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_loses_its_place() {
        let (_kept, opened) = file(10 * PIECE).await;
        let (held, free) = tokio::sync::oneshot::channel::<()>();
        let unread = body(opened.file, opened.length, Box::new(held), async {
            panic!("nobody has taken anything");
        });
        // Nobody reads: the clock runs ahead by itself here.
        assert!(free.await.is_err());
        drop(unread);
    }

    #[tokio::test]
    async fn what_is_no_file_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let error = open(dir.path()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
