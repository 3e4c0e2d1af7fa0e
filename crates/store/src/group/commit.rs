//! One group in one transaction.

use lockstep_model::{ChainSubject, Outcome as RunOutcome};
use sqlx::{query, query_as, query_scalar};

use super::locks::{self, Locks};
use super::{Entry, Outcome, Waiting};
use crate::chain::{self, Said};
use crate::db::{Db, Kind};
use crate::hosts::ReportEntry;
use crate::locks::Row;
use crate::records::{milliseconds, rows};
use crate::runs::RunEntry;
use crate::troubles::{self, JUMP};
use crate::{Error, commands, events, snapshots};

const HOST_IS_THERE: &str = "SELECT 1 FROM hosts WHERE name = $1 AND removed_at IS NULL";

impl Entry {
    /// The host that must be enrolled; none for the server itself.
    fn host(&self) -> Option<&lockstep_model::HostName> {
        match self {
            Self::Report(entry) => Some(&entry.host),
            Self::Run(entry) => Some(&entry.host),
            Self::Events(entry) => entry.via.as_ref(),
            Self::Snapshots(entry) => Some(&entry.host),
            Self::Lock(_) => None,
        }
    }
}

/// Commits all entries in one transaction; each has an outcome of its own.
pub(super) async fn commit(db: &Db, group: &[Waiting]) -> Result<Vec<Outcome>, Error> {
    write_tx!(db, Kind::Statements, "store reports, events and runs", tx => {
        let mut outcomes = Vec::with_capacity(group.len());
        let mut locks = Locks::of(group);
        let mut said = Vec::new();
        for waiting in group {
            if let Some(host) = waiting.entry.host() {
                let there: Option<i32> =
                    query_scalar(HOST_IS_THERE).bind(host.as_str()).fetch_optional(&mut *tx).await?;
                if there.is_none() {
                    outcomes.push(Err(Error::HostUnknown { host: host.clone() }));
                    continue;
                }
            }
            outcomes.push(match &waiting.entry {
                Entry::Report(entry) => {
                    let written = query(ReportEntry::WRITE)
                        .bind(entry.host.as_str())
                        .bind(entry.received_at)
                        .bind(&entry.brief)
                        .bind(&entry.report)
                        .execute(&mut *tx)
                        .await?
                        .rows_affected();
                    for statement in snapshots::write(&entry.snapshots) {
                        statement.query().execute(&mut *tx).await?;
                    }
                    // None was written if something newer is stored.
                    if written > 0 {
                        let via = entry.host.as_str();
                        let reporter: troubles::Reporter =
                            query_as(troubles::LOCK).bind(via).fetch_one(&mut *tx).await?;
                        if entry.told.is_news_to(&reporter) {
                            let rows: Vec<troubles::Row> =
                                query_as(troubles::OF_REPORTER).bind(via).fetch_all(&mut *tx).await?;
                            let newer: Vec<troubles::Key> = query_as(troubles::NEWER)
                                .bind(via)
                                .bind(entry.told.at)
                                .bind(entry.told.at.saturating_add(JUMP))
                                .fetch_all(&mut *tx)
                                .await?;
                            for statement in entry.told.effects(&reporter, &rows, &newer)? {
                                statement.query().execute(&mut *tx).await?;
                            }
                            for statement in &entry.watched {
                                statement.query().execute(&mut *tx).await?;
                            }
                        }
                    }
                    Ok(0)
                }
                Entry::Run(entry) => {
                    let written = query(RunEntry::WRITE)
                        .bind(&entry.run)
                        .bind(entry.host.as_str())
                        .bind(entry.generation)
                        .bind(entry.outcome)
                        .bind(entry.record_at)
                        .bind(entry.received_at)
                        .bind(&entry.record)
                        .execute(&mut *tx)
                        .await?
                        .rows_affected();
                    if written > 0 {
                        if let Some(change) = &entry.change {
                            change.query().execute(&mut *tx).await?;
                        }
                        if entry.outcome != Some(RunOutcome::Stopped.as_str()) {
                            query(commands::OVER).bind(&entry.run).execute(&mut *tx).await?;
                        }
                        if entry.is_for_the_chain {
                            said.push(Said {
                                at: entry.received_at,
                                subject: ChainSubject::Run(entry.host.clone()),
                                body: entry.record.clone(),
                            });
                        }
                        Ok(0)
                    } else {
                        // Something newer is stored, or the run is another's.
                        let owner: Option<String> = query_scalar("SELECT host FROM runs WHERE id = $1")
                            .bind(&entry.run)
                            .fetch_optional(&mut *tx)
                            .await?;
                        match owner {
                            Some(owner) if owner != entry.host.as_str() => {
                                Err(Error::RunOfOtherHost { run: entry.id, host: entry.host.clone() })
                            }
                            _ => Ok(0),
                        }
                    }
                }
                Entry::Snapshots(entry) => {
                    for statement in snapshots::write(&entry.snapshots) {
                        statement.query().execute(&mut *tx).await?;
                    }
                    Ok(0)
                }
                Entry::Lock(entry) => {
                    // All of them with the first one; nothing but locks comes behind it.
                    if !locks.are_read() {
                        let mut found: Vec<Row> = Vec::new();
                        for statement in locks.lock() {
                            let some = statement.query().fetch_all(&mut *tx).await?;
                            found.extend(rows::<_, Row>("locks", &some)?);
                        }
                        let count: i64 = if found.iter().any(Row::is_new) {
                            query_scalar(locks::COUNT).fetch_one(&mut *tx).await?
                        } else {
                            0
                        };
                        locks.read(&found, count);
                    }
                    locks.change(entry)
                }
                Entry::Events(entry) => {
                    let via = entry.via();
                    let Some(span) = entry.span() else {
                        let through: Option<i64> = query_scalar(
                            "SELECT through FROM event_series WHERE via = $1 AND series = $2",
                        )
                        .bind(via)
                        .bind(&entry.series)
                        .fetch_optional(&mut *tx)
                        .await?;
                        outcomes.push(Ok(through.unwrap_or_default().max(0).unsigned_abs()));
                        continue;
                    };
                    let reporter: troubles::Reporter =
                        query_as(troubles::LOCK).bind(via).fetch_one(&mut *tx).await?;
                    let (base, through): (i64, i64) = query_as(events::SERIES)
                        .bind(via)
                        .bind(&entry.series)
                        .bind(span.first.max(1))
                        .bind(span.first.max(1).saturating_sub(1))
                        .bind(milliseconds(entry.received))
                        .fetch_one(&mut *tx)
                        .await?;
                    let through = through.max(entry.given_up(span.first));
                    let there: Vec<i64> = query_scalar(events::THERE)
                        .bind(via)
                        .bind(&entry.series)
                        .bind(span.first)
                        .bind(span.last)
                        .fetch_all(&mut *tx)
                        .await?;
                    let fresh = entry.fresh(base, through, &there);
                    for statement in entry.write(&fresh)? {
                        statement.query().execute(&mut *tx).await?;
                    }
                    let next: Vec<i64> = query_scalar(events::NEXT)
                        .bind(via)
                        .bind(&entry.series)
                        .bind(through)
                        .fetch_all(&mut *tx)
                        .await?;
                    let through = events::advance(through, &next);
                    query(events::THROUGH)
                        .bind(via)
                        .bind(&entry.series)
                        .bind(through)
                        .execute(&mut *tx)
                        .await?;
                    if !fresh.is_empty() {
                        let rows: Vec<troubles::Row> =
                            query_as(troubles::OF_REPORTER).bind(via).fetch_all(&mut *tx).await?;
                        let later: Vec<events::Later> = query_as(events::LATER)
                            .bind(via)
                            .bind(&entry.series)
                            .bind(span.first)
                            .bind(span.earliest)
                            .bind(span.earliest.saturating_add(JUMP))
                            .fetch_all(&mut *tx)
                            .await?;
                        for statement in entry.effects(&fresh, &reporter, &rows, &later)? {
                            statement.query().execute(&mut *tx).await?;
                        }
                    }
                    Ok(through.max(0).unsigned_abs())
                }
            });
        }
        for statement in locks.write()? {
            statement.query().execute(&mut *tx).await?;
        }
        // The last row to be locked, because all servers want it.
        if !said.is_empty() {
            let head: chain::Head = query_as(chain::LOCK).fetch_one(&mut *tx).await?;
            for statement in chain::append(&head, said)? {
                statement.query().execute(&mut *tx).await?;
            }
        }
        Ok(outcomes)
    })
}
