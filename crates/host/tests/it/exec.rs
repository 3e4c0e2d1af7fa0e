//! Commands end in time, whatever they do.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use lockstep_host::exec::{Exec, Finished, Keep};
use lockstep_host::process::{Signal, User, signal, wait_gone};

use super::trials::{self, PATIENCE, block_on, fifo, put};

fn shell(script: &str) -> Exec {
    Exec::new("/bin/sh", PATIENCE).args(["-c", script])
}

fn run(exec: Exec) -> Finished {
    block_on(exec.run()).unwrap()
}

#[test]
fn output_and_status_come_back() {
    let finished = run(shell("echo out; echo $A >&2; cat; pwd; exit 3")
        .env("A", "err")
        .cwd("/"));
    assert_eq!(finished.output, "out\nerr\n/\n");
    assert_eq!(finished.status.code(), Some(3));
    assert_eq!(finished.how(), "exit status: 3");
    assert!(!finished.succeeded() && !finished.timed_out);
    assert!(run(shell("true")).succeeded());
    assert_eq!(run(shell("kill -9 $$")).how(), "signal: 9 (SIGKILL)");
}

#[test]
fn a_flood_is_read_to_its_end_and_only_its_end_is_kept() {
    let mut flood = shell("yes 12345678 | head -c 20000000; echo end");
    flood.output_cap = 1000;
    let finished = run(flood);
    assert!(finished.succeeded());
    assert_eq!(finished.output.len(), 1000);
    assert!(finished.output.ends_with("end\n"));
    assert_eq!(finished.cut, 20_000_004 - 1000);
}

#[test]
fn the_beginning_can_be_kept_instead() {
    let mut flood = shell("echo first; yes 12345678 | head -c 2000000").keep(Keep::Beginning);
    flood.output_cap = 1000;
    let finished = run(flood);
    assert!(finished.succeeded() && finished.output.starts_with("first\n1234"));
    assert_eq!(finished.output.len(), 1000);
    assert_eq!(finished.cut, 2_000_006 - 1000);
}

#[test]
fn errors_can_be_kept_apart() {
    let finished = run(shell("echo warning >&2; echo out").errors_apart());
    assert_eq!(finished.output, "out\n");
    assert_eq!(finished.errors, "warning\n");
    // Neither pipe makes the command wait.
    let flood = "yes | head -c 200000 >&2; yes | head -c 200000; echo end";
    let finished = run(shell(flood).errors_apart());
    assert!(finished.succeeded() && finished.output.ends_with("end\n"));
    assert_eq!(finished.errors.len(), 4096);
}

#[test]
fn the_environment_can_be_withheld() {
    let env = Exec::new("/usr/bin/env", PATIENCE);
    assert!(run(env.clone()).output.contains("PATH="));
    assert_eq!(run(env.clear_env().env("A", "1")).output, "A=1\n");
}

#[test]
fn it_runs_as_another_user_or_not_at_all() {
    let id = shell("id -u; id -g; id -G").user(User {
        uid: 65_534,
        gid: 65_534,
    });
    if rustix::process::geteuid().is_root() {
        assert_eq!(run(id).output, "65534\n65534\n65534\n");
    } else {
        let error = block_on(id.run()).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("not permitted"), "{source}");
    }
}

#[test]
fn one_that_hangs_is_killed_with_all_of_its_group() {
    let directory = trials::directory();
    let pid = directory.path().join("pid");
    let script = format!(
        "echo begun; sleep 600 & echo $! > {}; sleep 600",
        pid.display()
    );
    let mut hanging = shell(&script);
    // Long enough for a busy machine to get to the second sleep, and nothing depends on it.
    hanging.timeout = Duration::from_secs(1);
    let finished = run(hanging);
    assert!(finished.timed_out && !finished.succeeded());
    assert_eq!(finished.status.signal(), Some(9));
    assert_eq!(finished.output, "begun\n");
    assert!(
        finished.how().starts_with("killed after 1."),
        "{}",
        finished.how()
    );
    let pid = std::fs::read_to_string(pid)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(block_on(wait_gone(pid, PATIENCE)).unwrap());
}

#[test]
fn a_grandchild_that_holds_the_output_is_killed() {
    let directory = trials::directory();
    let pid = directory.path().join("pid");
    let finished = run(shell(&format!(
        "sleep 600 & echo $! > {}; echo said",
        pid.display()
    )));
    assert!(finished.succeeded());
    assert_eq!(finished.output, "said\n");
    assert!(finished.duration < PATIENCE / 2, "{:?}", finished.duration);
    let pid = std::fs::read_to_string(pid)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(block_on(wait_gone(pid, PATIENCE)).unwrap());
}

#[test]
fn a_grandchild_that_floods_is_killed_too() {
    let finished = run(shell("yes & exit 0"));
    assert!(finished.succeeded());
    assert!(finished.duration < PATIENCE / 2, "{:?}", finished.duration);
}

#[test]
fn a_grandchild_that_left_the_group_does_not_hold_anybody_up() {
    let directory = trials::directory();
    let pid = directory.path().join("pid");
    let script = format!("setsid sleep 600 & echo $! > {}; echo said", pid.display());
    let finished = run(shell(&script));
    assert!(finished.succeeded());
    assert_eq!(finished.output, "said\n");
    assert!(finished.duration < PATIENCE / 2, "{:?}", finished.duration);
    let pid: u32 = std::fs::read_to_string(pid)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    signal(pid, Signal::KILL).unwrap();
}

#[test]
fn a_service_that_holds_nothing_goes_on() {
    let directory = trials::directory();
    let (pid, ready) = (directory.path().join("pid"), directory.path().join("ready"));
    fifo(&ready);
    let (pid_path, ready) = (pid.display(), ready.display());
    // It says that it is ready when its output goes elsewhere.
    let service = format!("sh -c 'echo > {ready}; exec sleep 600' > /dev/null 2>&1 &");
    let script = format!("{service} echo $! > {pid_path}; read nothing < {ready}");
    assert!(run(shell(&script)).succeeded());
    let pid: u32 = std::fs::read_to_string(pid)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(!block_on(wait_gone(pid, Duration::from_millis(10))).unwrap());
    signal(pid, Signal::KILL).unwrap();
}

#[test]
fn one_that_nobody_waits_for_is_killed() {
    let directory = trials::directory();
    let pid = directory.path().join("pid");
    fifo(&pid);
    block_on(async {
        let running = shell(&format!("echo $$ > {}; sleep 600", pid.display())).run();
        let started = tokio::task::spawn_blocking(move || std::fs::read_to_string(pid).unwrap());
        let pid: u32 = tokio::select! {
            ended = running => panic!("{ended:?}"),
            pid = started => pid.unwrap().trim().parse().unwrap(),
        };
        assert!(wait_gone(pid, PATIENCE).await.unwrap());
        // Reaped, too: a zombie would still be listed.
        while Path::new(&format!("/proc/{pid}")).exists() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn what_cannot_be_started_is_explained() {
    let words = |exec: Exec| {
        let error = block_on(exec.run()).unwrap_err();
        format!("{error}: {}", std::error::Error::source(&error).unwrap())
    };
    let missing = words(Exec::new("/no/such/program", PATIENCE));
    assert!(
        missing.starts_with("cannot start /no/such/program: No such file"),
        "{missing}"
    );

    let directory = trials::directory();
    let script = directory.path().join("script");
    put(&script, "#!/no/such/interpreter\n");
    let denied = words(Exec::new(&script, PATIENCE));
    assert!(denied.contains("denied"), "{denied}");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let interpreter = words(Exec::new(&script, PATIENCE));
    assert!(interpreter.contains("interpreter"), "{interpreter}");
}
