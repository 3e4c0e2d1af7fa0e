//! What rollouts compare with, and versions that they have found wanting.

use lockstep_model::{Baseline, PackageName, RolloutId, Suspect, Version};
use sqlx::query_as;

use crate::db::Kind;
use crate::records::{Place, rows, to_json};
use crate::{Error, Store};

/// Largest baseline, in bytes: it has the ailing items of each host that was not well.
const MAX_BASELINE: usize = 16 * 1024 * 1024;

/// Adds a baseline behind those that are there.
pub(crate) const KEEP: &str = "INSERT INTO baselines (rollout, number, document) \
    SELECT $1, COALESCE(MAX(number), 0) + 1, $2 FROM baselines WHERE rollout = $1";
/// Marks a version; what was found first stays.
pub(crate) const MARK: &str = "INSERT INTO suspects (package, version, document) \
    VALUES ($1, $2, $3) ON CONFLICT (package, version) DO NOTHING";
/// Takes the mark away.
pub(crate) const CLEAR: &str = "DELETE FROM suspects WHERE package = $1 AND version = $2";

pub(crate) fn write(baselines: &[Baseline]) -> Result<Vec<String>, Error> {
    let written = baselines.iter();
    written
        .map(|baseline| to_json("a baseline", baseline, MAX_BASELINE))
        .collect()
}

impl Store {
    /// What was kept with a rollout, in its order.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn baselines(&self, id: RolloutId) -> Result<Vec<Baseline>, Error> {
        let Ok(number) = i64::try_from(id.0) else {
            return Ok(Vec::new());
        };
        let found: Vec<(String, String)> = on!(self.db(), "read what a rollout compares with", pool => {
            let found = sqlx::query(
                "SELECT CAST(b.number AS TEXT), b.document FROM baselines b WHERE b.rollout = $1 \
                 ORDER BY b.number",
            )
            .bind(number)
            .fetch_all(pool)
            .await?;
            Ok(rows("baselines", &found)?)
        })?;
        let read = |(key, document): (String, String)| {
            Place {
                table: "baselines",
                key: &key,
            }
            .json("document", &document)
        };
        found.into_iter().map(read).collect()
    }

    /// Versions that were found wanting.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn suspects(&self) -> Result<Vec<Suspect>, Error> {
        let found: Vec<(String, String)> = on!(self.db(), "list the suspect versions", pool => {
            let found: Vec<(String, String)> = query_as(
                "SELECT version, document FROM suspects ORDER BY package, version",
            )
            .fetch_all(pool)
            .await?;
            Ok(found)
        })?;
        let read = |(key, document): (String, String)| {
            Place {
                table: "suspects",
                key: &key,
            }
            .json("document", &document)
        };
        found.into_iter().map(read).collect()
    }

    /// Takes the mark off a version. False if there was none.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn clear_suspect(
        &self,
        package: &PackageName,
        version: &Version,
    ) -> Result<bool, Error> {
        let version = version.to_string();
        write_tx!(self.db(), Kind::Statements, "clear a suspect version", tx => {
            let cleared = sqlx::query(CLEAR).bind(package.as_str()).bind(&version);
            Ok(cleared.execute(&mut *tx).await?.rows_affected() > 0)
        })
    }
}
