//! Users: who may do what. Of their passwords only hashes are kept.

use jiff::Timestamp;
use lockstep_model::{Role, UserName};
use sqlx::{FromRow, query, query_scalar};

use crate::db::Kind;
use crate::records::{Place, check_text, milliseconds, rows};
use crate::{Error, Store};

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRow {
    /// The name.
    pub name: UserName,
    /// What the user may do.
    pub role: Role,
    /// The hash of the password, a PHC string; none for a user who cannot sign in.
    pub password: Option<String>,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When the user signed in last.
    pub signed_in_at: Option<Timestamp>,
    /// API tokens that are worth something.
    pub tokens: u64,
}

impl std::fmt::Debug for UserRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UserRow({} {})", self.name, self.role)
    }
}

/// Longest hash of a password, in bytes.
const MAX_HASH: usize = 512;
/// Users in the list, at most.
const MAX_LIST: i64 = 1000;

/// `$1` is now, `$2` is the one name or nothing, `$3` is how many.
const SELECT: &str = "SELECT name, role, password, created_at, signed_in_at, \
    (SELECT COUNT(*) FROM operators o WHERE o.name = users.name AND o.revoked_at IS NULL \
     AND (o.expires_at IS NULL OR o.expires_at > $1)) AS tokens \
    FROM users WHERE removed_at IS NULL AND (name = $2 OR $2 = '') ORDER BY name LIMIT $3";

#[derive(FromRow)]
struct Stored {
    name: String,
    role: String,
    password: Option<String>,
    created_at: i64,
    signed_in_at: Option<i64>,
    tokens: i64,
}

impl Stored {
    fn read(self) -> Result<UserRow, Error> {
        let place = Place {
            table: "users",
            key: &self.name,
        };
        let signed_in_at = self.signed_in_at.map(|at| place.time("signed_in_at", at));
        Ok(UserRow {
            name: place.parse("name", &self.name)?,
            role: place.parse("role", &self.role)?,
            created_at: place.time("created_at", self.created_at)?,
            signed_in_at: signed_in_at.transpose()?,
            tokens: place.number("tokens", self.tokens)?,
            password: self.password,
        })
    }
}

/// Fails unless another one than this user is an admin: `$tx` is a serializable transaction, so two who are removed at
/// once do not both see each other.
macro_rules! another_admin {
    ($tx:ident, $name:expr) => {
        let others: i64 = query_scalar(
            "SELECT COUNT(*) FROM users WHERE role = 'admin' AND removed_at IS NULL AND name <> $1",
        )
        .bind($name.as_str())
        .fetch_one(&mut *$tx)
        .await?;
        if others == 0 {
            let name = $name.clone();
            return Err(Error::LastAdmin { name }.into());
        }
    };
}

impl Store {
    /// Keeps a new user; one of a name that was removed is a new one. False if there is one of this name; it stays as it
    /// was.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Database`] and [`Error::Busy`].
    pub async fn create_user(
        &self,
        name: &UserName,
        role: Role,
        password: Option<&str>,
        at: Timestamp,
    ) -> Result<bool, Error> {
        check_text(
            "the hash of a password",
            password.unwrap_or_default(),
            MAX_HASH,
        )?;
        write_tx!(self.db(), Kind::Serializable, "make a user", tx => {
            let made = query(
                "INSERT INTO users (name, role, password, created_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (name) DO UPDATE SET role = excluded.role, password = excluded.password, \
                 created_at = excluded.created_at, signed_in_at = NULL, removed_at = NULL \
                 WHERE users.removed_at IS NOT NULL",
            )
            .bind(name.as_str())
            .bind(role.as_str())
            .bind(password)
            .bind(milliseconds(at))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            Ok(made > 0)
        })
    }

    /// A user; none if there is none, or no more.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn user(&self, name: &UserName, now: Timestamp) -> Result<Option<UserRow>, Error> {
        Ok(self.find_users(name.as_str(), now).await?.pop())
    }

    /// The users, by name, at most 1000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn users(&self, now: Timestamp) -> Result<Vec<UserRow>, Error> {
        self.find_users("", now).await
    }

    async fn find_users(&self, name: &str, now: Timestamp) -> Result<Vec<UserRow>, Error> {
        let found: Vec<Stored> = on!(self.db(), "look up users", pool => {
            let found = query(SELECT)
                .bind(milliseconds(now))
                .bind(name)
                .bind(MAX_LIST)
                .fetch_all(pool)
                .await?;
            Ok(rows("users", &found)?)
        })?;
        found.into_iter().map(Stored::read).collect()
    }

    /// Says what a user may do from now on. False if there is no such user.
    ///
    /// # Errors
    /// [`Error::LastAdmin`] if nobody would be an admin any more; [`Error::Database`] and [`Error::Busy`].
    pub async fn set_role(&self, name: &UserName, role: Role) -> Result<bool, Error> {
        write_tx!(self.db(), Kind::Serializable, "set the role of a user", tx => {
            let changed = query("UPDATE users SET role = $2 WHERE name = $1 AND removed_at IS NULL")
                .bind(name.as_str())
                .bind(role.as_str())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if changed > 0 && role != Role::Admin {
                another_admin!(tx, name);
            }
            Ok(changed > 0)
        })
    }

    /// Gives a user a password, by its hash, and ends the user's sessions but for `keep`. False if there is no such user.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Database`] and [`Error::Busy`].
    pub async fn set_password(
        &self,
        name: &UserName,
        password: &str,
        keep: Option<&str>,
    ) -> Result<bool, Error> {
        check_text("the hash of a password", password, MAX_HASH)?;
        write_tx!(self.db(), Kind::Serializable, "set the password of a user", tx => {
            let changed =
                query("UPDATE users SET password = $2 WHERE name = $1 AND removed_at IS NULL")
                    .bind(name.as_str())
                    .bind(password)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
            query("DELETE FROM sessions WHERE name = $1 AND id <> $2")
                .bind(name.as_str())
                .bind(keep.unwrap_or_default())
                .execute(&mut *tx)
                .await?;
            Ok(changed > 0)
        })
    }

    /// Removes a user with all sessions, API tokens and saved views. False if there is no such user.
    ///
    /// # Errors
    /// [`Error::LastAdmin`] if nobody would be an admin any more; [`Error::Database`] and [`Error::Busy`].
    pub async fn remove_user(&self, name: &UserName, at: Timestamp) -> Result<bool, Error> {
        write_tx!(self.db(), Kind::Serializable, "remove a user", tx => {
            let removed = query(
                "UPDATE users SET removed_at = $2, password = NULL \
                 WHERE name = $1 AND removed_at IS NULL",
            )
            .bind(name.as_str())
            .bind(milliseconds(at))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if removed == 0 {
                return Ok(false);
            }
            another_admin!(tx, name);
            query("DELETE FROM saved_views WHERE owner = $1")
                .bind(name.as_str())
                .execute(&mut *tx)
                .await?;
            query("DELETE FROM sessions WHERE name = $1")
                .bind(name.as_str())
                .execute(&mut *tx)
                .await?;
            query("UPDATE operators SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL")
                .bind(name.as_str())
                .bind(milliseconds(at))
                .execute(&mut *tx)
                .await?;
            Ok(true)
        })
    }
}
