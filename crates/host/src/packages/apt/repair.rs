//! Completing what dpkg was interrupted in.
//!
//! dpkg leaves marks of everything that it has not finished: a journal of its list (`updates/`), and the state of each
//! package. A power cut, a kill and a script that failed all look the same afterwards, and are repaired the same way:
//!
//! 1. `dpkg --configure -a` reads the journal, and runs the last scripts of what is unpacked.
//! 2. What stopped in the middle of unpacking needs its archive again, which neither that nor `apt-get -f install`
//!    provides (both report success): it is installed again, in the version that dpkg has noted.
//! 3. `apt-get -f install` completes dependencies, if any are missing now. It may not remove anything.
//!
//! The states come from dpkg-query(1) and not from `dpkg --audit`, which speaks to people, and also of flaws that are
//! nobody's interruption.

use super::super::error::PackageError;
use super::super::output::Repaired;
use super::super::tool::{Act, args, last_lines};
use super::Apt;
use super::answers::Package;
use crate::error::{Error, Result};

impl Apt {
    pub(in super::super) async fn repair_interrupted(&self) -> Result<Repaired> {
        let broken = self.broken_packages().await?;
        if broken.is_empty() && !self.has_journal() {
            return Ok(Repaired::Nothing);
        }
        let packages = described(&broken);
        tracing::info!(?packages, "completing what was interrupted");
        let mut said = Said::default();
        said.hear(self.configure_all().await)?;
        let broken = self.broken_packages().await?;
        for package in broken
            .iter()
            .filter(|package| package.must_be_unpacked_again())
        {
            said.hear(self.unpack_again(package).await)?;
        }
        // The states are well and dependencies are not: a change was cut off between two packages.
        if self.ask("apt-get", &["check"], &[0]).await.is_err() {
            let command = ["--no-remove", "-f", "install"];
            said.hear(self.change("complete dependencies", &command).await)?;
        }
        let still = self.broken_packages().await?;
        if still.is_empty() && !self.has_journal() {
            let text = said.text;
            return Ok(Repaired::Completed { packages, text });
        }
        let why = said.failure.unwrap_or_else(|| last_lines(&said.text));
        let packages = described(&still);
        Err(PackageError::Unrepaired { packages, why }.into())
    }

    pub(in super::super) async fn broken(&self) -> Result<Vec<String>> {
        Ok(described(&self.broken_packages().await?))
    }

    async fn broken_packages(&self) -> Result<Vec<Package>> {
        let mut packages = self.packages(None).await?;
        packages.retain(Package::is_broken);
        Ok(packages)
    }

    /// Whether dpkg was stopped before it wrote its list: apt looks for the same names (all digits).
    fn has_journal(&self) -> bool {
        let Ok(entries) = std::fs::read_dir(self.root.join("var/lib/dpkg/updates")) else {
            return false;
        };
        let is_digits =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        entries
            .flatten()
            .any(|entry| entry.file_name().to_str().is_some_and(is_digits))
    }

    async fn configure_all(&self) -> Result<String> {
        let mut command = self.dpkg_root();
        command.extend(args([
            "--force-confdef",
            "--force-confold",
            "--configure",
            "-a",
        ]));
        let act = Act {
            doing: "configure what is unpacked",
            tool: "dpkg",
            args: command,
            limit: self.tools.patience.change,
            locks: &self.locks,
        };
        self.tools.act(&act).await
    }

    async fn unpack_again(&self, package: &Package) -> Result<String> {
        let what = match &package.version {
            Some(version) => format!("{}={version}", package.name),
            None => package.name.clone(),
        };
        let command = [
            "--no-remove",
            "--allow-downgrades",
            "--reinstall",
            "install",
            &what,
        ];
        self.change(&format!("install {what} again"), &command)
            .await
    }
}

fn described(packages: &[Package]) -> Vec<String> {
    packages.iter().map(Package::described).collect()
}

/// What the steps said. One that fails does not stop the next: each repairs what it can.
#[derive(Default)]
struct Said {
    text: String,
    failure: Option<String>,
}

impl Said {
    /// Takes note of a step; an error only if the package manager is not to be had at all.
    fn hear(&mut self, step: Result<String>) -> Result<()> {
        match step {
            Ok(text) => self.text += &text,
            Err(Error::Packages(error @ PackageError::Tool { .. })) => {
                self.failure = Some(error.to_string());
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }
}
