//! Why a bundle cannot be built or is refused.

use std::io;
use std::path::PathBuf;

/// What is wrong with a tree or with a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// A file or directory of the tree cannot be read.
    #[error("{path} cannot be read", path = .path.display())]
    ReadTree {
        /// Which one.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Something in the tree, or in a bundle, has no place in a bundle.
    #[error("{path:?} has no place in a bundle: {why}")]
    Entry {
        /// Its path, below the top.
        path: String,
        /// Why, and what to do.
        why: String,
    },
    /// A file changed while it was read.
    #[error("{path:?} changed while the bundle was built: build from a tree that is at rest")]
    Changed {
        /// Its path, below the top.
        path: String,
    },
    /// `bundle.toml` is missing, not the first, or wrong.
    #[error("bundle.toml is refused: {why}")]
    Manifest {
        /// What is wrong with it.
        why: String,
    },
    /// There is more in it than a bundle may hold.
    #[error("there are more than {limit} {what}")]
    TooMuch {
        /// The limit.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
    /// The bytes are not a bundle, or the bundle could not be read.
    #[error("the bundle cannot be read")]
    Read {
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The bundle's form is not that of a bundle.
    #[error("the bundle is refused: {why}")]
    Format {
        /// What is wrong.
        why: &'static str,
    },
    /// The bundle could not be written.
    #[error("the bundle cannot be written")]
    Write {
        /// The cause.
        #[source]
        source: io::Error,
    },
}
