//! Messages on the wire: one for each connection, ended by the sender's half-close.
//!
//! As newer senders have it (Xymon 4.4), a first line `size:N` says how many bytes follow, so that nothing need be
//! half-closed; and `starttls` as the only line asks for TLS on the same connection.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

/// What a sender gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// How long nothing may come, and how long a receiver may take nothing. The original has 30 s for everything.
    pub idle: Duration,
    /// How long a message may take from its first byte to its last.
    pub receive: Duration,
    /// Bytes that must come each second on average...
    pub pace: u64,
    /// ... once this time is over.
    pub grace: Duration,
    /// Largest message in bytes. The original stops at 64 MiB.
    pub largest: usize,
    /// Messages above this many bytes take one of a few places.
    pub small: usize,
    /// Those places.
    pub large_at_once: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30),
            receive: Duration::from_secs(300),
            pace: 1_024,
            grace: Duration::from_secs(10),
            largest: 16 * 1024 * 1024,
            small: 256 * 1024,
            large_at_once: 8,
            handshake: Duration::from_secs(5),
        }
    }
}

/// What came.
#[derive(Debug)]
pub(super) enum Heard<'a> {
    /// A message, with its place if it is a large one.
    Message(Vec<u8>, Option<SemaphorePermit<'a>>),
    /// The wish to speak TLS.
    StartTls,
}

/// Why no message came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unheard {
    /// The peer said nothing for too long.
    Idle,
    /// The message took too long as a whole, or came too slowly.
    Slow,
    /// The message is too large.
    TooLarge,
    /// Too many large messages come at once.
    Crowded,
    /// The message was cut, or its first line makes no sense.
    Broken(String),
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => {
                f.write_str("nothing came for too long, and the sender did not half-close")
            }
            Self::Slow => f.write_str("the message came too slowly"),
            Self::TooLarge => f.write_str("the message is too large"),
            Self::Crowded => f.write_str("too many large messages come at once"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

/// `size:N` and its newline have at most this many bytes.
const LONGEST_SIZE: usize = 32;

/// Reads one message.
///
/// # Errors
/// When it does not come whole within the bounds. Nobody is waited for longer than [`Bounds::receive`].
pub(super) async fn read<'a, S: AsyncRead + Unpin>(
    stream: &mut S,
    bounds: &Bounds,
    large: &'a Semaphore,
) -> Result<Heard<'a>, Unheard> {
    let begun = Instant::now();
    let last = begun + bounds.receive;
    let mut message = Vec::with_capacity(8 * 1024);
    let mut place = None;
    let mut framing = Framing::Unsaid;
    loop {
        if framing == Framing::Unsaid {
            framing = Framing::of(&message, bounds.largest)?;
        }
        match framing {
            Framing::StartTls if message.len() > STARTTLS.len() => {
                // What came behind it in plain text must never count as said in TLS.
                return Err(Unheard::Broken("something came behind starttls".into()));
            }
            Framing::StartTls => return Ok(Heard::StartTls),
            Framing::Sized { head, size } if message.len() >= head + size => {
                message.truncate(head + size);
                message.drain(..head);
                return Ok(Heard::Message(message, place));
            }
            _ => {}
        }
        if message.len() > bounds.largest + LONGEST_SIZE {
            return Err(Unheard::TooLarge);
        }
        if message.len() > bounds.small && place.is_none() {
            let free = timeout_at(last, large.acquire()).await;
            place = Some(
                free.map_err(|_| Unheard::Crowded)?
                    .map_err(|_| Unheard::Crowded)?,
            );
        }
        let deadline = last.min(Instant::now() + bounds.idle);
        let read = timeout_at(deadline, stream.read_buf(&mut message)).await;
        let read = match read {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => {
                return Err(Unheard::Broken(format!("the connection broke: {error}")));
            }
            Err(_) if Instant::now() >= last => return Err(Unheard::Slow),
            Err(_) => return Err(Unheard::Idle),
        };
        if read == 0 {
            return match framing {
                Framing::Sized { .. } => Err(Unheard::Broken(
                    "fewer bytes came than size: had said".into(),
                )),
                _ => Ok(Heard::Message(message, place)),
            };
        }
        let spent = begun.elapsed();
        let due = bounds
            .pace
            .saturating_mul(spent.saturating_sub(bounds.grace).as_secs());
        if (message.len() as u64) < due {
            return Err(Unheard::Slow);
        }
    }
}

const STARTTLS: &[u8] = b"starttls\n";

/// How a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Its beginning does not say it yet.
    Unsaid,
    /// By the half-close.
    HalfClose,
    /// After so many bytes behind its first line.
    Sized {
        head: usize,
        size: usize,
    },
    StartTls,
}

impl Framing {
    fn of(message: &[u8], largest: usize) -> Result<Self, Unheard> {
        const SIZE: &[u8] = b"size:";
        if message.starts_with(STARTTLS) {
            return Ok(Self::StartTls);
        }
        if STARTTLS.starts_with(message) || SIZE.starts_with(message) {
            return Ok(Self::Unsaid);
        }
        let Some(rest) = message.strip_prefix(SIZE) else {
            return Ok(Self::HalfClose);
        };
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return if message.len() < LONGEST_SIZE {
                Ok(Self::Unsaid)
            } else {
                Err(Unheard::Broken("size: has no number".into()))
            };
        };
        let number = std::str::from_utf8(&rest[..end]).ok();
        let size = number.and_then(|number| number.trim().parse::<usize>().ok());
        match size {
            Some(size) if size > largest => Err(Unheard::TooLarge),
            Some(size) => Ok(Self::Sized {
                head: SIZE.len() + end + 1,
                size,
            }),
            None => Err(Unheard::Broken("size: has no number".into())),
        }
    }
}

/// Sends bytes. As long as the receiver takes some within each [`Bounds::idle`], it may take its time.
///
/// # Errors
/// When it takes nothing for too long, or is gone.
pub(super) async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    mut bytes: &[u8],
    idle: Duration,
) -> std::io::Result<()> {
    const CHUNK: usize = 32 * 1024;
    let gone = || std::io::Error::new(std::io::ErrorKind::TimedOut, "the receiver takes nothing");
    while !bytes.is_empty() {
        let chunk = bytes.get(..CHUNK).unwrap_or(bytes);
        let written = timeout(idle, stream.write(chunk))
            .await
            .map_err(|_| gone())??;
        if written == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
    }
    timeout(idle, stream.flush()).await.map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    async fn heard(bytes: &[u8], close: bool, bounds: &Bounds) -> Result<Option<Vec<u8>>, Unheard> {
        let (mut ours, mut theirs) = duplex(64);
        let large = Semaphore::new(1);
        let write = async {
            let _ = theirs.write_all(bytes).await;
            if close {
                drop(theirs);
            } else {
                std::future::pending::<()>().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            heard = read(&mut ours, bounds, &large) => heard.map(|heard| match heard {
                Heard::Message(message, _) => Some(message),
                Heard::StartTls => None,
            }),
            () = write => unreachable!("it waits for ever"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_ends_with_a_half_close_or_its_size() {
        let bounds = Bounds {
            largest: 100,
            ..Bounds::default()
        };
        for (bytes, close, expected) in [
            ("ping", true, Ok(Some("ping"))),
            ("", true, Ok(Some(""))),
            ("size", true, Ok(Some("size"))),
            ("size:4\nping", false, Ok(Some("ping"))),
            ("size:4\npingpong", false, Ok(Some("ping"))),
            ("size: 0\n", false, Ok(Some(""))),
            ("starttls\n", false, Ok(None)),
            ("starttls", true, Ok(Some("starttls"))),
            ("ping", false, Err("half-close")),
            ("size:5\nping", false, Err("half-close")),
            ("size:5\nping", true, Err("fewer")),
            ("size:x\nping", true, Err("no number")),
            ("size:1111111111111111111111111111", true, Err("no number")),
            ("size:101\n", true, Err("large")),
            ("starttls\nping", true, Err("behind")),
        ] {
            let found = heard(bytes.as_bytes(), close, &bounds).await;
            match (expected, found) {
                (Ok(expected), Ok(found)) => {
                    assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{bytes:?}");
                }
                (Err(expected), Err(found)) => {
                    assert!(found.to_string().contains(expected), "{bytes:?}: {found}");
                }
                (expected, found) => panic!("{bytes:?}: {found:?}, not {expected:?}"),
            }
        }
        let found = heard(&[b'x'; 200], true, &bounds).await;
        assert_eq!(found, Err(Unheard::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_a_byte_each_second_is_not_waited_for() {
        let (mut ours, mut theirs) = duplex(64);
        let large = Semaphore::new(1);
        let trickle = async {
            loop {
                let _ = theirs.write_all(b"x").await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let begun = Instant::now();
        let bounds = Bounds::default();
        let found = tokio::select! {
            found = read(&mut ours, &bounds, &large) => found.err(),
            () = trickle => None,
        };
        assert_eq!(found, Some(Unheard::Slow));
        assert!(begun.elapsed() < Duration::from_secs(15));
    }

    #[tokio::test(start_paused = true)]
    async fn large_messages_wait_for_a_place() {
        let bounds = Bounds {
            small: 10,
            ..Bounds::default()
        };
        let large = Semaphore::new(1);
        let (mut one, mut two) = (&[b'x'; 50][..], &[b'y'; 50][..]);
        let first = read(&mut one, &bounds, &large).await.unwrap();
        let second = read(&mut two, &bounds, &large).await;
        assert_eq!(second.err(), Some(Unheard::Crowded));
        drop(first);
        assert!(read(&mut two, &bounds, &large).await.is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in "(size:[0-9]{0,3}\n?)?\\PC{0,40}", close in any::<bool>()) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            let _ = runtime.block_on(heard(bytes.as_bytes(), close, &Bounds::default()));
        }
    }
}
