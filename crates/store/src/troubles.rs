//! Troubles: the items that are not well now, as reports and events say.
//!
//! A report says everything its host knows, so it takes the place of all that the host said before; an event speaks
//! of one item. They come over different ways and overtake each other, therefore:
//!
//! * A report that is older than one that was stored before, by the host's own clock, changes nothing. But if it is
//!   older by more than [`JUMP`], the clock was set back, and what came last counts.
//! * What happened to an item after a report was made is not taken back by the report, and what a report knew
//!   already is not taken back by an event that comes late.
//!
//! All entries of one reporter lock its row in `reporters` first, so they are applied one after the other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use lockstep_model::alert::Trouble;
use lockstep_model::api::Report;
use lockstep_model::{
    Change, ChangeKind, Event, EventKind, HostName, ItemName, ItemState, Level, Value,
};
use sqlx::{FromRow, query};

use crate::changes;
use crate::db::Kind;
use crate::records::{Place, milliseconds, rows, sentence, to_json};
use crate::statements::{Bind, Statement};
use crate::{Error, Store};

/// A host's clock that goes back by more than this, in milliseconds, was set.
pub(crate) const JUMP: i64 = 3_600_000;
/// Largest trouble, in bytes of JSON.
const MAX_TROUBLE: usize = 64 * 1024;
/// What is kept of a boot id, in bytes: more than the kernel's 36.
const MAX_BOOT_ID: usize = 64;

/// Locks a reporter until the end of the transaction, and says what is known of it.
pub(crate) const LOCK: &str = "INSERT INTO reporters (host) VALUES ($1) \
    ON CONFLICT (host) DO UPDATE SET host = excluded.host RETURNING told_at, boot_id";
/// The troubles that a reporter told of.
pub(crate) const OF_REPORTER: &str = "SELECT host, item, document FROM troubles WHERE via = $1";
/// The items that something happened to in the hour after a moment.
pub(crate) const NEWER: &str = "SELECT host, item FROM events \
    WHERE via = $1 AND happened_at > $2 AND happened_at <= $3";

const TOLD: &str =
    "UPDATE reporters SET told_at = $2, received_at = $3, boot_id = $4 WHERE host = $1";
const HEAD: &str = "INSERT INTO troubles (host, item, via, document)";
/// No agent speaks for the server.
const TAIL: &str = "ON CONFLICT (host, item) DO UPDATE SET via = excluded.via, document = excluded.document \
    WHERE troubles.via <> '' OR excluded.via = ''";
const DELETE: &str = "DELETE FROM troubles WHERE host = $1 AND item = $2 AND via = $3";

/// The name of the server itself among the reporters: no host has it.
pub(crate) const SERVER: &str = "";

/// Whose item it is, and which.
pub(crate) type Key = (String, String);

/// What is known of a reporter.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Reporter {
    pub(crate) told_at: Option<i64>,
    boot_id: Option<String>,
}

/// A stored trouble.
#[derive(Debug, FromRow)]
pub(crate) struct Row {
    host: String,
    item: String,
    document: String,
}

impl Row {
    fn read(&self) -> Result<(Key, Trouble), Error> {
        let key = format!("{} {}", self.host, self.item);
        let place = Place {
            table: "troubles",
            key: &key,
        };
        let trouble = place.json("document", &self.document)?;
        Ok(((self.host.clone(), self.item.clone()), trouble))
    }
}

fn known(rows: &[Row]) -> Result<BTreeMap<Key, Trouble>, Error> {
    rows.iter().map(Row::read).collect()
}

/// What a report says of troubles.
pub(crate) struct Told {
    via: String,
    pub(crate) at: i64,
    received: Timestamp,
    boot_id: String,
    troubled: BTreeMap<Key, (HostName, ItemState)>,
}

impl Told {
    /// Of a report that was received at `received`.
    pub(crate) fn by(host: &HostName, report: &Report, received: Timestamp) -> Self {
        let own = report.items.iter().map(|state| (host, state));
        let watched = report
            .watched
            .iter()
            .flat_map(|it| it.items.iter().map(|state| (&it.host, state)));
        let troubled = own
            .chain(watched)
            .filter(|(_, state)| state.is_troubled())
            .map(|(host, state)| (key(host, &state.item), (host.clone(), state.clone())))
            .collect();
        Self {
            via: host.as_str().to_owned(),
            at: milliseconds(report.at),
            received,
            boot_id: sentence(&report.boot_id, MAX_BOOT_ID),
            troubled,
        }
    }

    /// Whether it is news, after what the reporter told before.
    pub(crate) fn is_news_to(&self, reporter: &Reporter) -> bool {
        reporter
            .told_at
            .is_none_or(|told_at| self.at >= told_at || told_at.saturating_sub(self.at) > JUMP)
    }

    /// What follows from it: `rows` are the reporter's troubles, `newer` are the items that something happened to
    /// after it was made.
    pub(crate) fn effects(
        &self,
        reporter: &Reporter,
        rows: &[Row],
        newer: &[Key],
    ) -> Result<Vec<Statement>, Error> {
        let newer: BTreeSet<&Key> = newer.iter().collect();
        let known = known(rows)?;
        let mut statements = vec![Statement::new(
            TOLD,
            vec![
                Bind::from(self.via.as_str()),
                Bind::from(self.at),
                Bind::from(milliseconds(self.received)),
                Bind::from(self.boot_id.as_str()),
            ],
        )];
        if reporter
            .boot_id
            .as_ref()
            .is_some_and(|boot_id| *boot_id != self.boot_id)
        {
            let change = Change {
                at: self.received,
                kind: ChangeKind::Restart,
                what: "restarted".into(),
                run: None,
            };
            statements.push(changes::write(&self.via, &change, Some(&self.boot_id))?);
        }
        for key in known.keys() {
            if !self.troubled.contains_key(key) && !newer.contains(key) {
                statements.push(delete(key, &self.via));
            }
        }
        let mut written = Vec::new();
        for (key, (host, state)) in &self.troubled {
            if newer.contains(key) {
                continue;
            }
            let before = known.get(key);
            let trouble = Trouble {
                host: host.clone(),
                item: state.item.clone(),
                level: state.level,
                from: match before {
                    Some(before) if before.level == state.level => before.from,
                    Some(before) => before.level,
                    None => Level::FINE,
                },
                value: state.value.clone(),
                why: state.why.clone(),
                since: state.since,
                no_data: state.no_data,
                flapping: state.flapping,
                seen_at: self.received,
            };
            // When it was seen is known from its reporter as well.
            if before
                .is_some_and(|before| before.seen_at <= trouble.seen_at && same(before, &trouble))
            {
                continue;
            }
            written.push(row(key, &self.via, &trouble)?);
        }
        statements.extend(Statement::for_rows(HEAD, TAIL, written));
        Ok(statements)
    }
}

/// What follows from events that were stored just now, oldest first. `outdated` says of which of them the items have
/// a later event that was stored before.
pub(crate) fn effects_of_events<'a>(
    via: &str,
    reporter: &Reporter,
    received: Timestamp,
    events: impl IntoIterator<Item = &'a Event>,
    rows: &[Row],
    outdated: impl Fn(&Event) -> bool,
) -> Result<Vec<Statement>, Error> {
    let mut known = known(rows)?;
    let mut touched: BTreeMap<Key, Option<Trouble>> = BTreeMap::new();
    for event in events {
        let is_known = reporter
            .told_at
            .is_some_and(|told_at| milliseconds(event.at) < told_at);
        if is_known || outdated(event) {
            continue;
        }
        let key = key(&event.host, &event.item);
        let after = after(known.remove(&key), event, received);
        if let Some(trouble) = &after {
            known.insert(key.clone(), trouble.clone());
        }
        touched.insert(key, after);
    }
    let mut statements = Vec::new();
    let mut written = Vec::new();
    for (key, trouble) in &touched {
        match trouble {
            Some(trouble) => written.push(row(key, via, trouble)?),
            None => statements.push(delete(key, via)),
        }
    }
    statements.extend(Statement::for_rows(HEAD, TAIL, written));
    Ok(statements)
}

/// The trouble after an event; none if the item is well.
fn after(before: Option<Trouble>, event: &Event, received: Timestamp) -> Option<Trouble> {
    let (from, since) = match &before {
        Some(before) if before.level == event.to => (before.from, before.since),
        _ => (event.from, event.at),
    };
    let (no_data, flapping) = before
        .as_ref()
        .map_or((false, false), |before| (before.no_data, before.flapping));
    let trouble = Trouble {
        host: event.host.clone(),
        item: event.item.clone(),
        level: event.to,
        from,
        value: event.value.clone(),
        why: event.why.clone(),
        since,
        no_data: match event.kind {
            EventKind::NoData => true,
            EventKind::Data => false,
            EventKind::Level => matches!(event.value, Value::None(_)),
            EventKind::Flapping | EventKind::Steady => no_data,
        },
        flapping: match event.kind {
            EventKind::Flapping => true,
            EventKind::Steady => false,
            EventKind::Level | EventKind::NoData | EventKind::Data => flapping,
        },
        seen_at: received,
    };
    let is_troubled = trouble.level > Level::FINE || trouble.no_data || trouble.flapping;
    is_troubled.then_some(trouble)
}

pub(crate) fn key(host: &HostName, item: &ItemName) -> Key {
    (host.as_str().to_owned(), item.as_str().to_owned())
}

fn same(one: &Trouble, other: &Trouble) -> bool {
    let mut one = one.clone();
    one.seen_at = other.seen_at;
    one == *other
}

fn row(key: &Key, via: &str, trouble: &Trouble) -> Result<[Bind; 4], Error> {
    Ok([
        Bind::from(key.0.as_str()),
        Bind::from(key.1.as_str()),
        Bind::from(via),
        Bind::from(to_json("a trouble", trouble, MAX_TROUBLE)?),
    ])
}

fn delete(key: &Key, via: &str) -> Statement {
    Statement::new(
        DELETE,
        vec![
            Bind::from(key.0.as_str()),
            Bind::from(key.1.as_str()),
            Bind::from(via),
        ],
    )
}

/// Forgets what a host told, and what is told of it, because it is gone or is another machine now.
pub(crate) const FORGET: [&str; 4] = [
    "DELETE FROM reporters WHERE host = $1",
    "DELETE FROM troubles WHERE via = $1 OR host = $1",
    "DELETE FROM watched WHERE via = $1",
    "DELETE FROM host_processes WHERE host = $1",
];

#[derive(FromRow)]
struct Record {
    host: String,
    item: String,
    document: String,
    received_at: Option<i64>,
}

impl Store {
    /// All items that are not well, by host and item.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn troubles(&self) -> Result<Vec<Trouble>, Error> {
        let found: Vec<Record> = on!(self.db(), "list what is not well", pool => {
            let found = query(
                "SELECT t.host, t.item, t.document, r.received_at FROM troubles t \
                 LEFT JOIN reporters r ON r.host = t.via ORDER BY t.host, t.item",
            )
            .fetch_all(pool)
            .await?;
            Ok(rows("troubles", &found)?)
        })?;
        found
            .into_iter()
            .map(|record| {
                let row = Row {
                    host: record.host,
                    item: record.item,
                    document: record.document,
                };
                let (_, mut trouble) = row.read()?;
                let place = Place {
                    table: "reporters",
                    key: &row.host,
                };
                if let Some(at) = record.received_at {
                    trouble.seen_at = trouble.seen_at.max(place.time("received_at", at)?);
                }
                Ok(trouble)
            })
            .collect()
    }

    /// Says how an item of the server's own stands, such as `agent_silence` of a host; none when it is well.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Database`] and [`Error::Busy`].
    pub async fn set_server_trouble(
        &self,
        host: &HostName,
        item: &ItemName,
        trouble: Option<&Trouble>,
    ) -> Result<(), Error> {
        let key = key(host, item);
        let statements = match trouble {
            Some(trouble) => Statement::for_rows(HEAD, TAIL, [row(&key, SERVER, trouble)?]),
            None => vec![delete(&key, SERVER)],
        };
        write_tx!(self.db(), Kind::Statements, "store how a host stands", tx => {
            for statement in &statements {
                statement.query().execute(&mut *tx).await?;
            }
            Ok(())
        })
    }
}
