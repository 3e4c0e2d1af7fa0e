//! What pages ask for beside the lists themselves: how many events came when, and the runs that ended in one way.

use jiff::Timestamp;
use lockstep_model::api::operator::RunView;
use lockstep_model::{Glob, HostName, Level, Outcome, RunId};
use sqlx::{FromRow, query};

use crate::records::{Place, limit, milliseconds, rows};
use crate::runs::Record;
use crate::{Error, EventFilter, Store};

/// Slots of one answer, at most.
const MAX_SLOTS: u32 = 1000;
/// Items of slots that are looked at, at most.
const MAX_ITEMS: u32 = 50_000;
/// Runs of one list, at most.
const MAX_LIST: u32 = 1001;
/// Shortest slot, in milliseconds.
const SHORTEST: i64 = 1000;

/// How many events came in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSlot {
    /// Its beginning. Slots begin at multiples of their length.
    pub from: Timestamp,
    /// Events that the server stored in it.
    pub count: u64,
    /// The worst level that one of them led to.
    pub worst: Level,
}

/// How a run stands, for lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// It is not over.
    Running,
    /// It ended so, or has stopped and waits for a person. Of those that have stopped, the ones of removed hosts wait for
    /// nobody and are left out.
    Ended(Outcome),
}

#[derive(FromRow)]
struct Slot {
    slot: String,
    host: String,
    item: String,
    worst: i64,
    count: i64,
}

const SLOTS: &str = "SELECT CAST(s.slot AS TEXT) AS slot, '' AS host, '' AS item, MAX(s.level) AS worst, \
    COUNT(*) AS count FROM (SELECT received_at / $2 AS slot, level FROM events WHERE received_at >= $1 \
    AND ($3 IS NULL OR host = $3) AND ($4 IS NULL OR item = $4) AND level >= $5) s \
    GROUP BY s.slot ORDER BY s.slot DESC LIMIT $6";
const SLOTS_OF_ITEMS: &str = "SELECT CAST(s.slot AS TEXT) AS slot, s.host AS host, s.item AS item, MAX(s.level) AS worst, \
    COUNT(*) AS count FROM (SELECT received_at / $2 AS slot, level, host, item FROM events WHERE received_at >= $1 \
    AND ($3 IS NULL OR host = $3) AND ($4 IS NULL OR item = $4) AND level >= $5) s \
    GROUP BY s.slot, s.host, s.item ORDER BY s.slot DESC LIMIT $6";

/// The outcome stands in the text where an index is for it.
const STOPPED: &str = "SELECT r.id, r.host, r.record FROM runs r JOIN hosts h ON h.name = r.host \
    WHERE r.outcome = 'stopped' AND h.removed_at IS NULL AND ($1 IS NULL OR r.host = $1) \
    AND ($2 IS NULL OR r.id < $2) AND $3 = 'stopped' ORDER BY r.id DESC LIMIT $4";
const OTHERS: &str = "SELECT id, host, record FROM runs WHERE ($1 IS NULL OR host = $1) \
    AND ($2 IS NULL OR id < $2) AND COALESCE(outcome, 'running') = $3 ORDER BY id DESC LIMIT $4";

impl Store {
    /// How many events the server stored since a moment, of those that the filter lets through (its times and
    /// [`EventFilter::before_id`] do not count), in slots of so many milliseconds (at least 1000), oldest first. Slots without
    /// events are left out; at most the newest 1000 are given. For a pattern of items, and for several hosts, the newest
    /// 50,000 items of slots are looked at.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn event_slots(
        &self,
        since: Timestamp,
        slot_ms: i64,
        filter: &EventFilter,
    ) -> Result<Vec<EventSlot>, Error> {
        let slot_ms = slot_ms.max(SHORTEST);
        let host = filter.host.as_ref().map(HostName::as_str);
        let item = filter.item.as_ref().filter(|item| item.is_plain());
        let item = item.map(Glob::as_str);
        let level = i64::from(filter.level.unwrap_or_default().rank());
        let (text, most) = match filter.is_plain() {
            true => (SLOTS, MAX_SLOTS),
            false => (SLOTS_OF_ITEMS, MAX_ITEMS),
        };
        let found: Vec<Slot> = on!(self.db(), "count the events of a time", pool => {
            let found = query(text)
                .bind(milliseconds(since))
                .bind(slot_ms)
                .bind(host)
                .bind(item)
                .bind(level)
                .bind(limit(most, most))
                .fetch_all(pool)
                .await?;
            Ok(rows("events", &found)?)
        })?;
        let read = |slot: Slot| -> Result<EventSlot, Error> {
            let place = Place {
                table: "events",
                key: &slot.slot,
            };
            let number: i64 = place.parse("received_at", &slot.slot)?;
            let rank: usize = place.number("level", slot.worst)?;
            let worst = Level::ALL.get(rank).copied();
            Ok(EventSlot {
                from: place.time("received_at", number.saturating_mul(slot_ms))?,
                count: slot.count.unsigned_abs(),
                worst: worst.ok_or_else(|| place.damaged("level", "there is no such level"))?,
            })
        };
        let mut slots: Vec<EventSlot> = Vec::new();
        let asked = found
            .into_iter()
            .filter(|slot| filter.lets(&slot.host, &slot.item));
        for slot in asked {
            let next = read(slot)?;
            let room = slots.len() < MAX_SLOTS as usize;
            match slots.last_mut().filter(|last| last.from == next.from) {
                Some(last) => {
                    last.count += next.count;
                    last.worst = last.worst.max(next.worst);
                }
                None if room => slots.push(next),
                None => break,
            }
        }
        slots.reverse();
        Ok(slots)
    }

    /// The runs that stand so, newest first, of one host or of all: those that come behind `before`, at most 1001.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn runs_that(
        &self,
        end: RunEnd,
        host: Option<&HostName>,
        before: Option<&RunId>,
        wanted: u32,
    ) -> Result<Vec<RunView>, Error> {
        let host = host.map(HostName::as_str);
        let before = before.map(ToString::to_string);
        let (text, end) = match end {
            RunEnd::Running => (OTHERS, "running"),
            RunEnd::Ended(Outcome::Stopped) => (STOPPED, "stopped"),
            RunEnd::Ended(outcome) => (OTHERS, outcome.as_str()),
        };
        let found: Vec<Record> = on!(self.db(), "list the runs that stand so", pool => {
            let found = query(text)
                .bind(host)
                .bind(before.as_deref())
                .bind(end)
                .bind(limit(wanted, MAX_LIST))
                .fetch_all(pool)
                .await?;
            Ok(rows("runs", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }
}
