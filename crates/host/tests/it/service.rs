//! Services and restarts, with tools that only pretend.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lockstep_host::Error;
use lockstep_host::process::{Signal, signal, wait_gone};
use lockstep_host::reboot::{self, reboot};
use lockstep_host::service::{Manager, Service, ServiceState};

use super::trials::{self, PATIENCE, block_on};

fn tool(dir: &Path, body: &str) -> PathBuf {
    let path = dir.join("tool");
    trials::put(&path, format!("#!/bin/sh\n{body}\n"));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

fn systemd(dir: &Path, body: &str) -> Service {
    let systemctl = tool(dir, body);
    Service::new("cron.service", Manager::Systemd { systemctl }).unwrap()
}

fn sysv(dir: &Path, body: &str) -> Service {
    let scripts = dir.join("init.d");
    trials::put(scripts.join("cron"), "");
    let service = tool(dir, body);
    Service::new("cron", Manager::SysV { service, scripts }).unwrap()
}

#[test]
fn the_manager_is_the_one_that_started_the_machine() {
    let directory = trials::directory();
    assert!(matches!(
        Manager::of(directory.path()),
        Manager::SysV { .. }
    ));
    std::fs::create_dir_all(directory.path().join("run/systemd/system")).unwrap();
    assert!(matches!(
        Manager::of(directory.path()),
        Manager::Systemd { .. }
    ));
}

#[test]
fn an_option_is_not_a_service() {
    for name in ["--force", "", "a b", "../cron", "cron\n"] {
        let manager = Manager::of(Path::new("/"));
        let error = Service::new(name, manager).unwrap_err();
        assert!(matches!(error, Error::ServiceName { .. }), "{error:?}");
    }
}

#[test]
fn systemctl_is_asked() {
    let directory = trials::directory();
    let log = directory.path().join("log");
    let say = format!("echo \"$@\" >> {}", log.display());
    let of = |load: &str, active: &str| {
        let show = format!("{say}\necho LoadState={load}; echo ActiveState={active}");
        block_on(systemd(directory.path(), &show).is_active(PATIENCE)).unwrap()
    };
    assert_eq!(of("loaded", "active"), ServiceState::Active);
    assert_eq!(of("loaded", "inactive"), ServiceState::Inactive);
    assert_eq!(of("loaded", "failed"), ServiceState::Failed);
    assert_eq!(of("not-found", "inactive"), ServiceState::Unknown);

    let service = systemd(directory.path(), &say);
    std::fs::remove_file(&log).unwrap();
    block_on(async {
        service.stop(PATIENCE).await.unwrap();
        service.start(PATIENCE).await.unwrap();
        service.restart(PATIENCE).await.unwrap();
        // It said nothing of the state.
        assert!(matches!(
            service.is_active(PATIENCE).await,
            Err(Error::Service { .. })
        ));
    });
    let asked = std::fs::read_to_string(log).unwrap();
    let wanted = [
        "--no-ask-password stop -- cron.service",
        "--no-ask-password start -- cron.service",
        "--no-ask-password restart -- cron.service",
        "show --property=LoadState,ActiveState -- cron.service",
    ];
    assert_eq!(asked.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn a_refusal_is_told_with_its_words() {
    let directory = trials::directory();
    let service = systemd(directory.path(), "echo Unit is masked. >&2; exit 5");
    let error = block_on(service.start(PATIENCE)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start the service cron.service: exit status: 5 (Unit is masked.)"
    );
    let error = block_on(service.is_active(PATIENCE)).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("exit status: 5 (Unit is masked.)"),
        "{error}"
    );
}

#[test]
fn a_manager_that_hangs_is_not_waited_for() {
    let directory = trials::directory();
    let limit = Duration::from_millis(300);
    let services = [systemd, sysv].map(|of| of(directory.path(), "sleep 600"));
    for service in services {
        let error = block_on(service.stop(limit)).unwrap_err();
        assert!(error.to_string().contains("killed after 0.3 s"), "{error}");
        let error = block_on(service.is_active(limit)).unwrap_err();
        assert!(error.to_string().contains("killed after 0.3 s"), "{error}");
    }
}

#[test]
fn scripts_of_system_v_answer_by_their_status() {
    let directory = trials::directory();
    let of = |code: i32| {
        let service = sysv(
            directory.path(),
            &format!("[ \"$*\" = 'cron status' ] && exit {code}"),
        );
        block_on(service.is_active(PATIENCE))
    };
    assert_eq!(of(0).unwrap(), ServiceState::Active);
    assert_eq!(of(1).unwrap(), ServiceState::Failed);
    assert_eq!(of(2).unwrap(), ServiceState::Failed);
    assert_eq!(of(3).unwrap(), ServiceState::Inactive);
    assert!(matches!(of(4), Err(Error::Service { .. })));

    let service = sysv(directory.path(), "exit 0");
    std::fs::remove_file(directory.path().join("init.d/cron")).unwrap();
    assert_eq!(
        block_on(service.is_active(PATIENCE)).unwrap(),
        ServiceState::Unknown
    );
    let error = block_on(sysv(directory.path(), "exit 6").start(PATIENCE)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start the service cron: exit status: 6"
    );
}

#[test]
fn a_daemon_that_keeps_its_output_lives() {
    let directory = trials::directory();
    let pid = directory.path().join("pid");
    let service = sysv(
        directory.path(),
        &format!("sleep 600 & echo $! > {}", pid.display()),
    );
    block_on(async {
        service.start(PATIENCE).await.unwrap();
        let pid = std::fs::read_to_string(pid)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        assert!(!wait_gone(pid, Duration::from_millis(1500)).await.unwrap());
        signal(pid, Signal::KILL).unwrap();
    });
}

fn command(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_command_that_restarts_tells_how_it_ended() {
    let run = |words: &[&str], limit| block_on(reboot(&command(words), limit));
    assert!(run(&["true"], reboot::LIMIT).unwrap().succeeded());
    let failed = run(&["sh", "-c", "echo no; exit 5"], reboot::LIMIT).unwrap();
    assert_eq!(
        (failed.status.code(), failed.output.as_str()),
        (Some(5), "no\n")
    );
    let hung = run(&["sleep", "600"], Duration::from_millis(300)).unwrap();
    assert!(hung.timed_out && !hung.succeeded());
    assert!(matches!(
        run(&[], reboot::LIMIT),
        Err(Error::NoCommand { .. })
    ));
    assert!(matches!(
        run(&["no-such-program"], reboot::LIMIT),
        Err(Error::Start { .. })
    ));
}
