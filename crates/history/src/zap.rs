//! The hourly zap: folding samples into coarser buckets, and deleting what nobody will ask for.
//!
//! Every step is a transaction of its own that leaves the history complete, so a zap may be killed at any point, and
//! run again at any time. Nothing is deleted before it is folded, whatever the retention says: samples stay for at
//! least a day, and buckets of 10 minutes for at least five.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, query, query_scalar};

use crate::codec::buckets::{self, Bucket};
use crate::read::{self, Part};
use crate::seal::{begin_batch, write_chunk};
use crate::tally::Tally;
use crate::tier::Tier;
use crate::{Error, History, forget, marks};

/// What a zap has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Zapped {
    /// Windows of samples or buckets that were folded into coarser ones.
    pub folded: usize,
    /// Batches that were deleted because their time is over.
    pub deleted: usize,
    /// Items that were forgotten because nothing is left of them.
    pub forgotten: usize,
}

/// Free pages that the file may keep: they are used again soon.
const SPARE_PAGES: i64 = 64;

impl History {
    /// Folds what is old enough, deletes what has expired, and gives free space back. To be run about once an hour.
    ///
    /// Time is what the newest round says, if the clock says more: a clock that leaps ahead expires nothing before
    /// samples have been taken by it, and see the [crate's words about clocks](crate#clocks).
    ///
    /// # Errors
    /// [`Error::Database`]; what was done until then stays done. [`Error::Damaged`].
    pub async fn zap(&self, now: Timestamp) -> Result<Zapped, Error> {
        let Some(newest) = self.memory().newest else {
            return Ok(Zapped::default());
        };
        let now = newest.min(now.as_second());
        let mut conn = self.conn("fold old samples").await?;
        let ids = self.memory().ids();
        let folded = fold_all(&mut conn, Tier::Raw, Tier::Mid, &ids, now)
            .await
            .map_err(Error::during("fold old samples"))?;
        let through = marks::through(&mut conn, Tier::Mid)
            .await
            .map_err(Error::during("fold old buckets"))?;
        let folded_again = fold_all(&mut conn, Tier::Mid, Tier::Long, &ids, through)
            .await
            .map_err(Error::during("fold old buckets"))?;
        let (deleted, dead) = self
            .expire(&mut conn, now)
            .await
            .map_err(Error::during("delete expired history"))?;
        if !dead.is_empty() {
            self.reload(&mut conn).await?;
        }
        shrink(&mut conn)
            .await
            .map_err(Error::during("give free space back"))?;
        Ok(Zapped {
            folded: folded + folded_again,
            deleted,
            forgotten: dead.len(),
        })
    }

    async fn expire(
        &self,
        conn: &mut SqliteConnection,
        now: i64,
    ) -> sqlx::Result<(usize, Vec<u32>)> {
        let hold = marks::hold(conn).await?;
        if hold > 0 {
            marks::set_hold(conn, hold - 1).await?;
            return Ok((0, Vec::new()));
        }
        let retention = self.retention();
        let seconds = |kept: lockstep_model::Interval| {
            i64::try_from(kept.duration().as_secs()).unwrap_or(i64::MAX)
        };
        let raw = seconds(retention.raw);
        // What is coarser is kept at least as long: there would be holes otherwise.
        let mid = seconds(retention.mid).max(raw);
        let long = seconds(retention.long).max(mid);
        let mut deleted = 0;
        for (tier, kept, folded_into) in [
            (Tier::Raw, raw, Some(Tier::Mid)),
            (Tier::Mid, mid, Some(Tier::Long)),
            (Tier::Long, long, None),
        ] {
            let mut until = tier.window_of(now.saturating_sub(kept));
            if let Some(coarser) = folded_into {
                until = until.min(marks::through(conn, coarser).await?);
            }
            deleted += forget::batches_until(conn, tier, until).await?;
        }
        let dead: Vec<u32> = query_scalar("SELECT id FROM series WHERE seen_s < ?1")
            .bind(now.saturating_sub(long).saturating_sub(Tier::Long.window()))
            .fetch_all(&mut *conn)
            .await?;
        let dead = not_pending(conn, dead).await?;
        forget::series(conn, &dead).await?;
        Ok((deleted, dead))
    }
}

/// A series is marked as seen when its rounds are packed; one that has just come back is only in rounds that are not.
async fn not_pending(conn: &mut SqliteConnection, mut ids: Vec<u32>) -> sqlx::Result<Vec<u32>> {
    if !ids.is_empty() {
        let mut alive = BTreeSet::new();
        read::pending(conn, i64::MIN, i64::MAX, |_, id, _| {
            alive.insert(id);
        })
        .await?;
        ids.retain(|id| !alive.contains(id));
    }
    Ok(ids)
}

/// Folds all windows that are complete: that end at or before `until`.
async fn fold_all(
    conn: &mut SqliteConnection,
    from: Tier,
    into: Tier,
    ids: &[u32],
    until: i64,
) -> sqlx::Result<usize> {
    let pending: Option<i64> = query_scalar("SELECT min(at_s) FROM pending")
        .fetch_one(&mut *conn)
        .await?;
    let mut folded = 0;
    loop {
        let through = marks::through(conn, into).await?;
        let first: Option<i64> =
            query_scalar("SELECT min(from_s) FROM batch WHERE tier = ?1 AND from_s >= ?2")
                .bind(from.number())
                .bind(through)
                .fetch_one(&mut *conn)
                .await?;
        let Some(first) = first else {
            return Ok(folded);
        };
        let begin = into.window_of(first);
        let end = begin + into.window();
        if end > until || pending.is_some_and(|pending| pending < end) {
            return Ok(folded);
        }
        fold(conn, from, into, ids, begin).await?;
        folded += 1;
    }
}

/// Folds one window, in one transaction.
async fn fold(
    conn: &mut SqliteConnection,
    from: Tier,
    into: Tier,
    ids: &[u32],
    begin: i64,
) -> sqlx::Result<()> {
    let end = begin + into.window();
    let part = Part {
        tier: from,
        from: begin,
        to: end,
    };
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let batch = begin_batch(&mut tx, into, begin, end).await?;
    for &id in ids {
        let mut tallies = vec![Tally::EMPTY; (into.window() / into.step()) as usize];
        read::chunks(&mut tx, id, part, |at, tally| {
            let place = usize::try_from((at - begin) / into.step());
            if let Some(bucket) = place.ok().and_then(|place| tallies.get_mut(place)) {
                bucket.add(tally);
            }
        })
        .await?;
        let buckets: Vec<Bucket> = (0..)
            .zip(tallies)
            .filter(|(_, tally)| tally.count > 0)
            .collect();
        if !buckets.is_empty() {
            write_chunk(&mut tx, batch, id, buckets::encode(&buckets)).await?;
        }
    }
    marks::set_through(&mut tx, into, end).await?;
    tx.commit().await
}

/// Gives free pages back to the file system, but for some.
async fn shrink(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    let free: i64 = query_scalar("PRAGMA freelist_count")
        .fetch_one(&mut *conn)
        .await?;
    if free > SPARE_PAGES {
        // A megabyte a time: more would make a long transaction.
        query("PRAGMA incremental_vacuum(256)")
            .execute(conn)
            .await?;
    }
    Ok(())
}
