//! The agent API, `/agent/v1`: JSON over TLS with a client certificate, every request idempotent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::notes::{ItemNow, Notes, NowQuery};
use crate::{
    Change, ChannelName, ContentHash, Event, HistoryQuery, HostName, HostWish, Interval, ItemName,
    ItemState, Level, PackageName, PackageVersion, Phase, Platform, RunCommand, RunId, Series,
    Version, Work,
};

/// Header names of the agent API.
#[derive(Debug)]
pub struct AgentHeaders;

impl AgentHeaders {
    /// The version of the agent that asks; the version policy is applied to it.
    pub const VERSION: &'static str = "lockstep-agent-version";
    /// An identity of the request; the server makes one where the agent sends none, and logs it.
    pub const REQUEST_ID: &'static str = "lockstep-request-id";
}

/// What an agent says of its machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// The machine's own name for itself.
    pub hostname: String,
    /// `PRETTY_NAME` of `os-release`.
    pub os: String,
    /// `uname -r`.
    pub kernel: String,
    /// `linux-x86_64` and so on.
    pub platform: Option<Platform>,
    /// The gateway by which the host speaks, if it has no agent of ours: `xymon`, `fleetlock` and so on. The server alone
    /// says so, what an agent writes here is not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

/// `POST /agent/v1/enroll`: the one request without a certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrollRequest {
    /// The enrolment token, whole.
    pub token: String,
    /// A PKCS #10 request in PEM, signed with the host's own key. Only its public key counts; the server decides
    /// the name.
    pub csr: String,
    /// The name the host asks for.
    pub name: HostName,
    /// What machine it is.
    pub facts: Facts,
}

/// The answer to an enrolment. The same token and key give the same host again, so a lost answer costs nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrollAnswer {
    /// The name in the certificate.
    pub host: HostName,
    /// The host's certificate, PEM.
    pub certificate: String,
    /// The certificate authority, PEM.
    pub ca: String,
    /// The TUF root to trust from now on, as it is in the repository; none while the publisher has not made one.
    pub trusted_root: Option<String>,
}

/// `POST /agent/v1/renew`: a new certificate for the host that the old one names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RenewRequest {
    /// A PKCS #10 request in PEM.
    pub csr: String,
}

/// The answer to a renewal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RenewAnswer {
    /// The host's new certificate, PEM.
    pub certificate: String,
    /// The certificate authority, PEM.
    pub ca: String,
}

/// `POST /agent/v1/report`: how the host stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// When it was made, by the host's clock.
    pub at: Timestamp,
    /// The kernel's boot id: a new one means that the machine was restarted.
    pub boot_id: String,
    /// What is installed, the agent itself among it.
    pub installed: Vec<Installed>,
    /// The states of all items.
    pub items: Vec<ItemState>,
    /// The run in progress.
    pub run: Option<RunStatus>,
    /// False if updates are switched off on the host.
    pub updates_enabled: bool,
    /// The highest order this host has seen.
    pub generation: u64,
    /// Releases this host will not try again without a new order.
    #[serde(default)]
    pub skipped: Vec<ContentHash>,
    /// What machine it is.
    #[serde(default)]
    pub facts: Facts,
    /// The hosts without an agent that this one watches, and their items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<WatchedReport>,
    /// The work document in force on the host; none for the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<ContentHash>,
    /// Why the newest work document, or a part of it, is not in force, if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_refused: Option<String>,
    /// Why this host does not follow an order now; at most [`Report::MOST_KEPT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Kept>,
    /// What there is to say beside that.
    #[serde(default, skip_serializing_if = "Notes::is_empty")]
    pub notes: Notes,
}

/// What keeps a host from an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The package.
    pub package: PackageName,
    /// The version that the order wants.
    pub version: Version,
    /// Why not, by a stable code of low cardinality: `off-here`, `failed-before`, `not-permitted`. A host may say codes
    /// that the server does not know yet.
    pub code: String,
    /// The same for people.
    pub words: String,
    /// When it is looked at again, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Kept {
    /// Longest code, in bytes.
    pub const LONGEST_CODE: usize = 64;
    /// Longest words, in bytes.
    pub const LONGEST_WORDS: usize = 500;

    /// True if somebody on the host wants it so: it stays so until they say otherwise.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        matches!(
            self.code.as_str(),
            "off-here" | "held-by-hand" | "not-permitted"
        )
    }
}

impl Report {
    /// Most items of all hosts in one report.
    pub const MOST_ITEMS: usize = 500;
    /// Most hosts that one agent watches for others.
    pub const MOST_WATCHED: usize = 64;
    /// Most orders that a host says it does not follow.
    pub const MOST_KEPT: usize = 64;
}

/// How a watched host stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchedReport {
    /// The host.
    pub host: HostName,
    /// The states of its items.
    pub items: Vec<ItemState>,
}

/// `POST /agent/v1/events`: what happened, oldest first, without a gap in the numbers. Sending the same again does
/// no harm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventBatch {
    /// Which numbering the numbers belong to: a host whose memory was lost begins a new one. 1 to 64 letters,
    /// digits or `-`.
    pub series: String,
    /// The events, at most [`EventBatch::MOST`].
    pub events: Vec<Event>,
    /// The number of the oldest event that the agent still has; what is before it and not stored is lost for good,
    /// and need not be waited for. 0 for not said.
    #[serde(default)]
    pub oldest: u64,
}

impl EventBatch {
    /// Most events of one batch.
    pub const MOST: usize = 200;
}

/// The answer: up to which number of the series everything is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsStored {
    /// The highest number stored.
    pub through: u64,
}

/// `POST /agent/v1/backfill`: what the host measured while it could not report, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backfill {
    /// One for each slot of [`Snapshot::SLOT`]; at most [`Backfill::MOST`].
    pub snapshots: Vec<Snapshot>,
}

impl Backfill {
    /// Most snapshots of one request.
    pub const MOST: usize = 50;
}

/// All items at one moment, in short. The server keeps one for each host and slot of the last day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When.
    pub at: Timestamp,
    /// Whose items they are; none for the agent's own host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Each item with its number, where it has one, and its level.
    pub items: Vec<(ItemName, Option<f64>, Level)>,
}

impl Snapshot {
    /// Length of a slot.
    pub const SLOT: Interval = Interval::from_secs(600);
}

/// The answer to `GET /agent/v1/work`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkAnswer {
    /// The document's identity; also its `ETag`.
    pub hash: ContentHash,
    /// The document.
    pub work: Work,
}

/// The data of a `query` event on the stream: the server asks the host something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Its identity, for `POST /agent/v1/answers/ID`.
    pub id: String,
    /// What is asked.
    pub ask: Ask,
}

/// What a host can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ask {
    /// An item's history.
    History(HistoryQuery),
    /// An item's value, measured now if that is cheap.
    Now(NowQuery),
    /// Something that this version does not know; see [`Query::read`].
    #[serde(skip)]
    Unknown,
}

impl Query {
    /// Reads a question. One whose kind this version does not know is [`Ask::Unknown`], so that it can be refused and
    /// nobody waits for an answer; none if not even its identity can be read.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Alone {
            id: String,
        }
        serde_json::from_str(text).ok().or_else(|| {
            let Alone { id } = serde_json::from_str(text).ok()?;
            Some(Self {
                id,
                ask: Ask::Unknown,
            })
        })
    }
}

/// `POST /agent/v1/answers/ID`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueryAnswer {
    /// An item's history.
    History(Series),
    /// An item as it is now.
    Now(ItemNow),
    /// The host cannot say; this is why.
    Refused(String),
}

/// An event as the server keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// The server's identity for it; later ones are greater.
    pub id: String,
    /// The agent that said so; none for the server's own events.
    pub via: Option<HostName>,
    /// When the server stored it.
    pub received_at: Timestamp,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// What was changed on the host in the hours before, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// One installed version of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Installed {
    /// The package.
    pub package: PackageName,
    /// The version that runs.
    pub version: Version,
    /// The bytes it came from, where the host knows them.
    pub hash: Option<ContentHash>,
    /// The version that `agent rollback` would go back to.
    pub previous: Option<Version>,
    /// False while the version is on probation.
    pub proven: bool,
}

/// Where the run in progress is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStatus {
    /// Which run.
    pub id: RunId,
    /// What is being changed.
    pub package: PackageName,
    /// To which version, where that is known.
    #[serde(default)]
    pub to: Option<PackageVersion>,
    /// Where it is.
    pub phase: Phase,
}

/// The answer to a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// What the host should run. A package that is not named stays as it is.
    pub desired: Vec<Desired>,
    /// When the next report is expected, counted from this answer.
    pub next_report: Interval,
    /// Whether the host may change anything now.
    pub updates: Updates,
    /// The server's clock.
    pub server_time: Timestamp,
    /// The server's version.
    pub server_version: Version,
    /// The work document that the host should have; none where the server has no fleet file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<ContentHash>,
    /// What people say of runs of this host that have stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<RunCommand>,
    /// What operators wish of this host, and it has not begun yet; at most one of each verb.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wishes: Vec<HostWish>,
}

/// Whether hosts may update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Updates {
    /// They may.
    On,
    /// An operator switched updates off.
    Off,
}

/// A release that a host should run. It is no more than a wish: the agent believes only the signed metadata, and
/// refuses when length or hash differ from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// The package.
    pub package: PackageName,
    /// The version.
    pub version: Version,
    /// Path of the bundle below the repository's `targets/`.
    pub target: String,
    /// Its SHA-256.
    pub hash: ContentHash,
    /// Its length in bytes.
    pub length: u64,
    /// Not to be begun before.
    pub not_before: Timestamp,
    /// The order that says so; agents refuse older ones than they have seen by the same way.
    pub generation: u64,
    /// The channel by which it comes; none where the host is held at the version. A host that changes its channel takes
    /// that one's order, though it may be older than one that it has seen by the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_of_another_time_can_be_refused() {
        let read = |text: &str| Query::read(text).map(|query| (query.id, query.ask));
        let (id, ask) = read(r#"{"id":"a","ask":{"now":{"item":"cpu_load"}}}"#).unwrap();
        assert!(matches!(ask, Ask::Now(NowQuery { host: None, .. })));
        assert_eq!(id, "a");
        for strange in [
            r#"{"id":"b","ask":{"dream":{"of":"sheep"}}}"#,
            r#"{"id":"b","ask":"dream"}"#,
            r#"{"id":"b","ask":{"now":{"item":""}}}"#,
        ] {
            assert_eq!(read(strange), Some(("b".into(), Ask::Unknown)), "{strange}");
        }
        assert_eq!(read(r#"{"ask":{"now":{"item":"cpu_load"}}}"#), None);
        assert_eq!(read("no"), None);
    }
}
