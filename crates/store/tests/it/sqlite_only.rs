//! What only a file can suffer.

use std::error::Error as _;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;

use lockstep_store::{DatabaseUrl, Error, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};

use crate::engine::Engine;
use crate::samples::{at, enroll, host, report};

async fn refusal(path: &std::path::Path) -> (Error, String) {
    let error = Store::open(&DatabaseUrl::Sqlite(path.into()))
        .await
        .unwrap_err();
    let words = format!(
        "{error}: {}",
        error.source().map(ToString::to_string).unwrap_or_default()
    );
    (error, words)
}

#[tokio::test]
async fn a_place_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing/server.db");
    let (error, words) = refusal(&path).await;
    assert!(matches!(error, Error::File { .. }), "{words}");
    assert!(words.contains("missing/server.db: No such file"), "{words}");

    let (_, words) = refusal(directory.path()).await;
    assert!(words.contains("Is a directory"), "{words}");

    // Not even root may write here.
    let (_, words) = refusal("/proc/version".as_ref()).await;
    assert!(words.contains("sqlite:/proc/version; "), "{words}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.db");
    let garbage = b"these are the minutes of the last meeting ".repeat(100);
    File::create(&path).unwrap().write_all(&garbage).unwrap();
    let (error, words) = refusal(&path).await;
    assert!(matches!(error, Error::Open { .. }), "{words}");
    assert!(
        words.contains("damaged or not a SQLite database"),
        "{words}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), garbage);
}

#[tokio::test]
async fn a_file_that_was_damaged_is_reported_when_it_is_noticed() {
    let place = Engine::Sqlite.fresh();
    let DatabaseUrl::Sqlite(path) = &place.url else {
        panic!("not a file");
    };
    let store = place.open().await;
    enroll(&store, &["web1", "web2"]).await;
    let mut large = report(1);
    large.boot_id = "x".repeat(20_000);
    store
        .record_report(&host("web1"), &large, at(0))
        .await
        .unwrap();
    store.close().await;
    // Closing folds the log into the file, so the damage hits what is read. All pages but the first, which holds
    // the names of the tables and so lets the file be opened.
    let length = path.metadata().unwrap().len();
    let mut file = File::options().write(true).open(path).unwrap();
    let mut damage = 4096 * 2;
    while damage < length {
        file.seek(SeekFrom::Start(damage)).unwrap();
        file.write_all(&[0xa5; 4096]).unwrap();
        damage += 4096;
    }
    let error = match Store::open(&place.url).await {
        Ok(store) => store.hosts().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error.to_string().contains("the file is damaged"), "{error}");
}

#[tokio::test]
async fn nobody_else_may_read_the_database() {
    let place = Engine::Sqlite.fresh();
    let store = place.open().await;
    enroll(&store, &["web1"]).await;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(place.directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["server.db", "server.db-shm", "server.db-wal"]);
}

#[tokio::test]
async fn another_process_that_writes_is_waited_for() {
    let place = Engine::Sqlite.fresh();
    let store = place.open().await;
    let mut raw = place.connect().await;
    raw.lock().await;
    let writing = {
        let store = store.clone();
        tokio::spawn(async move { store.set_setting("a", "b").await })
    };
    // Reading goes on meanwhile.
    assert_eq!(store.setting("a").await.unwrap(), None);
    raw.unlock().await;
    writing.await.unwrap().unwrap();
    assert_eq!(store.setting("a").await.unwrap().as_deref(), Some("b"));
}

/// The suite opens an empty file many times at once, too, but there the turn to the write-ahead log puts them in a
/// row; here they meet when they make the tables.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_make_the_tables_at_once() {
    for _ in 0..10 {
        let place = Engine::Sqlite.fresh();
        let DatabaseUrl::Sqlite(path) = &place.url else {
            panic!("not a file");
        };
        SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await
            .unwrap()
            .close()
            .await
            .unwrap();
        let opening: Vec<_> = (0..6)
            .map(|_| {
                let url = place.url.clone();
                tokio::spawn(async move { Store::open(&url).await })
            })
            .collect();
        for store in opening {
            store.await.unwrap().unwrap().close().await;
        }
    }
}
