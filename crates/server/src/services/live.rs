//! An item's value now, for people who watch it live: asked of its host, once a second however many watch.
//!
//! All who watch one item share one question and its answer. Questions that are open are few for each host and in all, and
//! what is not in a host's last report is not asked for: names that somebody makes up take nobody's place. Of the places each
//! user has a share (`live_shares`). A host that does not answer is left alone for a while, whatever it is asked: an agent that
//! is too old for the question says nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockstep_model::api::{Ask, ItemNow, NowQuery, QueryAnswer};
use lockstep_model::{HostName, ItemName, UserName};
use tokio::time::Instant;

use super::live_shares::{Asked, Shares};
use crate::app::App;
use crate::queries::NoAnswer;
use crate::web::Refusal;

/// An answer is good for so long: a little less than the second between two questions of somebody who watches.
const GOOD: Duration = Duration::from_millis(900);
/// A host that did not answer is left alone for so long.
const REST: Duration = Duration::from_secs(10);
/// A host that is not connected, or refused the question, is asked again after this.
const PAUSE: Duration = Duration::from_secs(2);
/// Items of one host that are watched at once.
const MOST_OF_HOST: usize = 8;
/// Items that are watched at once on this server.
const MOST: usize = 128;

/// What is watched live.
#[derive(Debug, Default)]
pub(crate) struct LiveItems {
    items: Mutex<HashMap<Key, Arc<Turn>>>,
    /// Hosts that did not answer, and until when they are left alone.
    resting: Mutex<HashMap<HostName, Instant>>,
    /// Who watches what.
    shares: Shares<Key>,
}

/// The host that is asked, whom it is asked about, and the item.
type Key = (HostName, HostName, ItemName);

impl Asked for Key {
    fn asked(&self) -> &HostName {
        &self.0
    }
}

/// One item: whoever holds this asks, the others wait and take what he got.
type Turn = tokio::sync::Mutex<Option<Said>>;

/// The last answer, and until when it stands.
#[derive(Debug)]
struct Said {
    until: Instant,
    answer: Result<ItemNow, No>,
}

/// Why there is no value.
#[derive(Debug, Clone)]
enum No {
    NotConnected,
    TooLate,
    TooMany,
    /// The host's own words.
    Refused(String),
}

impl LiveItems {
    /// The place of an item; those that nobody watches any more make room.
    fn turn(&self, key: &Key) -> Result<Arc<Turn>, Refusal> {
        let mut items = self.items();
        if let Some(turn) = items.get(key) {
            return Ok(Arc::clone(turn));
        }
        // Whoever holds a turn, or waits for it, has a count of it.
        items.retain(|_, turn| {
            let is_held = Arc::strong_count(turn) > 1;
            let is_good = |said: &Said| said.until > Instant::now();
            is_held
                || turn
                    .try_lock()
                    .is_ok_and(|it| it.as_ref().is_some_and(is_good))
        });
        let of_host = items.keys().filter(|(asked, ..)| *asked == key.0).count();
        for (most, there, of) in [
            (MOST_OF_HOST, of_host, format!("of {}", key.0)),
            (MOST, items.len(), "on this server".into()),
        ] {
            if there >= most {
                let words = format!("{most} items {of} are watched live already; ask again soon");
                return Err(Refusal::busy(words, PAUSE));
            }
        }
        let turn = Arc::<Turn>::default();
        items.insert(key.clone(), Arc::clone(&turn));
        Ok(turn)
    }

    /// True if somebody watches the item, or did so a moment ago.
    fn is_watched(&self, key: &Key) -> bool {
        self.items().contains_key(key)
    }

    /// A host has not answered.
    fn rest(&self, asked: &HostName, now: Instant) {
        let mut resting = self.resting();
        resting.retain(|_, until| *until > now);
        resting.insert(asked.clone(), now + REST);
    }

    /// True if a host is left alone.
    fn rests(&self, asked: &HostName, now: Instant) -> bool {
        self.resting().get(asked).is_some_and(|until| *until > now)
    }

    fn resting(&self) -> MutexGuard<'_, HashMap<HostName, Instant>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn items(&self) -> MutexGuard<'_, HashMap<Key, Arc<Turn>>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An item of a host as it is now, for this user.
///
/// Refused with 404 for a host that is not there or an item that its last report does not have, 409 for one that cannot be asked or that does not give the item, and
/// 503 where the host does not answer in time or too much is asked; 429 where this user asks for too much.
pub(crate) async fn now(
    app: &App,
    user: &UserName,
    host: &HostName,
    item: &ItemName,
) -> Result<ItemNow, Refusal> {
    // A host without an agent is asked through the one that watches it.
    let accepted = app.fleet.accepted();
    let via = accepted.and_then(|accepted| accepted.fleet.watcher_of(host).cloned());
    let asked = via.unwrap_or_else(|| host.clone());
    if !app.streams.holds(&asked) {
        // Of one that is not there, that is all there is to say.
        super::hosts::one(app, host).await?;
        return Err(refuse(host, &asked, &No::NotConnected));
    }
    let key = (asked.clone(), host.clone(), item.clone());
    if !app.live_items.is_watched(&key) {
        has_item(app, host, item).await?;
    }
    if app.live_items.rests(&asked, Instant::now()) {
        return Err(refuse(host, &asked, &No::TooLate));
    }
    let mut watching = app.live_items.shares.begin(user, &key)?;
    let turn = app.live_items.turn(&key)?;
    let mut said = turn.lock().await;
    let good = said.as_ref().filter(|it| it.until > Instant::now());
    let answer = match good {
        Some(said) => {
            watching.holds_until(said.until);
            said.answer.clone()
        }
        None => {
            let answer = ask(app, &asked, host, item).await;
            let lasts = match &answer {
                Ok(_) => GOOD,
                Err(No::TooLate) => {
                    app.live_items.rest(&asked, Instant::now());
                    REST
                }
                Err(_) => PAUSE,
            };
            let until = Instant::now() + lasts;
            watching.holds_until(until);
            *said = Some(Said {
                until,
                answer: answer.clone(),
            });
            answer
        }
    };
    answer.map_err(|no| refuse(host, &asked, &no))
}

/// Refuses an item that the host has not told of.
async fn has_item(app: &App, host: &HostName, item: &ItemName) -> Result<(), Refusal> {
    let said = super::hosts::said(app, Some(host)).await?;
    if said.is_empty() {
        super::hosts::one(app, host).await?;
    }
    let mut items = said.iter().flat_map(|it| &it.items);
    if items.any(|it| it.item == *item) {
        return Ok(());
    }
    Err(Refusal::not_found(format!(
        "there is no item {item} in the last report of {host}"
    )))
}

async fn ask(app: &App, asked: &HostName, host: &HostName, item: &ItemName) -> Result<ItemNow, No> {
    let query = NowQuery {
        host: (asked != host).then(|| host.clone()),
        item: item.clone(),
    };
    match app.queries.ask(&app.hints, asked, Ask::Now(query)).await {
        Ok(QueryAnswer::Now(now)) if now.item == *item => Ok(now),
        Ok(QueryAnswer::Refused(why)) => Err(No::Refused(why)),
        Ok(_) => Err(No::Refused("it answered something else".into())),
        Err(NoAnswer::NotConnected) => Err(No::NotConnected),
        Err(NoAnswer::TooLate) => Err(No::TooLate),
        Err(NoAnswer::TooMany) => Err(No::TooMany),
    }
}

/// Longest words of a host that are passed on, in bytes.
const LONGEST_WHY: usize = 500;

fn refuse(host: &HostName, asked: &HostName, no: &No) -> Refusal {
    match no {
        No::NotConnected => Refusal::conflict(format!(
            "{asked} is not connected to this server, so {host} cannot be watched live; its last report stands"
        )),
        No::TooLate => Refusal::busy(
            format!(
                "{asked} did not answer in time; an agent that is too old for the question never does, so it is not \
                 asked again for {} s",
                REST.as_secs()
            ),
            REST,
        ),
        No::TooMany => Refusal::busy("too many questions to hosts are open on this server", PAUSE),
        No::Refused(why) => {
            let end = why.floor_char_boundary(LONGEST_WHY);
            Refusal::conflict(format!("{asked} gives no value: {}", &why[..end]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(host: &str, item: usize) -> Key {
        let host = HostName::parse(host).unwrap();
        let item = ItemName::parse(&format!("listening:{item}")).unwrap();
        (host.clone(), host, item)
    }

    #[test]
    fn a_host_that_did_not_answer_is_left_alone_whatever_it_is_asked() {
        let live = LiveItems::default();
        let (old, new) = (key("old", 0).0, key("new", 0).0);
        let now = Instant::now();
        live.rest(&old, now);
        assert!(live.rests(&old, now) && !live.rests(&new, now));
        let later = now + REST;
        assert!(!live.rests(&old, later));
        // Those that have rested are not remembered.
        live.rest(&new, later);
        assert_eq!(live.resting().len(), 1);
    }

    #[tokio::test]
    async fn what_is_watched_at_once_is_bounded_for_each_host_and_in_all() {
        let live = LiveItems::default();
        let mut held = Vec::new();
        for item in 0..MOST_OF_HOST {
            held.push(live.turn(&key("web1", item)).unwrap());
        }
        assert!(
            live.turn(&key("web1", 99))
                .unwrap_err()
                .detail()
                .contains("of web1")
        );
        // Who watches what is watched already shares it.
        let shared = live.turn(&key("web1", 0)).unwrap();
        assert!(Arc::ptr_eq(&shared, &held[0]));
        drop(shared);
        // One that nobody waits for and whose answer is old makes room.
        held.pop();
        held.push(live.turn(&key("web1", 99)).unwrap());
        for host in 0..MOST / MOST_OF_HOST {
            for item in 0..MOST_OF_HOST {
                held.extend(live.turn(&key(&format!("db{host}"), item)).ok());
            }
        }
        let full = live.turn(&key("new", 1)).unwrap_err();
        assert!(
            full.detail().contains("on this server"),
            "{}",
            full.detail()
        );
        assert_eq!(held.len(), MOST);
    }
}
