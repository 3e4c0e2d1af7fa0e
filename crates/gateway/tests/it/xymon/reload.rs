//! The files of an installation, while they change.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::world::{Server, Setup};

const REPORT: &str = "client www,example,org.linux linux\n[date]\nx\n";

/// Asks until the answer is what it should be; how long that took.
async fn until(server: &Server, expected: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let answer = server.say(REPORT).await;
        if answer == expected {
            return begun.elapsed();
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "still {answer:?}, not {expected:?}"
        );
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_change_counts_at_once_when_told_and_soon_when_not() {
    let setup = Setup {
        local: "[linux]\none\n",
        ..Setup::default()
    };
    let server = setup.start().await;
    until(&server, "one\n").await;
    server.write("etc/client-local.cfg", "[linux]\ntwo\n");
    assert_eq!(server.say(REPORT).await, "one\n", "nobody told it yet");
    server.reload.notify_waiters();
    let told = until(&server, "two\n").await;
    assert!(told < Duration::from_secs(1), "{told:?}");
    // A host that comes into hosts.cfg is a stranger no more.
    let report = REPORT.replace("www,", "new,");
    assert_eq!(server.say(&report).await, "");
    let hosts = "127.0.0.1 www.example.org # CLASS:web\n10.0.0.9 new.example.org\n";
    server.write("etc/hosts.cfg", hosts);
    server.reload.notify_one();
    let begun = Instant::now();
    while server.say(&report).await != "two\n" {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "still a stranger"
        );
    }

    let setup = Setup {
        local: "[linux]\none\n",
        keys: "reload = \"100ms\"",
        ..Setup::default()
    };
    let server = setup.start().await;
    until(&server, "one\n").await;
    server.write("etc/client-local.cfg", "[linux]\ntwo\n[web]\nweb\n");
    until(&server, "web\n").await;
}

#[tokio::test]
async fn another_class_has_another_section_at_once() {
    let setup = Setup {
        hosts: "127.0.0.1 www.example.org\n",
        local: "[class=a]\nA\n[class=b]\nB\n[linux]\nL\n",
        ..Setup::default()
    };
    let server = setup.start().await;
    for (class, expected) in [("a", "A\n"), ("b", "B\n"), ("", "L\n")] {
        let report = format!("client www,example,org.linux {class}\n[date]\nx\n");
        assert_eq!(server.say(&report).await, expected);
    }
    let submitted = "clientsubmit www,example,org.linux a\n[uptime]\n 10:00:00 up 1 day,  1 user,  load average: 1, 1, 1\n";
    assert_eq!(server.say(submitted).await, "");
    assert!(
        server
            .samples("www.example.org")
            .iter()
            .any(|it| it.starts_with("uptime ")),
        "it was heard"
    );
}
