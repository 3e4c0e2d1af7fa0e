//! What is answered: objects and errors in Foreman's shape.

use axum::response::Response;
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use lockstep_model::{ContentHash, Holder, HostName};
use serde_json::{Value, json};

use crate::json;
use crate::seams::{LockSeen, LockSeenHolder, Trouble};

/// The type of locks that hosts bring into being by asking for them; here all are.
const TYPE: &str = "ForemanDlm::Dlmlock::Update";
/// What the plugin says when a lock is not to be had, or not to be given back.
const PRECONDITION: &str = "Precondition failed. Lock is in invalid state for this operation.";
/// What rows that change locks are answered with: who may do it, and how.
const ELSEWHERE: &str = "Locks are changed in the fleet file of Lockstep ([lock.NAME]); an operator disables one with \
                         \"lockstep lock disable NAME --why WHY\" and frees one with \"lockstep lock free NAME\". Hosts \
                         acquire and release.";

/// A number for a name, which stands where Foreman has the number of a row: the first 31 bits of its SHA-256. It is the
/// same for ever, and on each server. Two names can share one; whoever asks by name is not concerned.
#[must_use]
pub(super) fn id(name: &str) -> u32 {
    let hash = ContentHash::of(name.as_bytes());
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_be_bytes([a, b, c, d]) >> 1
}

/// A time as Foreman's API writes it.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The holder that the object shows: who asks, if it is one; else the one that came first.
fn holder<'a>(seen: &'a LockSeen, me: &HostName) -> Option<&'a LockSeenHolder> {
    let mine = seen
        .holders
        .iter()
        .find(|one| one.holder.host() == Some(me));
    mine.or_else(|| seen.holders.iter().min_by_key(|one| one.fence))
}

/// A lock. `changed` is when it last changed, if its holders do not say it.
pub(super) fn lock(
    seen: &LockSeen,
    name: &str,
    me: &HostName,
    changed: Option<Timestamp>,
) -> Value {
    let holder = holder(seen, me);
    let renewed = seen.holders.iter().map(|one| one.renewed_at).max();
    let host = holder.map(|one| {
        json!({ "name": one.holder.to_string(), "self": one.holder == Holder::Host(me.clone()) })
    });
    json!({
        "id": id(seen.name.as_str()),
        "name": name,
        "type": TYPE,
        "enabled": seen.enabled,
        "host_id": holder.map(|one| id(&one.holder.to_string())),
        "host": host,
        // Nobody keeps when a lock was first heard of.
        "created_at": null,
        "updated_at": renewed.max(changed).map(time),
    })
}

/// A list with what surrounds it.
pub(super) fn list(page: &super::Page, total: usize, found: Vec<Value>) -> Value {
    let subtotal = found.len();
    let first = page.per_page.saturating_mul(page.page - 1);
    let results: Vec<Value> = found.into_iter().skip(first).take(page.per_page).collect();
    json!({
        "total": total,
        "subtotal": subtotal,
        "page": page.page,
        "per_page": page.per_page,
        "search": page.search,
        "sort": { "by": "name", "order": "ASC" },
        "results": results,
    })
}

/// What has happened to a lock, as far as it is known: how its holders came to it.
pub(super) fn events(seen: &LockSeen) -> Vec<Value> {
    let event = |one: &LockSeenHolder| {
        json!({
            "id": one.fence,
            "event_type": "acquire",
            "created_at": time(one.since),
            "updated_at": time(one.since),
        })
    };
    seen.holders.iter().map(event).collect()
}

/// An answer with the headers that all of Foreman's have.
pub(super) fn say(status: StatusCode, value: &Value) -> Response {
    json::answer(status, value)
}

/// An error with a message.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    say(status, &json!({ "error": { "message": message } }))
}

/// 401. `user` is whom the certificate names, if anybody.
pub(super) fn unauthorized(user: &str, why: &str) -> Response {
    let message = format!("Unable to authenticate user {user}");
    let error = json!({ "message": message, "details": why });
    say(StatusCode::UNAUTHORIZED, &json!({ "error": error }))
}

/// 403 for a host that asks for what is done elsewhere.
pub(super) fn forbidden() -> Response {
    let error = json!({ "message": format!("Access denied. {ELSEWHERE}"), "details": ELSEWHERE });
    say(StatusCode::FORBIDDEN, &json!({ "error": error }))
}

/// 404 for a lock.
pub(super) fn unknown(asked: &str) -> Response {
    let message = format!("Resource dlmlock not found by id '{asked}'");
    error(StatusCode::NOT_FOUND, &message)
}

/// 412: the words of the plugin, and then ours, which say why.
pub(super) fn precondition_failed(lock: &lockstep_model::LockName, words: &str) -> Response {
    let error = json!({ "id": id(lock.as_str()), "message": format!("{PRECONDITION} {words}") });
    say(StatusCode::PRECONDITION_FAILED, &json!({ "error": error }))
}

/// 422 for a lock that cannot be here.
pub(super) fn unprocessable(message: &str) -> Response {
    let error = json!({
        "id": null,
        "errors": { "name": [message] },
        "full_messages": [format!("Name {message}")],
        "message": message,
    });
    say(StatusCode::UNPROCESSABLE_ENTITY, &json!({ "error": error }))
}

/// What the server could not do.
pub(super) fn trouble(trouble: &Trouble) -> Response {
    let status = json::status_of(trouble, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = error(status, &trouble.to_string());
    match trouble {
        Trouble::Busy { retry_after, .. } => json::retry_after(answer, *retry_after),
        _ => answer,
    }
}

/// What every answer says of the API: the version of Foreman that the plugin asks for at least, and the API's.
pub(super) async fn sign(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("foreman_version", HeaderValue::from_static("1.17.0"));
    headers.insert("foreman_api_version", HeaderValue::from_static("2"));
    response
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Fence, LockName};

    use super::*;

    fn seen(hosts: &[&str]) -> LockSeen {
        let at: Timestamp = "2026-11-20T12:00:00.9Z".parse().unwrap();
        let holder = |(number, host): (u64, &&str)| LockSeenHolder {
            holder: Holder::Host(HostName::parse(host).unwrap()),
            fence: Fence(number + 1),
            since: at,
            renewed_at: at + jiff::SignedDuration::from_secs(60),
            steady: false,
        };
        LockSeen {
            name: LockName::parse("db").unwrap(),
            holders: (0..).zip(hosts).map(holder).collect(),
            enabled: true,
        }
    }

    #[test]
    fn a_lock_shows_the_one_who_asks_if_it_holds_it() {
        let me = HostName::parse("b").unwrap();
        let shown = lock(&seen(&["a", "b"]), "db", &me, None);
        assert_eq!(shown["host"], json!({ "name": "b", "self": true }));
        assert_eq!(shown["host_id"], id("b"));
        assert_eq!(shown["updated_at"], "2026-11-20 12:01:00 UTC");
        let other = lock(&seen(&["a"]), "db", &me, None);
        assert_eq!(other["host"], json!({ "name": "a", "self": false }));
        let free = lock(&seen(&[]), "db", &me, None);
        assert!(
            free["host"].is_null() && free["host_id"].is_null() && free["updated_at"].is_null()
        );
        let all = events(&seen(&["a"]));
        assert_eq!(all[0]["created_at"], "2026-11-20 12:00:00 UTC");
    }

    #[test]
    fn numbers_of_names_are_the_same_for_ever() {
        // They are in other people's scripts.
        assert_eq!((id("db"), id("web")), (1_039_012_584, 632_237_051));
        assert!(id("x") < 1 << 31);
    }
}
