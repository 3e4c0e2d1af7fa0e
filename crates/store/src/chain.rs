//! The server's chain: every record of a run and every deed, each with the hash of what came before it.
//!
//! An entry is appended in the transaction that stores what it tells of. All who append lock the one row of
//! `chain_head` for it, as the last row of their transaction, so that it is held for the time of a commit only.

use futures_util::TryStreamExt;
use jiff::Timestamp;
use lockstep_model::api::operator::ChainPage;
use lockstep_model::{ChainEntry, ChainLink, ChainSubject};
use sqlx::{FromRow, query};

use crate::db::Db;
use crate::records::{Place, limit, milliseconds, rows, stored_number};
use crate::statements::{Bind, Statement};
use crate::{Error, Store};

/// Bytes of bodies in one page, at most; but one entry is always in it.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Locks the head until the end of the transaction, and reads it.
pub(crate) const LOCK: &str = "INSERT INTO chain_head (id, number, before_hash, hash) \
    VALUES ('head', 0, '', '') ON CONFLICT (id) DO UPDATE SET id = excluded.id \
    RETURNING id, number, before_hash, hash";
const MOVE: &str = "UPDATE chain_head SET number = $1, before_hash = $2, hash = $3";
const APPEND: &str = "INSERT INTO chain (number, before_hash, hash, written_at, subject, body)";
/// Forgets the entries before the first one that is not older than `$1`; `$2` is a number that none has.
pub(crate) const FORGET: &str = "DELETE FROM chain WHERE number < COALESCE( \
    (SELECT number FROM chain WHERE written_at >= $1 ORDER BY number LIMIT 1), $2)";

const HEAD: &str = "SELECT id, number, before_hash, hash FROM chain_head";
const AFTER: &str = "SELECT hash, number, before_hash, written_at, subject, body FROM chain \
    WHERE number > $1 ORDER BY number LIMIT $2";

/// What shall be appended.
pub(crate) struct Said {
    pub(crate) at: i64,
    pub(crate) subject: ChainSubject,
    pub(crate) body: String,
}

/// The head as the database has it; its number is 0 before the first entry.
#[derive(FromRow)]
pub(crate) struct Head {
    id: String,
    number: i64,
    before_hash: String,
    hash: String,
}

impl Head {
    fn read(&self) -> Result<Option<ChainLink>, Error> {
        if self.number == 0 {
            return Ok(None);
        }
        let place = Place {
            table: "chain_head",
            key: &self.id,
        };
        Ok(Some(ChainLink {
            number: place.number("number", self.number)?,
            before: place.parse("before_hash", &self.before_hash)?,
            hash: place.parse("hash", &self.hash)?,
        }))
    }
}

#[derive(FromRow)]
struct Record {
    hash: String,
    number: i64,
    before_hash: String,
    written_at: i64,
    subject: String,
    body: String,
}

impl Record {
    fn read(self) -> Result<ChainEntry, Error> {
        let key = self.number.to_string();
        let place = Place {
            table: "chain",
            key: &key,
        };
        Ok(ChainEntry {
            link: ChainLink {
                number: place.number("number", self.number)?,
                before: place.parse("before_hash", &self.before_hash)?,
                hash: place.parse("hash", &self.hash)?,
            },
            at: place.time("written_at", self.written_at)?,
            subject: place.json("subject", &self.subject)?,
            body: self.body,
        })
    }
}

/// Appends to the chain that ends at the locked head.
pub(crate) fn append(head: &Head, said: Vec<Said>) -> Result<Vec<Statement>, Error> {
    let mut head = head.read()?;
    let mut entries = Vec::with_capacity(said.len());
    for Said { at, subject, body } in said {
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::MIN);
        let entry = ChainEntry::after(head.as_ref(), at, subject, body);
        head = Some(entry.link);
        let subject =
            serde_json::to_string(&entry.subject).map_err(|error| Error::NotStorable {
                what: "an entry of the chain",
                why: error.to_string(),
            })?;
        entries.push([
            Bind::from(stored_number("the chain's number", entry.link.number)?),
            entry.link.before.to_string().into(),
            entry.link.hash.to_string().into(),
            milliseconds(entry.at).into(),
            subject.into(),
            entry.body.into(),
        ]);
    }
    let mut statements = Statement::for_rows(APPEND, "", entries);
    if let Some(head) = head {
        let moved = vec![
            stored_number("the chain's number", head.number)?.into(),
            head.before.to_string().into(),
            head.hash.to_string().into(),
        ];
        statements.push(Statement::new(MOVE, moved));
    }
    Ok(statements)
}

impl Store {
    /// The entries of the chain behind `number`, oldest first, at most `wanted` and never more than
    /// [`ChainPage::MOST`] or 8 MiB, together with the newest entry's place at that moment. What is older than two years
    /// is forgotten: then the first entry has a greater number than the next one, and names the hash before it.
    ///
    /// The chain is not checked here: [`lockstep_model::check_chain`] does that.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn chain_after(&self, number: u64, wanted: u32) -> Result<ChainPage, Error> {
        // No entry has a greater number than can be stored.
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        // Head and entries of one moment.
        let begin = match self.db() {
            Db::Sqlite(_) => "BEGIN",
            Db::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        let (head, found) = on!(self.db(), "read the chain", pool => {
            let mut tx = pool.begin_with(begin).await?;
            let head = query(HEAD).fetch_all(&mut *tx).await?;
            let head: Vec<Head> = rows("chain_head", &head)?;
            let mut found: Vec<Record> = Vec::new();
            let mut bytes = 0;
            let mut entries = query(AFTER)
                .bind(number)
                .bind(limit(wanted, ChainPage::MOST))
                .fetch(&mut *tx);
            while let Some(row) = entries.try_next().await? {
                let record: Vec<Record> = rows("chain", std::slice::from_ref(&row))?;
                bytes += record.iter().map(|record| record.body.len()).sum::<usize>();
                if bytes > PAGE_BYTES && !found.is_empty() {
                    break;
                }
                found.extend(record);
            }
            drop(entries);
            tx.commit().await?;
            Ok((head, found))
        })?;
        Ok(ChainPage {
            entries: found
                .into_iter()
                .map(Record::read)
                .collect::<Result<_, _>>()?,
            head: head.first().map(Head::read).transpose()?.flatten(),
        })
    }
}
