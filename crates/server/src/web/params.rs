//! What stands in paths and queries, parsed into our own words or refused.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::Deserialize;
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

/// An identity that stands in an address: nothing but what can be one, so that the database need not be asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Id(pub(crate) String);

impl FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match (1..=64).contains(&text.len()) && text.chars().all(plain) {
            true => Ok(Self(text.into())),
            false => Err("an identity has 1 to 64 letters, digits, '.', '_' or '-'"),
        }
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse()
    }
}

/// The two parts of a route's path, e.g. a run and what is said to it.
#[derive(Debug)]
pub(crate) struct Pair<A, B>(pub(crate) A, pub(crate) B);

impl<A, B, S> FromRequestParts<S> for Pair<A, B>
where
    A: FromStr<Err: std::fmt::Display>,
    B: FromStr<Err: std::fmt::Display>,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let refuse = |words: String| Refusal::bad_request(words).into_response();
        let Path((a, b)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|error| refuse(error.body_text()))?;
        Ok(Self(
            a.parse()
                .map_err(|error: A::Err| refuse(error.to_string()))?,
            b.parse()
                .map_err(|error: B::Err| refuse(error.to_string()))?,
        ))
    }
}
