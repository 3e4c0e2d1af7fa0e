//! Channels and rollouts: what is ordered, how far it has come, and every decision on the way.
//!
//! A rollout changes only from a state that its changer has seen ([`Error::RolloutChanged`]), so an operator's
//! pause and the decider's next step, or two deciders, cannot undo each other.

use jiff::Timestamp;
use lockstep_model::api::operator::DecisionView;
use lockstep_model::{
    Baseline, ChannelName, PackageName, Rollout, RolloutId, RolloutState, Strategy, Suspect,
    Version, Wave,
};
use sqlx::{FromRow, query, query_as, query_scalar};

use crate::db::Kind;
use crate::leases::HOLD;
use crate::records::{
    MAX_DOCUMENT, Place, limit, milliseconds, rows, sentence, stored_number, to_json,
};
use crate::{Error, Lease, Store, evidence};

/// What an operator orders.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRollout {
    /// The package.
    pub package: PackageName,
    /// The version that the channel shall bring.
    pub version: Version,
    /// The channel.
    pub channel: ChannelName,
    /// How it shall go.
    pub strategy: Strategy,
    /// True if it cannot wait.
    pub urgent: bool,
    /// True if it does not matter that the version was found wanting: the mark is taken away.
    pub clears_suspect: bool,
    /// The state that it begins in.
    pub state: RolloutState,
    /// Why it begins in that state, in words.
    pub why: String,
    /// When it was ordered.
    pub at: Timestamp,
}

/// What became of a rollout.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// The rollout as it shall be.
    pub after: &'a Rollout,
    /// What was decided, in words.
    pub decisions: &'a [String],
    /// How hosts stood, to be kept with it.
    pub baselines: &'a [Baseline],
    /// What was found wanting in its version.
    pub suspect: Option<&'a str>,
}

/// What a channel points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRow {
    /// The channel.
    pub channel: ChannelName,
    /// The package.
    pub package: PackageName,
    /// The version.
    pub version: Version,
    /// The order that says so.
    pub rollout: RolloutId,
}

/// Largest rollout, in bytes: the names of its hosts are in it.
const MAX_ROLLOUT: usize = 4 * 1024 * 1024;
/// Longest decision, in bytes; longer ones are cut.
const MAX_WORDS: usize = 16 * 1024;
/// Rollouts and decisions in one list, at most.
const MAX_LIST: u32 = 1000;

#[derive(FromRow)]
struct Record {
    id: String,
    document: String,
}

impl Record {
    fn read(self) -> Result<Rollout, Error> {
        read(&self.id, &self.document)
    }
}

fn read(id: &str, document: &str) -> Result<Rollout, Error> {
    Place {
        table: "rollouts",
        key: id,
    }
    .json("document", document)
}

impl Store {
    /// Points a channel at a version and begins the rollout that brings it there.
    ///
    /// In one transaction: the rollout gets the next number; `waves` is asked for its waves, perhaps more than
    /// once, with that number; rollouts of the same package and channel that are not over are cancelled; and
    /// [`Rollout::from`] becomes the version of the last one that was done.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Database`] and [`Error::Busy`].
    pub async fn promote(
        &self,
        order: &NewRollout,
        waves: impl Fn(RolloutId) -> Vec<Wave> + Send + Sync,
    ) -> Result<Rollout, Error> {
        let (package, channel) = (order.package.as_str(), order.channel.as_str());
        let (version, at) = (order.version.to_string(), milliseconds(order.at));
        write_tx!(self.db(), Kind::Serializable, "begin a rollout", tx => {
            let newest: Option<i64> =
                query_scalar("SELECT MAX(id) FROM rollouts").fetch_one(&mut *tx).await?;
            let number = newest.unwrap_or_default().saturating_add(1);
            let id = RolloutId(number.unsigned_abs());

            let running: Vec<(String, String)> = query_as(
                "SELECT CAST(id AS TEXT), document FROM rollouts \
                 WHERE package = $1 AND channel = $2 AND state NOT IN ('done', 'cancelled')",
            )
            .bind(package)
            .bind(channel)
            .fetch_all(&mut *tx)
            .await?;
            for (key, document) in running {
                let mut old = read(&key, &document)?;
                old.state = RolloutState::Cancelled;
                old.why = format!("rollout {id} to {version} took its place");
                let old_number = stored_number("a rollout's number", old.id.0)?;
                query("UPDATE rollouts SET state = $2, document = $3 WHERE id = $1")
                    .bind(old_number)
                    .bind(old.state.as_str())
                    .bind(to_json("a rollout", &old, MAX_ROLLOUT)?)
                    .execute(&mut *tx)
                    .await?;
                query(DECIDE)
                    .bind(old_number)
                    .bind(at)
                    .bind(&old.why)
                    .execute(&mut *tx)
                    .await?;
            }

            let from: Option<String> = query_scalar(
                "SELECT version FROM rollouts WHERE package = $1 AND channel = $2 AND state = 'done' \
                 ORDER BY id DESC LIMIT 1",
            )
            .bind(package)
            .bind(channel)
            .fetch_optional(&mut *tx)
            .await?;
            let from = from
                .map(|version| {
                    let place = Place { table: "rollouts", key: "of the last done rollout" };
                    place.parse("version", &version)
                })
                .transpose()?
                // Ordered once more, the version has nothing else before it to go back to.
                .filter(|from| *from != order.version);
            let rollout = Rollout {
                id,
                package: order.package.clone(),
                version: order.version.clone(),
                from,
                channel: order.channel.clone(),
                strategy: order.strategy.clone(),
                urgent: order.urgent,
                state: order.state,
                why: order.why.clone(),
                paused_by: None,
                skipped: std::collections::BTreeMap::new(),
                waves: waves(id),
                created_at: order.at,
            };
            query(
                "INSERT INTO rollouts (id, package, version, channel, state, document) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(number)
            .bind(package)
            .bind(&version)
            .bind(channel)
            .bind(rollout.state.as_str())
            .bind(to_json("a rollout", &rollout, MAX_ROLLOUT)?)
            .execute(&mut *tx)
            .await?;
            if order.clears_suspect {
                query(evidence::CLEAR).bind(package).bind(&version).execute(&mut *tx).await?;
            }
            query(
                "INSERT INTO channels (channel, package, version, rollout) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (channel, package) DO UPDATE SET version = excluded.version, \
                 rollout = excluded.rollout",
            )
            .bind(channel)
            .bind(package)
            .bind(&version)
            .bind(number)
            .execute(&mut *tx)
            .await?;
            Ok(rollout)
        })
    }

    /// Stores what became of a rollout, with the decisions that led there. `before` is what was decided from. The
    /// decider names its lease; for an operator's word there is none.
    ///
    /// # Errors
    /// [`Error::StaleLease`] if the lease is not held any more; [`Error::RolloutChanged`] if the rollout is not
    /// `before` any more; [`Error::RolloutUnknown`]. Nothing is written then.
    pub async fn save_rollout(
        &self,
        before: &Rollout,
        decided: Decided<'_>,
        lease: Option<&Lease>,
        at: Timestamp,
    ) -> Result<(), Error> {
        let id = before.id;
        let Decided {
            after, decisions, ..
        } = decided;
        let suspect = decided.suspect.map(|why| Suspect {
            package: after.package.clone(),
            version: after.version.clone(),
            rollout: id,
            why: sentence(why, MAX_WORDS),
            since: at,
        });
        let (number, at) = (stored_number("a rollout's number", id.0)?, milliseconds(at));
        let baselines = evidence::write(decided.baselines)?;
        if (after.id, &after.package, &after.channel, &after.version)
            != (id, &before.package, &before.channel, &before.version)
        {
            return Err(Error::NotStorable {
                what: "a rollout",
                why: "its number, package, channel and version never change".into(),
            });
        }
        let document = to_json("a rollout", after, MAX_ROLLOUT)?;
        write_tx!(self.db(), Kind::Serializable, "store a rollout", tx => {
            if let Some(lease) = lease {
                let held = query(HOLD)
                    .bind(&lease.name)
                    .bind(&lease.holder)
                    .bind(lease.stored_number())
                    .bind(at)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
                if held == 0 {
                    return Err(lease.stale().into());
                }
            }
            let stored: Option<String> = query_scalar("SELECT document FROM rollouts WHERE id = $1")
                .bind(number)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(stored) = stored else {
                return Err(Error::RolloutUnknown { id }.into());
            };
            if read(&id.to_string(), &stored)? != *before {
                return Err(Error::RolloutChanged { id }.into());
            }
            query("UPDATE rollouts SET state = $2, document = $3 WHERE id = $1")
                .bind(number)
                .bind(after.state.as_str())
                .bind(&document)
                .execute(&mut *tx)
                .await?;
            for words in decisions {
                query(DECIDE)
                    .bind(number)
                    .bind(at)
                    .bind(sentence(words, MAX_WORDS))
                    .execute(&mut *tx)
                    .await?;
            }
            for baseline in &baselines {
                query(evidence::KEEP).bind(number).bind(baseline).execute(&mut *tx).await?;
            }
            if let Some(suspect) = &suspect {
                query(evidence::MARK)
                    .bind(suspect.package.as_str())
                    .bind(suspect.version.to_string())
                    .bind(to_json("a suspect version", suspect, MAX_DOCUMENT)?)
                    .execute(&mut *tx)
                    .await?;
            }
            Ok(())
        })
    }

    /// What each channel points at.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn channels(&self) -> Result<Vec<ChannelRow>, Error> {
        let found: Vec<(String, String, String, i64)> = on!(self.db(), "list the channels", pool => {
            let found = query(
                "SELECT channel, package, version, rollout FROM channels ORDER BY channel, package",
            )
            .fetch_all(pool)
            .await?;
            Ok(rows("channels", &found)?)
        })?;
        found
            .into_iter()
            .map(|(channel, package, version, rollout)| {
                let place = Place {
                    table: "channels",
                    key: &channel,
                };
                Ok(ChannelRow {
                    channel: place.parse("channel", &channel)?,
                    package: place.parse("package", &package)?,
                    version: place.parse("version", &version)?,
                    rollout: RolloutId(place.number("rollout", rollout)?),
                })
            })
            .collect()
    }

    /// The newest rollouts first, at most `wanted` and never more than 1000.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn rollouts(&self, wanted: u32) -> Result<Vec<Rollout>, Error> {
        self.rollouts_before(None, wanted).await
    }

    /// As [`Store::rollouts`], those with smaller numbers than `before`.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn rollouts_before(
        &self,
        before: Option<RolloutId>,
        wanted: u32,
    ) -> Result<Vec<Rollout>, Error> {
        // All numbers that are stored are below the largest.
        let before = before.map_or(i64::MAX, |it| i64::try_from(it.0).unwrap_or(i64::MAX));
        let found: Vec<Record> = on!(self.db(), "list the rollouts", pool => {
            let found = query(
                "SELECT CAST(r.id AS TEXT) AS id, r.document FROM rollouts r \
                 WHERE r.id < $1 ORDER BY r.id DESC LIMIT $2",
            )
            .bind(before)
            .bind(limit(wanted, MAX_LIST))
            .fetch_all(pool)
            .await?;
            Ok(rows("rollouts", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }

    /// The rollouts that channels point at, newest first: every rollout that is not over is among them.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn current_rollouts(&self) -> Result<Vec<Rollout>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the current rollouts", pool => {
            let found = query(
                "SELECT CAST(r.id AS TEXT) AS id, r.document FROM rollouts r \
                 JOIN channels c ON c.rollout = r.id ORDER BY r.id DESC",
            )
            .fetch_all(pool)
            .await?;
            Ok(rows("rollouts", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }

    /// The rollouts that say what hosts should run, newest first: those that channels point at, and of each channel those
    /// cut short one after the other before it.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn standing_rollouts(&self) -> Result<Vec<Rollout>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the rollouts in force", pool => {
            let found = query(
                "SELECT CAST(r.id AS TEXT) AS id, r.document FROM rollouts r \
                 JOIN channels c ON c.package = r.package AND c.channel = r.channel \
                 WHERE r.id = c.rollout OR (r.id < c.rollout AND r.state = 'cancelled' \
                 AND r.id > COALESCE((SELECT MAX(o.id) FROM rollouts o \
                 WHERE o.package = r.package AND o.channel = r.channel \
                 AND o.id < c.rollout AND o.state <> 'cancelled'), 0)) \
                 ORDER BY r.id DESC LIMIT $1",
            )
            .bind(limit(MAX_LIST, MAX_LIST))
            .fetch_all(pool)
            .await?;
            Ok(rows("rollouts", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }

    /// The rollouts that time or hosts can move on: neither over nor halted; oldest first.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn moving_rollouts(&self) -> Result<Vec<Rollout>, Error> {
        let found: Vec<Record> = on!(self.db(), "list the moving rollouts", pool => {
            let found = query(
                "SELECT CAST(r.id AS TEXT) AS id, r.document FROM rollouts r \
                 WHERE r.state NOT IN ('done', 'cancelled', 'halted') ORDER BY r.id LIMIT $1",
            )
            .bind(limit(MAX_LIST, MAX_LIST))
            .fetch_all(pool)
            .await?;
            Ok(rows("rollouts", &found)?)
        })?;
        found.into_iter().map(Record::read).collect()
    }

    /// One rollout.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn rollout(&self, id: RolloutId) -> Result<Option<Rollout>, Error> {
        let Ok(number) = i64::try_from(id.0) else {
            return Ok(None);
        };
        let found: Vec<Record> = on!(self.db(), "read a rollout", pool => {
            let found = query(
                "SELECT CAST(r.id AS TEXT) AS id, r.document FROM rollouts r WHERE r.id = $1",
            )
            .bind(number)
            .fetch_all(pool)
            .await?;
            Ok(rows("rollouts", &found)?)
        })?;
        found.into_iter().next().map(Record::read).transpose()
    }

    /// The newest 1000 decisions over a rollout, oldest first.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn decisions(&self, id: RolloutId) -> Result<Vec<DecisionView>, Error> {
        let Ok(number) = i64::try_from(id.0) else {
            return Ok(Vec::new());
        };
        let found: Vec<(String, i64, String)> = on!(self.db(), "list the decisions over a rollout", pool => {
            let found = query(
                "SELECT CAST(d.number AS TEXT), d.decided_at, d.words FROM decisions d \
                 WHERE d.rollout = $1 ORDER BY d.number DESC LIMIT $2",
            )
            .bind(number)
            .bind(limit(MAX_LIST, MAX_LIST))
            .fetch_all(pool)
            .await?;
            Ok(rows("decisions", &found)?)
        })?;
        found
            .into_iter()
            .rev()
            .map(|(key, at, words)| {
                let place = Place {
                    table: "decisions",
                    key: &key,
                };
                Ok(DecisionView {
                    at: place.time("decided_at", at)?,
                    words,
                })
            })
            .collect()
    }
}

/// Adds a decision behind those that are there.
const DECIDE: &str = "INSERT INTO decisions (rollout, number, decided_at, words) \
    SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3 FROM decisions WHERE rollout = $1";
