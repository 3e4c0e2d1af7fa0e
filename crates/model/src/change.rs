//! What was changed on a host, so that whoever is called knows what came just before.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::RunId;

/// One change on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When it ended, or was noticed.
    pub at: Timestamp,
    /// What kind of change.
    pub kind: ChangeKind,
    /// What was changed, in words: `lockstep 1.4.1 → 1.4.2`, `restarted`.
    pub what: String,
    /// The run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

/// What kind of change it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A run changed a package's version, or failed to.
    Run,
    /// The machine was restarted.
    Restart,
    /// The host was told to watch something else, or to judge it otherwise.
    Work,
    /// The host was enrolled.
    Enrolled,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}
