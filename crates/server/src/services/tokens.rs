//! Enrolment tokens. The database knows their hashes only, so a secret is shown once, when it is made.

use jiff::Timestamp;
use lockstep_model::api::operator::{CreatedToken, NewToken, TokenView};
use lockstep_model::{HostName, Interval};
use lockstep_store::{Store, StoredToken};
use lockstep_trust::identity::{CertificateAuthority, EnrollmentToken};

use super::audit;
use crate::Error;
use crate::app::App;
use crate::web::Refusal;

/// A token that enrols more hosts than this, or longer, is a password that everybody knows.
pub(crate) const MOST_USES: u32 = 100_000;
const LONGEST: Interval = Interval::from_secs(366 * 86_400);

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

/// Makes a token for an operator, within limits.
pub(crate) async fn make(
    app: &App,
    new: &NewToken,
    who: &str,
    now: Timestamp,
) -> Result<CreatedToken, Refusal> {
    if !(1..=MOST_USES).contains(&new.uses) {
        return Err(Refusal::bad_request(format!(
            "uses: {} must be between 1 and {MOST_USES}",
            new.uses
        )));
    }
    if new.valid_for > LONGEST {
        return Err(Refusal::bad_request(format!(
            "valid_for: {} is longer than {LONGEST}",
            new.valid_for
        )));
    }
    let order = Order {
        uses: new.uses,
        valid_for: new.valid_for,
        host: new.host.clone(),
        by: who,
    };
    let agents = &app.addresses.agents;
    let created = create(&app.store, &app.authority, agents, &order, now).await?;
    let whom = match &new.host {
        Some(host) => format!("host {host}"),
        None => format!("{} hosts", new.uses),
    };
    let what = format!(
        "made an enrolment token for {whom}, valid for {}",
        new.valid_for
    );
    audit::note(app, who, &what, now).await;
    Ok(created)
}

/// Makes a token worthless.
pub(crate) async fn revoke(app: &App, id: &str, who: &str, now: Timestamp) -> Result<(), Refusal> {
    if !app.store.revoke_token(id).await? {
        return Err(Refusal::not_found(
            "there is no such token, or it was revoked before",
        ));
    }
    audit::note(app, who, &format!("revoked enrolment token {id}"), now).await;
    Ok(())
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
