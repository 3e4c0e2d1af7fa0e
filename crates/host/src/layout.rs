//! Where everything lies on a host, below one root.
//!
//! The root is `/` on a real host and any directory in tests and for unprivileged users, so that many agents can
//! live on one machine. This file only names paths.

use std::path::{Path, PathBuf};

use lockstep_model::{PackageName, Version};

use crate::scripts::ScriptDir;

/// The paths of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout below a root. A relative root is taken from the working directory of the moment it is used, so
    /// programs that change theirs make it absolute first.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The root as an argument or environment variable of a process that shall live in the same layout. A root that
    /// is not UTF-8 cannot be passed on this way, and comes out changed.
    #[must_use]
    pub fn root_text(&self) -> String {
        self.root.to_string_lossy().into_owned()
    }

    /// `opt/lockstep`: slots and the two links.
    #[must_use]
    pub fn program_dir(&self) -> PathBuf {
        self.root.join("opt/lockstep")
    }

    /// `opt/lockstep/slots`: one directory for each package.
    #[must_use]
    pub fn slots_dir(&self) -> PathBuf {
        self.program_dir().join("slots")
    }

    /// `opt/lockstep/slots/PACKAGE`: one directory for each version, and names with a dot before them for what is
    /// not complete.
    #[must_use]
    pub fn package_dir(&self, package: &PackageName) -> PathBuf {
        self.slots_dir().join(package.as_str())
    }

    /// `opt/lockstep/slots/PACKAGE/VERSION`: a complete slot, or nothing.
    #[must_use]
    pub fn slot(&self, package: &PackageName, version: &Version) -> PathBuf {
        self.package_dir(package).join(version.to_string())
    }

    /// `opt/lockstep/current`: the link to the slot of the agent that has proven itself.
    #[must_use]
    pub fn current(&self) -> PathBuf {
        self.program_dir().join("current")
    }

    /// `opt/lockstep/previous`: the link to the slot that was `current` before.
    #[must_use]
    pub fn previous(&self) -> PathBuf {
        self.program_dir().join("previous")
    }

    /// `opt/lockstep/packages`: one link for each package of others.
    #[must_use]
    pub fn package_links(&self) -> PathBuf {
        self.program_dir().join("packages")
    }

    /// `opt/lockstep/packages/PACKAGE`: the link to the slot of a package of others that is in force. It is the path by
    /// which others find the package.
    #[must_use]
    pub fn package_link(&self, package: &PackageName) -> PathBuf {
        self.package_links().join(package.as_str())
    }

    /// `etc/systemd/system/UNIT`: a unit that a bundle brings.
    #[must_use]
    pub fn unit_file(&self, unit: &str) -> PathBuf {
        self.root.join("etc/systemd/system").join(unit)
    }

    /// `var/lib/lockstep/bundles`: what is wanted and known of each package of others.
    #[must_use]
    pub fn bundles_dir(&self) -> PathBuf {
        self.state_dir().join("bundles")
    }

    /// `etc/lockstep/agent.toml`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root.join("etc/lockstep/agent.toml")
    }

    /// `var/lib/lockstep`: everything that must survive a restart.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.root.join("var/lib/lockstep")
    }

    /// `var/lib/lockstep/identity`: key and certificate.
    #[must_use]
    pub fn identity_dir(&self) -> PathBuf {
        self.state_dir().join("identity")
    }

    /// `var/lib/lockstep/run.json`: the journal of the run in progress.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.state_dir().join("run.json")
    }

    /// `var/lib/lockstep/run.lock`: held by whoever carries out a run, the agent or the command line.
    #[must_use]
    pub fn run_lock(&self) -> PathBuf {
        self.state_dir().join("run.lock")
    }

    /// `var/lib/lockstep/runs`: what is known of the runs of each package.
    #[must_use]
    pub fn runs_dir(&self) -> PathBuf {
        self.state_dir().join("runs")
    }

    /// `var/lib/lockstep/runs/PACKAGE.json`: the journal of a package's run.
    #[must_use]
    pub fn run_journal(&self, package: &PackageName) -> PathBuf {
        self.runs_dir().join(format!("{package}.json"))
    }

    /// `var/lib/lockstep/runs/PACKAGE.log`: what the scripts and commands of a package's run wrote.
    #[must_use]
    pub fn run_log(&self, package: &PackageName) -> PathBuf {
        self.runs_dir().join(format!("{package}.log"))
    }

    /// `var/lib/lockstep/records.jsonl`: the host's own chain of the records of its runs.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.state_dir().join("records.jsonl")
    }

    /// `etc/lockstep/update.toml`: how this host is updated.
    #[must_use]
    pub fn update_config(&self) -> PathBuf {
        self.root.join("etc/lockstep/update.toml")
    }

    /// `etc/lockstep/update`: the directories of the operator's scripts.
    #[must_use]
    pub fn scripts_dir(&self) -> PathBuf {
        self.root.join("etc/lockstep/update")
    }

    /// `etc/lockstep/update/DIR`: the scripts of one occasion, such as `pre_update.d`.
    #[must_use]
    pub fn script_dir(&self, dir: ScriptDir) -> PathBuf {
        self.scripts_dir().join(dir.as_str())
    }

    /// `etc/lockstep/packages`: one file for each package that is described on the host itself.
    #[must_use]
    pub fn packages_dir(&self) -> PathBuf {
        self.root.join("etc/lockstep/packages")
    }

    /// `var/lib/lockstep/memory.json`: what outlives a run, such as releases that are not tried again without a new
    /// order.
    #[must_use]
    pub fn memory(&self) -> PathBuf {
        self.state_dir().join("memory.json")
    }

    /// `var/lib/lockstep/downloads`: bundles being fetched.
    #[must_use]
    pub fn downloads(&self) -> PathBuf {
        self.state_dir().join("downloads")
    }

    /// `var/lib/lockstep/outbox`: one file for each thing that the server has not acknowledged yet.
    #[must_use]
    pub fn outbox(&self) -> PathBuf {
        self.state_dir().join("outbox")
    }

    /// `var/lib/lockstep/events`: what happened to items and is not acknowledged yet, with the state it left behind.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.state_dir().join("events")
    }

    /// `var/lib/lockstep/history.db`: the values of the past.
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.state_dir().join("history.db")
    }

    /// `var/lib/lockstep/work.json`: what the server last told this host to watch.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.state_dir().join("work.json")
    }

    /// `var/lib/lockstep/wishes.json`: what operators wish of this host, as the server told it last.
    #[must_use]
    pub fn wishes(&self) -> PathBuf {
        self.state_dir().join("wishes.json")
    }

    /// `var/lib/lockstep-probes`: what probes remember. It lies beside the agent's own state, which nobody else may
    /// enter, because plugins run as another user.
    #[must_use]
    pub fn probes_dir(&self) -> PathBuf {
        self.root.join("var/lib/lockstep-probes")
    }

    /// `etc/lockstep/secrets.toml`: what devices and services want to hear before they answer.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.root.join("etc/lockstep/secrets.toml")
    }

    /// `var/lib/lockstep/tuf`: the trusted metadata.
    #[must_use]
    pub fn tuf_dir(&self) -> PathBuf {
        self.state_dir().join("tuf")
    }

    /// `var/lib/lockstep/data/PACKAGE`: what a package keeps beside its slots; `[purge]` works below it.
    #[must_use]
    pub fn data_dir(&self, package: &PackageName) -> PathBuf {
        self.state_dir().join("data").join(package.as_str())
    }

    /// `var/lib/lockstep/agent.lock`: held while an agent runs. It lies beside the state that it guards and not
    /// below `run`, which service managers empty while somebody may still hold it.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.state_dir().join("agent.lock")
    }

    /// `var/log/lockstep`.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.root.join("var/log/lockstep")
    }

    /// `var/log/lockstep/candidate.log`: the output of the version on probation.
    #[must_use]
    pub fn candidate_log(&self) -> PathBuf {
        self.log_dir().join("candidate.log")
    }

    /// `run/lockstep`: sockets; empty after a restart of the machine.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.root.join("run/lockstep")
    }

    /// `run/lockstep/agent.sock`: local control.
    #[must_use]
    pub fn agent_socket(&self) -> PathBuf {
        self.run_dir().join("agent.sock")
    }

    /// `run/lockstep/supervisor.sock`: between supervisor and worker.
    #[must_use]
    pub fn supervisor_socket(&self) -> PathBuf {
        self.run_dir().join("supervisor.sock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_below_the_root() {
        let layout = Layout::below("/tmp/host-7");
        let package = PackageName::lockstep();
        let version = Version::parse("1.4.0").unwrap();
        assert_eq!(
            layout.slot(&package, &version),
            Path::new("/tmp/host-7/opt/lockstep/slots/lockstep/1.4.0")
        );
        assert_eq!(
            layout.script_dir(ScriptDir::PreUpdate),
            Path::new("/tmp/host-7/etc/lockstep/update/pre_update.d")
        );
        for path in [
            layout.current(),
            layout.previous(),
            layout.package_link(&package),
            layout.unit_file("x.service"),
            layout.bundles_dir(),
            layout.config(),
            layout.journal(),
            layout.memory(),
            layout.run_lock(),
            layout.run_journal(&package),
            layout.run_log(&package),
            layout.records(),
            layout.update_config(),
            layout.script_dir(ScriptDir::NeedsReboot),
            layout.packages_dir(),
            layout.outbox(),
            layout.data_dir(&package),
            layout.lock_file(),
            layout.candidate_log(),
            layout.agent_socket(),
            layout.supervisor_socket(),
        ] {
            assert!(path.starts_with(layout.root()), "{}", path.display());
        }
    }
}
