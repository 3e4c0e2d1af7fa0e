//! Which agents a server talks to.
//!
//! An agent outside of the policy is told which version is wanted and may do nothing but update; what exactly it
//! may still ask for is the server's matter, not decided here.

use std::fmt;
use std::str::FromStr;

use lockstep_model::{Version, VersionError, VersionRange};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which versions of the agent a server talks to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AgentPolicy {
    /// `any`: every version.
    #[default]
    Any,
    /// `=server`: the server's own version.
    SameAsServer,
    /// A range such as `>=1.3, <2`.
    Range(VersionRange),
}

/// A text is not a policy.
#[derive(Debug, thiserror::Error)]
#[error("an agent policy is \"any\", \"=server\" or a range of versions: {0}")]
pub struct AgentPolicyError(#[source] VersionError);

/// Why an agent is turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this server ({server}) talks to agents of version {wanted} only; this one is {agent} and has to update first"
)]
pub struct Refusal {
    /// The agent's version.
    pub agent: Version,
    /// The server's version.
    pub server: Version,
    /// The versions it talks to.
    pub wanted: VersionRange,
}

impl AgentPolicy {
    /// Parses `any`, `=server`, or a range of versions.
    pub fn parse(text: &str) -> Result<Self, AgentPolicyError> {
        match text.trim() {
            "any" => Ok(Self::Any),
            "=server" => Ok(Self::SameAsServer),
            range => VersionRange::parse(range)
                .map(Self::Range)
                .map_err(AgentPolicyError),
        }
    }

    /// Whether a server of version `server` talks to an agent of version `agent`.
    pub fn check(&self, agent: &Version, server: &Version) -> Result<(), Refusal> {
        let wanted = match self {
            Self::Any => return Ok(()),
            Self::SameAsServer => VersionRange::exactly(server),
            Self::Range(range) => range.clone(),
        };
        if wanted.contains(agent) {
            return Ok(());
        }
        Err(Refusal {
            agent: agent.clone(),
            server: server.clone(),
            wanted,
        })
    }
}

impl fmt::Display for AgentPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::SameAsServer => f.write_str("=server"),
            Self::Range(range) => fmt::Display::fmt(range, f),
        }
    }
}
impl FromStr for AgentPolicy {
    type Err = AgentPolicyError;
    fn from_str(text: &str) -> Result<Self, AgentPolicyError> {
        Self::parse(text)
    }
}
impl Serialize for AgentPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for AgentPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    fn admits(policy: &str, agent: &str, server: &str) -> bool {
        AgentPolicy::parse(policy)
            .unwrap()
            .check(&version(agent), &version(server))
            .is_ok()
    }

    #[test]
    fn the_three_policies() {
        assert!(admits("any", "0.0.1-alpha", "9.9.9"));
        assert!(admits("=server", "1.4.0", "1.4.0"));
        assert!(!admits("=server", "1.4.1", "1.4.0"));
        assert!(!admits("=server", "1.4.0-rc.1", "1.4.0"));
        assert!(admits("=server", "1.4.0-rc.1", "1.4.0-rc.1"));
        assert!(admits(">=1.3, <2", "1.9.0", "1.4.0"));
        assert!(!admits(">=1.3, <2", "1.2.9", "1.4.0"));
        assert!(!admits(">=1.3, <2", "2.0.0", "1.4.0"));
    }

    #[test]
    fn a_refusal_names_what_is_wanted() {
        let refusal = AgentPolicy::SameAsServer
            .check(&version("1.3.2"), &version("1.4.0"))
            .unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "this server (1.4.0) talks to agents of version =1.4.0 only; this one is 1.3.2 and has to update first"
        );
    }

    #[test]
    fn policies_survive_the_round_trip() {
        for text in ["any", "=server", ">=1.3, <2"] {
            let policy = AgentPolicy::parse(text).unwrap();
            assert_eq!(AgentPolicy::parse(&policy.to_string()).unwrap(), policy);
            let json = serde_json::to_string(&policy).unwrap();
            assert_eq!(serde_json::from_str::<AgentPolicy>(&json).unwrap(), policy);
        }
        let error = AgentPolicy::parse("newest").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("\"newest\" is not a version range"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn an_agent_of_the_servers_own_version_passes_unless_a_range_excludes_it(
            major in 0u64..4, minor in 0u64..4, patch in 0u64..4, pre in "(-rc\\.[1-9])?"
        ) {
            let own = version(&format!("{major}.{minor}.{patch}{pre}"));
            prop_assert!(AgentPolicy::SameAsServer.check(&own, &own).is_ok());
            prop_assert!(AgentPolicy::Any.check(&own, &own).is_ok());
        }

        #[test]
        fn no_text_breaks_the_parser(text in "\\PC{0,60}") {
            if let Ok(policy) = AgentPolicy::parse(&text) {
                prop_assert_eq!(AgentPolicy::parse(&policy.to_string()).unwrap(), policy);
            }
        }
    }
}
