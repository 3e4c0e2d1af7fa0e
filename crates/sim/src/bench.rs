//! `lockstep bench fleet`: thousands of simulated agents in one process, over the real protocol.
//!
//! [`run`] enrols those that are new, lets all of them live for a while, and returns a [`Summary`]. What one agent does
//! is decided in `behaviour`, without a clock or a network; `life` does it over a connection of its own. What becomes of
//! an agent under a version is drawn once, by [`Character`].
//!
//! To the server they are hosts: each has a key and a certificate, keeps one HTTP/2 connection with the stream of hints
//! open, and obeys the same rules of waiting and repeating. What is not real is the host behind it: items are numbers
//! that wander, and a version is applied by waiting.

mod behaviour;
mod book;
mod character;
mod enrol;
mod figures;
mod histogram;
mod items;
mod life;
mod memory;
mod remembered;
mod summary;

use std::sync::Arc;
use std::time::Duration;

use lockstep_model::{HostName, Version};
use lockstep_net::client::crowd::Crowd;
use lockstep_net::client::{CallError, Timeouts};
use lockstep_net::{Clock, SetupError};
use lockstep_trust::identity::EnrollmentToken;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use behaviour::{Agent, Common};
use book::Book;
use figures::Figures;
use life::Stage;

pub use book::Keep;
pub use character::Character;
pub use histogram::Histogram;
pub use remembered::{Carried, Remembered, Shard};
pub use summary::{Live, Spread, Summary, Times, VersionCount};

/// What is to be simulated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server, `https://HOST:7440`.
    pub server: String,
    /// How many agents.
    pub agents: u32,
    /// What their names begin with.
    pub name: String,
    /// What lets new ones enrol.
    pub token: Option<EnrollmentToken>,
    /// The version that new ones have at first.
    pub from_version: Version,
    /// How they behave.
    pub character: Character,
    /// Whether they fetch bundles.
    pub download: Download,
    /// Over which time they connect at the beginning.
    pub ramp: Duration,
    /// When it ends; never by itself if there is none.
    pub length: Option<Duration>,
    /// It ends when all agents have proven this version.
    pub until: Option<Version>,
}

/// Whether bundles are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Download {
    /// All their bytes, which are counted and thrown away.
    Full,
    /// Their first 64 kB.
    None,
}

/// News for who waits.
#[derive(Debug, Clone)]
pub enum News {
    /// So many of the agents are enrolled.
    Enrolled {
        /// How many are.
        enrolled: u32,
        /// Of how many.
        of: u32,
    },
    /// How things stand; once a second.
    Live(Live),
}

/// Why a bench could not be held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name cannot be given.
    #[error("{name:?} cannot be an agent's name: {why}")]
    Name {
        /// Which.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A key could not be made or read.
    #[error("make or read an agent's key: {why}")]
    Key {
        /// Why not.
        why: String,
    },
    /// Identities could not be kept.
    #[error("keep the agents' identities: {why}")]
    Keep {
        /// Why not.
        why: String,
    },
    /// Some agents have no certificate yet.
    #[error(
        "{missing} agents are not enrolled yet; give a token: lockstep token create --uses {missing}"
    )]
    NoToken {
        /// How many.
        missing: usize,
    },
    /// The server does not enrol an agent.
    #[error("enrol {name}")]
    Enrol {
        /// Which.
        name: HostName,
        /// Why not.
        #[source]
        source: Box<CallError>,
    },
    /// The server's address or certificates are unusable.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The server cannot be found.
    #[error("find the server")]
    Find(#[source] Box<CallError>),
}

/// Connections from one local address to one of the server's: there are some 28,000 ports for them.
const PER_SOURCE: u32 = 25_000;
/// What the agents remember is written this often. Rarely: writing must not slow down what is measured.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Lets the agents live until the time is over, all have proven the version that is waited for, or `stop` comes.
///
/// `known` are those of earlier benches, in the order of their numbers.
///
/// # Errors
/// When the agents cannot be enrolled or kept. A server that goes away later is no error, but what is measured.
pub async fn run(
    settings: Settings,
    known: Vec<Remembered>,
    keep: Arc<dyn Keep>,
    clock: &Clock,
    stop: impl Future<Output = ()>,
    mut news: impl FnMut(News),
) -> Result<Summary, Error> {
    let mut stop = std::pin::pin!(stop);
    let agents = settings.agents;
    let complete = enrol::complete(known, &settings, clock)?;
    let book = Arc::new(Book::new(complete, keep));
    let enrolled = enrol::enrol(&book, &settings, clock, |enrolled| {
        news(News::Enrolled {
            enrolled,
            of: agents,
        });
    });
    tokio::select! {
        enrolled = enrolled => enrolled?,
        () = stop.as_mut() => {
            book.save().await?;
            return Ok(Figures::new().summary(agents));
        }
    }

    let before = memory::resident();
    let figures = Arc::new(Figures::new());
    let living = begin(&settings, &book, &figures, clock).await?;
    let ended = follow(&settings, &book, &figures, stop, news).await;
    let mut summary = figures.summary(agents);
    summary.until = ended;
    summary.memory_bytes = memory::resident();
    summary.memory_bytes_per_agent = summary
        .memory_bytes
        .zip(before)
        .map(|(now, before)| now.saturating_sub(before) / u64::from(summary.connected.max(1)));
    drop(living);
    book.save().await?;
    Ok(summary)
}

/// Starts all agents, each at its moment of the ramp. They end when what is returned is dropped.
async fn begin(
    settings: &Settings,
    book: &Arc<Book>,
    figures: &Arc<Figures>,
    clock: &Clock,
) -> Result<JoinSet<()>, Error> {
    let ca = book.get(1).map(|agent| agent.ca).unwrap_or_default();
    let crowd = Crowd::new(&settings.server, &ca, Timeouts::default(), clock)?;
    let addresses = crowd.addresses().await;
    let stage = Arc::new(Stage {
        crowd: Arc::new(crowd),
        addresses: addresses.map_err(|error| Error::Find(Box::new(error)))?,
        sources: settings.agents.div_ceil(PER_SOURCE),
        book: Arc::clone(book),
        figures: Arc::clone(figures),
        download: settings.download,
        clock: clock.clone(),
    });
    let common = Arc::new(Common::new(settings.character.clone()));
    let now = clock.now();
    let salt = now.as_nanosecond() as u64;
    let mut living = JoinSet::new();
    for number in 1..=settings.agents {
        let Some(kept) = book.get(number) else { break };
        let mut agent = Agent::new(&common, number, kept.name, kept.carried, now);
        agent.start_anew(salt);
        let share = f64::from(number - 1) / f64::from(settings.agents);
        let stage = Arc::clone(&stage);
        living.spawn(life::live(agent, stage, settings.ramp.mul_f64(share)));
    }
    Ok(living)
}

/// Tells how things stand until it is over. Returns whether the version that is waited for is everywhere.
async fn follow(
    settings: &Settings,
    book: &Arc<Book>,
    figures: &Figures,
    mut stop: std::pin::Pin<&mut impl Future<Output = ()>>,
    mut news: impl FnMut(News),
) -> Option<bool> {
    let began = Instant::now();
    let mut saved = began;
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let is_there = |version: &Version| figures.all_have(version, settings.agents);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.as_mut() => break,
        }
        news(News::Live(figures.live(settings.agents)));
        if saved.elapsed() >= SAVE_EVERY {
            saved = Instant::now();
            if let Err(error) = book.save().await {
                tracing::error!(%error, "what the agents remember could not be written; tried again");
            }
        }
        let over = settings.length.is_some_and(|it| began.elapsed() >= it);
        if over || settings.until.as_ref().is_some_and(is_there) {
            break;
        }
    }
    settings.until.as_ref().map(is_there)
}
