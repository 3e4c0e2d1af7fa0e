//! Saved views: to keep one, and to forget one. They are shown in the menu of their pages.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use lockstep_model::api::operator::{NewView, ViewAddress, ViewPage};
use serde::Deserialize;

use super::{LARGEST, done};
use crate::app::{App, Asker};
use crate::services::views;
use crate::web::{FormBody, Id, Named, Refusal};

/// The routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/views", post(keep))
        .route("/views/{id}/forget", post(forget))
}

#[derive(Debug, Deserialize)]
struct Kept {
    name: String,
    address: String,
    #[serde(default)]
    shared: bool,
}

/// `POST /views`. The browser goes back to the address as it was kept: of a page of ours, and of no other.
async fn keep(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    FormBody(form): FormBody<Kept, LARGEST>,
) -> Result<Response, Refusal> {
    let address = ViewAddress::parse(&form.address)
        .map_err(|why| Refusal::bad_request(format!("address: {why}")))?;
    let new = NewView {
        name: form.name,
        address,
        shared: form.shared,
    };
    let kept = views::keep(&app, &asker, new, app.now()).await?;
    let said = format!("The view {} is kept.", kept.name);
    Ok(done(&kept.address.to_string(), &said))
}

#[derive(Debug, Deserialize)]
struct Forgotten {
    #[serde(default)]
    page: String,
}

/// `POST /views/ID/forget`.
async fn forget(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    Named(Id(id)): Named<Id>,
    FormBody(form): FormBody<Forgotten, LARGEST>,
) -> Result<Response, Refusal> {
    views::forget(&app, &asker, &id, app.now()).await?;
    let page = ViewPage::of(&form.page).map_or("/", ViewPage::path);
    Ok(done(page, "The view is forgotten."))
}
