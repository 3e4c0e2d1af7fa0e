//! The first start: what a server makes for itself before it serves anybody.
//!
//! 1. the key, then the certificate of the fleet's certificate authority;
//! 2. the online keys of the repository;
//! 3. `admin.password` with the first user's password, then that user in the database (its hash only), and
//!    `operator.toml` with an API token of that user in the same way;
//! 4. a token that enrols one host;
//! 5. the note in the database that all this is done.
//!
//! Every step looks at what is there, so a start that was killed between any two steps is completed by the next
//! one. Once the note is written nothing is made anew: a certificate authority that has gone is an error, because
//! a new one would not be believed by any host.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lockstep_model::api::operator::{CreatedToken, Password};
use lockstep_model::{Interval, Role, UserName};
use lockstep_store::{NewApiToken, Store};
use lockstep_trust::SigningKey;
use lockstep_trust::identity::{CertificateAuthority, OperatorToken, password};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::data_dir::{self, DataDir};
use crate::services::tokens;

/// What a person needs after the first start.
#[derive(Debug, Clone)]
pub struct FirstStart {
    /// The file that lets the command line work as an operator.
    pub operator_file: PathBuf,
    /// The first user, an admin.
    pub user: String,
    /// The file with that user's password; it is there until the password is changed.
    pub password_file: PathBuf,
    /// The address of the pages.
    pub pages: String,
    /// A token for one host, with the command that enrols it.
    pub enrolment: CreatedToken,
}

/// The contents of `operator.toml`: how a command line reaches a server and proves who uses it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorFile {
    /// Base address of the operator API, e.g. `https://updates.example.org:7443`.
    pub server: String,
    /// The token; it is as good as a password.
    pub token: String,
    /// The certificate authority to trust, PEM.
    pub ca: String,
}

impl std::fmt::Debug for OperatorFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperatorFile")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl OperatorFile {
    /// Parses the file's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    pub(crate) fn to_text(&self) -> String {
        // Hand-written for the sake of the comment; the values hold no quotes and no backslashes.
        format!(
            "# How the lockstep command reaches this server. Whoever can read this file is an operator.\n\
             server = \"{}\"\ntoken = \"{}\"\nca = \"\"\"\n{}\"\"\"\n",
            self.server, self.token, self.ca
        )
    }
}

/// What the server stands on.
pub(crate) struct Foundations {
    pub(crate) authority: CertificateAuthority,
    pub(crate) online: OnlineSigners,
    pub(crate) first_start: Option<FirstStart>,
}

/// The keys that sign what the server says of the repository's freshness.
pub(crate) struct OnlineSigners {
    pub(crate) snapshot: SigningKey,
    pub(crate) timestamp: SigningKey,
}

/// Addresses that stand in what is given to people.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    /// Of the agent API.
    pub(crate) agents: String,
    /// Of the operator API.
    pub(crate) operators: String,
    /// True if the port was chosen by the operating system, so that it differs at every start.
    pub(crate) fleeting: bool,
}

/// The name of the user that the first start makes.
pub(crate) const FIRST_USER: &str = "admin";
/// The setting that says that the first start is complete.
const FOUNDED: &str = "founded";
/// How long the first enrolment token is valid.
const FIRST_TOKEN: Interval = Interval::from_secs(86_400);

/// Makes what is missing, and loads the rest.
pub(crate) async fn lay_foundations(
    data: &DataDir,
    store: &Store,
    addresses: &Addresses,
    now: Timestamp,
) -> Result<Foundations, Error> {
    let founded = store
        .setting(FOUNDED)
        .await
        .map_err(Error::database("reading its settings"))?
        .is_some();
    let authority = authority(data, founded, now)?;
    let online = OnlineSigners {
        snapshot: online_key(&data.online_key("snapshot"))?,
        timestamp: online_key(&data.online_key("timestamp"))?,
    };
    if founded {
        refresh_operator_file(data, addresses)?;
        return Ok(Foundations {
            authority,
            online,
            first_start: None,
        });
    }

    let admin = first_user(data, store, now).await?;
    let operator_file = first_token(data, store, &authority, addresses, &admin, now).await?;
    let enrolment = tokens::create(
        store,
        &authority,
        &addresses.agents,
        &tokens::Order {
            uses: 1,
            valid_for: FIRST_TOKEN,
            host: None,
            by: FIRST_USER,
        },
        now,
    )
    .await?;
    store
        .set_setting(FOUNDED, &now.to_string())
        .await
        .map_err(Error::database("noting that the first start is complete"))?;
    tracing::info!(operator_file = %operator_file.display(), "the first start is complete");
    Ok(Foundations {
        authority,
        online,
        first_start: Some(FirstStart {
            operator_file,
            user: FIRST_USER.into(),
            password_file: data.password_file(),
            pages: addresses.operators.clone(),
            enrolment,
        }),
    })
}

/// The key is written before the certificate: a certificate without its key would look like a whole authority.
fn authority(data: &DataDir, founded: bool, now: Timestamp) -> Result<CertificateAuthority, Error> {
    let (certificate_path, key_path) = (data.authority_certificate(), data.authority_key());
    let certificate = data_dir::read(&certificate_path)?;
    let key = data_dir::read(&key_path)?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            CertificateAuthority::load(&certificate, &key).map_err(|error| Error::Damaged {
                path: certificate_path,
                why: format!("and its key are no certificate authority: {error}"),
            })
        }
        (certificate, _) if founded => Err(Error::Damaged {
            path: if certificate.is_none() {
                certificate_path
            } else {
                key_path
            },
            why: "is missing, but the database knows a fleet that trusts it".into(),
        }),
        _ => {
            let authority =
                CertificateAuthority::create("Lockstep", now).map_err(|error| Error::Identity {
                    what: "the certificate authority",
                    why: error.to_string(),
                })?;
            data_dir::write_private(&key_path, authority.key_pem())?;
            data_dir::write_public(&certificate_path, authority.cert_pem())?;
            tracing::info!(fingerprint = %authority.fingerprint(), "made the certificate authority");
            Ok(authority)
        }
    }
}

/// An online key that is missing is made anew even later: the publisher's next root then has to name it, and until
/// then agents stay with the metadata that they have.
fn online_key(path: &Path) -> Result<SigningKey, Error> {
    let damaged = |error: lockstep_trust::Error| Error::Damaged {
        path: path.into(),
        why: format!("is no signing key: {error}"),
    };
    if let Some(pem) = data_dir::read(path)? {
        return SigningKey::from_pem(&pem).map_err(damaged);
    }
    let failed = |error: lockstep_trust::Error| Error::Identity {
        what: "an online key",
        why: error.to_string(),
    };
    let key = SigningKey::generate().map_err(failed)?;
    data_dir::write_private(path, &key.to_pem().map_err(failed)?)?;
    tracing::info!(key = key.id(), path = %path.display(), "made an online key");
    Ok(key)
}

/// The file with the first user's password, in a data directory.
pub(crate) fn password_file(data: &Path) -> PathBuf {
    data.join("admin.password")
}

/// The first user, with the password of a start that was cut off if there was one.
pub(crate) async fn first_user(
    data: &DataDir,
    store: &Store,
    now: Timestamp,
) -> Result<UserName, Error> {
    let doing = "making the first user";
    let failed = |why: String| Error::Identity { what: doing, why };
    let path = data.password_file();
    let name = UserName::parse(FIRST_USER).map_err(|error| failed(error.to_string()))?;
    let kept = data_dir::read(&path)?.map(|text| Password(text.trim().into()));
    let word = match kept.filter(|kept| password::check(kept, &name).is_ok()) {
        Some(kept) => kept,
        None => {
            let new = password::generate().map_err(|error| failed(error.to_string()))?;
            data_dir::write_private(&path, &format!("{}\n", new.0))?;
            new
        }
    };
    let hash = password::hash(&word).map_err(|error| failed(error.to_string()))?;
    let made = store.create_user(&name, Role::Admin, Some(&hash), now);
    if !made.await.map_err(Error::database(doing))? {
        let set = store.set_password(&name, &hash, None);
        set.await.map_err(Error::database(doing))?;
    }
    Ok(name)
}

async fn first_token(
    data: &DataDir,
    store: &Store,
    authority: &CertificateAuthority,
    addresses: &Addresses,
    admin: &UserName,
    now: Timestamp,
) -> Result<PathBuf, Error> {
    let path = data.operator_file();
    // A file from a start that was cut off is used again if it speaks of this authority.
    let token = data_dir::read(&path)?
        .and_then(|text| OperatorFile::parse(&text).ok())
        .filter(|file| file.ca.trim() == authority.cert_pem().trim())
        .and_then(|file| OperatorToken::parse(&file.token).ok());
    let token = match token {
        Some(token) => token,
        None => OperatorToken::generate().map_err(|error| Error::Identity {
            what: "the operator's token",
            why: error.to_string(),
        })?,
    };
    let file = OperatorFile {
        server: addresses.operators.clone(),
        token: token.to_string(),
        ca: authority.cert_pem().into(),
    };
    data_dir::write_private(&path, &file.to_text())?;
    let doing = "making the first API token";
    let known = store
        .api_token(token.id())
        .await
        .map_err(Error::database(doing))?;
    if known.is_none() {
        let token = NewApiToken {
            id: token.id(),
            secret_hash: &token.secret_hash(),
            user: admin,
            role: Role::Admin,
            label: "operator.toml of the first start",
            expires_at: None,
        };
        store
            .create_api_token(&token, now)
            .await
            .map_err(Error::database(doing))?;
    }
    Ok(path)
}

/// Where the port differs at every start, the file follows it; otherwise it belongs to the operator, who may have
/// moved it away or changed the address.
fn refresh_operator_file(data: &DataDir, addresses: &Addresses) -> Result<(), Error> {
    if !addresses.fleeting {
        return Ok(());
    }
    let path = data.operator_file();
    let Some(mut file) = data_dir::read(&path)?.and_then(|text| OperatorFile::parse(&text).ok())
    else {
        return Ok(());
    };
    file.server.clone_from(&addresses.operators);
    data_dir::write_private(&path, &file.to_text())
}
