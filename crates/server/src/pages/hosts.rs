//! The list and the matrix of hosts, and what is done with several at once.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{Html, Response};
use axum::routing::get;
use axum::{Extension, Router};
use lockstep_model::api::operator::{NewAck, NewSilence};
use lockstep_model::{Glob, HostName, Interval, ProblemKind, Role};
use lockstep_pages::hosts::{self as draw, Ask};
use serde::Deserialize;

use super::{LARGEST, Visit, done, may, visit};
use crate::app::{App, SignedIn};
use crate::services::silences;
use crate::web::{FormBody, Refusal};

/// Hosts that one form may name: a page of the list.
const MOST: usize = 200;
/// Hosts of one silence, which has no more patterns; there are as many silences as it needs.
const IN_ONE: usize = 100;

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/hosts", get(all).post(several))
}

/// `GET /hosts?q=WORDS&level=RANK&…`, see [`Ask`].
async fn all(visit: Visit, RawQuery(question): RawQuery) -> Result<Html<String>, Refusal> {
    let ask = Ask::parse(question.as_deref().unwrap_or_default()).map_err(Refusal::bad_request)?;
    let page = draw::page(&visit.frame(), &visit.board.hosts, &ask);
    Ok(Html(page))
}

/// What is done with the hosts that are ticked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verb {
    Ack,
    Silence,
}

#[derive(Debug, Deserialize)]
struct Several {
    verb: Verb,
    #[serde(default)]
    host: Vec<HostName>,
    #[serde(default)]
    why: String,
    #[serde(default)]
    lasts: String,
    #[serde(default)]
    to: String,
}

/// `POST /hosts`.
async fn several(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    FormBody(form): FormBody<Several, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    if form.host.is_empty() || form.host.len() > MOST {
        return Err(Refusal::bad_request(format!(
            "tick 1 to {MOST} hosts, not {}",
            form.host.len()
        )));
    }
    let back = visit::local(&form.to).unwrap_or("/hosts").to_owned();
    let said = match form.verb {
        Verb::Ack => acknowledge(&app, &signed, form).await,
        Verb::Silence => silence(&app, &signed, form).await,
    };
    // Also what was cut off half-way has changed something.
    app.boards.forget();
    Ok(done(&back, &said?))
}

/// Acknowledges what is not well on the hosts; those that are well meanwhile are left out.
async fn acknowledge(app: &App, signed: &SignedIn, form: Several) -> Result<String, Refusal> {
    let lasts = length(&form.lasts)?;
    let (mut problems, mut hosts) = (0, 0);
    for host in form.host {
        let new = NewAck {
            host,
            item: None,
            note: form.why.clone(),
            lasts,
        };
        match silences::acknowledge(app, new, signed.name.as_str(), app.now()).await {
            Ok(acks) => {
                problems += acks.len();
                hosts += 1;
            }
            Err(refusal) if refusal.kind() == ProblemKind::NotFound => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(format!(
        "acknowledged {problems} problems of {hosts} hosts; the others have none"
    ))
}

async fn silence(app: &App, signed: &SignedIn, form: Several) -> Result<String, Refusal> {
    let lasts = needed(&form.lasts)?;
    for hosts in form.host.chunks(IN_ONE) {
        silence_of(app, signed, hosts, lasts, &form.why).await?;
    }
    Ok(format!("silenced {} hosts for {lasts}", form.host.len()))
}

/// Silences these hosts from now on.
pub(super) async fn silence_of(
    app: &App,
    signed: &SignedIn,
    hosts: &[HostName],
    lasts: Interval,
    why: &str,
) -> Result<(), Refusal> {
    let hosts: Result<Vec<Glob>, String> = hosts
        .iter()
        .map(|host| Glob::parse(host.as_str()))
        .collect();
    let new = NewSilence {
        hosts: hosts.map_err(Refusal::bad_request)?,
        groups: Vec::new(),
        items: Vec::new(),
        starts_at: None,
        lasts,
        reason: why.to_owned(),
    };
    silences::create(app, new, signed.name.as_str(), app.now()).await?;
    Ok(())
}

/// For how long, as a form says it; none for no end.
pub(super) fn length(text: &str) -> Result<Option<Interval>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let lasts = Interval::parse(text);
    let lasts = lasts.map_err(|error| Refusal::bad_request(format!("lasts: {error}")))?;
    Ok(Some(lasts))
}

/// For how long, where it has to end.
pub(super) fn needed(text: &str) -> Result<Interval, Refusal> {
    length(text)?.ok_or_else(|| {
        Refusal::bad_request("lasts: a silence ends by itself; say after which time, as in 1h")
    })
}
