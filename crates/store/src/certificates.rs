//! Certificates: which were issued, and whether one still counts.

use jiff::Timestamp;
use lockstep_model::{ContentHash, HostName};
use sqlx::{query, query_scalar};

use crate::db::Kind;
use crate::records::{Place, check_text, milliseconds};
use crate::{Error, Store};

/// Longest serial number, in bytes of its text; RFC 5280 allows 20 bytes of number.
const MAX_SERIAL: usize = 128;

impl Store {
    /// Records a certificate before it is handed out; one that is not recorded does not count. The same certificate
    /// again changes nothing.
    ///
    /// # Errors
    /// [`Error::HostUnknown`] if the host is not enrolled; [`Error::KeyNotOfHost`] if its key is another one now:
    /// a machine that was replaced must not renew its way back in.
    pub async fn record_certificate(
        &self,
        serial: &str,
        host: &HostName,
        key: &ContentHash,
        not_after: Timestamp,
        at: Timestamp,
    ) -> Result<(), Error> {
        check_text("the serial number of a certificate", serial, MAX_SERIAL)?;
        let (name, key_text) = (host.as_str(), key.to_string());
        let (not_after, at) = (milliseconds(not_after), milliseconds(at));
        write_tx!(self.db(), Kind::Serializable, "record a certificate", tx => {
            let host_key: Option<String> =
                query_scalar("SELECT key FROM hosts WHERE name = $1 AND removed_at IS NULL")
                    .bind(name)
                    .fetch_optional(&mut *tx)
                    .await?;
            match host_key {
                None => return Err(Error::HostUnknown { host: host.clone() }.into()),
                Some(host_key) if host_key != key_text => {
                    return Err(Error::KeyNotOfHost { host: host.clone(), key: *key }.into());
                }
                Some(_) => {}
            }
            query(
                "INSERT INTO certificates (serial, host, key, issued_at, not_after_at) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (serial) DO NOTHING",
            )
            .bind(serial)
            .bind(name)
            .bind(&key_text)
            .bind(at)
            .bind(not_after)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// The host that a certificate belongs to: none if it is unknown, revoked or expired, or the host was removed.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn certificate_holder(
        &self,
        serial: &str,
        now: Timestamp,
    ) -> Result<Option<HostName>, Error> {
        let now = milliseconds(now);
        let host: Option<String> = on!(self.db(), "look up a certificate", pool => {
            Ok(query_scalar(
                "SELECT c.host FROM certificates c JOIN hosts h ON h.name = c.host \
                 WHERE c.serial = $1 AND c.revoked_at IS NULL AND c.not_after_at > $2 \
                 AND h.removed_at IS NULL",
            )
            .bind(serial)
            .bind(now)
            .fetch_optional(pool)
            .await?)
        })?;
        let place = Place {
            table: "certificates",
            key: serial,
        };
        host.map(|host| place.parse("host", &host)).transpose()
    }
}
