//! Files that cannot be used.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lockstep_history::{Error, History};
use lockstep_model::{Retention, View};

use crate::world::{DAWN, World, at, item};

fn aside(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("damaged"))
        .collect();
    names.sort();
    names
}

/// Breaks a file in a way, opens it, and looks whether monitoring goes on.
#[expect(clippy::disallowed_methods, reason = "what is written is damage")]
async fn survives(damage: impl Fn(&mut Vec<u8>)) {
    let mut world = World::new(Retention::default()).await;
    let load = item("cpu_load");
    for minute in 0..2_000 {
        world.record(DAWN + minute * 60, &load, minute as f64).await;
    }
    world.history.close().await;
    let mut bytes = std::fs::read(&world.path).unwrap();
    damage(&mut bytes);
    std::fs::write(&world.path, bytes).unwrap();

    let now = DAWN + 200_000;
    world.history = History::open(&world.path, Retention::default(), at(now))
        .await
        .unwrap();
    let moved = world.history.moved_aside().unwrap().to_owned();
    assert_eq!(
        moved,
        world
            .path
            .with_file_name(format!("history.db.damaged-{now}"))
    );
    assert!(moved.exists());
    assert_eq!(world.history.items(), []);
    world.told.clear();
    world.record(now, &load, 1.0).await;
    world.check(&world.view(&load, View::Hour, now).await);
    // The next one takes its place.
    world.history.close().await;
    std::fs::write(
        &world.path,
        "no database at all, but long enough to have a header of one, if it were".repeat(9),
    )
    .unwrap();
    world.history = History::open(&world.path, Retention::default(), at(now + 1))
        .await
        .unwrap();
    let names = aside(world.path.parent().unwrap());
    assert_eq!(names, [format!("history.db.damaged-{}", now + 1)]);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_moved_aside() {
    survives(|bytes| bytes[..64].fill(7)).await;
}

#[tokio::test]
async fn a_file_with_a_broken_page_is_moved_aside() {
    survives(|bytes| bytes[4096..12_288].fill(0xa5)).await;
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_moved_aside() {
    survives(|bytes| bytes.truncate(bytes.len() / 2)).await;
}

#[tokio::test]
async fn a_file_of_another_layout_is_moved_aside() {
    // The user version in SQLite's header (https://www.sqlite.org/fileformat2.html#the_database_header).
    survives(|bytes| bytes[60..64].copy_from_slice(&9_u32.to_be_bytes())).await;
}

#[tokio::test]
async fn the_file_is_private() {
    let mut world = World::new(Retention::default()).await;
    world.record(DAWN, &item("cpu_load"), 1.0).await;
    for name in ["history.db", "history.db-wal", "history.db-shm"] {
        let path = world.path.with_file_name(name);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_an_error_and_not_damage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/there/history.db");
    let error = History::open(&path, Retention::default(), at(DAWN))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    // A directory is no file that could be moved out of the way.
    let error = History::open(directory.path(), Retention::default(), at(DAWN))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::File { .. } | Error::Open { .. }),
        "{error}"
    );
}
