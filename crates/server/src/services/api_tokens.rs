//! API tokens: by what users' programs ask. A token may do what its role says, and never more than its user.

use jiff::Timestamp;
use lockstep_model::api::operator::{ApiTokenView, CreatedApiToken, NewApiToken};
use lockstep_model::{Interval, ProblemKind, Role};
use lockstep_trust::identity::{OperatorToken, same_secret};

use crate::app::{App, Asker};
use crate::first_start::OperatorFile;
use crate::services::{audit, sessions};
use crate::web::Refusal;

/// Longest label, in bytes.
const LABEL: usize = 200;
/// A token that has an end has it within ten years.
const LONGEST: Interval = Interval::from_secs(3660 * 86_400);

/// A token that is good now.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) user: lockstep_model::UserName,
    pub(crate) role: Role,
}

/// Whose token this is and what it may do; none if it is not a good one.
pub(crate) async fn identify(
    app: &App,
    token: &OperatorToken,
    now: Timestamp,
) -> Result<Option<Known>, Refusal> {
    let Some(row) = app.store.api_token(token.id()).await? else {
        return Ok(None);
    };
    if !same_secret(&row.secret_hash, &token.secret_hash()) {
        return Ok(None);
    }
    if row.expires_at.is_some_and(|end| end <= now) {
        return Ok(None);
    }
    if row
        .used_at
        .is_none_or(|used| sessions::passed(used, now) >= sessions::NOTED)
    {
        app.store.note_api_token(&row.id, now).await?;
    }
    Ok(Some(Known {
        role: row.role.min(row.user_role),
        user: row.user,
    }))
}

/// The tokens that are worth something, newest first: one's own, or all for admins.
pub(crate) async fn list(
    app: &App,
    asker: &Asker,
    now: Timestamp,
) -> Result<Vec<ApiTokenView>, Refusal> {
    let rows = app.store.api_tokens(asker.only_own()).await?.into_iter();
    let good = rows.filter(|row| row.expires_at.is_none_or(|end| now < end));
    let views = good.map(|row| ApiTokenView {
        id: row.id,
        user: row.user,
        role: row.role,
        label: row.label,
        created_at: row.created_at,
        expires_at: row.expires_at,
        used_at: row.used_at,
    });
    Ok(views.collect())
}

/// Makes a token; its secret is in the answer and nowhere else.
pub(crate) async fn create(
    app: &App,
    asker: &Asker,
    new: &NewApiToken,
    now: Timestamp,
) -> Result<CreatedApiToken, Refusal> {
    let user = new.user.as_ref().unwrap_or(&asker.name);
    if *user != asker.name && asker.role < Role::Admin {
        return Err(not_allowed(format!(
            "only admins make tokens for others; {} has the role {}",
            asker.name, asker.role
        )));
    }
    if new.role > asker.role {
        return Err(not_allowed(format!(
            "nobody makes a token that may do more than himself: role {} is wanted, {} is what {} has here",
            new.role, asker.role, asker.name
        )));
    }
    if new.label.trim().is_empty()
        || new.label.len() > LABEL
        || new.label.contains(char::is_control)
    {
        return Err(Refusal::bad_request(format!(
            "label: say in 1 to {LABEL} bytes, on one line, what the token is for"
        )));
    }
    if let Some(valid) = new.valid_for
        && !(Interval::from_secs(1)..=LONGEST).contains(&valid)
    {
        return Err(Refusal::bad_request(format!(
            "valid_for: {valid} must be between 1s and {LONGEST}"
        )));
    }
    let unknown = || Refusal::not_found(format!("there is no user {user}"));
    let owner = app.store.user(user, now).await?.ok_or_else(unknown)?;
    if new.role > owner.role {
        return Err(Refusal::conflict(format!(
            "user {user} has the role {}, a token cannot have the role {}",
            owner.role, new.role
        )));
    }
    let token = OperatorToken::generate()
        .map_err(|error| Refusal::internal("making an API token", &error))?;
    let expires_at = new.valid_for.map(|valid| now + valid.duration());
    let stored = lockstep_store::NewApiToken {
        id: token.id(),
        secret_hash: &token.secret_hash(),
        user,
        role: new.role,
        label: &new.label,
        expires_at,
    };
    if !app.store.create_api_token(&stored, now).await? {
        return Err(unknown());
    }
    let (id, role, label) = (token.id(), new.role, &new.label);
    let what = format!("made API token {id} for user {user}, role {role}: {label}");
    audit::note(app, asker.name.as_str(), &what, now).await;
    let file = OperatorFile {
        server: app.addresses.operators.clone(),
        token: token.to_string(),
        ca: app.authority.cert_pem().into(),
    };
    Ok(CreatedApiToken {
        id: id.into(),
        operator_file: file.to_text(),
        token: file.token,
        expires_at,
    })
}

/// Makes a token worthless: one's own, or anybody's by an admin.
pub(crate) async fn revoke(
    app: &App,
    asker: &Asker,
    id: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    let tokens = app.store.api_tokens(asker.only_own()).await?;
    let whose = tokens.into_iter().find(|it| it.id == id).map(|it| it.user);
    if !app
        .store
        .revoke_api_token(id, asker.only_own(), now)
        .await?
    {
        return Err(Refusal::not_found(
            "there is no such token, or it was revoked before",
        ));
    }
    let what = match whose {
        Some(whose) => format!("revoked API token {id} of user {whose}"),
        None => format!("revoked API token {id}"),
    };
    audit::note(app, asker.name.as_str(), &what, now).await;
    Ok(())
}

fn not_allowed(words: String) -> Refusal {
    Refusal::new(ProblemKind::NotAllowed, words)
}
