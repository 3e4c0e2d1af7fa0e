//! Sessions: users who have signed in to the pages.
//!
//! The browser has a cookie with 256 random bits, the store their hash. A session ends when it is ended, when its user is
//! removed or gets another password, twelve hours after it was used last, and seven days after it began. What was read of a
//! session is believed for some seconds, so that each page does not ask the database; what this server does to sessions and
//! users counts at once, what another server over the same database does counts after those seconds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use lockstep_model::api::operator::{Password, SessionView};
use lockstep_model::{Role, UserName};
use lockstep_store::SessionRow;
use lockstep_trust::identity::SessionSecret;

use crate::app::{App, Asker, SignedIn};
use crate::services::{audit, passwords};
use crate::web::{Refusal, cookie};

/// The cookie. Browsers take a name that begins so over TLS, for this host and all its paths alone (RFC 6265bis, section
/// 4.1.3.2).
pub(crate) const COOKIE: &str = "__Host-lockstep";
/// A session that was not used for so long is over.
pub(crate) const IDLE: Duration = Duration::from_secs(12 * 3600);
/// Every session is over then.
pub(crate) const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// The use of a session or a token is noted so often at most.
pub(crate) const NOTED: Duration = Duration::from_secs(5 * 60);
/// What was read is believed for so long.
const BELIEVED: Duration = Duration::from_secs(5);
/// Sessions that are remembered; with more all are forgotten and read again.
const REMEMBERED: usize = 10_000;

/// Whether a request is one of somebody, or of a page that was left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// It keeps the session alive.
    ByHand,
    /// It does not.
    ByItself,
}

impl Use {
    /// What the script of a page sends when it fetches the page again.
    const LIVE: &str = "x-live";

    /// What a request is. The live stream is opened again by the browser each time that it ends, without any headers of ours.
    pub(crate) fn of(path: &str, headers: &HeaderMap) -> Self {
        if path == "/live" || headers.contains_key(Self::LIVE) {
            Self::ByItself
        } else {
            Self::ByHand
        }
    }
}

/// A session that has begun.
pub(crate) struct NewSession {
    /// The value of `set-cookie`.
    pub(crate) cookie: String,
}

/// Sessions as they were read a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Grows with each change: what was read before is not remembered behind it.
    edition: u64,
    known: HashMap<String, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    name: UserName,
    role: Role,
    used_at: Timestamp,
    expires_at: Timestamp,
    read_at: Timestamp,
}

impl Sessions {
    /// Forgets what was read: a session, a user or a role has changed.
    pub(crate) fn changed(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.edition += 1;
        seen.known.clear();
    }

    /// What is known of a session, and the edition of all.
    fn find(&self, id: &str, now: Timestamp) -> (Option<Known>, u64) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.known.get(id).cloned();
        let fresh = known.filter(|it| it.read_at <= now && passed(it.read_at, now) < BELIEVED);
        (fresh, seen.edition)
    }

    fn remember(&self, id: &str, known: Known, edition: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.edition != edition {
            return;
        }
        if seen.known.len() >= REMEMBERED {
            seen.known.clear();
        }
        seen.known.insert(id.to_owned(), known);
    }
}

/// Signs a user in, or says why not: in the same words for all that may be wrong.
pub(crate) async fn sign_in(
    app: &App,
    name: &str,
    password: &Password,
    from: IpAddr,
    now: Timestamp,
) -> Result<NewSession, Refusal> {
    let verified = passwords::verify(app, name, password, from, now).await?;
    let secret =
        SessionSecret::generate().map_err(|error| Refusal::internal("making a session", &error))?;
    let new = lockstep_store::NewSession {
        id: &secret.id(),
        name: &verified.user.name,
        password: &verified.hash,
        at: now,
        expires_at: now + LONGEST,
        from: &from.to_string(),
        counted: &verified.counted,
    };
    if !app.store.create_session(&new).await? {
        // Removed, or given another password, this very moment.
        return Err(passwords::wrong());
    }
    let who = verified.user.name.as_str();
    audit::note(app, who, &format!("signed in from {from}"), now).await;
    let cookie = format!(
        "{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}",
        secret.reveal(),
        LONGEST.as_secs()
    );
    Ok(NewSession { cookie })
}

/// The value of `set-cookie` that takes the cookie away.
pub(crate) fn no_cookie() -> String {
    format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
}

/// Who has the cookie that came with a request; none without one, or when its session is over.
pub(crate) async fn of_cookie(
    app: &App,
    headers: &HeaderMap,
    use_of: Use,
    now: Timestamp,
) -> Result<Option<SignedIn>, Refusal> {
    let Some(secret) = cookie(headers, COOKIE).and_then(SessionSecret::parse) else {
        return Ok(None);
    };
    let id = secret.id();
    let Some((known, edition)) = look(app, &id, now).await? else {
        return Ok(None);
    };
    if use_of == Use::ByHand && passed(known.used_at, now) >= NOTED {
        app.store.note_session(&id, now).await?;
        let used = Known {
            used_at: now,
            ..known.clone()
        };
        app.sessions.remember(&id, used, edition);
    }
    Ok(Some(SignedIn {
        csrf: secret.csrf(),
        name: known.name,
        role: known.role,
        id,
    }))
}

/// True if a session goes on; asking is no use of it.
pub(crate) async fn is_open(app: &App, signed: &SignedIn) -> bool {
    match look(app, &signed.id, app.now()).await {
        Ok(known) => known.is_some(),
        Err(refusal) => {
            tracing::debug!(why = refusal.detail(), "cannot look at a session");
            false
        }
    }
}

/// A session that is not over.
async fn look(app: &App, id: &str, now: Timestamp) -> Result<Option<(Known, u64)>, Refusal> {
    let (known, edition) = app.sessions.find(id, now);
    let known = match known {
        Some(known) => known,
        None => {
            let Some(row) = app.store.session(id).await? else {
                return Ok(None);
            };
            let known = Known {
                name: row.name,
                role: row.role,
                used_at: row.used_at,
                expires_at: row.expires_at,
                read_at: now,
            };
            app.sessions.remember(id, known.clone(), edition);
            known
        }
    };
    Ok(is_on(known.used_at, known.expires_at, now).then_some((known, edition)))
}

fn is_on(used_at: Timestamp, expires_at: Timestamp, now: Timestamp) -> bool {
    now < expires_at && passed(used_at, now) < IDLE
}

/// Ends a user's own session.
pub(crate) async fn sign_out(app: &App, signed: &SignedIn, now: Timestamp) -> Result<(), Refusal> {
    app.store.end_session(&signed.id, None).await?;
    app.sessions.changed();
    audit::note(app, signed.name.as_str(), "signed out", now).await;
    Ok(())
}

/// The sessions that are open, newest first: one's own, or all for admins.
pub(crate) async fn list(
    app: &App,
    asker: &Asker,
    now: Timestamp,
) -> Result<Vec<SessionView>, Refusal> {
    open(app, asker.only_own(), now).await
}

/// The sessions of a user, or of all, that are open.
pub(crate) async fn open(
    app: &App,
    of: Option<&UserName>,
    now: Timestamp,
) -> Result<Vec<SessionView>, Refusal> {
    let sessions = app.store.sessions(of).await?.into_iter();
    let open = sessions.filter(|row| is_on(row.used_at, row.expires_at, now));
    Ok(open.map(view).collect())
}

fn view(row: SessionRow) -> SessionView {
    SessionView {
        id: row.id,
        user: row.name,
        created_at: row.created_at,
        used_at: row.used_at,
        expires_at: row.expires_at,
        from: row.from,
    }
}

/// Ends a session: one's own, or anybody's by an admin.
pub(crate) async fn end(app: &App, asker: &Asker, id: &str, now: Timestamp) -> Result<(), Refusal> {
    let whose = app.store.session(id).await?.map(|row| row.name);
    let ended = app.store.end_session(id, asker.only_own()).await?;
    app.sessions.changed();
    let (true, Some(whose)) = (ended, whose) else {
        return Err(Refusal::not_found(
            "there is no such session, or it has ended",
        ));
    };
    let what = format!("ended a session of user {whose}");
    audit::note(app, asker.name.as_str(), &what, now).await;
    Ok(())
}

/// A clock that was set back counts as one that stands still.
pub(crate) fn passed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(read_at: Timestamp) -> Known {
        Known {
            name: UserName::parse("ann").unwrap(),
            role: Role::Viewer,
            used_at: read_at,
            expires_at: read_at + LONGEST,
            read_at,
        }
    }

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_behind_it() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let sessions = Sessions::default();
        let (_, edition) = sessions.find("a", now);
        sessions.remember("a", known(now), edition);
        assert!(sessions.find("a", now).0.is_some());
        assert!(sessions.find("a", now + BELIEVED).0.is_none());
        assert!(sessions.find("a", now - BELIEVED).0.is_none());
        sessions.changed();
        assert!(sessions.find("a", now).0.is_none());
        sessions.remember("a", known(now), edition);
        assert!(
            sessions.find("a", now).0.is_none(),
            "read before the change"
        );
    }

    #[test]
    fn a_page_that_was_left_open_is_no_use_of_a_session() {
        let mut headers = HeaderMap::new();
        assert_eq!(Use::of("/hosts", &headers), Use::ByHand);
        assert_eq!(Use::of("/live", &headers), Use::ByItself);
        headers.insert("x-live", http::HeaderValue::from_static("1"));
        assert_eq!(Use::of("/hosts", &headers), Use::ByItself);
    }

    #[test]
    fn the_memory_is_bounded() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let sessions = Sessions::default();
        for number in 0..REMEMBERED + 5 {
            sessions.remember(&number.to_string(), known(now), 0);
        }
        assert!(sessions.seen.lock().unwrap().known.len() <= REMEMBERED);
    }
}
