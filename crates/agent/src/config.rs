//! `agent.toml`: what a person may decide about one host.
//!
//! Every key has a default, so an empty file is a good one; unknown keys are refused with the line, the column and
//! the keys that exist.

use std::net::SocketAddr;
use std::path::Path;

use lockstep_host::fs;
use lockstep_model::{Interval, ItemName};
use lockstep_plan::probation::Rules;
use lockstep_probe::Permits;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::run::{BundlePermits, PackagePermits, WishPermits};
use crate::xymon::XymonReport;

/// The contents of `agent.toml`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentConfig {
    /// Base addresses of the servers, in order of preference, as in `["https://lockstep.example.org:7440"]`.
    /// Enrolment writes them.
    pub servers: Vec<String>,
    /// `[report]`.
    pub report: ReportConfig,
    /// `[update]`.
    pub update: UpdateConfig,
    /// `[probation]`.
    pub probation: ProbationConfig,
    /// `[metrics]`.
    pub metrics: MetricsConfig,
    /// `[probes]`: what this host lets its server ask for.
    pub probes: Permits,
    /// `[packages]`: what this host lets its server have it install.
    pub packages: PackagePermits,
    /// `[bundles]`: which signed packages of others it takes.
    pub bundles: BundlePermits,
    /// `[wishes]`: what operators may wish of it by way of its server.
    pub wishes: WishPermits,
    /// `[gateway]`: other systems' protocols that are answered here.
    pub gateway: GatewayConfig,
}

/// `[gateway.*]`: a gateway without its table is off.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// `[gateway.dmon]`: the commands of dmon's client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dmon: Option<lockstep_gateway::dmon::client::Config>,
}

/// `[metrics]`: figures for a collector on this machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// A loopback address on which `/metrics` is answered, as in `"127.0.0.1:9740"`; left out, nothing listens.
    pub listen: Option<SocketAddr>,
}

/// `[report]`: how often the host is looked at and reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportConfig {
    /// Time between two reports until the server says otherwise.
    pub every: Interval,
    /// Time between two samples of the items.
    pub sample: Interval,
    /// False: the server is not told the names and users of the busiest processes when the machine goes wrong.
    pub processes: bool,
    /// `[report.xymon]`: a Xymon server that is told, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xymon: Option<XymonReport>,
}

/// `[update]`: whether and how this host changes its version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateConfig {
    /// False: this host never changes its version by the server's order. `agent update` still works.
    pub enabled: bool,
    /// Time until a fetch that failed is tried again.
    pub retry: Interval,
    /// A web server that has the files of `lockstep release mirror`, `http://` or `https://`: bundles and deltas are
    /// fetched there first. What verifies is believed, wherever it comes from. None for the server alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// How long slots are kept after their installation. The one before the current one is kept always, for `agent
    /// rollback`; a version that dies again and again makes way for it only within this time.
    pub keep: Interval,
}

/// `[probation]`: when a new version of the agent has proven itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbationConfig {
    /// The new version must be well for this long in a row.
    pub window: Interval,
    /// Without a sign of life for this long it hangs.
    pub silence: Interval,
    /// It must check in with the server within this time.
    pub check_in: Interval,
    /// A gated item may be worse for this long.
    pub worse_for: Interval,
    /// It may change from well to ill this often.
    pub max_flips: u32,
    /// Time between two checks of the server by the old version, while the new one does not reach it.
    pub witness_every: Interval,
    /// After this time the probation ends, one way or the other.
    pub patience: Interval,
    /// Items that must not become worse: a probe's name stands for all of its items.
    pub gates: Vec<String>,
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self {
            every: Interval::from_secs(300),
            sample: Interval::from_secs(60),
            processes: true,
            xymon: None,
        }
    }
}

impl Default for UpdateConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            retry: Interval::from_secs(60),
            mirror: None,
            keep: Interval::from_secs(7 * 86_400),
        }
    }
}

impl Default for ProbationConfig {
    fn default() -> Self {
        let rules = Rules::default();
        let interval = |duration: std::time::Duration| Interval::from_secs(duration.as_secs());
        Self {
            window: interval(rules.window),
            silence: interval(rules.silence),
            check_in: interval(rules.check_in),
            worse_for: interval(rules.worse_for),
            max_flips: rules.max_flips,
            witness_every: interval(rules.witness_every),
            patience: interval(rules.patience),
            // The load of a machine says more about its users than about its agent, so it is no gate by default.
            gates: ["agent_memory", "disk_usage", "memory_available"]
                .map(String::from)
                .into(),
        }
    }
}

impl ProbationConfig {
    /// The rules for the decision.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            window: self.window.duration(),
            silence: self.silence.duration(),
            check_in: self.check_in.duration(),
            worse_for: self.worse_for.duration(),
            max_flips: self.max_flips,
            witness_every: self.witness_every.duration(),
            patience: self.patience.duration(),
        }
    }

    /// True if the item must not become worse.
    #[must_use]
    pub fn is_gated(&self, item: &ItemName) -> bool {
        self.gates
            .iter()
            .any(|gate| gate == item.as_str() || gate == item.probe())
    }
}

/// Largest file of a person's that is read, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

impl AgentConfig {
    /// Reads the file; one that does not exist is an empty one.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = read_text(path)?.unwrap_or_default();
        Self::parse(&text).map_err(|why| Error::Config {
            path: path.into(),
            why,
        })
    }

    /// The text of the file with `server` in it, or none if it names that server already. What a person wrote,
    /// comments included, stays; a file that names other servers is not touched but refused.
    pub fn naming_server(path: &Path, server: &str) -> Result<Option<String>, Error> {
        let refuse = |why| Error::Config {
            path: path.into(),
            why,
        };
        let text = read_text(path)?.unwrap_or_default();
        let config = Self::parse(&text).map_err(refuse)?;
        if config.servers.iter().any(|known| known == server) {
            return Ok(None);
        }
        if !config.servers.is_empty() {
            let known = config.servers.join(", ");
            return Err(refuse(format!(
                "it names other servers ({known}); put {server} there by hand first"
            )));
        }
        // A key of the top level must stand before the first table.
        let line = format!("servers = [{server:?}]\n");
        let without = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("servers"))
            .collect::<Vec<_>>();
        let text = line
            + &without
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>();
        Self::parse(&text).map_err(refuse)?;
        Ok(Some(text))
    }

    /// Parses the text of the file and checks what types cannot.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for server in &config.servers {
            let host = server.strip_prefix("https://").unwrap_or_default();
            if host.is_empty() || host.contains('/') {
                return Err(format!(
                    "servers: {server:?} must look like \"https://HOST:7440\", without a path"
                ));
            }
        }
        if let Some(listen) = config.metrics.listen
            && !listen.ip().is_loopback()
        {
            return Err(format!(
                "metrics.listen: {listen} is not a loopback address, as in \"127.0.0.1:9740\""
            ));
        }
        if let Some(xymon) = &config.report.xymon {
            xymon.check()?;
        }
        if let Some(mirror) = &config.update.mirror {
            let schemes = ["https://", "http://"];
            let host = schemes
                .iter()
                .find_map(|scheme| mirror.strip_prefix(scheme));
            if host.is_none_or(|host| host.is_empty() || host.contains(['?', '#', '@'])) {
                return Err(format!(
                    "update.mirror: {mirror:?} must look like \"https://HOST/PATH\" or \"http://HOST/PATH\""
                ));
            }
        }
        if let Some(dmon) = &config.gateway.dmon {
            dmon.server()
                .map_err(|why| format!("gateway.dmon.server: {why}"))?;
        }
        let probation = &config.probation;
        if probation.patience < probation.window {
            return Err(format!(
                "probation.patience ({}) must not be shorter than probation.window ({}): nothing could ever be proven",
                probation.patience, probation.window
            ));
        }
        Ok(config)
    }

    /// The file's text.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a configuration holds nothing that TOML cannot")
    }
}

/// The text of a file that a person writes; none if there is none.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, Error> {
    let Some(bytes) = fs::read_capped(path, MAX_BYTES)? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| Error::Config {
        path: path.into(),
        why: "it is not UTF-8 text".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_off_until_it_has_its_table() {
        assert_eq!(AgentConfig::default().gateway.dmon, None);
        let text = "[gateway.dmon]\nlisten = \"127.0.0.1:22008\"\nserver = \"dmon.example.org\"\n";
        let config = AgentConfig::parse(text).unwrap();
        let dmon = config.gateway.dmon.clone().unwrap();
        assert!(dmon.senders.admit("127.0.0.1".parse().unwrap()));
        assert_eq!(AgentConfig::parse(&config.to_toml()).unwrap(), config);
        let error = AgentConfig::parse(&format!("{text}senders = [\"all\"]\n")).unwrap_err();
        assert!(
            error.contains("neither an address nor a network"),
            "{error}"
        );
        let error = AgentConfig::parse(&text.replace(".org", ".org:x")).unwrap_err();
        assert!(error.contains("gateway.dmon.server"), "{error}");
    }

    #[test]
    fn a_mirror_is_an_address() {
        for good in ["https://m.example.org/lockstep", "http://10.0.0.1:8080/"] {
            let text = format!("[update]\nmirror = {good:?}\n");
            let config = AgentConfig::parse(&text).unwrap();
            assert_eq!(config.update.mirror.as_deref(), Some(good));
            assert_eq!(AgentConfig::parse(&config.to_toml()).unwrap(), config);
        }
        for bad in [
            "m.example.org",
            "ftp://m",
            "https://",
            "http://m/?x",
            "http://a:b@m",
        ] {
            let error = AgentConfig::parse(&format!("[update]\nmirror = {bad:?}\n"));
            assert!(error.unwrap_err().contains("update.mirror"), "{bad}");
        }
    }

    #[test]
    fn an_empty_file_is_a_good_one_and_the_defaults_are_those_of_the_decision() {
        let config = AgentConfig::parse("").unwrap();
        assert_eq!(config, AgentConfig::default());
        assert_eq!(config.probation.rules(), Rules::default());
        assert_eq!(AgentConfig::parse(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let error = AgentConfig::parse("[update]\nenabeld = false\n").unwrap_err();
        assert!(
            error.contains("line 2") && error.contains("enabeld") && error.contains("enabled"),
            "{error}"
        );
        let error = AgentConfig::parse("[report]\nevery = \"5 minutes\"\n").unwrap_err();
        assert!(error.contains("a number is expected"), "{error}");
        let error = AgentConfig::parse("servers = [\"http://x\"]").unwrap_err();
        assert!(error.contains("https://HOST:7440"), "{error}");
        let error = AgentConfig::parse("[metrics]\nlisten = \"0.0.0.0:9740\"\n").unwrap_err();
        assert!(error.contains("not a loopback address"), "{error}");
        let error = AgentConfig::parse("[probes]\nargument = true\n").unwrap_err();
        assert!(error.contains("arguments"), "{error}");
        let error = AgentConfig::parse("[probation]\npatience = \"1m\"\n").unwrap_err();
        assert!(error.contains("nothing could ever be proven"), "{error}");
    }

    #[test]
    fn a_probe_stands_for_all_of_its_items() {
        let probation = ProbationConfig::default();
        let item = |text| ItemName::parse(text).unwrap();
        assert!(probation.is_gated(&item("disk_usage:/var")));
        assert!(!probation.is_gated(&item("cpu_load")));
    }
}
