//! The pages of releases.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use lockstep_model::api::operator::{ClearSuspect, Promote};
use lockstep_model::{ChannelName, PackageName, Role, Version};
use lockstep_pages::parts::link::segment;
use lockstep_pages::releases as draw;
use serde::Deserialize;

use super::{LARGEST, Visit, done, may};
use crate::app::{App, SignedIn};
use crate::services::{behind, keep_up, releases, rollouts, signatures};
use crate::web::{FormBody, Named, Refusal};

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/releases", get(all))
        .route("/releases/{package}", get(package))
        .route("/releases/{package}/promote", post(promote))
        .route("/releases/{package}/clear", post(clear))
}

/// `GET /releases`.
async fn all(State(app): State<Arc<App>>, visit: Visit) -> Result<Html<String>, Refusal> {
    let read = releases::read(&app).await?;
    let behind = behind::of(&app, &read.standings, &read.failed, visit.now).await?;
    let signed = signatures::list(&app).await?;
    Ok(Html(draw::page(
        &visit.frame(),
        &read.views,
        &behind,
        &signed,
    )))
}

/// `GET /releases/PACKAGE`.
async fn package(
    State(app): State<Arc<App>>,
    Named(name): Named<PackageName>,
    visit: Visit,
) -> Result<Html<String>, Refusal> {
    let mut read = releases::read(&app).await?;
    read.views
        .retain(|view| view.release.details.package == name);
    read.standings.retain(|package, _| *package == name);
    let behind = behind::of(&app, &read.standings, &read.failed, visit.now).await?;
    let fleet = read.standings.get(&name).map_or(&[][..], Vec::as_slice);
    let kept_up = keep_up::of(&app, &name, fleet, visit.now).await?;
    let signed = signatures::list(&app).await?;
    Ok(Html(draw::package_page(
        &visit.frame(),
        &name,
        &read.views,
        &behind,
        &kept_up,
        &signed,
    )))
}

/// What is promoted, and where to.
#[derive(Debug, Deserialize)]
struct Order {
    version: String,
    channel: String,
    #[serde(default)]
    urgent: bool,
    #[serde(default)]
    even_if_suspect: bool,
}

/// `POST /releases/PACKAGE/promote`.
async fn promote(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(package): Named<PackageName>,
    FormBody(order): FormBody<Order, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let channel = ChannelName::parse(order.channel.trim())
        .map_err(|error| Refusal::bad_request(error.to_string()))?;
    let order = Promote {
        package,
        version: version(&order.version)?,
        channel,
        urgent: order.urgent,
        even_if_suspect: order.even_if_suspect,
    };
    let view = rollouts::promote(&app, &order, signed.name.as_str(), app.now()).await?;
    app.boards.forget();
    let said = format!(
        "{} points at {} {}: this is the rollout that brings it",
        order.channel, order.package, order.version
    );
    Ok(done(&format!("/rollouts/{}", view.id), &said))
}

/// Which version is not suspect any more, and why.
#[derive(Debug, Deserialize)]
struct Clear {
    version: String,
    #[serde(default)]
    why: String,
}

/// `POST /releases/PACKAGE/clear`.
async fn clear(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    Named(package): Named<PackageName>,
    FormBody(form): FormBody<Clear, LARGEST>,
) -> Result<Response, Refusal> {
    may(&signed, Role::Operator)?;
    let order = ClearSuspect {
        package,
        version: version(&form.version)?,
        why: form.why,
    };
    releases::clear_suspect(&app, &order, signed.name.as_str(), app.now()).await?;
    app.boards.forget();
    let said = format!(
        "{} {} is not suspect any more",
        order.package, order.version
    );
    let to = format!("/releases/{}", segment(order.package.as_str()));
    Ok(done(&to, &said))
}

fn version(text: &str) -> Result<Version, Refusal> {
    Version::parse(text).map_err(|error| Refusal::bad_request(error.to_string()))
}
