//! The style sheet, the script and the icon. Their addresses change with them, so browsers keep them for good.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use lockstep_pages::assets::ALL;

use crate::web::Refusal;

/// `GET /assets/HASH/NAME`.
pub(crate) async fn asset(Path((hash, name)): Path<(String, String)>) -> Response {
    let path = format!("/assets/{hash}/{name}");
    let Some(asset) = ALL.into_iter().find(|asset| asset.path() == path) else {
        return Refusal::not_found("there is no such file; reload the page").into_response();
    };
    let headers = [
        (CONTENT_TYPE, asset.media_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, asset.text).into_response()
}
