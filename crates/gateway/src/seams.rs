//! What gateways ask of the server: small traits, so that each protocol can be tested without one.
//!
//! Each call is as durable, as bounded and as careful as the same word over our own API, because it *is* the same
//! service. Errors are [`Trouble`]; a gateway translates them into its protocol's way of saying no.

mod hosts;
mod locks;
mod packages;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use hosts::{EventSaid, HostSaid, Hosts, Known, Said, Standing, Wanted};
pub use locks::{Green, LockAsk, LockGiven, LockSaid, LockSeen, LockSeenHolder, Locks};
pub use packages::{Offer, Packages, Ticket, Tree};

/// By which gateway a host speaks to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gateway {
    /// Xymon's protocol.
    Xymon,
    /// dmon's.
    Dmon,
    /// RHQ's agent update.
    Rhq,
    /// Foreman's distributed locks.
    ForemanDlm,
    /// Their successor's.
    DlmEngine,
    /// FleetLock.
    Fleetlock,
    /// `version.txt` and the repositories of packages.
    PackageRepo,
}

impl Gateway {
    /// Its name, as in `[gateway.NAME]`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xymon => "xymon",
            Self::Dmon => "dmon",
            Self::Rhq => "rhq",
            Self::ForemanDlm => "foreman-dlm",
            Self::DlmEngine => "dlm-engine",
            Self::Fleetlock => "fleetlock",
            Self::PackageRepo => "package-repo",
        }
    }
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// Nobody knows what was asked for.
    #[error("{0}")]
    Unknown(String),
    /// What was said makes no sense, or is not allowed.
    #[error("{0}")]
    Refused(String),
    /// An operator switched it off.
    #[error("{0}")]
    Off(String),
    /// Later.
    #[error("{why}")]
    Busy {
        /// Why not now.
        why: String,
        /// When to ask again.
        retry_after: Duration,
    },
    /// The server failed; its log says why, the peer learns no more.
    #[error("the server failed; its log says why")]
    Internal,
}
