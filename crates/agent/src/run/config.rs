//! `update.toml`: how this host upgrades its operating system, and the files that name its packages.
//!
//! Every key has a default, so an empty file is a good one; unknown keys are refused with the keys that exist. The five
//! directories have the names that Foreman's `dlm_updater` gave them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_host::packages::Patience;
use lockstep_host::scripts::ScriptDir;
use lockstep_host::{Layout, reboot};
use lockstep_model::{
    Hours, Interval, ItemName, LockName, PackageName, PackageRule, PackageVersion, Sources, Spread,
};
use lockstep_plan::run::Rules;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::config::read_text;

/// The contents of `update.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpgradeConfig {
    /// By what the operating system is upgraded.
    pub by: By,
    /// The lock that is held from `pre_update.d` to the end; left out, there is none.
    pub lock: Option<LockName>,
    /// When a run may begin, as in `"Sat 02:00-05:00"`; left out, always.
    pub hours: Option<String>,
    /// The time zone of `hours`.
    pub timezone: String,
    /// How often the agent begins a run by itself; left out, never: then cron or a timer does.
    pub every: Option<Interval>,
    /// By which curve hosts begin when the agent does it by itself.
    pub spread: Spread,
    /// The directory of the directories of scripts; left out, `etc/lockstep/update`.
    pub scripts: Option<PathBuf>,
    /// One of them elsewhere.
    pub dirs: Dirs,
    /// The command that restarts the machine.
    pub reboot: Vec<String>,
    /// Time limits.
    pub limits: Limits,
    /// What must be well afterwards.
    pub verify: Verify,
}

/// By what the operating system is upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// By the scripts alone.
    #[default]
    Scripts,
    /// By apt or dnf, whichever the host has; scripts come in addition.
    Packages,
}

/// Directories of scripts that lie elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dirs {
    /// `needs_update.d`.
    pub needs_update: Option<PathBuf>,
    /// `busy.d`.
    pub busy: Option<PathBuf>,
    /// `pre_update.d`.
    pub pre_update: Option<PathBuf>,
    /// `update.d`.
    pub update: Option<PathBuf>,
    /// `needs_reboot.d`.
    pub needs_reboot: Option<PathBuf>,
    /// `post_update.d`.
    pub post_update: Option<PathBuf>,
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// A script that runs for longer is killed, with everything that it started.
    pub script: Interval,
    /// The package manager may take so long.
    pub packages: Interval,
    /// So long it is waited for the package manager's own lock.
    pub package_lock: Interval,
    /// A lock that is held elsewhere is asked for again in this time, unless the server says another one.
    pub lock_again: Interval,
    /// A busy host is asked again in this time.
    pub busy_again: Interval,
    /// A host that is busy for longer is given up until the next time; left out, never.
    pub busy_longest: Option<Interval>,
    /// A script that ended with 75 is called again in this time.
    pub later_again: Interval,
    /// So often, then it has failed.
    pub later_most: u32,
    /// The machine must have restarted so long after the command.
    pub reboot: Interval,
}

/// `[verify]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Verify {
    /// The items must be as well as before for so long; `"0s"` for not looking.
    #[serde(rename = "for")]
    pub well_for: Span,
    /// They must have become so within this time.
    pub within: Interval,
    /// Which items: a probe's name stands for all of its items.
    pub items: Vec<String>,
}

/// A time that may be nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX) {
            0 => serializer.serialize_str("0s"),
            milliseconds => Interval::from_millis(milliseconds).serialize(serializer),
        }
    }
}
impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim() == "0" || text.trim() == "0s" {
            return Ok(Self(Duration::ZERO));
        }
        let interval: Interval = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self(interval.duration()))
    }
}

impl Default for UpgradeConfig {
    fn default() -> Self {
        Self {
            by: By::default(),
            lock: None,
            hours: None,
            timezone: "UTC".into(),
            every: None,
            spread: Spread::None,
            scripts: None,
            dirs: Dirs::default(),
            reboot: reboot::DEFAULT.map(String::from).into(),
            limits: Limits::default(),
            verify: Verify::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let rules = Rules::default();
        let interval = |duration: Duration| Interval::from_secs(duration.as_secs());
        Self {
            script: Interval::from_secs(3_600),
            packages: Interval::from_secs(2 * 3_600),
            package_lock: Interval::from_secs(600),
            lock_again: interval(rules.lock_again),
            busy_again: interval(rules.busy_again),
            busy_longest: None,
            later_again: interval(rules.later_again),
            later_most: rules.later_most,
            reboot: interval(rules.reboot_within),
        }
    }
}

impl Default for Verify {
    fn default() -> Self {
        let rules = Rules::default();
        Self {
            well_for: Span(rules.verify_for),
            within: Interval::from_secs(rules.verify_within.as_secs()),
            // What a host is there for, and what it cannot live without.
            items: [
                "disk_usage",
                "http",
                "memory_available",
                "plugin",
                "script",
                "tcp",
                "tls",
                "unit",
                "units_failed",
            ]
            .map(String::from)
            .into(),
        }
    }
}

impl Verify {
    /// True if the item must be as well as before.
    #[must_use]
    pub fn is_gated(&self, item: &ItemName) -> bool {
        self.items
            .iter()
            .any(|gate| gate == item.as_str() || gate == item.probe())
    }
}

impl Limits {
    /// How long the package manager is waited for.
    #[must_use]
    pub fn patience(&self) -> Patience {
        Patience {
            lock: self.package_lock.duration(),
            change: self.packages.duration(),
            ..Patience::default()
        }
    }

    /// The limits of the run, with those of `verify`.
    #[must_use]
    pub fn rules(&self, verify: &Verify) -> Rules {
        Rules {
            lock_again: self.lock_again.duration(),
            busy_again: self.busy_again.duration(),
            busy_longest: self.busy_longest.map(Interval::duration),
            later_again: self.later_again.duration(),
            later_most: self.later_most,
            reboot_within: self.reboot.duration(),
            verify_for: verify.well_for.0,
            verify_within: verify.within.duration(),
            ..Rules::default()
        }
    }
}

impl UpgradeConfig {
    /// Reads the file; one that does not exist is an empty one, unless it was named by a person.
    pub fn load(path: &Path, must_exist: bool) -> Result<Self, Error> {
        let refuse = |why: String| Error::Config {
            path: path.into(),
            why,
        };
        match read_text(path)? {
            Some(text) => Self::parse(&text).map_err(refuse),
            None if must_exist => Err(refuse("there is no such file".into())),
            None => Ok(Self::default()),
        }
    }

    /// Parses the text of the file and checks what types cannot.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if config.reboot.first().is_none_or(String::is_empty) {
            return Err("reboot: a command is needed, as in [\"systemctl\", \"reboot\"]".into());
        }
        if config.limits.later_most == 0 {
            return Err("limits.later_most: a script is called at least once".into());
        }
        config.hours()?;
        Ok(config)
    }

    /// The hours in which a run may begin.
    pub fn hours(&self) -> Result<Option<Hours>, String> {
        let hours = self.hours.as_deref();
        hours
            .map(|text| Hours::parse(text, &self.timezone))
            .transpose()
            .map_err(|why| format!("hours: {why}"))
    }

    /// The directory of the scripts of one kind, named as its ancestor named it.
    #[must_use]
    pub fn dir(&self, layout: &Layout, kind: ScriptDir) -> PathBuf {
        let dirs = &self.dirs;
        let elsewhere = match kind {
            ScriptDir::NeedsUpdate => &dirs.needs_update,
            ScriptDir::Busy => &dirs.busy,
            ScriptDir::PreUpdate => &dirs.pre_update,
            ScriptDir::Update => &dirs.update,
            ScriptDir::NeedsReboot => &dirs.needs_reboot,
            ScriptDir::PostUpdate => &dirs.post_update,
        };
        let base = || self.scripts.clone().unwrap_or_else(|| layout.scripts_dir());
        elsewhere
            .clone()
            .unwrap_or_else(|| base().join(kind.as_str()))
    }
}

/// A file of a host's own that says how one package is kept current: `etc/lockstep/packages/NAME.toml`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PackageFile {
    /// Where it comes from.
    pub sources: Sources,
    /// Which version is wanted; left out, the newest.
    pub version: Option<PackageVersion>,
    /// A URL whose text is the newest version.
    pub published: Option<String>,
    /// The service that is stopped for the change.
    pub service: Option<String>,
    /// A file that is there while the package's program is at work.
    pub idle_lock: Option<String>,
    /// The lock that is held during the change.
    pub lock: Option<LockName>,
    /// How often it is looked.
    pub every: Option<Interval>,
    /// By which curve hosts begin.
    pub spread: Option<Spread>,
    /// When it may begin.
    pub hours: Option<String>,
    /// The time zone of `hours`; left out, UTC.
    pub timezone: Option<String>,
}

impl PackageFile {
    /// The rule of a package by its file; one that has none is kept current from the host's own repositories.
    pub fn load(layout: &Layout, name: &PackageName) -> Result<PackageRule, Error> {
        let path = layout.packages_dir().join(format!("{name}.toml"));
        let refuse = |why: String| Error::Config {
            path: path.clone(),
            why,
        };
        let Some(text) = read_text(&path)? else {
            return Ok(PackageRule::named(name.clone()));
        };
        let file: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        file.rule(name).map_err(refuse)
    }

    fn rule(self, name: &PackageName) -> Result<PackageRule, String> {
        let zone = self.timezone.as_deref().unwrap_or("UTC");
        let hours = self.hours.as_deref().map(|text| Hours::parse(text, zone));
        let hours = hours.transpose().map_err(|why| format!("hours: {why}"))?;
        Ok(PackageRule {
            sources: self.sources,
            version: self.version,
            published: self.published,
            service: self.service,
            idle_lock: self.idle_lock,
            lock: self.lock,
            every: self.every.unwrap_or(PackageRule::EVERY),
            spread: self.spread.unwrap_or(Spread::Gamma),
            hours,
            ..PackageRule::named(name.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_a_good_one_and_the_defaults_are_those_of_the_decision() {
        let config = UpgradeConfig::parse("").unwrap();
        assert_eq!(config, UpgradeConfig::default());
        assert_eq!(config.limits.rules(&config.verify), Rules::default());
        let text = toml::to_string_pretty(&config).unwrap();
        assert_eq!(UpgradeConfig::parse(&text).unwrap(), config);
    }

    #[test]
    fn mistakes_are_named() {
        let why = |text: &str| UpgradeConfig::parse(text).unwrap_err();
        let unknown = why("[limits]\nscripts = \"1h\"");
        assert!(
            unknown.contains("line 2") && unknown.contains("script"),
            "{unknown}"
        );
        assert!(why("reboot = []").contains("a command is needed"));
        assert!(why("hours = \"never\"").contains("hours:"));
        assert!(why("[limits]\nlater_most = 0").contains("at least once"));
        let off = UpgradeConfig::parse("[verify]\nfor = \"0s\"").unwrap();
        assert!(off.limits.rules(&off.verify).verify_for.is_zero());
    }

    #[test]
    fn directories_have_the_ancestors_names_and_may_lie_elsewhere() {
        let layout = Layout::below("/r");
        let config = UpgradeConfig::parse("[dirs]\nupdate = \"/opt/u\"").unwrap();
        assert_eq!(config.dir(&layout, ScriptDir::Update), Path::new("/opt/u"));
        let reboot = config.dir(&layout, ScriptDir::NeedsReboot);
        assert_eq!(reboot, Path::new("/r/etc/lockstep/update/needs_reboot.d"));
    }

    #[test]
    fn a_package_without_a_file_comes_from_the_hosts_own_repositories() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        let name = PackageName::parse("driveclient").unwrap();
        let rule = PackageFile::load(&layout, &name).unwrap();
        assert_eq!(rule, PackageRule::named(name));
    }
}
