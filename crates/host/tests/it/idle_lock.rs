//! Locks by the older convention: there is one holder, whoever crashes.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use jiff::Timestamp;
use lockstep_host::Error;
use lockstep_host::idle_lock::{IdleLock, Tried};
use lockstep_model::RunId;

use super::trials;

fn run(seed: u8) -> RunId {
    RunId::new(Timestamp::UNIX_EPOCH, [seed; 10])
}

fn hold(path: &Path, seed: u8) -> IdleLock {
    match IdleLock::try_hold(path, run(seed)).unwrap() {
        Tried::Held(lock) => lock,
        busy => panic!("{busy:?}"),
    }
}

/// What the holder wrote, and when.
fn busy(path: &Path, seed: u8) -> (Timestamp, String) {
    match IdleLock::try_hold(path, run(seed)).unwrap() {
        Tried::Busy { since, contents } => (since, contents),
        held => panic!("{held:?}"),
    }
}

fn entries(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[test]
fn it_is_held_by_one_run_until_that_releases_it() {
    let directory = trials::directory();
    let path = directory.path().join("backup-running.lock");
    let lock = hold(&path, 1);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("pid {} run {}\n", std::process::id(), run(1)));
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o400);
    let since = Timestamp::new(
        metadata.mtime(),
        i32::try_from(metadata.mtime_nsec()).unwrap(),
    );
    assert_eq!(busy(&path, 2), (since.unwrap(), text.trim().to_owned()));
    assert_eq!(entries(directory.path()), 1);

    lock.release().unwrap();
    assert_eq!(entries(directory.path()), 0);
    hold(&path, 2).release().unwrap();
}

#[test]
fn ours_from_before_a_crash_is_ours() {
    let directory = trials::directory();
    let path = directory.path().join("lock");
    trials::put(&path, format!("pid 1 run {}\n", run(1)));
    assert!(IdleLock::recall(&path, run(2)).unwrap().is_none());
    busy(&path, 2);
    assert_eq!(hold(&path, 1).path(), path);
    let lock = IdleLock::recall(&path, run(1)).unwrap().unwrap();
    lock.release().unwrap();
    assert!(!path.exists());
    assert!(IdleLock::recall(&path, run(1)).unwrap().is_none());

    if rustix::process::geteuid().is_root() {
        // Anybody can write what we would; nobody can write it as us.
        trials::put(&path, format!("pid 1 run {}\n", run(1)));
        chown(&path, Some(65_534), None).unwrap();
        busy(&path, 1);
    }
}

#[test]
fn what_another_left_is_never_removed() {
    let directory = trials::directory();
    let path = directory.path().join("lock");
    let lock = hold(&path, 1);
    std::fs::remove_file(&path).unwrap();
    trials::put(&path, "backup 4711\nstarted\n");
    assert_eq!(busy(&path, 1).1, "backup 4711 started");
    lock.release().unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "backup 4711\nstarted\n"
    );
    std::fs::remove_file(&path).unwrap();

    // An empty file, a directory and a link to nowhere are locks, too.
    trials::put(&path, "");
    assert_eq!(busy(&path, 1).1, "");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(busy(&path, 1).1, "");
    std::fs::remove_dir(&path).unwrap();
    let target = directory.path().join("target");
    symlink(&target, &path).unwrap();
    assert_eq!(busy(&path, 1).1, "");
    trials::put(&target, format!("pid 1 run {}\n", run(1)));
    assert_eq!(busy(&path, 1).1, "");

    std::fs::remove_file(&path).unwrap();
    trials::put(&path, "x".repeat(100_000));
    assert_eq!(busy(&path, 1).1.len(), 200);
}

#[test]
fn without_the_directory_there_is_nothing_to_wait_for() {
    let directory = trials::directory();
    let path = directory.path().join("cache/driveclient/lock");
    let lock = hold(&path, 1);
    hold(&path, 2).release().unwrap();
    assert!(IdleLock::recall(&path, run(1)).unwrap().is_none());
    lock.release().unwrap();
    assert_eq!(entries(directory.path()), 0);
}

#[test]
fn a_place_where_anybody_could_remove_it_is_refused() {
    let directory = trials::directory();
    let path = directory.path().join("lock");
    let chmod = |mode| {
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(mode)).unwrap();
    };
    let refused = |path: &Path| {
        let error = IdleLock::try_hold(path, run(1)).unwrap_err();
        assert!(matches!(error, Error::IdleLock { .. }), "{error:?}");
        error.to_string()
    };
    chmod(0o777);
    assert!(refused(&path).contains("sticky"));
    chmod(0o1777);
    hold(&path, 1).release().unwrap();
    chmod(0o700);
    assert!(refused(Path::new("lock")).contains("absolute"));
    assert!(refused(Path::new("/")).contains("no name"));
    assert!(refused(&directory.path().join("..")).contains("no name"));
}

#[test]
fn of_two_processes_one_wins() {
    const ROUNDS: usize = 1000;
    let directory = trials::directory();
    let contend = |own: &'static str, other: &'static str| {
        let dir = directory.path().to_str().unwrap().to_owned();
        let rounds = ROUNDS.to_string();
        std::thread::spawn(move || {
            let args = ["contend", &dir, own, other, &rounds];
            let finished = trials::run(&args, &[]);
            assert!(finished.succeeded(), "{}", finished.output);
            finished
        })
    };
    let (first, second) = (contend("1", "2"), contend("2", "1"));
    let (first, second) = (first.join().unwrap(), second.join().unwrap());
    assert_eq!((first.cut, second.cut), (0, 0));
    let (first, second) = (first.output, second.output);
    assert_eq!(
        (first.lines().count(), second.lines().count()),
        (ROUNDS, ROUNDS)
    );
    let loser = |run: RunId| move |line: &str| line.ends_with(&format!("run {run}"));
    let (lost_to_second, lost_to_first) = (loser(run(2)), loser(run(1)));
    for (round, (first, second)) in first.lines().zip(second.lines()).enumerate() {
        assert!(
            (first == "held" && lost_to_first(second))
                || (second == "held" && lost_to_second(first)),
            "round {round}: {first:?} and {second:?}"
        );
    }
}
