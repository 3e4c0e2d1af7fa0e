//! What every page goes out with: a strict policy of what it may load, and a page in place of a problem document.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method};
use lockstep_model::Problem;
use lockstep_pages::frame::Theme;
use lockstep_pages::wrong;

use super::visit::{SAID, cookie, theme};
use crate::web::collect;

/// Scripts, styles and images of our own and nothing else; forms go nowhere else, nobody frames a page (CSP level 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Largest problem document that is made a page.
const LARGEST: usize = 64 * 1024;

/// Dresses an answer.
pub(crate) async fn dress(request: Request, next: Next) -> Response {
    let theme = theme(request.headers());
    let was_said = request.method() == Method::GET && cookie(request.headers(), SAID).is_some();
    let response = next.run(request).await;
    let mut response = undocument(response, theme).await;
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
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

/// Makes a page of a problem document, with its status and its headers.
async fn undocument(response: Response, theme: Theme) -> Response {
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|it| it == Problem::MEDIA_TYPE);
    if !is_problem {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = collect(body, LARGEST).await else {
        return (parts, Body::empty()).into_response();
    };
    let Ok(problem) = serde_json::from_slice::<Problem>(&bytes) else {
        return (parts, Body::from(bytes)).into_response();
    };
    let Html(page) = Html(wrong::page(
        problem.status,
        &problem.title,
        &problem.detail,
        theme,
    ));
    parts.headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    parts.headers.remove(http::header::CONTENT_LENGTH);
    (parts, Body::from(page)).into_response()
}
