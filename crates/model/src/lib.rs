//! The words of Lockstep.
//!
//! Every other crate speaks in these types, so they are where server, agent and command line meet: names that
//! are safe to use as file names, versions, content hashes, levels and items with their
//! fitness functions, events, alerts, history and work documents, releases and their bundles, runs and the
//! chain of their records, locks, rollouts, and the messages of the agent API and the operator API.
//!
//! Three rules hold here:
//!
//! * **Parsed once.** A [`HostName`], [`Version`] or [`ContentHash`] cannot hold nonsense; whoever has one need
//!   not check it again. Parsing says what was wrong and what would be right.
//! * **No input or output, no clock, no randomness.** Time is an argument.
//! * **The wire is tolerant, configuration is strict.** Messages ignore fields that they do not know, so that
//!   neighbouring versions can talk; files that people write refuse unknown keys.

pub mod alert;
pub mod api;
mod blackout;
mod bundle;
mod chain;
mod change;
mod civil;
mod content;
mod delta;
mod event;
mod fitness;
mod follow;
mod glob;
mod history;
mod hours;
mod interval;
mod item;
mod level;
mod limit;
mod lock;
mod moment;
mod nearest;
mod package;
mod package_version;
mod problem;
mod quantity;
mod release;
mod role;
mod rollout;
mod run;
mod spread;
mod strategy;
mod version;
mod window;
mod wish;
mod word;
mod work;

pub use blackout::Blackout;
pub use bundle::{BundleManifest, Check, Preserve, Purge, Requires, Service};
pub use chain::{ChainBreak, ChainEntry, ChainLink, ChainSubject, check_chain};
pub use change::{Change, ChangeKind};
pub use content::{ContentHash, ContentHashError};
pub use delta::{Delta, DeltaAlgorithm, DeltaDetails, DeltaEnd};
pub use event::{Event, EventKind};
pub use fitness::{Condition, ConditionError, Fitness, Hold, LevelRule, Op, Range, Test};
pub use follow::Follow;
pub use glob::Glob;
pub use history::{Bucket, HistoryQuery, Series, Span, View};
pub use hours::Hours;
pub use interval::{Interval, IntervalError};
pub use item::{ItemName, ItemState, Lacks, Pending, Sample, Value, Verdict};
pub use level::{Level, LevelNames};
pub use limit::{Limit, Percent, WaveSize};
pub use lock::{
    AtLeast, Capacity, Counted, Counts, Disabled, Fence, Ghost, GhostAction, Holder, Lock,
    LockHolder, LockRefusal, LockRule, LockState, LockWaiter, Need, Share, Taken, lease_until,
};
pub use moment::{MomentError, moment, moment_or_ago};
pub use nearest::nearest;
pub use package::{AptSource, DnfSource, PackageRule, Sources};
pub use package_version::PackageVersion;
pub use problem::{Problem, ProblemKind};
pub use quantity::Quantity;
pub use release::{Content, Release, ReleaseDetails, target_path};
pub use role::Role;
pub use rollout::{
    Baseline, Health, Rollout, RolloutId, RolloutState, SkippedHost, Suspect, Wave, WaveState,
};
pub use run::{Outcome, Phase, RunCommand, RunId, RunKind, RunLock, RunReason, RunRecord, RunVerb};
pub use spread::Spread;
pub use strategy::{Compare, Gate, Late, Strategy, Then};
pub use version::{Version, VersionError, VersionRange};
pub use window::Windows;
pub use wish::{HostWish, WishSeen, WishState, WishVerb};
pub use word::{ChannelName, HostName, LockName, PackageName, Platform, UserName, WordError};
pub use work::{Retention, Setting, Snmp, SnmpVersion, WatchedHost, Work, WorkItem};
