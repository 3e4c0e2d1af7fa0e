//! `bundle.toml`: what a bundle says of itself. It is the first file of every bundle.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::{Interval, PackageName, Platform, Version, VersionRange};

mod service;

pub use service::Service;

/// The contents of `bundle.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleManifest {
    /// Which package this is a version of.
    pub package: PackageName,
    /// Which version.
    pub version: Version,
    /// What it runs on.
    pub platform: Platform,
    /// Whom it can work with.
    #[serde(default, skip_serializing_if = "Requires::is_empty")]
    pub requires: Requires,
    /// What is taken over from the version before.
    #[serde(default, skip_serializing_if = "Preserve::is_empty")]
    pub preserve: Preserve,
    /// What must not survive the change.
    #[serde(default, skip_serializing_if = "Purge::is_empty")]
    pub purge: Purge,
    /// The daemon, where the package has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The command that must succeed in the new slot before it is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
}

/// `[requires]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requires {
    /// Which servers this version of the agent can talk to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<VersionRange>,
    /// From which versions it can be installed, where it cannot be from all: a host outside of them goes through
    /// others first. A host that has no version yet can install it, and so can one that goes back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<VersionRange>,
}

/// `[preserve]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preserve {
    /// Files (with `*` in the last part), and directories (ending in `/`), copied from the old slot to the new.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// `[purge]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purge {
    /// Files and directories below the package's data directory that are removed once the new version is proven.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// `[check]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Program (relative to the slot) and arguments.
    pub command: Vec<String>,
    /// How long it may take.
    #[serde(default = "Check::default_timeout")]
    pub timeout: Interval,
}

impl Check {
    fn default_timeout() -> Interval {
        Interval::from_secs(30)
    }
}

impl Requires {
    fn is_empty(&self) -> bool {
        self.server.is_none() && self.from.is_none()
    }
}
impl Preserve {
    fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}
impl Purge {
    fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}

impl BundleManifest {
    /// The name of the manifest in the bundle and in the slot.
    pub const FILE: &'static str = "bundle.toml";
    /// Largest manifest that is read, in bytes.
    pub const MAX_BYTES: u64 = 64 * 1024;

    /// Reads a manifest, and refuses paths that would reach out of the slot or the data directory.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for (table, paths) in [
            ("preserve", &manifest.preserve.paths),
            ("purge", &manifest.purge.paths),
        ] {
            for path in paths {
                if !stays_inside(path) {
                    return Err(format!(
                        "[{table}] path {path:?} must be relative and stay inside: no \"..\", no \"/\" before it"
                    ));
                }
            }
        }
        if let Some(service) = &manifest.service {
            service.check()?;
        }
        if let Some(check) = &manifest.check {
            match check.command.first() {
                Some(program) if stays_inside(program) => {}
                Some(program) => {
                    return Err(format!(
                        "[check] program {program:?} must be a path inside the bundle"
                    ));
                }
                None => return Err("[check] command names no program".into()),
            }
        }
        Ok(manifest)
    }

    /// The manifest as TOML text; the same manifest gives the same bytes.
    pub fn to_toml(&self) -> Result<String, String> {
        toml::to_string_pretty(self).map_err(|error| error.to_string())
    }
}

/// True if the path, taken below some directory, cannot name anything outside of it.
fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        package = "lockstep"
        version = "1.4.0"
        platform = "linux-x86_64"
        [requires]
        server = ">=1.3, <2"
        [preserve]
        paths = ["etc/*.env", "plugins/"]
        [purge]
        paths = ["data/inventory.db"]
        [service]
        unit = "driveclient.service"
        [check]
        command = ["bin/lockstep", "agent", "preflight"]
        timeout = "30s"
    "#;

    #[test]
    fn a_manifest_survives_the_round_trip() {
        let manifest = BundleManifest::parse(WHOLE).unwrap();
        assert_eq!(
            BundleManifest::parse(&manifest.to_toml().unwrap()).unwrap(),
            manifest
        );
    }

    #[test]
    fn a_release_may_say_from_where_it_can_be_installed() {
        let text = WHOLE.replace("[preserve]", "from = \">=1.2, <1.4\"\n[preserve]");
        let manifest = BundleManifest::parse(&text).unwrap();
        let from = manifest.requires.from.clone().unwrap();
        assert!(from.contains(&Version::parse("1.3.7").unwrap()));
        assert!(!from.contains(&Version::parse("1.1.0").unwrap()));
        assert_eq!(
            BundleManifest::parse(&manifest.to_toml().unwrap()).unwrap(),
            manifest
        );
        // By itself as well: it is not left out where nothing is said of servers.
        let alone = text.replace("server = \">=1.3, <2\"", "");
        let alone = BundleManifest::parse(&alone).unwrap();
        assert!(alone.to_toml().unwrap().contains("from = "));
        let bad = text.replace(">=1.2", "since 1.2");
        assert!(BundleManifest::parse(&bad).unwrap_err().contains("range"));
    }

    #[test]
    fn paths_that_leave_are_refused() {
        for path in ["../x", "/etc/passwd", "a/../../b", ""] {
            let text = WHOLE.replace("plugins/", path);
            assert!(
                BundleManifest::parse(&text)
                    .unwrap_err()
                    .contains("preserve"),
                "{path}"
            );
            let text = WHOLE.replace("bin/lockstep", path);
            assert!(
                BundleManifest::parse(&text).unwrap_err().contains("check"),
                "{path}"
            );
        }
    }

    #[test]
    fn unknown_keys_are_named_with_their_line() {
        let error = BundleManifest::parse("package = \"a\"\nverison = \"1.0.0\"\n").unwrap_err();
        assert!(
            error.contains("line 2") && error.contains("verison"),
            "{error}"
        );
    }
}
