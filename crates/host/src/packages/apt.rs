//! Debian's package manager: apt-get(8), apt-cache(8), apt-mark(8), dpkg(1), dpkg-query(1).

mod answers;
mod repair;
mod source;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lockstep_model::{PackageName, PackageVersion};

use super::busy::Locks;
use super::error::PackageError;
use super::install::{Facts, How};
use super::output::{Patience, Pending, Refreshed, Restart};
use super::tool::{Act, Tools, args};
use super::{Listed, sources};
use crate::error::Result;
use crate::fs::read_capped;
use answers::{FORMAT, Package};

/// What an upgraded package leaves when the machine should be started again (`update-notifier-common`, and many
/// packages by themselves), and the names of the packages that did.
const RESTART: &str = "run/reboot-required";
const RESTART_PACKAGES: &str = "run/reboot-required.pkgs";
/// Most of that list, in bytes.
const MOST_RESTART: u64 = 64 * 1024;

/// apt and dpkg below a root.
#[derive(Debug, Clone)]
pub struct Apt {
    root: PathBuf,
    tools: Tools,
    /// All locks of apt and dpkg, in the order in which they take them.
    locks: Locks,
}

impl Apt {
    /// apt below a root; `/` for that of the running system. Nothing is looked at yet.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        let file = |path: &str| root.join(path);
        let env = match is_system(root) {
            true => Vec::new(),
            false => vec![("APT_CONFIG".into(), config_file(root).into())],
        };
        Self {
            root: root.into(),
            tools: Tools {
                env,
                patience: Patience::default(),
            },
            locks: Locks {
                files: vec![
                    file("var/lib/dpkg/lock-frontend"),
                    file("var/lib/dpkg/lock"),
                    file("var/lib/apt/lists/lock"),
                    file("var/cache/apt/archives/lock"),
                ],
                pids: Vec::new(),
            },
        }
    }

    pub(super) fn set_patience(&mut self, patience: Patience) {
        self.tools.patience = patience;
    }

    /// True if dpkg knows of packages here: machines of another kind may have its programs, but not its list.
    pub(super) fn rules_here(&self) -> bool {
        let status = std::fs::metadata(self.root.join("var/lib/dpkg/status"));
        status.is_ok_and(|status| status.len() > 0) && Path::new("/usr/bin/apt-get").exists()
    }

    /// Says to apt where another root is, in a file that it reads before all others (apt.conf(5), `APT_CONFIG`), so
    /// that the running system's configuration, with its hooks, has no say there.
    fn prepare(&self) -> Result<()> {
        if is_system(&self.root) {
            return Ok(());
        }
        let root = quotable(&self.root)?;
        let text = format!(
            "Dir \"{root}\";\nDir::State::status \"{root}/var/lib/dpkg/status\";\nDPkg::Options {{\n{}}};\n",
            self.dpkg_root()
                .iter()
                .map(|option| format!("  \"{}\";\n", option.to_string_lossy()))
                .collect::<String>()
        );
        sources::ensure(&config_file(&self.root), &text)?;
        Ok(())
    }

    /// What dpkg needs to work below another root without the right, or the programs, to make it its own `/`.
    fn dpkg_root(&self) -> Vec<OsString> {
        if is_system(&self.root) {
            return Vec::new();
        }
        let below = |option: &str, path: &Path| {
            let mut option = OsString::from(option);
            option.push(path);
            option
        };
        vec![
            below("--root=", &self.root),
            below("--log=", &self.root.join("var/log/dpkg.log")),
            "--force-not-root".into(),
            "--force-script-chrootless".into(),
        ]
    }

    /// The options of every change, then the command's own arguments.
    fn change_args(&self, command: &[&str]) -> Vec<OsString> {
        let wait = format!("DPkg::Lock::Timeout={}", self.tools.patience.lock.as_secs());
        let mut all = vec!["-q", "-y"];
        for option in [
            // Without a terminal of its own dpkg stays in the group of processes that is killed at the limit.
            "Dpkg::Use-Pty=0",
            "Dpkg::Options::=--force-confdef",
            "Dpkg::Options::=--force-confold",
            "APT::Get::AllowUnauthenticated=false",
            "Acquire::AllowInsecureRepositories=false",
            "Acquire::AllowDowngradeToInsecureRepositories=false",
            // For the instant between our look at the locks and apt's own.
            &wait,
        ] {
            all.extend(["-o", option]);
        }
        all.extend(command);
        args(all)
    }

    async fn change(&self, doing: &str, command: &[&str]) -> Result<String> {
        self.prepare()?;
        let patience = &self.tools.patience;
        let act = Act {
            doing,
            tool: "apt-get",
            args: self.change_args(command),
            limit: patience.change.saturating_add(patience.lock),
            locks: &self.locks,
        };
        self.tools.act(&act).await
    }

    async fn ask(
        &self,
        tool: &'static str,
        command: &[&str],
        allowed: &[i32],
    ) -> Result<(i32, String)> {
        self.prepare()?;
        self.tools.ask(tool, &args(command), allowed).await
    }

    /// Packages as dpkg knows them, all or one; `1` is its status for none.
    async fn packages(&self, name: Option<&PackageName>) -> Result<Vec<Package>> {
        let mut command: Vec<OsString> = Vec::new();
        if !is_system(&self.root) {
            let mut root = OsString::from("--root=");
            root.push(&self.root);
            command.push(root);
        }
        command.extend(args(["-W", "-f", FORMAT]));
        command.extend(name.map(|name| name.as_str().into()));
        let (_, answer) = self.tools.ask("dpkg-query", &command, &[0, 1]).await?;
        answers::packages(&answer)
    }

    pub(super) async fn present(
        &self,
        name: &PackageName,
    ) -> Result<(Option<PackageVersion>, bool)> {
        let packages = self.packages(Some(name)).await?;
        let present = packages.into_iter().find(|package| package.is_there());
        Ok(match present {
            Some(package) => (package.version.clone(), package.is_whole()),
            None => (None, false),
        })
    }

    pub(super) async fn list(&self) -> Result<Listed> {
        let mut listed = Listed::new();
        for package in self.packages(None).await? {
            if let Some(version) = package.version.clone().filter(|_| package.is_whole()) {
                listed.entry(package.name).or_default().push(version);
            }
        }
        Ok(listed)
    }

    pub(super) async fn candidate(&self, name: &PackageName) -> Result<Option<PackageVersion>> {
        let (_, answer) = self
            .ask("apt-cache", &["policy", name.as_str()], &[0])
            .await?;
        answers::candidate(&answer, name)
    }

    async fn available(&self, name: &PackageName) -> Result<Vec<PackageVersion>> {
        let (_, answer) = self
            .ask("apt-cache", &["madison", name.as_str()], &[0])
            .await?;
        answers::versions(&answer, name)
    }

    /// What can be had of a package, and whether it may be.
    pub(super) async fn offered(&self, name: &PackageName) -> Result<Facts> {
        Ok(Facts {
            candidate: self.candidate(name).await?,
            available: self.available(name).await?,
            held: self.held(name).await?,
            ..Facts::default()
        })
    }

    async fn holds(&self) -> Result<Vec<String>> {
        let (_, answer) = self.ask("apt-mark", &["showhold"], &[0]).await?;
        Ok(answer.lines().map(|line| line.trim().to_owned()).collect())
    }

    pub(super) async fn held(&self, name: &PackageName) -> Result<bool> {
        let of_name = |hold: &String| hold.split(':').next() == Some(name.as_str());
        Ok(self.holds().await?.iter().any(of_name))
    }

    pub(super) async fn refresh(&self) -> Result<Refreshed> {
        self.prepare()?;
        let act = Act {
            doing: "look at the repositories",
            tool: "apt-get",
            // So that its status says whether all of them were read.
            args: self.change_args(&["-o", "APT::Update::Error-Mode=any", "update"]),
            limit: self.tools.patience.refresh,
            locks: &self.locks,
        };
        let finished = self.tools.run(&act).await?;
        if finished.succeeded() {
            return Ok(Refreshed::default());
        }
        let mut problems = answers::problems(&finished.output);
        if finished.timed_out || problems.is_empty() {
            problems.push(format!("apt-get update: {}", finished.how()));
        }
        for problem in &problems {
            tracing::warn!(%problem, "a repository was not read");
        }
        Ok(Refreshed { problems })
    }

    pub(super) async fn apply(
        &self,
        name: &PackageName,
        version: &PackageVersion,
        how: How,
    ) -> Result<String> {
        let package = format!("{name}={version}");
        let mut command = vec!["--no-remove"];
        match how {
            How::Forward => {}
            How::Again => command.push("--reinstall"),
            How::Back => command.push("--allow-downgrades"),
        }
        command.extend(["install", &package]);
        self.change(&format!("install {name} {version}"), &command)
            .await
    }

    pub(super) async fn download(
        &self,
        what: Option<(&PackageName, &PackageVersion)>,
    ) -> Result<()> {
        let package = what.map(|(name, version)| format!("{name}={version}"));
        let mut command = vec!["--no-remove", "--download-only", "--allow-downgrades"];
        match &package {
            Some(package) => command.extend(["install", package]),
            None => command.extend(["--with-new-pkgs", "upgrade"]),
        }
        self.change("fetch packages", &command).await?;
        Ok(())
    }

    pub(super) async fn upgrade_all(&self) -> Result<String> {
        let command = ["--no-remove", "--with-new-pkgs", "upgrade"];
        self.change("upgrade all packages", &command).await
    }

    pub(super) async fn pending(&self) -> Result<Vec<Pending>> {
        // Simulated, which needs no lock.
        let command = self.change_args(&["-s", "--with-new-pkgs", "upgrade"]);
        self.prepare()?;
        let (_, answer) = self.tools.ask("apt-get", &command, &[0]).await?;
        let mut pending = answers::upgrades(&answer)?;
        let installed = self.list().await?;
        for hold in self.holds().await? {
            let Some(now) = installed.get(&hold).and_then(|versions| versions.last()) else {
                continue;
            };
            let (_, answer) = self.ask("apt-cache", &["policy", &hold], &[0]).await?;
            if let Some(candidate) = answers::any_candidate(&answer)?
                && self.is_newer(&candidate, now).await?
            {
                let installed = Some(now.clone());
                pending.push(Pending {
                    name: hold,
                    installed,
                    candidate,
                    held: true,
                });
            }
        }
        pending.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(pending)
    }

    pub(super) async fn is_newer(&self, a: &PackageVersion, b: &PackageVersion) -> Result<bool> {
        let command = args(["--compare-versions", a.as_str(), "gt", b.as_str()]);
        let (status, _) = self.tools.ask("dpkg", &command, &[0, 1]).await?;
        Ok(status == 0)
    }

    #[expect(clippy::unused_async, reason = "dnf has to be asked")]
    pub(super) async fn needs_restart(&self) -> Result<Restart> {
        if !self.root.join(RESTART).exists() {
            return Ok(Restart::NotNeeded);
        }
        let names =
            read_capped(&self.root.join(RESTART_PACKAGES), MOST_RESTART)?.unwrap_or_default();
        let names = String::from_utf8_lossy(&names);
        let mut packages: Vec<_> = names.lines().map(str::to_owned).collect();
        packages.sort();
        packages.dedup();
        Ok(Restart::Needed { packages })
    }
}

fn is_system(root: &Path) -> bool {
    root == Path::new("/")
}

fn config_file(root: &Path) -> PathBuf {
    root.join("var/lib/lockstep/packages/apt.conf")
}

/// The root, if it can stand between quotes.
fn quotable(root: &Path) -> std::result::Result<&str, PackageError> {
    let plain = |text: &&str| {
        let bad =
            |c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\' | ';' | '\'');
        text.starts_with('/') && !text.contains(bad)
    };
    root.to_str()
        .filter(plain)
        .ok_or_else(|| PackageError::Root { root: root.into() })
}
