//! Silences: when whose alerts are held back. A run's silence is a lease: the run puts it again and again, a little
//! longer each time, and when the run gives no sign of life it ends by itself.

use jiff::Timestamp;
use lockstep_model::alert::Silence;
use sqlx::{FromRow, query, query_as};

use crate::db::Kind;
use crate::records::{Place, check_text, limit, milliseconds, rows, sentence, to_json};
use crate::{Error, Store};

/// Longest identity, in bytes.
const MAX_ID: usize = 128;
/// Largest silence, in bytes of JSON.
const MAX_SILENCE: usize = 64 * 1024;
/// Longest name of who ended it, in bytes; longer ones are cut.
const MAX_WHO: usize = 256;
/// Silences in one list, at most.
const MAX_LIST: u32 = 10_000;

/// What somebody has ended stays ended, whoever puts it again.
const PUT: &str = "INSERT INTO silences (id, ends_at, document) VALUES ($1, $2, $3) \
    ON CONFLICT (id) DO UPDATE SET ends_at = excluded.ends_at, document = excluded.document \
    WHERE silences.ended_by IS NULL";

#[derive(FromRow)]
struct Record {
    id: String,
    document: String,
}

impl Record {
    fn read(self) -> Result<Silence, Error> {
        read(&self.id, &self.document)
    }
}

fn read(id: &str, document: &str) -> Result<Silence, Error> {
    Place {
        table: "silences",
        key: id,
    }
    .json("document", document)
}

fn checked(silence: &Silence) -> Result<String, Error> {
    let refuse = |why: &str| Error::NotStorable {
        what: "a silence",
        why: why.into(),
    };
    check_text("the identity of a silence", &silence.id, MAX_ID)?;
    if silence.id.is_empty() {
        return Err(refuse("it has no identity"));
    }
    let lasts = milliseconds(silence.ends_at).saturating_sub(milliseconds(silence.starts_at));
    if lasts <= 0 {
        return Err(refuse("it ends before it begins"));
    }
    if u128::from(lasts.unsigned_abs()) > Silence::LONGEST.duration().as_millis() {
        return Err(refuse("it lasts longer than 30 days"));
    }
    to_json("a silence", silence, MAX_SILENCE)
}

impl Store {
    /// Adds a silence. False if there is one of this identity; it stays as it was.
    ///
    /// # Errors
    /// [`Error::NotStorable`] if it lasts longer than [`Silence::LONGEST`], or not at all.
    pub async fn create_silence(&self, silence: &Silence) -> Result<bool, Error> {
        let document = checked(silence)?;
        write_tx!(self.db(), Kind::Statements, "store a silence", tx => {
            let written = query(
                "INSERT INTO silences (id, ends_at, document) VALUES ($1, $2, $3) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(&silence.id)
            .bind(milliseconds(silence.ends_at))
            .bind(&document)
            .execute(&mut *tx)
            .await?
            .rows_affected();
            Ok(written > 0)
        })
    }

    /// Puts a silence, in place of the one of this identity: a run's, that goes on. False if somebody has ended it;
    /// it stays ended.
    ///
    /// # Errors
    /// As [`Store::create_silence`].
    pub async fn put_lease(&self, silence: &Silence) -> Result<bool, Error> {
        let document = checked(silence)?;
        write_tx!(self.db(), Kind::Statements, "prolong a silence", tx => {
            let written = query(PUT)
                .bind(&silence.id)
                .bind(milliseconds(silence.ends_at))
                .bind(&document)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            Ok(written > 0)
        })
    }

    /// Ends a silence now. False if there is none of this identity, or it is over.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`] and [`Error::Busy`].
    pub async fn end_silence(&self, id: &str, now: Timestamp, by: &str) -> Result<bool, Error> {
        let by = sentence(by, MAX_WHO);
        write_tx!(self.db(), Kind::Serializable, "end a silence", tx => {
            let there: Option<(String,)> = query_as(
                "SELECT document FROM silences WHERE id = $1 AND ended_by IS NULL AND ends_at > $2",
            )
            .bind(id)
            .bind(milliseconds(now))
            .fetch_optional(&mut *tx)
            .await?;
            let Some((document,)) = there else {
                return Ok(false);
            };
            let mut silence = read(id, &document)?;
            silence.ends_at = now;
            // One that had not begun has never been.
            silence.starts_at = silence.starts_at.min(now);
            query("UPDATE silences SET ends_at = $2, ended_by = $3, document = $4 WHERE id = $1")
                .bind(id)
                .bind(milliseconds(now))
                .bind(&by)
                .bind(to_json("a silence", &silence, MAX_SILENCE)?)
                .execute(&mut *tx)
                .await?;
            Ok(true)
        })
    }

    /// The silences that are not over, those that are still to come among them, by identity.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn silences(&self, now: Timestamp) -> Result<Vec<Silence>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the silences", pool => {
            let found = query(
                "SELECT id, document FROM silences WHERE ends_at > $1 ORDER BY id LIMIT $2",
            )
            .bind(milliseconds(now))
            .bind(limit(MAX_LIST, MAX_LIST))
            .fetch_all(pool)
            .await?;
            Ok(rows("silences", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }
}
