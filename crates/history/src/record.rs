//! Taking in a round of samples.

use jiff::Timestamp;
use lockstep_model::{HostName, ItemName, Sample, Value};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, query, query_scalar};

use crate::file::SERIES_BITS;
use crate::known::{Known, MOST_SERIES, Open};
use crate::tier::Tier;
use crate::{Error, History, forget, marks, quantise, round, seal};

/// A value that was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured<'a> {
    /// The watched host whose item it is; none for the agent's own host.
    pub host: Option<&'a HostName>,
    /// Which item.
    pub item: &'a ItemName,
    /// What was measured.
    pub value: f64,
    /// Its unit.
    pub unit: &'a str,
}

impl<'a> Measured<'a> {
    /// The sample's number; none for texts and for probes that failed.
    #[must_use]
    pub fn of(sample: &'a Sample) -> Option<Self> {
        match &sample.value {
            Value::Number { value, unit } => Some(Self {
                host: sample.host.as_ref(),
                item: &sample.item,
                value: *value,
                unit,
            }),
            Value::Text(_) | Value::None(_) => None,
        }
    }
}

/// Beyond this a number is no measurement, and squares and sums of it would overflow.
const LARGEST: f64 = 1e100;
/// After so many seconds of rounds that are older than the newest one, the clock is believed.
const BELIEVED_AFTER: i64 = 3_600;
/// A round that is so many seconds newer than the last one may be a leap of the clock.
const LEAP: i64 = 86_400;
/// So many zaps delete nothing after a leap: a day, as zaps are run each hour.
const HOLD: i64 = 24;

/// What becomes of a round.
enum Clock {
    /// It is taken.
    Goes,
    /// It is taken; the clock may have leapt.
    Leapt,
    /// It is older than what there is.
    IsBehind,
    /// It has been older for so long that what is newer must be wrong.
    WentBack,
}

impl History {
    /// Keeps a round of samples, in one transaction. Returns how many were kept: values that are no finite numbers,
    /// a second sample of a series within a second, and rounds that are older than the newest one are not, see the
    /// [crate's words about clocks](crate#clocks).
    ///
    /// # Errors
    /// [`Error::Database`], e.g. when the disk is full: the round is lost, and the next one may be kept again.
    /// [`Error::Damaged`].
    pub async fn record(&self, at: Timestamp, samples: &[Measured<'_>]) -> Result<usize, Error> {
        const WHAT: &str = "record a round of samples";
        let second = at.as_second();
        let mut conn = self.conn(WHAT).await?;
        match self.look_at_clock(second) {
            Clock::Goes => {}
            Clock::Leapt => marks::set_hold_at_least(&mut conn, HOLD)
                .await
                .map_err(Error::during(WHAT))?,
            Clock::IsBehind => return Ok(0),
            Clock::WentBack => {
                tracing::warn!(
                    "the clock went back for good: history that is newer than {at} is forgotten"
                );
                forget::future(&mut conn, second)
                    .await
                    .map_err(Error::during("forget what lies in the future"))?;
                let memory = crate::known::Memory::load(&mut conn)
                    .await
                    .map_err(Error::during("read the series"))?;
                *self.memory() = memory;
            }
        }
        let open = self.memory().open;
        if open.rounds > 0 && (open.window != Tier::Raw.window_of(second) || is_full(open)) {
            seal::seal(&mut conn).await?;
            self.memory().open = Open::default();
        }
        let kept = self
            .write(&mut conn, second, samples)
            .await
            .map_err(Error::during(WHAT))?;
        Ok(kept)
    }

    fn look_at_clock(&self, second: i64) -> Clock {
        let mut memory = self.memory();
        let Some(newest) = memory.newest else {
            return Clock::Goes;
        };
        if second >= newest {
            memory.behind = None;
            return if second - newest > LEAP {
                Clock::Leapt
            } else {
                Clock::Goes
            };
        }
        // Should the clock go back further, the hour begins again.
        let since = memory.behind.unwrap_or(second).min(second);
        memory.behind = Some(since);
        if second - since >= BELIEVED_AFTER {
            Clock::WentBack
        } else {
            Clock::IsBehind
        }
    }

    async fn write(
        &self,
        conn: &mut SqliteConnection,
        second: i64,
        samples: &[Measured<'_>],
    ) -> sqlx::Result<usize> {
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        let mut values: Vec<(u32, f64)> = Vec::with_capacity(samples.len().min(MOST_SERIES));
        let mut learnt = Vec::new();
        let mut room = MOST_SERIES.saturating_sub(self.memory().count());
        let mut is_full = false;
        for sample in samples {
            if !sample.value.is_finite() || sample.value.abs() > LARGEST {
                continue;
            }
            let known = self.memory().get(sample.host, sample.item).cloned();
            let id = match known {
                Some(known) if known.last >= second => continue,
                Some(known) if known.unit == sample.unit => known.id,
                None if room == 0 => {
                    is_full = true;
                    continue;
                }
                known => {
                    room -= usize::from(known.is_none());
                    let Some(id) = name_series(&mut tx, sample, second).await? else {
                        is_full = true;
                        continue;
                    };
                    learnt.push((id, sample));
                    id
                }
            };
            values.push((id, quantise(sample.value, sample.unit)));
        }
        values.sort_by_key(|value| value.0);
        values.dedup_by_key(|value| value.0);
        if !values.is_empty() {
            query("INSERT INTO pending (at_s, data) VALUES (?1, ?2)")
                .bind(second)
                .bind(round::encode(&values))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;

        let mut memory = self.memory();
        for (id, sample) in learnt {
            let known = Known {
                id,
                unit: sample.unit.into(),
                last: i64::MIN,
            };
            memory.learn(sample.host, sample.item, known);
        }
        if is_full && !memory.told {
            memory.told = true;
            tracing::warn!("history has {MOST_SERIES} items already; others are not recorded");
        }
        if values.is_empty() {
            return Ok(0);
        }
        let ids = values.iter().map(|value| value.0);
        memory.sampled(ids, second);
        memory.newest = Some(second);
        memory.open.window = Tier::Raw.window_of(second);
        memory.open.rounds += 1;
        memory.open.samples += values.len();
        Ok(values.len())
    }
}

/// Sealing must neither take long nor take much memory: so many rounds, or so many samples, go into chunks though
/// their window is not over.
fn is_full(open: Open) -> bool {
    open.rounds >= crate::codec::MOST || open.samples >= 64 * 1024
}

/// Makes the series, or gives it its new unit; none when the numbers for series are used up.
async fn name_series(
    conn: &mut SqliteConnection,
    sample: &Measured<'_>,
    second: i64,
) -> sqlx::Result<Option<u32>> {
    let id: i64 = query_scalar(
        "INSERT INTO series (host, item, unit, seen_s) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (host, item) DO UPDATE SET unit = excluded.unit RETURNING id",
    )
    .bind(sample.host.map_or("", HostName::as_str))
    .bind(sample.item.as_str())
    .bind(sample.unit)
    .bind(second)
    .fetch_one(conn)
    .await?;
    Ok(u32::try_from(id).ok().filter(|id| id >> SERIES_BITS == 0))
}
