//! What can go wrong in the agent.

use std::path::PathBuf;

/// An error of the agent; its text says what was being done, to what, and where it matters what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that a person writes is wrong.
    #[error("{}: {why}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        why: String,
    },
    /// The machine did not do what was asked.
    #[error(transparent)]
    Host(#[from] lockstep_host::Error),
    /// Something does not verify.
    #[error(transparent)]
    Trust(#[from] lockstep_trust::Error),
    /// A certificate, key or token is wrong.
    #[error(transparent)]
    Identity(#[from] lockstep_trust::identity::IdentityError),
    /// A client cannot be set up.
    #[error("failed to {0}")]
    Setup(#[from] lockstep_net::SetupError),
    /// A bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] lockstep_trust::bundle::BundleError),
    /// The server did not answer, or refused.
    #[error(transparent)]
    Call(#[from] lockstep_net::client::CallError),
    /// The host has not been enrolled.
    #[error(
        "this host is not enrolled: {} is missing; run \"lockstep agent enroll URL --token TOKEN\"",
        path.display()
    )]
    NotEnrolled {
        /// The file that enrolment would have written.
        path: PathBuf,
    },
    /// No agent answers on the local socket.
    #[error("no agent answers on {}: {source}; is it running with this root?", path.display())]
    NoAgent {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The local socket could not be opened.
    #[error("failed to listen on {}: {source}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The agent refused a local request.
    #[error("{0}")]
    Refused(String),
    /// A state file could not be put into words.
    #[error("failed to encode {}: {source}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        source: serde_json::Error,
    },
    /// A state file has words that this version does not know, and is left as it is.
    #[error("this version cannot read {}: {why}", path.display())]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do about it.
        why: String,
    },
    /// The host's chain of records could not be added to.
    #[error("failed to add to {}: {source}", path.display())]
    Records {
        /// The file.
        path: PathBuf,
        /// What the operating system said, or what is wrong with the file.
        source: std::io::Error,
    },
    /// An operating system call failed.
    #[error("failed to {doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
}
