//! The steps by which the tables came to be what they are. Each runs once, in its own transaction, at the start of
//! the first server that knows it; servers that start at the same time wait for each other.
//!
//! A step that was released is never changed: the database remembers its checksum.

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqlitePool;
use std::sync::Arc;

use crate::Error;
use crate::error::hint;

/// Number, name and text of every step.
const STEPS: [(i64, &str, &str); 11] = [
    (1, "start", include_str!("../migrations/0001_start.sql")),
    (
        2,
        "monitoring",
        include_str!("../migrations/0002_monitoring.sql"),
    ),
    (
        3,
        "runs_and_locks",
        include_str!("../migrations/0003_runs_and_locks.sql"),
    ),
    (
        4,
        "rollouts",
        include_str!("../migrations/0004_rollouts.sql"),
    ),
    (
        5,
        "gateways",
        include_str!("../migrations/0005_gateways.sql"),
    ),
    (6, "users", include_str!("../migrations/0006_users.sql")),
    (7, "kiosks", include_str!("../migrations/0007_kiosks.sql")),
    (
        8,
        "saved_views",
        include_str!("../migrations/0008_saved_views.sql"),
    ),
    (
        9,
        "processes",
        include_str!("../migrations/0009_processes.sql"),
    ),
    (10, "wishes", include_str!("../migrations/0010_wishes.sql")),
    (
        11,
        "events_by_item",
        include_str!("../migrations/0011_events_by_item.sql"),
    ),
];

/// The newest step.
pub(crate) const NEWEST: i64 = STEPS[STEPS.len() - 1].0;

fn migrator() -> Migrator {
    Migrator::with_migrations(
        STEPS
            .iter()
            .map(|&(number, name, text)| {
                Migration::new(
                    number,
                    name.into(),
                    MigrationType::Simple,
                    text.into_sql_str(),
                    false,
                )
            })
            .collect(),
    )
}

/// Brings a SQLite file up to date. Another process that does the same waits for the one transaction.
pub(crate) async fn bring_up_sqlite(url: &str, writer: &SqlitePool) -> Result<(), Error> {
    let outcome = async {
        let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
        migrator().run_direct(None, &mut *tx, false).await?;
        tx.commit().await?;
        Ok(())
    };
    outcome.await.map_err(|error| explain(url, error))
}

/// Brings a PostgreSQL database up to date. Another server that does the same waits for an advisory lock.
pub(crate) async fn bring_up_postgres(url: &str, conn: &mut PgConnection) -> Result<(), Error> {
    migrator()
        .run_direct(None, conn, false)
        .await
        .map_err(|error| explain(url, error))
}

fn explain(url: &str, error: MigrateError) -> Error {
    if let MigrateError::VersionMissing(step) = error {
        return Error::Newer {
            url: url.to_owned(),
            step,
        };
    }
    let hint = match &error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => hint(error),
        _ => "",
    };
    Error::Migrate {
        url: url.to_owned(),
        hint,
        source: Arc::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_a_step() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let steps: Vec<_> = STEPS
            .iter()
            .map(|(number, name, _)| format!("{number:04}_{name}.sql"))
            .collect();
        assert_eq!(files, steps);
    }
}
