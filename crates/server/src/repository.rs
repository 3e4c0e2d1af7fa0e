//! The repository: signed metadata from the store, and bundles and deltas from the artifacts, under the paths of The Update
//! Framework with consistent snapshots. It needs no trust: whoever reads it verifies what he gets.
//!
//! `GET /repo/metadata/NAME` and `GET /repo/targets/DIRECTORY/HASH.FILE` (with ranges).

mod downloads;
mod range;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    IF_RANGE, RANGE,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use lockstep_model::api::Updates;
use lockstep_model::{ContentHash, Delta, PackageName, ProblemKind, Release, Version};
use tokio::io::AsyncSeekExt;

use crate::app::{App, Caller};
use crate::web::{Named, Refusal};

pub(crate) use downloads::Downloads;
use range::Part;

/// Routes for small signed files.
pub(crate) fn metadata_routes() -> Router<Arc<App>> {
    Router::new().route("/repo/metadata/{name}", get(metadata))
}

/// Routes for bundles and deltas; they bound themselves.
pub(crate) fn target_routes() -> Router<Arc<App>> {
    Router::new().route("/repo/targets/{*path}", get(target))
}

/// The same below `/api/v1`, for operators. The names of packages and versions have no slash.
pub(crate) fn operators_target_routes() -> Router<Arc<App>> {
    let path = "/api/v1/repo/targets/{package}/{version}/{file}";
    Router::new().route(path, get(operators_target))
}

/// Files with a version in their name never change; `timestamp.json` always may.
const UNCHANGING: &str = "public, max-age=31536000, immutable";
const CHANGING: &str = "no-cache";

async fn metadata(
    State(app): State<Arc<App>>,
    Named(name): Named<String>,
) -> Result<Response, Refusal> {
    file(&app, &name).await
}

/// A metadata file as a response.
pub(crate) async fn file(app: &App, name: &str) -> Result<Response, Refusal> {
    let unknown = || {
        let name: String = name.chars().take(100).collect();
        Refusal::not_found(format!("the repository has no metadata named {name:?}"))
    };
    // No database takes a NUL in a text.
    if name.contains('\0') {
        return Err(unknown());
    }
    let body = app.store.repo_file(name).await?.ok_or_else(unknown)?;
    let caching = if name.starts_with(|c: char| c.is_ascii_digit()) {
        UNCHANGING
    } else {
        CHANGING
    };
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, caching)];
    Ok((headers, body).into_response())
}

async fn operators_target(
    State(app): State<Arc<App>>,
    parts: Result<Path<(String, String, String)>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Path((package, version, file)) =
        parts.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let path = format!("{package}/{version}/{file}");
    serve(&app, None, path, method, headers).await
}

async fn target(
    State(app): State<Arc<App>>,
    caller: Option<Extension<Caller>>,
    path: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Path(path) = path.map_err(|error| Refusal::bad_request(error.body_text()))?;
    let caller = caller.map(|Extension(caller)| caller);
    serve(&app, caller, path, method, headers).await
}

/// A bundle or a delta, or a part of it.
async fn serve(
    app: &App,
    caller: Option<Caller>,
    path: String,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let standing = app.standing.read(app).await?;
    if standing.updates == Updates::Off && caller.is_some() {
        return Err(Refusal::new(
            ProblemKind::UpdatesOff,
            "an operator switched updates off; nothing is handed out",
        ));
    }
    let target = match standing.target(&path) {
        Some(release) => Some(Target::bundle(release)),
        None => app.deltas.target(app, &path).await?.map(Target::delta),
    };
    let Some(target) = target else {
        let path: String = path.chars().take(200).collect();
        return Err(Refusal::not_found(format!(
            "no listed release has its bundle or a delta at {path}; it may have been withdrawn"
        )));
    };
    let etag = format!("\"{}\"", target.hash);
    if names(&headers, &IF_NONE_MATCH, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    // A range of another file than the one that is here would join what does not fit together (RFC 9110, 13.1.5).
    let range = match headers.get(&IF_RANGE) {
        Some(_) if !names(&headers, &IF_RANGE, &etag) => None,
        _ => headers.get(RANGE).and_then(|value| value.to_str().ok()),
    };
    let part = Part::of(range, target.length);
    let (status, first, count) = match part {
        Part::Whole => (StatusCode::OK, 0, target.length),
        Part::Bytes { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Part::Behind => {
            let mut response = Refusal::bad_request(format!(
                "the range begins behind the end of the bundle, which has {} bytes",
                target.length
            ))
            .with_status(StatusCode::RANGE_NOT_SATISFIABLE)
            .into_response();
            if let Ok(value) = format!("bytes */{}", target.length).parse() {
                response.headers_mut().insert(CONTENT_RANGE, value);
            }
            return Ok(response);
        }
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let place = app.downloads.admit()?;
        let (mut file, length) = app.artifacts.open(&target.hash).await?.ok_or_else(|| {
            tracing::error!(hash = %target.hash, path, "a listed file is missing from the artifacts");
            Refusal::new(ProblemKind::Internal, "the file is missing on this server; its log says more")
        })?;
        if length != target.length {
            tracing::error!(hash = %target.hash, length, listed = target.length, "a file has not the length that is listed");
            return Err(Refusal::new(
                ProblemKind::Internal,
                "the file on this server is damaged; its log says more",
            ));
        }
        file.seek(std::io::SeekFrom::Start(first))
            .await
            .map_err(|error| Refusal::internal("reading a bundle", &error))?;
        if first == 0 {
            let host = caller.map(|Caller(host)| host.to_string());
            let from = target.from.map(tracing::field::display);
            tracing::info!(host, package = %target.package, version = %target.version, from, "a download begins");
        }
        app.downloads.body(file, count, place)
    };
    let mut response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_LENGTH, count)
        .header(ACCEPT_RANGES, "bytes")
        .header(CACHE_CONTROL, UNCHANGING)
        .header(ETAG, etag);
    if let Part::Bytes { first, last } = part {
        response = response.header(
            CONTENT_RANGE,
            format!("bytes {first}-{last}/{}", target.length),
        );
    }
    response
        .body(body)
        .map_err(|error| Refusal::internal("answering with a bundle", &error))
}

/// What lies at a path below `targets/`.
struct Target {
    package: PackageName,
    version: Version,
    /// The version that a delta leads from.
    from: Option<Version>,
    hash: ContentHash,
    length: u64,
}

impl Target {
    fn bundle(release: &Release) -> Self {
        Self {
            package: release.details.package.clone(),
            version: release.details.version.clone(),
            from: None,
            hash: release.hash,
            length: release.length,
        }
    }

    fn delta(delta: Delta) -> Self {
        Self {
            package: delta.details.package,
            version: delta.details.to.version,
            from: Some(delta.details.from.version),
            hash: delta.hash,
            length: delta.length,
        }
    }
}

/// True if a header names this entity tag, or any.
fn names(headers: &HeaderMap, header: &HeaderName, etag: &str) -> bool {
    headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}
