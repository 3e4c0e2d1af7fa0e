//! Walking along a chain, entry by entry.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use lockstep_model::{
    ChainEntry, ChainLink, ChainSubject, ContentHash, HostName, RunRecord, check_chain,
};
use serde::Serialize;

use super::host_links::{HostLinks, HostSummary};

/// The newest entry at some earlier time, as somebody has noted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    /// Its number.
    pub(super) number: u64,
    /// Its hash.
    pub(super) hash: ContentHash,
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Broken {
    /// The host whose own chain it is; none for the chain that is walked along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<HostName>,
    /// The entry of the chain that is walked along.
    pub(super) number: u64,
    /// What is wrong.
    pub(super) why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, number, why } = self;
        match host {
            None => write!(f, "the chain is broken at entry {number}: {why}"),
            Some(host) => write!(f, "the chain of {host} is broken, at entry {number}: {why}"),
        }
    }
}
impl std::error::Error for Broken {}

impl Broken {
    pub(super) fn at(number: u64, why: impl Into<String>) -> Self {
        Self {
            host: None,
            number,
            why: why.into(),
        }
    }
}

/// A walk along a chain from its first entry that is there.
#[derive(Debug, Default)]
pub(super) struct Walk {
    noted: Option<Noted>,
    noted_was_met: bool,
    first: Option<u64>,
    head: Option<ChainLink>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    runs: u64,
    deeds: u64,
    not_understood: u64,
    hosts: BTreeMap<HostName, HostLinks>,
}

/// What a walk has found.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Summary {
    /// How many entries there are.
    pub(super) entries: u64,
    /// The number of the first one.
    pub(super) first: Option<u64>,
    /// The newest one: what is to be noted down.
    pub(super) head: Option<ChainLink>,
    /// When the first one was written.
    pub(super) from: Option<Timestamp>,
    /// When the newest one was written.
    pub(super) until: Option<Timestamp>,
    /// Records of runs.
    pub(super) runs: u64,
    /// Things that somebody did.
    pub(super) deeds: u64,
    /// Records that this version cannot read; the chain holds them all the same.
    pub(super) not_understood: u64,
    /// The hosts' own chains.
    pub(super) hosts: BTreeMap<HostName, HostSummary>,
}

impl Walk {
    /// Begins; `noted` is what the chain must contain.
    pub(super) fn begin(noted: Option<Noted>) -> Self {
        Self {
            noted,
            ..Self::default()
        }
    }

    /// The newest entry so far.
    pub(super) fn head(&self) -> Option<&ChainLink> {
        self.head.as_ref()
    }

    /// Goes on by an entry.
    pub(super) fn add(&mut self, entry: &ChainEntry) -> Result<(), Broken> {
        let number = entry.link.number;
        if self.head.is_none() {
            self.set_out(&entry.link)?;
        }
        let one = std::slice::from_ref(entry);
        self.head =
            check_chain(self.head, one).map_err(|broken| Broken::at(broken.number, broken.why))?;
        if let Some(noted) = self.noted.filter(|noted| noted.number == number) {
            if noted.hash != entry.link.hash {
                return Err(Broken::at(number, "it is not the entry that was noted"));
            }
            self.noted_was_met = true;
        }
        self.from.get_or_insert(entry.at);
        self.until = Some(entry.at);
        match &entry.subject {
            ChainSubject::Deed(_) => self.deeds += 1,
            ChainSubject::Run(host) => {
                self.runs += 1;
                self.add_run(number, host, &entry.body)?;
            }
        }
        Ok(())
    }

    /// The first entry that is there. What was before it may have been forgotten, but not what follows the noted one.
    fn set_out(&mut self, link: &ChainLink) -> Result<(), Broken> {
        let number = link.number;
        let zeros = ContentHash::from_digest([0; 32]);
        if number == 0 || (number == 1) != (link.before == zeros) {
            return Err(Broken::at(
                number,
                "only the first entry has none before it",
            ));
        }
        if let Some(noted) = self.noted {
            if number > noted.number.saturating_add(1) {
                return Err(Broken::at(
                    noted.number.saturating_add(1),
                    format!("everything before entry {number} is missing"),
                ));
            }
            if number == noted.number.saturating_add(1) {
                if link.before != noted.hash {
                    return Err(Broken::at(number, "it does not follow what was noted"));
                }
                self.noted_was_met = true;
            }
        }
        self.first = Some(number);
        Ok(())
    }

    fn add_run(&mut self, number: u64, host: &HostName, body: &str) -> Result<(), Broken> {
        let Ok(record) = serde_json::from_str::<RunRecord>(body) else {
            self.not_understood += 1;
            return Ok(());
        };
        let links = self.hosts.entry(host.clone()).or_default();
        links
            .add(record.link.as_ref())
            .map_err(|(own, why)| Broken {
                host: Some(host.clone()),
                number,
                why: format!("of its own entry {own}: {why}"),
            })
    }

    /// Ends where the chain is said to end.
    pub(super) fn end(&self, said: Option<&ChainLink>) -> Result<(), Broken> {
        let here = self.head.map_or(0, |head| head.number);
        if let Some(said) = said
            && (said.number > here || (said.number == here && Some(said) != self.head.as_ref()))
        {
            return Err(Broken::at(
                said.number,
                "it is said to be the newest one, and is not there",
            ));
        }
        match self.noted {
            Some(noted) if !self.noted_was_met => Err(Broken::at(
                here.saturating_add(1),
                format!(
                    "it is missing, as is everything up to entry {}, which was noted",
                    noted.number
                ),
            )),
            _ => Ok(()),
        }
    }

    /// What was found.
    pub(super) fn summary(&self) -> Summary {
        let from_the_start = self.first == Some(1);
        let hosts = self.hosts.iter();
        Summary {
            entries: self.runs + self.deeds,
            first: self.first,
            head: self.head,
            from: self.from,
            until: self.until,
            runs: self.runs,
            deeds: self.deeds,
            not_understood: self.not_understood,
            hosts: hosts
                .map(|(host, links)| (host.clone(), links.summary(from_the_start)))
                .collect(),
        }
    }
}
