//! Which hosts there are and when each was heard of: what tells cheaply whose report is worth reading again.

use jiff::Timestamp;
use lockstep_model::HostName;
use sqlx::{FromRow, query};

use crate::records::{Place, limit, rows};
use crate::{Error, Store};

/// An enrolled host, and when it was heard of last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostMark {
    /// The host.
    pub host: HostName,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When its last report was received.
    pub last_seen: Option<Timestamp>,
}

/// Hosts in one page.
const PAGE: u32 = 1000;

const MARKS: &str = "SELECT h.name, h.enrolled_at, r.received_at \
    FROM hosts h LEFT JOIN reports r ON r.host = h.name \
    WHERE h.removed_at IS NULL AND ($1 IS NULL OR h.name > $1) ORDER BY h.name LIMIT $2";

#[derive(FromRow)]
struct Record {
    name: String,
    enrolled_at: i64,
    received_at: Option<i64>,
}

impl Record {
    fn read(self) -> Result<HostMark, Error> {
        let place = Place {
            table: "hosts",
            key: &self.name,
        };
        let last_seen = self.received_at.map(|at| place.time("received_at", at));
        Ok(HostMark {
            host: place.parse("name", &self.name)?,
            enrolled_at: place.time("enrolled_at", self.enrolled_at)?,
            last_seen: last_seen.transpose()?,
        })
    }
}

impl Store {
    /// The marks of all enrolled hosts, by name.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn host_marks(&self) -> Result<Vec<HostMark>, Error> {
        let mut marks: Vec<HostMark> = Vec::new();
        loop {
            let after = marks.last().map(|mark| mark.host.clone());
            let after = after.as_ref().map(HostName::as_str);
            let found: Vec<Record> = on!(self.db(), "look at who is there", pool => {
                let found = query(MARKS).bind(after).bind(limit(PAGE, PAGE)).fetch_all(pool).await?;
                Ok(rows("hosts", &found)?)
            })?;
            let is_last = found.len() < PAGE as usize;
            for record in found {
                marks.push(record.read()?);
            }
            if is_last {
                return Ok(marks);
            }
        }
    }
}
