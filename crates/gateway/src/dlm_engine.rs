//! The locks of DLM engine, for DlmEngineUpdater.
//!
//! | | |
//! |---|---|
//! | who may connect | `senders`; over TLS, or in plain HTTP on a loopback address |
//! | who may ask | whoever knows a secret of the file `secrets`; anybody else hears 401 |
//! | about which hosts | known ones that fit the secret's pattern |
//! | largest request | 8 KiB |
//! | at once | `connections` |
//! | longest | 30 s until the answer begins |
//!
//! A request to release does not say for whom. It is the host that the secret stands for; for a secret that stands for
//! several it is the one at the peer's address, or else the only one among them that holds the lock. Where that leaves
//! a doubt nothing is released. Wire format: docs/protocols/dlm-engine.md.

mod secrets;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use lockstep_model::{HostName, LockName};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::DlmEngine;
use crate::seams::{Gateway, Green, Hosts, LockAsk, LockSaid, LockSeen, Locks, Trouble};
use crate::{json, web};

pub use secrets::{Pattern, Secrets, SecretsError};

/// What is asked about which lock, from method and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Look,
    Acquire,
    Release,
}

/// The gateway's routes.
pub fn routes<D: Hosts + Locks>(config: DlmEngine, secrets: Secrets, desk: Arc<D>) -> Router {
    let (senders, connections) = (config.senders.clone(), config.connections);
    let desk = Arc::new(Desk {
        config,
        secrets,
        desk,
    });
    let routes = Router::new().fallback(move |request: Request| {
        let desk = Arc::clone(&desk);
        async move { desk.answer(request).await.unwrap_or_else(No::into_response) }
    });
    let bounded = web::bounded(routes, "dlm-engine", senders, connections, busy);
    json::always(bounded, say)
}

fn say(status: StatusCode, why: &str) -> Value {
    let code = status.canonical_reason().unwrap_or("failed");
    json!({ "error": code.to_lowercase().replace(' ', "-"), "detail": why })
}

fn busy() -> Response {
    let busy = say(StatusCode::SERVICE_UNAVAILABLE, "too much is asked at once");
    let answer = json::answer(StatusCode::SERVICE_UNAVAILABLE, &busy);
    json::retry_after(answer, Duration::from_secs(10))
}

/// The name of the lock in a path: `locks/NAME` behind any base, escaped or not.
#[must_use]
pub fn parse_path(path: &[u8]) -> Option<String> {
    let mut parts = json::parts(path)?;
    let name = parts.pop()?;
    (parts.pop()? == "locks").then_some(name)
}

/// The host in the body of a request for a lock: `{"acquired_by": FQDN}`, in any case of letters.
///
/// # Errors
/// In words, where there is none.
pub fn parse_body(body: &[u8]) -> Result<HostName, String> {
    #[derive(Deserialize)]
    struct Wish {
        acquired_by: String,
    }
    let wish: Wish = serde_json::from_slice(body)
        .map_err(|error| format!("the body is not {{\"acquired_by\": FQDN}}: {error}"))?;
    HostName::parse(&wish.acquired_by.to_lowercase()).map_err(|error| error.to_string())
}

/// A refusal.
#[derive(Debug)]
struct No {
    status: StatusCode,
    /// A stable code, where there is a better one than the status.
    code: Option<&'static str>,
    words: String,
    retry_after: Option<Duration>,
}

impl No {
    fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Self {
            status,
            code: None,
            words: words.into(),
            retry_after: None,
        }
    }

    fn into_response(self) -> Response {
        let mut said = say(self.status, &self.words);
        if let Some(code) = self.code {
            said["error"] = code.into();
        }
        let answer = json::answer(self.status, &said);
        match self.retry_after {
            Some(after) => json::retry_after(answer, after),
            None => answer,
        }
    }
}

impl From<Trouble> for No {
    fn from(trouble: Trouble) -> Self {
        let status = json::status_of(&trouble, StatusCode::PRECONDITION_FAILED);
        let mut no = Self::new(status, trouble.to_string());
        if let Trouble::Busy { retry_after, .. } = trouble {
            no.retry_after = Some(retry_after);
        }
        no
    }
}

struct Desk<D> {
    config: DlmEngine,
    secrets: Secrets,
    desk: Arc<D>,
}

/// Who asks: the hosts for which it may speak, and the one of which it is known that it does.
struct Caller<'a> {
    hosts: &'a Pattern,
    me: Option<HostName>,
}

impl Caller<'_> {
    /// The hosts among a lock's holders for which it may speak.
    fn holding<'b>(&self, seen: &'b LockSeen) -> Vec<&'b HostName> {
        let hosts = seen.holders.iter().filter_map(|one| one.holder.host());
        hosts.filter(|host| self.hosts.means(host)).collect()
    }
}

impl<D: Hosts + Locks> Desk<D> {
    async fn answer(&self, request: Request) -> Result<Response, No> {
        let from = web::address(&request);
        let (parts, body) = request.into_parts();
        let caller = self.caller(&parts.headers, from)?;
        let Some(name) = parse_path(parts.uri.path().as_bytes()) else {
            let words = format!("nothing is at {}", parts.uri.path());
            return Err(No::new(StatusCode::NOT_FOUND, words));
        };
        let verb = match parts.method {
            Method::GET | Method::HEAD => Verb::Look,
            Method::POST => Verb::Acquire,
            Method::DELETE => Verb::Release,
            method => return Ok(other_methods(&method)),
        };
        let lock = self.lock(&name)?;
        match verb {
            Verb::Look => self.look(&caller, &lock).await,
            Verb::Release => self.release(&caller, &lock).await,
            Verb::Acquire => {
                let body = json::body(body).await.ok_or_else(|| {
                    No::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")
                })?;
                let host = parse_body(&body);
                let host = host.map_err(|words| No::new(StatusCode::BAD_REQUEST, words))?;
                self.acquire(&caller, &lock, host).await
            }
        }
    }

    fn caller(&self, headers: &HeaderMap, from: Option<IpAddr>) -> Result<Caller<'_>, No> {
        let header = |name: &str| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
        let hosts = self
            .secrets
            .hosts(header("x-secret-id"), header("x-secret"));
        let hosts = hosts.ok_or_else(|| {
            let words = "x-secret-id and x-secret are not those of a client";
            No::new(StatusCode::UNAUTHORIZED, words)
        })?;
        let at_address = || from.and_then(|from| self.desk.at_address(from));
        let me = hosts.one().or_else(at_address);
        let me = me.filter(|host| hosts.means(host));
        Ok(Caller { hosts, me })
    }

    fn lock(&self, name: &str) -> Result<LockName, No> {
        match self.config.locks.get(name) {
            Some(lock) => Ok(lock.clone()),
            None => LockName::parse(name).map_err(|error| {
                let words =
                    format!("{error}; give it a name here under [gateway.dlm-engine] locks");
                No::new(StatusCode::BAD_REQUEST, words)
            }),
        }
    }

    /// Who has the lock. A place that is only kept until its holder is fine is not shown: its holder has given it back,
    /// and must ask again before it does anything.
    async fn look(&self, caller: &Caller<'_>, lock: &LockName) -> Result<Response, No> {
        let seen = self.desk.look(lock).await?;
        let holders = seen.map(|seen| seen.holders).unwrap_or_default();
        let mut holders: Vec<_> = holders.into_iter().filter(|one| !one.steady).collect();
        holders.sort_by_key(|one| (one.holder.host() != caller.me.as_ref(), one.fence));
        let Some(holder) = holders.first() else {
            let words = format!("nobody has the lock {lock}");
            return Err(No::new(StatusCode::NOT_FOUND, words));
        };
        Ok(held_by(StatusCode::OK, &holder.holder.to_string()))
    }

    async fn acquire(
        &self,
        caller: &Caller<'_>,
        lock: &LockName,
        host: HostName,
    ) -> Result<Response, No> {
        if !caller.hosts.means(&host) {
            let words = format!("this secret does not stand for {host}");
            return Err(No::new(StatusCode::FORBIDDEN, words));
        }
        if self.desk.known(&host).await?.is_none() {
            let words = format!("no host {host} is known: name it in the fleet file, or enrol it");
            return Err(No::new(StatusCode::FORBIDDEN, words));
        }
        match self.desk.acquire(self.ask(lock, &host)).await? {
            LockSaid::Granted(_) => Ok(held_by(StatusCode::CREATED, host.as_str())),
            LockSaid::Refused { code, words } => {
                let status = match code {
                    "held" | "turn" => StatusCode::CONFLICT,
                    _ => StatusCode::PRECONDITION_FAILED,
                };
                let mut no = No::new(status, words);
                no.code = Some(code);
                Err(no)
            }
        }
    }

    async fn release(&self, caller: &Caller<'_>, lock: &LockName) -> Result<Response, No> {
        let seen = self.desk.look(lock).await?;
        let holding = seen.as_ref().map(|seen| caller.holding(seen));
        let host = match (holding.unwrap_or_default().as_slice(), &caller.me) {
            ([], _) => {
                let words = format!("none of this secret's hosts has the lock {lock}");
                return Err(No::new(StatusCode::NOT_FOUND, words));
            }
            (holding, Some(me)) if holding.contains(&me) => me.clone(),
            ([host], None) => (*host).clone(),
            (holding, me) => {
                let names: Vec<&str> = holding.iter().map(|host| host.as_str()).collect();
                let asks = me.as_ref().map_or("which of them asks", HostName::as_str);
                let words = format!(
                    "{} has the lock {lock}, and it cannot be told that it is {asks}; give each host a secret of its own",
                    names.join(", ")
                );
                return Err(No::new(StatusCode::CONFLICT, words));
            }
        };
        let green = self
            .config
            .green_within
            .map_or(Green::NotAsked, Green::Within);
        self.desk.release(self.ask(lock, &host), green).await?;
        Ok(held_by(StatusCode::OK, host.as_str()))
    }

    fn ask(&self, lock: &LockName, host: &HostName) -> LockAsk {
        LockAsk {
            via: Gateway::DlmEngine,
            lock: lock.clone(),
            host: host.clone(),
            package: self.config.package.clone(),
        }
    }
}

fn held_by(status: StatusCode, holder: &str) -> Response {
    json::answer(status, &json!({ "acquired_by": holder }))
}

fn other_methods(method: &Method) -> Response {
    let allowed = "GET, POST, DELETE";
    let words = format!("{method} is not allowed here, only {allowed}");
    let answer = No::new(StatusCode::METHOD_NOT_ALLOWED, words).into_response();
    ([(ALLOW, HeaderValue::from_static(allowed))], answer).into_response()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lock_is_what_comes_last_in_the_path() {
        for (path, expected) in [
            ("/locks/db", Some("db")),
            ("//locks/db", Some("db")),
            ("/api/v1/locks/d%62", Some("db")),
            ("/locks", None),
            ("/locks/", None),
            ("/locks/db/more", None),
            ("/", None),
        ] {
            assert_eq!(parse_path(path.as_bytes()).as_deref(), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_body_has_a_host_or_is_refused(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(parse_body(&body).is_err());
        }

        #[test]
        fn the_hosts_name_is_in_small_letters(name in "[a-zA-Z0-9]{1,20}") {
            let body = json!({ "acquired_by": name, "more": 1 }).to_string();
            let host = parse_body(body.as_bytes()).unwrap();
            prop_assert_eq!(host.as_str(), name.to_lowercase());
        }
    }
}
