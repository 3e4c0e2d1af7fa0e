//! `[gateway.*]` of `server.toml`. A gateway without its table is off.
//!
//! Each table has its own types here, so that one place shows what an operator can say. Paths are relative to the
//! server's working directory, as everywhere in that file.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use lockstep_model::{ChannelName, HostName, Interval, LockName, PackageName};
use serde::Deserialize;

use crate::Senders;
use crate::seams::Gateway;

/// The tables of all gateways.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gateways {
    /// Xymon's clients.
    pub xymon: Option<Xymon>,
    /// dmon's clients, scripts and page makers.
    pub dmon: Option<Dmon>,
    /// RHQ's agents.
    pub rhq: Option<Rhq>,
    /// foreman_dlm_updater.
    pub foreman_dlm: Option<ForemanDlm>,
    /// DlmEngineUpdater.
    pub dlm_engine: Option<DlmEngine>,
    /// Zincati and all that speak FleetLock.
    pub fleetlock: Option<Fleetlock>,
    /// cloudbackup-updater, apt and dnf.
    pub package_repo: Option<PackageRepo>,
}

/// `[gateway.xymon]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Xymon {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may report and download (Xymon's `--status-senders`).
    #[serde(default)]
    pub senders: Senders,
    /// Who may read what is known of hosts (Xymon's `--www-senders`).
    #[serde(default)]
    pub readers: Senders,
    /// `hosts.cfg`, `client-local.cfg` (also below `etc/`) and `download/` of an existing installation.
    #[serde(default)]
    pub home: Option<PathBuf>,
    /// True sends all matching blocks of `client-local.cfg`, not the first one only.
    #[serde(default)]
    pub merge_client_local: bool,
    /// The package of ours that clients get as their client version.
    #[serde(default = "xymon_client")]
    pub package: PackageName,
    /// How often the files below `home` are looked at for changes, besides SIGHUP.
    #[serde(default = "ten_minutes")]
    pub reload: Interval,
    /// Certificate for `starttls`, PEM. With it goes `key`. Left out: none is spoken.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Connections at once.
    #[serde(default = "connections")]
    pub connections: usize,
}

/// `[gateway.dmon]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dmon {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may connect, besides the hosts of the fleet file by their addresses. UPGRADE is for this machine alone.
    #[serde(default)]
    pub senders: Senders,
    /// The directory with `KIND/HOST.txt`, the work files of an existing installation (`/var/dmon/works`). Left out:
    /// our work documents, in dmon's words.
    #[serde(default)]
    pub works: Option<PathBuf>,
    /// The port of clients, to which CLIENT, ALLPING and ALLSEND are passed on.
    #[serde(default = "dmon_client")]
    pub client_port: u16,
    /// Connections at once.
    #[serde(default = "connections")]
    pub connections: usize,
}

/// `[gateway.rhq]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rhq {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may connect.
    #[serde(default)]
    pub senders: Senders,
    /// The package whose release in its channel is served; it holds one `.jar`.
    #[serde(default)]
    pub package: Option<PackageName>,
    /// The channel for those who are not hosts of the fleet file.
    #[serde(default = "stable")]
    pub channel: ChannelName,
    /// Instead of a package: a directory with exactly one `.jar`, as RHQ's server has it.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// `rhq-server.version` and `rhq-server.build-number`; left out: those of the agent that is served.
    #[serde(default)]
    pub server_version: Option<String>,
    /// See `server_version`.
    #[serde(default)]
    pub server_build: Option<String>,
    /// `rhq-agent.supported.builds`, a regular expression.
    #[serde(default)]
    pub supported_builds: Option<String>,
    /// Downloads at once (`rhq.server.agent-downloads-limit`); 0 refuses all.
    #[serde(default = "rhq_downloads")]
    pub downloads: u32,
    /// False answers downloads with 403, and versions as ever (`ENABLE_AGENT_AUTO_UPDATE`).
    #[serde(default = "yes")]
    pub enabled: bool,
    /// True answers everything with 403, as RHQ's server does in maintenance mode.
    #[serde(default)]
    pub maintenance: bool,
    /// Connections at once.
    #[serde(default = "connections")]
    pub connections: usize,
}

/// `[gateway.foreman-dlm]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForemanDlm {
    /// Where it listens: HTTPS with client certificates.
    pub listen: SocketAddr,
    /// Who may connect; the certificate says who it is.
    #[serde(default)]
    pub senders: Senders,
    /// The server's certificate, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// The authority of the clients' certificates, PEM; the CN of each is the host.
    pub client_ca: PathBuf,
    /// Names of locks that clients use and that locks cannot have here (`Test Lock`), with the lock that each means.
    #[serde(default)]
    pub locks: std::collections::BTreeMap<String, LockName>,
    /// The package whose rollout decides when a host may begin.
    #[serde(default)]
    pub package: Option<PackageName>,
    /// A host that is not fine keeps its lock for at most so long after it gave it back; left out: not at all.
    #[serde(default)]
    pub green_within: Option<Interval>,
    /// Connections at once.
    #[serde(default = "connections")]
    pub connections: usize,
}

/// `[gateway.dlm-engine]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DlmEngine {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may connect.
    #[serde(default)]
    pub senders: Senders,
    /// The server's certificate, PEM; without it plain HTTP is spoken, on loopback addresses only.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// A file of mode 0600 with a line `SECRET-ID SECRET [HOST-PATTERN]` for each client.
    pub secrets: PathBuf,
    /// See [`ForemanDlm::locks`].
    #[serde(default)]
    pub locks: std::collections::BTreeMap<String, LockName>,
    /// The package whose rollout decides when a host may begin.
    #[serde(default)]
    pub package: Option<PackageName>,
    /// See [`ForemanDlm::green_within`].
    #[serde(default)]
    pub green_within: Option<Interval>,
    /// Connections at once.
    #[serde(default = "connections")]
    pub connections: usize,
}

/// `[gateway.fleetlock]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleetlock {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may connect.
    #[serde(default)]
    pub senders: Senders,
    /// The server's certificate, PEM; without it plain HTTP is spoken.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// A group stands for the lock of its name; groups that are written here have another one.
    #[serde(default)]
    pub groups: std::collections::BTreeMap<String, LockName>,
    /// Which host a client is, by its id. Others are known by their name, or by their address.
    #[serde(default)]
    pub ids: std::collections::BTreeMap<String, HostName>,
    /// The package whose rollout decides when a host may begin.
    #[serde(default)]
    pub package: Option<PackageName>,
    /// A host that says it is steady and is not fine keeps its place for at most so long.
    #[serde(default = "half_an_hour")]
    pub green_within: Interval,
    /// Connections at once.
    #[serde(default = "connections")]
    pub connections: usize,
}

/// `[gateway.package-repo]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageRepo {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may connect.
    #[serde(default)]
    pub senders: Senders,
    /// The package whose files are served: its bundle holds the repositories, as in `debian/` and `redhat/`.
    pub package: PackageName,
    /// The channel for those who are not hosts of the fleet file.
    #[serde(default = "stable")]
    pub channel: ChannelName,
    /// Connections at once.
    #[serde(default = "connections")]
    pub connections: usize,
}

fn xymon_client() -> PackageName {
    PackageName::parse("xymon-client").expect("it is a package's name")
}
fn stable() -> ChannelName {
    ChannelName::stable()
}
fn ten_minutes() -> Interval {
    Interval::from_secs(600)
}
fn half_an_hour() -> Interval {
    Interval::from_secs(1_800)
}
fn connections() -> usize {
    256
}
fn rhq_downloads() -> u32 {
    45
}
fn dmon_client() -> u16 {
    22_008
}
fn yes() -> bool {
    true
}

impl Gateways {
    /// The addresses on which gateways listen, with their names.
    #[must_use]
    pub fn listeners(&self) -> Vec<(Gateway, SocketAddr)> {
        let all = [
            (Gateway::Xymon, self.xymon.as_ref().map(|it| it.listen)),
            (Gateway::Dmon, self.dmon.as_ref().map(|it| it.listen)),
            (Gateway::Rhq, self.rhq.as_ref().map(|it| it.listen)),
            (
                Gateway::ForemanDlm,
                self.foreman_dlm.as_ref().map(|it| it.listen),
            ),
            (
                Gateway::DlmEngine,
                self.dlm_engine.as_ref().map(|it| it.listen),
            ),
            (
                Gateway::Fleetlock,
                self.fleetlock.as_ref().map(|it| it.listen),
            ),
            (
                Gateway::PackageRepo,
                self.package_repo.as_ref().map(|it| it.listen),
            ),
        ];
        let on = all
            .into_iter()
            .filter_map(|(name, listen)| Some((name, listen?)));
        on.collect()
    }

    /// Refuses what parses but makes no sense.
    ///
    /// # Errors
    /// In words, with the key.
    pub fn check(&self) -> Result<(), String> {
        let mut seen = HashSet::new();
        for (name, listen) in self.listeners() {
            if listen.port() != 0 && !seen.insert(listen) {
                return Err(format!(
                    "gateway.{name}.listen: {listen} is taken by another gateway"
                ));
            }
        }
        let pairs = [
            (
                "xymon",
                self.xymon
                    .as_ref()
                    .map(|it| (it.cert.is_some(), it.key.is_some())),
            ),
            (
                "dlm-engine",
                self.dlm_engine
                    .as_ref()
                    .map(|it| (it.cert.is_some(), it.key.is_some())),
            ),
            (
                "fleetlock",
                self.fleetlock
                    .as_ref()
                    .map(|it| (it.cert.is_some(), it.key.is_some())),
            ),
        ];
        for (name, pair) in pairs {
            if pair.is_some_and(|(cert, key)| cert != key) {
                return Err(format!("gateway.{name}: cert and key go together"));
            }
        }
        if let Some(engine) = &self.dlm_engine
            && engine.cert.is_none()
            && !engine.listen.ip().is_loopback()
        {
            return Err("gateway.dlm-engine: secrets go over TLS (cert, key), or stay on a loopback address".into());
        }
        if let Some(rhq) = &self.rhq
            && rhq.package.is_some() == rhq.directory.is_some()
        {
            return Err("gateway.rhq: either package or directory says what is served".into());
        }
        Ok(())
    }
}
