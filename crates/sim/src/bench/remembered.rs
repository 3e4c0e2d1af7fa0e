//! What is kept of simulated agents from one bench to the next.

use lockstep_model::{ContentHash, HostName, PackageName, Version};
use lockstep_plan::update::Memory;
use serde::{Deserialize, Serialize};

/// An agent's identity and what it remembers, as a disk would hold them. It has a private key: files with it are for
/// their owner alone.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// Which of the fleet; the first is 1.
    pub number: u32,
    /// Its name.
    pub name: HostName,
    /// Its private key, PEM.
    pub key: String,
    /// Its certificate, PEM, once it is enrolled.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The server's authority, PEM.
    #[serde(default)]
    pub ca: String,
    /// What it has installed.
    #[serde(default)]
    pub carried: Vec<Carried>,
}

/// A package that an agent carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// The package.
    pub package: PackageName,
    /// The version that is proven; none if none ever was.
    pub version: Option<Version>,
    /// Its bytes, where they were fetched.
    pub hash: Option<ContentHash>,
    /// The version before.
    pub previous: Option<Version>,
    /// Orders seen, releases not tried again.
    #[serde(default)]
    pub memory: Memory,
}

/// Agents whose numbers follow each other: what is written in one piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    /// Which; the first is 0.
    pub number: u32,
    /// Its agents.
    pub agents: Vec<Remembered>,
}

impl Shard {
    /// Most agents of one shard.
    pub const MOST: u32 = 100;

    /// The shard of an agent.
    #[must_use]
    pub fn of(agent: u32) -> u32 {
        agent.saturating_sub(1) / Self::MOST
    }
}

impl Carried {
    /// A package at a version that nobody ordered, or not there at all.
    #[must_use]
    pub fn at(package: PackageName, version: Option<Version>) -> Self {
        Self {
            package,
            version,
            hash: None,
            previous: None,
            memory: Memory::default(),
        }
    }
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remembered")
            .field("number", &self.number)
            .field("name", &self.name)
            .field("carried", &self.carried)
            .finish_non_exhaustive()
    }
}
