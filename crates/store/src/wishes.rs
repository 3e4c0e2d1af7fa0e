//! What operators wish of hosts: the newest wish of each verb for each host.
//!
//! Where a wish stands is not kept here: the host says so in its report.

use jiff::Timestamp;
use lockstep_model::api::operator::TakenBack;
use lockstep_model::{HostName, HostWish, WishVerb};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, query, query_scalar};

use crate::db::Kind;
use crate::records::{Place, check_text, milliseconds, rows, to_json};
use crate::{Error, Store};

/// Longest name of who wishes, in bytes.
const MAX_BY: usize = 256;
/// Largest wish, in bytes of JSON.
const MAX_WISH: usize = 8 * 1024;
/// Wishes that are told at once, at most.
const MAX_LIST: i64 = 10_000;

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
}

#[derive(FromRow)]
struct Record {
    host: String,
    document: String,
}

impl Record {
    fn read(self) -> Result<(HostName, WishRow), Error> {
        let place = Place {
            table: "host_wishes",
            key: &self.host,
        };
        Ok((
            place.parse("host", &self.host)?,
            place.json("document", &self.document)?,
        ))
    }
}

impl Store {
    /// Keeps a wish in the place of the one before it of the same verb. The number that `wish` has is replaced by one that
    /// is greater than all before it for this host and verb, whatever the clock says. Returns it as it is kept.
    ///
    /// # Errors
    /// [`Error::HostUnknown`] if there is no such host; [`Error::TooLarge`] and [`Error::NotStorable`] for its texts.
    pub async fn wish(&self, host: &HostName, wish: &HostWish) -> Result<HostWish, Error> {
        check_text("who wishes something of a host", &wish.by, MAX_BY)?;
        check_text("the reason of a wish", &wish.why, HostWish::LONGEST_WHY)?;
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
            let before: Option<i64> =
                query_scalar("SELECT number FROM host_wishes WHERE host = $1 AND verb = $2")
                    .bind(host.as_str())
                    .bind(verb)
                    .fetch_optional(&mut *tx)
                    .await?;
            let number = before.unwrap_or_default().saturating_add(1).max(milliseconds(wish.at));
            let kept = WishRow {
                wish: HostWish { number: number.unsigned_abs(), ..wish.clone() },
                taken_back: None,
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
            Ok(kept.wish)
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
                "SELECT host, document FROM host_wishes \
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

    /// The wishes that hosts are to be told of: neither taken back nor over. Those that end first come first, at most
    /// 10,000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn open_wishes(&self, now: Timestamp) -> Result<Vec<(HostName, HostWish)>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the wishes that are open", pool => {
            let found = query(
                "SELECT host, document FROM host_wishes \
                 WHERE open_until > $1 AND document IS NOT NULL ORDER BY open_until, host, verb LIMIT $2",
            )
            .bind(milliseconds(now))
            .bind(MAX_LIST)
            .fetch_all(pool)
            .await?;
            Ok(rows("host_wishes", &found)?)
        })?;
        let read = found.into_iter().map(Record::read);
        read.map(|row| row.map(|(host, row)| (host, row.wish)))
            .collect()
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
