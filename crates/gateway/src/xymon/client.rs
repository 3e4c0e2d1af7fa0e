//! Speaking to a Xymon server: one message for each connection, ended by closing our side of it.
//!
//! The end of the other side is the end of the answer; there is no length. A server that was cut off in the middle looks
//! like one that has said all, so whoever downloads must know by other means what is whole. What does break in a way
//! that can be seen (a reset, a silence) is an error here.

mod answer;
mod recipient;

use std::io::{self, Write};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

pub use answer::{is_version, wanted_version};
pub use recipient::{PORT, Recipient};

/// Read at once, in bytes.
const BLOCK: usize = 32 * 1024;

/// How long, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
    /// For everything.
    pub total: Duration,
    /// Most bytes of an answer.
    pub bytes: u64,
}

impl Limits {
    /// For a report and its answer: a block of `client-local.cfg`, which has a few lines.
    pub const REPORT: Self = Self {
        connect: Duration::from_secs(15),
        idle: Duration::from_secs(15),
        total: Duration::from_secs(60),
        bytes: 1024 * 1024,
    };
    /// For a package: 256 MiB, and an hour for a slow way.
    pub const DOWNLOAD: Self = Self {
        connect: Duration::from_secs(15),
        idle: Duration::from_secs(15),
        total: Duration::from_secs(3_600),
        bytes: 256 * 1024 * 1024,
    };
}

/// Why a server was not spoken to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no connection.
    #[error("cannot connect to the Xymon server {to}")]
    Connect {
        /// Which one.
        to: Recipient,
        /// What the operating system said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the Xymon server {to} broke after {bytes} bytes of its answer")]
    Broken {
        /// Which one.
        to: Recipient,
        /// What had come.
        bytes: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// Nothing moved for too long, or all of it took too long.
    #[error("the Xymon server {to} {what} for {} s, after {bytes} bytes of its answer", .limit.as_secs_f64())]
    TooSlow {
        /// Which one.
        to: Recipient,
        /// What it did all that time.
        what: &'static str,
        /// What had come.
        bytes: u64,
        /// The limit.
        limit: Duration,
    },
    /// The answer is larger than it may be.
    #[error("the Xymon server {to} sends more than {limit} bytes")]
    TooLarge {
        /// Which one.
        to: Recipient,
        /// The limit.
        limit: u64,
    },
    /// What came could not be written down.
    #[error("cannot write down what the Xymon server {to} sends")]
    Sink {
        /// Which one.
        to: Recipient,
        /// What the operating system said.
        source: io::Error,
    },
    /// The answer cannot be followed.
    #[error("the Xymon server's answer cannot be followed: {0}")]
    Answer(String),
}

/// Sends a message, and returns the answer, which may be empty: a server that does not know the host, or does not listen
/// to it, says nothing.
///
/// # Errors
/// If there is no connection, it breaks, stalls, or brings too much.
pub async fn ask(to: &Recipient, message: &[u8], limits: &Limits) -> Result<Vec<u8>, ClientError> {
    let mut answer = Vec::new();
    exchange(to, message, &mut answer, limits).await?;
    Ok(answer)
}

/// Downloads a file that lies in the server's `download` directory, and returns how many bytes came. Nothing at all
/// means that the server has no such file or does not give it; whether what came is whole is not known.
///
/// # Errors
/// As [`ask`]; and if it cannot be written.
pub async fn download(
    to: &Recipient,
    file: &str,
    sink: &mut (impl Write + Send),
    limits: &Limits,
) -> Result<u64, ClientError> {
    exchange(to, format!("download {file}").as_bytes(), sink, limits).await
}

async fn exchange(
    to: &Recipient,
    message: &[u8],
    sink: &mut (impl Write + Send),
    limits: &Limits,
) -> Result<u64, ClientError> {
    let mut visit = Visit {
        to,
        limits,
        deadline: Instant::now() + limits.total,
        bytes: 0,
    };
    let mut stream = visit.connect().await?;
    for part in message.chunks(BLOCK) {
        visit.moving(stream.write_all(part)).await?;
    }
    visit.moving(stream.shutdown()).await?;
    let mut block = vec![0; BLOCK];
    loop {
        let read = visit.moving(stream.read(&mut block)).await?;
        if read == 0 {
            return Ok(visit.bytes);
        }
        visit.bytes += read as u64;
        if visit.bytes > limits.bytes {
            return Err(ClientError::TooLarge {
                to: to.clone(),
                limit: limits.bytes,
            });
        }
        sink.write_all(&block[..read])
            .map_err(|source| ClientError::Sink {
                to: to.clone(),
                source,
            })?;
    }
}

/// One connection and its bounds.
struct Visit<'a> {
    to: &'a Recipient,
    limits: &'a Limits,
    deadline: Instant,
    bytes: u64,
}

impl Visit<'_> {
    async fn connect(&self) -> Result<TcpStream, ClientError> {
        let connecting = TcpStream::connect((self.to.host(), self.to.port()));
        match timeout(self.limits.connect, connecting).await {
            Ok(connected) => connected.map_err(|source| ClientError::Connect {
                to: self.to.clone(),
                source,
            }),
            Err(_) => Err(self.too_slow("takes no connection", self.limits.connect)),
        }
    }

    /// Waits for something to move.
    async fn moving<T>(&self, step: impl Future<Output = io::Result<T>>) -> Result<T, ClientError> {
        let idle = Instant::now() + self.limits.idle;
        match timeout_at(idle.min(self.deadline), step).await {
            Ok(done) => done.map_err(|source| ClientError::Broken {
                to: self.to.clone(),
                bytes: self.bytes,
                source,
            }),
            Err(_) if idle < self.deadline => Err(self.too_slow("is silent", self.limits.idle)),
            Err(_) => Err(self.too_slow("is at it", self.limits.total)),
        }
    }

    fn too_slow(&self, what: &'static str, limit: Duration) -> ClientError {
        ClientError::TooSlow {
            to: self.to.clone(),
            what,
            bytes: self.bytes,
            limit,
        }
    }
}

#[cfg(test)]
mod tests;
