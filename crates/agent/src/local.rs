//! The local sockets: how the command line, the worker and the supervisor of one host talk.
//!
//! Each request is one line of JSON on a connection of its own, each answer one line back. The sockets lie in a
//! directory that only the agent's user may enter; nobody else can connect. Limits: a request of 256 KiB, an answer of
//! 1 MiB, 16 connections at once, ten seconds for a request to arrive.
//!
//! * `supervisor.sock` is served by the supervisor and answers while there is no worker at all.
//! * `agent.sock` is served by the worker.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::{Installed, Kept};
use lockstep_model::{HistoryQuery, ItemState, Outcome, RunId, RunReason, Series, Version};
use lockstep_plan::probation::{Link, Sign, Why};
use lockstep_plan::update::{Hold, Journal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::Error;

/// What the supervisor can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum SupervisorRequest {
    /// How does the agent stand?
    Status,
    /// The worker lives; this is how it finds the host.
    Sign(Sign),
    /// Try the slot of the run that the journal offers.
    Try {
        /// The run.
        run: RunId,
    },
    /// Go back to the version before.
    Rollback,
    /// End worker and supervisor.
    Stop,
}

/// What the supervisor answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum SupervisorAnswer {
    /// How the agent stands.
    Status(Box<SupervisorStatus>),
    /// The sign was taken in.
    SignTaken {
        /// False while the worker is on probation.
        proven: bool,
    },
    /// It will be done.
    Accepted,
    /// It will not be done.
    Refused {
        /// Why, and what to do.
        why: String,
    },
}

/// How the agent stands, as its supervisor sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SupervisorStatus {
    /// The supervisor's process.
    pub pid: u32,
    /// The worker's process.
    pub worker: Option<u32>,
    /// The version that `current` names.
    pub current: Option<Version>,
    /// The version that `agent rollback` would go back to.
    pub previous: Option<Version>,
    /// The version on probation, and what it waits for.
    pub trial: Option<TrialStatus>,
    /// The run in progress, or the last one.
    pub run: Option<Journal>,
}

/// A probation under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TrialStatus {
    /// The version that is being tried.
    pub version: Version,
    /// For how long, in seconds.
    pub for_s: u64,
    /// What is waited for.
    pub why: Option<Why>,
}

/// What the worker can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum WorkerRequest {
    /// How does the host stand?
    Status,
    /// Ask the server now: is another version wanted?
    CheckUpdate,
    /// Update now: to the version that the server wants, or to the one named here.
    Update {
        /// The version.
        to: Option<Version>,
    },
    /// Update now to the version that a file holds.
    UpdateFrom {
        /// The bundle.
        bundle: PathBuf,
        /// A directory with the repository's metadata; without it what the host has stored must list the bundle.
        #[serde(default)]
        metadata: Option<PathBuf>,
    },
    /// What does the history hold of an item?
    History(HistoryQuery),
}

/// What the worker answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum WorkerAnswer {
    /// How the host stands.
    Status(Box<WorkerStatus>),
    /// Nothing is to be done.
    Nothing {
        /// Why.
        hold: Hold,
    },
    /// Another version is wanted.
    Wanted {
        /// Which.
        version: Version,
        /// What keeps the host from it, if anything does.
        hold: Option<Hold>,
    },
    /// A run has begun.
    Begun {
        /// Which.
        run: RunId,
        /// To which version.
        version: Version,
    },
    /// An item's history.
    History(Series),
    /// It cannot be done.
    Refused {
        /// Why, and what to do.
        why: String,
    },
}

/// How the host stands, as its worker sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// The host's name.
    pub host: String,
    /// The version that runs.
    pub version: Version,
    /// The server in use.
    pub server: String,
    /// How the last report went.
    #[serde(flatten)]
    pub link: Link,
    /// When the last report was accepted.
    pub reported_at: Option<Timestamp>,
    /// When the certificate ends.
    pub certificate_until: Timestamp,
    /// The version that the server wants.
    pub desired: Option<Version>,
    /// Why the wanted version is not being installed now.
    pub hold: Option<Hold>,
    /// What the run in progress waits for.
    pub waits: Option<String>,
    /// The packages of others that are in force.
    #[serde(default)]
    pub packages: Vec<Installed>,
    /// Why orders are not followed now.
    #[serde(default)]
    pub kept: Vec<Kept>,
    /// All items.
    pub items: Vec<ItemState>,
}

/// How a run ended, for those who waited for it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// How.
    pub outcome: Outcome,
    /// Why, unless it ended well.
    pub reason: Option<RunReason>,
}

/// Longest request on a local socket, in bytes.
const MAX_REQUEST: u64 = 256 * 1024;
/// Longest answer: the most points of a history take a third of it.
const MAX_ANSWER: u64 = 1024 * 1024;
/// Most connections that are served at once; others wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16;
/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(90);

/// A request with the place where its answer goes.
pub type Asked<Q, A> = (Q, oneshot::Sender<A>);

/// Opens a socket and serves it in the background. Requests arrive in the channel, one at a time; a request whose
/// answer is dropped is closed without an answer.
pub fn serve<Q, A>(path: &Path) -> Result<mpsc::Receiver<Asked<Q, A>>, Error>
where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
{
    // Whoever holds the agent's lock owns the socket: a file that is still there belongs to nobody.
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => {
            return Err(Error::Listen {
                path: path.into(),
                source,
            });
        }
    }
    let listener = UnixListener::bind(path).map_err(|source| Error::Listen {
        path: path.into(),
        source,
    })?;
    let (asked, requests) = mpsc::channel(MAX_CONNECTIONS);
    tokio::spawn(accept(listener, asked));
    Ok(requests)
}

async fn accept<Q, A>(listener: UnixListener, asked: mpsc::Sender<Asked<Q, A>>)
where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(place) = places.clone().acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "a local connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let asked = asked.clone();
        tokio::spawn(async move {
            if let Err(error) = converse(stream, asked).await {
                debug!(%error, "a local connection ended without an answer");
            }
            drop(place);
        });
    }
}

async fn converse<Q, A>(stream: UnixStream, asked: mpsc::Sender<Asked<Q, A>>) -> std::io::Result<()>
where
    Q: DeserializeOwned,
    A: Serialize,
{
    let (reading, mut writing) = stream.into_split();
    let line = timeout(ARRIVAL, read_line(reading, MAX_REQUEST))
        .await
        .map_err(|_| std::io::ErrorKind::TimedOut)??;
    let request = match serde_json::from_str::<Q>(&line) {
        Ok(request) => request,
        Err(error) => {
            let refused = serde_json::json!({ "answer": "refused", "why": format!("the request is not understood: {error}") });
            return writing.write_all(format!("{refused}\n").as_bytes()).await;
        }
    };
    let (answer, answered) = oneshot::channel();
    if asked.send((request, answer)).await.is_err() {
        return Ok(());
    }
    let Ok(Ok(answer)) = timeout(ANSWER, answered).await else {
        return Ok(());
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    writing.write_all(&text).await
}

async fn read_line(
    reading: impl tokio::io::AsyncRead + Unpin,
    max: u64,
) -> std::io::Result<String> {
    let mut line = String::new();
    BufReader::new(reading.take(max))
        .read_line(&mut line)
        .await?;
    if !line.ends_with('\n') {
        return Err(std::io::Error::other(format!(
            "the line is cut off or longer than {} KiB",
            max / 1024
        )));
    }
    Ok(line)
}

/// Asks whoever serves the socket, and waits for the answer for at most `patience`.
pub async fn ask<Q: Serialize, A: DeserializeOwned>(
    path: &Path,
    request: &Q,
    patience: Duration,
) -> Result<A, Error> {
    let no_agent = |source| Error::NoAgent {
        path: path.into(),
        source,
    };
    let exchange = async {
        let stream = UnixStream::connect(path).await?;
        let (reading, mut writing) = stream.into_split();
        let mut text = serde_json::to_vec(request)?;
        text.push(b'\n');
        writing.write_all(&text).await?;
        let line = read_line(reading, MAX_ANSWER).await?;
        serde_json::from_str(&line).map_err(std::io::Error::from)
    };
    match timeout(patience, exchange).await {
        Ok(result) => result.map_err(no_agent),
        Err(_) => Err(no_agent(std::io::ErrorKind::TimedOut.into())),
    }
}
