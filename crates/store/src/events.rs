//! Events: each is stored once, whatever is sent twice or in another order than it happened.
//!
//! An event's identity at its origin is (reporter, series, number). The answer to a batch is the number through which
//! all of the series is stored; whoever sent it may forget these. A gap stops it until what is missing has come. The
//! first batch of a series may begin anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use lockstep_model::api::{EventBatch, StoredEvent};
use lockstep_model::{Change, Event, HostName, Value};
use sqlx::FromRow;

use crate::group::Entry;
use crate::records::{milliseconds, sentence, stored_number, to_json};
use crate::statements::{Bind, Statement};
use crate::troubles::{self, Reporter, SERVER};
use crate::{Error, Store};

/// Largest event, in bytes of JSON; its texts are cut to fit.
const MAX_EVENT: usize = 64 * 1024;
/// Changes that are stored with an event, at most.
const MOST_CHANGES: usize = 20;
/// A change counts as one before an event when it is no more than this much later, in milliseconds: clocks differ.
const CLOCKS_DIFFER: i64 = 60_000;
/// Longest name of a series, in bytes.
const MAX_SERIES: usize = 64;

const HEAD: &str = "INSERT INTO events \
    (id, via, series, number, host, item, level, happened_at, received_at, document)";
const TAIL: &str = "ON CONFLICT DO NOTHING";

/// Locks a series; a new one has nothing yet.
pub(crate) const SERIES: &str = "INSERT INTO event_series (via, series, base, through, updated_at) \
    VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (via, series) DO UPDATE SET updated_at = excluded.updated_at RETURNING base, through";
/// Which numbers are there already.
pub(crate) const THERE: &str =
    "SELECT number FROM events WHERE via = $1 AND series = $2 AND number BETWEEN $3 AND $4";
/// The numbers that come next; as many as a batch may bring, and some that waited behind a gap.
pub(crate) const NEXT: &str = "SELECT number FROM events WHERE via = $1 AND series = $2 AND number > $3 \
    ORDER BY number LIMIT 1000";
pub(crate) const THROUGH: &str =
    "UPDATE event_series SET through = $3 WHERE via = $1 AND series = $2";
/// What is known to have happened after the oldest of a batch. An event of another series counts only if it is of
/// the hour after: an hour ahead is a clock that was wrong.
pub(crate) const LATER: &str = "SELECT host, item, series, number, happened_at FROM events \
    WHERE via = $1 AND ((series = $2 AND number > $3) \
        OR (series <> $2 AND happened_at > $4 AND happened_at <= $5))";

/// A batch on its way into the database.
pub(crate) struct EventsEntry {
    /// Who says so; none for the server itself.
    pub(crate) via: Option<HostName>,
    pub(crate) series: String,
    pub(crate) received: Timestamp,
    /// What is before it and not stored will never come.
    oldest: u64,
    /// In the order of their numbers, each number once.
    events: Vec<StoredEvent>,
}

/// An event that is there, in short.
#[derive(Debug, FromRow)]
pub(crate) struct Later {
    host: String,
    item: String,
    series: String,
    number: i64,
    happened_at: i64,
}

impl EventsEntry {
    fn new(
        via: Option<&HostName>,
        batch: &EventBatch,
        changes: &BTreeMap<HostName, Vec<Change>>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let refuse = |why| Error::NotStorable {
            what: "a batch of events",
            why,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let series = &batch.series;
        if series.is_empty() || series.len() > MAX_SERIES || !series.chars().all(plain) {
            return Err(refuse(format!(
                "its series has 1 to {MAX_SERIES} letters, digits or '-'"
            )));
        }
        if batch.events.len() > EventBatch::MOST {
            let (many, most) = (batch.events.len(), EventBatch::MOST);
            return Err(refuse(format!("it has {many} events, at most {most}")));
        }
        let mut events = BTreeMap::new();
        for (index, event) in batch.events.iter().enumerate() {
            stored_number("the number of an event", event.number)?;
            let event = cut(event);
            let known = changes.get(&event.host).map_or(&[][..], Vec::as_slice);
            let changes = known
                .iter()
                .filter(|change| {
                    milliseconds(change.at) <= milliseconds(event.at).saturating_add(CLOCKS_DIFFER)
                })
                .take(MOST_CHANGES)
                .cloned()
                .collect();
            // The server's own events without a number get one when they are stored.
            let is_open = via.is_none() && event.number == 0;
            let place = (event.number, if is_open { index } else { 0 });
            events.entry(place).or_insert_with(|| StoredEvent {
                id: new_id(now),
                via: via.cloned(),
                received_at: now,
                event,
                changes,
            });
        }
        let entry = Self {
            via: via.cloned(),
            series: series.clone(),
            received: now,
            oldest: batch.oldest,
            events: events.into_values().collect(),
        };
        // What cannot be written must not come into line.
        for event in &entry.events {
            to_json("an event", event, MAX_EVENT)?;
        }
        Ok(entry)
    }

    /// Through which number there is nothing left to be waited for. An agent cannot give up what it sends.
    pub(crate) fn given_up(&self, first: i64) -> i64 {
        i64::try_from(self.oldest)
            .unwrap_or(i64::MAX)
            .min(first)
            .saturating_sub(1)
    }

    pub(crate) fn via(&self) -> &str {
        self.via.as_ref().map_or(SERVER, HostName::as_str)
    }

    /// About as many bytes as its texts have.
    pub(crate) fn bytes(&self) -> usize {
        let text = |value: &Value| match value {
            Value::Text(text) | Value::None(text) => text.len(),
            Value::Number { .. } => 0,
        };
        self.events
            .iter()
            .map(|it| 512 + it.event.why.len() + text(&it.event.value) + 128 * it.changes.len())
            .sum()
    }

    /// Its lowest and highest number, and the earliest time; none if it is empty.
    pub(crate) fn span(&self) -> Option<Span> {
        let numbers = || self.events.iter().map(|it| number(&it.event));
        Some(Span {
            first: numbers().min()?,
            last: numbers().max()?,
            earliest: self
                .events
                .iter()
                .map(|it| milliseconds(it.event.at))
                .min()?,
        })
    }

    /// The events as they are to be stored: those that never were, and with numbers.
    pub(crate) fn fresh(&self, base: i64, through: i64, there: &[i64]) -> Vec<StoredEvent> {
        let there: BTreeSet<i64> = there.iter().copied().collect();
        let mut next = through.saturating_add(1);
        let mut fresh = Vec::new();
        for event in &self.events {
            let mut event = event.clone();
            if self.via.is_none() && event.event.number == 0 {
                event.event.number = next.unsigned_abs();
                next = next.saturating_add(1);
            } else if (base..=through).contains(&number(&event.event))
                || there.contains(&number(&event.event))
            {
                continue;
            }
            fresh.push(event);
        }
        fresh
    }

    /// How they are stored.
    pub(crate) fn write(&self, fresh: &[StoredEvent]) -> Result<Vec<Statement>, Error> {
        let rows: Result<Vec<_>, Error> = fresh
            .iter()
            .map(|it| {
                let document = to_json("an event", it, MAX_EVENT)?;
                Ok([
                    Bind::from(it.id.as_str()),
                    Bind::from(self.via()),
                    Bind::from(self.series.as_str()),
                    Bind::from(number(&it.event)),
                    Bind::from(it.event.host.as_str()),
                    Bind::from(it.event.item.as_str()),
                    Bind::from(i64::from(it.event.to.rank())),
                    Bind::from(milliseconds(it.event.at)),
                    Bind::from(milliseconds(it.received_at)),
                    Bind::from(document),
                ])
            })
            .collect();
        Ok(Statement::for_rows(HEAD, TAIL, rows?))
    }

    /// What they mean for the troubles. `later` may hold the events themselves.
    pub(crate) fn effects(
        &self,
        fresh: &[StoredEvent],
        reporter: &Reporter,
        rows: &[troubles::Row],
        later: &[Later],
    ) -> Result<Vec<Statement>, Error> {
        let own: BTreeSet<i64> = fresh.iter().map(|it| number(&it.event)).collect();
        let outdated = |event: &Event| {
            later.iter().any(|it| {
                let is_later = if it.series == self.series {
                    it.number > number(event) && !own.contains(&it.number)
                } else {
                    it.happened_at > milliseconds(event.at)
                };
                is_later && it.host == event.host.as_str() && it.item == event.item.as_str()
            })
        };
        let events = fresh.iter().map(|it| &it.event);
        troubles::effects_of_events(self.via(), reporter, self.received, events, rows, outdated)
    }
}

/// What a batch covers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) earliest: i64,
}

/// Through which number all is there, with these behind `through`.
pub(crate) fn advance(through: i64, next: &[i64]) -> i64 {
    next.iter().fold(through, |through, &number| {
        if number == through.saturating_add(1) {
            number
        } else {
            through
        }
    })
}

fn number(event: &Event) -> i64 {
    // It was checked when the batch was taken.
    i64::try_from(event.number).unwrap_or(i64::MAX)
}

/// An event must not be refused for a long text: its host would offer it for ever.
fn cut(event: &Event) -> Event {
    let mut event = event.clone();
    event.why = sentence(&event.why, Value::LONGEST_TEXT);
    match &mut event.value {
        Value::Text(text) | Value::None(text) => *text = sentence(text, Value::LONGEST_TEXT),
        Value::Number { unit, .. } => *unit = sentence(unit, Value::LONGEST_TEXT),
    }
    event
}

/// Later ones are greater: the time, then a number of this process, then chance for other processes.
fn new_id(now: Timestamp) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let count = NEXT.fetch_add(1, Ordering::Relaxed) & 0xffff_ffff;
    let at = milliseconds(now).max(0);
    format!("{at:012x}{count:08x}{:08x}", fastrand::u32(..))
}

impl Store {
    /// Stores a batch of events that came from the host `via`, or the server's own; `changes` are what was done to
    /// the hosts in the hours before, newest first. Returns when they are durable, with the number through which the
    /// series is stored without a gap. The same events again change nothing.
    ///
    /// What an event says of its item is from the same moment on in [`Store::troubles`]. Of the server's own events,
    /// those with number 0 get the next number of their series.
    ///
    /// # Errors
    /// [`Error::HostUnknown`]; [`Error::NotStorable`] for more than [`EventBatch::MOST`] events or a bad series;
    /// [`Error::Busy`] as with [`Store::record_report`].
    pub async fn record_events(
        &self,
        via: Option<&HostName>,
        batch: &EventBatch,
        changes: &BTreeMap<HostName, Vec<Change>>,
        now: Timestamp,
    ) -> Result<u64, Error> {
        let entry = EventsEntry::new(via, batch, changes, now)?;
        self.groups().write(Entry::Events(entry)).await
    }
}
