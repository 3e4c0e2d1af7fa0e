//! What is kept of a moment that is over: snapshots from shortly before it, and the events nearest to it.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::{Snapshot, StoredEvent};
use sqlx::{FromRow, query};

use crate::records::{Place, limit, milliseconds, rows};
use crate::{Error, Store};

/// How long events are kept after they came, in hours.
const EVENTS_HOURS: i64 = crate::tidy::RECENT_DAYS * 24;
/// Hosts in one page of snapshots: as many as fit into some megabytes.
const PAGE: u32 = 500;

/// Of several snapshots of a host the newest.
const SNAPSHOTS: &str = "SELECT s.host, s.taken_at, s.items FROM snapshots s JOIN \
    (SELECT host, MAX(taken_at) AS newest FROM snapshots WHERE taken_at >= $1 AND taken_at <= $2 GROUP BY host) n \
    ON n.host = s.host AND n.newest = s.taken_at WHERE ($3 IS NULL OR s.host > $3) ORDER BY s.host LIMIT $4";

/// Of each item the last one up to a moment. Those that led to the worst level come first: where there are too many, the
/// others are left out.
const BEFORE: &str = "SELECT d.id, d.document FROM \
    (SELECT id, level, ROW_NUMBER() OVER (PARTITION BY host, item ORDER BY happened_at DESC, number DESC, id DESC) AS place \
     FROM events WHERE happened_at <= $1) e \
    JOIN events d ON d.id = e.id WHERE e.place = 1 ORDER BY e.level DESC, d.id LIMIT $2";
/// Of each item the first one after a moment, those soonest after it first.
const AFTER: &str = "SELECT d.id, d.document FROM \
    (SELECT id, happened_at, ROW_NUMBER() OVER (PARTITION BY host, item ORDER BY happened_at, number, id) AS place \
     FROM events WHERE happened_at > $1) e \
    JOIN events d ON d.id = e.id WHERE e.place = 1 ORDER BY e.happened_at, d.id LIMIT $2";

#[derive(FromRow)]
struct Taken {
    host: String,
    taken_at: i64,
    items: String,
}

#[derive(FromRow)]
struct Record {
    id: String,
    document: String,
}

#[derive(FromRow)]
struct Oldest {
    id: String,
    received_at: i64,
}

/// On which side of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// At it or before.
    Before,
    /// After it.
    After,
}

impl Store {
    /// Most events that [`Store::events_nearest`] gives.
    pub const NEAREST: u32 = 20_000;

    /// How long events are kept.
    #[must_use]
    pub fn events_kept() -> SignedDuration {
        SignedDuration::from_hours(EVENTS_HOURS)
    }

    /// The newest snapshot of each host that was taken from `from` to `to`, by host.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn snapshots_at(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Snapshot>, Error> {
        let mut snapshots: Vec<Snapshot> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let found: Vec<Taken> = on!(self.db(), "read the snapshots of a moment", pool => {
                let found = query(SNAPSHOTS)
                    .bind(milliseconds(from))
                    .bind(milliseconds(to))
                    .bind(after.as_deref())
                    .bind(limit(PAGE, PAGE))
                    .fetch_all(pool)
                    .await?;
                Ok(rows("snapshots", &found)?)
            })?;
            let is_last = found.len() < PAGE as usize;
            for taken in found {
                let place = Place {
                    table: "snapshots",
                    key: &taken.host,
                };
                snapshots.push(Snapshot {
                    at: place.time("taken_at", taken.taken_at)?,
                    host: Some(place.parse("host", &taken.host)?),
                    items: place.json("items", &taken.items)?,
                });
                after = Some(taken.host);
            }
            if is_last {
                return Ok(snapshots);
            }
        }
    }

    /// Of each item the event nearest to a moment, on one side of it, by the hosts' clocks; at most [`Store::NEAREST`].
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn events_nearest(
        &self,
        at: Timestamp,
        side: Side,
    ) -> Result<Vec<StoredEvent>, Error> {
        let text = match side {
            Side::Before => BEFORE,
            Side::After => AFTER,
        };
        let found: Vec<Record> = on!(self.db(), "find the events nearest to a moment", pool => {
            let found = query(text)
                .bind(milliseconds(at))
                .bind(limit(Self::NEAREST, Self::NEAREST))
                .fetch_all(pool)
                .await?;
            Ok(rows("events", &found)?)
        })?;
        let read = |record: Record| {
            let place = Place {
                table: "events",
                key: &record.id,
            };
            place.json("document", &record.document)
        };
        found.into_iter().map(read).collect()
    }

    /// When the oldest event came that is still there; none if there is none.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn oldest_event(&self) -> Result<Option<Timestamp>, Error> {
        let found: Vec<Oldest> = on!(self.db(), "find the oldest event", pool => {
            let found = query("SELECT id, received_at FROM events ORDER BY received_at LIMIT 1")
                .fetch_all(pool)
                .await?;
            Ok(rows("events", &found)?)
        })?;
        let read = |oldest: Oldest| {
            let place = Place {
                table: "events",
                key: &oldest.id,
            };
            place.time("received_at", oldest.received_at)
        };
        found.into_iter().next().map(read).transpose()
    }
}
