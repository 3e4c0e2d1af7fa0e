//! Forgetting: what has expired, and what a wrong clock wrote.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, query, query_as, query_scalar};

use crate::codec::samples;
use crate::file::SERIES_BITS;
use crate::known::Memory;
use crate::seal::write_chunk;
use crate::tier::Tier;
use crate::{Error, History, marks};

impl History {
    /// Reads the series again, after some were forgotten.
    pub(crate) async fn reload(&self, conn: &mut SqliteConnection) -> Result<(), Error> {
        let mut memory = Memory::load(conn)
            .await
            .map_err(Error::during("read the series"))?;
        let mut old = self.memory();
        memory.behind = old.behind;
        *old = memory;
        Ok(())
    }
}

/// Forgets series, each in a transaction of its own. Rounds that no chunk holds yet may still name them: their
/// numbers are never used again, and packing leaves them out.
pub(crate) async fn series(conn: &mut SqliteConnection, ids: &[u32]) -> sqlx::Result<()> {
    for &id in ids {
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        query("DELETE FROM chunk WHERE key IN (SELECT id << 20 | ?1 FROM batch)")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        query("DELETE FROM series WHERE id = ?1")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Forgets batches of a tier that end at or before a moment, each in a transaction of its own. Returns how many.
pub(crate) async fn batches_until(
    conn: &mut SqliteConnection,
    tier: Tier,
    until: i64,
) -> sqlx::Result<usize> {
    let ids: Vec<i64> =
        query_scalar("SELECT id FROM batch WHERE tier = ?1 AND to_s <= ?2 ORDER BY id")
            .bind(tier.number())
            .bind(until)
            .fetch_all(&mut *conn)
            .await?;
    for &id in &ids {
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        batch(&mut tx, id).await?;
        tx.commit().await?;
    }
    Ok(ids.len())
}

async fn batch(conn: &mut SqliteConnection, id: i64) -> sqlx::Result<()> {
    query("DELETE FROM chunk WHERE key >= ?1 AND key < ?2")
        .bind(id << SERIES_BITS)
        .bind((id + 1) << SERIES_BITS)
        .execute(&mut *conn)
        .await?;
    query("DELETE FROM batch WHERE id = ?1")
        .bind(id)
        .execute(&mut *conn)
        .await?;
    Ok(())
}

/// Forgets what lies at or behind a moment, in one transaction. Buckets go by whole windows: they are made again from
/// the finer grain that is still there.
pub(crate) async fn future(conn: &mut SqliteConnection, from: i64) -> sqlx::Result<()> {
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    query("DELETE FROM pending WHERE at_s >= ?1")
        .bind(from)
        .execute(&mut *tx)
        .await?;
    let late: Vec<(i64, i64, i64)> =
        query_as("SELECT id, tier, from_s FROM batch WHERE to_s > ?1 ORDER BY id")
            .bind(from)
            .fetch_all(&mut *tx)
            .await?;
    for (id, tier, begin) in late {
        if tier == Tier::Raw.number() && begin < from {
            cut(&mut tx, id, begin, from).await?;
        } else {
            batch(&mut tx, id).await?;
        }
    }
    for tier in [Tier::Mid, Tier::Long] {
        if marks::through(&mut tx, tier).await? > from {
            marks::set_through(&mut tx, tier, tier.window_of(from)).await?;
        }
    }
    marks::set_hold(&mut tx, 0).await?;
    tx.commit().await
}

/// Leaves of a batch of samples what lies before a moment.
async fn cut(conn: &mut SqliteConnection, batch: i64, origin: i64, until: i64) -> sqlx::Result<()> {
    let keys: Vec<i64> = query_scalar("SELECT key FROM chunk WHERE key >= ?1 AND key < ?2")
        .bind(batch << SERIES_BITS)
        .bind((batch + 1) << SERIES_BITS)
        .fetch_all(&mut *conn)
        .await?;
    for key in keys {
        let data: Vec<u8> = query_scalar("SELECT data FROM chunk WHERE key = ?1")
            .bind(key)
            .fetch_one(&mut *conn)
            .await?;
        // What cannot be read is shown to nobody; zap takes it away in its time.
        if let Ok(mut kept) = samples::decode(origin, &data) {
            kept.retain(|sample| sample.0 < until);
            let id = (key & ((1 << SERIES_BITS) - 1)) as u32;
            write_chunk(conn, batch, id, samples::encode(origin, &kept)).await?;
        }
    }
    query("UPDATE batch SET to_s = ?2 WHERE id = ?1")
        .bind(batch)
        .bind(until)
        .execute(conn)
        .await?;
    Ok(())
}
