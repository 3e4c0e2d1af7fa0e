//! The fleet file as it was accepted, version by version.

use jiff::Timestamp;
use lockstep_model::ContentHash;
use lockstep_model::api::operator::FleetText;
use sqlx::{FromRow, query, query_as};

use crate::db::Kind;
use crate::records::{Place, milliseconds, rows, sentence, to_json};
use crate::{Error, Store};

/// An accepted version of the fleet file.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetRow {
    /// Its number: each accepted file has a greater one.
    pub version: u64,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Who brought it.
    pub accepted_by: String,
    /// The hash by which it was accepted.
    pub hash: ContentHash,
    /// Its text.
    pub files: Vec<FleetText>,
}

/// How many versions are kept.
const KEPT: i64 = 50;
/// Largest fleet file with all of its fragments, in bytes of JSON.
const MAX_FILES: usize = 8 * 1024 * 1024;
/// Longest name of who brought it, in bytes; longer ones are cut.
const MAX_WHO: usize = 256;

#[derive(FromRow)]
struct Record {
    key: String,
    version: i64,
    accepted_at: i64,
    accepted_by: String,
    hash: String,
    files: String,
}

impl Record {
    fn read(self) -> Result<FleetRow, Error> {
        let place = Place {
            table: "fleet_versions",
            key: &self.key,
        };
        Ok(FleetRow {
            version: place.number("version", self.version)?,
            accepted_at: place.time("accepted_at", self.accepted_at)?,
            hash: place.parse("hash", &self.hash)?,
            files: place.json("files", &self.files)?,
            accepted_by: self.accepted_by,
        })
    }
}

impl Store {
    /// Keeps an accepted fleet file, and returns its version. The same as the newest one is no new version. The last
    /// fifty are kept.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above 8 MiB.
    pub async fn accept_fleet(
        &self,
        files: &[FleetText],
        hash: &ContentHash,
        by: &str,
        now: Timestamp,
    ) -> Result<u64, Error> {
        let text = to_json("a fleet file", &files.to_vec(), MAX_FILES)?;
        let (hash, by) = (hash.to_string(), sentence(by, MAX_WHO));
        let version: i64 = write_tx!(self.db(), Kind::Serializable, "accept a fleet file", tx => {
            let newest: Option<(i64, String)> = query_as(
                "SELECT version, hash FROM fleet_versions ORDER BY version DESC LIMIT 1",
            )
            .fetch_optional(&mut *tx)
            .await?;
            let version = match newest {
                Some((version, known)) if known == hash => return Ok(version),
                Some((version, _)) => version.saturating_add(1),
                None => 1,
            };
            query(
                "INSERT INTO fleet_versions (version, accepted_at, accepted_by, hash, files) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(version)
            .bind(milliseconds(now))
            .bind(&by)
            .bind(&hash)
            .bind(&text)
            .execute(&mut *tx)
            .await?;
            query("DELETE FROM fleet_versions WHERE version <= $1")
                .bind(version.saturating_sub(KEPT))
                .execute(&mut *tx)
                .await?;
            Ok(version)
        })?;
        Ok(version.unsigned_abs())
    }

    /// The newest accepted fleet file; none if there never was one.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn newest_fleet(&self) -> Result<Option<FleetRow>, Error> {
        self.find_fleet(None).await
    }

    /// The accepted fleet file of this number; none if there never was one, or it is not kept any more.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn fleet_version(&self, version: u64) -> Result<Option<FleetRow>, Error> {
        // A number that was never given belongs to none.
        self.find_fleet(Some(i64::try_from(version).unwrap_or(-1)))
            .await
    }

    async fn find_fleet(&self, version: Option<i64>) -> Result<Option<FleetRow>, Error> {
        let found: Vec<Record> = on!(self.db(), "read the fleet file", pool => {
            let found = query(
                "SELECT CAST(f.version AS TEXT) AS key, f.version, f.accepted_at, f.accepted_by, f.hash, \
                 f.files FROM fleet_versions f WHERE f.version = $1 OR $2 = 1 ORDER BY f.version DESC LIMIT 1",
            )
            .bind(version.unwrap_or_default())
            .bind(i64::from(version.is_none()))
            .fetch_all(pool)
            .await?;
            Ok(rows("fleet_versions", &found)?)
        })?;
        found.into_iter().next().map(Record::read).transpose()
    }

    /// The accepted fleet files that are kept, newest first, without their texts.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn fleet_versions(&self) -> Result<Vec<FleetRow>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the fleet files", pool => {
            let found = query(
                "SELECT CAST(f.version AS TEXT) AS key, f.version, f.accepted_at, f.accepted_by, f.hash, \
                 '[]' AS files FROM fleet_versions f ORDER BY f.version DESC LIMIT $1",
            )
            .bind(KEPT)
            .fetch_all(pool)
            .await?;
            Ok(rows("fleet_versions", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }
}
