//! Attempts to sign in that failed, so that passwords cannot be guessed, on any server over this database and across
//! restarts. What follows from the counts is decided by whoever calls.
//!
//! An attempt is counted as a failure before its password is looked at, and taken back when it was good: attempts that
//! come at the same time cannot all pass as the last free one.

use jiff::Timestamp;
use sqlx::{FromRow, query};

use crate::db::Kind;
use crate::records::{Place, check_text, milliseconds, rows};
use crate::{Error, Store};

/// What attempts are counted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInKeys {
    /// The user from one address.
    pub both: String,
    /// The user, from wherever.
    pub user: String,
    /// The address, for whichever user.
    pub address: String,
}

/// Failures in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInFailures {
    /// How many.
    pub count: u32,
    /// When the last one was.
    pub last: Timestamp,
}

/// The failures under each key of [`SignInKeys`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignInTally {
    /// Of the user from this address.
    pub both: Option<SignInFailures>,
    /// Of the user.
    pub user: Option<SignInFailures>,
    /// Of the address.
    pub address: Option<SignInFailures>,
}

/// Longest key, in bytes.
const MAX_KEY: usize = 256;
/// Users that are looked up at once.
const MAX_LIST: i64 = 10_000;

#[derive(FromRow)]
struct Stored {
    who: String,
    failures: i64,
    last_at: i64,
}

impl Stored {
    fn read(&self) -> Result<SignInFailures, Error> {
        let place = Place {
            table: "sign_in_failures",
            key: &self.who,
        };
        Ok(SignInFailures {
            count: place.number("failures", self.failures)?,
            last: place.time("last_at", self.last_at)?,
        })
    }
}

/// Takes an attempt back that was good: what the user did at this address is forgiven, of the wider counts one goes.
macro_rules! forgive {
    ($tx:ident, $keys:expr) => {
        query("UPDATE sign_in_failures SET failures = failures - 1 WHERE who IN ($1, $2)")
            .bind(&$keys.user)
            .bind(&$keys.address)
            .execute(&mut *$tx)
            .await?;
        query("DELETE FROM sign_in_failures WHERE who = $1 OR failures <= 0")
            .bind(&$keys.both)
            .execute(&mut *$tx)
            .await?;
    };
}

impl Store {
    /// Counts an attempt to sign in, unless `refuse` has something against it, which is returned then and nothing is
    /// counted. Failures older than `forget_before` are forgotten.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::NotStorable`], [`Error::Database`] and [`Error::Busy`].
    pub async fn count_sign_in<R>(
        &self,
        keys: &SignInKeys,
        now: Timestamp,
        forget_before: Timestamp,
        refuse: impl Fn(&SignInTally) -> Option<R>,
    ) -> Result<Option<R>, Error> {
        for key in [&keys.both, &keys.user, &keys.address] {
            check_text("the name of who signs in", key, MAX_KEY)?;
        }
        write_tx!(self.db(), Kind::Serializable, "count an attempt to sign in", tx => {
            query("DELETE FROM sign_in_failures WHERE last_at < $1")
                .bind(milliseconds(forget_before))
                .execute(&mut *tx)
                .await?;
            let found = query(
                "SELECT who, failures, last_at FROM sign_in_failures WHERE who IN ($1, $2, $3)",
            )
            .bind(&keys.both)
            .bind(&keys.user)
            .bind(&keys.address)
            .fetch_all(&mut *tx)
            .await?;
            let found: Vec<Stored> = rows("sign_in_failures", &found)?;
            let of = |key: &str| {
                let stored = found.iter().find(|stored| stored.who == key);
                stored.map(Stored::read).transpose()
            };
            let tally = SignInTally {
                both: of(&keys.both)?,
                user: of(&keys.user)?,
                address: of(&keys.address)?,
            };
            if let Some(refused) = refuse(&tally) {
                return Ok(Some(refused));
            }
            for key in [&keys.both, &keys.user, &keys.address] {
                query(
                    "INSERT INTO sign_in_failures (who, failures, last_at) VALUES ($1, 1, $2) \
                     ON CONFLICT (who) DO UPDATE SET \
                     failures = sign_in_failures.failures + 1, last_at = excluded.last_at",
                )
                .bind(key)
                .bind(milliseconds(now))
                .execute(&mut *tx)
                .await?;
            }
            Ok(None)
        })
    }

    /// Takes an attempt back that was counted and was good, where no session begins by it.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn forgive_sign_in(&self, keys: &SignInKeys) -> Result<(), Error> {
        write_tx!(self.db(), Kind::Serializable, "take an attempt to sign in back", tx => {
            forgive!(tx, keys);
            Ok(())
        })
    }

    /// The failures under all keys that begin with `prefix`, by key; at most 10,000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn sign_in_failures(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, SignInFailures)>, Error> {
        let found: Vec<Stored> = on!(self.db(), "look up failures to sign in", pool => {
            let found = query(
                "SELECT who, failures, last_at FROM sign_in_failures \
                 WHERE substr(who, 1, $1) = $2 ORDER BY who LIMIT $3",
            )
            // PostgreSQL counts characters by INTEGER.
            .bind(i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX))
            .bind(prefix)
            .bind(MAX_LIST)
            .fetch_all(pool)
            .await?;
            Ok(rows("sign_in_failures", &found)?)
        })?;
        let read = |stored: Stored| Ok((stored.who.clone(), stored.read()?));
        found.into_iter().map(read).collect()
    }
}
