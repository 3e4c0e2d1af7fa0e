//! What the gateways have in common that speak JSON about locks: paths with names in them, bodies within bounds, and
//! answers that are JSON whatever happens.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

use crate::seams::Trouble;

/// Longest path that is looked at, in bytes. A lock's name has 64, or 192 if each byte of it is escaped.
const LONGEST_PATH: usize = 2_000;
/// Most parts that a path may have.
const MOST_PARTS: usize = 16;
/// Longest body of a request about a lock, in bytes. The longest that a client sends holds two names.
const LARGEST_BODY: usize = 8 * 1024;

/// The parts of a path, unescaped. Empty ones do not count, so that a base URL with a slash at its end does no harm.
/// None for a path that is too long, whose escapes are broken, or in which a part hides a slash or a control character.
pub(crate) fn parts(path: &[u8]) -> Option<Vec<String>> {
    if path.len() > LONGEST_PATH {
        return None;
    }
    let parts = path.split(|&byte| byte == b'/');
    let parts: Option<Vec<String>> = parts
        .filter(|part| !part.is_empty())
        .map(unescape)
        .collect();
    parts.filter(|parts| parts.len() <= MOST_PARTS)
}

/// One part of a path without its `%XX` (RFC 3986 section 2.1). A plus is a plus.
fn unescape(part: &[u8]) -> Option<String> {
    let mut plain = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            plain.push(byte);
            rest = after;
            continue;
        }
        let (high, low) = (after.first()?, after.get(1)?);
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        plain.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        rest = after.get(2..)?;
    }
    let text = String::from_utf8(plain).ok()?;
    (!text.contains(|c: char| c == '/' || c.is_control())).then_some(text)
}

/// A request's body; none if it is longer than any that makes sense, or breaks off.
pub(crate) async fn body(body: Body) -> Option<Bytes> {
    to_bytes(body, LARGEST_BODY).await.ok()
}

/// An answer in JSON.
pub(crate) fn answer(status: StatusCode, value: &Value) -> Response {
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    (status, [(CONTENT_TYPE, json)], value.to_string()).into_response()
}

/// Says when to ask again.
pub(crate) fn retry_after(mut response: Response, after: Duration) -> Response {
    let seconds = HeaderValue::from(after.as_secs().max(1));
    response
        .headers_mut()
        .insert(http::header::RETRY_AFTER, seconds);
    response
}

/// The status for a call that came to nothing. What was refused differs from protocol to protocol.
pub(crate) fn status_of(trouble: &Trouble, refused: StatusCode) -> StatusCode {
    match trouble {
        Trouble::Unknown(_) => StatusCode::NOT_FOUND,
        Trouble::Refused(_) => refused,
        Trouble::Off(_) | Trouble::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Trouble::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Puts what is not JSON yet into the protocol's own words: what the bounds around all gateways say, such as 403 for
/// one who is not among the senders. Status and headers stay. A client that parses before it looks at the status never
/// meets an empty body or a page for people.
pub(crate) fn always(routes: Router, say: fn(StatusCode, &str) -> Value) -> Router {
    routes.layer(from_fn(move |request: Request, next: Next| async move {
        let response = next.run(request).await;
        if is_json(response.headers()) {
            return response;
        }
        let status = response.status();
        let why = status.canonical_reason().unwrap_or("no answer");
        let mut said = answer(status, &say(status, &why.to_lowercase()));
        for (name, value) in response.headers() {
            if name != CONTENT_LENGTH && name != CONTENT_TYPE {
                said.headers_mut().append(name, value.clone());
            }
        }
        said
    }))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"application/json"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_and_empty_parts_are_understood() {
        for (path, expected) in [
            ("/api/dlmlocks/db/lock", Some("api dlmlocks db lock")),
            ("//api//dlmlocks/db/lock/", Some("api dlmlocks db lock")),
            ("/api/dlmlocks/d%62/lock", Some("api dlmlocks db lock")),
            ("/a%2Bb+c", Some("a+b+c")),
            ("", Some("")),
            ("/%2f", None),
            ("/a%2Fb", None),
            ("/%", None),
            ("/%4", None),
            ("/%zz", None),
            ("/%+1", None),
            ("/%ff", None),
            ("/a%00", None),
            ("/a%0a", None),
        ] {
            let found = parts(path.as_bytes()).map(|parts| parts.join(" "));
            assert_eq!(found.as_deref(), expected, "{path}");
        }
        assert_eq!(parts(&[b'a'; LONGEST_PATH + 1]), None);
        assert_eq!(parts(&b"/a".repeat(MOST_PARTS + 1)), None);
    }

    proptest! {
        #[test]
        fn what_was_escaped_comes_back(names in proptest::collection::vec("[^/\\p{Cc}]{1,20}", 1..6)) {
            let mut path = String::new();
            for name in &names {
                path.push('/');
                path.extend(name.bytes().map(|byte| format!("%{byte:02X}")));
            }
            prop_assert_eq!(parts(path.as_bytes()), Some(names));
        }

        #[test]
        fn whatever_comes_no_part_hides_a_separator(path in proptest::collection::vec(any::<u8>(), 0..200)) {
            for part in parts(&path).into_iter().flatten() {
                prop_assert!(!part.is_empty() && !part.contains('/') && !part.contains('\0'));
            }
        }
    }
}
