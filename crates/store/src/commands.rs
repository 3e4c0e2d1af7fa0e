//! What people say of runs that have stopped: retry, or skip.
//!
//! A command waits until the host has gone on with the run: the first newer record that is not `stopped` takes it back,
//! in the transaction that stores the record.

use jiff::Timestamp;
use lockstep_model::{HostName, Outcome, RunCommand, RunId, RunVerb};
use sqlx::{FromRow, query, query_as, query_scalar};

use crate::db::Kind;
use crate::records::{Place, check_text, milliseconds, rows, to_json};
use crate::{Error, Store};

/// Longest name of who gives a command, in bytes.
const MAX_BY: usize = 256;
/// Largest command, in bytes of JSON.
const MAX_COMMAND: usize = 8 * 1024;
/// Commands in the list, at most.
const MAX_LIST: i64 = 10_000;

/// Locks a run until the end of the transaction, so that it does not go on meanwhile.
const LOCK: &str = "UPDATE runs SET generation = generation WHERE id = $1 RETURNING host, outcome";
/// A command is over.
pub(crate) const OVER: &str =
    "UPDATE run_commands SET document = NULL WHERE run = $1 AND document IS NOT NULL";
/// All commands for a host are over.
pub(crate) const ALL_OVER: &str =
    "UPDATE run_commands SET document = NULL WHERE host = $1 AND document IS NOT NULL";

#[derive(FromRow)]
struct Record {
    run: String,
    host: String,
    document: String,
}

impl Record {
    fn read(self) -> Result<(HostName, RunCommand), Error> {
        let place = Place {
            table: "run_commands",
            key: &self.run,
        };
        Ok((
            place.parse("host", &self.host)?,
            place.json("document", &self.document)?,
        ))
    }
}

impl Store {
    /// Says what shall become of a run that has stopped. A second command takes the place of the first. Its number is
    /// greater than that of every command for this run before it, whatever the clock says.
    ///
    /// # Errors
    /// [`Error::RunNotStopped`] for a run that is not known or has not stopped; [`Error::HostUnknown`] if its host was
    /// removed; [`Error::TooLarge`] and [`Error::NotStorable`] for `by` and `why`.
    pub async fn command_run(
        &self,
        run: &RunId,
        verb: RunVerb,
        by: &str,
        why: &str,
        at: Timestamp,
    ) -> Result<RunCommand, Error> {
        check_text("who gives a command", by, MAX_BY)?;
        check_text("the reason of a command", why, RunCommand::LONGEST_WHY)?;
        let key = run.to_string();
        let refused = |why: String| Error::RunNotStopped { run: *run, why };
        write_tx!(self.db(), Kind::Statements, "give a command for a run", tx => {
            let found: Option<(String, Option<String>)> =
                query_as(LOCK).bind(&key).fetch_optional(&mut *tx).await?;
            let Some((host, outcome)) = found else {
                return Err(refused("no host has told of it".into()).into());
            };
            match outcome.as_deref() {
                Some(outcome) if outcome == Outcome::Stopped.as_str() => {}
                Some(outcome) => return Err(refused(format!("it is over: {outcome}")).into()),
                None => return Err(refused("it is still going on".into()).into()),
            }
            let there: Option<i32> =
                query_scalar("SELECT 1 FROM hosts WHERE name = $1 AND removed_at IS NULL")
                    .bind(&host)
                    .fetch_optional(&mut *tx)
                    .await?;
            if there.is_none() {
                let place = Place { table: "runs", key: &key };
                return Err(Error::HostUnknown { host: place.parse("host", &host)? }.into());
            }
            let before: Option<i64> = query_scalar("SELECT number FROM run_commands WHERE run = $1")
                .bind(&key)
                .fetch_optional(&mut *tx)
                .await?;
            let number = before.unwrap_or_default().saturating_add(1).max(milliseconds(at));
            let command = RunCommand {
                run: *run,
                verb,
                number: number.unsigned_abs(),
                by: by.into(),
                why: why.into(),
            };
            query(
                "INSERT INTO run_commands (run, host, number, document) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (run) DO UPDATE SET host = excluded.host, number = excluded.number, \
                 document = excluded.document",
            )
            .bind(&key)
            .bind(&host)
            .bind(number)
            .bind(to_json("a command", &command, MAX_COMMAND)?)
            .execute(&mut *tx)
            .await?;
            Ok(command)
        })
    }

    /// The commands that hosts have not followed yet, oldest first, at most 10,000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn run_commands(&self) -> Result<Vec<(HostName, RunCommand)>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the commands for runs", pool => {
            let found = query(
                "SELECT run, host, document FROM run_commands WHERE document IS NOT NULL \
                 ORDER BY number, run LIMIT $1",
            )
            .bind(MAX_LIST)
            .fetch_all(pool)
            .await?;
            Ok(rows("run_commands", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }

    /// The command that a host has not followed yet for one of its runs.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn run_command(
        &self,
        host: &HostName,
        run: &RunId,
    ) -> Result<Option<RunCommand>, Error> {
        let run = run.to_string();
        let found: Vec<Record> = on!(self.db(), "read the command for a run", pool => {
            let found = query(
                "SELECT run, host, document FROM run_commands \
                 WHERE run = $1 AND host = $2 AND document IS NOT NULL",
            )
            .bind(&run)
            .bind(host.as_str())
            .fetch_all(pool)
            .await?;
            Ok(rows("run_commands", &found)?)
        })?;
        let found = found.into_iter().next().map(Record::read).transpose()?;
        Ok(found.map(|(_, command)| command))
    }
}
