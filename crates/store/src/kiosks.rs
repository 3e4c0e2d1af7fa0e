//! Kiosk tokens: by what screens on walls show the problems. Only hashes of their secrets are kept.

use jiff::Timestamp;
use sqlx::{FromRow, query, query_scalar};

use crate::db::Kind;
use crate::records::{Place, check_text, milliseconds, rows, sentence};
use crate::{Error, Store};

/// A new kiosk token.
#[derive(Clone, Copy)]
pub struct NewKiosk<'a> {
    /// Its identity.
    pub id: &'a str,
    /// The hash of its secret.
    pub secret_hash: &'a str,
    /// Which screen it is for.
    pub label: &'a str,
    /// Who makes it.
    pub made_by: &'a str,
    /// From when on it is worth nothing; none if it has no end.
    pub expires_at: Option<Timestamp>,
}

/// A kiosk token.
#[derive(Clone, PartialEq, Eq)]
pub struct KioskRow {
    /// Its identity.
    pub id: String,
    /// The hash of its secret.
    pub secret_hash: String,
    /// Which screen it is for.
    pub label: String,
    /// Who made it.
    pub made_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
    /// When a screen showed something by it last, as far as it was noted.
    pub used_at: Option<Timestamp>,
    /// Where that screen was; empty for a token that was not used.
    pub used_from: String,
}

impl std::fmt::Debug for NewKiosk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewKiosk({} {})", self.id, self.label)
    }
}

impl std::fmt::Debug for KioskRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KioskRow({} {})", self.id, self.label)
    }
}

/// Longest identity, hash, label and name, in bytes.
const MAX_TEXT: usize = 256;
/// Longest place that a screen is at, in bytes; longer ones are cut.
const MAX_FROM: usize = 64;
/// Kiosk tokens at once.
const MOST: u32 = 200;

/// `$1` is the one token, or nothing; `$2` is how many; `$3` is a moment at which they are not over.
const SELECT: &str = "SELECT id, secret_hash, label, made_by, created_at, expires_at, used_at, used_from \
    FROM kiosks WHERE revoked_at IS NULL AND (id = $1 OR $1 = '') AND (expires_at IS NULL OR expires_at > $3) \
    ORDER BY created_at DESC, id LIMIT $2";

#[derive(FromRow)]
struct Stored {
    id: String,
    secret_hash: String,
    label: String,
    made_by: String,
    created_at: i64,
    expires_at: Option<i64>,
    used_at: Option<i64>,
    used_from: String,
}

impl Stored {
    fn read(self) -> Result<KioskRow, Error> {
        let place = Place {
            table: "kiosks",
            key: &self.id,
        };
        let time = |column, at: Option<i64>| at.map(|at| place.time(column, at)).transpose();
        Ok(KioskRow {
            created_at: place.time("created_at", self.created_at)?,
            expires_at: time("expires_at", self.expires_at)?,
            used_at: time("used_at", self.used_at)?,
            secret_hash: self.secret_hash,
            label: self.label,
            made_by: self.made_by,
            used_from: self.used_from,
            id: self.id,
        })
    }
}

impl Store {
    /// Keeps a new kiosk token.
    ///
    /// # Errors
    /// [`Error::TooManyKiosks`] and [`Error::TooLarge`]; [`Error::Database`] also when the identity is taken.
    pub async fn create_kiosk(&self, kiosk: &NewKiosk<'_>, at: Timestamp) -> Result<(), Error> {
        check_text("the identity of a kiosk token", kiosk.id, MAX_TEXT)?;
        check_text("the hash of a kiosk token", kiosk.secret_hash, MAX_TEXT)?;
        check_text("the label of a kiosk token", kiosk.label, MAX_TEXT)?;
        check_text("the maker of a kiosk token", kiosk.made_by, MAX_TEXT)?;
        write_tx!(self.db(), Kind::Serializable, "make a kiosk token", tx => {
            let there: i64 = query_scalar(
                "SELECT COUNT(*) FROM kiosks WHERE revoked_at IS NULL \
                 AND (expires_at IS NULL OR expires_at > $1)",
            )
            .bind(milliseconds(at))
            .fetch_one(&mut *tx)
            .await?;
            if there >= i64::from(MOST) {
                return Err(Error::TooManyKiosks { most: MOST }.into());
            }
            query(
                "INSERT INTO kiosks (id, secret_hash, label, made_by, created_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(kiosk.id)
            .bind(kiosk.secret_hash)
            .bind(kiosk.label)
            .bind(kiosk.made_by)
            .bind(milliseconds(at))
            .bind(kiosk.expires_at.map(milliseconds))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// The kiosk token of this identity, for comparing its secret and its time; none if it is unknown or revoked.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn kiosk(&self, id: &str) -> Result<Option<KioskRow>, Error> {
        if id.is_empty() {
            return Ok(None);
        }
        Ok(self.find_kiosks(id, i64::MIN).await?.pop())
    }

    /// All kiosk tokens that are worth something at `now`, neither revoked nor over, newest first: 200, as many as there can
    /// be.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn kiosks(&self, now: Timestamp) -> Result<Vec<KioskRow>, Error> {
        self.find_kiosks("", milliseconds(now)).await
    }

    async fn find_kiosks(&self, id: &str, good_at: i64) -> Result<Vec<KioskRow>, Error> {
        let found: Vec<Stored> = on!(self.db(), "look up kiosk tokens", pool => {
            let found = query(SELECT)
                .bind(id)
                .bind(i64::from(MOST))
                .bind(good_at)
                .fetch_all(pool)
                .await?;
            Ok(rows("kiosks", &found)?)
        })?;
        found.into_iter().map(Stored::read).collect()
    }

    /// Notes that a screen shows something by a kiosk token.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn note_kiosk(&self, id: &str, from: &str, at: Timestamp) -> Result<(), Error> {
        let from = sentence(from, MAX_FROM);
        write_tx!(self.db(), Kind::Statements, "note that a kiosk token is in use", tx => {
            query(
                "UPDATE kiosks SET used_at = $2, used_from = $3 \
                 WHERE id = $1 AND (used_at IS NULL OR used_at < $2)",
            )
            .bind(id)
            .bind(milliseconds(at))
            .bind(&from)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Makes a kiosk token worthless. False if there is none, or it was revoked before.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn revoke_kiosk(&self, id: &str, at: Timestamp) -> Result<bool, Error> {
        write_tx!(self.db(), Kind::Statements, "revoke a kiosk token", tx => {
            let revoked =
                query("UPDATE kiosks SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
                    .bind(id)
                    .bind(milliseconds(at))
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
            Ok(revoked > 0)
        })
    }
}
