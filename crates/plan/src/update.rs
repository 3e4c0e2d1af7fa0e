//! The agent's own update as a journaled run.
//!
//! The journal is one small file. It is written before each step, and every step may be entered twice. Until the
//! candidate is offered the worker owns it; from the trial on the supervisor does. `current` is moved in one place
//! only, behind [`Step::Commit`], so at any instant it names a version that ran before, or one that is proven.
//!
//! Three questions are answered here, without touching anything: does this order begin a run ([`consider`]), what
//! does a starting supervisor do with the journal that it finds ([`recover`]), and what does a step look like in a
//! report ([`Step::phase`]).

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use lockstep_model::api::{Desired, Kept, Updates};
use lockstep_model::{
    ChannelName, ContentHash, ItemName, Level, Outcome, PackageName, PackageVersion, Phase, RunId,
    RunKind, RunReason, RunRecord, Version,
};
use serde::{Deserialize, Serialize};

/// The journal of the run in progress, or of the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// Format of the file; this is [`Journal::FORMAT`].
    pub format: u32,
    /// The run.
    pub id: RunId,
    /// What the host shall run.
    pub order: Order,
    /// What it ran when the run began.
    pub from: Option<Version>,
    /// Where the run is.
    pub step: Step,
    /// How often the trial was cut off by a crash of the host or of the supervisor.
    #[serde(default)]
    pub interruptions: u32,
    /// Levels of the gated items before the change.
    #[serde(default)]
    pub baseline: BTreeMap<ItemName, Level>,
    /// True if the bundle was brought as a file to a host that did not reach its server then: the new version need not
    /// reach it either, as long as the old one would not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub alone: bool,
    /// When the run began.
    pub started_at: Timestamp,
    /// When it entered its step.
    pub changed_at: Timestamp,
}

/// Who wants which bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The package.
    pub package: PackageName,
    /// The version.
    pub version: Version,
    /// The bundle's path in the repository.
    pub target: String,
    /// Its SHA-256.
    pub hash: ContentHash,
    /// Its length in bytes.
    pub length: u64,
    /// The server's order, or the newest one that the host had seen when the order was given by hand.
    pub generation: u64,
    /// Who gave it.
    pub by: By,
    /// True if the bundle was brought to the host as a file, by a person: then the list that the host has stored is what
    /// it is held against, and no server is asked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub brought: bool,
}

fn is_false(it: &bool) -> bool {
    !it
}

/// Who gave an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The server, in the answer to a report.
    Server,
    /// A person on the host.
    Hand,
    /// The supervisor, because the version that ran died again and again.
    Guard,
}

impl By {
    /// The same in words, for records.
    fn words(self, generation: u64) -> String {
        match self {
            Self::Server => format!("order {generation} of the server"),
            Self::Hand => "a person on the host".into(),
            Self::Guard => "the supervisor".into(),
        }
    }
}

impl Order {
    /// Who gave it, in words, for records.
    fn giver(&self) -> String {
        match self.brought {
            true => "a person on the host, who brought the bundle".into(),
            false => self.by.words(self.generation),
        }
    }

    /// True if a slot that ran before is made current again: nothing is fetched.
    #[must_use]
    pub fn is_return(&self) -> bool {
        self.target.is_empty()
    }
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// The worker fetches metadata and bundle.
    Fetch,
    /// The worker unpacks the bundle into a slot.
    Unpack,
    /// The worker runs the new slot's check.
    Preflight,
    /// The worker has asked the supervisor to try the slot.
    Offered,
    /// The supervisor tries it.
    Trial,
    /// It has proven itself: `current` may be moved.
    Commit,
    /// It has not: the old version is being started again.
    Return {
        /// How the run will have ended.
        outcome: Outcome,
        /// Why.
        reason: RunReason,
    },
    /// The run is over.
    Over {
        /// How it ended.
        outcome: Outcome,
        /// Why it did not end well.
        reason: Option<RunReason>,
    },
}

impl Step {
    /// The step as one of the phases that every run has.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Fetch | Self::Unpack | Self::Preflight | Self::Offered => Phase::Apply,
            Self::Trial => Phase::Verify,
            Self::Commit | Self::Return { .. } => Phase::Release,
            Self::Over { .. } => Phase::Done,
        }
    }

    /// True while the worker works on the run, false once it is the supervisor's.
    #[must_use]
    pub fn is_the_workers(&self) -> bool {
        matches!(
            self,
            Self::Fetch | Self::Unpack | Self::Preflight | Self::Offered
        )
    }
}

impl Journal {
    /// The format that this version writes.
    pub const FORMAT: u32 = 1;

    /// Begins a run.
    #[must_use]
    pub fn begin(id: RunId, order: Order, from: Option<Version>, now: Timestamp) -> Self {
        let (interruptions, baseline) = (0, BTreeMap::new());
        let format = Self::FORMAT;
        Self {
            format,
            id,
            order,
            from,
            step: Step::Fetch,
            interruptions,
            baseline,
            alone: false,
            started_at: now,
            changed_at: now,
        }
    }

    /// The same run in another step.
    #[must_use]
    pub fn at(&self, step: Step, now: Timestamp) -> Self {
        Self {
            step,
            changed_at: now,
            ..self.clone()
        }
    }

    /// True once the run is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.step, Step::Over { .. })
    }

    /// The record of the run for the server; `log` is the end of the candidate's output.
    #[must_use]
    pub fn record(&self, now: Timestamp, log: String) -> RunRecord {
        let (outcome, reason) = match &self.step {
            Step::Over { outcome, reason } => (Some(*outcome), reason.clone()),
            Step::Return { reason, .. } => (None, Some(reason.clone())),
            _ => (None, None),
        };
        RunRecord {
            id: self.id,
            kind: RunKind::Bundle,
            package: self.order.package.clone(),
            from: self.from.as_ref().map(PackageVersion::from),
            to: Some((&self.order.version).into()),
            hash: Some(self.order.hash),
            generation: self.order.generation,
            by: self.order.giver(),
            phase: self.step.phase(),
            waits: None,
            lock: None,
            outcome,
            reason,
            started_at: self.started_at,
            at: now,
            log,
            link: None,
        }
    }
}

/// What a starting supervisor does.
#[derive(Debug, Clone, PartialEq)]
pub enum Recovery {
    /// Start the current version; if a run is the worker's, the worker goes on with it.
    StartCurrent,
    /// The trial was cut off: start the current version, whose worker offers the candidate once more.
    TryAgain(Journal),
    /// Go on with the commit: the candidate was proven.
    FinishCommit(Journal),
    /// Go on with the return to the old version.
    FinishReturn(Journal),
}

/// A trial that was cut off this often counts against the release: it may be what takes the host down.
const MAX_INTERRUPTIONS: u32 = 2;

/// What a starting supervisor does with the journal that it finds.
#[must_use]
pub fn recover(journal: Option<&Journal>, now: Timestamp) -> Recovery {
    let Some(journal) = journal else {
        return Recovery::StartCurrent;
    };
    match &journal.step {
        Step::Fetch | Step::Unpack | Step::Preflight | Step::Offered | Step::Over { .. } => {
            Recovery::StartCurrent
        }
        Step::Commit => Recovery::FinishCommit(journal.clone()),
        Step::Return { .. } => Recovery::FinishReturn(journal.clone()),
        Step::Trial => {
            let times = journal.interruptions + 1;
            if times >= MAX_INTERRUPTIONS {
                let reason = RunReason::Interrupted { times };
                let back = journal.at(
                    Step::Return {
                        outcome: Outcome::RolledBack,
                        reason,
                    },
                    now,
                );
                return Recovery::FinishReturn(Journal {
                    interruptions: times,
                    ..back
                });
            }
            let again = journal.at(Step::Preflight, now);
            Recovery::TryAgain(Journal {
                interruptions: times,
                ..again
            })
        }
    }
}

/// What a host remembers between runs, so that an old mistake is not made twice and an old order not obeyed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The newest generation that any order of the server had by the way that orders come now.
    #[serde(default)]
    pub generation: u64,
    /// That way: a channel, or none while the host is held at a version.
    #[serde(default)]
    pub channel: Option<ChannelName>,
    /// Releases that failed here, by their bytes. Only an order of a newer generation tries one again.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// A version chosen by hand on the host; only an order of a newer generation overrules it.
    #[serde(default)]
    pub held: Option<Held>,
}

/// A release that failed on this host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its bytes.
    pub hash: ContentHash,
    /// Its version, for people.
    pub version: Version,
    /// The newest generation at that time.
    pub generation: u64,
    /// Why.
    pub reason: RunReason,
    /// When.
    pub at: Timestamp,
}

/// A version chosen by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The version.
    pub version: Version,
    /// The newest generation at that time.
    pub generation: u64,
}

impl Memory {
    /// Most releases that are remembered as failed; the oldest are forgotten first.
    pub const MAX_SKIPPED: usize = 64;

    /// True if a newer order than this one was seen by the same way. The channels of a package count their orders
    /// together, but a host that changes its channel must come to what the other one says, however old that is.
    #[must_use]
    pub fn is_newer_than(&self, desired: &Desired) -> bool {
        self.channel == desired.channel && desired.generation < self.generation
    }

    /// Takes note of an order that was seen. True if that changed anything.
    pub fn saw(&mut self, desired: &Desired) -> bool {
        let is_known = self.channel == desired.channel && desired.generation == self.generation;
        if is_known || self.is_newer_than(desired) {
            return false;
        }
        self.generation = desired.generation;
        self.channel.clone_from(&desired.channel);
        true
    }

    /// Remembers that a release failed. The same release is kept once.
    pub fn skip(&mut self, skipped: Skipped) {
        self.skipped.retain(|known| known.hash != skipped.hash);
        self.skipped.push(skipped);
        let excess = self.skipped.len().saturating_sub(Self::MAX_SKIPPED);
        self.skipped.drain(..excess);
    }

    /// Forgets what was held against a release: a person ordered it again.
    pub fn forgive(&mut self, hash: &ContentHash) {
        self.skipped.retain(|known| known.hash != *hash);
    }
}

/// How the host stands when an order comes.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The version that runs; none if the package is not on the host.
    pub current: Option<&'a Version>,
    /// What the host remembers.
    pub memory: &'a Memory,
    /// The run in progress, if there is one.
    pub run: Option<&'a Journal>,
    /// Another run that is at work on the host.
    pub other: Option<RunId>,
    /// False if updates are switched off on this host.
    pub enabled_here: bool,
    /// What the server says of updates.
    pub updates: Updates,
    /// Not before this time, because the last try was postponed.
    pub retry_at: Option<Timestamp>,
}

/// Why an order does not begin a run now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "hold", rename_all = "kebab-case")]
pub enum Hold {
    /// The host runs that version.
    UpToDate,
    /// The order is older than one that the host has seen.
    OlderOrder {
        /// Its generation.
        generation: u64,
        /// The newest generation seen.
        seen: u64,
    },
    /// A run is in progress.
    RunInProgress {
        /// Which.
        run: RunId,
    },
    /// Updates are switched off in the agent's configuration.
    OffHere,
    /// The host does not take this package from its server.
    NotPermitted {
        /// What to do about it.
        why: String,
    },
    /// Updates are switched off on the server.
    OffThere,
    /// A person on the host chose another version.
    HeldByHand {
        /// Which.
        version: Version,
    },
    /// The release failed here before.
    FailedBefore {
        /// Why.
        reason: RunReason,
        /// When.
        at: Timestamp,
    },
    /// The order is for later.
    NotYet {
        /// When.
        until: Timestamp,
    },
    /// The last try was postponed.
    Retry {
        /// When it is made again.
        until: Timestamp,
    },
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpToDate => f.write_str("this host runs the wanted version"),
            Self::OlderOrder { generation, seen } => {
                write!(
                    f,
                    "the order has generation {generation}, this host has seen {seen}"
                )
            }
            Self::RunInProgress { run } => write!(f, "run {run} is in progress"),
            Self::OffHere => f.write_str("updates are switched off in agent.toml"),
            Self::NotPermitted { why } => f.write_str(why),
            Self::OffThere => f.write_str("updates are switched off on the server"),
            Self::HeldByHand { version } => {
                write!(f, "held at {version} by hand, until a newer order comes")
            }
            Self::FailedBefore { reason, at } => {
                write!(f, "the release failed here at {at:.0}: {reason}")
            }
            Self::NotYet { until } => write!(f, "not before {until:.0}"),
            Self::Retry { until } => write!(f, "tried again at {until:.0}"),
        }
    }
}

impl Hold {
    /// The same as a stable code of low cardinality.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UpToDate => "up-to-date",
            Self::OlderOrder { .. } => "older-order",
            Self::RunInProgress { .. } => "run-in-progress",
            Self::OffHere => "off-here",
            Self::NotPermitted { .. } => "not-permitted",
            Self::OffThere => "off-there",
            Self::HeldByHand { .. } => "held-by-hand",
            Self::FailedBefore { .. } => "failed-before",
            Self::NotYet { .. } => "not-yet",
            Self::Retry { .. } => "retry",
        }
    }

    /// When it is over by itself, where that is known.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::NotYet { until } | Self::Retry { until } => Some(*until),
            _ => None,
        }
    }

    /// What a report says of it; none if the host runs what is wanted.
    #[must_use]
    pub fn kept(&self, package: &PackageName, version: &Version) -> Option<Kept> {
        if *self == Self::UpToDate {
            return None;
        }
        let mut words = self.to_string();
        words.truncate(words.floor_char_boundary(Kept::LONGEST_WORDS));
        Some(Kept {
            package: package.clone(),
            version: version.clone(),
            code: self.code().into(),
            words,
            until: self.until(),
        })
    }
}

/// Whether an order of the server begins a run now, and if not, the one thing that keeps it.
pub fn consider(
    desired: &Desired,
    situation: &Situation<'_>,
    now: Timestamp,
) -> Result<Order, Hold> {
    let memory = situation.memory;
    if memory.is_newer_than(desired) {
        return Err(Hold::OlderOrder {
            generation: desired.generation,
            seen: memory.generation,
        });
    }
    if let Some(run) = situation.run.filter(|run| !run.is_over()) {
        return Err(Hold::RunInProgress { run: run.id });
    }
    if let Some(run) = situation.other {
        return Err(Hold::RunInProgress { run });
    }
    if situation.current == Some(&desired.version) {
        return Err(Hold::UpToDate);
    }
    if !situation.enabled_here {
        return Err(Hold::OffHere);
    }
    if situation.updates == Updates::Off {
        return Err(Hold::OffThere);
    }
    if let Some(held) = memory
        .held
        .as_ref()
        .filter(|held| held.generation >= desired.generation)
    {
        return Err(Hold::HeldByHand {
            version: held.version.clone(),
        });
    }
    if let Some(failed) = memory
        .skipped
        .iter()
        .find(|known| known.hash == desired.hash && known.generation >= desired.generation)
    {
        return Err(Hold::FailedBefore {
            reason: failed.reason.clone(),
            at: failed.at,
        });
    }
    if desired.not_before > now {
        return Err(Hold::NotYet {
            until: desired.not_before,
        });
    }
    if let Some(until) = situation.retry_at.filter(|&until| until > now) {
        return Err(Hold::Retry { until });
    }
    Ok(Order {
        package: desired.package.clone(),
        version: desired.version.clone(),
        target: desired.target.clone(),
        hash: desired.hash,
        length: desired.length,
        generation: desired.generation,
        by: By::Server,
        brought: false,
    })
}

#[cfg(test)]
mod tests;
