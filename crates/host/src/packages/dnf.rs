//! Red Hat's package manager: dnf(8) and rpm(8).
//!
//! Versions are `[EPOCH:]VERSION-RELEASE`, without an epoch of zero.

mod answers;
mod mark;
mod repair;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lockstep_model::{DnfSource, PackageName, PackageVersion};

use super::busy::Locks;
use super::error::PackageError;
use super::install::{Facts, How};
use super::output::{Patience, Pending, Refreshed, Restart};
use super::tool::{Act, Tools, args, failed, last_lines};
use super::{Listed, sources};
use crate::error::Result;
use answers::Entry;
use mark::Change;

/// How rpm describes an installed package (rpm(8), `--queryformat`).
const RPM_FORMAT: &str = "%{NAME}|%{ARCH}|%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\n";
/// How dnf describes one in a repository. dnf 4 ends the line by itself, dnf 5 does not; empty lines are skipped.
const DNF_FORMAT: &str = "%{name}|%{arch}|%{evr}\\n";
/// Repositories that cannot be read are left out instead of stopping everything.
const TOLERANT: &str = "--setopt=*.skip_if_unavailable=1";
/// All that an operator can hold packages back with.
const WITHOUT_HOLDS: [&str; 2] = ["--disableexcludes=all", "--disableplugin=versionlock"];

/// dnf and rpm below a root.
#[derive(Debug, Clone)]
pub struct Dnf {
    root: PathBuf,
    tools: Tools,
}

/// Whether the holds of the operator count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Count,
    Ignored,
}

impl Dnf {
    /// dnf below a root; `/` for that of the running system. Nothing is looked at yet.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        let tools = Tools {
            env: Vec::new(),
            patience: Patience::default(),
        };
        Self {
            root: root.into(),
            tools,
        }
    }

    pub(super) fn set_patience(&mut self, patience: Patience) {
        self.tools.patience = patience;
    }

    /// True if dnf is configured here: machines of another kind may have its programs, too.
    pub(super) fn rules_here(&self) -> bool {
        self.root.join("etc/dnf/dnf.conf").exists() && Path::new("/usr/bin/dnf").exists()
    }

    fn is_system(&self) -> bool {
        self.root == Path::new("/")
    }

    fn below_root(&self, option: &str, path: &str) -> OsString {
        let mut option = OsString::from(option);
        option.push(self.root.join(path));
        option
    }

    fn dnf_args(&self, command: &[&str]) -> Vec<OsString> {
        let mut all = Vec::new();
        if !self.is_system() {
            all.push(self.below_root("--installroot=", ""));
            all.push(self.below_root("--setopt=reposdir=", "etc/yum.repos.d"));
        }
        // It would wait for ever; we wait ourselves.
        all.extend(args(["-y", "--setopt=exit_on_lock=1"]));
        all.extend(args(command));
        all
    }

    fn rpm_args(&self, command: &[&str]) -> Vec<OsString> {
        let mut all = Vec::new();
        if !self.is_system() {
            all.push(self.below_root("--root=", ""));
        }
        all.extend(args(command));
        all
    }

    /// The locks of rpm, wherever this system has its list of packages, and of dnf.
    async fn locks(&self) -> Result<Locks> {
        let command = args(["--eval", "%{_rpmlock_path}"]);
        let (_, path) = self.tools.ask("rpm", &command, &[0]).await?;
        let path = path.trim().trim_start_matches('/');
        let file = |path: &str| self.root.join(path);
        Ok(Locks {
            files: vec![file(path)],
            pids: vec![
                file("var/lib/dnf/rpmdb_lock.pid"),
                file("var/cache/dnf/metadata_lock.pid"),
                file("var/cache/dnf/download_lock.pid"),
            ],
        })
    }

    /// Runs dnf with the note of what is being changed. The note stays if dnf was killed, and if a script of a package
    /// failed: rpm counts such a package as installed, and nothing else would remember.
    async fn change(&self, doing: &str, change: &Change, command: &[&str]) -> Result<String> {
        let locks = self.locks().await?;
        let patience = &self.tools.patience;
        let mut all = vec![TOLERANT];
        all.extend(command);
        let act = Act {
            doing,
            tool: "dnf",
            args: self.dnf_args(&all),
            limit: patience.change,
            locks: &locks,
        };
        let earlier = self.marked()?;
        self.mark(change)?;
        let finished = match self.tools.run(&act).await {
            Ok(finished) => finished,
            Err(error) => {
                self.restore_mark(earlier.as_ref())?;
                return Err(error);
            }
        };
        if finished.timed_out {
            return Err(failed(&act, &finished).into());
        }
        if !finished.succeeded() {
            self.restore_mark(earlier.as_ref())?;
            return Err(failed(&act, &finished).into());
        }
        if let Some(script) = answers::failed_script(&finished.output) {
            return Err(PackageError::Tool {
                doing: doing.into(),
                tool: "dnf",
                how: format!("a script of a package failed: {script}"),
                timed_out: false,
                output: last_lines(&finished.output),
            }
            .into());
        }
        self.unmark()?;
        Ok(finished.output)
    }

    /// Nothing was changed, so what was to be completed before still is.
    fn restore_mark(&self, earlier: Option<&Change>) -> Result<()> {
        match earlier {
            Some(earlier) => self.mark(earlier),
            None => self.unmark(),
        }
    }

    /// Installed packages, all or one.
    async fn entries(&self, name: Option<&PackageName>) -> Result<Vec<Entry>> {
        let mut command = vec!["-qa", "--qf", RPM_FORMAT];
        command.extend(name.map(PackageName::as_str));
        let (_, answer) = self
            .tools
            .ask("rpm", &self.rpm_args(&command), &[0])
            .await?;
        let mut entries = answers::entries("rpm", &answer)?;
        // Keys that rpm trusts are in the same list.
        entries.retain(|entry| entry.name != "gpg-pubkey");
        Ok(entries)
    }

    /// Asks what the repositories have, from what the last refresh brought.
    async fn query(&self, holds: Holds, question: &[&str]) -> Result<Vec<Entry>> {
        let mut command = vec!["-q", "-C", TOLERANT];
        if holds == Holds::Ignored {
            command.extend(WITHOUT_HOLDS);
        }
        command.extend(["repoquery", "--qf", DNF_FORMAT]);
        command.extend(question);
        let (_, answer) = self
            .tools
            .ask("dnf", &self.dnf_args(&command), &[0])
            .await?;
        answers::entries("dnf", &answer)
    }

    async fn versions(&self, holds: Holds, name: &PackageName) -> Result<Vec<PackageVersion>> {
        let mut entries = self.query(holds, &["--available", name.as_str()]).await?;
        entries.retain(|entry| entry.name == name.as_str());
        let mut versions = Vec::new();
        for entry in entries {
            if !versions.contains(&entry.version) {
                versions.push(entry.version);
            }
        }
        Ok(versions)
    }

    async fn newest(&self, versions: Vec<PackageVersion>) -> Result<Option<PackageVersion>> {
        let mut newest: Option<PackageVersion> = None;
        for version in versions {
            let is_newer = match &newest {
                Some(newest) => self.is_newer(&version, newest).await?,
                None => true,
            };
            if is_newer {
                newest = Some(version);
            }
        }
        Ok(newest)
    }

    pub(super) async fn present(
        &self,
        name: &PackageName,
    ) -> Result<(Option<PackageVersion>, bool)> {
        let entries = self.entries(Some(name)).await?;
        let versions = entries.into_iter().map(|entry| entry.version).collect();
        let newest = self.newest(versions).await?;
        let is_whole =
            newest.is_some() && self.marked()?.is_none_or(|change| !change.concerns(name));
        Ok((newest, is_whole))
    }

    pub(super) async fn list(&self) -> Result<Listed> {
        let mut listed = Listed::new();
        for entry in self.entries(None).await? {
            let name = format!("{}.{}", entry.name, entry.arch);
            listed.entry(name).or_default().push(entry.version);
        }
        Ok(listed)
    }

    /// What can be had of a package, and whether it may be. dnf takes its time over each question.
    pub(super) async fn offered(&self, name: &PackageName) -> Result<Facts> {
        let available = self.versions(Holds::Ignored, name).await?;
        let free = self.versions(Holds::Count, name).await?;
        let held = available.iter().any(|version| !free.contains(version));
        Ok(Facts {
            candidate: self.newest(available.clone()).await?,
            available,
            held,
            ..Facts::default()
        })
    }

    /// Also what is held back: that it is held is said when it is to be installed.
    pub(super) async fn candidate(&self, name: &PackageName) -> Result<Option<PackageVersion>> {
        self.newest(self.versions(Holds::Ignored, name).await?)
            .await
    }

    pub(super) async fn held(&self, name: &PackageName) -> Result<bool> {
        Ok(self.offered(name).await?.held)
    }

    pub(super) fn ensure_source(&self, name: &PackageName, source: &DnfSource) -> Result<bool> {
        let key_path = self
            .root
            .join(format!("etc/pki/rpm-gpg/RPM-GPG-KEY-lockstep-{name}"));
        let path = self
            .root
            .join(format!("etc/yum.repos.d/lockstep-{name}.repo"));
        let key = sources::key(name, &source.key)?;
        let text = sources::repo(name, source, &key_path)?;
        let key_changed = sources::ensure(&key_path, &key)?;
        let changed = sources::ensure(&path, &text)?;
        Ok(changed || key_changed)
    }

    /// First strictly, since only its status says whether all repositories were read; then without those that were not.
    pub(super) async fn refresh(&self) -> Result<Refreshed> {
        let locks = self.locks().await?;
        let look = |skip: &'static str| Act {
            doing: "look at the repositories",
            tool: "dnf",
            args: self.dnf_args(&[skip, "makecache", "--refresh"]),
            limit: self.tools.patience.refresh,
            locks: &locks,
        };
        let strict = self
            .tools
            .run(&look("--setopt=*.skip_if_unavailable=0"))
            .await?;
        if strict.succeeded() {
            return Ok(Refreshed::default());
        }
        let mut problems = answers::problems(&strict.output);
        if strict.timed_out || problems.is_empty() {
            problems.push(format!("dnf makecache: {}", strict.how()));
        }
        for problem in &problems {
            tracing::warn!(%problem, "a repository was not read");
        }
        self.tools.act(&look(TOLERANT)).await?;
        Ok(Refreshed { problems })
    }

    pub(super) async fn apply(
        &self,
        name: &PackageName,
        version: &PackageVersion,
        how: How,
    ) -> Result<String> {
        let package = format!("{name}-{version}");
        let verb = match how {
            How::Forward => "install",
            How::Again => "reinstall",
            How::Back => "downgrade",
        };
        let change = Change::of(name, version);
        let command = ["--setopt=best=1", verb, &package];
        self.change(&format!("install {name} {version}"), &change, &command)
            .await
    }

    pub(super) async fn download(
        &self,
        what: Option<(&PackageName, &PackageVersion)>,
    ) -> Result<()> {
        let package = what.map(|(name, version)| format!("{name}-{version}"));
        let mut command = vec![TOLERANT, "--downloadonly"];
        match &package {
            Some(package) => command.extend(["--setopt=best=1", "install", package]),
            None => command.push("upgrade"),
        }
        let locks = self.locks().await?;
        let act = Act {
            doing: "fetch packages",
            tool: "dnf",
            args: self.dnf_args(&command),
            limit: self.tools.patience.change,
            locks: &locks,
        };
        let finished = self.tools.run(&act).await?;
        match finished.succeeded() {
            true => Ok(()),
            false => Err(failed(&act, &finished).into()),
        }
    }

    pub(super) async fn upgrade_all(&self) -> Result<String> {
        self.change("upgrade all packages", &Change::all(), &["upgrade"])
            .await
    }

    pub(super) async fn pending(&self) -> Result<Vec<Pending>> {
        let question = ["--upgrades", "--latest-limit=1"];
        let free = self.query(Holds::Count, &question).await?;
        let all = self.query(Holds::Ignored, &question).await?;
        let installed = self.list().await?;
        let mut pending = Vec::new();
        for entry in all {
            let now = |arch: &str| installed.get(&format!("{}.{arch}", entry.name));
            let now = now(&entry.arch).and_then(|versions| versions.last());
            pending.push(Pending {
                installed: now.cloned(),
                held: !free.contains(&entry),
                name: format!("{}.{}", entry.name, entry.arch),
                candidate: entry.version,
            });
        }
        pending.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(pending)
    }

    /// By rpm's own comparison of each part (rpm-version(7)).
    pub(super) async fn is_newer(&self, a: &PackageVersion, b: &PackageVersion) -> Result<bool> {
        let (a, b) = (answers::parts(a)?, answers::parts(b)?);
        for (a, b) in a.into_iter().zip(b) {
            if a == b {
                continue;
            }
            // The parts hold nothing that rpm could take for a macro: they were checked when they were taken apart.
            let question = format!("%{{lua: print(rpm.vercmp('{a}', '{b}'))}}");
            let (_, answer) = self
                .tools
                .ask("rpm", &args(["--eval", &question]), &[0])
                .await?;
            match answer.trim() {
                "1" => return Ok(true),
                "0" => {}
                "-1" => return Ok(false),
                other => {
                    let why = format!("{other:?} instead of -1, 0 or 1");
                    return Err(PackageError::Answer { tool: "rpm", why }.into());
                }
            }
        }
        Ok(false)
    }

    /// By the plugin `needs-restarting`, where it is installed: its status is 1 if the machine must be started again, but
    /// also if there is no such plugin.
    pub(super) async fn needs_restart(&self) -> Result<Restart> {
        let ask = async |command: &[&str]| {
            self.tools
                .ask("dnf", &self.dnf_args(command), &[0, 1])
                .await
        };
        if ask(&["-q", "needs-restarting", "--help"]).await?.0 != 0 {
            return Ok(Restart::Unknown);
        }
        Ok(
            match ask(&["-q", "-C", "needs-restarting", "-r"]).await?.0 {
                0 => Restart::NotNeeded,
                _ => Restart::Needed {
                    packages: Vec::new(),
                },
            },
        )
    }
}
