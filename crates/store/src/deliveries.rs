//! Deliveries: messages on their way, one for each way of a receiver, and what became of them.
//!
//! A server claims what is due before it sends, so that no other server sends it too. If it dies meanwhile, the claim
//! runs out, and the message is sent again: rather twice than never.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::alert::{Notice, Way};
use sqlx::{FromRow, query};

use crate::db::Kind;
use crate::records::{Place, check_text, limit, milliseconds, rows, sentence, to_json};
use crate::statements::{Bind, Statement};
use crate::{Error, Store};

/// A message that shall go one way.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDelivery {
    /// Its identity. Nothing is stored under one that is there already.
    pub id: String,
    /// The way.
    pub way: Way,
    /// The message.
    pub notice: Notice,
    /// Not to be sent before.
    pub due_at: Timestamp,
}

impl NewDelivery {
    /// Messages of one lane go one after the other: those of one thread by one way.
    fn lane(&self) -> String {
        let number = self.id.rsplit('-').next().unwrap_or_default();
        let receiver = &self.notice.receiver;
        sentence(
            &format!("{}/{number}/{receiver}", self.notice.thread),
            MAX_LANE,
        )
    }

    /// A message for each way of its receiver. Their identities follow from the message's.
    #[must_use]
    pub fn of(notice: &Notice, ways: &[Way], due_at: Timestamp) -> Vec<Self> {
        ways.iter()
            .enumerate()
            .map(|(number, way)| Self {
                id: format!("{}-{number}", notice.id),
                way: way.clone(),
                notice: notice.clone(),
                due_at,
            })
            .collect()
    }
}

/// A message that was claimed and is to be sent now.
#[derive(Debug, Clone, PartialEq)]
pub struct DueDelivery {
    /// Its identity.
    pub id: String,
    /// Which attempt this is, from 1. A word on it names the attempt, because another one may have begun by then.
    pub attempt: u32,
    /// When it was decided.
    pub created_at: Timestamp,
    /// The way.
    pub way: Way,
    /// The message.
    pub notice: Notice,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// It is to be sent, or to be tried again.
    Waiting,
    /// It was accepted at the other end.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    /// The state as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        [Self::Waiting, Self::Delivered, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no state"))
    }
}

/// A delivery in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRow {
    /// Its identity.
    pub id: String,
    /// The way.
    pub way: Way,
    /// The message.
    pub notice: Notice,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong last.
    pub error: Option<String>,
    /// When it was decided.
    pub created_at: Timestamp,
    /// When it is tried next, or was delivered or given up.
    pub at: Timestamp,
}

/// Which deliveries are asked for. What is none does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeliveryFilter {
    /// To this receiver.
    pub receiver: Option<String>,
    /// In this state.
    pub state: Option<DeliveryState>,
}

/// Longest name of a lane, in bytes; longer ones are cut.
const MAX_LANE: usize = 512;
/// How long a claim holds: longer than any way takes to answer or to be given up.
const CLAIM: Duration = Duration::from_secs(300);
/// Longest identity and longest name of a receiver, in bytes.
const MAX_ID: usize = 256;
/// Largest way and largest message, in bytes of JSON.
const MAX_WAY: usize = 64 * 1024;
const MAX_NOTICE: usize = 1024 * 1024;
/// Longest error, in bytes; longer ones are cut.
const MAX_WHY: usize = 2 * 1024;
/// Deliveries that are claimed at once, at most.
const MAX_CLAIMED: u32 = 100;
/// Deliveries in one list, at most.
const MAX_LIST: u32 = 1000;

const HEAD: &str = "INSERT INTO deliveries \
    (id, receiver, state, attempts, created_at, due_at, claimed_until_at, lane, way, notice)";
const TAIL: &str = "ON CONFLICT (id) DO NOTHING";

/// What was said earlier of the same matter by the same way goes first: a recovery must not overtake its problem.
///
/// The condition stands twice, because PostgreSQL looks again at a row that another server has just changed.
const CLAIM_DUE: &str = "UPDATE deliveries SET claimed_until_at = $2, attempts = attempts + 1 \
    WHERE id IN (SELECT id FROM deliveries \
        WHERE state = 'waiting' AND due_at <= $1 AND claimed_until_at <= $1 \
        AND NOT EXISTS (SELECT 1 FROM deliveries older WHERE older.lane = deliveries.lane \
            AND older.state = 'waiting' AND (older.created_at < deliveries.created_at \
            OR (older.created_at = deliveries.created_at AND older.id < deliveries.id))) \
        ORDER BY due_at, id LIMIT $3) \
    AND state = 'waiting' AND due_at <= $1 AND claimed_until_at <= $1 \
    RETURNING id, attempts, created_at, way, notice";

#[derive(FromRow)]
struct Written {
    id: String,
    created_at: i64,
}

#[derive(FromRow)]
struct Claimed {
    id: String,
    attempts: i64,
    created_at: i64,
    way: String,
    notice: String,
}

#[derive(FromRow)]
struct Record {
    id: String,
    state: String,
    attempts: i64,
    created_at: i64,
    due_at: i64,
    way: String,
    notice: String,
    error: Option<String>,
}

/// How deliveries are written, each once.
pub(crate) fn write(deliveries: &[NewDelivery], now: Timestamp) -> Result<Vec<Statement>, Error> {
    let mut rows = std::collections::BTreeMap::new();
    for it in deliveries {
        check_text("the identity of a delivery", &it.id, MAX_ID)?;
        check_text("the name of a receiver", &it.notice.receiver, MAX_ID)?;
        let row = [
            Bind::from(it.id.as_str()),
            Bind::from(it.notice.receiver.as_str()),
            Bind::from(DeliveryState::Waiting.as_str()),
            Bind::from(0),
            Bind::from(milliseconds(now)),
            Bind::from(milliseconds(it.due_at)),
            Bind::from(0),
            Bind::from(it.lane()),
            Bind::from(to_json("a way", &it.way, MAX_WAY)?),
            Bind::from(to_json("a message", &it.notice, MAX_NOTICE)?),
        ];
        rows.entry(it.id.as_str()).or_insert(row);
    }
    Ok(Statement::for_rows(HEAD, TAIL, rows.into_values()))
}

impl Store {
    /// Adds messages that no entry of the alert book belongs to: tests, and those to a fallback. What is there
    /// already is left alone.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Database`] and [`Error::Busy`].
    pub async fn add_deliveries(
        &self,
        deliveries: &[NewDelivery],
        now: Timestamp,
    ) -> Result<(), Error> {
        let statements = write(deliveries, now)?;
        write_tx!(self.db(), Kind::Statements, "store messages", tx => {
            for statement in &statements {
                statement.query().execute(&mut *tx).await?;
            }
            Ok(())
        })
    }

    /// Claims what is due for five minutes, oldest first, at most `wanted` and never more than 100. Nobody else gets
    /// these in that time. Whoever does not say in time what became of one sees it again.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`] and [`Error::Busy`].
    pub async fn due_deliveries(
        &self,
        now: Timestamp,
        wanted: u32,
    ) -> Result<Vec<DueDelivery>, Error> {
        let at = milliseconds(now);
        let until = at.saturating_add(i64::try_from(CLAIM.as_millis()).unwrap_or(i64::MAX));
        let claimed: Vec<Claimed> = write_tx!(self.db(), Kind::Statements, "claim messages", tx => {
            let found = query(CLAIM_DUE)
                .bind(at)
                .bind(until)
                .bind(limit(wanted, MAX_CLAIMED))
                .fetch_all(&mut *tx)
                .await?;
            Ok(rows("deliveries", &found)?)
        })?;
        let mut due = claimed
            .into_iter()
            .map(|claimed| {
                let place = Place {
                    table: "deliveries",
                    key: &claimed.id,
                };
                Ok(DueDelivery {
                    attempt: place.number("attempts", claimed.attempts)?,
                    created_at: place.time("created_at", claimed.created_at)?,
                    way: place.json("way", &claimed.way)?,
                    notice: place.json("notice", &claimed.notice)?,
                    id: claimed.id,
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        // No database promises an order here.
        due.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(due)
    }

    /// It was accepted at the other end, whoever's attempt it was. False if that is known already.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn delivery_done(&self, id: &str, now: Timestamp) -> Result<bool, Error> {
        write_tx!(self.db(), Kind::Statements, "store that a message was delivered", tx => {
            let written = query(
                "UPDATE deliveries SET state = 'delivered', due_at = $2, claimed_until_at = 0, error = NULL \
                 WHERE id = $1 AND state <> 'delivered'",
            )
            .bind(id)
            .bind(milliseconds(now))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            Ok(written > 0)
        })
    }

    /// An attempt failed; it is tried again at `next_try`, or given up. False if another attempt has begun
    /// meanwhile: then it is for that one to say.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn delivery_failed(
        &self,
        id: &str,
        attempt: u32,
        why: &str,
        next_try: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let state = match next_try {
            Some(_) => DeliveryState::Waiting,
            None => DeliveryState::Failed,
        };
        let why = sentence(why, MAX_WHY);
        write_tx!(self.db(), Kind::Statements, "store that a message was not delivered", tx => {
            let written = query(
                "UPDATE deliveries SET state = $3, due_at = $4, claimed_until_at = 0, error = $5 \
                 WHERE id = $1 AND attempts = $2 AND state = 'waiting'",
            )
            .bind(id)
            .bind(i64::from(attempt))
            .bind(state.as_str())
            .bind(milliseconds(next_try.unwrap_or(now)))
            .bind(&why)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            Ok(written > 0)
        })
    }

    /// How many deliveries are in which state.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn count_deliveries(&self) -> Result<Vec<(DeliveryState, u64)>, Error> {
        let found: Vec<(String, i64)> = on!(self.db(), "count the deliveries", pool => {
            let found = query("SELECT state, COUNT(*) FROM deliveries GROUP BY state ORDER BY state")
                .fetch_all(pool)
                .await?;
            Ok(rows("deliveries", &found)?)
        })?;
        found
            .into_iter()
            .map(|(state, count)| {
                let place = Place {
                    table: "deliveries",
                    key: &state,
                };
                let state =
                    DeliveryState::parse(&state).map_err(|why| place.damaged("state", why))?;
                Ok((state, count.unsigned_abs()))
            })
            .collect()
    }

    /// The newest deliveries first, at most `wanted` and never more than 1000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        wanted: u32,
    ) -> Result<Vec<DeliveryRow>, Error> {
        self.deliveries_before(filter, None, wanted.min(MAX_LIST))
            .await
    }

    /// When messages were written, newest first: those of `from` or later and before `to`, at most 1000. What they say is not
    /// read.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn delivery_moments(
        &self,
        from: Timestamp,
        to: Timestamp,
        wanted: u32,
    ) -> Result<Vec<Timestamp>, Error> {
        let found: Vec<Written> = on!(self.db(), "list when messages were written", pool => {
            let found = query(
                "SELECT id, created_at FROM deliveries WHERE created_at >= $1 AND created_at < $2 \
                 ORDER BY created_at DESC, id DESC LIMIT $3",
            )
            .bind(milliseconds(from))
            .bind(milliseconds(to))
            .bind(limit(wanted, MAX_LIST))
            .fetch_all(pool)
            .await?;
            Ok(rows("deliveries", &found)?)
        })?;
        let read = |row: Written| {
            let place = Place {
                table: "deliveries",
                key: &row.id,
            };
            place.time("created_at", row.created_at)
        };
        found.into_iter().map(read).collect()
    }

    /// As [`Store::deliveries`], those that come behind the one of this moment and identity in that order; at most 1001,
    /// one more than a page has.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn deliveries_before(
        &self,
        filter: &DeliveryFilter,
        before: Option<(Timestamp, &str)>,
        wanted: u32,
    ) -> Result<Vec<DeliveryRow>, Error> {
        let at = before.map(|(at, _)| milliseconds(at));
        let id = before.map(|(_, id)| id);
        let found: Vec<Record> = on!(self.db(), "list the deliveries", pool => {
            let found = query(
                "SELECT id, state, attempts, created_at, due_at, way, notice, error FROM deliveries \
                 WHERE ($1 IS NULL OR receiver = $1) AND ($2 IS NULL OR state = $2) \
                 AND ($3 IS NULL OR created_at < $3 OR (created_at = $3 AND id < $4)) \
                 ORDER BY created_at DESC, id DESC LIMIT $5",
            )
            .bind(filter.receiver.as_deref())
            .bind(filter.state.map(DeliveryState::as_str))
            .bind(at)
            .bind(id)
            .bind(limit(wanted, MAX_LIST + 1))
            .fetch_all(pool)
            .await?;
            Ok(rows("deliveries", &found)?)
        })?;
        found
            .into_iter()
            .map(|record| {
                let place = Place {
                    table: "deliveries",
                    key: &record.id,
                };
                Ok(DeliveryRow {
                    way: place.json("way", &record.way)?,
                    notice: place.json("notice", &record.notice)?,
                    state: DeliveryState::parse(&record.state)
                        .map_err(|why| place.damaged("state", why))?,
                    attempts: place.number("attempts", record.attempts)?,
                    created_at: place.time("created_at", record.created_at)?,
                    at: place.time("due_at", record.due_at)?,
                    error: record.error,
                    id: record.id,
                })
            })
            .collect()
    }
}
