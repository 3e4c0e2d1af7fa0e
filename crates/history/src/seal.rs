//! Packing the rounds of a window into chunks.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, query, query_as, query_scalar};

use crate::codec::samples::{self, Sample};
use crate::file::SERIES_BITS;
use crate::tier::Tier;
use crate::{Error, round};

/// Samples that are held in memory at once, at most some: a quarter of a megabyte. With more, the rounds are read
/// several times, for some of the series each.
const AT_ONCE: usize = 16 * 1024;

/// Packs all pending rounds into one batch, in one transaction. They lie in one window.
pub(crate) async fn seal(conn: &mut SqliteConnection) -> Result<(), Error> {
    let wrong = || Error::during("pack samples");
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(wrong())?;
    seal_in(&mut tx).await.map_err(wrong())?;
    tx.commit().await.map_err(wrong())
}

async fn seal_in(conn: &mut SqliteConnection) -> sqlx::Result<()> {
    let ends: Option<(i64, i64)> =
        query_as("SELECT min(at_s), max(at_s) FROM pending HAVING count(*) > 0")
            .fetch_optional(&mut *conn)
            .await?;
    let Some((first, last)) = ends else {
        return Ok(());
    };
    let batch = begin_batch(conn, Tier::Raw, first, last + 1).await?;
    let (ids, rounds) = series_of_rounds(conn).await?;
    let group = (AT_ONCE / rounds.max(1)).max(1);
    for ids in ids.chunks(group) {
        let mut series: BTreeMap<u32, Vec<Sample>> =
            ids.iter().map(|&id| (id, Vec::new())).collect();
        let mut rows = query_as::<_, (i64, Vec<u8>)>("SELECT at_s, data FROM pending ORDER BY id")
            .fetch(&mut *conn);
        while let Some((at, data)) = rows.try_next().await? {
            for (id, value) in round::decode(&data).map_while(Result::ok) {
                if let Some(samples) = series.get_mut(&id) {
                    samples.push((at, value));
                }
            }
        }
        drop(rows);
        for (id, samples) in series {
            write_chunk(conn, batch, id, samples::encode(first, &samples)).await?;
            query("UPDATE series SET seen_s = ?2 WHERE id = ?1")
                .bind(id)
                .bind(last)
                .execute(&mut *conn)
                .await?;
        }
    }
    query("DELETE FROM pending").execute(&mut *conn).await?;
    Ok(())
}

/// The series that the rounds speak of and that are still wanted, and how many rounds there are.
async fn series_of_rounds(conn: &mut SqliteConnection) -> sqlx::Result<(Vec<u32>, usize)> {
    let wanted: Vec<u32> = query_scalar("SELECT id FROM series ORDER BY id")
        .fetch_all(&mut *conn)
        .await?;
    let mut ids = BTreeSet::new();
    let mut rounds = 0;
    let mut rows = query_scalar::<_, Vec<u8>>("SELECT data FROM pending").fetch(&mut *conn);
    while let Some(data) = rows.try_next().await? {
        rounds += 1;
        for value in round::decode(&data) {
            match value {
                Ok((id, _)) => {
                    ids.insert(id);
                }
                // What was readable of the round is kept.
                Err(error) => tracing::warn!(%error, "a round of the history cannot be read"),
            }
        }
    }
    drop(rows);
    ids.retain(|id| wanted.binary_search(id).is_ok());
    Ok((ids.into_iter().collect(), rounds))
}

/// Makes a batch; its number is greater than all others.
pub(crate) async fn begin_batch(
    conn: &mut SqliteConnection,
    tier: Tier,
    from: i64,
    to: i64,
) -> sqlx::Result<i64> {
    query_scalar(
        "INSERT INTO batch (id, tier, from_s, to_s)
         SELECT coalesce(max(id), 0) + 1, ?1, ?2, ?3 FROM batch RETURNING id",
    )
    .bind(tier.number())
    .bind(from)
    .bind(to)
    .fetch_one(conn)
    .await
}

/// Writes a series' chunk of a batch.
pub(crate) async fn write_chunk(
    conn: &mut SqliteConnection,
    batch: i64,
    id: u32,
    data: Vec<u8>,
) -> sqlx::Result<()> {
    query("INSERT OR REPLACE INTO chunk (key, data) VALUES (?1, ?2)")
        .bind(batch << SERIES_BITS | i64::from(id))
        .bind(data)
        .execute(conn)
        .await?;
    Ok(())
}
