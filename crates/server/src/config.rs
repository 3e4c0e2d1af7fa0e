//! `server.toml`: how a server is set up.
//!
//! Every key may be left out; a server without a configuration file works. Unknown keys are refused, with the
//! known key that was probably meant. [`ServerConfig::REFERENCE`] is the commented file with all defaults, and a
//! test holds it against the code.
//!
//! Not here: what the server keeps (`store`), and what it made for itself at its first start (`data_dir`).

mod front;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use lockstep_gateway::config::Gateways;
use lockstep_model::{Interval, Strategy, nearest};
use lockstep_plan::policy::AgentPolicy;
use lockstep_store::DatabaseUrl;
use serde::{Deserialize, Deserializer};

use crate::Error;

pub use front::Front;

/// The contents of `server.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The data directory: certificate authority, online keys, database, artifacts.
    pub data: PathBuf,
    /// Where the server listens.
    pub listen: Listen,
    /// DNS names and addresses under which the server is reached. Its certificate carries them all, and the
    /// first one stands in the enrolment command. Left out: this machine's host name, `localhost`, `127.0.0.1`.
    pub names: Vec<String>,
    /// `sqlite:/path/to/file` or `postgres://user@host/database`. Left out: `server.db` in the data directory.
    #[serde(deserialize_with = "database_url")]
    pub database: Option<DatabaseUrl>,
    /// Which agents the server talks to: `any`, `=server`, or a range such as `>=1.3, <2`. Others get
    /// `426 Upgrade Required`, with the version wanted, and may do nothing but update.
    pub agents: AgentPolicy,
    /// False switches updates off on this server: nothing is handed out, and agents are told so.
    pub updates: bool,
    /// How many bundles are handed out at the same time; 0 switches downloads off.
    pub downloads: u32,
    /// How often each agent reports. A host that misses three reports is silent.
    pub report: Interval,
    /// How often rollouts are looked at when nothing happens.
    pub decide: Interval,
    /// Certificates that the server issues.
    pub certificates: Certificates,
    /// How rollouts go.
    pub rollout: Strategy,
    /// The metadata that the server signs itself.
    pub metadata: Metadata,
    /// What the server takes on at most.
    pub limits: Limits,
    /// The fleet file; `fleet.d` beside it holds its fragments. Left out: `fleet.toml` in the data directory. A server
    /// without one has every host watch what is watched by default, and tells nobody.
    pub fleet: Option<PathBuf>,
    /// How mail leaves the server.
    pub mail: Option<Mail>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// How old a backup may be.
    pub backup: Backup,
    /// Another address for people, with a certificate that their browsers know.
    pub pages: Option<Front>,
    /// Other systems' clients; each gateway is off until its table is there.
    pub gateway: Gateways,
}

/// `[mail]`: the SMTP server that takes the mails.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Its name or address.
    pub server: String,
    /// Its port; left out: 587 with `starttls`, 465 with `tls`, 25 with `none`.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the way there is encrypted: `starttls`, `tls` or `none`.
    #[serde(default)]
    pub tls: MailTls,
    /// The sender's address.
    pub from: String,
    /// Who logs in there; left out: nobody.
    #[serde(default)]
    pub user: Option<String>,
    /// A file with the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// A file with the authority that signed the server's certificate; left out: those of this machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// How the way to the SMTP server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailTls {
    /// From the first command on, or not at all (RFC 3207).
    #[default]
    Starttls,
    /// From the first byte on.
    Tls,
    /// Not.
    None,
}

/// `[metrics]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Up to this many hosts each troubled item is shown with a sample of its own; in a larger fleet there are only
    /// sums.
    pub hosts: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { hosts: 1_000 }
    }
}

/// `[backup]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// False where backups are made otherwise: then nobody is warned.
    pub warn: bool,
    /// Pages and `server status` warn when the last backup is older than this, or there never was one.
    pub warn_after: Interval,
}

impl Default for Backup {
    fn default() -> Self {
        Self {
            warn: true,
            warn_after: Interval::from_secs(7 * DAY),
        }
    }
}

/// `[listen]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Address for agents. Port 0 takes any free port.
    pub agents: SocketAddr,
    /// Address for people and programs. Port 0 takes any free port.
    pub operators: SocketAddr,
}

/// `[certificates]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Certificates {
    /// How long a host's certificate and the server's own are valid; both are renewed at two thirds of it.
    pub valid: Interval,
}

/// `[metadata]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metadata {
    /// How long `snapshot.json` is valid; it is signed anew at two thirds of it.
    pub snapshot: Interval,
    /// How long `timestamp.json` is valid; it is signed anew at two thirds of it.
    pub timestamp: Interval,
}

/// `[limits]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections on each listener.
    pub connections: usize,
    /// Requests being answered at once on each listener, downloads and streams not counted.
    pub requests: usize,
    /// Largest bundle that can be uploaded, in bytes.
    pub artifact_bytes: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            data: PathBuf::from("/var/lib/lockstep-server"),
            listen: Listen::default(),
            names: Vec::new(),
            database: None,
            agents: AgentPolicy::Any,
            updates: true,
            downloads: 16,
            report: Interval::from_secs(300),
            decide: Interval::from_secs(1),
            certificates: Certificates::default(),
            rollout: Strategy::default(),
            metadata: Metadata::default(),
            limits: Limits::default(),
            fleet: None,
            mail: None,
            metrics: Metrics::default(),
            backup: Backup::default(),
            pages: None,
            gateway: Gateways::default(),
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            agents: SocketAddr::from(([0, 0, 0, 0], 7440)),
            operators: SocketAddr::from(([0, 0, 0, 0], 7443)),
        }
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self {
            valid: Interval::from_secs(90 * DAY),
        }
    }
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            snapshot: Interval::from_secs(7 * DAY),
            timestamp: Interval::from_secs(DAY),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 12_000,
            requests: 1_024,
            artifact_bytes: 2 * 1024 * 1024 * 1024,
        }
    }
}

const DAY: u64 = 86_400;

impl ServerConfig {
    /// The commented configuration file with every key at its default.
    pub const REFERENCE: &str = include_str!("server.toml");

    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`Error::Config`] if it cannot be read, holds an unknown key, or a value that makes no sense.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::Config {
            path: path.into(),
            why: format!("it cannot be read: {error}"),
        })?;
        Self::parse(&text).map_err(|why| Error::Config {
            path: path.into(),
            why,
        })
    }

    /// Parses the text of a configuration file. The error says what is wrong, where, and what may have been meant.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| with_suggestion(&error))?;
        config.check()?;
        Ok(config)
    }

    /// Refuses values that parse but make no sense. Called for values that come from the command line, too.
    pub fn check(&self) -> Result<(), String> {
        let second = Interval::from_secs(1);
        let minute = Interval::from_secs(60);
        let day = Interval::from_secs(DAY);
        within("report", self.report, Interval::from_millis(100), day)?;
        within("decide", self.decide, Interval::from_millis(10), minute)?;
        let years = Interval::from_secs(5 * 366 * DAY);
        within("certificates.valid", self.certificates.valid, minute, years)?;
        let year = Interval::from_secs(366 * DAY);
        within("metadata.snapshot", self.metadata.snapshot, second, year)?;
        within("metadata.timestamp", self.metadata.timestamp, second, year)?;
        for (key, value) in [
            ("limits.connections", self.limits.connections),
            ("limits.requests", self.limits.requests),
        ] {
            if value == 0 {
                return Err(format!("{key} must be at least 1"));
            }
        }
        for name in &self.names {
            check_name(name)?;
        }
        self.gateway.check()?;
        if let Some(mail) = &self.mail {
            if !mail.from.contains('@') {
                return Err(format!(
                    "mail.from: {:?} is not an address, as in \"lockstep@example.org\"",
                    mail.from
                ));
            }
            if mail.user.is_some() != mail.password_file.is_some() {
                return Err("mail.user and mail.password_file go together".into());
            }
        }
        Ok(())
    }

    /// The names that the certificate carries; the first one is for the enrolment command.
    #[must_use]
    pub fn server_names(&self) -> Vec<String> {
        if !self.names.is_empty() {
            return self.names.clone();
        }
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let machine = machine.trim().to_ascii_lowercase();
        let mut names = Vec::new();
        if check_name(&machine).is_ok() {
            names.push(machine);
        }
        for name in ["localhost", "127.0.0.1"] {
            if !names.iter().any(|known| known == name) {
                names.push(name.into());
            }
        }
        names
    }

    /// The fleet file.
    #[must_use]
    pub fn fleet_file(&self) -> PathBuf {
        self.fleet
            .clone()
            .unwrap_or_else(|| self.data.join("fleet.toml"))
    }

    /// The database to open.
    #[must_use]
    pub fn database_url(&self) -> DatabaseUrl {
        self.database
            .clone()
            .unwrap_or_else(|| DatabaseUrl::Sqlite(self.data.join("server.db")))
    }
}

fn within(key: &str, value: Interval, least: Interval, most: Interval) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!(
        "{key} = \"{value}\" must be between {least} and {most}"
    ))
}

/// A name that a certificate can carry: an address, or a DNS name of letters, digits, dots and hyphens.
fn check_name(name: &str) -> Result<(), String> {
    if name.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(());
    }
    Err(format!(
        "names: {name:?} is neither a DNS name nor an address; write for example \"updates.example.org\""
    ))
}

fn database_url<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DatabaseUrl>, D::Error> {
    let text = String::deserialize(deserializer)?;
    DatabaseUrl::parse(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

/// The parser's words, and for an unknown key the known one that is nearest to it.
fn with_suggestion(error: &toml::de::Error) -> String {
    let words = error.to_string();
    let message = error.message();
    let mut quoted = message.split('`').skip(1).step_by(2);
    if !message.starts_with("unknown field") {
        return words;
    }
    let Some(unknown) = quoted.next() else {
        return words;
    };
    match nearest(unknown, quoted) {
        Some(known) => format!("{words}did you mean `{known}`?"),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_a_configuration() {
        let config = ServerConfig::parse("").unwrap();
        assert_eq!(config.downloads, 16);
        assert_eq!(config.listen.agents.port(), 7440);
        assert!(
            matches!(config.database_url(), DatabaseUrl::Sqlite(path) if path.ends_with("server.db"))
        );
    }

    #[test]
    fn the_reference_states_every_default() {
        // All keys stand in it as comments: without the marks it must say what the code says.
        let uncommented: String = ServerConfig::REFERENCE
            .lines()
            .filter(|line| !line.starts_with("# "))
            .map(|line| line.strip_prefix('#').unwrap_or(line).to_owned() + "\n")
            .collect();
        let mut stated = ServerConfig::parse(&uncommented).unwrap();
        assert!(stated.database.take().is_some() && !stated.names.is_empty());
        assert!(stated.fleet.take().is_some() && stated.mail.take().is_some());
        assert!(stated.pages.take().is_some());
        stated.names.clear();
        assert_eq!(
            format!("{stated:?}"),
            format!("{:?}", ServerConfig::default())
        );
        assert_eq!(
            format!(
                "{:?}",
                ServerConfig::parse(ServerConfig::REFERENCE).unwrap()
            ),
            format!("{:?}", ServerConfig::default())
        );
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
        let error = ServerConfig::parse("downlods = 3\n").unwrap_err();
        assert!(
            error.contains("line 1") && error.contains("did you mean `downloads`?"),
            "{error}"
        );
        let error = ServerConfig::parse("[rollout]\ncanarys = 3\n").unwrap_err();
        assert!(error.contains("did you mean `canaries`?"), "{error}");
        let error = ServerConfig::parse("colour = \"blue\"\n").unwrap_err();
        assert!(
            error.contains("unknown field `colour`") && !error.contains("did you mean"),
            "{error}"
        );
    }

    #[test]
    fn values_without_sense_are_refused() {
        for (text, word) in [
            ("report = \"3d\"", "report"),
            ("agents = \"newest\"", "newest"),
            ("database = \"mysql://x\"", "database"),
            ("names = [\"a b\"]", "DNS name"),
            ("[rollout]\ncanaries = 0", "canaries"),
            ("[certificates]\nvalid = \"1s\"", "certificates.valid"),
            ("[limits]\nconnections = 0", "limits.connections"),
            ("downloads = -1", "downloads"),
            ("[mail]\nserver = \"m\"\nfrom = \"me\"", "mail.from"),
            (
                "[mail]\nserver = \"m\"\nfrom = \"a@b\"\nuser = \"u\"",
                "go together",
            ),
        ] {
            let error = ServerConfig::parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn names_have_a_default_that_works_on_this_machine() {
        let names = ServerConfig::default().server_names();
        assert!(names.iter().any(|name| name == "127.0.0.1"));
        for name in names {
            check_name(&name).unwrap();
        }
    }
}
