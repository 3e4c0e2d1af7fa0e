//! Rollouts: ordering them, looking at them, and why a host does not have what it is wanted to run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ChannelName, HostName, PackageName, RolloutId, RolloutState, SkippedHost, Strategy, Suspect,
    Version, WaveState,
};

/// `POST /api/v1/promote`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Promote {
    /// The package.
    pub package: PackageName,
    /// The version.
    pub version: Version,
    /// The channel that shall point at it.
    pub channel: ChannelName,
    /// True if it cannot wait: no windows, no spread, and the shorter bake time.
    #[serde(default)]
    pub urgent: bool,
    /// True if it does not matter that a rollout has found the version wanting.
    #[serde(default)]
    pub even_if_suspect: bool,
}

/// One rollout in `GET /api/v1/rollouts`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RolloutView {
    /// Its number.
    pub id: RolloutId,
    /// The package.
    pub package: PackageName,
    /// The version it brings.
    pub version: Version,
    /// The version that the channel said before.
    pub from: Option<Version>,
    /// The channel.
    pub channel: ChannelName,
    /// Where it stands.
    pub state: RolloutState,
    /// Why it stands there, with the figures.
    pub why: String,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// When this was looked up, by the server's clock.
    #[serde(default)]
    pub at: Timestamp,
    /// True if it cannot wait: no windows, no spread, and the shorter bake time.
    #[serde(default)]
    pub urgent: bool,
    /// The number of its orders. Hosts refuse those that are older than one they have seen.
    #[serde(default)]
    pub generation: u64,
    /// The person who paused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<String>,
    /// How it shall go; only in `GET /api/v1/rollouts/ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// What its gates see now, in words, one for each; only in `GET /api/v1/rollouts/ID`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<String>,
    /// What was found wanting in its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<Suspect>,
    /// What the hosts that failed have in common, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// When it will be done if it goes on as so far; none where nothing can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_end: Option<Timestamp>,
    /// Its waves.
    pub waves: Vec<WaveView>,
    /// Every decision, oldest first; only in `GET /api/v1/rollouts/ID`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<DecisionView>,
}

/// One wave of a rollout.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WaveView {
    /// Where it stands.
    pub state: WaveState,
    /// How many of its hosts stand how.
    #[serde(default)]
    pub figures: WaveFigures,
    /// When its first hosts could be let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// When all of its hosts had come to a good end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_at: Option<Timestamp>,
    /// Until when it is watched before the next one opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bakes_until: Option<Timestamp>,
    /// The person who let the next wave go without waiting for this one's gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_by: Option<String>,
    /// Its hosts by name; left out for `?hosts=none`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<WaveHost>,
}

/// How many hosts of a wave stand how. Each host counts once in `waiting` to `gone`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WaveFigures {
    /// Hosts of the wave, those that have left the fleet among them.
    pub hosts: usize,
    /// Of them, those that have been let go.
    pub let_go: usize,
    /// Not let go yet.
    pub waiting: usize,
    /// Let go, and not begun.
    pub ordered: usize,
    /// At it, or on probation.
    pub running: usize,
    /// They run the version, proven.
    pub proven: usize,
    /// They tried it and failed.
    pub failed: usize,
    /// Nothing is heard of them.
    pub silent: usize,
    /// They keep themselves out of it.
    pub kept: usize,
    /// People have left them out of it.
    pub skipped: usize,
    /// They have left the fleet.
    pub gone: usize,
    /// Let go, neither failed nor silent, and worse than before. They count above as well.
    pub worse: usize,
}

/// One host of a wave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WaveHost {
    /// The host.
    pub name: HostName,
    /// `waiting`, `ordered`, `running`, `proven`, `failed`, `silent`, `kept`, `skipped`, or `gone` when it left the fleet.
    pub state: String,
    /// True if it was let go, is neither failed nor silent, and is worse than before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub worse: bool,
    /// Why it keeps itself out of it, in its own words, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// Who left it out of the rollout, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkippedHost>,
}

/// `PUT /api/v1/rollouts/ID/skipped/HOST`: leaves a host out of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkipHost {
    /// Why, for everybody who looks at the rollout and for the audit trail; at most [`SkippedHost::LONGEST_WHY`] bytes,
    /// and not empty.
    pub why: String,
}

/// A decision that was taken, with its figures in words.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DecisionView {
    /// When.
    pub at: Timestamp,
    /// What and why.
    pub words: String,
}

/// `GET /api/v1/rollouts/ID/curve`: how a rollout goes, beside how it was to be expected to go. Shares are numbers from 0 to 1,
/// of the rollout's hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutCurve {
    /// When this was looked up, by the server's clock.
    pub at: Timestamp,
    /// Hosts of the rollout, of which shares are told.
    pub hosts: usize,
    /// The share of the hosts that run the version, proven, from each of these times on; the first one is the rollout's
    /// beginning. At most [`RolloutCurve::MOST_POINTS`].
    pub real: Vec<(Timestamp, f64)>,
    /// The same, simulated; none while that is not known.
    pub simulated: Option<SimulatedCurve>,
    /// Why there is no simulated curve: that it is being made, or that there will be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    /// The waves, in their order.
    pub waves: Vec<CurveWave>,
}

impl RolloutCurve {
    /// Most points of a curve.
    pub const MOST_POINTS: usize = 240;
}

/// A rollout of a release without fault, simulated some times by `lockstep rollout simulate`'s code. It begins when the
/// real one began, with its hosts and its strategy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulatedCurve {
    /// Simulations that were made.
    pub runs: usize,
    /// Of them, those in which the rollout was done.
    pub done: usize,
    /// The share of the hosts in the median of the simulations.
    pub median: Vec<(Timestamp, f64)>,
    /// The share that is exceeded in nine of ten, at the same times.
    pub p10: Vec<(Timestamp, f64)>,
    /// The share that is exceeded in one of ten, at the same times.
    pub p90: Vec<(Timestamp, f64)>,
    /// When it was done, in the median; none if it was not done in half of them.
    pub end: Option<Timestamp>,
}

/// A wave, as a curve shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveWave {
    /// The share of the hosts that are in this wave or an earlier one.
    pub share: f64,
    /// When its first hosts could be let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// When all of its hosts had come to a good end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_at: Option<Timestamp>,
}

/// `GET /api/v1/hosts/NAME/explain?package=P`: what keeps a host from what it is wanted to run, for one package or for
/// all that it follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The host.
    pub host: HostName,
    /// One for each package.
    pub packages: Vec<Explanation>,
}

/// What keeps a host from one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The package.
    pub package: PackageName,
    /// The version that the host runs, by its last report.
    pub version: Option<Version>,
    /// True if that version has proven itself on the host.
    pub proven: bool,
    /// The version that it is wanted to run in the end.
    pub wanted: Option<Version>,
    /// The channel that it follows.
    pub channel: Option<ChannelName>,
    /// The rule of the fleet file that says so; none for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The one thing that keeps it from that, by a stable code; `none` if nothing does.
    pub gate: String,
    /// The same for people, with its figures.
    pub words: String,
    /// When the gate can open, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<Timestamp>,
    /// The newest rollout of the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutId>,
}

/// `POST /api/v1/suspects/clear`: takes the mark off a version that a rollout has found wanting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearSuspect {
    /// The package.
    pub package: PackageName,
    /// The version.
    pub version: Version,
    /// Why, for the audit trail; at most 500 bytes, and not empty.
    pub why: String,
}
