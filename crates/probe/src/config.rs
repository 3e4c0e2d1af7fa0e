//! What a prober is told of the machine that it is on.

use std::path::PathBuf;

use lockstep_model::HostName;

use crate::{Permits, Secrets};

/// What a [`crate::Prober`] looks at, and what it is allowed to do for it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the kernel's `proc` file system is.
    pub proc_root: PathBuf,
    /// Where `/sys`, `/run`, `/var` and so on lie.
    pub root: PathBuf,
    /// The agent's processes: each counts for `agent_memory` with the process group that it leads.
    pub agent_pids: Vec<u32>,
    /// What this host lets its server ask for.
    pub permits: Permits,
    /// What devices and services want to hear before they answer.
    pub secrets: Secrets,
    /// The name of this host in the fleet; plugins and scripts are told it.
    pub host: Option<HostName>,
    /// Where probes keep what must survive a restart, such as the position in a log; none for nowhere.
    pub state_dir: Option<PathBuf>,
}

impl Config {
    /// This machine, and the agent whose processes these are.
    #[must_use]
    pub fn of_this_machine(agent_pids: Vec<u32>) -> Self {
        Self {
            proc_root: "/proc".into(),
            root: "/".into(),
            agent_pids,
            permits: Permits::default(),
            secrets: Secrets::default(),
            host: None,
            state_dir: None,
        }
    }
}
