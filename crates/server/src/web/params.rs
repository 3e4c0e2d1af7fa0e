//! What stands in paths and queries, parsed into our own words or refused.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::Refusal;

/// The one name in a route's path, e.g. a host's.
#[derive(Debug)]
pub(crate) struct Named<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Named<T>
where
    T: FromStr<Err: std::fmt::Display>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let refuse = |words: String| Refusal::bad_request(words).into_response();
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| refuse(error.body_text()))?;
        T::from_str(&text)
            .map(Self)
            .map_err(|error| refuse(error.to_string()))
    }
}

/// The part of the address behind the question mark.
#[derive(Debug)]
pub(crate) struct Question<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Question<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Query(value) = Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|error| Refusal::bad_request(error.body_text()).into_response())?;
        Ok(Self(value))
    }
}
