//! Programs that hosts run to look at something.

use serde::{Deserialize, Serialize};

use crate::HostName;
use crate::api::ProgramSeen;

/// `GET /api/v1/probes`: a plugin or script on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeView {
    /// The host that runs it.
    pub on: HostName,
    /// What it is, and how it ended last.
    #[serde(flatten)]
    pub program: ProgramSeen,
    /// True if its file is not the one that most hosts have under this name. Where no file is the one of most, each is
    /// another; of a file that could not be read nothing is said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub differs: bool,
}
