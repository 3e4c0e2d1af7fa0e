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
        let found: Vec<Record> = on!(self.db(), "read the fleet file", pool => {
            let found = query(
                "SELECT CAST(f.version AS TEXT) AS key, f.version, f.accepted_at, f.accepted_by, f.hash, \
                 f.files FROM fleet_versions f ORDER BY f.version DESC LIMIT 1",
            )
            .fetch_all(pool)
            .await?;
            Ok(rows("fleet_versions", &found)?)
        })?;
        found
            .into_iter()
            .next()
            .map(|record| {
                let place = Place {
                    table: "fleet_versions",
                    key: &record.key,
                };
                Ok(FleetRow {
                    version: place.number("version", record.version)?,
                    accepted_at: place.time("accepted_at", record.accepted_at)?,
                    hash: place.parse("hash", &record.hash)?,
                    files: place.json("files", &record.files)?,
                    accepted_by: record.accepted_by,
                })
            })
            .transpose()
    }
}
