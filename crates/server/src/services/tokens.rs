//! Enrolment tokens. The database knows their hashes only, so a secret is shown once, when it is made.

use jiff::Timestamp;
use lockstep_model::api::operator::{CreatedToken, TokenView};
use lockstep_model::{HostName, Interval};
use lockstep_store::{Store, StoredToken};
use lockstep_trust::identity::{CertificateAuthority, EnrollmentToken};

use crate::Error;
use crate::app::App;
use crate::web::Refusal;

/// What kind of token is wanted, and by whom.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    pub(crate) uses: u32,
    pub(crate) valid_for: Interval,
    pub(crate) host: Option<HostName>,
    pub(crate) by: &'a str,
}

/// All tokens that are kept.
pub(crate) async fn list(app: &App) -> Result<Vec<TokenView>, Refusal> {
    let tokens = app.store.tokens().await?.into_iter().map(|row| TokenView {
        id: row.id,
        uses: row.uses,
        used: row.used,
        expires_at: row.expires_at,
        host: row.host,
        created_by: row.created_by,
        revoked: row.revoked,
    });
    Ok(tokens.collect())
}

/// Makes a token and says how a host enrols with it at `agents`, the address of the agent API.
pub(crate) async fn create(
    store: &Store,
    authority: &CertificateAuthority,
    agents: &str,
    order: &Order<'_>,
    now: Timestamp,
) -> Result<CreatedToken, Error> {
    let token =
        EnrollmentToken::generate(authority.fingerprint()).map_err(|error| Error::Identity {
            what: "an enrolment token",
            why: error.to_string(),
        })?;
    let expires_at = now + order.valid_for.duration();
    store
        .create_token(StoredToken {
            id: token.id().into(),
            secret_hash: token.secret_hash(),
            uses: order.uses,
            expires_at,
            host: order.host.clone(),
            created_by: order.by.into(),
        })
        .await
        .map_err(Error::database("making an enrolment token"))?;
    tracing::info!(token = token.id(), uses = order.uses, %expires_at, by = order.by, "made an enrolment token");
    let name = order
        .host
        .as_ref()
        .map(|host| format!(" --name {host}"))
        .unwrap_or_default();
    Ok(CreatedToken {
        command: format!("lockstep agent enroll {agents} --token {token}{name}"),
        token: token.to_string(),
        expires_at,
    })
}
