//! The secrets of a host: what devices and services want to hear before they answer. They stay on this host; the
//! fleet file only names them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `secrets.toml`, readable for the agent's user alone.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// `[snmp.NAME]`.
    pub snmp: BTreeMap<String, SnmpSecret>,
}

/// What an SNMP agent wants to hear.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnmpSecret {
    /// Version 2c: the community.
    pub community: Option<String>,
}

/// Nothing of a secret is ever printed.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets")
            .field("snmp", &self.snmp.keys())
            .finish()
    }
}
impl std::fmt::Debug for SnmpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SnmpSecret(…)")
    }
}
