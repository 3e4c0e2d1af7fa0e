//! FleetLock, for Zincati (Fedora CoreOS) and other clients that ask before they restart a machine.
//!
//! | | |
//! |---|---|
//! | who may connect | `senders`, over TLS or in plain HTTP |
//! | who may ask | the protocol knows no secret: whoever may connect, for the host that it is found to be |
//! | largest request | 8 KiB |
//! | at once | `connections` |
//! | longest | 30 s until the answer begins |
//!
//! Which host a client is, is found in this order: what `ids` says of its id; a known host that is named as the id is; the
//! one host of the fleet file at the peer's address. A client that is none of these is refused, because a place that
//! belongs to nobody of whom anything is known would protect nothing. Wire format: docs/protocols/fleetlock.md; it
//! implements <https://coreos.github.io/zincati/development/fleetlock/protocol/>.

mod words;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use lockstep_model::{HostName, LockName};
use serde_json::{Value, json};

use crate::config::Fleetlock;
use crate::seams::{Gateway, Green, Hosts, LockAsk, LockSaid, Locks, Trouble};
use crate::{json, web};

pub use words::Client;

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// To restart.
    PreReboot,
    /// Nothing any more: it is up and well.
    SteadyState,
}

/// The gateway's routes.
pub fn routes<D: Hosts + Locks>(config: Fleetlock, desk: Arc<D>) -> Router {
    let (senders, connections) = (config.senders.clone(), config.connections);
    let desk = Arc::new(Desk { config, desk });
    let routes = Router::new().fallback(move |request: Request| {
        let desk = Arc::clone(&desk);
        async move { desk.answer(request).await.unwrap_or_else(No::into_response) }
    });
    let bounded = web::bounded(routes, "fleetlock", senders, connections, busy);
    json::always(
        bounded,
        |status, why| json!({ "kind": kind_of(status), "value": why }),
    )
}

fn busy() -> Response {
    No::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "too much is asked at once",
    )
    .later(Duration::from_secs(10))
    .into_response()
}

/// The kind of a failure that has only a status. Kinds end up in the labels of clients' figures, so there are few.
fn kind_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        _ => "failed",
    }
}

/// A refusal.
#[derive(Debug)]
struct No {
    status: StatusCode,
    kind: String,
    value: String,
    retry_after: Option<Duration>,
}

impl No {
    fn new(status: StatusCode, kind: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            status,
            kind: kind.into(),
            value: value.into(),
            retry_after: None,
        }
    }

    fn later(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    fn into_response(self) -> Response {
        let said: Value = json!({ "kind": self.kind, "value": self.value });
        let answer = json::answer(self.status, &said);
        match self.retry_after {
            Some(after) => json::retry_after(answer, after),
            None => answer,
        }
    }
}

impl From<Trouble> for No {
    fn from(trouble: Trouble) -> Self {
        let status = json::status_of(&trouble, StatusCode::CONFLICT);
        let kind = match trouble {
            Trouble::Unknown(_) => "not_found",
            Trouble::Refused(_) => "refused",
            Trouble::Off(_) => "off",
            Trouble::Busy { .. } => "busy",
            Trouble::Internal => "failed",
        };
        let no = Self::new(status, kind, trouble.to_string());
        match trouble {
            Trouble::Busy { retry_after, .. } => no.later(retry_after),
            _ => no,
        }
    }
}

struct Desk<D> {
    config: Fleetlock,
    desk: Arc<D>,
}

impl<D: Hosts + Locks> Desk<D> {
    async fn answer(&self, request: Request) -> Result<Response, No> {
        let from = web::address(&request);
        let (parts, body) = request.into_parts();
        let path = json::parts(parts.uri.path().as_bytes()).unwrap_or_default();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let wish = match path.as_slice() {
            ["v1", "pre-reboot"] => Wish::PreReboot,
            ["v1", "steady-state"] => Wish::SteadyState,
            _ => {
                let words = format!("nothing is at {}", parts.uri.path());
                return Err(No::new(StatusCode::NOT_FOUND, "not_found", words));
            }
        };
        if parts.method != Method::POST {
            return Ok(only_post(&parts.method));
        }
        if !is_meant(&parts.headers) {
            let words = "the header fleet-lock-protocol: true is missing";
            return Err(No::new(
                StatusCode::BAD_REQUEST,
                "no_protocol_header",
                words,
            ));
        }
        let body = json::body(body).await.ok_or_else(|| {
            let words = "the body is too large";
            No::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_request", words)
        })?;
        let client = Client::parse(&body);
        let client =
            client.map_err(|words| No::new(StatusCode::BAD_REQUEST, "bad_request", words))?;
        let ask = LockAsk {
            via: Gateway::Fleetlock,
            lock: self.lock(&client.group)?,
            host: self.host(&client.id, from).await?,
            package: self.config.package.clone(),
        };
        match wish {
            Wish::PreReboot => self.pre_reboot(ask).await,
            Wish::SteadyState => self.steady_state(ask).await,
        }
    }

    async fn pre_reboot(&self, ask: LockAsk) -> Result<Response, No> {
        match self.desk.acquire(ask).await? {
            LockSaid::Granted(_) => Ok(json::answer(StatusCode::OK, &json!({}))),
            LockSaid::Refused { code, words } => {
                let kind = match code {
                    // The protocol's own example.
                    "held" => "failed_lock_semaphore_full".to_owned(),
                    code => format!("failed_lock_{}", code.replace('-', "_")),
                };
                Err(No::new(StatusCode::CONFLICT, kind, words))
            }
        }
    }

    /// Clients say so at each start and until they hear 200, whether or not they ever had a place, so there is no
    /// failure in having none. A place of a host that is not fine stays taken; that is no reason for the client to ask
    /// again.
    async fn steady_state(&self, ask: LockAsk) -> Result<Response, No> {
        let green = Green::Within(self.config.green_within);
        match self.desk.release(ask, green).await {
            Ok(_) | Err(Trouble::Unknown(_)) => Ok(json::answer(StatusCode::OK, &json!({}))),
            Err(trouble) => Err(trouble.into()),
        }
    }

    fn lock(&self, group: &str) -> Result<LockName, No> {
        match self.config.groups.get(group) {
            Some(lock) => Ok(lock.clone()),
            None => LockName::parse(group).map_err(|error| {
                let words = format!("{error}; give it one under [gateway.fleetlock] groups");
                No::new(StatusCode::BAD_REQUEST, "bad_group", words)
            }),
        }
    }

    async fn host(&self, id: &str, from: Option<IpAddr>) -> Result<HostName, No> {
        let named = match self.config.ids.get(id) {
            Some(host) => Some(host.clone()),
            None => HostName::parse(id).ok(),
        };
        if let Some(host) = named
            && self.desk.known(&host).await?.is_some()
        {
            return Ok(host);
        }
        if let Some(host) = from.and_then(|from| self.desk.at_address(from)) {
            return Ok(host);
        }
        tracing::info!(gateway = "fleetlock", id, ?from, "no known host");
        let words = "no host is known by this id or at this address: give the host its address in the fleet file, or name \
                     the id under [gateway.fleetlock] ids";
        Err(No::new(StatusCode::FORBIDDEN, "unknown_id", words))
    }
}

/// The header says that the request was sent on purpose, and did not come from a redirect or a page.
fn is_meant(headers: &HeaderMap) -> bool {
    let value = headers.get("fleet-lock-protocol");
    value.is_some_and(|value| value.as_bytes() == b"true")
}

fn only_post(method: &Method) -> Response {
    let words = format!("{method} is not allowed here, only POST");
    let no = No::new(StatusCode::METHOD_NOT_ALLOWED, "bad_request", words);
    (
        [(ALLOW, HeaderValue::from_static("POST"))],
        no.into_response(),
    )
        .into_response()
}
