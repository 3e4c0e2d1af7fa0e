//! The page of a host, and what is done with it.

mod facts;
mod wishes;

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::StatusCode;
use lockstep_model::api::operator::NewAck;
use lockstep_model::{HostName, Role};
use lockstep_pages::host as draw;
use lockstep_pages::parts::lasts::lasts;
use lockstep_pages::parts::link;
use serde::Deserialize;

use super::hosts::silence_of;
use super::problems::zone;
use super::silences::endless;
use super::{LARGEST, Visit, done, may};
use crate::app::{App, SignedIn};
use crate::services::{hosts, silences};
use crate::web::{FormBody, Named, Nothing, Refusal};

use facts::Facts;

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/hosts/{name}", get(one))
        .route("/hosts/{name}/ack", post(ack))
        .route("/hosts/{name}/silence", post(silence))
        .route("/hosts/{name}/report", post(report))
        .route("/hosts/{name}/remove", post(remove))
        .merge(wishes::routes())
}

/// `GET /hosts/NAME`. What is no host, or no host's name, gets the names that are near.
async fn one(
    State(app): State<Arc<App>>,
    visit: Visit,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(asked) = path.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let name = HostName::parse(&asked).ok();
    let Some(line) = name.as_ref().and_then(|name| visit.board.host(name)) else {
        let known = visit.board.hosts.iter().map(|line| line.view.name.as_str());
        let page = draw::missing(&visit.frame(), &asked, known);
        return Ok((StatusCode::NOT_FOUND, Html(page)).into_response());
    };
    let facts = Facts::read(&app, &visit, line).await?;
    let page = draw::page(&visit.frame(), &facts.sheet(line));
    Ok(Html(page).into_response())
}

#[derive(Debug, Deserialize)]
struct Acked {
    #[serde(default)]
    note: String,
    #[serde(default)]
    lasts: String,
}

/// `POST /hosts/NAME/ack`: all of its problems.
async fn ack(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(host): Named<HostName>,
    FormBody(form): FormBody<Acked, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let new = NewAck {
        host: host.clone(),
        item: None,
        note: form.note,
        lasts: lasts(&form.lasts, &zone(&app), app.now()).map_err(Refusal::bad_request)?,
    };
    let acks = silences::acknowledge(&app, new, signed.name.as_str(), app.now()).await?;
    let said = format!("acknowledged {} problems of {host}", acks.len());
    Ok(done(&link::host_path(&host), &said))
}

#[derive(Debug, Deserialize)]
struct Silenced {
    #[serde(default)]
    lasts: String,
    #[serde(default)]
    why: String,
}

/// `POST /hosts/NAME/silence`.
async fn silence(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(host): Named<HostName>,
    FormBody(form): FormBody<Silenced, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let lasts = lasts(&form.lasts, &zone(&app), app.now()).map_err(Refusal::bad_request)?;
    let lasts = lasts.ok_or_else(endless)?;
    silence_of(&app, &signed, std::slice::from_ref(&host), lasts, &form.why).await?;
    let said = format!("{host} is silenced for {lasts}");
    Ok(done(&link::host_path(&host), &said))
}

/// `POST /hosts/NAME/report`: asks it to report now.
async fn report(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(host): Named<HostName>,
    _: FormBody<Nothing, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let asked = hosts::ask_to_report(&app, &host).await?;
    let said = format!("{asked} is asked to report; what it says is here in a moment");
    Ok(done(&link::host_path(&host), &said))
}

#[derive(Debug, Deserialize)]
struct Removed {
    #[serde(default)]
    name: String,
}

/// `POST /hosts/NAME/remove`. Its name must be typed: this cannot be taken back.
async fn remove(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(host): Named<HostName>,
    FormBody(form): FormBody<Removed, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    is_typed(&host, &form.name, "nothing was removed")?;
    hosts::remove(&app, &host, signed.name.as_str(), app.now()).await?;
    app.boards.forget();
    Ok(done(
        "/hosts",
        &format!("{host} is removed; its certificates are revoked"),
    ))
}

/// What cannot be taken back needs the host's name, typed.
fn is_typed(host: &HostName, typed: &str, not_done: &str) -> Result<(), Refusal> {
    if typed.trim() == host.as_str() {
        return Ok(());
    }
    let typed: String = typed.chars().take(80).collect();
    Err(Refusal::bad_request(format!(
        "name: {typed:?} was typed, not {host}; {not_done}"
    )))
}
