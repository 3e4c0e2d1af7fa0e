//! The board at a moment that is over: what is kept of it, put together by `plan::past`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lockstep_model::api::operator::BoardThen;
use lockstep_model::api::{Snapshot, StoredEvent};
use lockstep_model::{HostName, moment_or_ago};
use lockstep_plan::past::{self, FRESH, Known, Stood};
use lockstep_store::{Nearest, Side, SnapshotsAt, Store};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::board::Board;
use crate::app::App;
use crate::web::Refusal;

/// Most items of one answer.
const MOST_ITEMS: usize = 5_000;
/// Most hosts of which nothing is known that are named.
const MOST_UNKNOWN: usize = 10_000;

/// Answers are shared for this long: what is over seldom changes.
const SHARED: Duration = Duration::from_secs(30);
/// Answers that are shared, at most.
const KEPT: usize = 4;
/// Requests that wait for their turn; the others are told to come again.
const WAITING: usize = 8;
/// They wait no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The answers of the last moments, and the one place for finding another: each reads all events of four weeks, on the
/// connections on which hosts report.
#[derive(Debug)]
pub(crate) struct Pasts {
    kept: Mutex<VecDeque<Kept>>,
    room: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

/// An answer, and when it was begun to be found.
#[derive(Debug)]
struct Kept {
    begun: Instant,
    at: Timestamp,
    host: Option<HostName>,
    then: Arc<BoardThen>,
}

impl Default for Pasts {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            room: Arc::new(Semaphore::new(1 + WAITING)),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Pasts {
    /// What was found a moment ago.
    fn known(&self, at: Timestamp, host: Option<&HostName>) -> Option<Arc<BoardThen>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|it| it.begun.elapsed() < SHARED);
        let found = kept
            .iter()
            .find(|it| it.at == at && it.host.as_ref() == host);
        found.map(|it| Arc::clone(&it.then))
    }

    fn keep(&self, new: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(new);
    }
}

/// The earliest moment of which something can be known. All events since the oldest snapshot that is looked at for it are
/// still kept: without them an item would be said to have stayed as it was then.
pub(crate) fn oldest(now: Timestamp) -> Timestamp {
    now.checked_sub(Store::events_kept())
        .and_then(|kept_from| kept_from.checked_add(FRESH))
        .unwrap_or(Timestamp::MIN)
}

/// A moment as somebody types it: by itself, or how long ago, or nothing for now. The latter are meant to the minute, so that
/// those who ask together get one answer.
pub(crate) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(minute(now));
    }
    let at = moment_or_ago(text, now);
    let at = at.map_err(|why| Refusal::bad_request(format!("at: {why}")))?;
    if lockstep_model::moment(text).is_some() {
        return Ok(at);
    }
    Ok(minute(at))
}

/// The minute in which a moment is, by its beginning.
fn minute(at: Timestamp) -> Timestamp {
    let minute = at.as_second().div_euclid(60).saturating_mul(60);
    Timestamp::from_second(minute).unwrap_or(at)
}

/// How the fleet stood at a moment; of one host all items, where one is asked for. One answer is found at a time, to its end
/// even if nobody waits for it any more.
pub(crate) async fn then(
    app: &Arc<App>,
    at: Timestamp,
    host: Option<&HostName>,
    now: Timestamp,
) -> Result<Arc<BoardThen>, Refusal> {
    if at > now {
        return Err(Refusal::bad_request(format!(
            "at: {at:.0} has not been yet; here it is {now:.0}"
        )));
    }
    let oldest = oldest(now);
    if at < oldest {
        return Err(Refusal::bad_request(format!(
            "at: nothing is kept of {at:.0}; events are kept for four weeks, since {oldest:.0}"
        )));
    }
    let pasts = &app.pasts;
    if let Some(known) = pasts.known(at, host) {
        return Ok(known);
    }
    let busy = || {
        let wait = Duration::from_millis(fastrand::u64(1_000..5_000));
        Refusal::busy("other people look back just now; try again", wait)
    };
    let room = Arc::clone(&pasts.room).try_acquire_owned();
    let room = room.map_err(|_| busy())?;
    let turn = timeout(LONGEST_WAIT, Arc::clone(&pasts.turn).acquire_owned()).await;
    let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
    // Somebody else may have asked the same.
    if let Some(known) = pasts.known(at, host) {
        return Ok(known);
    }
    let (app, host) = (Arc::clone(app), host.cloned());
    let finding = tokio::spawn(async move {
        let _places = (room, turn);
        let begun = Instant::now();
        let then = Arc::new(find(&app, at, host.clone()).await?);
        app.pasts.keep(Kept {
            begun,
            at,
            host,
            then: Arc::clone(&then),
        });
        Ok(then)
    });
    finding
        .await
        .map_err(|error| Refusal::internal("looking back", &error))?
}

/// What the store has of a moment.
struct Found {
    snapshots: SnapshotsAt,
    before: Nearest,
    after: Nearest,
    events_since: Option<Timestamp>,
}

async fn find(app: &App, at: Timestamp, host: Option<HostName>) -> Result<BoardThen, Refusal> {
    let board = app.boards.read(app).await?;
    let from = at.checked_sub(FRESH).unwrap_or(Timestamp::MIN);
    let of = host.as_ref();
    let found = Found {
        snapshots: app
            .store
            .snapshots_at(from, at, of, Store::MOST_SNAPSHOTS)
            .await?,
        before: app.store.events_nearest(at, Side::Before, of).await?,
        after: app.store.events_nearest(at, Side::After, of).await?,
        events_since: app.store.oldest_event().await?,
    };
    // Thousands of hosts take longer than a task may that others wait behind.
    let drawn = tokio::task::spawn_blocking(move || draw(&board, &found, at, host.as_ref()));
    drawn
        .await
        .map_err(|error| Refusal::internal("looking back", &error))?
}

fn draw(
    board: &Board,
    found: &Found,
    at: Timestamp,
    host: Option<&HostName>,
) -> Result<BoardThen, Refusal> {
    let snapshots: BTreeMap<&HostName, &Snapshot> = found
        .snapshots
        .snapshots
        .iter()
        .filter_map(|it| it.host.as_ref().map(|host| (host, it)))
        .collect();
    let (before, after) = (by_host(&found.before.events), by_host(&found.after.events));
    let lines: BTreeMap<&HostName, _> = board.hosts.iter().map(|it| (&it.view.name, it)).collect();
    let mut names: BTreeSet<&HostName> = lines.keys().copied().collect();
    names.extend(snapshots.keys());
    names.extend(before.keys().chain(after.keys()));
    if let Some(host) = host {
        names.retain(|name| *name == host);
        if names.is_empty() {
            return Err(Refusal::not_found(format!(
                "no host named {host} is known, now or then"
            )));
        }
    }
    let nothing: &[&StoredEvent] = &[];
    let known: Vec<Known<'_>> = names
        .into_iter()
        .map(|host| {
            let line = lines.get(host);
            Known {
                host,
                is_there: line.is_some(),
                // Of a host without an agent it is not known since when it is watched.
                enrolled_at: line
                    .filter(|it| it.view.via.is_none())
                    .map(|it| it.view.enrolled_at),
                snapshot: snapshots.get(host).copied(),
                before: before.get(host).map_or(nothing, Vec::as_slice),
                after: after.get(host).map_or(nothing, Vec::as_slice),
                now: line.map_or(&[], |it| &it.items),
            }
        })
        .collect();
    let mut then = past::board(&known, at);
    if host.is_some() {
        then.items = known.iter().flat_map(|it| items(it, at)).collect();
        past::sort(&mut then.items);
    }
    then.cut = found.snapshots.cut || found.before.cut || found.after.cut;
    then.events_since = found.events_since;
    then.more = then.items.len().saturating_sub(MOST_ITEMS) as u64;
    then.items.truncate(MOST_ITEMS);
    then.unknown.truncate(MOST_UNKNOWN);
    Ok(then)
}

fn items(known: &Known<'_>, at: Timestamp) -> Vec<lockstep_model::api::operator::ItemThen> {
    match past::stood(known, at) {
        Stood::So { items, .. } => items,
        Stood::NotYet | Stood::Gone | Stood::Unknown => Vec::new(),
    }
}

fn by_host(events: &[StoredEvent]) -> BTreeMap<&HostName, Vec<&StoredEvent>> {
    let mut by_host: BTreeMap<&HostName, Vec<&StoredEvent>> = BTreeMap::new();
    for event in events {
        by_host.entry(&event.event.host).or_default().push(event);
    }
    by_host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn how_long_ago_is_meant_to_the_minute() {
        let now = at(1_000_000_030);
        let two = [moment("6h", now), moment("6h", at(1_000_000_039))];
        let two = two.map(|it| it.map_err(|_| ()).unwrap());
        assert_eq!(two[0], two[1], "those who ask together get one answer");
        assert_eq!(two[0].as_second() % 60, 0);
        let two = [moment("", now), moment(" ", at(1_000_000_039))];
        let two = two.map(|it| it.map_err(|_| ()).unwrap());
        assert_eq!(two, [at(1_000_000_020); 2], "of now, too");
        let itself = moment("2001-09-09T01:46:41Z", now);
        assert_eq!(itself.map_err(|_| ()), Ok(at(1_000_000_001)));
    }

    #[test]
    fn few_answers_are_kept_and_each_for_its_own_question() {
        let pasts = Pasts::default();
        let web1 = HostName::parse("web1").unwrap();
        let keep = |second: i64, host: Option<&HostName>| {
            pasts.keep(Kept {
                begun: Instant::now(),
                at: at(second),
                host: host.cloned(),
                then: Arc::default(),
            });
        };
        keep(1, None);
        assert!(pasts.known(at(1), None).is_some());
        assert!(pasts.known(at(1), Some(&web1)).is_none());
        assert!(pasts.known(at(2), None).is_none());
        for second in 2..=KEPT as i64 {
            keep(second, None);
        }
        keep(1, Some(&web1));
        assert!(pasts.known(at(1), None).is_none(), "the oldest goes");
        assert!(pasts.known(at(1), Some(&web1)).is_some());
        assert!(pasts.known(at(2), None).is_some());
    }
}
