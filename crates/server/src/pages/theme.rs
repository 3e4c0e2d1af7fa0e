//! Light or dark: kept in a cookie, so that the first byte of a page knows it.

use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use lockstep_pages::frame::Theme;
use serde::Deserialize;

use super::{LARGEST, visit};
use crate::web::FormBody;

/// The form.
#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    theme: String,
    #[serde(default)]
    to: String,
}

/// `POST /theme`.
pub(crate) async fn set(FormBody(choice): FormBody<Choice, LARGEST>) -> Response {
    let theme = Theme::parse(&choice.theme).as_str();
    let cookie = format!(
        "{}={theme}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=31536000",
        visit::THEME
    );
    let mut response = visit::see(visit::local(&choice.to).unwrap_or("/"));
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response.into_response()
}
