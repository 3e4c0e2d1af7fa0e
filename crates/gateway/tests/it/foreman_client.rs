//! foreman_dlm_updater as it is on PyPI, against the gateway. It runs as root, because it runs root's scripts only.

use std::process::Output;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::process::Child;

use crate::desk::Desk;
use crate::foreman::{served, server};
use crate::tls::{Authority, Leaf, Secure};
use crate::updater::{Home, Time, ended, start};

/// A host with the updater.
struct Host {
    home: Home,
}

impl Host {
    /// One that shows this certificate, or none of the authority's.
    fn new(server: &Secure, leaf: &Leaf) -> Self {
        let home = Home::new();
        let (cert, key) = leaf.write(home.dir(), "client");
        std::fs::write(home.path("ca.pem"), &server.ca.pem).unwrap();
        let mut config = format!(
            "[main]\nlogretention = 3\nloglevel = DEBUG\nlock_name = db\nforeman_url = {}\nclient_crt = {}\nclient_key = {}\n",
            // With a slash at its end, as many have it.
            format_args!("{}/", server.url()),
            cert.display(),
            key.display(),
        );
        for (key, file) in [
            ("log", "log"),
            ("lock", "pid"),
            ("state", "state"),
            ("ca", "ca.pem"),
            ("reboot_cmd", "reboot"),
            ("needs_update.d", "needs_update.d"),
            ("pre_update.d", "pre_update.d"),
            ("update.d", "update.d"),
            ("needs_reboot.d", "needs_reboot.d"),
            ("post_update.d", "post_update.d"),
        ] {
            config += &format!("{key} = {}\n", home.path(file).display());
        }
        std::fs::write(home.path("config.ini"), config).unwrap();
        Self { home }
    }

    fn start(&self, time: Time, more: &[&str]) -> Child {
        let config = self.home.path("config.ini").display().to_string();
        let mut arguments = vec!["--cfg", &config];
        arguments.extend(more);
        start("foreman_dlm_updater", time, &arguments)
    }

    async fn run(&self, more: &[&str]) -> Output {
        ended(self.start(Time::AsItGoes, more)).await
    }

    /// Runs it and says how it ended.
    async fn code(&self, more: &[&str]) -> i32 {
        self.run(more).await.status.code().unwrap()
    }
}

async fn world() -> (Arc<Desk>, Secure, Host) {
    let (desk, secure) = served().await;
    let host = Host::new(&secure, &secure.ca.host("Host1.example.com"));
    (desk, secure, host)
}

#[tokio::test]
async fn it_goes_through_all_stages_and_gives_the_lock_back() {
    let (desk, _secure, host) = world().await;
    assert_eq!(host.code(&[]).await, 0, "{}", host.home.log());
    assert_eq!(
        host.home.trace(),
        "needs_update pre_update update needs_reboot post_update"
    );
    assert_eq!(host.home.state(), None);
    assert_eq!(
        desk.done(),
        [
            "acquire db host1.example.com",
            "release db host1.example.com"
        ]
    );

    // Nothing to do: no lock is asked for.
    host.home.script("needs_update", "");
    assert_eq!(host.code(&[]).await, 0);
    assert_eq!(host.home.trace(), "needs_update");
    assert!(desk.done().is_empty() && host.home.state().is_none());
}

#[tokio::test]
async fn a_failure_and_a_restart_keep_the_lock_and_the_place_in_the_course() {
    let (desk, _secure, host) = world().await;
    let held = || desk.holders("db") == ["host1.example.com"];
    host.home.script("update", "exit 3");
    host.home.script("needs_reboot", "exit 1");
    assert_eq!(host.code(&[]).await, 1);
    assert_eq!(host.home.trace(), "needs_update pre_update update");
    assert_eq!(host.home.state().as_deref(), Some("update"));
    assert!(held());

    host.home.script("update", "");
    assert_eq!(host.code(&[]).await, 0);
    assert_eq!(host.home.trace(), "update needs_reboot reboot");
    assert_eq!(host.home.state().as_deref(), Some("post_update"));
    assert!(held());

    assert_eq!(host.code(&["--after_reboot"]).await, 0);
    assert_eq!(host.home.trace(), "post_update");
    assert!(!held() && host.home.state().is_none());

    // Freed by an operator and taken by another: the client learns that it is not its lock any more.
    let other = Host::new(&_secure, &_secure.ca.host("host2.example.com"));
    other.home.set_state("lock_get");
    other.home.script("update", "exit 1");
    assert_eq!(other.code(&[]).await, 1);
    assert_eq!(desk.holders("db"), ["host2.example.com"]);
    host.home.set_state("lock_release");
    assert_eq!(host.code(&[]).await, 1);
    assert_eq!(host.home.state().as_deref(), Some("lock_release"));
    assert_eq!(desk.holders("db"), ["host2.example.com"]);
}

#[tokio::test]
async fn the_second_waits_for_the_first_and_one_host_runs_it_once() {
    let (desk, secure, first) = world().await;
    let go = first.home.path("go");
    first.home.script(
        "update",
        &format!("until [ -e {} ]; do sleep 0.05; done", go.display()),
    );
    let running = first.start(Time::AsItGoes, &[]);
    first.home.logged("running_update scripts").await;

    let again = first.run(&[]).await;
    assert_eq!(again.status.code(), Some(1));
    let words = String::from_utf8_lossy(&again.stderr);
    assert!(words.contains("Already running"), "{words}");

    // It sleeps for a minute between two attempts.
    let second = Host::new(&secure, &secure.ca.host("host2.example.com"));
    let waiting = second.start(Time::Fast, &[]);
    second.home.logged("could not acquire lock, sleeping").await;
    assert!(
        second
            .home
            .log()
            .contains("db is held by host1.example.com")
    );
    std::fs::write(&go, "").unwrap();
    let (first_end, second_end) = tokio::join!(ended(running), ended(waiting));
    assert!(first_end.status.success() && second_end.status.success());
    assert_eq!(
        desk.done(),
        [
            "acquire db host1.example.com",
            "release db host1.example.com",
            "acquire db host2.example.com",
            "release db host2.example.com",
        ]
    );
}

#[tokio::test]
async fn who_is_not_believed_ends_in_front_of_the_lock() {
    let (desk, secure, _) = world().await;
    let strangers = [
        secure.ca.host("host9.example.com"),
        Authority::new("another authority").host("host1.example.com"),
    ];
    let hosts: Vec<Host> = strangers
        .iter()
        .map(|leaf| Host::new(&secure, leaf))
        .collect();
    join_all(hosts.iter().map(|host| async {
        assert_eq!(host.code(&[]).await, 1);
        assert_eq!(host.home.state().as_deref(), Some("lock_get"));
        let log = host.home.log();
        assert!(log.contains("could not acquire lock: {'error'"), "{log}");
        assert!(log.contains("Unable to authenticate user host"), "{log}");
    }))
    .await;
    assert!(desk.done().is_empty());
}

#[tokio::test]
async fn after_a_restart_only_its_own_run_goes_on() {
    let (desk, _) = server();
    let secure = Secure::serve(lockstep_gateway::foreman::routes(
        crate::foreman::config(),
        Arc::clone(&desk),
    ))
    .await;
    let leaf = secure.ca.host("host1.example.com");
    let states = ["lock_get", "update", "reboot", "lock_release", "nonsense"];
    join_all(states.map(|state| {
        let host = Host::new(&secure, &leaf);
        host.home.set_state(state);
        async move {
            assert_eq!(host.code(&["--after_reboot"]).await, 0);
            assert_eq!(host.home.state().as_deref(), Some(state));
            assert_eq!(host.home.trace(), "");
        }
    }))
    .await;
    assert!(desk.done().is_empty());
}
