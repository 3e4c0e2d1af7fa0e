//! Bundles on their way in.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::{Extension, Json};
use futures_util::{Stream, StreamExt};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use lockstep_model::ContentHash;
use lockstep_model::api::operator::StoredArtifact;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::app::{App, Operator};
use crate::services::audit;
use crate::web::{Named, Refusal};

/// How long the sender may be silent.
const STALL: Duration = Duration::from_secs(30);
/// What a sender must manage on the whole, in bytes per second, after [`GRACE`].
const SLOWEST: u64 = 16 * 1024;
const GRACE: Duration = Duration::from_secs(60);
/// Bundles that come in at once; each is hashed and written as it comes.
const AT_ONCE: usize = 4;

/// The places for uploads on this server.
#[derive(Debug)]
pub(crate) struct Uploads(Semaphore);

impl Default for Uploads {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Uploads {
    fn admit(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        self.0.try_acquire().map_err(|_| {
            Refusal::busy(
                format!("{AT_ONCE} uploads are under way, as many as this server takes at once"),
                Duration::from_secs(5),
            )
        })
    }
}

/// `PUT /api/v1/artifacts/HASH`: stores the body if its SHA-256 is `HASH`. What is there already is not sent again.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Extension(Operator(who)): Extension<Operator>,
    Named(hash): Named<ContentHash>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<StoredArtifact>, Refusal> {
    if let Some((_, length)) = app.artifacts.open(&hash).await? {
        return Ok(Json(StoredArtifact { hash, length }));
    }
    let max = app.config.limits.artifact_bytes;
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(Refusal::too_large(max));
    }
    let _place = app.uploads.admit()?;
    let longest = GRACE + Duration::from_secs(announced.unwrap_or(max) / SLOWEST);
    let stored = app.artifacts.put(unstalled(body), &hash, max);
    let stored = tokio::time::timeout(longest, stored).await.map_err(|_| {
        Refusal::bad_request(format!(
            "the upload was not complete after {} s",
            longest.as_secs()
        ))
        .with_status(StatusCode::REQUEST_TIMEOUT)
    })??;
    let what = format!("stored artifact {hash} of {} bytes", stored.length);
    audit::note(&app, &who, &what, app.now()).await;
    Ok(Json(stored))
}

/// `GET /api/v1/artifacts/HASH`: whether it is there, and how long it is. The bytes are in the repository.
pub(crate) async fn stored(
    State(app): State<Arc<App>>,
    Named(hash): Named<ContentHash>,
) -> Result<Json<StoredArtifact>, Refusal> {
    match app.artifacts.open(&hash).await? {
        Some((_, length)) => Ok(Json(StoredArtifact { hash, length })),
        None => Err(Refusal::not_found(format!("there is no artifact {hash}"))),
    }
}

/// The body's bytes; silence for longer than [`STALL`] is an error, and the end.
fn unstalled(body: Body) -> impl Stream<Item = std::io::Result<bytes::Bytes>> + Send + Unpin {
    let bytes = body
        .into_data_stream()
        .map(|part| part.map_err(std::io::Error::other));
    Box::pin(futures_util::stream::unfold(
        Some(bytes),
        |bytes| async move {
            let mut bytes = bytes?;
            match tokio::time::timeout(STALL, bytes.next()).await {
                Ok(Some(Ok(part))) => Some((Ok(part), Some(bytes))),
                Ok(Some(Err(error))) => Some((Err(error), None)),
                Ok(None) => None,
                Err(_) => Some((Err(std::io::ErrorKind::TimedOut.into()), None)),
            }
        },
    ))
}
