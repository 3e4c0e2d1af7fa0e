//! Changes: what was done to a host, so that whoever is called about it knows what came just before.
//!
//! Runs and restarts are written where they are seen, in the transaction of the run or the report; the rest is
//! recorded by whoever makes the change.

use jiff::Timestamp;
use lockstep_model::{Change, ChangeKind, HostName, Outcome, RunRecord};
use sqlx::{FromRow, query};

use crate::db::Kind;
use crate::records::{Place, limit, milliseconds, rows, sentence, to_json};
use crate::statements::{Bind, Statement};
use crate::{Error, Store};

/// Longest sentence of a change, in bytes; longer ones are cut.
const MAX_WORDS: usize = 1024;
/// Largest change, in bytes of JSON.
const MAX_CHANGE: usize = 16 * 1024;
/// Changes in one list, at most.
const MAX_LIST: u32 = 1000;

/// A change that is known already is not made anew, except that a run's newer record knows better how it ended.
const WRITE: &str = "INSERT INTO changes (host, what, happened_at, document) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (host, what) DO UPDATE SET happened_at = excluded.happened_at, document = excluded.document \
    WHERE changes.what LIKE 'run:%'";

#[derive(FromRow)]
struct Record {
    host: String,
    document: String,
}

impl Record {
    fn read(self) -> Result<(HostName, Change), Error> {
        let place = Place {
            table: "changes",
            key: &self.host,
        };
        Ok((
            place.parse("host", &self.host)?,
            place.json("document", &self.document)?,
        ))
    }
}

/// How a change is written. `boot_id` tells restarts apart.
pub(crate) fn write(
    host: &str,
    change: &Change,
    boot_id: Option<&str>,
) -> Result<Statement, Error> {
    let at = milliseconds(change.at);
    let what = match (change.kind, change.run, boot_id) {
        (ChangeKind::Run, Some(run), _) => format!("run:{run}"),
        (ChangeKind::Run, None, _) => format!("a-run:{at}"),
        (ChangeKind::Restart, _, Some(boot_id)) => format!("restart:{boot_id}"),
        (ChangeKind::Restart, _, None) => format!("restart:{at}"),
        (ChangeKind::Work, ..) => format!("work:{at}"),
        (ChangeKind::Enrolled, ..) => format!("enrolled:{at}"),
    };
    let mut change = change.clone();
    change.what = sentence(&change.what, MAX_WORDS);
    let document = to_json("a change", &change, MAX_CHANGE)?;
    Ok(Statement::new(
        WRITE,
        vec![
            Bind::from(host),
            Bind::from(what),
            Bind::from(at),
            Bind::from(document),
        ],
    ))
}

/// What a run changed, once it is over.
pub(crate) fn of_run(record: &RunRecord) -> Option<Change> {
    let outcome = record.outcome?;
    let mut what = record.what();
    what.push_str(match outcome {
        Outcome::Done => "",
        Outcome::RolledBack => ", rolled back",
        Outcome::Failed => ", failed",
        Outcome::Postponed => ", postponed",
        Outcome::Stopped => ", stopped half-way",
    });
    Some(Change {
        at: record.at,
        kind: ChangeKind::Run,
        what,
        run: Some(record.id),
    })
}

impl Store {
    /// Remembers a change. The same one again (by its run; otherwise by its kind and time) changes nothing.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn record_change(&self, host: &HostName, change: &Change) -> Result<(), Error> {
        let statement = write(host.as_str(), change, None)?;
        write_tx!(self.db(), Kind::Statements, "remember a change", tx => {
            statement.query().execute(&mut *tx).await?;
            Ok(())
        })
    }

    /// The changes of a host that happened at `since` or later, newest first, at most 1000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn changes(&self, host: &HostName, since: Timestamp) -> Result<Vec<Change>, Error> {
        let found = self
            .changes_between(Some(host), since, Timestamp::MAX)
            .await?;
        Ok(found.into_iter().map(|(_, change)| change).collect())
    }

    /// The changes of all hosts that happened at `since` or later, newest first, at most 1000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn changes_of_all(&self, since: Timestamp) -> Result<Vec<(HostName, Change)>, Error> {
        self.changes_between(None, since, Timestamp::MAX).await
    }

    /// The changes of one host or of all that happened at `since` or later and before `until`, newest first, at most 1000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn changes_between(
        &self,
        host: Option<&HostName>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(HostName, Change)>, Error> {
        let host = host.map(HostName::as_str);
        let found: Vec<Record> = on!(self.db(), "list the changes", pool => {
            let found = query(
                "SELECT host, document FROM changes WHERE ($1 IS NULL OR host = $1) AND happened_at >= $2 \
                 AND happened_at < $3 ORDER BY happened_at DESC, host, what LIMIT $4",
            )
            .bind(host)
            .bind(milliseconds(since))
            .bind(milliseconds(until))
            .bind(limit(MAX_LIST, MAX_LIST))
            .fetch_all(pool)
            .await?;
            Ok(rows("changes", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }
}
