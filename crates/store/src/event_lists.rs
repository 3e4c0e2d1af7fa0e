//! Lists of events: what the database finds alone, and what is searched for by pattern or among many hosts.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lockstep_model::api::StoredEvent;
use lockstep_model::{Glob, HostName, Level};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, query};

use crate::records::{Place, limit, milliseconds, rows};
use crate::{Error, Store};

/// Events in one list, at most.
const MAX_LIST: u32 = 1000;
/// Events in one page of a search by pattern, or by many hosts.
const PAGE: u32 = 1000;
/// Pages that one search by pattern looks through, at most.
const MOST_PAGES: usize = 20;

/// Which events are asked for. What is none does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventFilter {
    /// Of this host.
    pub host: Option<HostName>,
    /// Of these hosts: those of a group.
    pub hosts: Option<BTreeSet<String>>,
    /// Of these items.
    pub item: Option<Glob>,
    /// That led to this level or a worse one.
    pub level: Option<Level>,
    /// That happened at this moment or later, by the host's clock.
    pub since: Option<Timestamp>,
    /// That happened before this moment, by the host's clock.
    pub until: Option<Timestamp>,
    /// That were stored before the one with this identity.
    pub before_id: Option<String>,
}

impl EventFilter {
    /// True if the database answers it alone.
    pub(crate) fn is_plain(&self) -> bool {
        self.hosts.is_none() && self.item.as_ref().is_none_or(Glob::is_plain)
    }

    /// What the database does not answer.
    pub(crate) fn lets(&self, host: &str, item: &str) -> bool {
        let pattern = self.item.as_ref().filter(|item| !item.is_plain());
        pattern.is_none_or(|pattern| pattern.matches(item))
            && self.hosts.as_ref().is_none_or(|hosts| hosts.contains(host))
    }
}

/// A part of the list of events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventPage {
    /// The events, newest first.
    pub events: Vec<StoredEvent>,
    /// Events before the one with this identity were not looked at; none if all were.
    pub next: Option<String>,
}

#[derive(FromRow)]
struct Record {
    id: String,
    document: String,
}

impl Record {
    fn read(self) -> Result<StoredEvent, Error> {
        let place = Place {
            table: "events",
            key: &self.id,
        };
        place.json("document", &self.document)
    }
}

#[derive(FromRow)]
struct Head {
    id: String,
    host: String,
    item: String,
}

/// What the database alone looks for, newest first.
const WHERE: &str = "FROM events WHERE ($1 IS NULL OR host = $1) \
    AND ($2 IS NULL OR item = $2) AND level >= $3 AND happened_at >= $4 AND happened_at < $5 \
    AND ($6 IS NULL OR id < $6) ORDER BY id DESC LIMIT $7";
/// Events of one statement that are read by their identities, at most. Only powers of two occur, so that a connection has few
/// texts to remember.
const MOST_AT_ONCE: usize = 64;

/// The events with so many identities, newest first.
fn by_ids(count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|place| format!("${place}")).collect();
    format!(
        "SELECT id, document FROM events WHERE id IN ({}) ORDER BY id DESC",
        places.join(", ")
    )
}

impl Store {
    /// The newest events first, at most `wanted` and never more than 1000. For a pattern of items, and for several hosts, at
    /// most the newest 20,000 events that the rest of the filter lets through are looked at.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn events(
        &self,
        filter: &EventFilter,
        wanted: u32,
    ) -> Result<Vec<StoredEvent>, Error> {
        Ok(self.events_page(filter, wanted).await?.events)
    }

    /// As [`Store::events`], and from where on to look for more.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn events_page(&self, filter: &EventFilter, wanted: u32) -> Result<EventPage, Error> {
        let wanted = wanted.min(MAX_LIST);
        if filter.is_plain() {
            return self.plain_page(filter, wanted).await;
        }
        let (hits, next) = self.search(filter, wanted).await?;
        let events = self.events_with(&hits).await?;
        Ok(EventPage { events, next })
    }

    /// What the database finds alone.
    async fn plain_page(&self, filter: &EventFilter, wanted: u32) -> Result<EventPage, Error> {
        // One more than is wanted tells whether there are more.
        let mut found: Vec<Record> = self
            .page(
                "SELECT id, document",
                filter,
                filter.before_id.as_deref(),
                wanted + 1,
            )
            .await?;
        let mut next = None;
        if found.len() > wanted as usize {
            found.truncate(wanted as usize);
            next = found
                .last()
                .map(|it| it.id.clone())
                .or_else(|| filter.before_id.clone());
        }
        let events: Result<Vec<StoredEvent>, Error> = found.into_iter().map(Record::read).collect();
        Ok(EventPage {
            events: events?,
            next,
        })
    }

    /// The identities of those that fit a filter which the database does not answer alone, and from where on to look for more.
    /// Their documents are not read: of thousands of events that are looked at, few may fit.
    async fn search(
        &self,
        filter: &EventFilter,
        wanted: u32,
    ) -> Result<(Vec<String>, Option<String>), Error> {
        let mut hits: Vec<String> = Vec::new();
        let mut before = filter.before_id.clone();
        for _ in 0..MOST_PAGES {
            let found: Vec<Head> = self
                .page("SELECT id, host, item", filter, before.as_deref(), PAGE)
                .await?;
            let is_last = found.len() < PAGE as usize;
            for head in found {
                let is_hit = filter.lets(&head.host, &head.item);
                if is_hit && hits.len() >= wanted as usize {
                    return Ok((hits, before));
                }
                if is_hit {
                    hits.push(head.id.clone());
                }
                before = Some(head.id);
            }
            if is_last {
                return Ok((hits, None));
            }
        }
        // So far was looked, and no further.
        Ok((hits, before))
    }

    /// The events with these identities, which are newest first. What was tidied away meanwhile is left out.
    async fn events_with(&self, ids: &[String]) -> Result<Vec<StoredEvent>, Error> {
        let mut events = Vec::with_capacity(ids.len());
        let mut rest = ids;
        while !rest.is_empty() {
            let mut taken = MOST_AT_ONCE;
            while taken > rest.len() {
                taken /= 2;
            }
            let (some, others) = rest.split_at(taken);
            rest = others;
            let found: Vec<Record> = on!(self.db(), "read events", pool => {
                let mut asked = query(AssertSqlSafe(by_ids(some.len())));
                for id in some {
                    asked = asked.bind(id);
                }
                Ok(rows("events", &asked.fetch_all(pool).await?)?)
            })?;
            for record in found {
                events.push(record.read()?);
            }
        }
        Ok(events)
    }

    /// These columns of the events that the database finds, at most `wanted`.
    async fn page<T>(
        &self,
        columns: &str,
        filter: &EventFilter,
        before: Option<&str>,
        wanted: u32,
    ) -> Result<Vec<T>, Error>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>,
    {
        let item = filter.item.as_ref().filter(|item| item.is_plain());
        let text = format!("{columns} {WHERE}");
        on!(self.db(), "list the events", pool => {
            let found = query(AssertSqlSafe(text))
                .bind(filter.host.as_ref().map(HostName::as_str))
                .bind(item.map(Glob::as_str))
                .bind(i64::from(filter.level.unwrap_or_default().rank()))
                .bind(filter.since.map_or(i64::MIN, milliseconds))
                .bind(filter.until.map_or(i64::MAX, milliseconds))
                .bind(before)
                .bind(limit(wanted, MAX_LIST + 1))
                .fetch_all(pool)
                .await?;
            Ok(rows("events", &found)?)
        })
    }
}
