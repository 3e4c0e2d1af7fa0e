//! Settings that all servers over one database share.

use sqlx::{query, query_scalar};

use crate::db::Kind;
use crate::records::check_text;
use crate::{Error, Store};

/// Longest name of a setting, in bytes.
const MAX_NAME: usize = 256;
/// Longest value of a setting, in bytes.
const MAX_VALUE: usize = 64 * 1024;

impl Store {
    /// The value of a setting; none if it was never set.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        on!(self.db(), "read a setting", pool => {
            Ok(query_scalar("SELECT value FROM settings WHERE name = $1")
                .bind(name)
                .fetch_optional(pool)
                .await?)
        })
    }

    /// Sets a setting.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above 64 KiB.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<(), Error> {
        check_text("the name of a setting", name, MAX_NAME)?;
        check_text("the value of a setting", value, MAX_VALUE)?;
        write_tx!(self.db(), Kind::Serializable, "change a setting", tx => {
            query(
                "INSERT INTO settings (name, value) VALUES ($1, $2) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )
            .bind(name)
            .bind(value)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Sets a setting unless it is set, and returns what holds then: of several servers that make something at the
    /// same time, all get the same.
    ///
    /// # Errors
    /// As [`Store::set_setting`].
    pub async fn setting_or_set(&self, name: &str, value: &str) -> Result<String, Error> {
        check_text("the name of a setting", name, MAX_NAME)?;
        check_text("the value of a setting", value, MAX_VALUE)?;
        write_tx!(self.db(), Kind::Serializable, "make a setting", tx => {
            query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
                .bind(name)
                .bind(value)
                .execute(&mut *tx)
                .await?;
            Ok(query_scalar("SELECT value FROM settings WHERE name = $1")
                .bind(name)
                .fetch_one(&mut *tx)
                .await?)
        })
    }
}
