//! Hosts: who is enrolled, and the newest report of each.

use jiff::Timestamp;
use lockstep_model::api::{Facts, Report};
use lockstep_model::{ContentHash, HostName, Level};
use sqlx::{FromRow, query, query_scalar};

use crate::db::Kind;
use crate::group::Entry;
use crate::records::{MAX_DOCUMENT, Place, limit, milliseconds, rows, to_json};
use crate::snapshots::{self, SnapshotRow};
use crate::standings::Brief;
use crate::statements::Statement;
use crate::troubles::{FORGET, Told};
use crate::{Error, Store, commands, foreign, watched, wishes};

/// A host that shall be enrolled.
#[derive(Debug, Clone, PartialEq)]
pub struct NewHost {
    /// Its name.
    pub name: HostName,
    /// SHA-256 of its public key.
    pub key: ContentHash,
    /// What machine it is.
    pub facts: Facts,
    /// When.
    pub at: Timestamp,
    /// True if it may take the place of a host that has this name.
    pub replace: bool,
}

/// An enrolled host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostRow {
    /// Its name.
    pub name: HostName,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When its last report was received, by the server's clock.
    pub last_seen: Option<Timestamp>,
    /// SHA-256 of its public key.
    pub key: ContentHash,
    /// What machine it said it was when it was enrolled; its report may know better.
    pub facts: Facts,
    /// Its last report.
    pub report: Option<Report>,
    /// The worst level of its items.
    pub level: Level,
}

/// A report on its way into the database.
pub(crate) struct ReportEntry {
    pub(crate) host: HostName,
    pub(crate) received_at: i64,
    pub(crate) brief: String,
    pub(crate) report: String,
    pub(crate) told: Told,
    pub(crate) watched: Vec<Statement>,
    pub(crate) snapshots: Vec<SnapshotRow>,
}

impl ReportEntry {
    /// A report that was received earlier than the stored one came late and is not wanted. But a stored time that
    /// lies more than a minute ahead was given by a server whose clock was wrong, and must not silence the host.
    pub(crate) const WRITE: &str = "INSERT INTO reports (host, received_at, brief, report) \
        SELECT name, $2, $3, $4 FROM hosts WHERE name = $1 AND removed_at IS NULL \
        ON CONFLICT (host) DO UPDATE SET received_at = excluded.received_at, brief = excluded.brief, \
            report = excluded.report \
        WHERE reports.received_at <= excluded.received_at OR reports.received_at > excluded.received_at + 60000";
}

/// The names of a page: of enrolled hosts and of watched ones, each once, by the database's own order of texts.
const NAMES: &str = "SELECT name FROM (SELECT name FROM hosts WHERE removed_at IS NULL \
    UNION SELECT host AS name FROM watched) AS names \
    WHERE ($1 IS NULL OR name > $1) ORDER BY name LIMIT $2";
/// Names in one list, at most: all hosts that one server looks after, as many that they watch, and one more.
const MAX_NAMES: u32 = 20_001;

/// Largest description of a machine, in bytes.
const MAX_FACTS: usize = 16 * 1024;
/// Hosts that one server looks after, at most; [`Store::hosts`] returns no more.
const MAX_HOSTS: usize = 10_000;
/// Hosts in one page, at most.
const MAX_PAGE: u32 = 500;

const ONE: &str = "SELECT h.name, h.key, h.facts, h.enrolled_at, r.received_at, r.report \
    FROM hosts h LEFT JOIN reports r ON r.host = h.name \
    WHERE h.name = $1 AND h.removed_at IS NULL";
const PAGE: &str = "SELECT h.name, h.key, h.facts, h.enrolled_at, r.received_at, r.report \
    FROM hosts h LEFT JOIN reports r ON r.host = h.name \
    WHERE h.removed_at IS NULL AND ($1 IS NULL OR h.name > $1) ORDER BY h.name LIMIT $2";

#[derive(FromRow)]
struct Record {
    name: String,
    key: String,
    facts: String,
    enrolled_at: i64,
    received_at: Option<i64>,
    report: Option<String>,
}

impl Record {
    fn read(self) -> Result<HostRow, Error> {
        let host = Place {
            table: "hosts",
            key: &self.name,
        };
        let reported = Place {
            table: "reports",
            key: &self.name,
        };
        let report: Option<Report> = self
            .report
            .map(|text| reported.json("report", &text))
            .transpose()?;
        Ok(HostRow {
            name: host.parse("name", &self.name)?,
            enrolled_at: host.time("enrolled_at", self.enrolled_at)?,
            last_seen: self
                .received_at
                .map(|at| reported.time("received_at", at))
                .transpose()?,
            key: host.parse("key", &self.key)?,
            facts: host.json("facts", &self.facts)?,
            level: report
                .iter()
                .flat_map(|report| &report.items)
                .map(|item| item.level)
                .max()
                .unwrap_or_default(),
            report,
        })
    }
}

impl Store {
    /// Enrols a host. The same name with the same key again changes nothing but the facts.
    ///
    /// When another machine takes a name, the certificates of the one before are revoked, its report, its troubles and
    /// the commands for its runs are forgotten, and the tokens that it used do not know it any more.
    ///
    /// # Errors
    /// [`Error::HostExists`] when the name has another key and may not be replaced.
    pub async fn enroll_host(&self, host: NewHost) -> Result<(), Error> {
        const WHAT: &str = "enrol a host";
        let facts = to_json("the description of a machine", &host.facts, MAX_FACTS)?;
        let (name, key, at) = (
            host.name.as_str(),
            host.key.to_string(),
            milliseconds(host.at),
        );
        write_tx!(self.db(), Kind::Serializable, WHAT, tx => {
            let there: Option<(String, Option<i64>)> =
                sqlx::query_as("SELECT key, removed_at FROM hosts WHERE name = $1")
                    .bind(name)
                    .fetch_optional(&mut *tx)
                    .await?;
            match there {
                None => {
                    query("INSERT INTO hosts (name, key, facts, enrolled_at) VALUES ($1, $2, $3, $4)")
                        .bind(name)
                        .bind(&key)
                        .bind(&facts)
                        .bind(at)
                        .execute(&mut *tx)
                        .await?;
                    return Ok(());
                }
                Some((old_key, None)) if old_key == key => {
                    query("UPDATE hosts SET facts = $2 WHERE name = $1")
                        .bind(name)
                        .bind(&facts)
                        .execute(&mut *tx)
                        .await?;
                    return Ok(());
                }
                Some((_, None)) if !host.replace => {
                    // A host that spoke through a gateway has no key that could be taken from it: it moves over.
                    let is_foreign = query("SELECT host FROM foreign_hosts WHERE host = $1")
                        .bind(name)
                        .fetch_optional(&mut *tx)
                        .await?
                        .is_some();
                    if !is_foreign {
                        return Err(Error::HostExists { host: host.name.clone() }.into());
                    }
                }
                Some(_) => {}
            }
            query(foreign::FORGET).bind(name).execute(&mut *tx).await?;
            query("UPDATE hosts SET key = $2, facts = $3, enrolled_at = $4, removed_at = NULL WHERE name = $1")
                .bind(name)
                .bind(&key)
                .bind(&facts)
                .bind(at)
                .execute(&mut *tx)
                .await?;
            query("UPDATE certificates SET revoked_at = $2 WHERE host = $1 AND revoked_at IS NULL")
                .bind(name)
                .bind(at)
                .execute(&mut *tx)
                .await?;
            query("DELETE FROM token_uses WHERE host = $1 AND key <> $2")
                .bind(name)
                .bind(&key)
                .execute(&mut *tx)
                .await?;
            query("DELETE FROM reports WHERE host = $1").bind(name).execute(&mut *tx).await?;
            query(commands::ALL_OVER).bind(name).execute(&mut *tx).await?;
            query(wishes::ALL_OVER).bind(name).execute(&mut *tx).await?;
            for forget in FORGET {
                query(forget).bind(name).execute(&mut *tx).await?;
            }
            Ok(())
        })
    }

    /// An enrolled host; none if it was removed.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn host(&self, name: &HostName) -> Result<Option<HostRow>, Error> {
        let found: Vec<Record> = on!(self.db(), "read a host", pool => {
            Ok(rows("hosts", &query(ONE).bind(name.as_str()).fetch_all(pool).await?)?)
        })?;
        found.into_iter().next().map(Record::read).transpose()
    }

    /// All enrolled hosts by name, at most 10,000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn hosts(&self) -> Result<Vec<HostRow>, Error> {
        let mut hosts: Vec<HostRow> = Vec::new();
        loop {
            let after = hosts.last().map(|host| host.name.clone());
            let page = self.hosts_after(after.as_ref(), MAX_PAGE).await?;
            let is_last = page.len() < MAX_PAGE as usize;
            hosts.extend(page);
            if is_last || hosts.len() >= MAX_HOSTS {
                return Ok(hosts);
            }
        }
    }

    /// The enrolled hosts whose names come after `after`, by name, at most `wanted` and never more than 500.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn hosts_after(
        &self,
        after: Option<&HostName>,
        wanted: u32,
    ) -> Result<Vec<HostRow>, Error> {
        let after = after.map(HostName::as_str);
        let found: Vec<Record> = on!(self.db(), "list the hosts", pool => {
            let found = query(PAGE).bind(after).bind(limit(wanted, MAX_PAGE)).fetch_all(pool).await?;
            Ok(rows("hosts", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }

    /// The names of enrolled and watched hosts that come after `after`, in the order of [`Store::hosts_after`], at most
    /// `wanted` and never more than 20,001.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn host_names_after(
        &self,
        after: Option<&HostName>,
        wanted: u32,
    ) -> Result<Vec<HostName>, Error> {
        let after = after.map(HostName::as_str);
        let found: Vec<(String,)> = on!(self.db(), "list the names of the hosts", pool => {
            let found = query(NAMES).bind(after).bind(limit(wanted, MAX_NAMES)).fetch_all(pool).await?;
            Ok(rows("hosts", &found)?)
        })?;
        let named = found.iter().map(|(name,)| {
            let place = Place {
                table: "hosts",
                key: name,
            };
            place.parse("name", name)
        });
        named.collect()
    }

    /// How many hosts are enrolled.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn count_hosts(&self) -> Result<u64, Error> {
        let count: i64 = on!(self.db(), "count the hosts", pool => {
            Ok(query_scalar("SELECT COUNT(*) FROM hosts WHERE removed_at IS NULL").fetch_one(pool).await?)
        })?;
        Ok(count.unsigned_abs())
    }

    /// Removes a host: its certificates are revoked from the next question on, its report, its troubles, its uses of
    /// tokens and the commands for its runs are forgotten, its runs and events stay. False if there was none.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Busy`].
    pub async fn remove_host(&self, name: &HostName, at: Timestamp) -> Result<bool, Error> {
        let (name, at) = (name.as_str(), milliseconds(at));
        write_tx!(self.db(), Kind::Serializable, "remove a host", tx => {
            let removed =
                query("UPDATE hosts SET removed_at = $2 WHERE name = $1 AND removed_at IS NULL")
                    .bind(name)
                    .bind(at)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
            if removed == 0 {
                return Ok(false);
            }
            query(foreign::FORGET).bind(name).execute(&mut *tx).await?;
            query("UPDATE certificates SET revoked_at = $2 WHERE host = $1 AND revoked_at IS NULL")
                .bind(name)
                .bind(at)
                .execute(&mut *tx)
                .await?;
            query("DELETE FROM token_uses WHERE host = $1").bind(name).execute(&mut *tx).await?;
            query("DELETE FROM reports WHERE host = $1").bind(name).execute(&mut *tx).await?;
            query(commands::ALL_OVER).bind(name).execute(&mut *tx).await?;
            query(wishes::ALL_OVER).bind(name).execute(&mut *tx).await?;
            for forget in FORGET {
                query(forget).bind(name).execute(&mut *tx).await?;
            }
            Ok(true)
        })
    }

    /// Stores a host's report, received at `at` by the server's clock. Returns when it is durable; many calls at
    /// the same time share one transaction. A report that was received earlier than the stored one is ignored.
    ///
    /// What it says of items is from the same moment on in [`Store::troubles`], [`Store::watched_hosts`] and
    /// [`Store::snapshots`]; another boot id than before is a [`lockstep_model::Change`].
    ///
    /// # Errors
    /// [`Error::HostUnknown`] if the host is not enrolled; [`Error::TooLarge`] above 256 KiB; [`Error::Busy`] when
    /// the line stayed full or the database slow for longer than [`Limits::wait`](crate::Limits::wait).
    pub async fn record_report(
        &self,
        host: &HostName,
        report: &Report,
        at: Timestamp,
    ) -> Result<(), Error> {
        let entry = ReportEntry {
            host: host.clone(),
            received_at: milliseconds(at),
            brief: to_json("the brief of a report", &Brief::of(report), MAX_DOCUMENT)?,
            report: to_json("a report", report, MAX_DOCUMENT)?,
            told: Told::by(host, report, at),
            watched: watched::write(host, report, at)?,
            snapshots: snapshots::of_report(host, report, at)?,
        };
        self.groups().write(Entry::Report(entry)).await?;
        Ok(())
    }
}
