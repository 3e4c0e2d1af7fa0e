//! Kiosk tokens: by what screens on walls show the problems.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use jiff::Timestamp;
use lockstep_model::api::operator::{CreatedKiosk, KioskView, NewKiosk};

use super::paging::{List, Page, Paging};
use crate::app::{App, Asker};
use crate::services::kiosks;
use crate::web::{Id, JsonBody, Named, Refusal};

/// Largest request, in bytes.
const LARGEST: usize = 4 * 1024;
const KIOSKS: List = List::whole("kiosks");

/// `GET /api/v1/kiosks`: newest first.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    paging: Paging,
) -> Result<Page<KioskView>, Refusal> {
    let window = paging.window::<(Reverse<Timestamp>, String)>(KIOSKS)?;
    let place = |it: &KioskView| (Reverse(it.created_at), it.id.clone());
    let mut kiosks = kiosks::list(&app, app.now()).await?;
    kiosks.sort_by_cached_key(place);
    Ok(window.of_all(kiosks, place))
}

/// `POST /api/v1/kiosks`.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    JsonBody(new): JsonBody<NewKiosk, LARGEST>,
) -> Result<(StatusCode, Json<CreatedKiosk>), Refusal> {
    let made = kiosks::create(&app, &asker, &new, app.now()).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// `DELETE /api/v1/kiosks/ID`.
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    Named(Id(id)): Named<Id>,
) -> Result<StatusCode, Refusal> {
    kiosks::revoke(&app, &asker, &id, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
