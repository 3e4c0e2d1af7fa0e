//! Snapshots: all items of a host at one moment, in short, for each slot of the last day. They are what is shown of
//! a host that does not answer.

use jiff::{Span, Timestamp};
use lockstep_model::api::{Backfill, Report, Snapshot};
use lockstep_model::{HostName, ItemName, ItemState, Level, Value};
use sqlx::{FromRow, query};

use crate::group::Entry;
use crate::records::{MAX_DOCUMENT, Place, limit, milliseconds, rows, to_json};
use crate::statements::{Bind, Statement};
use crate::{Error, Store};

/// What a snapshot says of an item.
type Item = (ItemName, Option<f64>, Level);

/// A snapshot on its way into the database.
#[derive(Debug)]
pub(crate) struct SnapshotRow {
    host: String,
    slot: i64,
    taken_at: i64,
    pub(crate) items: String,
}

/// Snapshots on their way into the database.
pub(crate) struct SnapshotsEntry {
    pub(crate) host: HostName,
    pub(crate) snapshots: Vec<SnapshotRow>,
}

/// Snapshots in one list, at most: two days, of which the older may be forgotten at any time.
const MAX_LIST: u32 = 288;

const HEAD: &str = "INSERT INTO snapshots (host, slot, taken_at, items)";
const TAIL: &str = "ON CONFLICT (host, slot) DO UPDATE SET taken_at = excluded.taken_at, \
    items = excluded.items WHERE snapshots.taken_at <= excluded.taken_at";

/// How long they are kept.
pub(crate) fn kept() -> Span {
    Span::new().hours(24)
}

#[derive(FromRow)]
struct Record {
    host: String,
    taken_at: i64,
    items: String,
}

impl SnapshotRow {
    /// None if it is not of the day before `now` or the one after it: nobody would ever look at it.
    fn new(
        host: &HostName,
        at: Timestamp,
        items: &Vec<Item>,
        now: Timestamp,
    ) -> Result<Option<Self>, Error> {
        let day = kept();
        let first = now.checked_sub(day).unwrap_or(Timestamp::MIN);
        let last = now.checked_add(day).unwrap_or(Timestamp::MAX);
        if !(first..=last).contains(&at) {
            return Ok(None);
        }
        Ok(Some(Self {
            host: host.as_str().to_owned(),
            slot: slot(at),
            taken_at: milliseconds(at),
            items: to_json("a snapshot", items, MAX_DOCUMENT)?,
        }))
    }
}

fn slot(at: Timestamp) -> i64 {
    let length = i64::try_from(Snapshot::SLOT.duration().as_millis()).unwrap_or(i64::MAX);
    milliseconds(at).div_euclid(length)
}

fn in_short(states: &[ItemState]) -> Vec<Item> {
    let number = |value: &Value| match value {
        Value::Number { value, .. } => Some(*value),
        _ => None,
    };
    states
        .iter()
        .map(|state| (state.item.clone(), number(&state.value), state.level))
        .collect()
}

/// The snapshots that a report is: of the host itself and of those that it watches.
pub(crate) fn of_report(
    host: &HostName,
    report: &Report,
    now: Timestamp,
) -> Result<Vec<SnapshotRow>, Error> {
    let own = SnapshotRow::new(host, report.at, &in_short(&report.items), now);
    let watched = report
        .watched
        .iter()
        .map(|it| SnapshotRow::new(&it.host, report.at, &in_short(&it.items), now));
    std::iter::once(own)
        .chain(watched)
        .filter_map(Result::transpose)
        .collect()
}

/// How snapshots are written: of several of one slot the newest.
pub(crate) fn write(snapshots: &[SnapshotRow]) -> Vec<Statement> {
    let mut newest = std::collections::BTreeMap::new();
    for snapshot in snapshots {
        let kept = newest
            .entry((&snapshot.host, snapshot.slot))
            .or_insert(snapshot);
        if kept.taken_at < snapshot.taken_at {
            *kept = snapshot;
        }
    }
    let rows = newest.into_values().map(|snapshot| {
        [
            Bind::from(snapshot.host.as_str()),
            Bind::from(snapshot.slot),
            Bind::from(snapshot.taken_at),
            Bind::from(snapshot.items.as_str()),
        ]
    });
    Statement::for_rows(HEAD, TAIL, rows)
}

impl Store {
    /// Stores what a host measured while it could not report. What is older than a day is left out, and so is what
    /// lies more than a day ahead. Returns when it is durable; the same again does no harm.
    ///
    /// # Errors
    /// [`Error::HostUnknown`] if the reporter is not enrolled; [`Error::NotStorable`] for more than
    /// [`Backfill::MOST`]; [`Error::Busy`] as with [`Store::record_report`].
    pub async fn record_snapshots(
        &self,
        reporter: &HostName,
        snapshots: &[Snapshot],
        now: Timestamp,
    ) -> Result<(), Error> {
        if snapshots.len() > Backfill::MOST {
            return Err(Error::NotStorable {
                what: "a set of snapshots",
                why: format!("it has {}, at most {}", snapshots.len(), Backfill::MOST),
            });
        }
        let rows: Result<Vec<_>, Error> = snapshots
            .iter()
            .map(|it| SnapshotRow::new(it.host.as_ref().unwrap_or(reporter), it.at, &it.items, now))
            .filter_map(Result::transpose)
            .collect();
        let entry = SnapshotsEntry {
            host: reporter.clone(),
            snapshots: rows?,
        };
        self.groups().write(Entry::Snapshots(entry)).await?;
        Ok(())
    }

    /// The snapshots of a host from `from` to before `to`, oldest first.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn snapshots(
        &self,
        host: &HostName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Snapshot>, Error> {
        let found: Vec<Record> = on!(self.db(), "read the snapshots of a host", pool => {
            let found = query(
                "SELECT host, taken_at, items FROM snapshots \
                 WHERE host = $1 AND taken_at >= $2 AND taken_at < $3 ORDER BY taken_at DESC LIMIT $4",
            )
            .bind(host.as_str())
            .bind(milliseconds(from))
            .bind(milliseconds(to))
            .bind(limit(MAX_LIST, MAX_LIST))
            .fetch_all(pool)
            .await?;
            Ok(rows("snapshots", &found)?)
        })?;
        found
            .into_iter()
            .rev()
            .map(|record| {
                let place = Place {
                    table: "snapshots",
                    key: &record.host,
                };
                Ok(Snapshot {
                    at: place.time("taken_at", record.taken_at)?,
                    host: Some(host.clone()),
                    items: place.json("items", &record.items)?,
                })
            })
            .collect()
    }
}
