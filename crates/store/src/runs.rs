//! Runs: the newest record of each change to each host.

use jiff::Timestamp;
use lockstep_model::api::operator::RunView;
use lockstep_model::{HostName, RolloutId, RunId, RunRecord};
use sqlx::{FromRow, query, query_scalar};

use crate::group::Entry;
use crate::records::{MAX_DOCUMENT, Place, limit, milliseconds, rows, stored_number, to_json};
use crate::statements::Statement;
use crate::{Error, Store, changes};

/// A run's record on its way into the database.
pub(crate) struct RunEntry {
    pub(crate) id: RunId,
    pub(crate) run: String,
    pub(crate) host: HostName,
    pub(crate) generation: i64,
    pub(crate) outcome: Option<&'static str>,
    pub(crate) record_at: i64,
    pub(crate) received_at: i64,
    pub(crate) record: String,
    /// False for what a host only says between two records of its own chain: what it waits for.
    pub(crate) is_for_the_chain: bool,
    /// What it changed on the host, once it is over.
    pub(crate) change: Option<Statement>,
}

impl RunEntry {
    /// An older record never takes the place of a newer one; of two from the same millisecond the one that tells
    /// the end is the newer. The same one again writes nothing.
    pub(crate) const WRITE: &str = "INSERT INTO runs \
        (id, host, generation, outcome, record_at, received_at, record) \
        SELECT $1, name, $3, $4, $5, $6, $7 FROM hosts WHERE name = $2 AND removed_at IS NULL \
        ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, outcome = excluded.outcome, \
            record_at = excluded.record_at, received_at = excluded.received_at, record = excluded.record \
        WHERE runs.host = excluded.host AND runs.record <> excluded.record AND (runs.record_at < excluded.record_at \
            OR (runs.record_at = excluded.record_at \
                AND (runs.outcome IS NULL OR excluded.outcome IS NOT NULL)))";
}

/// Runs in one list, at most.
const MAX_LIST: u32 = 1000;

/// A run as it is stored.
#[derive(FromRow)]
pub(crate) struct Record {
    id: String,
    host: String,
    record: String,
}

impl Record {
    pub(crate) fn read(self) -> Result<RunView, Error> {
        let place = Place {
            table: "runs",
            key: &self.id,
        };
        Ok(RunView {
            host: place.parse("host", &self.host)?,
            record: place.json("record", &self.record)?,
        })
    }
}

impl Store {
    /// Stores the record of a run, received at `at` by the server's clock. Returns when it is durable; many calls
    /// at the same time share one transaction. The same record again changes nothing, and an older one than the
    /// stored one (by its own time) is ignored. A run that is over is also in [`Store::changes`]. What was stored is also
    /// in the chain ([`Store::chain_after`]), and a run that is not stopped any more needs no command.
    ///
    /// # Errors
    /// [`Error::HostUnknown`], [`Error::RunOfOtherHost`]; [`Error::TooLarge`] above 256 KiB; [`Error::Busy`] as with
    /// [`Store::record_report`].
    pub async fn record_run(
        &self,
        host: &HostName,
        record: &RunRecord,
        at: Timestamp,
    ) -> Result<(), Error> {
        let entry = RunEntry {
            id: record.id,
            run: record.id.to_string(),
            host: host.clone(),
            generation: stored_number("the generation of a run", record.generation)?,
            outcome: record.outcome.map(|outcome| outcome.as_str()),
            record_at: milliseconds(record.at),
            received_at: milliseconds(at),
            record: to_json("the record of a run", record, MAX_DOCUMENT)?,
            is_for_the_chain: record.link.is_some() || record.waits.is_none(),
            change: changes::of_run(record)
                .map(|change| changes::write(host.as_str(), &change, None))
                .transpose()?,
        };
        self.groups().write(Entry::Run(entry)).await?;
        Ok(())
    }

    /// The newest runs first, of one host or of all, at most `wanted` and never more than 1000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn runs(&self, host: Option<&HostName>, wanted: u32) -> Result<Vec<RunView>, Error> {
        self.runs_before(host, None, wanted.min(MAX_LIST)).await
    }

    /// As [`Store::runs`], those that come behind `before` in that order; at most 1001, one more than a page has.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn runs_before(
        &self,
        host: Option<&HostName>,
        before: Option<&RunId>,
        wanted: u32,
    ) -> Result<Vec<RunView>, Error> {
        let host = host.map(HostName::as_str);
        let before = before.map(ToString::to_string);
        let found: Vec<Record> = on!(self.db(), "list the runs", pool => {
            let found = query(
                "SELECT id, host, record FROM runs WHERE ($1 IS NULL OR host = $1) \
                 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
            )
            .bind(host)
            .bind(before.as_deref())
            .bind(limit(wanted, MAX_LIST + 1))
            .fetch_all(pool)
            .await?;
            Ok(rows("runs", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }

    /// The runs that a rollout asked for, newest first, at most `wanted` and never more than 1000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn runs_of_rollout(
        &self,
        rollout: RolloutId,
        wanted: u32,
    ) -> Result<Vec<RunView>, Error> {
        let generation = stored_number("a rollout's number", rollout.0)?;
        let found: Vec<Record> = on!(self.db(), "list the runs of a rollout", pool => {
            let found = query(
                "SELECT id, host, record FROM runs WHERE generation = $1 ORDER BY id DESC LIMIT $2",
            )
            .bind(generation)
            .bind(limit(wanted, MAX_LIST))
            .fetch_all(pool)
            .await?;
            Ok(rows("runs", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }

    /// The runs whose release was to blame for how they ended, of one rollout or of all, newest first, at most 1000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn blamed_runs(&self, rollout: Option<RolloutId>) -> Result<Vec<RunView>, Error> {
        let generation = rollout
            .map(|rollout| stored_number("a rollout's number", rollout.0))
            .transpose()?;
        let found: Vec<Record> = on!(self.db(), "list the runs that failed", pool => {
            let found = query(
                "SELECT id, host, record FROM runs WHERE outcome IN ('rolled-back', 'failed') \
                 AND ($1 IS NULL OR generation = $1) ORDER BY id DESC LIMIT $2",
            )
            .bind(generation)
            .bind(limit(MAX_LIST, MAX_LIST))
            .fetch_all(pool)
            .await?;
            Ok(rows("runs", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }

    /// How many runs of enrolled hosts have stopped and wait for a person.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn count_stopped_runs(&self) -> Result<u64, Error> {
        let count: i64 = on!(self.db(), "count the runs that have stopped", pool => {
            let count = query_scalar(
                "SELECT COUNT(*) FROM runs r JOIN hosts h ON h.name = r.host \
                 WHERE r.outcome = 'stopped' AND h.removed_at IS NULL",
            );
            Ok(count.fetch_one(pool).await?)
        })?;
        Ok(count.unsigned_abs())
    }

    /// One run.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn run(&self, id: &RunId) -> Result<Option<RunView>, Error> {
        let id = id.to_string();
        let found: Vec<Record> = on!(self.db(), "read a run", pool => {
            let found =
                query("SELECT id, host, record FROM runs WHERE id = $1").bind(&id).fetch_all(pool).await?;
            Ok(rows("runs", &found)?)
        })?;
        found.into_iter().next().map(Record::read).transpose()
    }
}
