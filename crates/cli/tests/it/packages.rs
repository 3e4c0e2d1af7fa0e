//! One package kept current: the real program and the real apt below a private root, with a signed repository.

mod fleet;
mod place;
mod web;

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use crate::world::eventually;
use place::{Deb, Place, deb, ended, put};

/// The version that the journal waits to bring, and until when.
fn moment(place: &Place) -> Option<String> {
    let journal = place.journal();
    let until = journal["step"]["until"].as_str()?;
    (journal["step"]["step"] == "spread" && !journal["waiting"].is_null()).then(|| until.into())
}

#[test]
fn a_fresh_machine_gets_repository_key_and_package_at_once() {
    let place = Place::new();
    place.repository.publish(&[deb("1.20.3")]);
    place.repository.says("1.20.3\n");
    let (root, url) = (&place.root, place.repository.web.url());
    std::fs::remove_dir(root.join("var/cache/driveclient")).unwrap();

    let words = ended(&place.call(&["-r", &url]), 1);
    assert!(words.contains("--key FILE, or use https"), "{words}");
    ended(&place.call(&["-i", "x"]), 2);
    ended(&place.call(&["-i", "0"]), 2);
    ended(&place.call(&["--unknown"]), 2);
    assert!(place.must(&["-h"]).contains("-r, --repository"));
    assert_eq!(place.repository.asked(), 0);

    let key = place.talk.join("key.asc");
    put(&key, &place.repository.key);
    let pid = place.talk.join("daemon.pid");
    // Left behind by one that was killed, and by nobody who lives.
    put(&pid, "4194305\n");
    let (key, pid_file) = (key.to_str().unwrap(), pid.to_str().unwrap());
    let log = place.talk.join("own.log");
    let args = [
        "-r",
        &url,
        "--key",
        key,
        "-p",
        pid_file,
        "-l",
        log.to_str().unwrap(),
        "-i",
        "60",
    ];
    let mut daemon = place.daemon("daemon.log", &args);
    eventually("the package is installed without delay", || {
        place.installed().as_deref() == Some("1.20.3")
    });
    assert!(
        root.join("etc/apt/sources.list.d/lockstep-driveclient.sources")
            .exists()
    );
    assert!(
        root.join("etc/apt/keyrings/lockstep-driveclient.asc")
            .exists()
    );
    assert_eq!(
        std::fs::read_to_string(&pid).unwrap().trim(),
        daemon.pid().to_string()
    );

    let words = ended(
        &place.call(&["-d", "-r", &url, "--key", key, "-p", pid_file]),
        1,
    );
    assert!(words.contains("another daemon is at it"), "{words}");
    assert!(!daemon.is_over());
    daemon.says("a run ended");
    assert_eq!(daemon.terminate(), Some(0));
    assert!(!pid.exists(), "the pid file is removed");
    assert!(daemon.log().contains("ended package=driveclient"));
    assert!(
        std::fs::read_to_string(log)
            .unwrap()
            .contains("driveclient")
    );
    assert_eq!(place.told(), [""; 0], "there was nothing to stop");
}

#[test]
fn what_is_outdated_is_upgraded_and_what_is_current_or_held_is_left() {
    let two = Deb {
        conffile: "the vendor's new one\n",
        ..deb("2")
    };
    let place = Place::with(deb("1"), &[two]);
    let config = place.root.join("etc/driveclient.conf");
    put(&config, "mine\n");
    place.service(true);
    assert!(place.must(&[]).contains("done"));
    assert_eq!(place.installed().as_deref(), Some("2"));
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "mine\n");
    assert_eq!(place.told(), ["stop", "start"]);
    assert!(place.runs());

    assert!(place.must(&[]).contains("nothing to do"));
    assert_eq!(place.told(), ["stop", "start"]);
    assert_eq!(place.ended("done"), 2);

    // One that does not run is not started, whatever its package thinks of that.
    let starts = format!("touch {}", place.talk.join("running").display());
    place.repository.publish(&[Deb {
        postinst: &starts,
        ..deb("3")
    }]);
    place.service(false);
    place.must(&[]);
    assert_eq!(place.installed().as_deref(), Some("3"));
    assert!(!place.runs());
    assert!(!place.told().contains(&"start".into()));

    place.repository.publish(&[deb("4")]);
    place.hold();
    assert!(place.must(&[]).contains("nothing to do"));
    assert_eq!(place.installed().as_deref(), Some("3"));
}

#[test]
fn the_service_runs_again_when_the_upgrade_fails_and_when_it_is_mended() {
    let bad = Deb {
        postinst: "echo the disk is on fire; exit 3",
        ..deb("2")
    };
    let place = Place::with(deb("1"), &[bad]);
    place.service(true);
    let words = ended(&place.call(&[]), 1);
    assert!(
        words.contains("stopped in phase apply") && words.contains("the disk is on fire"),
        "{words}"
    );
    assert_eq!(place.told(), ["stop", "start"]);
    assert!(place.runs());
    assert!(
        !place.idle_lock().exists(),
        "nobody knows when a person comes"
    );
    // Nothing goes on by itself.
    ended(&place.call(&[]), 1);
    assert_eq!(place.told(), ["stop", "start"]);

    let skip = place.call(&["--skip", "--why", "the vendor has another one"]);
    assert!(ended(&skip, 1).contains("the vendor has another one"));
    place.repository.publish(&[deb("3")]);
    place.must(&[]);
    assert_eq!(place.installed().as_deref(), Some("3"));
    assert_eq!(place.told(), ["stop", "start", "stop", "start"]);
    assert!(place.runs(), "also if what was there was not whole");
}

#[test]
fn a_program_that_is_at_work_is_waited_for_and_then_held_still() {
    let place = Place::new();
    let lock = place.idle_lock();
    let seen = place.talk.join("seen");
    let look = format!("stat -c %a {} > {}", lock.display(), seen.display());
    place.repository.publish(&[deb("1")]);
    place.configure("");
    place.must(&[]);
    place.repository.publish(&[Deb {
        postinst: &look,
        ..deb("2")
    }]);
    place.service(true);
    put(&lock, "pid 4711\n");
    let mut waits = place.start("waits.log", &["-v"]);
    waits.says("backup-running.lock has been there since");
    assert!(waits.log().contains("pid 4711"), "{}", waits.log());
    let why = place.journal()["waiting"]["why"].to_string();
    assert!(why.contains("remove it if nobody is at work"), "{why}");
    assert_eq!(place.installed().as_deref(), Some("1"));
    assert_eq!(place.told(), [""; 0], "nothing is stopped for nothing");

    // What another left behind stays, also when the waiting ends.
    assert_eq!(waits.terminate(), Some(0));
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "pid 4711\n");
    let mut waits = place.start("again.log", &["-v"]);
    waits.says("has been there since");
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(waits.code(), Some(0));
    assert_eq!(place.installed().as_deref(), Some("2"));
    assert_eq!(std::fs::read_to_string(&seen).unwrap(), "400\n");
    assert!(!lock.exists());
    assert_eq!(place.told(), ["stop", "start"]);
}

#[test]
fn one_that_was_killed_in_the_middle_is_finished_by_the_next() {
    let place = Place::new();
    let gate = place.gate();
    place.repository.publish(&[deb("1")]);
    place.configure("spread = \"none\"");
    place.must(&[]);
    place.repository.publish(&[Deb {
        postinst: &gate,
        ..deb("2")
    }]);
    place.service(true);
    let mut killed = place.daemon("killed.log", &[]);
    place.inside();
    // Beside it nobody else begins.
    let words = ended(&place.call(&[]), 3);
    assert!(words.contains("driveclient"), "{words}");
    let lock = std::fs::metadata(place.idle_lock()).unwrap();
    assert_eq!(lock.permissions().mode() & 0o777, 0o400);
    killed.signal(Signal::KILL);
    assert_eq!(killed.code(), None);
    assert!(!place.runs() && place.idle_lock().exists());

    place.go();
    let words = place.must(&[]);
    assert!(words.contains("done"), "{words}");
    assert_eq!(place.installed().as_deref(), Some("2"));
    assert!(place.runs() && !place.idle_lock().exists());
    assert_eq!(place.told().iter().filter(|it| *it == "start").count(), 1);
    assert_eq!(place.ended("done"), 2);
}

#[test]
fn a_daemon_waits_for_its_own_moment_and_a_person_does_not() {
    let place = Place::with(deb("1"), &[deb("2")]);
    place.service(true);
    // Long, so that the moment is not now by chance: it hangs on the name of this machine.
    let args = ["--spread", "30d:100%"];
    let mut daemon = place.daemon("first.log", &args);
    eventually("the daemon waits for its moment", || {
        moment(&place).is_some()
    });
    let until = moment(&place);
    daemon.says("this host's moment is");
    assert_eq!(daemon.terminate(), Some(0));
    let mut daemon = place.daemon("second.log", &args);
    daemon.says("going on with the run");
    assert_eq!(moment(&place), until, "the moment is drawn once");
    assert_eq!(place.installed().as_deref(), Some("1"));
    assert_eq!(place.told(), [""; 0]);

    // Whoever only goes on with it does not call its moment.
    place.must(&["--resume"]);
    assert_eq!(moment(&place), until);
    // Even if it was begun by another word: here is no file, but there was one.
    std::fs::remove_file(place.root.join("etc/lockstep/packages/driveclient.toml")).unwrap();
    place.must(&[]);
    assert_eq!(place.installed().as_deref(), Some("2"));
    assert_eq!(place.told(), ["stop", "start"]);
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(place.told(), ["stop", "start"]);
    assert_eq!(place.ended("done"), 2);
}

/// A weekday that is neither today nor near it, in UTC.
fn another_day() -> &'static str {
    let now = std::time::SystemTime::now();
    let seconds = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // The first day was a Thursday.
    ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][(seconds as usize / 86_400) % 7]
}

#[test]
fn hours_are_kept_by_whoever_goes_on_and_not_by_a_person() {
    let place = Place::with(deb("1"), &[deb("2")]);
    let hours = format!("{} 01:00-02:00", another_day());
    place.configure(&format!("spread = \"none\"\nhours = {hours:?}"));
    let mut daemon = place.daemon("daemon.log", &[]);
    daemon.says("it may begin");
    assert_eq!(daemon.terminate(), Some(0));
    let mut goes_on = place.start("resumed.log", &["--resume", "-v"]);
    goes_on.says("it may begin");
    assert_eq!(goes_on.terminate(), Some(0));
    assert_eq!(place.installed().as_deref(), Some("1"));
    place.must(&[]);
    assert_eq!(place.installed().as_deref(), Some("2"));
}

#[test]
fn what_was_superseded_while_the_host_waited_is_passed_over() {
    let place = Place::with(deb("1"), &[deb("2")]);
    let mut daemon = place.daemon("daemon.log", &["--spread", "30d:100%"]);
    eventually("the daemon waits for its moment", || {
        moment(&place).is_some()
    });
    assert_eq!(daemon.terminate(), Some(0));
    place.repository.publish(&[deb("3")]);
    place.repository.withdraw("2");
    place.must(&[]);
    assert_eq!(place.installed().as_deref(), Some("3"));
    assert_eq!(place.journal()["job"]["to"], "3");
}

#[test]
fn a_version_that_is_published_too_early_is_told_once() {
    let place = Place::with(deb("1.9-1"), &[]);
    let version = format!("{}/version.txt", place.repository.web.url());
    place.configure(&format!("published = {version:?}"));
    place.service(true);
    let asked = place.repository.asked();
    for (text, why) in [
        (None, "status 404"),
        (Some("not a version"), "not a version"),
        (Some("<html>"), "not a version"),
        (Some(""), "not a version"),
    ] {
        if let Some(text) = text {
            place.repository.says(text);
        }
        let words = ended(&place.call(&[]), 1);
        assert!(
            words.contains("/version.txt") && words.contains(why),
            "{words}"
        );
    }
    // What is there is what is published, whatever its packagers added.
    place.repository.says(" 1.9\n");
    assert!(place.must(&[]).contains("nothing to do"));
    assert_eq!(place.repository.asked(), asked, "no repository was asked");
    assert_eq!(place.told(), [""; 0]);

    let postponed = place.ended("postponed");
    for version in ["2.0", "2.1"] {
        place.repository.says(version);
        let words = ended(&place.call(&[]), 1);
        assert!(
            words.contains(version) && words.contains("1.9-1"),
            "{words}"
        );
        for _ in 0..2 {
            assert!(place.must(&[]).contains("nothing to do"));
        }
    }
    assert_eq!(
        place.ended("postponed"),
        postponed + 2,
        "one record for each"
    );
    assert_eq!(place.told(), [""; 0], "nothing is stopped for nothing");
    assert_eq!(place.repository.web.asked("/version.txt"), 11);

    // It is not forgotten either.
    place.repository.publish(&[deb("2.1-1")]);
    place.must(&[]);
    assert_eq!(place.installed().as_deref(), Some("2.1-1"));
    assert_eq!(place.told(), ["stop", "start"]);
    assert!(place.must(&[]).contains("nothing to do"));
}
