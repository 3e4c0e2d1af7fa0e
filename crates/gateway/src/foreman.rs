//! Foreman's distributed locks (its plugin foreman_dlm), for foreman_dlm_updater and scripts with curl.
//!
//! | | |
//! |---|---|
//! | who may connect | `senders`; over TLS only |
//! | who may ask | whoever shows a certificate of `client_ca` whose CN is a known host; anybody else hears 401 |
//! | about which locks | any; a lock is made known by the first word of it |
//! | largest request | no body is read; the head is the listener's to bound |
//! | at once | `connections` |
//! | longest | 30 s until the answer begins |
//!
//! Every answer is JSON, for every path, method and failure, because clients parse before they look at the status; and
//! none is a redirect, because clients make a GET of a PUT that was redirected, and take the answer for a lock. Wire
//! format: docs/protocols/foreman-dlm.md.

mod answers;
mod caller;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use lockstep_model::{HostName, LockName};
use serde_json::json;

use crate::config::ForemanDlm;
use crate::seams::{Gateway, Green, Hosts, LockAsk, LockSaid, LockSeen, Locks, Trouble};
use crate::{json, web};
use caller::Stranger;

pub use words::{Call, NoCall, Page};

/// The gateway's routes. They want a listener with `lockstep_net::tls::ClientAuth::Judged`, so that those who are not
/// believed hear so in JSON.
pub fn routes<D: Hosts + Locks>(config: ForemanDlm, desk: Arc<D>) -> Router {
    let (senders, connections) = (config.senders.clone(), config.connections);
    let desk = Arc::new(Desk { config, desk });
    let routes = Router::new().fallback(move |request: Request| {
        let desk = Arc::clone(&desk);
        async move { desk.answer(request).await }
    });
    let bounded = web::bounded(routes, "foreman-dlm", senders, connections, busy);
    json::always(bounded, |_, why| json!({ "error": { "message": why } }))
        .layer(axum::middleware::map_response(answers::sign))
}

fn busy() -> Response {
    let answer = answers::error(StatusCode::SERVICE_UNAVAILABLE, "too much is asked at once");
    json::retry_after(answer, std::time::Duration::from_secs(10))
}

struct Desk<D> {
    config: ForemanDlm,
    desk: Arc<D>,
}

/// A lock that was asked for, under the name by which it was.
struct Found {
    name: String,
    seen: LockSeen,
}

/// Which lock is meant.
enum Meant {
    /// One that is known.
    Known(Found),
    /// One of which nobody has heard.
    New(LockName),
    /// None that can be.
    Impossible(String),
}

impl<D: Hosts + Locks> Desk<D> {
    async fn answer(&self, request: Request) -> Response {
        let (parts, _) = request.into_parts();
        let call = match Call::parse(
            parts.method.as_str().as_bytes(),
            parts.uri.path().as_bytes(),
        ) {
            Ok(call) => call,
            Err(NoCall::NoSuchPath) => {
                let message = format!("nothing is at {}", parts.uri.path());
                return answers::error(StatusCode::NOT_FOUND, &message);
            }
            Err(NoCall::OtherMethods(allowed)) => return other_methods(&parts.method, allowed),
        };
        let host = match caller::host(&parts.extensions, &*self.desk).await {
            Ok(host) => host,
            Err(Stranger::Unknown { user, why }) => {
                tracing::info!(gateway = "foreman-dlm", user, why, "not believed");
                return answers::unauthorized(&user, &why);
            }
            Err(Stranger::Trouble(trouble)) => return answers::trouble(&trouble),
        };
        if has_body(&parts.method) && !says_json(&parts.headers) {
            let message = "Media type in 'Content-Type: application/json' is required";
            return answers::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
        }
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let done = match &call {
            Call::List => self.list(&host, query).await,
            Call::Create | Call::Update(_) | Call::Delete(_) => Ok(answers::forbidden()),
            Call::Show(asked) => self.show(&host, asked).await,
            Call::Events(asked) => self.events(asked, query).await,
            Call::Acquire(asked) => self.acquire(&host, asked).await,
            Call::Release(asked) => self.release(&host, asked).await,
        };
        done.unwrap_or_else(|trouble| {
            tracing::warn!(gateway = "foreman-dlm", %host, ?call, %trouble, "failed");
            answers::trouble(&trouble)
        })
    }

    async fn list(&self, host: &HostName, query: &[u8]) -> Result<Response, Trouble> {
        let page = match Page::parse(query) {
            Ok(page) => page,
            Err(why) => return Ok(answers::error(StatusCode::BAD_REQUEST, &why)),
        };
        let all = self.desk.list().await?;
        let named = all.iter().map(|seen| (self.name_of(&seen.name), seen));
        let found = named.filter(|(name, _)| page.wants(name));
        let found = found.map(|(name, seen)| answers::lock(seen, &name, host, None));
        let list = answers::list(&page, all.len(), found.collect());
        Ok(answers::say(StatusCode::OK, &list))
    }

    async fn show(&self, host: &HostName, asked: &str) -> Result<Response, Trouble> {
        let Meant::Known(Found { name, seen }) = self.meant(asked).await? else {
            return Ok(answers::unknown(asked));
        };
        let lock = answers::lock(&seen, &name, host, None);
        Ok(answers::say(StatusCode::OK, &lock))
    }

    async fn events(&self, asked: &str, query: &[u8]) -> Result<Response, Trouble> {
        let page = match Page::parse(query) {
            Ok(page) => page,
            Err(why) => return Ok(answers::error(StatusCode::BAD_REQUEST, &why)),
        };
        let Meant::Known(Found { seen, .. }) = self.meant(asked).await? else {
            return Ok(answers::unknown(asked));
        };
        let events = answers::events(&seen);
        let list = answers::list(&page, events.len(), events);
        Ok(answers::say(StatusCode::OK, &list))
    }

    async fn acquire(&self, host: &HostName, asked: &str) -> Result<Response, Trouble> {
        let found = match self.heard_of(asked).await? {
            Ok(found) => found,
            Err(refused) => return Ok(refused),
        };
        let lock = found.seen.name.clone();
        // Our own locks stay with their holders while they are disabled; the plugin renews none.
        if !found.seen.enabled && holds(&found.seen, host) {
            return Ok(answers::precondition_failed(&lock, &disabled(&lock)));
        }
        match self.desk.acquire(self.ask(&lock, host)).await? {
            LockSaid::Granted(_) => self.as_it_is(found, host, None).await,
            LockSaid::Refused { words, .. } => Ok(answers::precondition_failed(&lock, &words)),
        }
    }

    async fn release(&self, host: &HostName, asked: &str) -> Result<Response, Trouble> {
        let found = match self.heard_of(asked).await? {
            Ok(found) => found,
            Err(refused) => return Ok(refused),
        };
        let lock = found.seen.name.clone();
        if !found.seen.enabled {
            return Ok(answers::precondition_failed(&lock, &disabled(&lock)));
        }
        if let Some(other) = found.seen.holders.first()
            && !holds(&found.seen, host)
        {
            let words = format!("{lock} is held by {}, not by {host}", other.holder);
            return Ok(answers::precondition_failed(&lock, &words));
        }
        let green = self
            .config
            .green_within
            .map_or(Green::NotAsked, Green::Within);
        let had = self.desk.release(self.ask(&lock, host), green).await?;
        let changed = had.then(|| self.desk.lock_time());
        self.as_it_is(found, host, changed).await
    }

    fn ask(&self, lock: &LockName, host: &HostName) -> LockAsk {
        LockAsk {
            via: Gateway::ForemanDlm,
            lock: lock.clone(),
            host: host.clone(),
            package: self.config.package.clone(),
        }
    }

    /// The lock as it is now, behind a change.
    async fn as_it_is(
        &self,
        found: Found,
        host: &HostName,
        changed: Option<jiff::Timestamp>,
    ) -> Result<Response, Trouble> {
        let seen = self
            .desk
            .look(&found.seen.name)
            .await?
            .unwrap_or(found.seen);
        let lock = answers::lock(&seen, &found.name, host, changed);
        Ok(answers::say(StatusCode::OK, &lock))
    }

    /// A lock that is to be acquired or released: it is made known if nobody has heard of it. A name that no lock can
    /// have is refused.
    async fn heard_of(&self, asked: &str) -> Result<Result<Found, Response>, Trouble> {
        match self.meant(asked).await? {
            Meant::Known(found) => Ok(Ok(found)),
            Meant::Impossible(why) => Ok(Err(answers::unprocessable(&why))),
            Meant::New(lock) => {
                self.desk.mention(&lock).await?;
                let seen = self.desk.look(&lock).await?;
                // Not there a moment later: it is free all the same.
                let seen = seen.unwrap_or_else(|| LockSeen {
                    name: lock,
                    holders: Vec::new(),
                    enabled: true,
                });
                let name = asked.to_owned();
                Ok(Ok(Found { name, seen }))
            }
        }
    }

    /// Which lock is meant by a name or a number: the name goes first, for names may be numbers, too.
    async fn meant(&self, asked: &str) -> Result<Meant, Trouble> {
        let name = match self.config.locks.get(asked) {
            Some(lock) => Ok(lock.clone()),
            None => LockName::parse(asked),
        };
        if let Ok(lock) = &name
            && let Some(seen) = self.desk.look(lock).await?
        {
            let name = asked.to_owned();
            return Ok(Meant::Known(Found { name, seen }));
        }
        if let Ok(number) = asked.parse::<u32>() {
            let mut all = self.desk.list().await?.into_iter();
            if let Some(seen) = all.find(|seen| answers::id(seen.name.as_str()) == number) {
                let name = self.name_of(&seen.name);
                return Ok(Meant::Known(Found { name, seen }));
            }
        }
        Ok(match name {
            Ok(lock) => Meant::New(lock),
            Err(error) => Meant::Impossible(format!(
                "{error}; give it a name here under [gateway.foreman-dlm] locks"
            )),
        })
    }

    /// The name by which clients know a lock of ours.
    fn name_of(&self, lock: &LockName) -> String {
        let mut others = self.config.locks.iter();
        let other = others.find(|(_, ours)| *ours == lock);
        other.map_or_else(|| lock.to_string(), |(name, _)| name.clone())
    }
}

fn holds(seen: &LockSeen, host: &HostName) -> bool {
    let mut holders = seen.holders.iter();
    holders.any(|one| one.holder.host() == Some(host))
}

fn disabled(lock: &LockName) -> String {
    format!("{lock} is disabled; an operator enables it with: lockstep lock enable {lock}")
}

fn other_methods(method: &Method, allowed: &'static str) -> Response {
    let message = format!("{method} is not allowed here, only {allowed}");
    let answer = answers::error(StatusCode::METHOD_NOT_ALLOWED, &message);
    ([(ALLOW, HeaderValue::from_static(allowed))], answer).into_response()
}

fn has_body(method: &Method) -> bool {
    method == Method::PUT || method == Method::POST
}

fn says_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = kind.and_then(|kind| kind.split(|&byte| byte == b';').next());
    kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}
