//! What every page goes out with: a strict policy of what it may load, and a page in place of a problem document.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method};
use lockstep_model::Problem;
use lockstep_pages::frame::Theme;
use lockstep_pages::wrong;

use super::visit::{SAID, theme};
use crate::services::{kiosks, sessions};
use crate::web::{collect, cookie};

/// Scripts, styles and images of our own and nothing else; forms go nowhere else, nobody frames a page (CSP level 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Largest problem document that is made a page.
const LARGEST: usize = 64 * 1024;
const HTML: &str = "text/html";

/// Dresses what goes to browsers; what programs get is left alone.
pub(crate) async fn dress(request: Request, next: Next) -> Response {
    let theme = theme(request.headers());
    let was_said = request.method() == Method::GET && cookie(request.headers(), SAID).is_some();
    let reads_pages = reads_pages(&request);
    let by_session = [sessions::COOKIE, kiosks::COOKIE]
        .iter()
        .any(|name| cookie(request.headers(), name).is_some());
    let is_public = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    if reads_pages && has_type(&response, Problem::MEDIA_TYPE) {
        response = undocument(response, theme).await;
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if by_session && !is_public {
        // What was asked for by a session, or by a screen, does not stay on a disk when the session is over.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if !has_type(&response, HTML) {
        return response;
    }
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if was_said {
        let gone = format!("{SAID}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
        if let Ok(gone) = HeaderValue::from_str(&gone) {
            headers.append(SET_COOKIE, gone);
        }
    }
    response
}

/// True for a browser that shows what it gets; programs, and the script of a page, read problem documents.
fn reads_pages(request: &Request) -> bool {
    let accept = request
        .headers()
        .get(ACCEPT)
        .and_then(|it| it.to_str().ok());
    accept.is_some_and(|it| it.contains("text/html")) && !request.uri().path().starts_with("/api/")
}

fn has_type(response: &Response, media_type: &str) -> bool {
    let found = response.headers().get(CONTENT_TYPE);
    found.is_some_and(|it| it.as_bytes().starts_with(media_type.as_bytes()))
}

/// Makes a page of a problem document, with its status and its headers.
async fn undocument(response: Response, theme: Theme) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = collect(body, LARGEST).await else {
        return (parts, Body::empty()).into_response();
    };
    let Ok(problem) = serde_json::from_slice::<Problem>(&bytes) else {
        return (parts, Body::from(bytes)).into_response();
    };
    let page = wrong::page(
        problem.status,
        title(problem.status),
        &problem.detail,
        theme,
    );
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    parts.headers.insert(CONTENT_TYPE, html);
    parts.headers.remove(CONTENT_LENGTH);
    (parts, Body::from(page)).into_response()
}

/// What is said first.
fn title(status: u16) -> &'static str {
    match status {
        400 | 413 | 415 | 422 => "This cannot be understood",
        401 => "Sign in first",
        403 => "You may not do this",
        404 => "There is nothing here",
        405 => "This cannot be done here",
        408 | 503 => "Not now",
        409 | 412 => "This does not fit how things stand",
        _ => "The server failed",
    }
}
