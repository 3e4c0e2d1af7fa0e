//! Reading a series: which grain serves which stretch of time, and the chunks themselves.

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;
use sqlx::{query_as, query_scalar};

use crate::codec::{Garbage, buckets, samples};
use crate::tally::Tally;
use crate::tier::Tier;
use crate::{marks, round};

/// A stretch of time, and the grain it is read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) tier: Tier,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// From where to where each grain has everything, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Where samples begin.
    raw_from: i64,
    /// Where buckets of 10 minutes begin, and up to where they are filled.
    mid_from: i64,
    mid_through: i64,
    /// Up to where buckets of an hour are filled.
    long_through: i64,
}

impl Reach {
    pub(crate) async fn read(conn: &mut SqliteConnection) -> sqlx::Result<Self> {
        let begins: Vec<(i64, i64)> = query_as("SELECT tier, min(from_s) FROM batch GROUP BY tier")
            .fetch_all(&mut *conn)
            .await?;
        let pending: Option<i64> = query_scalar("SELECT min(at_s) FROM pending")
            .fetch_one(&mut *conn)
            .await?;
        let begin = |tier: Tier| {
            let found = begins.iter().find(|begin| begin.0 == tier.number());
            found.map(|begin| begin.1)
        };
        let raw_from = begin(Tier::Raw).or(pending);
        // Samples are deleted by whole windows.
        let raw_from = raw_from.map_or(i64::MAX, |first| Tier::Raw.window_of(first));
        Ok(Self {
            raw_from,
            mid_from: begin(Tier::Mid).unwrap_or(raw_from),
            mid_through: marks::through(conn, Tier::Mid).await?,
            long_through: marks::through(conn, Tier::Long).await?,
        })
    }

    /// How fine the time from a moment on is kept throughout, in seconds.
    pub(crate) fn step_at(&self, from: i64) -> i64 {
        if from < self.mid_from.min(self.long_through) {
            Tier::Long.step()
        } else if from < self.raw_from.min(self.mid_through) {
            Tier::Mid.step()
        } else {
            Tier::Raw.step()
        }
    }

    /// How a stretch of time is best read into buckets of `width` seconds: in the coarsest grain of which a bucket
    /// holds whole ones.
    pub(crate) fn parts(&self, from: i64, to: i64, width: i64) -> Vec<Part> {
        let preferred = [Tier::Long, Tier::Mid]
            .into_iter()
            .find(|tier| width % tier.step() == 0)
            .unwrap_or(Tier::Raw);
        let parts = self.all_parts(preferred).into_iter();
        parts
            .map(|part| Part {
                from: part.from.max(from),
                to: part.to.min(to),
                ..part
            })
            .filter(|part| part.from < part.to)
            .collect()
    }

    /// The parts that together are all time, the oldest first. The preferred grain serves where it is there; newer
    /// times, which are not folded yet, come from a finer one, and older ones, which are kept no finer, from a
    /// coarser one.
    fn all_parts(&self, preferred: Tier) -> [Part; 3] {
        let (long_to, mid_to) = match preferred {
            Tier::Raw => (self.mid_from.min(self.raw_from), self.raw_from),
            Tier::Mid => (self.mid_from, self.mid_through.max(self.mid_from)),
            Tier::Long => (self.long_through, self.mid_through.max(self.long_through)),
        };
        let part = |tier, from, to| Part { tier, from, to };
        [
            part(Tier::Long, i64::MIN, long_to),
            part(Tier::Mid, long_to, mid_to),
            part(Tier::Raw, mid_to, i64::MAX),
        ]
    }
}

/// Hands over what the chunks of one series hold of a part: each sample or bucket with the second it begins at.
/// Samples that no chunk holds yet are not among it, see [`pending`].
pub(crate) async fn chunks(
    conn: &mut SqliteConnection,
    id: u32,
    part: Part,
    mut take: impl FnMut(i64, &Tally),
) -> sqlx::Result<()> {
    // CROSS JOIN: from the few batches to their one chunk each, never the other way.
    let mut rows = query_as::<_, (i64, Vec<u8>)>(
        "SELECT batch.from_s, chunk.data
         FROM batch CROSS JOIN chunk ON chunk.key = (batch.id << 20 | ?1)
         WHERE batch.tier = ?2 AND batch.to_s > ?3 AND batch.from_s < ?4
         ORDER BY batch.id",
    )
    .bind(id)
    .bind(part.tier.number())
    .bind(part.from)
    .bind(part.to)
    .fetch(conn);
    while let Some((origin, data)) = rows.try_next().await? {
        let taken = unpack(part.tier, origin, &data, |at, tally| {
            if at >= part.from && at < part.to {
                take(at, tally);
            }
        });
        if let Err(error) = taken {
            // One chunk is lost; the others are still worth seeing.
            tracing::warn!(%error, series = id, from_s = origin, "a chunk of the history cannot be read");
        }
    }
    Ok(())
}

fn unpack(
    tier: Tier,
    origin: i64,
    data: &[u8],
    mut take: impl FnMut(i64, &Tally),
) -> Result<(), Garbage> {
    match tier {
        Tier::Raw => samples::decode(origin, data)?
            .into_iter()
            .for_each(|(at, value)| take(at, &Tally::one(value))),
        Tier::Mid | Tier::Long => buckets::decode(data)?
            .iter()
            .for_each(|(place, tally)| take(origin + i64::from(*place) * tier.step(), tally)),
    }
    Ok(())
}

/// Hands over the samples of all series that no chunk holds yet: second, series and value.
pub(crate) async fn pending(
    conn: &mut SqliteConnection,
    from: i64,
    to: i64,
    mut take: impl FnMut(i64, u32, f64),
) -> sqlx::Result<()> {
    let mut rows = query_as::<_, (i64, Vec<u8>)>(
        "SELECT at_s, data FROM pending WHERE at_s >= ?1 AND at_s < ?2 ORDER BY id",
    )
    .bind(from)
    .bind(to)
    .fetch(conn);
    while let Some((at, data)) = rows.try_next().await? {
        for (id, value) in round::decode(&data).map_while(Result::ok) {
            take(at, id, value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_leave_no_moment_out_and_take_none_twice(
            mid_from in 0_i64..100, days in 0_i64..100, raw_from in 0_i64..100, long in 0_i64..100,
        ) {
            let mid_through = mid_from + days;
            let reach = Reach {
                raw_from: raw_from.min(mid_through).max(mid_from),
                mid_from,
                mid_through,
                long_through: long.min(mid_through).max(mid_from),
            };
            for preferred in [Tier::Raw, Tier::Mid, Tier::Long] {
                let parts = reach.all_parts(preferred);
                prop_assert_eq!((parts[0].from, parts[2].to), (i64::MIN, i64::MAX));
                prop_assert!(parts.windows(2).all(|two| two[0].to == two[1].from && two[0].from <= two[0].to));
                prop_assert!(parts[2].from <= parts[2].to);
                // No grain is asked for what it does not have.
                prop_assert!(parts[0].to <= reach.long_through);
                prop_assert!(parts[1].from >= reach.mid_from && parts[1].to <= reach.mid_through.max(reach.raw_from));
                prop_assert!(parts[2].from >= reach.raw_from);
            }
        }
    }
}
