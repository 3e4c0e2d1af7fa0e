//! The board at a moment that is over: what is kept of it, put together by `plan::past`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::operator::BoardThen;
use lockstep_model::api::{Snapshot, StoredEvent};
use lockstep_model::{HostName, Interval};
use lockstep_plan::past::{self, FRESH, Known, Stood};
use lockstep_store::{Side, Store};

use crate::app::App;
use crate::web::Refusal;

/// Most items of one answer.
const MOST_ITEMS: usize = 5_000;
/// Most hosts of which nothing is known that are named.
const MOST_UNKNOWN: usize = 10_000;

/// The earliest moment of which something can be known.
pub(crate) fn oldest(now: Timestamp) -> Timestamp {
    now.checked_sub(Store::events_kept())
        .unwrap_or(Timestamp::MIN)
}

/// A moment as somebody types it: by itself, or how long ago.
pub(crate) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(now);
    }
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let ago = Interval::parse(text).map_err(|_| {
        Refusal::bad_request(format!(
            "at: {text:?} is neither a moment, as in 2026-11-22T12:00:00Z, nor how long ago, as in 6h"
        ))
    })?;
    let ago = SignedDuration::try_from(ago.duration()).unwrap_or(SignedDuration::MAX);
    Ok(now.checked_sub(ago).unwrap_or(Timestamp::MIN))
}

/// How the fleet stood at a moment; of one host all items, where one is asked for.
pub(crate) async fn then(
    app: &App,
    at: Timestamp,
    host: Option<&HostName>,
    now: Timestamp,
) -> Result<BoardThen, Refusal> {
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
    let board = app.boards.read(app).await?;
    let from = at.checked_sub(FRESH).unwrap_or(Timestamp::MIN);
    let snapshots = app.store.snapshots_at(from, at).await?;
    let before = app.store.events_nearest(at, Side::Before).await?;
    let after = app.store.events_nearest(at, Side::After).await?;
    let full = Store::NEAREST as usize;
    let cut = before.len() >= full || after.len() >= full;

    let snapshots: BTreeMap<&HostName, &Snapshot> = snapshots
        .iter()
        .filter_map(|it| it.host.as_ref().map(|host| (host, it)))
        .collect();
    let (before, after) = (by_host(&before), by_host(&after));
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
    then.cut = cut;
    then.events_since = app.store.oldest_event().await?;
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
