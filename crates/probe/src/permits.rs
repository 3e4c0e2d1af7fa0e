//! What a host lets its server ask for.
//!
//! The work document comes from the server, and a captured server must not be able to run programs or to read
//! secrets with it. So the host itself says what may be run and read; the document can only choose among that.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[probes]` of `agent.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permits {
    /// Directories whose programs `plugin:NAME` may name.
    pub plugins: Vec<PathBuf>,
    /// Directories whose programs `script:NAME` may name.
    pub scripts: Vec<PathBuf>,
    /// True: the fleet file may give arguments to programs in those directories. Plugins can be made to write files
    /// and to ask other machines by their arguments, so it is off.
    pub arguments: bool,
    /// The user as whom plugins and scripts run when the agent itself runs as root. `root` is possible.
    pub user: String,
    /// Whole commands, by the item that runs them: `"plugin:raid" = ["/usr/lib/nagios/plugins/check_raid", "-a"]`.
    /// They win over the directories, and their arguments are as they are written here.
    pub commands: BTreeMap<String, Vec<String>>,
    /// Files and directories below which `log:`, `file_*:` and `certificate:` may look.
    pub files: Vec<PathBuf>,
}

impl Default for Permits {
    fn default() -> Self {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        Self {
            plugins: paths(&["/usr/lib/nagios/plugins"]),
            scripts: paths(&["/etc/lockstep/probes"]),
            arguments: false,
            user: "nobody".into(),
            commands: BTreeMap::new(),
            files: paths(&[
                "/var/log",
                "/etc/ssl/certs",
                "/etc/letsencrypt/live",
                "/run",
            ]),
        }
    }
}
