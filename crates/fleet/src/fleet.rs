//! The fleet, parsed and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use aws_lc_rs::digest::{Context, SHA256};
use lockstep_model::alert::AlertRules;
use lockstep_model::{ContentHash, HostName, LevelNames, Retention};

use crate::check;
use crate::declared::{Declared, Group, Host};
use crate::fault::{Errors, Faults};
use crate::follow::Rules;
use crate::keys::KeyFiles;
use crate::parse::{self, Everything};
use crate::silence::RecurringSilence;
use crate::source::Sources;

/// What the fleet is: a fleet file without a mistake in it.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub(crate) sources: Sources,
    /// Key files that were read for it, by the names of their texts.
    keys: BTreeMap<String, String>,
    pub(crate) declared: Declared,
    pub(crate) history: Retention,
    alerts: AlertRules,
    silences: Vec<RecurringSilence>,
    pub(crate) follows: Rules,
    /// Hosts that the file names, in `[host.NAME]` or in a group.
    known: BTreeSet<HostName>,
    /// Hosts without an agent by the one that watches them.
    watched: BTreeMap<HostName, Vec<HostName>>,
}

impl Fleet {
    /// Largest file, in bytes.
    pub const LARGEST_FILE: usize = 1024 * 1024;
    /// Most files.
    pub const MOST_FILES: usize = 256;

    /// Parses texts, each with the name that errors call it by, in the order in which they are merged. Key files are
    /// taken from among them, under the names that [`Fleet::texts`] gives them.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn parse(mut texts: Vec<(String, String)>) -> Result<Self, Errors> {
        let keys = KeyFiles::among(&mut texts);
        let texts = texts.into_iter().map(|(name, text)| (name, Ok(text)));
        Self::parse_read(texts.collect(), keys)
    }

    /// Parses texts, some of which may not have been readable, for a reason that is given.
    pub(crate) fn parse_read(
        mut texts: Vec<(String, Result<String, String>)>,
        keys: KeyFiles,
    ) -> Result<Self, Errors> {
        let faults = Faults::default();
        if texts.len() > Self::MOST_FILES {
            faults.whole(
                0,
                format!(
                    "there are {} files; at most {} are read",
                    texts.len(),
                    Self::MOST_FILES
                ),
            );
            texts.truncate(Self::MOST_FILES);
        }
        let mut readable = Vec::with_capacity(texts.len());
        for (file, (name, text)) in (0_u16..).zip(texts) {
            let text = text.and_then(|text| {
                if text.len() > Self::LARGEST_FILE {
                    return Err(format!("it is larger than {} bytes", Self::LARGEST_FILE));
                }
                Ok(text)
            });
            let text = text.unwrap_or_else(|why| {
                faults.whole(file, format!("{name}: {why}"));
                String::new()
            });
            readable.push((name, text));
        }
        let sources = Sources::new(readable);
        let documents: Vec<_> = (0_u16..)
            .zip(sources.iter())
            .map(|(file, source)| parse::document(&sources, file, &source.text, &faults))
            .collect();
        let Everything {
            declared,
            alerts,
            history,
            silences,
        } = parse::everything(&sources, &documents, &faults, &keys);
        let mut fleet = Self {
            known: known(&declared),
            watched: watched(&declared),
            follows: Rules::of(&declared),
            sources: Sources::default(),
            keys: BTreeMap::new(),
            declared,
            history,
            alerts,
            silences,
        };
        check::fleet(&fleet, &sources, &faults);
        if let Some(errors) = faults.into_errors(&sources) {
            return Err(errors);
        }
        drop(documents);
        fleet.sources = sources;
        fleet.keys = keys.into_used();
        Ok(fleet)
    }

    /// The texts that it was made from, each with its name, and behind them the keys in the files that they name.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let keys = self.keys.iter();
        self.sources
            .iter()
            .map(|source| (source.name.as_str(), source.text.as_str()))
            .chain(keys.map(|(name, key)| (name.as_str(), key.as_str())))
    }

    /// The hash of all texts and their names: another one after any change, a comment's included.
    #[must_use]
    pub fn fingerprint(&self) -> ContentHash {
        let mut context = Context::new(&SHA256);
        for text in self.texts().flat_map(|(name, text)| [name, text]) {
            // With its length before it no text can pass for two.
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        ContentHash::from_digest(digest)
    }

    /// The names of the levels.
    #[must_use]
    pub fn levels(&self) -> &LevelNames {
        &self.declared.levels
    }

    /// Who is told of what.
    #[must_use]
    pub fn alert_rules(&self) -> &AlertRules {
        &self.alerts
    }

    /// Maintenance that comes again and again.
    #[must_use]
    pub fn silences(&self) -> &[RecurringSilence] {
        &self.silences
    }

    /// The time zone of hours that name none: `UTC`, unless the file says otherwise.
    #[must_use]
    pub fn timezone(&self) -> &str {
        let zone = self.declared.defaults.timezone.as_ref();
        zone.map_or("UTC", |zone| zone.value.as_str())
    }

    /// The hosts that the file names. Others may be enrolled: they get the defaults, and what the groups say whose
    /// patterns they match.
    pub fn hosts(&self) -> impl Iterator<Item = &HostName> {
        self.known.iter()
    }

    /// True for a host that the file names.
    #[must_use]
    pub fn knows(&self, host: &HostName) -> bool {
        self.known.contains(host)
    }

    /// Where the file says that a host is on the network: a name or an address.
    #[must_use]
    pub fn address_of(&self, host: &HostName) -> Option<&str> {
        let address = self.declared.hosts.get(host)?.address.as_ref()?;
        Some(&address.value)
    }

    /// The host that the file has at an address; none where several are there.
    #[must_use]
    pub fn host_at(&self, address: IpAddr) -> Option<&HostName> {
        let is_there = |host: &Host| {
            let said = host.address.as_ref();
            said.is_some_and(|said| said.value.parse::<IpAddr>().is_ok_and(|it| it == address))
        };
        let mut there = self
            .declared
            .hosts
            .iter()
            .filter(|(_, host)| is_there(host));
        let (name, _) = there.next()?;
        there.next().is_none().then_some(name)
    }

    /// The groups.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.declared.groups.keys().map(String::as_str)
    }

    /// The groups that a host belongs to.
    #[must_use]
    pub fn groups_of(&self, host: &HostName) -> Vec<&str> {
        let labels = self.labels_of(host);
        let groups = self.declared.groups.iter();
        groups
            .filter(|(_, group)| group.members.has(host, labels))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The labels that the file gives a host.
    #[must_use]
    pub fn labels_of(&self, host: &HostName) -> &BTreeMap<String, String> {
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        self.declared
            .hosts
            .get(host)
            .map_or(NONE, |host| &host.labels)
    }

    /// The hosts without which this one cannot be reached: those that it or one of its groups depends on, and the
    /// one that watches it.
    #[must_use]
    pub fn parents_of(&self, host: &HostName) -> BTreeSet<&HostName> {
        let kin = self.kin(host);
        let scopes = kin.groups.iter().map(|(_, group)| &group.scope);
        let scopes = scopes.chain(kin.host.map(|host| &host.scope));
        let depends = scopes.flat_map(|scope| scope.depends.iter().map(|parent| &parent.value));
        let via = self.watcher_of(host);
        // A switch that is in the group that depends on it does not depend on itself.
        depends
            .chain(via)
            .filter(|&parent| parent != host)
            .collect()
    }

    /// Who cares for a host: what it says itself, or the group of it that counts most and says so.
    #[must_use]
    pub fn owner_of(&self, host: &HostName) -> Option<&str> {
        let kin = self.kin(host);
        let groups = kin.groups.iter().rev().map(|(_, group)| &group.scope);
        let mut scopes = kin.host.iter().map(|host| &host.scope).chain(groups);
        scopes.find_map(|scope| scope.owner.as_deref())
    }

    /// What people read about a host, by what it is called: of its groups and itself; of two of one name, that of what
    /// counts more.
    #[must_use]
    pub fn links_of(&self, host: &HostName) -> BTreeMap<&str, &str> {
        let kin = self.kin(host);
        let groups = kin.groups.iter().map(|(_, group)| &group.scope);
        let scopes = groups.chain(kin.host.map(|host| &host.scope));
        scopes
            .flat_map(|scope| &scope.links)
            .map(|(name, address)| (name.as_str(), address.as_str()))
            .collect()
    }

    /// The hosts without an agent that this one watches. Nobody else may report them.
    #[must_use]
    pub fn watched_by(&self, host: &HostName) -> &[HostName] {
        self.watched.get(host).map_or(&[], Vec::as_slice)
    }

    /// The host that watches this one, which has no agent; none for a host with an agent.
    #[must_use]
    pub fn watcher_of(&self, host: &HostName) -> Option<&HostName> {
        let dumb = self.declared.hosts.get(host)?.dumb.as_ref()?;
        Some(&dumb.via.value)
    }

    /// A host with its groups; of several the one that counts more comes later.
    pub(crate) fn kin(&self, name: &HostName) -> Kin<'_> {
        let labels = self.labels_of(name);
        let groups = self.declared.groups.iter();
        let mut groups: Vec<(&str, &Group)> = groups
            .filter(|(_, group)| group.members.has(name, labels))
            .map(|(name, group)| (name.as_str(), group))
            .collect();
        groups.sort_by_key(|(name, group)| (group.priority, *name));
        Kin {
            host: self.declared.hosts.get(name),
            groups,
        }
    }
}

/// A host and its groups.
#[derive(Debug, Default)]
pub(crate) struct Kin<'a> {
    pub(crate) host: Option<&'a Host>,
    pub(crate) groups: Vec<(&'a str, &'a Group)>,
}

fn known(declared: &Declared) -> BTreeSet<HostName> {
    let named = declared
        .groups
        .values()
        .flat_map(|group| &group.members.names);
    named.chain(declared.hosts.keys()).cloned().collect()
}

fn watched(declared: &Declared) -> BTreeMap<HostName, Vec<HostName>> {
    let mut watched: BTreeMap<HostName, Vec<HostName>> = BTreeMap::new();
    for (name, host) in &declared.hosts {
        if let Some(dumb) = &host.dumb {
            watched
                .entry(dumb.via.value.clone())
                .or_default()
                .push(name.clone());
        }
    }
    watched
}
