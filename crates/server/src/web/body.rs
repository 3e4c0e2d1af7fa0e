//! JSON bodies with a limit. A body that is too large, not JSON, too deep or of the wrong shape is refused with
//! words that name the field; nothing beyond the limit is ever held.

use axum::body::Body;
use axum::extract::{FromRequest, Json, Request};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::Refusal;
use super::layers::LONGEST_REQUEST;

/// A JSON body of at most `MAX` bytes.
#[derive(Debug)]
pub(crate) struct JsonBody<T, const MAX: usize>(pub(crate) T);

impl<T, S, const MAX: usize> FromRequest<S> for JsonBody<T, MAX>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Response> {
        read::<T>(request, MAX)
            .await
            .map(Self)
            .map_err(IntoResponse::into_response)
    }
}

async fn read<T: DeserializeOwned>(request: Request, max: usize) -> Result<T, Refusal> {
    if !is_json(request.headers()) {
        return Err(Refusal::bad_request(
            "the body must be JSON, with \"content-type: application/json\"",
        )
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max as u64) {
        return Err(Refusal::too_large(max as u64));
    }
    let bytes = collect(request.into_body(), max).await?;
    Json::<T>::from_bytes(&bytes)
        .map(|Json(value)| value)
        .map_err(|error| wrong(&error.body_text()))
}

/// The parser's words name the field, the line and the column. They may repeat what was sent, so they are cut.
fn wrong(words: &str) -> Refusal {
    // "Failed to …: " stands before what matters.
    let words = words.split_once(": ").map_or(words, |(_, words)| words);
    let words: String = words.chars().take(500).collect();
    Refusal::bad_request(format!("the body cannot be understood: {words}"))
}

/// Reads a body whole, or refuses it once it is longer than `max` or takes longer than [`LONGEST_REQUEST`]: what is
/// answered by rules of its own may wait for others, but not for whoever asks.
pub(crate) async fn collect(body: Body, max: usize) -> Result<bytes::Bytes, Refusal> {
    let whole = Limited::new(body, max).collect();
    let Ok(read) = tokio::time::timeout(LONGEST_REQUEST, whole).await else {
        return Err(Refusal::bad_request("the body did not arrive in time")
            .with_status(StatusCode::REQUEST_TIMEOUT));
    };
    match read {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(Refusal::too_large(max as u64))
        }
        Err(error) => Err(Refusal::bad_request(format!(
            "the body did not arrive whole: {error}"
        ))),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else {
        return false;
    };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_not_waited_for() {
        let begun = futures_util::stream::iter([Ok::<_, std::io::Error>("{")]);
        let body = futures_util::StreamExt::chain(begun, futures_util::stream::pending());
        let refusal = collect(Body::from_stream(body), 1_000).await.unwrap_err();
        assert_eq!(
            refusal.into_response().status(),
            StatusCode::REQUEST_TIMEOUT
        );
    }
}
