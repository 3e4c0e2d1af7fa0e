//! How the server itself stands, and what it keeps of the fleet file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::FleetText;
use crate::{ContentHash, Level, PackageName, RolloutId, RolloutState, Version};

/// One part of the server in `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthPart {
    /// What it is: `database`, `decider`, `messages`, `disk` or `backup`.
    pub part: String,
    /// How it stands.
    pub level: Level,
    /// That in words, and what to do.
    pub words: String,
}

/// A rollout that is not over, in `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovingRollout {
    /// Its number.
    pub id: RolloutId,
    /// The package.
    pub package: PackageName,
    /// The version it brings.
    pub version: Version,
    /// Where it stands.
    pub state: RolloutState,
}

/// One accepted fleet file in `GET /api/v1/fleet/versions`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetVersion {
    /// Its number: each accepted file has a greater one.
    pub version: u64,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Who had it read, or why it was.
    pub accepted_by: String,
    /// The hash of what it says.
    pub hash: ContentHash,
}

/// `GET /api/v1/fleet/versions/NUMBER`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetVersionText {
    /// Which it is.
    #[serde(flatten)]
    pub version: FleetVersion,
    /// Its text, each fragment with its name.
    pub files: Vec<FleetText>,
}

/// `GET /api/v1/fleet/compare?before=A&after=B`: what of the text is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetCompared {
    /// The number of the one.
    pub before: u64,
    /// The number of the other.
    pub after: u64,
    /// Files that are not the same in both, by name.
    pub files: Vec<FileCompared>,
}

/// One file of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCompared {
    /// Its name.
    pub name: String,
    /// The difference as `diff -u` writes it: lines that begin with `+`, `-` or a space, below lines that begin with `@@`.
    pub diff: String,
}
