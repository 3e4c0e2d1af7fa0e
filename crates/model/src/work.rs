//! Work documents: what one host is told to watch, and how to judge it.
//!
//! The server compiles them from the fleet file, one for each host. A host without one watches what is watched by
//! default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Fitness, Glob, HostName, Interval, LevelNames, PackageRule};

/// What a host shall watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The names of the levels.
    #[serde(default)]
    pub levels: LevelNames,
    /// Time between two samples of an item that says nothing else.
    pub sample: Interval,
    /// Time between two reports.
    pub report: Interval,
    /// What is watched on the host itself. Of several entries that match an item the one with the heavier pattern
    /// counts, see [`Work::entry`].
    pub items: Vec<WorkItem>,
    /// Other hosts that this one watches because they have no agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<WatchedHost>,
    /// How long history is kept.
    #[serde(default)]
    pub history: Retention,
    /// Packages that are kept current. The host has a word in it, see `[packages]` of its `agent.toml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PackageRule>,
}

/// One item, or all items that match a pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkItem {
    /// `cpu_load`, `http:https://localhost/`, or `disk_usage:*` for each one that is found.
    pub name: Glob,
    /// Time between two samples; none for [`Work::sample`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Interval>,
    /// After this time the probe is given up; none for the probe's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Interval>,
    /// How it is judged; none for the built-in function of its probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitness: Option<Fitness>,
    /// True if the entry asks for nothing by itself: it only says how items are judged that another entry finds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_rule: bool,
    /// What else the probe wants to know, e.g. `status = "200"` for `http`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, Setting>,
}

/// The value of a probe's option.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

/// A host without an agent, watched by another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchedHost {
    /// Its name in the fleet.
    pub host: HostName,
    /// Its address on the network: a name or an address, without a port.
    pub address: String,
    /// What is watched there. Only probes towards others make sense.
    pub items: Vec<WorkItem>,
    /// How it is asked by SNMP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snmp: Option<Snmp>,
}

/// How a device is asked by SNMP. The secrets themselves stay in the watching host's `secrets.toml`; here they are
/// only named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snmp {
    /// Which version of the protocol.
    pub version: SnmpVersion,
    /// UDP port; none for 161.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The name of the secret: a community for version 2c; user, protocols and passwords for version 3.
    pub secret: String,
}

/// A version of SNMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnmpVersion {
    /// Version 2 with communities (RFC 1901).
    #[serde(rename = "2c")]
    V2c,
    /// Version 3 with users (RFC 3414).
    #[serde(rename = "3")]
    V3,
}

/// How long which part of the history is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Every sample.
    pub raw: Interval,
    /// Buckets of 10 minutes.
    pub mid: Interval,
    /// Buckets of an hour.
    pub long: Interval,
}

impl Default for Retention {
    /// Two days, ninety days, two years.
    fn default() -> Self {
        Self {
            raw: Interval::from_secs(2 * 86_400),
            mid: Interval::from_secs(90 * 86_400),
            long: Interval::from_secs(2 * 365 * 86_400),
        }
    }
}

impl Default for Work {
    /// What a host watches when nobody has told it anything: each minute, with a report every five. How it is judged
    /// is left to the built-in functions.
    fn default() -> Self {
        let item = |name: &str| {
            let name =
                Glob::parse(name).expect("the names of WATCHED are patterns, as a test checks");
            WorkItem::named(name)
        };
        Self {
            levels: LevelNames::default(),
            sample: Interval::from_secs(60),
            report: Interval::from_secs(300),
            items: WATCHED.map(item).into(),
            watched: Vec::new(),
            history: Retention::default(),
            packages: Vec::new(),
        }
    }
}

/// The items of a host with no configuration at all.
const WATCHED: [&str; 27] = [
    "agent_memory",
    "clock_offset",
    "cpu_busy",
    "cpu_iowait",
    "cpu_load",
    "cpu_steal",
    "disk_busy:*",
    "disk_forecast:*",
    "disk_usage:*",
    "inode_usage:*",
    "md:*",
    "memory_available",
    "network_errors:*",
    "oom_kills",
    "patch_age",
    "pending_updates",
    "pressure_memory_full",
    "processes",
    "reboot_required",
    "run",
    "security_updates",
    "swap_used",
    "temperature:*",
    "units_failed",
    "uptime",
    "users",
    "version_lag",
];

impl Work {
    /// Largest work document, in bytes of JSON as an agent fetches it. A server accepts no fleet file that makes a
    /// larger one for a host that the file names.
    pub const LARGEST: usize = 1024 * 1024;

    /// The entry that counts for an item of this host: of those that match, the one with the heaviest pattern, and
    /// of equally heavy ones the later.
    #[must_use]
    pub fn entry(&self, item: &str) -> Option<&WorkItem> {
        heaviest(&self.items, item)
    }
}

impl WatchedHost {
    /// As [`Work::entry`], for an item of the watched host.
    #[must_use]
    pub fn entry(&self, item: &str) -> Option<&WorkItem> {
        heaviest(&self.items, item)
    }
}

fn heaviest<'a>(items: &'a [WorkItem], item: &str) -> Option<&'a WorkItem> {
    items
        .iter()
        .filter(|entry| entry.name.matches(item))
        .max_by_key(|entry| (entry.name.is_plain(), entry.name.weight()))
}

impl WorkItem {
    /// An entry that says no more than what is watched.
    #[must_use]
    pub fn named(name: Glob) -> Self {
        Self {
            name,
            every: None,
            timeout: None,
            fitness: None,
            is_rule: false,
            options: BTreeMap::new(),
        }
    }
}

impl Setting {
    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_configuration_is_watched() {
        let work = Work::default();
        assert_eq!(work.items.len(), WATCHED.len());
        for item in &work.items {
            let example = item.name.as_str().replace('*', "x");
            assert!(crate::ItemName::parse(&example).is_ok(), "{example}");
            assert_eq!(work.entry(&example), Some(item));
        }
        let json = serde_json::to_string(&work).unwrap();
        assert_eq!(serde_json::from_str::<Work>(&json).unwrap(), work);
    }

    #[test]
    fn the_more_particular_entry_counts() {
        let entry = |name: &str| WorkItem::named(Glob::parse(name).unwrap());
        let items = ["disk_usage:/var", "disk_usage:*", "*", "disk_usage:/v*"].map(entry);
        let found = |item| heaviest(&items, item).map(|entry| entry.name.as_str());
        assert_eq!(found("disk_usage:/var"), Some("disk_usage:/var"));
        assert_eq!(found("disk_usage:/var/log"), Some("disk_usage:/v*"));
        assert_eq!(found("disk_usage:/"), Some("disk_usage:*"));
        assert_eq!(found("cpu_load"), Some("*"));
    }
}
