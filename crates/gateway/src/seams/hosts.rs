//! Hosts: who they are, what they say of themselves, what they shall run.

use std::net::IpAddr;

use jiff::Timestamp;
use lockstep_model::api::Facts;
use lockstep_model::{
    ContentHash, Event, HostName, ItemName, ItemState, PackageName, Sample, Series, Version, View,
    Work,
};

use super::{Gateway, Trouble};

/// How a host of a name is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its name.
    pub host: HostName,
    /// How.
    pub standing: Standing,
}

/// How a host is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It runs our agent and has a certificate. What gateways say of its items is not believed; its locks are its own
    /// all the same.
    Native,
    /// It came in by a gateway.
    Foreign,
    /// The fleet file names it, and nothing was heard of it yet.
    Declared,
}

/// What a foreign host says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// By which gateway.
    pub via: Gateway,
    /// What machine it is; empty fields leave what is known.
    pub facts: Facts,
    /// Something that is another one after each start of the machine; empty where the protocol has no such thing.
    pub boot_id: String,
    /// What was measured. Fitness functions of the fleet file judge it, as they judge our own probes; where there is
    /// none, the sample's verdict counts.
    pub samples: Vec<Sample>,
    /// The packages that it says it runs: a version that is none of ours is no version. Packages that are not in the
    /// list stay as they were.
    pub installed: Vec<(PackageName, Option<Version>)>,
}

/// What a host shall run.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The package.
    pub package: PackageName,
    /// The version.
    pub version: Version,
    /// The signed release's bundle.
    pub hash: ContentHash,
    /// Its order.
    pub generation: u64,
}

impl Wanted {
    /// `PACKAGE-VERSION`, the id under which other systems know the release.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.package, self.version)
    }
}

/// How a host stands, for those who ask.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSaid {
    /// Its name.
    pub host: HostName,
    /// When it was heard of last.
    pub last_seen: Option<Timestamp>,
    /// True if it should have been heard of by now.
    pub silent: bool,
    /// Its items.
    pub items: Vec<ItemState>,
    /// What it runs of ours.
    pub installed: Vec<(PackageName, Version)>,
}

/// An event with the time at which the server stored it.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSaid {
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The event.
    pub event: Event,
}

/// The server's hosts.
pub trait Hosts: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;

    /// How a host is known; none for a stranger, of which nothing is to be taken.
    fn known(&self, host: &HostName)
    -> impl Future<Output = Result<Option<Known>, Trouble>> + Send;

    /// The one host that the fleet file has at this address; none where there is none, or more than one.
    fn at_address(&self, address: IpAddr) -> Option<HostName>;

    /// Takes what a foreign host says: enrols it at the first word, judges its samples, stores report and events. It is
    /// durable when this returns. Of a native host nothing is taken, and nothing is changed.
    ///
    /// `declared` admits a host that the fleet file does not name, because another list does, such as `hosts.cfg`.
    fn hear(
        &self,
        host: &HostName,
        said: Said,
        declared: bool,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Says that a host was given a version that it was wanted to run, and does not come to it. While that is still wanted
    /// of it, it counts as a failed run, which the rollout's gates look at.
    fn failed(
        &self,
        host: &HostName,
        via: Gateway,
        package: &PackageName,
        version: &Version,
        why: String,
    ) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// What a host shall run of a package now: what its pin, its channel and the rollout say that governs it. None where
    /// it does not follow the package, nothing was promoted, or its turn has not come and nothing was wanted before.
    fn wanted(
        &self,
        host: &HostName,
        package: &PackageName,
    ) -> impl Future<Output = Result<Option<Wanted>, Trouble>> + Send;

    /// Why it is not on another version, in the words of `lockstep explain`.
    fn explain(
        &self,
        host: &HostName,
        package: &PackageName,
    ) -> impl Future<Output = Result<String, Trouble>> + Send;

    /// How one host stands, or all: native, foreign and watched ones, by name.
    fn standing(
        &self,
        host: Option<&HostName>,
    ) -> impl Future<Output = Result<Vec<HostSaid>, Trouble>> + Send;

    /// The newest events, newest first, at most `most` and 1,000, not older than `since`.
    fn events(
        &self,
        host: Option<&HostName>,
        since: Option<Timestamp>,
        most: u32,
    ) -> impl Future<Output = Result<Vec<EventSaid>, Trouble>> + Send;

    /// Asks hosts that are connected to report now; the number of those that were asked. None stands for all.
    fn hint(&self, host: Option<&HostName>) -> impl Future<Output = Result<usize, Trouble>> + Send;

    /// One of the five views of an item's history, bucket by bucket, asked of the host itself or of the one that watches
    /// it. A host that is not connected is [`Trouble::Busy`].
    fn view(
        &self,
        host: &HostName,
        item: &ItemName,
        view: View,
    ) -> impl Future<Output = Result<Series, Trouble>> + Send;

    /// Where the fleet file says that a host is on the network: a name or an address, without a port.
    fn address(&self, host: &HostName) -> Option<String>;

    /// The hosts without an agent that this one watches by the fleet file, and may speak for.
    fn watched_by(&self, host: &HostName) -> Vec<HostName>;

    /// What a host of the fleet file is told to watch, and since when the fleet file has said so; none where it does not
    /// know the host.
    fn work(
        &self,
        host: &HostName,
    ) -> impl Future<Output = Result<Option<(Work, Timestamp)>, Trouble>> + Send;

    /// The version at which a host will be when its turn has come: its pin, or what its channel has come to, whatever
    /// [`Hosts::wanted`] says for now. None where it does not follow the package, or nothing was promoted.
    fn aim(
        &self,
        host: &HostName,
        package: &PackageName,
    ) -> impl Future<Output = Result<Option<Version>, Trouble>> + Send;
}
