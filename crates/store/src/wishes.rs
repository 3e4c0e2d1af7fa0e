//! What operators wish of hosts: the newest wish of each verb for each host.
//!
//! Where a wish stands is not kept here: the host says so in its report.

use jiff::Timestamp;
use lockstep_model::api::operator::TakenBack;
use lockstep_model::{HostName, HostWish, WishState, WishVerb};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, query, query_as, query_scalar};

use crate::db::Kind;
use crate::records::{Place, check_text, milliseconds, rows, to_json};
use crate::{Error, Store};

/// Longest name of who wishes, in bytes.
const MAX_BY: usize = 256;
/// Longest boot id, in bytes.
const MAX_BOOT_ID: usize = 128;
/// Largest wish, in bytes of JSON.
const MAX_WISH: usize = 8 * 1024;
/// Wishes that are told at once, at most.
const MAX_LIST: i64 = 10_000;

/// `open_until` of a wish that was taken back, or is over since a restore.
const CLOSED: i64 = 0;
/// `open_until` of a wish that the host says is done.
const DONE: i64 = -1;
/// Largest number that a host is believed to have heard of: room for numbers to grow is left, and each is exact in JSON
/// that is read as floating point (RFC 8259, section 6).
const MOST_HEARD: u64 = 1 << 52;

/// All wishes for a host are over.
pub(crate) const ALL_OVER: &str =
    "UPDATE host_wishes SET document = NULL, open_until = 0 WHERE host = $1";

/// A wish as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WishRow {
    /// The wish.
    pub wish: HostWish,
    /// Who has taken it back, if somebody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<TakenBack>,
    /// As what it is closed: hosts are told of it no more, though its end may not have come. None while it is open.
    #[serde(skip)]
    pub closed: Option<WishState>,
}

/// What is known of the wishes of a verb for a host when another one is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WishesBefore {
    /// The number of the newest one, if that stands in nobody's way any more though its end has not come.
    pub over: Option<u64>,
    /// The greatest number that the host has spoken of; 0 if it spoke of none.
    pub heard: u64,
}

/// What came of giving a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// It is kept, with this number.
    New(HostWish),
    /// It is one with this one, which was given before and is open still.
    Open(HostWish),
}

#[derive(FromRow)]
struct Record {
    host: String,
    document: String,
    open_until: i64,
}

impl Record {
    fn read(self) -> Result<(HostName, WishRow), Error> {
        let place = Place {
            table: "host_wishes",
            key: &self.host,
        };
        let mut row: WishRow = place.json("document", &self.document)?;
        row.closed = match self.open_until {
            _ if row.taken_back.is_some() => Some(WishState::TakenBack),
            DONE => Some(WishState::Done),
            CLOSED => Some(WishState::Void),
            _ => None,
        };
        Ok((place.parse("host", &self.host)?, row))
    }
}

impl Store {
    /// Keeps a wish in the place of the one before it of the same verb. The number that `wish` has is replaced by one that
    /// is greater than all before it for this host and verb, and than what the host has heard of, whatever the clock says.
    ///
    /// One that is open is not replaced, unless it is the one that the caller judged to be over: whoever gives a wish twice
    /// at one moment gives one.
    ///
    /// # Errors
    /// [`Error::HostUnknown`] if there is no such host; [`Error::TooLarge`] and [`Error::NotStorable`] for its texts.
    pub async fn wish(
        &self,
        host: &HostName,
        wish: &HostWish,
        before: WishesBefore,
    ) -> Result<Given, Error> {
        check_text("who wishes something of a host", &wish.by, MAX_BY)?;
        check_text("the reason of a wish", &wish.why, HostWish::LONGEST_WHY)?;
        check_text("the boot of a wish", &wish.boot_id, MAX_BOOT_ID)?;
        let verb = wish.verb.as_str();
        write_tx!(self.db(), Kind::Statements, "wish something of a host", tx => {
            // Locks the host until the end of the transaction.
            let there: Option<String> = query_scalar(
                "UPDATE hosts SET name = name WHERE name = $1 AND removed_at IS NULL RETURNING name",
            )
            .bind(host.as_str())
            .fetch_optional(&mut *tx)
            .await?;
            if there.is_none() {
                return Err(Error::HostUnknown { host: host.clone() }.into());
            }
            let kept: Option<(i64, i64, Option<String>)> = query_as(
                "SELECT number, open_until, document FROM host_wishes WHERE host = $1 AND verb = $2",
            )
            .bind(host.as_str())
            .bind(verb)
            .fetch_optional(&mut *tx)
            .await?;
            let newest = kept.as_ref().map_or(0, |(number, ..)| *number);
            if let Some((number, open_until, Some(document))) = kept
                && open_until > milliseconds(wish.at)
                && before.over != Some(number.unsigned_abs())
            {
                let open = Record { host: host.to_string(), document, open_until };
                return Ok(Given::Open(open.read()?.1.wish));
            }
            let heard = i64::try_from(before.heard.min(MOST_HEARD)).unwrap_or_default();
            let number = newest.max(heard).saturating_add(1).max(milliseconds(wish.at));
            let kept = WishRow {
                wish: HostWish { number: number.unsigned_abs(), ..wish.clone() },
                taken_back: None,
                closed: None,
            };
            query(
                "INSERT INTO host_wishes (host, verb, number, open_until, document) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (host, verb) DO UPDATE SET \
                 number = excluded.number, open_until = excluded.open_until, document = excluded.document",
            )
            .bind(host.as_str())
            .bind(verb)
            .bind(number)
            .bind(milliseconds(wish.until))
            .bind(to_json("a wish", &kept, MAX_WISH)?)
            .execute(&mut *tx)
            .await?;
            Ok(Given::New(kept.wish))
        })
    }

    /// The host says that a wish is done: hosts are not told of it any more, nor does it count among those that are open.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn wish_is_done(
        &self,
        host: &HostName,
        verb: WishVerb,
        number: u64,
    ) -> Result<(), Error> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        write_tx!(self.db(), Kind::Statements, "note that a wish is done", tx => {
            query(
                "UPDATE host_wishes SET open_until = $4 \
                 WHERE host = $1 AND verb = $2 AND number = $3 AND open_until > 0",
            )
            .bind(host.as_str())
            .bind(verb.as_str())
            .bind(number)
            .bind(DONE)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Takes a wish back: hosts are not told of it any more. False if it is not the newest of its verb, or was taken back
    /// before.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::TooLarge`] and [`Error::NotStorable`].
    pub async fn take_back_wish(
        &self,
        host: &HostName,
        wish: &HostWish,
        by: &TakenBack,
    ) -> Result<bool, Error> {
        check_text("who takes a wish back", &by.by, MAX_BY)?;
        let row = WishRow {
            wish: wish.clone(),
            taken_back: Some(by.clone()),
            closed: Some(WishState::TakenBack),
        };
        let document = to_json("a wish", &row, MAX_WISH)?;
        let number = i64::try_from(wish.number).unwrap_or(i64::MAX);
        write_tx!(self.db(), Kind::Statements, "take a wish back", tx => {
            let changed = query(
                "UPDATE host_wishes SET open_until = 0, document = $4 \
                 WHERE host = $1 AND verb = $2 AND number = $3 AND open_until > 0",
            )
            .bind(host.as_str())
            .bind(wish.verb.as_str())
            .bind(number)
            .bind(&document)
            .execute(&mut *tx)
            .await?;
            Ok(changed.rows_affected() > 0)
        })
    }

    /// The newest wish of each verb for a host, by verb.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn wishes(&self, host: &HostName) -> Result<Vec<WishRow>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the wishes for a host", pool => {
            let found = query(
                "SELECT host, document, open_until FROM host_wishes \
                 WHERE host = $1 AND document IS NOT NULL ORDER BY verb",
            )
            .bind(host.as_str())
            .fetch_all(pool)
            .await?;
            Ok(rows("host_wishes", &found)?)
        })?;
        let read = found.into_iter().map(Record::read);
        read.map(|row| Ok(row?.1)).collect()
    }

    /// The wishes that hosts are to be told of: neither taken back, nor done, nor over. Those that end first come first, at most
    /// 10,000. Those that cannot be read are left out, and the log says so.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn open_wishes(&self, now: Timestamp) -> Result<Vec<(HostName, HostWish)>, Error> {
        let found: Vec<Result<Vec<Record>, Error>> = on!(self.db(), "list the wishes that are open", pool => {
            let found = query(
                "SELECT host, document, open_until FROM host_wishes \
                 WHERE open_until > $1 AND document IS NOT NULL ORDER BY open_until, host, verb LIMIT $2",
            )
            .bind(milliseconds(now))
            .bind(MAX_LIST)
            .fetch_all(pool)
            .await?;
            let each = found.iter().map(|row| rows("host_wishes", std::slice::from_ref(row)));
            Ok(each.collect())
        })?;
        // One that cannot be read, of another version perhaps, must not keep all hosts from their orders.
        let mut wishes = Vec::new();
        for records in found {
            match records.and_then(|found| found.into_iter().map(Record::read).collect()) {
                Ok::<Vec<_>, _>(read) => {
                    wishes.extend(read.into_iter().map(|(host, row)| (host, row.wish)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a wish is left out, and its host not told of it");
                }
            }
        }
        Ok(wishes)
    }

    /// The newest wish of a verb for a host.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn newest_wish(
        &self,
        host: &HostName,
        verb: WishVerb,
    ) -> Result<Option<WishRow>, Error> {
        let wishes = self.wishes(host).await?;
        Ok(wishes.into_iter().find(|row| row.wish.verb == verb))
    }
}
