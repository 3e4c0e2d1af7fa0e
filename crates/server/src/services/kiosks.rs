//! Kiosk tokens: by what screens on walls show `/kiosk`.
//!
//! A token is good for that page, for the hints that it lives by, and for nothing else. An address with the token in it is
//! opened once; from then on the browser shows a cookie, which no other door looks at. Of the secret only the hash is kept.

use std::net::IpAddr;

use http::HeaderMap;
use jiff::Timestamp;
use lockstep_model::api::operator::{CreatedKiosk, KioskView, NewKiosk};
use lockstep_model::{Interval, ProblemKind, Role, UserName};
use lockstep_store::KioskRow;
use lockstep_trust::identity::{KioskToken, same_secret};

use crate::app::{App, Asker, SignedIn};
use crate::services::{audit, sessions};
use crate::web::{Refusal, cookie};

/// The cookie. Browsers take a name that begins so over TLS, for this host and all its paths alone (RFC 6265bis, section
/// 4.1.3.2); that it opens one page only, the doors see to.
pub(crate) const COOKIE: &str = "__Host-lockstep-kiosk";
/// Longest label, in bytes.
const LABEL: usize = 200;
/// A token that has an end has it within ten years.
const LONGEST: Interval = Interval::from_secs(3660 * 86_400);
/// Browsers keep no cookie longer (RFC 6265bis, section 5.5): 400 days, from each look on.
const KEPT: i64 = 400 * 86_400;

/// A screen that shows the wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Screen {
    /// The identity of its token.
    pub(crate) id: String,
    /// From when on the token is worth nothing.
    expires_at: Option<Timestamp>,
}

impl Screen {
    /// The screen as one who looks: a viewer without a session, so that no form is one of his.
    pub(crate) fn viewer(&self) -> Result<SignedIn, Refusal> {
        let name = UserName::parse(&format!("kiosk-{}", self.id))
            .map_err(|error| Refusal::internal("naming a screen", &error))?;
        Ok(SignedIn {
            name,
            role: Role::Viewer,
            csrf: String::new(),
            id: String::new(),
        })
    }

    /// The value of `set-cookie` that keeps the screen in until its token ends.
    pub(crate) fn cookie(&self, token: &str, now: Timestamp) -> String {
        let left = self.expires_at.map(|end| end.duration_since(now).as_secs());
        let age = left.unwrap_or(KEPT).clamp(0, KEPT);
        format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={age}")
    }
}

/// The screen whose token this is, spelled as tokens are. Guessing is slowed down as at the operators' door, and soon no
/// longer heard of in the log, which never has the token.
pub(crate) async fn open(
    app: &App,
    text: &str,
    from: IpAddr,
    now: Timestamp,
) -> Result<(Screen, KioskToken), Refusal> {
    let found = match KioskToken::parse(text) {
        Ok(token) => good(app, &token, now).await?.map(|row| (row, token)),
        Err(_) => None,
    };
    let Some((row, token)) = found else {
        if let Some(wait) = app.bad_operators.must_wait(from, now) {
            let words = "too many requests with bad tokens came from this address";
            return Err(Refusal::busy(words, wait).with_status(http::StatusCode::TOO_MANY_REQUESTS));
        }
        app.bad_operators.failed(from, now);
        tracing::warn!(address = %from, "turned away a screen with a bad kiosk token");
        return Err(Refusal::not_authenticated(
            "the kiosk token in this address is not one of this server's, was revoked, or its time is over; an admin makes \
             another one",
        ));
    };
    if note(app, &row, from, now).await? {
        let what = format!("opened the wall from {from}, which is for: {}", row.label);
        audit::note(app, &format!("kiosk {}", row.id), &what, now).await;
    }
    Ok((screen(row), token))
}

/// The screen whose cookie came with a request, and its token; none without one, or when it is not good any more.
pub(crate) async fn of_cookie(
    app: &App,
    headers: &HeaderMap,
    from: IpAddr,
    now: Timestamp,
) -> Result<Option<(Screen, KioskToken)>, Refusal> {
    let Some(Ok(token)) = cookie(headers, COOKIE).map(KioskToken::parse) else {
        return Ok(None);
    };
    let Some(row) = good(app, &token, now).await? else {
        return Ok(None);
    };
    note(app, &row, from, now).await?;
    Ok(Some((screen(row), token)))
}

/// True if the token of a screen is still worth something.
pub(crate) async fn is_open(app: &App, screen: &Screen) -> bool {
    match app.store.kiosk(&screen.id).await {
        Ok(row) => row.is_some_and(|row| is_on(&row, app.now())),
        Err(error) => {
            tracing::debug!(%error, "cannot look at a kiosk token");
            false
        }
    }
}

async fn good(app: &App, token: &KioskToken, now: Timestamp) -> Result<Option<KioskRow>, Refusal> {
    let row = app.store.kiosk(token.id()).await?;
    Ok(row.filter(|row| same_secret(&row.secret_hash, &token.secret_hash()) && is_on(row, now)))
}

fn is_on(row: &KioskRow, now: Timestamp) -> bool {
    row.expires_at.is_none_or(|end| now < end)
}

fn screen(row: KioskRow) -> Screen {
    Screen {
        id: row.id,
        expires_at: row.expires_at,
    }
}

/// Notes now and then that a token is in use. True if it was noted.
async fn note(app: &App, row: &KioskRow, from: IpAddr, now: Timestamp) -> Result<bool, Refusal> {
    let used = row.used_at;
    if used.is_some_and(|used| sessions::passed(used, now) < sessions::NOTED) {
        return Ok(false);
    }
    let from = from.to_string();
    app.store.note_kiosk(&row.id, &from, now).await?;
    Ok(true)
}

/// The tokens that are worth something, newest first.
pub(crate) async fn list(app: &App, now: Timestamp) -> Result<Vec<KioskView>, Refusal> {
    let rows = app.store.kiosks(now).await?.into_iter();
    let views = rows.map(|row| KioskView {
        id: row.id,
        label: row.label,
        made_by: row.made_by,
        created_at: row.created_at,
        expires_at: row.expires_at,
        used_at: row.used_at,
        used_from: row.used_from,
    });
    Ok(views.collect())
}

/// Makes a token; its secret is in the answer and nowhere else. For admins, because whoever has it needs no user.
pub(crate) async fn create(
    app: &App,
    asker: &Asker,
    new: &NewKiosk,
    now: Timestamp,
) -> Result<CreatedKiosk, Refusal> {
    needs_admin(asker)?;
    let label = new.label.trim();
    if label.is_empty() || label.len() > LABEL || label.contains(char::is_control) {
        return Err(Refusal::bad_request(format!(
            "label: say in 1 to {LABEL} bytes, on one line, which screen the token is for"
        )));
    }
    if let Some(valid) = new.valid_for
        && !(Interval::from_secs(1)..=LONGEST).contains(&valid)
    {
        return Err(Refusal::bad_request(format!(
            "valid_for: {valid} must be between 1s and {LONGEST}"
        )));
    }
    let token = KioskToken::generate()
        .map_err(|error| Refusal::internal("making a kiosk token", &error))?;
    let expires_at = new.valid_for.map(|valid| now + valid.duration());
    let stored = lockstep_store::NewKiosk {
        id: token.id(),
        secret_hash: &token.secret_hash(),
        label,
        made_by: asker.name.as_str(),
        expires_at,
    };
    app.store.create_kiosk(&stored, now).await?;
    let id = token.id();
    let what = format!("made kiosk token {id}: {label}");
    audit::note(app, asker.name.as_str(), &what, now).await;
    Ok(CreatedKiosk {
        id: id.into(),
        address: format!("{}/kiosk?token={token}", app.addresses.operators),
        expires_at,
    })
}

/// Makes a token worthless: its screens show nothing new from now on.
pub(crate) async fn revoke(
    app: &App,
    asker: &Asker,
    id: &str,
    now: Timestamp,
) -> Result<(), Refusal> {
    needs_admin(asker)?;
    if !app.store.revoke_kiosk(id, now).await? {
        return Err(Refusal::not_found(
            "there is no such kiosk token, or it was revoked before",
        ));
    }
    let what = format!("revoked kiosk token {id}");
    audit::note(app, asker.name.as_str(), &what, now).await;
    Ok(())
}

fn needs_admin(asker: &Asker) -> Result<(), Refusal> {
    if asker.role >= Role::Admin {
        return Ok(());
    }
    Err(Refusal::new(
        ProblemKind::NotAllowed,
        format!(
            "kiosk tokens are made and revoked by admins; {} has the role {} here",
            asker.name, asker.role
        ),
    ))
}
