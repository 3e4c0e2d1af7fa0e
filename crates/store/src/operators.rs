//! Operators: who may use the operator API. Only hashes of their tokens are kept.

use jiff::Timestamp;
use sqlx::{FromRow, query};

use crate::db::Kind;
use crate::records::{check_text, milliseconds, rows};
use crate::{Error, Store};

/// A person or program that may use the operator API.
#[derive(Clone, PartialEq, Eq, FromRow)]
pub struct OperatorRow {
    /// The identity of the token.
    pub id: String,
    /// The name that the audit trail shows.
    pub name: String,
    /// The hash of the token's secret.
    pub secret_hash: String,
}

impl std::fmt::Debug for OperatorRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OperatorRow({} {:?})", self.id, self.name)
    }
}

/// Longest identity, hash and name, in bytes.
const MAX_TEXT: usize = 256;
/// Operators in the list, at most.
const MAX_LIST: i64 = 1000;

impl Store {
    /// Keeps a new operator.
    ///
    /// # Errors
    /// [`Error::Database`] also when the identity is taken.
    pub async fn create_operator(
        &self,
        id: &str,
        secret_hash: &str,
        name: &str,
        at: Timestamp,
    ) -> Result<(), Error> {
        check_text("the identity of an operator", id, MAX_TEXT)?;
        check_text("the hash of an operator's token", secret_hash, MAX_TEXT)?;
        check_text("the name of an operator", name, MAX_TEXT)?;
        write_tx!(self.db(), Kind::Serializable, "make an operator", tx => {
            query("INSERT INTO operators (id, name, secret_hash, created_at) VALUES ($1, $2, $3, $4)")
                .bind(id)
                .bind(name)
                .bind(secret_hash)
                .bind(milliseconds(at))
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    }

    /// The operator whose token has this identity, for comparing its secret; none if unknown or revoked.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn operator_secret(&self, id: &str) -> Result<Option<OperatorRow>, Error> {
        let found: Vec<OperatorRow> = on!(self.db(), "look up an operator", pool => {
            let found = query(
                "SELECT id, name, secret_hash FROM operators WHERE id = $1 AND revoked_at IS NULL",
            )
            .bind(id)
            .fetch_all(pool)
            .await?;
            Ok(rows("operators", &found)?)
        })?;
        Ok(found.into_iter().next())
    }

    /// The operators that are not revoked, by name, at most 1000.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn operators(&self) -> Result<Vec<OperatorRow>, Error> {
        on!(self.db(), "list the operators", pool => {
            let found = query(
                "SELECT id, name, secret_hash FROM operators WHERE revoked_at IS NULL \
                 ORDER BY name, id LIMIT $1",
            )
            .bind(MAX_LIST)
            .fetch_all(pool)
            .await?;
            Ok(rows("operators", &found)?)
        })
    }

    /// Makes an operator's token worthless. False if there is none, or it was revoked before.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn revoke_operator(&self, id: &str, at: Timestamp) -> Result<bool, Error> {
        write_tx!(self.db(), Kind::Serializable, "revoke an operator", tx => {
            let revoked =
                query("UPDATE operators SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
                    .bind(id)
                    .bind(milliseconds(at))
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
            Ok(revoked > 0)
        })
    }
}
