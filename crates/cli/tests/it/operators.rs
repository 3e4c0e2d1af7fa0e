//! What an operator does from the command line, against a real server.

use crate::candidate::Candidate;
use crate::world::{World, eventually};

#[test]
fn a_removed_host_is_refused_on_its_next_request_and_can_be_enrolled_anew() {
    let world = World::start();
    let mut host = world.host("web1");
    world.must(&["host", "remove", "web1"]);
    eventually("it is refused", || {
        let status = host.status(&world).unwrap_or_default();
        status["worker"]["link"] == "refused" && status["worker"]["status"] == 401
    });
    assert_eq!(
        world
            .json(&["host", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        0
    );
    host.kill();
    world.enroll("web1");
    host.start();
    eventually("it reports again", || {
        world.reported_version("web1").as_deref() == Some("1.0.0")
    });
}

#[test]
fn updates_switched_off_for_the_fleet_hold_every_host() {
    let world = World::start();
    let host = world.host("web1");
    world.must(&["server", "updates", "off"]);
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    eventually("the host says why it stays", || {
        host.status(&world).unwrap_or_default()["worker"]["hold"]["hold"] == "off-there"
    });
    world.must(&["server", "updates", "on"]);
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
}

#[test]
fn an_agent_outside_of_the_policy_can_still_update() {
    let world = World::start_with("agents = \">=2.0\"");
    let mut host = world.provision("old1");
    host.start();
    eventually("it is told to upgrade", || {
        let status = host.status(&world).unwrap_or_default();
        status["worker"]["link"] == "refused" && status["worker"]["status"] == 426
    });
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    eventually("it is welcome with the version wanted", || {
        world.reported_version("old1").as_deref() == Some("2.0.0")
    });
    assert_eq!(host.current(), "2.0.0");
}

#[test]
fn no_downloads_at_all_hold_the_update_but_nothing_else() {
    let world = World::start_with("downloads = 0");
    let host = world.host("web1");
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    eventually("the host says what it waits for", || {
        let status = host.status(&world).unwrap_or_default();
        status["worker"]["waits"]
            .as_str()
            .is_some_and(|waits| waits.contains("403"))
    });
    assert_eq!(host.current(), "1.0.0");
    assert_eq!(
        world.reported_version("web1").as_deref(),
        Some("1.0.0"),
        "it goes on reporting"
    );
}

#[test]
fn a_fleet_goes_on_with_the_server_that_was_restored_from_a_backup() {
    let mut world = World::start();
    let host = world.host("web1");
    world.publish("2.0.0", Candidate::Good);
    world.must(&[
        "server",
        "backup",
        "backup.tar.zst",
        "--config",
        "server.toml",
        "--data",
        "server",
    ]);
    world.kill_server();
    std::fs::rename(world.path("server"), world.path("lost")).unwrap();
    world.must(&[
        "server",
        "restore",
        "backup.tar.zst",
        "--config",
        "server.toml",
        "--data",
        "server",
    ]);
    let again = world.run(&[
        "server",
        "restore",
        "backup.tar.zst",
        "--config",
        "server.toml",
        "--data",
        "server",
    ]);
    assert!(
        !again.status.success(),
        "a server's data are never overwritten"
    );
    world.start_server();
    world.promote("2.0.0");
    assert_eq!(world.finished_run("web1", "2.0.0")["outcome"], "done");
    assert_eq!(host.current(), "2.0.0");
}

#[test]
fn wrong_use_and_missing_rights_have_exit_codes_of_their_own() {
    let world = World::start();
    assert_eq!(
        world.run(&["release", "promote"]).status.code(),
        Some(2),
        "used wrongly"
    );
    assert_eq!(
        world.run(&["rollout", "show", "99"]).status.code(),
        Some(1),
        "not there"
    );
    for wrong in [
        &["host", "list", "--level", "bogus"][..],
        &["host", "list", "--group", ""],
        &["event", "list", "--level", "bogus"],
        &["problems", "--level", "bogus"],
        &["problems", "--at", "6h", "--host", "web*"],
    ] {
        assert_eq!(world.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(
        world.run(&["release", "behind", "typo"]).status.code(),
        Some(1),
        "nobody knows it"
    );
    // A monitor is never told that all is well by a mistake, nor that something is wrong.
    let plugin = |options: &[&str]| {
        let ended = world.run(&[&["problems", "--plugin"], options].concat());
        let said = String::from_utf8(ended.stdout).unwrap();
        let word = said.split(':').next().unwrap().to_owned();
        (ended.status.code(), word)
    };
    let nothing = (Some(3), "UNKNOWN".to_owned());
    assert_eq!(plugin(&["--group", "web"]), nothing, "no fleet file yet");
    let fleet = "[group.web]\nhosts = [\"web*\"]\n";
    std::fs::write(world.path("server/fleet.toml"), fleet).unwrap();
    world.must(&["fleet", "reload"]);
    assert_eq!(plugin(&["--group", "web"]), (Some(0), "OK".into()));
    for wrong in [
        ["--group", "wbe"],
        ["--group", ""],
        ["--host", "wbe1"],
        ["--level", "bogus"],
        ["--at", "6h"],
        ["--server", "https://127.0.0.1:1"],
    ] {
        assert_eq!(plugin(&wrong), nothing, "{wrong:?}");
    }
    assert_eq!(plugin(&["--host", "wbe*"]), (Some(0), "OK".into()));
    let gone = world.run(&["event", "list", "--group", "wbe"]);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
    let text = std::fs::read_to_string(world.path("server/operator.toml")).unwrap();
    let forged = text.lines().map(|line| {
        if line.starts_with("token") {
            "token = \"lso1.aaaaaaaa.bbbbbbbb\"\n".into()
        } else {
            format!("{line}\n")
        }
    });
    std::fs::write(world.path("forged.toml"), forged.collect::<String>()).unwrap();
    let refused = world.run(&["--help"]);
    assert!(refused.status.success());
    let forged = world.path("forged.toml").display().to_string();
    let refused = world.run(&["host", "list", "--operator", &forged]);
    assert_eq!(refused.status.code(), Some(3), "refused: {refused:?}");
}

#[test]
fn a_fleet_on_postgresql_survives_a_server_that_is_killed_in_the_middle_of_a_rollout() {
    let postgres = lockstep_testkit::Postgres::start().unwrap();
    let url = postgres.fresh_database().unwrap();
    let mut world = World::start_with(&format!("database = {url:?}"));
    let status = world.json(&["server", "status", "--json"]);
    assert_eq!(status["database"], "postgres", "{status}");
    let hosts = ["web1", "web2", "web3"].map(|name| world.host(name));
    world.publish("2.0.0", Candidate::Good);
    world.promote("2.0.0");
    eventually("a host is on its way", || {
        hosts
            .iter()
            .any(|host| host.journal()["step"]["step"] == "trial")
    });
    world.kill_server();
    world.start_server();
    world.rollout_becomes("2.0.0", "done");
    for host in &hosts {
        eventually("every host is there", || {
            world.reported_version(&host.name).as_deref() == Some("2.0.0")
        });
        assert_eq!(host.current(), "2.0.0");
    }
    let done = world.json(&["run", "list", "--json"]);
    assert_eq!(
        done.as_array().unwrap().len(),
        3,
        "each host made one run: {done}"
    );
}

#[test]
fn a_certificate_is_renewed_before_it_ends() {
    let world = World::start_with("certificates = { valid = \"60s\" }");
    let mut host = world.provision("web1");
    let path = host.root.join("var/lib/lockstep/identity/certificate.pem");
    let first = std::fs::read(&path).unwrap();
    host.start();
    eventually("the certificate is another one", || {
        std::fs::read(&path).unwrap() != first
    });
    let last_seen = || world.json(&["host", "show", "web1", "--json"])["last_seen"].clone();
    let then = last_seen();
    eventually("it goes on reporting with the new one", || {
        last_seen() != then
    });
    assert!(host.log().contains("the certificate was renewed"));
}
