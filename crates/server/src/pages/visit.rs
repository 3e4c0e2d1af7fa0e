//! A visit: who looks, at what moment of the fleet, in which colours.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use lockstep_model::api::operator::{SavedView, ViewPage};
use lockstep_model::{LevelNames, Role, Version};
use lockstep_pages::frame::{Stopwatch, Theme};
use lockstep_pages::{Frame, Viewer};

use super::kiosk;
use super::timing::Begun;
use crate::app::{App, SignedIn};
use crate::services::board::Board;
use crate::services::problems;
use crate::web::{Refusal, cookie};

/// The cookie with the theme.
pub(super) const THEME: &str = "__Host-lockstep-theme";
/// The cookie with what was just done, shown once.
pub(super) const SAID: &str = "__Host-lockstep-said";

/// What a page is drawn with.
#[derive(Debug)]
pub(crate) struct Visit {
    /// Who looks.
    pub(crate) signed: SignedIn,
    /// How the fleet stands.
    pub(crate) board: Arc<Board>,
    /// The server's clock.
    pub(crate) now: Timestamp,
    levels: LevelNames,
    version: Version,
    theme: Theme,
    address: String,
    editions: String,
    said: Option<String>,
    took: Took,
    views: Vec<SavedView>,
}

/// Measures from when the request came.
struct Took(Box<dyn Fn() -> Duration + Send + Sync>);

impl std::fmt::Debug for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Took")
    }
}

impl Visit {
    /// The frame of the page.
    pub(crate) fn frame(&self) -> Frame<'_> {
        Frame {
            viewer: Viewer {
                name: &self.signed.name,
                role: self.signed.role,
                csrf: &self.signed.csrf,
            },
            strip: &self.board.strip,
            levels: &self.levels,
            now: self.now,
            version: &self.version,
            theme: self.theme,
            address: &self.address,
            editions: &self.editions,
            said: self.said.as_deref(),
            took: Stopwatch(&*self.took.0),
            views: &self.views,
        }
    }
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let Some(signed) = parts.extensions.get::<SignedIn>().cloned() else {
            let refusal = Refusal::not_authenticated("this page needs a session: sign in");
            return Err(refusal.into_response());
        };
        let board = app
            .boards
            .read(app)
            .await
            .map_err(IntoResponse::into_response)?;
        let begun = parts.extensions.get().copied();
        let Begun(begun) = begun.unwrap_or(Begun(Instant::now()));
        let address = parts.uri.path_and_query().map_or("/", |it| it.as_str());
        let views = match ViewPage::of(address) {
            Some(_) => app.store.views(&signed.name).await,
            None => Ok(Vec::new()),
        };
        // A page without them is worth more than none.
        let views = views.unwrap_or_else(|error| {
            tracing::warn!(%error, "pages are shown without saved views");
            Vec::new()
        });
        Ok(Self {
            signed,
            now: app.now(),
            levels: problems::levels(app),
            version: app.version.clone(),
            theme: theme(&parts.headers),
            address: address.to_owned(),
            editions: kiosk::words(&board.editions, parts.extensions.get()),
            said: cookie(&parts.headers, SAID).map(unescape),
            took: Took(Box::new(move || begun.elapsed())),
            views,
            board,
        })
    }
}

/// Refuses what needs a greater role than the visitor has. Forms that he is not offered can still be sent by hand.
pub(crate) fn may(signed: &SignedIn, needed: Role) -> Result<(), Refusal> {
    if signed.role >= needed {
        return Ok(());
    }
    Err(Refusal::new(
        lockstep_model::ProblemKind::NotAllowed,
        format!(
            "this needs the role {needed}; {} has the role {}",
            signed.name, signed.role
        ),
    ))
}

/// The answer to a form that was done: the browser goes to `to`, where `said` is shown once.
pub(crate) fn done(to: &str, said: &str) -> Response {
    let mut response = see(to);
    let said: String = said.chars().take(300).collect();
    let cookie = format!(
        "{SAID}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60",
        escape(&said)
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Sends the browser to an address of ours, by GET.
pub(super) fn see(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// An address that is ours for certain: a path, and nothing that a browser takes for another host.
pub(super) fn local(to: &str) -> Option<&str> {
    let strange = |c: char| c == '\\' || c.is_control();
    (to.starts_with('/') && !to.starts_with("//") && to.len() <= 2_000 && !to.contains(strange))
        .then_some(to)
}

/// The theme that the browser was told to keep.
pub(super) fn theme(headers: &HeaderMap) -> Theme {
    Theme::parse(cookie(headers, THEME).unwrap_or_default())
}

fn escape(text: &str) -> String {
    lockstep_pages::parts::link::segment(text)
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut hex = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        match byte {
            b'%' => {
                let (Some(high), Some(low)) = (hex(), hex()) else {
                    break;
                };
                bytes.push((high * 16 + low) as u8);
            }
            plain => bytes.push(plain),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_comes_back_as_it_was() {
        let said = "host web1 is removed; \"ä\" = 100 %";
        assert_eq!(unescape(&escape(said)), said);
        assert_eq!(unescape("%4"), "");
    }

    #[test]
    fn no_address_leads_to_another_host() {
        assert_eq!(local("/hosts?q=a"), Some("/hosts?q=a"));
        for strange in ["", "https://x", "//x", "/\\x", "javascript:1", "/a\nb"] {
            assert_eq!(local(strange), None, "{strange:?}");
        }
    }
}
