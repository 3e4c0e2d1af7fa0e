//! Compressed answers of the listener for people and programs.
//!
//! Whoever can make a browser ask, choose a part of the answer and see its compressed length could guess the rest of it
//! (BREACH, CVE-2013-3587). So what another site makes a browser ask is answered plainly: the browser says so itself
//! (Fetch Metadata, `sec-fetch-site`).

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::header::{ACCEPT_ENCODING, CONTENT_RANGE, CONTENT_TYPE};
use http::{Extensions, HeaderMap, StatusCode, Version};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};

use super::etag;

/// Smallest answer that is worth the work, in bytes.
const SMALLEST: u64 = 1024;

/// What is made of text. All else is compressed already, as bundles are, or must not wait, as streams of events must not.
const TEXTS: [&str; 8] = [
    "application/json",
    "application/problem+json",
    "text/html",
    "text/css",
    "text/javascript",
    "text/plain",
    "application/openmetrics-text",
    "image/svg+xml",
];

/// Compresses with gzip what is text, for those who ask for it.
pub(crate) fn compressed(routes: Router) -> Router {
    let when = SizeAbove::new(SMALLEST).and(is_worth_it);
    routes
        .layer(CompressionLayer::new().gzip(true).compress_when(when))
        .layer(from_fn(etag::weakened))
        .layer(from_fn(plain_for_others))
}

/// Forgets that the answer may be compressed when another site has made the browser ask.
async fn plain_for_others(mut request: Request, next: Next) -> Response {
    let site = request.headers().get("sec-fetch-site");
    if site.is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        request.headers_mut().remove(ACCEPT_ENCODING);
    }
    next.run(request).await
}

fn is_worth_it(
    status: StatusCode,
    _version: Version,
    headers: &HeaderMap,
    _extensions: &Extensions,
) -> bool {
    let media = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    status != StatusCode::PARTIAL_CONTENT
        && !headers.contains_key(CONTENT_RANGE)
        && TEXTS.contains(&media.trim())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Response;

    use super::*;

    fn is_compressed(media: &str, status: u16, size: usize) -> bool {
        let answer = Response::builder()
            .status(status)
            .header(CONTENT_TYPE, media)
            .body(Body::from(vec![b' '; size]))
            .unwrap();
        SizeAbove::new(SMALLEST)
            .and(is_worth_it)
            .should_compress(&answer)
    }

    #[test]
    fn large_texts_are_compressed_and_streams_and_parts_are_not() {
        assert!(is_compressed("application/json", 200, 2000));
        assert!(is_compressed("text/html; charset=utf-8", 200, 2000));
        assert!(is_compressed("application/problem+json", 400, 2000));
        assert!(!is_compressed("application/json", 200, 1000));
        assert!(!is_compressed("application/json", 206, 2000));
        assert!(!is_compressed("text/event-stream", 200, 2000));
        assert!(!is_compressed("application/zstd", 200, 2000));
        assert!(!is_compressed("application/octet-stream", 200, 2000));
    }
}
