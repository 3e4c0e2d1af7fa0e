//! Watched hosts: those without an agent, as the host that watches them saw them last.

use jiff::Timestamp;
use lockstep_model::api::{Report, WatchedReport};
use lockstep_model::{HostName, ItemState};
use sqlx::{FromRow, query};

use crate::records::{MAX_DOCUMENT, Place, milliseconds, rows, to_json};
use crate::statements::{Bind, Statement};
use crate::{Error, Store};

/// A host without an agent, and how it stood last.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchedRow {
    /// The host.
    pub host: HostName,
    /// The host that watches it.
    pub via: HostName,
    /// When its last report was received, by the server's clock.
    pub received_at: Timestamp,
    /// The states of its items.
    pub items: Vec<ItemState>,
}

const HEAD: &str = "INSERT INTO watched (host, via, received_at, items)";
const TAIL: &str = "ON CONFLICT (host) DO UPDATE SET via = excluded.via, \
    received_at = excluded.received_at, items = excluded.items";
/// Those that the reporter watches no longer: its report has brought all others up to date.
const GONE: &str = "DELETE FROM watched WHERE via = $1 AND received_at <> $2";
const SELECT: &str = "SELECT host, via, received_at, items FROM watched \
    WHERE ($1 IS NULL OR host = $1) ORDER BY host";

#[derive(FromRow)]
struct Record {
    host: String,
    via: String,
    received_at: i64,
    items: String,
}

impl Record {
    fn read(self) -> Result<WatchedRow, Error> {
        let place = Place {
            table: "watched",
            key: &self.host,
        };
        Ok(WatchedRow {
            host: place.parse("host", &self.host)?,
            via: place.parse("via", &self.via)?,
            received_at: place.time("received_at", self.received_at)?,
            items: place.json("items", &self.items)?,
        })
    }
}

/// How the watched hosts of a report are written.
pub(crate) fn write(
    via: &HostName,
    report: &Report,
    received: Timestamp,
) -> Result<Vec<Statement>, Error> {
    let received = milliseconds(received);
    // Of a host that is named twice, the last counts.
    let watched: std::collections::BTreeMap<&HostName, &WatchedReport> =
        report.watched.iter().map(|it| (&it.host, it)).collect();
    let rows: Result<Vec<_>, Error> = watched
        .into_values()
        .map(|it| {
            Ok([
                Bind::from(it.host.as_str()),
                Bind::from(via.as_str()),
                Bind::from(received),
                Bind::from(to_json("a watched host", &it.items, MAX_DOCUMENT)?),
            ])
        })
        .collect();
    let mut statements = Statement::for_rows(HEAD, TAIL, rows?);
    statements.push(Statement::new(
        GONE,
        vec![Bind::from(via.as_str()), Bind::from(received)],
    ));
    Ok(statements)
}

impl Store {
    /// All watched hosts, by name.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn watched_hosts(&self) -> Result<Vec<WatchedRow>, Error> {
        self.watched_where(None).await
    }

    /// A watched host; none if nobody watches a host of that name.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn watched_host(&self, name: &HostName) -> Result<Option<WatchedRow>, Error> {
        Ok(self.watched_where(Some(name)).await?.pop())
    }

    async fn watched_where(&self, name: Option<&HostName>) -> Result<Vec<WatchedRow>, Error> {
        let name = name.map(HostName::as_str);
        let found: Vec<Record> = on!(self.db(), "read the watched hosts", pool => {
            Ok(rows("watched", &query(SELECT).bind(name).fetch_all(pool).await?)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }
}
