//! Enrolment tokens: who may become a host. Only hashes of their secrets are kept.

use jiff::Timestamp;
use lockstep_model::{ContentHash, HostName};
use sqlx::{FromRow, query, query_as, query_scalar};

use crate::db::Kind;
use crate::records::{Place, check_text, milliseconds, rows};
use crate::{Error, Store, TokenRefused};

/// A new enrolment token.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredToken {
    /// Its identity.
    pub id: String,
    /// The hash of its secret.
    pub secret_hash: String,
    /// How many hosts may enrol with it.
    pub uses: u32,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
    /// The one host that may enrol with it, also in place of another machine of that name.
    pub host: Option<HostName>,
    /// Who made it.
    pub created_by: String,
}

/// A token as it is listed; nothing of its secret is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRow {
    /// Its identity.
    pub id: String,
    /// How many hosts may enrol with it.
    pub uses: u32,
    /// How many have.
    pub used: u32,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
    /// The one host that may enrol with it.
    pub host: Option<HostName>,
    /// Who made it.
    pub created_by: String,
    /// True if it was revoked.
    pub revoked: bool,
}

/// A token was good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redeemed {
    /// True if it was made for this host alone, which may take the place of another machine of that name.
    pub replace: bool,
}

/// Longest identity, hash and name, in bytes.
const MAX_TEXT: usize = 256;
/// Tokens in the list, at most.
const MAX_LIST: i64 = 1000;

#[derive(FromRow)]
struct Stored {
    secret_hash: String,
    uses: i64,
    used: i64,
    expires_at: i64,
    host: Option<String>,
    revoked: i64,
}

#[derive(FromRow)]
struct Listed {
    id: String,
    uses: i64,
    used: i64,
    expires_at: i64,
    host: Option<String>,
    created_by: String,
    revoked: i64,
}

impl Store {
    /// Keeps a new token.
    ///
    /// # Errors
    /// [`Error::Database`] also when its identity is taken.
    pub async fn create_token(&self, token: StoredToken) -> Result<(), Error> {
        check_text("the identity of a token", &token.id, MAX_TEXT)?;
        check_text("the hash of a token", &token.secret_hash, MAX_TEXT)?;
        check_text("the maker of a token", &token.created_by, MAX_TEXT)?;
        write_tx!(self.db(), Kind::Serializable, "make an enrolment token", tx => {
            query(
                "INSERT INTO tokens (id, secret_hash, uses, used, expires_at, host, created_by, revoked) \
                 VALUES ($1, $2, $3, 0, $4, $5, $6, 0)",
            )
            .bind(&token.id)
            .bind(&token.secret_hash)
            .bind(i64::from(token.uses))
            .bind(milliseconds(token.expires_at))
            .bind(token.host.as_ref().map(HostName::as_str))
            .bind(&token.created_by)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Uses a token once for a host. The same token, key and host again succeed as long as the token is valid and
    /// use up nothing, so an answer that was lost costs nothing; that ends when the host is removed or replaced.
    ///
    /// # Errors
    /// [`Error::TokenRefused`] says why it is not good; [`Error::HostExists`] when the name has another key and the
    /// token does not replace it, which uses up nothing.
    pub async fn redeem_token(
        &self,
        id: &str,
        secret_hash: &str,
        key: &ContentHash,
        host: &HostName,
        now: Timestamp,
    ) -> Result<Redeemed, Error> {
        let (key, now) = (key.to_string(), milliseconds(now));
        write_tx!(self.db(), Kind::Serializable, "redeem an enrolment token", tx => {
            let token: Option<Stored> = query_as(
                "SELECT secret_hash, uses, used, expires_at, host, revoked FROM tokens WHERE id = $1",
            )
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(token) = token.filter(|token| same(&token.secret_hash, secret_hash)) else {
                return Err(TokenRefused::Unknown.into());
            };
            if token.revoked != 0 {
                return Err(TokenRefused::Unknown.into());
            }
            if token.expires_at <= now {
                return Err(TokenRefused::Expired.into());
            }
            if token.host.as_deref().is_some_and(|only| only != host.as_str()) {
                return Err(TokenRefused::OtherHost.into());
            }
            let redeemed = Redeemed { replace: token.host.is_some() };
            let again: Option<i64> = query_scalar(
                "SELECT used_at FROM token_uses WHERE token = $1 AND key = $2 AND host = $3",
            )
            .bind(id)
            .bind(&key)
            .bind(host.as_str())
            .fetch_optional(&mut *tx)
            .await?;
            if again.is_some() {
                return Ok(redeemed);
            }
            if token.used >= token.uses {
                return Err(TokenRefused::UsedUp.into());
            }
            // Found here, before anything is counted: a name that is taken must not cost a use.
            let taken: Option<String> = query_scalar(
                // A host that spoke through a gateway has no key that could be taken from it.
                "SELECT key FROM hosts WHERE name = $1 AND removed_at IS NULL AND key <> $2 \
                 AND NOT EXISTS (SELECT host FROM foreign_hosts WHERE host = $1)",
            )
            .bind(host.as_str())
            .bind(&key)
            .fetch_optional(&mut *tx)
            .await?;
            if taken.is_some() && !redeemed.replace {
                return Err(Error::HostExists { host: host.clone() }.into());
            }
            query("UPDATE tokens SET used = used + 1 WHERE id = $1").bind(id).execute(&mut *tx).await?;
            query("INSERT INTO token_uses (token, key, host, used_at) VALUES ($1, $2, $3, $4)")
                .bind(id)
                .bind(&key)
                .bind(host.as_str())
                .bind(now)
                .execute(&mut *tx)
                .await?;
            Ok(redeemed)
        })
    }

    /// All tokens that are kept, those that expire last first, at most 1000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, Error> {
        let found: Vec<Listed> = on!(self.db(), "list the enrolment tokens", pool => {
            let found = query(
                "SELECT id, uses, used, expires_at, host, created_by, revoked FROM tokens \
                 ORDER BY expires_at DESC, id LIMIT $1",
            )
            .bind(MAX_LIST)
            .fetch_all(pool)
            .await?;
            Ok(rows("tokens", &found)?)
        })?;
        found.into_iter().map(Listed::read).collect()
    }

    /// Makes a token worthless. False if there is none, or it was revoked before.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn revoke_token(&self, id: &str) -> Result<bool, Error> {
        write_tx!(self.db(), Kind::Serializable, "revoke an enrolment token", tx => {
            let revoked = query("UPDATE tokens SET revoked = 1 WHERE id = $1 AND revoked = 0")
                .bind(id)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            Ok(revoked > 0)
        })
    }
}

impl Listed {
    fn read(self) -> Result<TokenRow, Error> {
        let place = Place {
            table: "tokens",
            key: &self.id,
        };
        Ok(TokenRow {
            uses: place.number("uses", self.uses)?,
            used: place.number("used", self.used)?,
            expires_at: place.time("expires_at", self.expires_at)?,
            host: self
                .host
                .as_deref()
                .map(|host| place.parse("host", host))
                .transpose()?,
            revoked: self.revoked != 0,
            created_by: self.created_by,
            id: self.id,
        })
    }
}

/// Compares two hashes in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    let differences = a
        .bytes()
        .zip(b.bytes())
        .fold(0, |differences, (a, b)| differences | (a ^ b));
    a.len() == b.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn hashes_are_the_same_or_not() {
        assert!(same("", "") && same("ab", "ab"));
        assert!(!same("ab", "aB") && !same("ab", "a") && !same("", "a"));
    }
}
