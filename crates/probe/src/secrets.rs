//! The secrets of a host: what devices and services want to hear before they answer. They stay on this host; the
//! fleet file only names them.

use std::collections::BTreeMap;

use lockstep_model::Glob;
use serde::Deserialize;

/// `secrets.toml`, readable for the agent's user alone.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// `[snmp.NAME]`.
    pub snmp: BTreeMap<String, SnmpSecret>,
    /// `[http.NAME]`.
    pub http: BTreeMap<String, HttpSecret>,
}

/// What an SNMP agent wants to hear: a community for version 2c; a user, and mostly passwords, for version 3.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnmpSecret {
    /// Version 2c: the community.
    pub community: Option<String>,
    /// Version 3: the user.
    pub user: Option<String>,
    /// How messages are authenticated.
    pub auth: Option<SnmpAuth>,
    /// The password for that; at least eight bytes.
    pub auth_password: Option<String>,
    /// How messages are encrypted.
    pub privacy: Option<SnmpPrivacy>,
    /// The password for that; at least eight bytes.
    pub privacy_password: Option<String>,
    /// Names or addresses that it may be sent to, with `*` and `?`. Without any it is sent nowhere: the server
    /// chooses whom to ask, and must not have it sent to itself.
    pub hosts: Vec<Glob>,
}

/// How SNMP messages are authenticated (RFC 3414, RFC 7860).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnmpAuth {
    /// HMAC-MD5-96.
    Md5,
    /// HMAC-SHA-96.
    #[serde(alias = "sha1")]
    Sha,
    /// HMAC-128-SHA-224.
    Sha224,
    /// HMAC-192-SHA-256.
    Sha256,
    /// HMAC-256-SHA-384.
    Sha384,
    /// HMAC-384-SHA-512.
    Sha512,
}

/// How SNMP messages are encrypted (RFC 3414, RFC 3826).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnmpPrivacy {
    /// CBC-DES.
    Des,
    /// CFB128-AES-128.
    #[serde(alias = "aes128")]
    Aes,
    /// AES with 192 bits.
    Aes192,
    /// AES with 256 bits.
    Aes256,
}

/// What a web server wants to hear: a user and a password, or a token.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSecret {
    /// The user, for basic authentication.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// A bearer token.
    pub token: Option<String>,
    /// Names or addresses that it may be sent to, with `*` and `?`. Without any it is sent nowhere: the addresses in
    /// the fleet file are the server's choice, and whoever has captured it must not be told the secret.
    pub hosts: Vec<Glob>,
}

/// Nothing of a secret is ever printed.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets")
            .field("snmp", &self.snmp.keys())
            .field("http", &self.http.keys())
            .finish()
    }
}
impl std::fmt::Debug for SnmpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SnmpSecret(…)")
    }
}
impl std::fmt::Debug for HttpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_and_never_printed() {
        let text = serde_json::json!({
            "snmp": {
                "old": { "community": "hunter2" },
                "new": {
                    "user": "ann", "auth": "sha", "auth_password": "hunter2hunter2",
                    "privacy": "aes", "privacy_password": "hunter2hunter2", "hosts": ["10.*"],
                },
            },
            "http": { "board": { "token": "hunter2", "hosts": ["board.example.org"] } },
        });
        let secrets: Secrets = serde_json::from_value(text).unwrap();
        assert_eq!(secrets.snmp["new"].auth, Some(SnmpAuth::Sha));
        assert_eq!(secrets.snmp["new"].privacy, Some(SnmpPrivacy::Aes));
        let shown = format!(
            "{secrets:?} {:?} {:?}",
            secrets.snmp["old"], secrets.http["board"]
        );
        assert!(
            shown.contains("board") && !shown.contains("hunter2"),
            "{shown}"
        );
        for bad in [
            serde_json::json!({"snmp": {"x": {"comunity": "public"}}}),
            serde_json::json!({"snmp": {"x": {"user": "ann", "auth": "rot13"}}}),
            serde_json::json!({"smtp": {}}),
        ] {
            assert!(serde_json::from_value::<Secrets>(bad).is_err());
        }
    }
}
