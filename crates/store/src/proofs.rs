//! Which hosts came to which version by which rollout, and when.

use jiff::Timestamp;
use lockstep_model::{HostName, PackageName, PackageVersion, RolloutId, RunId, RunRecord};
use sqlx::{FromRow, query};

use crate::records::{Place, limit, milliseconds, rows, stored_number};
use crate::{Error, Store};

/// A run that a rollout asked for, and that ended well.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// The run.
    pub run: RunId,
    /// The host.
    pub host: HostName,
    /// What was changed.
    pub package: PackageName,
    /// The version that has proven itself: the rollout's own, one on the way to it, or one to which the host went back.
    pub to: Option<PackageVersion>,
    /// When, by the host's clock, and never later than the server heard of it.
    pub at: Timestamp,
    /// When the server heard of it.
    pub received_at: Timestamp,
}

/// Where a reading of proofs goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofsAfter {
    /// When the server heard of the last one that was read.
    pub received_at: Timestamp,
    /// Its run; none where all of that moment are wanted once more.
    pub run: Option<RunId>,
}

/// Proofs in one page.
const PAGE: u32 = 500;

const PROOFS: &str = "SELECT id, host, received_at, record FROM runs \
    WHERE generation = $1 AND outcome = 'done' \
    AND ($2 IS NULL OR received_at > $2 OR (received_at = $2 AND ($3 IS NULL OR id > $3))) \
    ORDER BY received_at, id LIMIT $4";

#[derive(FromRow)]
struct Record {
    id: String,
    host: String,
    received_at: i64,
    record: String,
}

impl Record {
    fn read(self) -> Result<Proof, Error> {
        let place = Place {
            table: "runs",
            key: &self.id,
        };
        let record: RunRecord = place.json("record", &self.record)?;
        let received_at = place.time("received_at", self.received_at)?;
        Ok(Proof {
            run: record.id,
            host: place.parse("host", &self.host)?,
            package: record.package,
            to: record.to,
            at: record.at.min(received_at),
            received_at,
        })
    }
}

impl Store {
    /// The runs of a rollout that ended well, in the order in which the server heard of their end: those behind `after`, at
    /// most 500. Fewer than that is the end.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn proofs(
        &self,
        rollout: RolloutId,
        after: Option<ProofsAfter>,
    ) -> Result<Vec<Proof>, Error> {
        let generation = stored_number("a rollout's number", rollout.0)?;
        let since = after.map(|after| milliseconds(after.received_at));
        let run = after.and_then(|after| after.run.map(|run| run.to_string()));
        let found: Vec<Record> = on!(self.db(), "list the runs of a rollout that ended well", pool => {
            let found = query(PROOFS)
                .bind(generation)
                .bind(since)
                .bind(run.as_deref())
                .bind(limit(PAGE, PAGE))
                .fetch_all(pool)
                .await?;
            Ok(rows("runs", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }

    /// Most proofs that one call of [`Store::proofs`] gives.
    pub const PROOFS: usize = PAGE as usize;
}
