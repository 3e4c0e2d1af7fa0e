//! API tokens of users, in the table `operators`: once they were one kind, and so was their owner. Only hashes of their
//! secrets are kept.

use jiff::Timestamp;
use lockstep_model::{Role, UserName};
use sqlx::{FromRow, query, query_scalar};

use crate::db::Kind;
use crate::records::{Place, check_text, milliseconds, rows};
use crate::{Error, Store};

/// A new API token.
#[derive(Clone, Copy)]
pub struct NewApiToken<'a> {
    /// Its identity.
    pub id: &'a str,
    /// The hash of its secret.
    pub secret_hash: &'a str,
    /// Whose it is.
    pub user: &'a UserName,
    /// What it may do, where the user may do no less.
    pub role: Role,
    /// What it is for.
    pub label: &'a str,
    /// From when on it is worth nothing; none if it has no end.
    pub expires_at: Option<Timestamp>,
}

/// An API token.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiTokenRow {
    /// Its identity.
    pub id: String,
    /// Whose it is.
    pub user: UserName,
    /// What the user may do.
    pub user_role: Role,
    /// What it may do, where the user may do no less.
    pub role: Role,
    /// The hash of its secret.
    pub secret_hash: String,
    /// What it is for.
    pub label: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, as far as it was noted.
    pub used_at: Option<Timestamp>,
}

impl std::fmt::Debug for NewApiToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewApiToken({} {} {})", self.id, self.user, self.role)
    }
}

impl std::fmt::Debug for ApiTokenRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiTokenRow({} {} {})", self.id, self.user, self.role)
    }
}

/// Longest identity, hash and label, in bytes.
const MAX_TEXT: usize = 256;
/// Tokens that one user has at once.
const MOST: u32 = 200;
/// Tokens in the list, at most.
const MAX_LIST: i64 = 1000;

/// `$1` and `$2` are the one token and the one user, or nothing; `$3` is how many.
const SELECT: &str = "SELECT o.id, o.name, u.role AS user_role, o.role, o.secret_hash, o.label, \
    o.created_at, o.expires_at, o.used_at FROM operators o JOIN users u ON u.name = o.name \
    WHERE o.revoked_at IS NULL AND u.removed_at IS NULL \
    AND (o.id = $1 OR $1 = '') AND (o.name = $2 OR $2 = '') \
    ORDER BY o.created_at DESC, o.id LIMIT $3";

#[derive(FromRow)]
struct Stored {
    id: String,
    name: String,
    user_role: String,
    role: String,
    secret_hash: String,
    label: String,
    created_at: i64,
    expires_at: Option<i64>,
    used_at: Option<i64>,
}

impl Stored {
    fn read(self) -> Result<ApiTokenRow, Error> {
        let place = Place {
            table: "operators",
            key: &self.id,
        };
        let time = |column, at: Option<i64>| at.map(|at| place.time(column, at)).transpose();
        Ok(ApiTokenRow {
            user: place.parse("name", &self.name)?,
            user_role: place.parse("role", &self.user_role)?,
            role: place.parse("role", &self.role)?,
            created_at: place.time("created_at", self.created_at)?,
            expires_at: time("expires_at", self.expires_at)?,
            used_at: time("used_at", self.used_at)?,
            secret_hash: self.secret_hash,
            label: self.label,
            id: self.id,
        })
    }
}

impl Store {
    /// Keeps a new API token. False if there is no such user.
    ///
    /// # Errors
    /// [`Error::TooManyTokens`]; [`Error::Database`] also when the identity is taken.
    pub async fn create_api_token(
        &self,
        token: &NewApiToken<'_>,
        at: Timestamp,
    ) -> Result<bool, Error> {
        check_text("the identity of a token", token.id, MAX_TEXT)?;
        check_text("the hash of a token", token.secret_hash, MAX_TEXT)?;
        check_text("the label of a token", token.label, MAX_TEXT)?;
        write_tx!(self.db(), Kind::Serializable, "make an API token", tx => {
            let users: i64 =
                query_scalar("SELECT COUNT(*) FROM users WHERE name = $1 AND removed_at IS NULL")
                    .bind(token.user.as_str())
                    .fetch_one(&mut *tx)
                    .await?;
            if users == 0 {
                return Ok(false);
            }
            let has: i64 = query_scalar(
                "SELECT COUNT(*) FROM operators WHERE name = $1 AND revoked_at IS NULL \
                 AND (expires_at IS NULL OR expires_at > $2)",
            )
            .bind(token.user.as_str())
            .bind(milliseconds(at))
            .fetch_one(&mut *tx)
            .await?;
            if has >= i64::from(MOST) {
                let user = token.user.clone();
                return Err(Error::TooManyTokens { user, most: MOST }.into());
            }
            query(
                "INSERT INTO operators (id, name, secret_hash, created_at, role, label, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(token.id)
            .bind(token.user.as_str())
            .bind(token.secret_hash)
            .bind(milliseconds(at))
            .bind(token.role.as_str())
            .bind(token.label)
            .bind(token.expires_at.map(milliseconds))
            .execute(&mut *tx)
            .await?;
            Ok(true)
        })
    }

    /// The API token of this identity, for comparing its secret and its time; none if it is unknown or revoked, or its user
    /// is no more.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn api_token(&self, id: &str) -> Result<Option<ApiTokenRow>, Error> {
        if id.is_empty() {
            return Ok(None);
        }
        Ok(self.find_api_tokens(id, "").await?.pop())
    }

    /// A user's API tokens, or all, newest first, at most 1000; those that were revoked are not among them.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn api_tokens(&self, of: Option<&UserName>) -> Result<Vec<ApiTokenRow>, Error> {
        self.find_api_tokens("", of.map_or("", UserName::as_str))
            .await
    }

    async fn find_api_tokens(&self, id: &str, name: &str) -> Result<Vec<ApiTokenRow>, Error> {
        let found: Vec<Stored> = on!(self.db(), "look up API tokens", pool => {
            let found =
                query(SELECT).bind(id).bind(name).bind(MAX_LIST).fetch_all(pool).await?;
            Ok(rows("operators", &found)?)
        })?;
        found.into_iter().map(Stored::read).collect()
    }

    /// Notes that an API token is in use.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn note_api_token(&self, id: &str, at: Timestamp) -> Result<(), Error> {
        write_tx!(self.db(), Kind::Statements, "note that an API token is in use", tx => {
            query(
                "UPDATE operators SET used_at = $2 WHERE id = $1 AND (used_at IS NULL OR used_at < $2)",
            )
            .bind(id)
            .bind(milliseconds(at))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Makes an API token worthless; with `of` only if it is this user's. False if there is none, or it was revoked before.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn revoke_api_token(
        &self,
        id: &str,
        of: Option<&UserName>,
        at: Timestamp,
    ) -> Result<bool, Error> {
        write_tx!(self.db(), Kind::Serializable, "revoke an API token", tx => {
            let revoked = query(
                "UPDATE operators SET revoked_at = $2 \
                 WHERE id = $1 AND revoked_at IS NULL AND (name = $3 OR $3 = '')",
            )
            .bind(id)
            .bind(milliseconds(at))
            .bind(of.map_or("", UserName::as_str))
            .execute(&mut *tx)
            .await?
            .rows_affected();
            Ok(revoked > 0)
        })
    }
}
