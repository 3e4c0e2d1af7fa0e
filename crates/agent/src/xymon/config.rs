//! `[report.xymon]` of `agent.toml`.

use std::path::PathBuf;

use lockstep_gateway::xymon::client::Recipient;
use lockstep_model::Interval;
use serde::{Deserialize, Serialize};

/// To which Xymon server this host reports, and what it takes from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XymonReport {
    /// The server: `HOST` or `HOST:PORT`.
    pub server: Recipient,
    /// The name under which the server knows this host; left out: the name of its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The class whose block of `client-local.cfg` is wanted; left out: `linux`, the system's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Time between two reports.
    #[serde(default = "five_minutes")]
    pub interval: Interval,
    /// The directory of a Xymon client on this host, whose version is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<PathBuf>,
    /// True keeps that directory at the version that the server wants. What comes is not signed, and comes in plain text.
    #[serde(default)]
    pub update: bool,
}

fn five_minutes() -> Interval {
    Interval::from_secs(300)
}

impl XymonReport {
    /// Refuses what parses but makes no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.update && self.home.is_none() {
            return Err("report.xymon.update: home says which directory is kept current".into());
        }
        if let Some(home) = &self.home
            && !home.is_absolute()
        {
            let home = home.display();
            return Err(format!("report.xymon.home: {home} is not an absolute path"));
        }
        if self.interval.duration().as_secs() < 10 {
            return Err("report.xymon.interval: ten seconds at least".into());
        }
        let plain = |text: &String| {
            !text.is_empty()
                && text.len() <= 253
                && text.chars().all(|c| c.is_ascii_graphic() && c != ',')
        };
        for (key, text) in [("host", &self.host), ("class", &self.class)] {
            if text.as_ref().is_some_and(|text| !plain(text)) {
                return Err(format!("report.xymon.{key}: one word, without commas"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::AgentConfig;

    #[test]
    fn a_server_is_enough() {
        let config =
            AgentConfig::parse("[report.xymon]\nserver = \"xymon.example.org\"\n").unwrap();
        assert_eq!(AgentConfig::parse(&config.to_toml()).unwrap(), config);
        let xymon = config.report.xymon.unwrap();
        assert_eq!(xymon.server.to_string(), "xymon.example.org:1984");
        assert_eq!(xymon.interval.duration().as_secs(), 300);
        assert!(!xymon.update && xymon.home.is_none());
        let whole = "[report.xymon]\nserver = \"127.0.0.1:7\"\nhost = \"www\"\nclass = \"web\"\ninterval = \"1m\"\nhome = \"/opt/xymon-client\"\nupdate = true\n";
        let config = AgentConfig::parse(whole).unwrap();
        assert_eq!(AgentConfig::parse(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("update = true", "home"),
            ("home = \"client\"", "absolute"),
            ("interval = \"1s\"", "ten seconds"),
            ("class = \"a b\"", "class"),
            ("hots = \"x\"", "hots"),
        ] {
            let text = format!("[report.xymon]\nserver = \"x\"\n{line}\n");
            let error = AgentConfig::parse(&text).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
        assert!(AgentConfig::parse("[report.xymon]\nserver = \"http://x/\"\n").is_err());
    }
}
