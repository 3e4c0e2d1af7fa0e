//! What every request and every task of a running server shares.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{HostName, Interval, Role, UserName, Version};
use lockstep_net::Clock;
use lockstep_notify::Notifier;
use lockstep_plan::rollout;
use lockstep_store::{Artifacts, Store};
use lockstep_trust::identity::CertificateAuthority;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::agent_api::Streams;
use crate::certificate::ServerCertificate;
use crate::config::ServerConfig;
use crate::decider::Decider;
use crate::first_start::{Addresses, OnlineSigners};
use crate::freshness::Freshness;
use crate::hints::Hints;
use crate::operator_api::{Counters, Uploads};
use crate::pages::{PageTimes, Watchers};
use crate::queries::Queries;
use crate::repository::Downloads;
use crate::services::alerts::Told;
use crate::services::board::Boards;
use crate::services::board_at::Pasts;
use crate::services::deltas::Deltas;
use crate::services::fleet::FleetInForce;
use crate::services::foreign::Foreign;
use crate::services::health::HealthNow;
use crate::services::live::LiveItems;
use crate::services::lock_facts::LockFactsNow;
use crate::services::locks::SeenLocks;
use crate::services::opened::Opened;
use crate::services::orders::Standing;
use crate::services::passwords::Passwords;
use crate::services::reports::Novelty;
use crate::services::rollout_curves::Curves;
use crate::services::rollout_views::KeptWords;
use crate::services::sessions::Sessions;
use crate::services::situation::RecentRuns;
use crate::web::FailedVisits;

/// The running server.
pub(crate) struct App {
    pub(crate) config: ServerConfig,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) artifacts: Artifacts,
    pub(crate) authority: CertificateAuthority,
    pub(crate) online: OnlineSigners,
    pub(crate) addresses: Addresses,
    pub(crate) version: Version,
    /// What hosts shall run, as it was read from the store a moment ago.
    pub(crate) standing: Standing,
    /// What leads from one release to another.
    pub(crate) deltas: Deltas,
    /// How rollouts go, beside how they were to be expected to go.
    pub(crate) curves: Curves,
    /// Why hosts keep packages as they are.
    pub(crate) kept_words: KeptWords,
    pub(crate) hints: Hints,
    pub(crate) streams: Streams,
    /// The fleet file in force.
    pub(crate) fleet: FleetInForce,
    /// Asks for the fleet file to be read.
    pub(crate) reload: Notify,
    /// Asks the Xymon gateway for its files to be read.
    pub(crate) reload_gateways: Arc<Notify>,
    /// Asks for the certificate of the second address for people to be read.
    pub(crate) reload_front: Notify,
    /// Live pages that are open.
    pub(crate) watchers: Watchers,
    /// How long pages take.
    pub(crate) page_times: PageTimes,
    /// How the server itself stands.
    pub(crate) health: HealthNow,
    /// What receivers were told.
    pub(crate) told: Told,
    /// Sessions of users, as they were read a moment ago.
    pub(crate) sessions: Sessions,
    /// Places for looking at passwords.
    pub(crate) passwords: Passwords,
    /// Hosts with other systems' clients.
    pub(crate) foreign: Foreign,
    /// Releases that are unpacked for gateways.
    pub(crate) opened: Opened,
    /// What places of locks are given by, as it was a moment ago.
    pub(crate) lock_facts: LockFactsNow,
    /// Locks for which there is room certainly.
    pub(crate) seen_locks: SeenLocks,
    /// How the whole fleet stands, for pages.
    pub(crate) boards: Boards,
    /// How it stood at moments that are over.
    pub(crate) pasts: Pasts,
    /// The runs of the last hours.
    pub(crate) recent_runs: RecentRuns,
    /// The ways to receivers.
    pub(crate) notifier: Notifier,
    /// Wakes the delivery of messages.
    pub(crate) wake_delivery: Notify,
    /// One round of deliveries at a time on this server; the store sees to it between servers.
    pub(crate) delivering: Mutex<()>,
    /// Tests of receivers at once: each may start programs, and wait for strangers.
    pub(crate) alert_tests: Semaphore,
    /// What this process counts, for `/metrics`.
    pub(crate) counters: Counters,
    /// Questions to hosts that wait for their answers.
    pub(crate) queries: Queries,
    /// Items that somebody watches live.
    pub(crate) live_items: LiveItems,
    pub(crate) downloads: Downloads,
    pub(crate) uploads: Uploads,
    pub(crate) freshness: Freshness,
    pub(crate) decider: Decider,
    /// What hosts said last, so that the decider is woken by news only.
    pub(crate) novelty: Novelty,
    /// Bad enrolment tokens, by address.
    pub(crate) bad_enrolments: FailedVisits,
    /// Bad operator tokens, by address; apart, so that strangers at one door do not close the other.
    pub(crate) bad_operators: FailedVisits,
    pub(crate) certificate: ServerCertificate,
    /// Wakes the decider.
    pub(crate) wake: Notify,
    /// One publication or re-signing at a time on this server; the store sees to it between servers.
    pub(crate) publishing: Mutex<()>,
    /// One promotion at a time on this server.
    pub(crate) promoting: Mutex<()>,
    pub(crate) stop: CancellationToken,
}

impl App {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How often a host reports.
    pub(crate) fn report_interval(&self, host: &HostName) -> Interval {
        if let Some(interval) = self.foreign.interval(host) {
            return interval;
        }
        let accepted = self.fleet.accepted();
        accepted.map_or(self.config.report, |accepted| {
            accepted.report_interval(host)
        })
    }

    /// True if a host that was last heard of then is silent; one that never reported counts from its enrolment, and
    /// nobody was silent while this server did not listen.
    pub(crate) fn is_silent(
        &self,
        host: &HostName,
        last_seen: Option<Timestamp>,
        enrolled_at: Timestamp,
        now: Timestamp,
    ) -> bool {
        let listening_since = self.decider.listening_since.max(enrolled_at);
        let interval = self.report_interval(host).duration();
        rollout::is_silent(last_seen, listening_since, interval, now)
    }
}

/// Who sent a request to the agent API: the host that its certificate names.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) HostName);

/// Who sent a request to the operator API.
#[derive(Debug, Clone)]
pub(crate) struct Operator(pub(crate) String);

/// Whose browser sent a request, as its session says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SignedIn {
    /// The user.
    pub(crate) name: UserName,
    /// What the user may do.
    pub(crate) role: Role,
    /// What each form of this session carries, so that no other site can send one.
    pub(crate) csrf: String,
    /// The session's identity; worth nothing by itself.
    pub(crate) id: String,
}

/// Who asks, by which right, from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asker {
    /// The user.
    pub(crate) name: UserName,
    /// What the token or the session may do; never more than the user.
    pub(crate) role: Role,
    /// By what.
    pub(crate) by: By,
    /// The session's identity, if it is one.
    pub(crate) session: Option<String>,
    /// From where.
    pub(crate) from: IpAddr,
}

/// By what somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// An API token.
    Token,
    /// A session.
    Session,
}

impl By {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
        }
    }
}

impl Asker {
    /// Whose sessions and tokens the asker may see and end: the own ones; none for all.
    pub(crate) fn only_own(&self) -> Option<&UserName> {
        (self.role < Role::Admin).then_some(&self.name)
    }
}

impl SignedIn {
    /// The same as one who asks from this address.
    pub(crate) fn asker(&self, from: IpAddr) -> Asker {
        Asker {
            name: self.name.clone(),
            role: self.role,
            by: By::Session,
            session: Some(self.id.clone()),
            from,
        }
    }
}

impl std::fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignedIn({} {})", self.name, self.role)
    }
}
