//! Entity tags for answers of the operator API, so that whoever asks again for what has not changed gets no body
//! (RFC 9110, sections 8.8.3 and 13.1.2).
//!
//! The tag is made of the body's bytes, so it needs no memory and is the same on every server of a fleet. Only answers
//! that are whole in memory get one: downloads have their own, streams have none.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use lockstep_model::ContentHash;

use super::{Refusal, collect};

/// Where answers have tags.
const BELOW: &str = "/api/v1/";
/// Largest body that is tagged, in bytes; the list of ten thousand hosts has a tenth of that.
const LARGEST: usize = 64 * 1024 * 1024;
/// Caches of browsers may keep an answer, but must ask before they use it; others must not keep it.
const CACHING: HeaderValue = HeaderValue::from_static("no-cache, private");

/// Tags the answers to `GET` below `/api/v1`, and answers 304 to whoever has the same already.
///
/// Changes do not look at preconditions: another server may be at the same row. One that comes with a precondition is
/// refused, because it must not be done unless the condition holds (RFC 9110, section 13.1.1).
pub(crate) async fn tagged(request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with(BELOW) {
        return next.run(request).await;
    }
    if !request.method().is_safe() {
        return match precondition(request.headers()) {
            Some(name) => {
                Refusal::bad_request(format!("{name} is not looked at by changes; leave it out"))
                    .with_status(StatusCode::PRECONDITION_FAILED)
                    .into_response()
            }
            None => next.run(request).await,
        };
    }
    let known: Vec<HeaderValue> = request
        .headers()
        .get_all(IF_NONE_MATCH)
        .iter()
        .cloned()
        .collect();
    tag(next.run(request).await, &known).await
}

/// The first header of a request that makes it depend on what is there.
fn precondition(headers: &HeaderMap) -> Option<&'static str> {
    let names = [
        (IF_MATCH, "If-Match"),
        (IF_NONE_MATCH, "If-None-Match"),
        (IF_UNMODIFIED_SINCE, "If-Unmodified-Since"),
    ];
    let mut names = names.into_iter();
    names.find_map(|(header, name)| headers.contains_key(header).then_some(name))
}

async fn tag(response: Response, known: &[HeaderValue]) -> Response {
    let (mut parts, body) = response.into_parts();
    let is_json = parts
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|media| media.as_bytes() == b"application/json");
    let in_memory = body
        .size_hint()
        .exact()
        .is_some_and(|size| size <= LARGEST as u64);
    if parts.status != StatusCode::OK || !is_json || !in_memory {
        return Response::from_parts(parts, body);
    }
    let bytes = match collect(body, LARGEST).await {
        Ok(bytes) => bytes,
        Err(refusal) => return refusal.into_response(),
    };
    // Half of the hash: nobody gains by two answers with the same tag.
    let digest = ContentHash::of(&bytes).to_string();
    let tag = format!("\"{}\"", &digest[..32]);
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(ETAG, value);
    }
    parts.headers.entry(CACHE_CONTROL).or_insert(CACHING);
    if known
        .iter()
        .any(|value| value.to_str().is_ok_and(|list| names(list, &tag)))
    {
        parts.status = StatusCode::NOT_MODIFIED;
        for header in [CONTENT_TYPE, CONTENT_LENGTH] {
            parts.headers.remove(header);
        }
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// True if the list of `If-None-Match` names this tag, by the weak comparison. A list that is damaged names nothing from
/// there on.
fn names(list: &str, tag: &str) -> bool {
    let mut rest = list.trim();
    if rest == "*" {
        return true;
    }
    while !rest.is_empty() {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let strong = rest.strip_prefix("W/").unwrap_or(rest);
        let Some(end) = strong.strip_prefix('"').and_then(|it| it.find('"')) else {
            return false;
        };
        // Both quotes belong to it.
        let (one, behind) = strong.split_at(end + 2);
        if one == tag {
            return true;
        }
        rest = behind;
    }
    false
}

/// A compressed answer is another one than the plain one, so what tags the plain one is only weak for it (RFC 9110,
/// section 8.8.1).
pub(crate) async fn weakened(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.headers().contains_key(CONTENT_ENCODING)
        && let Some(tag) = response.headers().get(ETAG)
        && tag.as_bytes().starts_with(b"\"")
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat())
    {
        response.headers_mut().insert(ETAG, weak);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_of_tags() {
        let tag = "\"abc\"";
        for list in [
            "*",
            " * ",
            "\"abc\"",
            "W/\"abc\"",
            "\"x\", \"abc\"",
            "\"x\",W/\"abc\",\"y\"",
            "\"a,b\" , \"abc\"",
            ", \"abc\"",
        ] {
            assert!(names(list, tag), "{list}");
        }
        for list in [
            "",
            "abc",
            "\"ab\"",
            "\"abc",
            "w/\"abc\"",
            "\"x*\"",
            "*, \"x\"",
            "x \"abc\"",
            "\"",
            "W/",
        ] {
            assert!(!names(list, tag), "{list}");
        }
    }
}
