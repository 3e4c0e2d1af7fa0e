//! One run at a time, and one daemon for each pid file.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lockstep_host::pid_file::PidFile;
use lockstep_host::process::{Signal, signal, wait_gone};
use lockstep_host::run_lock::RunLock;
use lockstep_host::{Error, Layout};

use super::trials::{self, Trial, block_on};

#[test]
fn the_second_run_is_told_who_has_the_first() {
    let directory = trials::directory();
    let layout = Layout::below(directory.path());
    assert!(!RunLock::is_held(&layout));
    let mut first = Trial::start(&["run-lock", directory.path().to_str().unwrap()], &[]);
    let child: u32 = first.line().parse().unwrap();
    assert!(RunLock::is_held(&layout));
    let pid = first.child.id();
    match RunLock::acquire(&layout) {
        Err(Error::LockHeld {
            path,
            pid: Some(told),
        }) => {
            assert_eq!((path, told), (layout.run_lock(), pid));
        }
        other => panic!("{other:?}"),
    }
    let mode = std::fs::metadata(layout.run_lock())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);

    // Killed, it is free, although its child lives on.
    first.kill();
    assert!(!RunLock::is_held(&layout));
    let mine = RunLock::acquire(&layout).unwrap();
    assert!(!block_on(wait_gone(child, Duration::from_millis(10))).unwrap());
    signal(child, Signal::KILL).unwrap();

    // Nor does one process have it twice.
    assert!(RunLock::is_held(&layout));
    assert!(matches!(
        RunLock::acquire(&layout),
        Err(Error::LockHeld { .. })
    ));
    let file = || std::fs::read_to_string(layout.run_lock()).unwrap();
    assert_eq!(file(), format!("{}\n", std::process::id()));
    drop(mine);
    assert!(!RunLock::is_held(&layout));
    assert_eq!(file(), "");
}

#[test]
fn who_asks_does_not_keep_anybody_away() {
    let directory = trials::directory();
    let layout = Layout::below(directory.path());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = RunLock::is_held(&layout);
            }
        });
        let taken: Vec<bool> = (0..200)
            .map(|_| RunLock::acquire(&layout).is_ok())
            .collect();
        done.store(true, Ordering::Relaxed);
        assert!(taken.iter().all(|taken| *taken));
    });
}

#[test]
fn the_lock_is_not_reached_through_a_link() {
    let directory = trials::directory();
    let layout = Layout::below(directory.path());
    let target = directory.path().join("target");
    std::fs::create_dir_all(layout.state_dir()).unwrap();
    symlink(&target, layout.run_lock()).unwrap();
    assert!(matches!(RunLock::acquire(&layout), Err(Error::Lock { .. })));
    assert!(!target.exists());
}

#[test]
fn a_second_daemon_is_refused_and_a_stale_file_is_no_obstacle() {
    let directory = trials::directory();
    let path = directory.path().join("run/lockstep.pid");
    let mut first = Trial::start(&["pid-file", path.to_str().unwrap()], &[]);
    assert_eq!(first.line(), "held");
    let pid = first.child.id();
    match PidFile::hold(&path) {
        Err(Error::LockHeld { pid: told, .. }) => assert_eq!(told, Some(pid)),
        other => panic!("{other:?}"),
    }
    first.kill();
    let read = || std::fs::read_to_string(&path).unwrap();
    assert_eq!(read(), format!("{pid}\n"));

    let own = format!("{}\n", std::process::id());
    // Left behind; of a process that lives, and is none of ours; cut off; zeros after a power cut.
    for stale in [
        format!("{pid}\n"),
        "1\n".into(),
        String::new(),
        "\0\0\0\0\0".into(),
    ] {
        trials::put(&path, &stale);
        let file = PidFile::hold(&path).unwrap();
        assert_eq!(read(), own, "{stale:?}");
        drop(file);
        assert!(!path.exists());
    }
}

#[test]
fn a_pid_file_named_by_mistake_is_left_alone() {
    let directory = trials::directory();
    let path = directory.path().join("config");
    trials::put(&path, "key = 1\n");
    assert!(matches!(PidFile::hold(&path), Err(Error::Nonsense { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "key = 1\n");
    let link = directory.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(PidFile::hold(&link), Err(Error::Lock { .. })));
    assert!(PidFile::hold(directory.path()).is_err());
}

#[test]
fn the_pid_file_of_another_is_not_removed() {
    let directory = trials::directory();
    let path = directory.path().join("pid");
    let first = PidFile::hold(&path).unwrap();
    // Somebody removes the file, and a second daemon starts.
    std::fs::remove_file(&path).unwrap();
    let second = PidFile::hold(&path).unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}
