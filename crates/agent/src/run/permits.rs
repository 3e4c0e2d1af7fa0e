//! What this host lets its server have it install.
//!
//! A work document comes from the server, and nobody signs it. A package can do anything as root. So the host says which
//! packages it takes from there, and which keys may sign a repository that is added for them (`[packages]` of
//! `agent.toml`). Nothing is permitted by default.

use lockstep_host::Layout;
use lockstep_model::api::WorkAnswer;
use lockstep_model::{ContentHash, Glob, PackageName, PackageRule};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::config::AgentConfig;
use crate::state::read;

/// `[packages]` of `agent.toml`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PackagePermits {
    /// Names or patterns of packages that the server may have kept current.
    pub names: Vec<Glob>,
    /// SHA-256 of the public keys, in ASCII armour without blank lines around them, that may sign a repository which is
    /// added. Without one only the host's own repositories are used.
    pub keys: Vec<ContentHash>,
    /// Names or patterns of services that may be stopped and started for such a package.
    pub services: Vec<Glob>,
    /// Paths or patterns of files that may be made while such a package is changed, so that its program waits.
    pub idle_locks: Vec<Glob>,
}

/// `[bundles]` of `agent.toml`: which packages of others the server may bring to this host. All by default, because their
/// publisher has signed them, and the server can bring nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BundlePermits {
    /// Names or patterns of packages.
    pub allow: Vec<Glob>,
}

impl Default for BundlePermits {
    fn default() -> Self {
        Self {
            allow: Glob::parse("*").into_iter().collect(),
        }
    }
}

impl BundlePermits {
    /// Whether the host takes this package from its server, and if not, why.
    pub fn check(&self, package: &PackageName) -> Result<(), String> {
        if package.is_of_the_machine() {
            return Err(format!(
                "{package} stands for something of the machine, and is no bundle"
            ));
        }
        if self.allow.iter().any(|it| it.matches(package.as_str())) {
            return Ok(());
        }
        Err(format!(
            "agent.toml of this host does not permit the package {package}: add it to bundles.allow"
        ))
    }
}

impl PackagePermits {
    /// Whether the host takes this from its server, and if not, why.
    pub fn check(&self, rule: &PackageRule) -> Result<(), String> {
        if rule.name.is_of_the_machine() {
            return Err(format!(
                "{} stands for something of the machine, and is no package",
                rule.name
            ));
        }
        if !self
            .names
            .iter()
            .any(|name| name.matches(rule.name.as_str()))
        {
            return Err(format!(
                "agent.toml of this host does not permit the package {}: add it to packages.names",
                rule.name
            ));
        }
        for (what, key, permitted, wanted) in [
            ("service", "services", &self.services, &rule.service),
            ("idle lock", "idle_locks", &self.idle_locks, &rule.idle_lock),
        ] {
            let Some(wanted) = wanted else { continue };
            if !permitted.iter().any(|it| it.matches(wanted)) {
                return Err(format!(
                    "agent.toml of this host does not permit the {what} {wanted} of {}: add it to packages.{key}",
                    rule.name
                ));
            }
        }
        let keys = [
            rule.sources.apt.as_ref().map(|source| &source.key),
            rule.sources.dnf.as_ref().map(|source| &source.key),
        ];
        for key in keys.into_iter().flatten() {
            let hash = ContentHash::of(key.trim().as_bytes());
            if !self.keys.contains(&hash) {
                return Err(format!(
                    "agent.toml of this host does not permit the key that signs the repository of {}: add {hash} to packages.keys if it is the right one",
                    rule.name
                ));
            }
        }
        Ok(())
    }
}

/// What the work document in force says of a package, if this host permits it.
pub fn permitted(layout: &Layout, name: &PackageName) -> Result<PackageRule, Error> {
    let answer: Option<WorkAnswer> = read(&layout.work())?;
    let rule = answer.and_then(|answer| {
        let packages = answer.work.packages;
        packages.into_iter().find(|rule| rule.name == *name)
    });
    let rule = rule.ok_or_else(|| {
        Error::Refused(format!(
            "the server does not ask this host to keep {name} current"
        ))
    })?;
    let config = AgentConfig::load(&layout.config())?;
    config.packages.check(&rule).map_err(Error::Refused)?;
    Ok(rule)
}

#[cfg(test)]
mod tests {
    use lockstep_model::AptSource;

    use super::*;

    #[test]
    fn all_bundles_are_permitted_until_somebody_says_which() {
        let package = |name: &str| PackageName::parse(name).unwrap();
        let all = BundlePermits::default();
        assert_eq!(all.check(&package("driveclient")), Ok(()));
        assert!(all.check(&PackageName::system()).is_err());
        assert!(all.check(&PackageName::reboot()).is_err());
        let some = BundlePermits {
            allow: vec![Glob::parse("acme-*").unwrap()],
        };
        assert_eq!(some.check(&package("acme-tool")), Ok(()));
        let refused = some.check(&package("driveclient")).unwrap_err();
        assert!(refused.contains("bundles.allow"), "{refused}");
    }

    #[test]
    fn nothing_is_permitted_by_default_and_keys_are_permitted_one_by_one() {
        let mut rule = PackageRule::named(PackageName::parse("driveclient").unwrap());
        let refused = PackagePermits::default().check(&rule).unwrap_err();
        assert!(refused.contains("packages.names"), "{refused}");
        let mut permits = PackagePermits {
            names: vec![Glob::parse("drive*").unwrap()],
            ..PackagePermits::default()
        };
        assert_eq!(permits.check(&rule), Ok(()));
        rule.service = Some("sshd".into());
        let refused = permits.check(&rule).unwrap_err();
        assert!(refused.contains("packages.services"), "{refused}");
        rule.service = None;
        rule.idle_lock = Some("/etc/nologin".into());
        let refused = permits.check(&rule).unwrap_err();
        assert!(refused.contains("packages.idle_locks"), "{refused}");
        rule.idle_lock = None;
        rule.sources.apt = Some(AptSource {
            uri: "https://repo.example.org/".into(),
            suite: "stable".into(),
            components: vec!["main".into()],
            key: "\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n".into(),
        });
        let refused = permits.check(&rule).unwrap_err();
        let hash = ContentHash::of(b"-----BEGIN PGP PUBLIC KEY BLOCK-----");
        assert!(refused.contains(&hash.to_string()), "{refused}");
        permits.keys.push(hash);
        assert_eq!(permits.check(&rule), Ok(()));
    }
}
