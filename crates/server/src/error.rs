//! What can go wrong before and around serving. What goes wrong with one request is a problem document instead.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server does not start, or a backup is not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is unusable.
    #[error("{path} is no configuration for a server: {why}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Something in the data directory could not be read or written.
    #[error("cannot {what} {path}: {source}")]
    DataDirectory {
        /// What was being done: `create`, `read`, `write`.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it could not be done.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another server uses the data directory.
    #[error("another server uses {path}; stop it, or start this one with another --data directory")]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// A file that only a backup can bring back is missing or damaged.
    #[error("{path} {why}; put it back from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The database cannot be used.
    #[error("cannot use the database while {doing}: {source}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The store's words.
        source: lockstep_store::Error,
    },
    /// The address is taken or not ours.
    #[error(
        "cannot listen on {address}: {source}; is another server running, or is the address not this machine's?"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// A certificate or a key could not be made.
    #[error("cannot make {what}: {why}")]
    Identity {
        /// What was to be made.
        what: &'static str,
        /// Why it could not be made.
        why: String,
    },
    /// A backup could not be written or read.
    #[error("cannot {doing}: {why}")]
    Backup {
        /// What was being done, to what.
        doing: String,
        /// Why it failed, and what to do.
        why: String,
    },
}

impl Error {
    pub(crate) fn database(doing: &'static str) -> impl FnOnce(lockstep_store::Error) -> Self {
        move |source| Self::Database { doing, source }
    }
}
