//! The live stream: which topics have changed. A page that shows one of them fetches itself again.
//!
//! It is a hint and no more (the truth is fetched): losing it costs the page its liveliness, and the page says so.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use http::StatusCode;
use lockstep_model::UserName;
use tokio::sync::watch;
use tokio::time::Instant;

use super::kiosk;
use crate::app::{App, SignedIn};
use crate::services::board::Board;
use crate::services::kiosks::{self, Screen};
use crate::services::sessions;
use crate::web::Refusal;

/// Streams of one user: so many open pages.
const EACH: usize = 8;
/// Streams of all users on this server.
const ALL: usize = 512;
/// A comment is sent this often, so that a cut is noticed on both sides.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is checked that the session is still open.
const LOOK: Duration = Duration::from_secs(30);
/// The browser comes back by itself after this end.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Who watches, by user.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watchers {
    open: Arc<Mutex<HashMap<UserName, usize>>>,
}

/// One open stream; it is counted until this is dropped.
#[derive(Debug)]
struct Watching {
    watchers: Watchers,
    user: UserName,
}

impl Watchers {
    fn open(&self, user: &UserName) -> Result<Watching, Refusal> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let count = open.get(user).copied().unwrap_or_default();
        if count >= EACH {
            let words = format!(
                "{EACH} pages of {user} are live already, which is one user's share; close one of them. This page shows the \
                 same, and is renewed by a reload"
            );
            let refusal = Refusal::busy(words, KEEP_ALIVE * 2);
            return Err(refusal.with_status(StatusCode::TOO_MANY_REQUESTS));
        }
        if all >= ALL {
            let words = format!("{ALL} pages are live on this server, and no more can be");
            return Err(Refusal::busy(words, KEEP_ALIVE * 2));
        }
        open.insert(user.clone(), count + 1);
        Ok(Watching {
            watchers: self.clone(),
            user: user.clone(),
        })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut open = self
            .watchers
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}

struct Listener {
    app: Arc<App>,
    signed: SignedIn,
    /// The screen that listens, if it is one.
    screen: Option<Screen>,
    boards: watch::Receiver<Option<Arc<Board>>>,
    end: Instant,
    /// When it is looked whether the session is still open.
    look_at: Instant,
    /// What was told last.
    told: String,
    _watching: Watching,
}

/// `GET /live`.
pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    Extension(signed): Extension<SignedIn>,
    screen: Option<Extension<Screen>>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let watching = app.watchers.open(&signed.name)?;
    let mut boards = app.boards.follow();
    // The board as it is now is told at once: the page may have been drawn a while ago.
    boards.mark_changed();
    let listener = Listener {
        boards,
        signed,
        screen: screen.map(|Extension(screen)| screen),
        end: Instant::now() + LONGEST,
        look_at: Instant::now() + LOOK,
        told: String::new(),
        app,
        _watching: watching,
    };
    let events = futures_util::stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Listener {
    /// True while whoever listens may.
    async fn is_open(&self) -> bool {
        match &self.screen {
            Some(screen) => kiosks::is_open(&self.app, screen).await,
            None => sessions::is_open(&self.app, &self.signed).await,
        }
    }

    /// The next news; none when the stream is to end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                // In this order: news come all the time, and an end must not wait for a quiet moment.
                biased;
                () = self.app.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.end) => return None,
                () = tokio::time::sleep_until(self.look_at) => {
                    if !self.is_open().await { return None }
                    self.look_at = Instant::now() + LOOK;
                    continue;
                }
                changed = self.boards.changed() => changed.ok()?,
            }
            let board = self.boards.borrow_and_update().clone();
            let words = board.map(|board| kiosk::words(&board.editions, self.screen.as_ref()));
            if let Some(words) = words.filter(|words| *words != self.told) {
                self.told.clone_from(&words);
                return Some(Event::default().event("board").data(words));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_few_streams_and_an_ended_one_makes_room() {
        let watchers = Watchers::default();
        let ann = UserName::parse("ann").unwrap();
        let mut open: Vec<_> = (0..EACH).map(|_| watchers.open(&ann).unwrap()).collect();
        let full = watchers.open(&ann).unwrap_err();
        assert_eq!(full.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(full.detail().contains("close one"), "{}", full.detail());
        assert!(watchers.open(&UserName::parse("bob").unwrap()).is_ok());
        open.pop();
        assert!(watchers.open(&ann).is_ok());
    }
}
