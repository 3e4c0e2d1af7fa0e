//! How a device is asked: version, secret, protocols.

use lockstep_model::SnmpVersion;
use snmp2::v3::{Auth, AuthProtocol, Cipher, KeyExtension, Security};

use crate::probe::Order;
use crate::{SnmpAuth, SnmpPrivacy, SnmpSecret};

/// What makes a device answer.
#[derive(Clone)]
pub(super) enum Access {
    Community(String),
    User(Box<Security>),
}

/// RFC 3414, section 11.2.
const SHORTEST_PASSWORD: usize = 8;

impl Access {
    /// The secret of this name, for that host.
    pub(super) fn of(
        order: &Order,
        name: &str,
        version: SnmpVersion,
        host: &str,
    ) -> Result<Self, String> {
        let Some(secret) = order.secrets.snmp.get(name) else {
            return Err(format!("secrets.toml of this host has no [snmp.{name}]"));
        };
        // The server chooses whom to ask: a secret that may go anywhere would be the server's.
        if !secret.hosts.iter().any(|glob| glob.matches(host)) {
            return Err(format!(
                "the secret [snmp.{name}] is not for {host}; if it should be, add that to its `hosts` in secrets.toml"
            ));
        }
        let lacks = |what: &str| format!("the secret [snmp.{name}] in secrets.toml {what}");
        match version {
            SnmpVersion::V2c => match &secret.community {
                Some(community) => Ok(Self::Community(community.clone())),
                None => Err(lacks("has no `community`, and version 2c needs one")),
            },
            SnmpVersion::V3 => security(secret)
                .map(|security| Self::User(Box::new(security)))
                .map_err(lacks),
        }
    }

    /// What it may mean that nobody answers.
    pub(super) fn silence(&self) -> String {
        match self {
            Self::Community(_) => {
                "no answer in time; a device is silent, too, when it does not know the community"
            }
            Self::User(_) => "no answer in time",
        }
        .into()
    }
}

fn security(secret: &SnmpSecret) -> Result<Security, &'static str> {
    let Some(user) = &secret.user else {
        return Err("has no `user`, and version 3 needs one");
    };
    let password = |password: &Option<String>, missing| match password {
        None => Err(missing),
        Some(password) if password.len() < SHORTEST_PASSWORD => {
            Err("has a password of less than eight bytes, which SNMP does not take")
        }
        Some(password) => Ok(password.clone().into_bytes()),
    };
    let (protocol, auth_password) = match (secret.auth, &secret.auth_password) {
        (None, None) if secret.privacy.is_some() => {
            return Err("has `privacy` without `auth`, which SNMP does not know");
        }
        (None, None) => {
            return Ok(Security::new(user.as_bytes(), b"").with_auth(Auth::NoAuthNoPriv));
        }
        (auth, given) => (
            auth.unwrap_or(SnmpAuth::Sha),
            password(given, "has `auth` without `auth_password`")?,
        ),
    };
    let security = Security::new(user.as_bytes(), &auth_password)
        .with_auth_protocol(auth_protocol(protocol))
        // Cisco's way to make a key that is longer than the hash; none of the standards has one.
        .with_key_extension_method(KeyExtension::Reeder);
    Ok(match (secret.privacy, &secret.privacy_password) {
        (None, None) => security.with_auth(Auth::AuthNoPriv),
        (privacy, given) => security.with_auth(Auth::AuthPriv {
            cipher: cipher(privacy.unwrap_or(SnmpPrivacy::Aes)),
            privacy_password: password(given, "has `privacy` without `privacy_password`")?,
        }),
    })
}

fn auth_protocol(auth: SnmpAuth) -> AuthProtocol {
    match auth {
        SnmpAuth::Md5 => AuthProtocol::Md5,
        SnmpAuth::Sha => AuthProtocol::Sha1,
        SnmpAuth::Sha224 => AuthProtocol::Sha224,
        SnmpAuth::Sha256 => AuthProtocol::Sha256,
        SnmpAuth::Sha384 => AuthProtocol::Sha384,
        SnmpAuth::Sha512 => AuthProtocol::Sha512,
    }
}

fn cipher(privacy: SnmpPrivacy) -> Cipher {
    match privacy {
        SnmpPrivacy::Des => Cipher::Des,
        SnmpPrivacy::Aes => Cipher::Aes128,
        SnmpPrivacy::Aes192 => Cipher::Aes192,
        SnmpPrivacy::Aes256 => Cipher::Aes256,
    }
}

/// Nothing of a secret is ever printed.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Community(_) => "Community(…)",
            Self::User(_) => "User(…)",
        })
    }
}
