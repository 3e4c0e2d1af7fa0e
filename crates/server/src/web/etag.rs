//! Entity tags for answers of the operator API, so that whoever asks again for what has not changed gets no body, and whoever
//! wants a certain answer or none is heard (RFC 9110, sections 8.8.3, 13.1.1 and 13.1.2).
//!
//! The tag is made of the body's bytes, so it needs no memory and is the same on every server of a fleet. Only answers
//! that are whole in memory get one: downloads have their own, streams have none. Nothing has a date of change, so conditions
//! by date are ignored, as section 13.1.4 wants it.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use lockstep_model::ContentHash;

use super::{Refusal, collect};

/// Where answers have tags.
const BELOW: &str = "/api/v1/";
/// Largest body that is tagged, in bytes; the list of ten thousand hosts has a tenth of that.
const LARGEST: usize = 64 * 1024 * 1024;
/// Caches of browsers may keep an answer, but must ask before they use it; others must not keep it.
const CACHING: HeaderValue = HeaderValue::from_static("no-cache, private");

/// Tags the answers to `GET` and `HEAD` below `/api/v1`, and answers 412 to whoever wants another one than there is, and 304 to
/// whoever has the same already. Conditions are looked at last, when the answer would be a success, and `If-Match` before
/// `If-None-Match` (RFC 9110, sections 13.2.1 and 13.2.2).
pub(crate) async fn tagged(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads || !request.uri().path().starts_with(BELOW) {
        return next.run(request).await;
    }
    let (wanted, known) = (
        lists(request.headers(), IF_MATCH),
        lists(request.headers(), IF_NONE_MATCH),
    );
    let response = tag(next.run(request).await, &known).await;
    match is_wanted(&response, &wanted) {
        true => response,
        false => another().into_response(),
    }
}

fn lists(headers: &HeaderMap, name: HeaderName) -> Vec<HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

/// Refuses changes that come with a condition: another server may be at the same row, so it cannot be promised that the
/// condition still holds when the change is done, and it must not be done unless it does (RFC 9110, section 13.1.1). This
/// stands behind the doors: who may not, or asks at an address that is not there, hears that.
pub(crate) async fn unconditional(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match precondition(request.headers()) {
        Some(name) => Refusal::bad_request(format!(
            "changes are done whatever is there, so {name} cannot be kept; leave it out, and nothing was done"
        ))
        .with_status(StatusCode::PRECONDITION_FAILED)
        .into_response(),
        None => next.run(request).await,
    }
}

/// The first header of a request that makes it depend on what is there.
fn precondition(headers: &HeaderMap) -> Option<&'static str> {
    let names = [(IF_MATCH, "If-Match"), (IF_NONE_MATCH, "If-None-Match")];
    let mut names = names.into_iter();
    names.find_map(|(header, name)| headers.contains_key(header).then_some(name))
}

/// False if the lists of `If-Match` name another answer than this one, by the strong comparison: what has no tag is named by
/// `*` alone. What is no success is not looked at.
fn is_wanted(response: &Response, wanted: &[HeaderValue]) -> bool {
    let status = response.status();
    if wanted.is_empty() || !(status.is_success() || status == StatusCode::NOT_MODIFIED) {
        return true;
    }
    let tag = response.headers().get(ETAG).and_then(|it| it.to_str().ok());
    // A weak tag is equal to no other, and no list names the empty one.
    let tag = tag.filter(|it| it.starts_with('"')).unwrap_or_default();
    let mut lists = wanted.iter().filter_map(|it| it.to_str().ok());
    lists.any(|list| names(list, tag, Comparison::Strong))
}

fn another() -> Refusal {
    Refusal::bad_request(
        "what is there now is not what If-Match names; ask without it, and look at the etag of the answer",
    )
    .with_status(StatusCode::PRECONDITION_FAILED)
}

/// How tags are compared (RFC 9110, section 8.8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// A weak tag in the list names nothing.
    Strong,
    /// A weak tag in the list is as good as a strong one.
    Weak,
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
    if known.iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|list| names(list, &tag, Comparison::Weak))
    }) {
        parts.status = StatusCode::NOT_MODIFIED;
        for header in [CONTENT_TYPE, CONTENT_LENGTH] {
            parts.headers.remove(header);
        }
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// True if a list of tags names this one, which is strong. A list that is damaged names nothing from there on.
fn names(list: &str, tag: &str, comparison: Comparison) -> bool {
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
        let counts = comparison == Comparison::Weak || strong.len() == rest.len();
        if one == tag && counts {
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
            assert!(names(list, tag, Comparison::Weak), "{list}");
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
            assert!(!names(list, tag, Comparison::Weak), "{list}");
        }
    }

    #[test]
    fn whoever_wants_a_certain_answer_gets_it_or_none() {
        let answer = |status: u16, tag: Option<&str>| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if let Some(tag) = tag {
                let tag = HeaderValue::from_str(tag).unwrap();
                response.headers_mut().insert(ETAG, tag);
            }
            response
        };
        let wanted = |response: &Response, lists: &[&'static str]| {
            let lists: Vec<_> = lists
                .iter()
                .map(|it| HeaderValue::from_static(it))
                .collect();
            is_wanted(response, &lists)
        };
        let tagged = answer(200, Some("\"abc\""));
        for lists in [
            &[][..],
            &["*"],
            &["\"abc\""],
            &["\"x\", \"abc\""],
            &["\"x\"", "\"abc\""],
            &["W/\"abc\", \"abc\""],
        ] {
            assert!(wanted(&tagged, lists), "{lists:?}");
        }
        for lists in [&["\"x\""][..], &["W/\"abc\""], &["abc"], &[""]] {
            assert!(!wanted(&tagged, lists), "{lists:?}");
            // A part of it, and one that is known already, are no others.
            assert!(!wanted(&answer(206, Some("\"abc\"")), lists));
            assert!(!wanted(&answer(304, Some("\"abc\"")), lists));
            // What is no success is told as it is.
            assert!(wanted(&answer(404, None), lists));
            assert!(wanted(&answer(503, None), lists));
        }
        let bare = answer(200, None);
        assert!(wanted(&bare, &["*"]) && !wanted(&bare, &["\"abc\"", "\"\""]));
        let weak = answer(200, Some("W/\"abc\""));
        assert!(wanted(&weak, &["*"]) && !wanted(&weak, &["\"abc\"", "W/\"abc\""]));
    }
}
