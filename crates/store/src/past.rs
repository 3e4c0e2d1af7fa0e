//! What is kept of a moment that is over: snapshots from shortly before it, and the events nearest to it.

use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use lockstep_model::HostName;
use lockstep_model::api::{Snapshot, StoredEvent};
use sqlx::{AssertSqlSafe, FromRow, query};

use crate::records::{Place, limit, milliseconds, rows};
use crate::{Error, Store};

/// How long events are kept after they came, in hours.
const EVENTS_HOURS: i64 = crate::tidy::RECENT_DAYS * 24;
/// Bytes of events' documents that one search reads, at most; with a usual length of events this is never met.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Of several snapshots of a host the newest.
fn snapshots(host: Option<&HostName>) -> String {
    let of_host = host.map_or("", |_| "AND host = $3");
    format!(
        "SELECT s.host, s.taken_at, s.items FROM snapshots s JOIN \
            (SELECT host, MAX(taken_at) AS newest FROM snapshots \
             WHERE taken_at >= $1 AND taken_at <= $2 {of_host} GROUP BY host) n \
            ON n.host = s.host AND n.newest = s.taken_at ORDER BY s.host"
    )
}

/// Of each item the event nearest to a moment. Before it those that led to the worst level come first, after it those soonest
/// after it: where there are too many, the others are left out. All but the documents of the events that are found stands in
/// an index.
fn nearest(side: Side, host: Option<&HostName>) -> String {
    let of_host = host.map_or("", |_| "AND host = $3");
    let (is_on_side, next, order) = match side {
        Side::Before => (
            "happened_at <= $1",
            "happened_at DESC, number DESC, id DESC",
            "e.level DESC, e.id",
        ),
        Side::After => (
            "happened_at > $1",
            "happened_at, number, id",
            "e.happened_at, e.id",
        ),
    };
    format!(
        "SELECT d.id, d.document FROM \
            (SELECT e.id, e.level, e.happened_at FROM \
                (SELECT id, level, happened_at, \
                    ROW_NUMBER() OVER (PARTITION BY host, item ORDER BY {next}) AS place \
                 FROM events WHERE {is_on_side} {of_host}) e \
             WHERE e.place = 1 ORDER BY {order} LIMIT $2) e \
            JOIN events d ON d.id = e.id ORDER BY {order}"
    )
}

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

impl Taken {
    fn read(self) -> Result<Snapshot, Error> {
        let place = Place {
            table: "snapshots",
            key: &self.host,
        };
        Ok(Snapshot {
            at: place.time("taken_at", self.taken_at)?,
            host: Some(place.parse("host", &self.host)?),
            items: place.json("items", &self.items)?,
        })
    }
}

impl Record {
    fn read(self) -> Result<StoredEvent, Error> {
        let place = Place {
            table: "events",
            key: &self.id,
        };
        let mut event: StoredEvent = place.json("document", &self.document)?;
        event.changes = Vec::new();
        Ok(event)
    }
}

#[derive(FromRow)]
struct Oldest {
    id: String,
    received_at: i64,
}

/// The events nearest to a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nearest {
    /// One of each item; without what was changed on the host before.
    pub events: Vec<StoredEvent>,
    /// True if there are more than are given.
    pub cut: bool,
}

/// The snapshots of a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SnapshotsAt {
    /// One of each host.
    pub snapshots: Vec<Snapshot>,
    /// True if there are more than are given.
    pub cut: bool,
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

    /// Bytes of snapshots' documents that a caller should let [`Store::snapshots_at`] read: some 20,000 hosts with a usual
    /// number of items.
    pub const MOST_SNAPSHOTS: usize = MOST_BYTES;

    /// The newest snapshot of each host, or of one, that was taken from `from` to `to`, by host, until `most` bytes of their
    /// documents were read: each host may have thousands of items.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn snapshots_at(
        &self,
        from: Timestamp,
        to: Timestamp,
        host: Option<&HostName>,
        most: usize,
    ) -> Result<SnapshotsAt, Error> {
        let text = snapshots(host);
        on!(self.db(), "read the snapshots of a moment", pool => {
            let mut asked = query(AssertSqlSafe(text))
                .bind(milliseconds(from))
                .bind(milliseconds(to));
            if let Some(host) = host {
                asked = asked.bind(host.as_str());
            }
            let mut found = asked.fetch(pool);
            let (mut snapshots, mut bytes) = (Vec::new(), 0_usize);
            while let Some(row) = found.try_next().await? {
                let taken: Vec<Taken> = rows("snapshots", std::slice::from_ref(&row))?;
                for taken in taken {
                    bytes = bytes.saturating_add(taken.items.len());
                    if bytes > most {
                        return Ok(SnapshotsAt { snapshots, cut: true });
                    }
                    snapshots.push(taken.read()?);
                }
            }
            Ok(SnapshotsAt { snapshots, cut: false })
        })
    }

    /// Of each item, or of each of one host, the event nearest to a moment, on one side of it, by the hosts' clocks; at most
    /// [`Store::NEAREST`].
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn events_nearest(
        &self,
        at: Timestamp,
        side: Side,
        host: Option<&HostName>,
    ) -> Result<Nearest, Error> {
        let text = nearest(side, host);
        on!(self.db(), "find the events nearest to a moment", pool => {
            let mut asked = query(AssertSqlSafe(text))
                .bind(milliseconds(at))
                .bind(limit(Self::NEAREST, Self::NEAREST));
            if let Some(host) = host {
                asked = asked.bind(host.as_str());
            }
            let mut found = asked.fetch(pool);
            let (mut events, mut bytes, mut cut) = (Vec::new(), 0_usize, false);
            // One by one: of each document little is kept.
            while let Some(row) = found.try_next().await? {
                let records: Vec<Record> = rows("events", std::slice::from_ref(&row))?;
                for record in records {
                    bytes = bytes.saturating_add(record.document.len());
                    events.push(record.read()?);
                }
                if bytes > MOST_BYTES {
                    cut = true;
                    break;
                }
            }
            cut |= events.len() >= Self::NEAREST as usize;
            Ok(Nearest { events, cut })
        })
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
