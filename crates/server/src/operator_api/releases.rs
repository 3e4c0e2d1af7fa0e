//! What may be installed: releases and the signed metadata that lists them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};
use http::StatusCode;
use lockstep_model::api::operator::{
    ChannelBehind, ClearSuspect, OnlineKeys, ReleaseView, SignedMetadata,
};
use lockstep_model::{ChannelName, PackageName, Platform, Version};
use serde::Deserialize;

use super::paging::{List, Page, Paging};
use crate::app::{App, Operator};
use crate::repository;
use crate::services::{behind, publishing, releases};
use crate::web::{JsonBody, Named, Question, Refusal};

/// Largest metadata, in bytes: some ten thousand releases.
const LARGEST: usize = 8 * 1024 * 1024;

const RELEASES: List = List::whole("releases");
const BEHIND: List = List::whole("behind");

/// `GET /api/v1/releases?limit=N&cursor=C`: by package, version and platform.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    paging: Paging,
) -> Result<Page<ReleaseView>, Refusal> {
    let window = paging.window::<(PackageName, Version, Platform)>(RELEASES)?;
    let releases = releases::list(&app).await?;
    Ok(window.of_all(releases, |view| {
        let it = &view.release.details;
        (it.package.clone(), it.version.clone(), it.platform.clone())
    }))
}

/// Of which package it is asked.
#[derive(Debug, Deserialize)]
pub(crate) struct OfPackage {
    package: Option<PackageName>,
}

/// `GET /api/v1/releases/behind?package=NAME&limit=N&cursor=C`: by package and channel.
pub(crate) async fn behind(
    State(app): State<Arc<App>>,
    Question(of): Question<OfPackage>,
    paging: Paging,
) -> Result<Page<ChannelBehind>, Refusal> {
    let window = paging.window::<(PackageName, ChannelName)>(BEHIND)?;
    let channels = behind::list(&app, of.package.as_ref(), app.now()).await?;
    Ok(window.of_all(channels, |it| (it.package.clone(), it.channel.clone())))
}

/// Largest order to clear a version, in bytes.
const LARGEST_CLEAR: usize = 4 * 1024;

/// `POST /api/v1/suspects/clear`.
pub(crate) async fn clear_suspect(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    JsonBody(order): JsonBody<ClearSuspect, LARGEST_CLEAR>,
) -> Result<StatusCode, Refusal> {
    releases::clear_suspect(&app, &order, &who, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/repo/online-keys`.
pub(crate) async fn online_keys(State(app): State<Arc<App>>) -> Json<OnlineKeys> {
    Json(OnlineKeys {
        snapshot: app.online.snapshot.public(),
        timestamp: app.online.timestamp.public(),
    })
}

/// `POST /api/v1/repo/metadata`.
pub(crate) async fn publish(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    JsonBody(metadata): JsonBody<SignedMetadata, LARGEST>,
) -> Result<StatusCode, Refusal> {
    publishing::publish(&app, &metadata, &who, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/repo/metadata/NAME`.
pub(crate) async fn metadata(
    State(app): State<Arc<App>>,
    Named(name): Named<String>,
) -> Result<Response, Refusal> {
    repository::file(&app, &name).await
}
