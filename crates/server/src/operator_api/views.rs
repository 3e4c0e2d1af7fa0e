//! Saved views.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use lockstep_model::api::operator::{NewView, SavedView};

use super::paging::{List, Page, Paging};
use crate::app::{App, Asker};
use crate::services::views;
use crate::web::{Id, JsonBody, Named, Refusal};

/// Largest request, in bytes.
const LARGEST: usize = 4 * 1024;
const VIEWS: List = List::whole("views");

/// The place of a view: one's own first, then by name.
type PlaceOfView = (Reverse<bool>, String, String);

/// `GET /api/v1/views?limit=N&cursor=C`: one's own first, then those that others share, by name.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    paging: Paging,
) -> Result<Page<SavedView>, Refusal> {
    let window = paging.window::<PlaceOfView>(VIEWS)?;
    let place = |it: &SavedView| {
        let own = it.owner == asker.name;
        (Reverse(own), it.name.clone(), it.id.clone())
    };
    let mut views = views::list(&app, &asker).await?;
    views.sort_by_cached_key(place);
    Ok(window.of_all(views, place))
}

/// `POST /api/v1/views`.
pub(crate) async fn keep(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    JsonBody(new): JsonBody<NewView, LARGEST>,
) -> Result<(StatusCode, Json<SavedView>), Refusal> {
    let kept = views::keep(&app, &asker, new, app.now()).await?;
    Ok((StatusCode::CREATED, Json(kept)))
}

/// `DELETE /api/v1/views/ID`.
pub(crate) async fn forget(
    State(app): State<Arc<App>>,
    Extension(asker): Extension<Asker>,
    Named(Id(id)): Named<Id>,
) -> Result<StatusCode, Refusal> {
    views::forget(&app, &asker, &id, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
