//! A server for gateways that are tested alone: what they ask of it is answered from a few lists, and what they tell it
//! is kept.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_gateway::seams::{
    EventSaid, Gateway, HostSaid, Hosts, Known, Offer, Packages, Said, Standing, Ticket, Tree,
    Trouble, Wanted,
};
use lockstep_model::{
    ChannelName, ContentHash, HostName, ItemName, PackageName, Series, Version, View, Work,
};

use crate::desk_locks::Book;

/// The server.
pub(crate) struct Desk {
    pub(crate) now: Mutex<Timestamp>,
    /// What the fleet file has at an address.
    pub(crate) addresses: Mutex<BTreeMap<IpAddr, HostName>>,
    /// Hosts that are known, besides those with an address, which are declared.
    pub(crate) standings: Mutex<BTreeMap<HostName, Standing>>,
    /// Releases with their files.
    pub(crate) releases: Mutex<Vec<(Offer, Tree)>>,
    /// What a channel has come to, and what single hosts shall run.
    pub(crate) channel: Mutex<BTreeMap<PackageName, Version>>,
    pub(crate) wanted: Mutex<BTreeMap<(HostName, PackageName), Version>>,
    /// False after an operator switched updates off.
    pub(crate) updates: AtomicBool,
    /// Downloads that this server admits at once.
    pub(crate) places: AtomicU32,
    taken: Arc<AtomicU32>,
    /// What was told, in this order; the last word says whether another list had declared the host.
    pub(crate) heard: Mutex<Vec<(HostName, Said, bool)>>,
    pub(crate) events: Mutex<Vec<EventSaid>>,
    /// How hosts stand that were not heard here.
    pub(crate) said: Mutex<Vec<HostSaid>>,
    /// Hosts without an agent, by the one that watches them.
    pub(crate) watched: Mutex<BTreeMap<HostName, Vec<HostName>>>,
    pub(crate) works: Mutex<BTreeMap<HostName, (Work, Timestamp)>>,
    pub(crate) series: Mutex<Vec<(HostName, Series)>>,
    /// Hosts that are connected, and those that were asked to report.
    pub(crate) connected: Mutex<Vec<HostName>>,
    pub(crate) hinted: Mutex<Vec<HostName>>,
    /// Hosts that did not come to a version, as `HOST PACKAGE VERSION: WHY`.
    pub(crate) failures: Mutex<Vec<String>>,
    pub(crate) locks: Mutex<Book>,
}

impl Desk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            now: Mutex::new("2026-11-01T12:00:00Z".parse().unwrap()),
            addresses: Mutex::default(),
            standings: Mutex::default(),
            releases: Mutex::default(),
            channel: Mutex::default(),
            wanted: Mutex::default(),
            updates: AtomicBool::new(true),
            places: AtomicU32::new(100),
            taken: Arc::default(),
            heard: Mutex::default(),
            events: Mutex::default(),
            said: Mutex::default(),
            watched: Mutex::default(),
            works: Mutex::default(),
            series: Mutex::default(),
            connected: Mutex::default(),
            hinted: Mutex::default(),
            failures: Mutex::default(),
            locks: Mutex::default(),
        })
    }

    /// The fleet file has a host at an address.
    pub(crate) fn declare(&self, host: &str, address: &str) {
        let host = HostName::parse(host).unwrap();
        let mut addresses = self.addresses.lock().unwrap();
        addresses.insert(address.parse().unwrap(), host);
    }

    /// A release whose files are in a directory. It was published so many hours after the first of November.
    pub(crate) fn publish(&self, package: &str, version: &str, root: &Path, hours: u32) {
        let first: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let offer = Offer {
            package: PackageName::parse(package).unwrap(),
            version: Version::parse(version).unwrap(),
            hash: ContentHash::of(format!("{package} {version}").as_bytes()),
            published_at: first + Duration::from_secs(3_600) * hours,
        };
        let tree = Tree {
            root: root.into(),
            keep: Arc::new(()),
        };
        self.releases.lock().unwrap().push((offer, tree));
    }

    /// The channel has come to a version.
    pub(crate) fn come_to(&self, package: &str, version: &str) {
        let package = PackageName::parse(package).unwrap();
        let mut channel = self.channel.lock().unwrap();
        channel.insert(package, Version::parse(version).unwrap());
    }

    /// A host has been let go to a version, or is held at one.
    pub(crate) fn want(&self, host: &str, package: &str, version: &str) {
        let host = HostName::parse(host).unwrap();
        let package = PackageName::parse(package).unwrap();
        let mut wanted = self.wanted.lock().unwrap();
        wanted.insert((host, package), Version::parse(version).unwrap());
    }

    /// The hosts that were told of, with what they run, as `HOST PACKAGE VERSION`.
    pub(crate) fn told(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let words = heard.iter().flat_map(|(host, said, _)| {
            said.installed.iter().map(move |(package, version)| {
                let version = version.as_ref().map_or("-".into(), Version::to_string);
                format!("{host} {package} {version}")
            })
        });
        words.collect()
    }

    fn release(&self, package: &PackageName, version: &Version) -> Option<Offer> {
        let releases = self.releases.lock().unwrap();
        let found = releases
            .iter()
            .find(|(it, _)| it.package == *package && it.version == *version);
        found.map(|(offer, _)| offer.clone())
    }
}

impl Hosts for Desk {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn known(&self, host: &HostName) -> Result<Option<Known>, Trouble> {
        let standing = self.standings.lock().unwrap().get(host).copied();
        let addresses = self.addresses.lock().unwrap();
        let is_declared = addresses.values().any(|it| it == host);
        let standing = standing.or(is_declared.then_some(Standing::Declared));
        Ok(standing.map(|standing| Known {
            host: host.clone(),
            standing,
        }))
    }

    fn at_address(&self, address: IpAddr) -> Option<HostName> {
        self.addresses.lock().unwrap().get(&address).cloned()
    }

    async fn hear(&self, host: &HostName, said: Said, declared: bool) -> Result<(), Trouble> {
        let known = self.known(host).await?;
        if known.is_none() && !declared {
            return Err(Trouble::Unknown(format!("nobody knows a host {host}")));
        }
        if !known.is_some_and(|it| it.standing == Standing::Native) {
            let mut heard = self.heard.lock().unwrap();
            heard.push((host.clone(), said, declared));
            let mut standings = self.standings.lock().unwrap();
            standings.entry(host.clone()).or_insert(Standing::Foreign);
        }
        Ok(())
    }

    async fn wanted(
        &self,
        host: &HostName,
        package: &PackageName,
    ) -> Result<Option<Wanted>, Trouble> {
        let key = (host.clone(), package.clone());
        let version = self.wanted.lock().unwrap().get(&key).cloned();
        let offer = version.and_then(|version| self.release(package, &version));
        Ok(offer.map(|offer| Wanted {
            package: offer.package,
            version: offer.version,
            hash: offer.hash,
            generation: 1,
        }))
    }

    async fn explain(&self, host: &HostName, package: &PackageName) -> Result<String, Trouble> {
        Ok(format!("{host} is where it should be with {package}"))
    }

    async fn standing(&self, host: Option<&HostName>) -> Result<Vec<HostSaid>, Trouble> {
        let heard = self.heard.lock().unwrap();
        let mut last = BTreeMap::new();
        for (name, said, _) in heard.iter() {
            last.insert(name.clone(), said.clone());
        }
        let hosts = last
            .into_iter()
            .filter(|(name, _)| host.is_none_or(|it| it == name));
        let now = self.now();
        let said = hosts.map(|(name, said)| HostSaid {
            host: name,
            last_seen: Some(now),
            silent: false,
            items: Vec::new(),
            installed: said
                .installed
                .into_iter()
                .filter_map(|(package, version)| Some((package, version?)))
                .collect(),
        });
        let mut all: Vec<HostSaid> = self.said.lock().unwrap().clone();
        all.retain(|it| host.is_none_or(|host| it.host == *host));
        all.extend(said);
        Ok(all)
    }

    async fn events(
        &self,
        host: Option<&HostName>,
        since: Option<Timestamp>,
        most: u32,
    ) -> Result<Vec<EventSaid>, Trouble> {
        let events = self.events.lock().unwrap();
        let meant = events.iter().rev().filter(|it| {
            host.is_none_or(|host| it.event.host == *host)
                && since.is_none_or(|since| it.stored_at >= since)
        });
        Ok(meant.take(most as usize).cloned().collect())
    }

    async fn hint(&self, host: Option<&HostName>) -> Result<usize, Trouble> {
        let mut asked = self.connected.lock().unwrap().clone();
        asked.retain(|it| host.is_none_or(|host| it == host));
        let count = asked.len();
        self.hinted.lock().unwrap().extend(asked);
        Ok(count)
    }

    async fn failed(
        &self,
        host: &HostName,
        _via: Gateway,
        package: &PackageName,
        version: &Version,
        why: String,
    ) -> Result<(), Trouble> {
        let mut failures = self.failures.lock().unwrap();
        failures.push(format!("{host} {package} {version}: {why}"));
        Ok(())
    }

    async fn view(&self, host: &HostName, item: &ItemName, _view: View) -> Result<Series, Trouble> {
        let series = self.series.lock().unwrap();
        let of_item = |it: &&(HostName, Series)| it.0 == *host && it.1.item == *item;
        if let Some((_, found)) = series.iter().find(of_item) {
            return Ok(found.clone());
        }
        Err(Trouble::Busy {
            why: format!("{host} is not connected"),
            retry_after: Duration::from_secs(10),
        })
    }

    fn address(&self, host: &HostName) -> Option<String> {
        let addresses = self.addresses.lock().unwrap();
        let found = addresses.iter().find(|(_, it)| *it == host);
        found.map(|(address, _)| address.to_string())
    }

    fn watched_by(&self, host: &HostName) -> Vec<HostName> {
        let watched = self.watched.lock().unwrap();
        watched.get(host).cloned().unwrap_or_default()
    }

    async fn work(&self, host: &HostName) -> Result<Option<(Work, Timestamp)>, Trouble> {
        Ok(self.works.lock().unwrap().get(host).cloned())
    }

    async fn aim(
        &self,
        _host: &HostName,
        package: &PackageName,
    ) -> Result<Option<Version>, Trouble> {
        Ok(self.channel.lock().unwrap().get(package).cloned())
    }
}

impl Packages for Desk {
    async fn newest(
        &self,
        package: &PackageName,
        _channel: &ChannelName,
        host: Option<&HostName>,
    ) -> Result<Option<Offer>, Trouble> {
        let own = host.and_then(|host| {
            let wanted = self.wanted.lock().unwrap();
            wanted.get(&(host.clone(), package.clone())).cloned()
        });
        let version = own.or_else(|| self.channel.lock().unwrap().get(package).cloned());
        Ok(version.and_then(|version| self.release(package, &version)))
    }

    async fn find(
        &self,
        package: &PackageName,
        version: &Version,
    ) -> Result<Option<Offer>, Trouble> {
        Ok(self.release(package, version))
    }

    async fn open(&self, offer: &Offer) -> Result<Tree, Trouble> {
        let releases = self.releases.lock().unwrap();
        let found = releases.iter().find(|(it, _)| it.hash == offer.hash);
        let tree = found.map(|(_, tree)| tree.clone());
        tree.ok_or_else(|| Trouble::Unknown("it was withdrawn".into()))
    }

    async fn admit(&self) -> Result<Ticket, Trouble> {
        if !self.updates().await? {
            return Err(Trouble::Off("an operator switched updates off".into()));
        }
        let taken = Arc::clone(&self.taken);
        if taken.fetch_add(1, Ordering::AcqRel) >= self.places.load(Ordering::Acquire) {
            taken.fetch_sub(1, Ordering::AcqRel);
            return Err(Trouble::Busy {
                why: "as many downloads as this server allows are under way".into(),
                retry_after: Duration::from_secs(17),
            });
        }
        Ok(Ticket(Box::new(Place(taken))))
    }

    async fn updates(&self) -> Result<bool, Trouble> {
        Ok(self.updates.load(Ordering::Acquire))
    }
}

/// A download that was admitted.
struct Place(Arc<AtomicU32>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
