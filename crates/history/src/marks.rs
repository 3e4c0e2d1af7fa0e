//! Single numbers that history remembers.

use sqlx::sqlite::SqliteConnection;
use sqlx::{query, query_scalar};

use crate::tier::Tier;

/// Up to where samples are folded into buckets of 10 minutes, in seconds since 1970.
const MID_THROUGH: &str = "mid-through";
/// Up to where those are folded into buckets of an hour.
const LONG_THROUGH: &str = "long-through";
/// How many more zaps delete nothing, because the clock made a leap.
const HOLD: &str = "hold";

async fn read(conn: &mut SqliteConnection, name: &str) -> sqlx::Result<Option<i64>> {
    query_scalar("SELECT value FROM mark WHERE name = ?1")
        .bind(name)
        .fetch_optional(conn)
        .await
}

async fn write(conn: &mut SqliteConnection, name: &str, value: i64) -> sqlx::Result<()> {
    query(
        "INSERT INTO mark VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(conn)
    .await?;
    Ok(())
}

fn name(tier: Tier) -> &'static str {
    match tier {
        Tier::Long => LONG_THROUGH,
        Tier::Mid | Tier::Raw => MID_THROUGH,
    }
}

/// Up to where a coarser tier is filled: before that moment it holds everything.
pub(crate) async fn through(conn: &mut SqliteConnection, tier: Tier) -> sqlx::Result<i64> {
    Ok(read(conn, name(tier)).await?.unwrap_or(i64::MIN))
}

pub(crate) async fn set_through(
    conn: &mut SqliteConnection,
    tier: Tier,
    second: i64,
) -> sqlx::Result<()> {
    write(conn, name(tier), second).await
}

pub(crate) async fn hold(conn: &mut SqliteConnection) -> sqlx::Result<i64> {
    Ok(read(conn, HOLD).await?.unwrap_or(0))
}

pub(crate) async fn set_hold(conn: &mut SqliteConnection, zaps: i64) -> sqlx::Result<()> {
    write(conn, HOLD, zaps).await
}

/// A leap while an earlier one is still waited out begins no new wait: a machine that is off every other day must
/// delete something some day.
pub(crate) async fn set_hold_at_least(conn: &mut SqliteConnection, zaps: i64) -> sqlx::Result<()> {
    if hold(conn).await? > 0 {
        return Ok(());
    }
    set_hold(conn, zaps).await
}
