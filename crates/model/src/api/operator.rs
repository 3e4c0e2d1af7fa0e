//! The operator API, `/api/v1`: JSON over TLS with a bearer token.

mod behind;
mod health;
mod moment;
mod probes;
mod rollouts;
mod users;
mod views;
mod wishes;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Installed, ProgramSeen, Updates};
use crate::alert::{Ack, Notice, Silence, Trouble};
use crate::{
    ChainEntry, ChainLink, Change, ChannelName, ContentHash, Delta, Ghost, GhostAction, Glob,
    Holder, HostName, Interval, ItemName, ItemState, Level, Lock, LockHolder, LockRefusal, Release,
    RunRecord, Series, Suspect, Taken, Version,
};

pub use behind::{ChannelBehind, HostBehind, WhyBehind};
pub use moment::{BoardThen, ItemThen, Proof, ToldBy};
pub use views::{NewView, SavedView, ViewAddress, ViewPage};

pub use health::{
    FileCompared, FleetCompared, FleetVersion, FleetVersionText, HealthPart, MovingRollout,
};
pub use probes::ProbeView;
pub use users::{
    ApiTokenView, CreatedApiToken, CreatedKiosk, KioskView, Me, NewApiToken, NewKiosk, NewUser,
    Password, SessionView, SetPassword, SetRole, UserView,
};

pub use wishes::{TakenBack, WishOrder, WishView};

pub use rollouts::{
    ClearSuspect, CurveWave, DecisionView, Explained, Explanation, Promote, RolloutCurve,
    RolloutView, SimulatedCurve, SkipHost, WaveFigures, WaveHost, WaveView,
};

/// `GET /api/v1/status`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerStatus {
    /// The server's version.
    pub version: Version,
    /// The server's clock.
    pub now: Timestamp,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// Enrolled hosts.
    pub hosts: u64,
    /// Hosts that have not reported for three intervals.
    pub silent: u64,
    /// Rollouts that are not over.
    pub active_rollouts: u64,
    /// Off if updates are switched off for the fleet, or on this server by its configuration.
    pub updates: Updates,
    /// Version of the repository's newest `targets`; none before the publisher's keys are known.
    pub targets_version: Option<u64>,
    /// Runs that have stopped half-way and wait for a person.
    #[serde(default)]
    pub stopped_runs: u64,
    /// Places of locks that somebody holds.
    #[serde(default)]
    pub locks_held: u64,
    /// What is wrong with the newest fleet file, if it was refused and an older one is in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fleet_refused: Vec<String>,
    /// Hosts by the worst of their items, those without an agent among them: the operator's name of the level, and how many.
    #[serde(default)]
    pub levels: BTreeMap<String, u64>,
    /// Problems that nobody is on and nothing explains.
    #[serde(default)]
    pub unhandled: u64,
    /// Hosts that a run is changing.
    #[serde(default)]
    pub in_change: u64,
    /// The rollouts that are not over.
    #[serde(default)]
    pub rollouts: Vec<MovingRollout>,
    /// How the server itself stands, part by part.
    #[serde(default)]
    pub health: Vec<HealthPart>,
    /// When the last backup was made, as far as the server knows.
    #[serde(default)]
    pub backup_at: Option<Timestamp>,
}

/// `POST /api/v1/tokens`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewToken {
    /// How often it may be used.
    pub uses: u32,
    /// How long it is valid.
    pub valid_for: Interval,
    /// The one host that may enrol with it, also in place of an enrolled host of that name.
    pub host: Option<HostName>,
}

/// The answer: the only time the secret is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreatedToken {
    /// The whole token: identity, secret and the fingerprint of the server's certificate authority.
    pub token: String,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The command that enrols a host with it.
    pub command: String,
}

/// One enrolment token in `GET /api/v1/tokens`; nothing of its secret is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenView {
    /// Its identity, for `DELETE /api/v1/tokens/ID`.
    pub id: String,
    /// How many hosts may enrol with it.
    pub uses: u32,
    /// How many have.
    pub used: u32,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
    /// The one host that may enrol with it.
    pub host: Option<HostName>,
    /// Who made it.
    pub created_by: String,
    /// True if it was revoked.
    pub revoked: bool,
}

/// One entry of the audit trail, in `GET /api/v1/audit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditView {
    /// When.
    pub at: Timestamp,
    /// Which operator, or which token.
    pub who: String,
    /// What was done.
    pub what: String,
}

/// One host in `GET /api/v1/hosts`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostView {
    /// Its name.
    pub name: HostName,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When its last report was stored.
    pub last_seen: Option<Timestamp>,
    /// The worst level of its items.
    pub level: Level,
    /// The version of the agent that it runs.
    pub version: Option<Version>,
    /// False while that version is on probation.
    pub proven: bool,
    /// The version it should run.
    pub desired: Option<Version>,
    /// The packages of others that are in force on it; only in `GET /api/v1/hosts/NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Installed>,
    /// Its last report's items; only in `GET /api/v1/hosts/NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemState>,
    /// Its boot id.
    #[serde(default)]
    pub boot_id: String,
    /// `PRETTY_NAME` of its `os-release`.
    #[serde(default)]
    pub os: String,
    /// The host that watches it, because it has no agent of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<HostName>,
    /// The gateway by which it speaks, because it has another system's client and no agent of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// What of its work document the host does not do, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_refused: Option<String>,
    /// Who cares for it, by the fleet file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What people read about it, by what it is called: addresses with `http` or `https`, by the fleet file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, String>,
    /// The plugins and scripts that it runs, as they ended last; only in `GET /api/v1/hosts/NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<ProgramSeen>,
}

/// `GET /api/v1/releases`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseView {
    /// The release.
    #[serde(flatten)]
    pub release: Release,
    /// Channels that point at it.
    pub channels: Vec<ChannelName>,
    /// Hosts that run it.
    pub hosts: u64,
    /// Hosts that rolled it back or failed on it.
    pub failed: u64,
    /// What a rollout has found wanting in its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<Suspect>,
    /// What leads to it from other releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deltas: Vec<Delta>,
}

/// `GET /api/v1/repo/online-keys`: the server's public keys, which the publisher's root must name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OnlineKeys {
    /// TUF key object of the `snapshot` role.
    pub snapshot: serde_json::Value,
    /// TUF key object of the `timestamp` role.
    pub timestamp: serde_json::Value,
}

/// `POST /api/v1/repo/metadata`: metadata signed outside of the server. The server checks it as a client would.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SignedMetadata {
    /// New versions of `root.json`, oldest first, byte for byte.
    #[serde(default)]
    pub roots: Vec<String>,
    /// A new `targets.json`, byte for byte.
    pub targets: Option<String>,
}

/// One run in `GET /api/v1/runs`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunView {
    /// The host.
    pub host: HostName,
    /// The newest record of the run.
    #[serde(flatten)]
    pub record: RunRecord,
}

/// `PUT /api/v1/settings/updates`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct SetUpdates {
    /// For the whole fleet.
    pub updates: Updates,
}

/// `PUT /api/v1/artifacts/HASH` answers with what was stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredArtifact {
    /// SHA-256 of the bytes.
    pub hash: ContentHash,
    /// Their number.
    pub length: u64,
}

/// `POST /api/v1/silences`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewSilence {
    /// Which hosts; empty for all.
    #[serde(default)]
    pub hosts: Vec<Glob>,
    /// Hosts of which groups, in addition.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Which items; empty for all.
    #[serde(default)]
    pub items: Vec<Glob>,
    /// From when; none for now.
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    /// For how long, at most [`Silence::LONGEST`].
    pub lasts: Interval,
    /// Why.
    pub reason: String,
}

/// One silence in `GET /api/v1/silences`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SilenceView {
    /// The silence.
    #[serde(flatten)]
    pub silence: Silence,
    /// How many problems it holds back now.
    pub holds_back: u64,
}

/// `POST /api/v1/acks`: somebody is on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewAck {
    /// The host.
    pub host: HostName,
    /// The item; none for all of the host's problems.
    #[serde(default)]
    pub item: Option<ItemName>,
    /// What is said.
    #[serde(default)]
    pub note: String,
    /// For how long; none for until the problem ends.
    #[serde(default)]
    pub lasts: Option<Interval>,
}

/// One problem in `GET /api/v1/problems`, worst first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProblemView {
    /// The item and how it stands.
    #[serde(flatten)]
    pub trouble: Trouble,
    /// Who is on it.
    pub ack: Option<Ack>,
    /// The silence that holds it back.
    pub silence: Option<String>,
    /// The host that it depends on and that is in trouble itself.
    pub depends_on: Option<HostName>,
    /// Who cares for the host, by the fleet file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What was changed on the host in the hours before.
    #[serde(default)]
    pub changes: Vec<Change>,
}

impl ProblemView {
    /// True if nobody is on it and nothing explains it.
    #[must_use]
    pub fn is_unhandled(&self) -> bool {
        self.trouble.level >= Level::SICK
            && self.ack.is_none()
            && self.silence.is_none()
            && self.depends_on.is_none()
    }
}

/// One delivery in `GET /api/v1/deliveries`, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliveryView {
    /// Its identity.
    pub id: String,
    /// The message.
    pub notice: Notice,
    /// `waiting`, `delivered` or `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong last.
    pub error: Option<String>,
    /// When it was decided.
    pub created_at: Timestamp,
    /// When it is tried next, or was delivered or given up.
    pub at: Timestamp,
}

/// `POST /api/v1/alert-test`: proves the way to a receiver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AlertTest {
    /// A user or receiver of the fleet file.
    pub receiver: String,
}

/// The answer: how each way went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AlertTested {
    /// One for each way of the receiver.
    pub ways: Vec<WayTested>,
}

/// How one way went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WayTested {
    /// The way in words, without secrets: `mail to ann@example.org`.
    pub way: String,
    /// What went wrong; none when it was accepted at the other end.
    pub error: Option<String>,
}

/// `GET /api/v1/fleet`: the fleet file in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetView {
    /// Its number: each accepted file has a greater one.
    pub version: u64,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Its text, each fragment with its name.
    pub files: Vec<FleetText>,
    /// The errors of the newest file, if it was refused; then an older one is in force.
    #[serde(default)]
    pub refused: Vec<String>,
}

/// One file of the fleet file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetText {
    /// Its name, as in `fleet.toml` or `fleet.d/web.toml`.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// `GET /api/v1/hosts/NAME/history`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HistoryView {
    /// The history.
    #[serde(flatten)]
    pub series: Series,
    /// True if the host gave it; false if it is what the server keeps itself: the last day, coarse.
    pub from_host: bool,
    /// Why the host did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// One lock in `GET /api/v1/locks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockView {
    /// The lock.
    #[serde(flatten)]
    pub lock: Lock,
    /// How many places it has now.
    pub places: usize,
    /// Who takes one, and why; holders first.
    pub taken: Vec<Taken>,
    /// Conditions that do not hold now, for a host that does not count itself.
    #[serde(default)]
    pub unmet: Vec<LockRefusal>,
    /// Holders that may not come back by themselves.
    #[serde(default)]
    pub ghosts: Vec<GhostView>,
}

/// A holder of whom it is doubtful that it is still at work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GhostView {
    /// Who.
    pub holder: Holder,
    /// The evidence.
    #[serde(flatten)]
    pub ghost: Ghost,
    /// The one thing that is safe to do.
    pub action: GhostAction,
}

/// `POST /api/v1/locks/NAME/free`: takes a place away from its holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeLock {
    /// From whom; none if there is one holder only.
    #[serde(default)]
    pub holder: Option<Holder>,
    /// Why, for the audit trail; at most 500 bytes, and not empty.
    pub why: String,
}

/// The answer: who does not have it any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockFreed {
    /// The grant that is over.
    pub freed: LockHolder,
}

/// `PUT /api/v1/locks/NAME/disabled`: a lock that gives no places; `DELETE` of the same gives them again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisableLock {
    /// Why, for those who are refused; at most 500 bytes, and not empty.
    pub why: String,
}

/// `POST /api/v1/runs/ID/retry` and `/skip`: what shall become of a run that has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRun {
    /// Why, for the record; may be empty for a retry.
    #[serde(default)]
    pub why: String,
}

/// `GET /api/v1/audit/chain?after=NUMBER`: entries of the server's chain, oldest first, at most
/// [`ChainPage::MOST`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChainPage {
    /// The entries.
    pub entries: Vec<ChainEntry>,
    /// The newest entry's place, of the chain as a whole; none while it is empty.
    pub head: Option<ChainLink>,
}

impl ChainPage {
    /// Most entries of one page.
    pub const MOST: u32 = 500;
}
