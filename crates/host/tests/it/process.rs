//! Long-lived processes: started, adopted, ended, and dying with their parent.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use lockstep_host::Error;
use lockstep_host::process::{Output, Process, Signal, Spawn, signal, wait_gone};

use super::trials::{self, PATIENCE, Trial, block_on, fifo};

fn shell(script: &str) -> Spawn {
    Spawn::new("/bin/sh").args(["-c", script])
}

/// True if the process is there, zombies included.
fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn an_end_is_named_and_leaves_no_zombie() {
    block_on(async {
        let mut process = Process::spawn(shell("exit 3")).unwrap();
        let status = process.wait().await.unwrap();
        assert_eq!(status.to_string(), "exit status: 3");
        assert_eq!(process.wait().await.unwrap(), status);
        assert!(!exists(process.pid()));

        let mut process = Process::spawn(shell("kill -9 $$")).unwrap();
        let status = process.wait().await.unwrap();
        assert_eq!(status.to_string(), "signal: 9 (SIGKILL)");
        assert!(!exists(process.pid()));
    });
}

#[test]
fn output_goes_where_it_should() {
    let directory = trials::directory();
    let open = |name: &str| {
        let path = directory.path().join(name);
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap()
    };
    block_on(async {
        let say = "echo out; echo err >&2; cat";
        let mut process = Process::spawn(shell(say).output(Output::File(open("both")))).unwrap();
        assert!(process.wait().await.unwrap().success());
        let mut process =
            Process::spawn(shell(say).output(Output::ErrorsInto(open("errors")))).unwrap();
        assert!(process.wait().await.unwrap().success());
    });
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(read("both"), "out\nerr\n");
    assert_eq!(read("errors"), "err\n");
}

#[test]
fn a_missing_program_is_named() {
    block_on(async {
        let error = Process::spawn(Spawn::new("/no/such/program")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start /no/such/program");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("No such file"), "{source}");
    });
}

#[test]
fn one_that_is_asked_ends_and_one_that_does_not_listen_is_killed() {
    block_on(async {
        let mut willing = Process::spawn(Spawn::new("/bin/sleep").args(["600"])).unwrap();
        let status = willing.terminate(PATIENCE).await.unwrap();
        assert_eq!(status.signal(), Some(15));

        let directory = trials::directory();
        let ready = directory.path().join("ready");
        fifo(&ready);
        let script = format!(
            "trap '' TERM; echo > {}; while :; do sleep 600; done",
            ready.display()
        );
        let mut deaf = Process::spawn(shell(&script)).unwrap();
        let _ = tokio::task::spawn_blocking(move || std::fs::read(ready))
            .await
            .unwrap();
        let status = deaf.terminate(Duration::from_millis(50)).await.unwrap();
        assert_eq!(status.signal(), Some(9));
        assert_eq!(deaf.try_wait().unwrap(), Some(status));
    });
}

#[test]
fn the_rest_of_the_group_ends_with_its_leader() {
    let directory = trials::directory();
    let path = directory.path().join("pid");
    fifo(&path);
    block_on(async {
        // The leader ends at once; its child would sleep for ten minutes.
        let script = format!("sleep 600 & echo $! > {}", path.display());
        let mut process = Process::spawn(shell(&script)).unwrap();
        let child = tokio::task::spawn_blocking(move || std::fs::read_to_string(path))
            .await
            .unwrap();
        let child: u32 = child.unwrap().trim().parse().unwrap();
        assert!(process.wait().await.unwrap().success());
        assert!(wait_gone(child, PATIENCE).await.unwrap());
    });
}

#[test]
fn signals_reach_the_process_alone() {
    block_on(async {
        let directory = trials::directory();
        let ready = directory.path().join("ready");
        fifo(&ready);
        let script = format!(
            "trap 'exit 7' USR1; echo > {}; while :; do sleep 0.01; done",
            ready.display()
        );
        let mut process = Process::spawn(shell(&script)).unwrap();
        let _ = tokio::task::spawn_blocking(move || std::fs::read(ready))
            .await
            .unwrap();
        assert_eq!(process.try_wait().unwrap(), None);
        process.signal(Signal::USR1).unwrap();
        assert_eq!(process.wait().await.unwrap().code(), Some(7));
        // It has ended and does not mind.
        process.signal(Signal::USR1).unwrap();

        let mut other = Process::spawn(Spawn::new("/bin/sleep").args(["600"])).unwrap();
        assert!(
            !wait_gone(other.pid(), Duration::from_millis(10))
                .await
                .unwrap()
        );
        signal(other.pid(), Signal::TERM).unwrap();
        assert!(wait_gone(other.pid(), PATIENCE).await.unwrap());
        assert_eq!(other.wait().await.unwrap().signal(), Some(15));
        assert!(wait_gone(other.pid(), PATIENCE).await.unwrap());
    });
}

#[test]
fn only_children_are_adopted() {
    block_on(async {
        // Process 1 is there, and nobody's child of ours; pids end below 2^22 (`proc(5)`, pid_max).
        for stranger in [0, 1, 1 << 22, u32::MAX] {
            let error = Process::adopt(stranger).unwrap_err();
            assert!(matches!(error, Error::NotOurChild { .. }), "{error:?}");
        }
        let process = Process::spawn(shell("exit 4")).unwrap();
        let pid = process.pid();
        // Not dropped: that would reap it, if it has ended already.
        std::mem::forget(process);
        let mut adopted = Process::adopt(pid).unwrap();
        assert_eq!(adopted.wait().await.unwrap().code(), Some(4));
        assert!(matches!(
            Process::adopt(pid),
            Err(Error::NotOurChild { .. })
        ));
    });
}

#[test]
fn a_worker_outlives_its_supervisors_execution_in_place_and_is_adopted() {
    let directory = trials::directory();
    let root = directory.path().to_str().unwrap();
    fifo(&directory.path().join("orders"));
    let mut supervisor = Trial::start(&["supervise", root], &[]);
    let mut lines = [supervisor.line(), supervisor.line()];
    lines.sort();
    let worker: u32 = lines[0].strip_prefix("adopted ").unwrap().parse().unwrap();
    assert_eq!(lines[1], "working");
    assert!(exists(worker));
    std::fs::OpenOptions::new()
        .write(true)
        .open(directory.path().join("orders"))
        .unwrap();
    assert_eq!(supervisor.line(), "worker: signal: 15 (SIGTERM)");
    assert!(supervisor.child.wait().unwrap().success());
    assert!(!exists(worker));
}

#[test]
fn a_worker_dies_with_its_supervisor_also_after_an_execution_in_place() {
    let directory = trials::directory();
    let root = directory.path().to_str().unwrap();
    fifo(&directory.path().join("orders"));
    let mut supervisor = Trial::start(&["supervise", root], &[]);
    let mut lines = [supervisor.line(), supervisor.line()];
    lines.sort();
    let worker: u32 = lines[0].strip_prefix("adopted ").unwrap().parse().unwrap();
    supervisor.kill();
    assert!(block_on(wait_gone(worker, PATIENCE)).unwrap());
}

#[test]
fn an_orphan_notices_that_it_is_one() {
    let finished = trials::run(&["work", "1"], &[]);
    assert!(finished.output.contains("Orphaned"), "{}", finished.output);
}

#[test]
fn a_program_is_executed_in_place_by_the_main_thread_only() {
    // Tests run on threads of their own. If it were executed, this test would fail with it.
    let error = lockstep_host::lock::exec_in_place(Path::new("/bin/false"), [""; 0]);
    assert!(error.to_string().contains("main thread"), "{error}");
}

#[test]
fn a_fault_takes_the_partner_along() {
    let directory = trials::directory();
    let root = directory.path().to_str().unwrap();
    fifo(&directory.path().join("orders"));
    for fault in [
        "worker:old worker stopped:1",
        "worker:old worker stopped:1:powercut",
    ] {
        let mut supervisor = Trial::start(&["partners", root], &[("LOCKSTEP_FAULT", fault)]);
        assert_eq!(
            supervisor.child.wait().unwrap().signal(),
            Some(9),
            "{fault}"
        );
        assert_eq!(supervisor.line(), "", "{fault}");
    }
}
