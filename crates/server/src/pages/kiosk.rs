//! The door of the wall: `/kiosk`, and the hints by which it lives.
//!
//! Users come in by their session as everywhere. A screen comes by a kiosk token: once in the address, from which it is taken
//! at once, and then by a cookie that is looked at here and at no other door.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method};
use lockstep_pages::problems::WALL_TOPICS;

use super::{door, visit};
use crate::app::App;
use crate::services::board::Editions;
use crate::services::kiosks::{self, Screen};
use crate::services::sessions::{self, Use};
use crate::web::{Refusal, peer_ip};

/// The page.
const PATH: &str = "/kiosk";

/// Lets screens pass, as [`Screen`] and as a viewer without a session, and users as [`door::signed_in`] does.
pub(crate) async fn screen_or_signed_in(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return door::signed_in(State(app), request, next).await;
    }
    let from = peer_ip(request.extensions());
    let is_page = request.uri().path() == PATH;
    if is_page && let Some(token) = token(request.uri().query()) {
        return match kiosks::open(&app, &token, from, app.now()).await {
            Ok((screen, token)) => let_in(&screen.cookie(&token.to_string(), app.now())),
            Err(refusal) => refusal.into_response(),
        };
    }
    let known = match known(&app, request.headers(), from).await {
        Ok(Some(known)) => known,
        Ok(None) => return door::signed_in(State(app), request, next).await,
        Err(refusal) => return refusal.into_response(),
    };
    let (screen, cookie) = known;
    match screen.viewer() {
        Ok(viewer) => request.extensions_mut().insert(viewer),
        Err(refusal) => return refusal.into_response(),
    };
    request.extensions_mut().insert(screen);
    let mut response = next.run(request).await;
    if is_page && response.status().is_success() {
        keep(&mut response, &cookie);
    }
    response
}

/// The screen that asks, and its cookie anew; none if a user has signed in at it, or there is no good token.
async fn known(
    app: &App,
    headers: &HeaderMap,
    from: IpAddr,
) -> Result<Option<(Screen, String)>, Refusal> {
    let now = app.now();
    if sessions::of_cookie(app, headers, Use::ByItself, now)
        .await?
        .is_some()
    {
        return Ok(None);
    }
    let found = kiosks::of_cookie(app, headers, from, now).await?;
    Ok(found.map(|(screen, token)| {
        let cookie = screen.cookie(&token.to_string(), now);
        (screen, cookie)
    }))
}

/// The token behind the question mark.
fn token(query: Option<&str>) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    let found = pairs.find(|(name, _)| name == "token");
    found.map(|(_, value)| value.into_owned())
}

/// Trades the token for the cookie, and sends the browser on to an address without it.
fn let_in(cookie: &str) -> Response {
    let mut response = visit::see(PATH);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    keep(&mut response, cookie);
    response
}

fn keep(response: &mut Response, cookie: &str) {
    if let Ok(mut cookie) = HeaderValue::from_str(cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// What a screen is told of the board's editions: those of its own topics.
pub(super) fn words(editions: &Editions, screen: Option<&Screen>) -> String {
    match screen {
        Some(_) => editions.words_of(&WALL_TOPICS),
        None => editions.words(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_behind_the_question_mark() {
        assert_eq!(token(None), None);
        assert_eq!(token(Some("a=b&tokens=1")), None);
        assert_eq!(token(Some("a=b&token=lsk1.a%2eb")), Some("lsk1.a.b".into()));
        assert_eq!(token(Some("token")), Some(String::new()));
    }
}
