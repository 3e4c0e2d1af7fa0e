//! Locks and packages, compiled.

use lockstep_model::{Capacity, Counts, Interval, Level, LockName, LockRule, PackageRule};
use lockstep_model::{PackageName, Spread};

use super::*;
use crate::keys::tests::KEY;

fn lock(name: &str) -> LockName {
    LockName::parse(name).unwrap()
}

const LOCKS: &str = r#"
    levels = ["gut", "naja", "krank", "schlimm", "tot"]
    [group.db]
    hosts = ["db1", "db2", "db3", "role=db"]
    [group.all]
    hosts = ["*"]
    [host.spare]
    labels = { role = "db" }
    [host.ups]
    via = "db1"
    items = ["ping"]
    [lock.db]
    capacity = 2
    group = "db"
    counts = ["holders", "silent", "running", ">= schlimm"]
    needs = ["1 of 2 of db gut", "2 of db naja or 60% of all"]
    lease = "2h"
    disabled = "until the storage is mended"
    [lock.share]
    capacity = "10%"
    counts = "> krank"
    needs = "1 of db"
    [lock.plain]
"#;

#[test]
fn a_lock_is_what_its_table_says() {
    let fleet = fleet(LOCKS);
    let rule = fleet.lock_rule(&lock("db"));
    assert_eq!(rule.capacity, Capacity::Number(2));
    assert_eq!(rule.group.as_deref(), Some("db"));
    let all = Counts {
        silent: true,
        running: true,
        level: Some(Level::CRITICAL),
    };
    assert_eq!(rule.counts, all);
    assert_eq!(rule.lease, Some(Interval::from_secs(7_200)));
    assert_eq!(
        rule.disabled.as_deref(),
        Some("until the storage is mended")
    );
    let words = lock_in_words(&rule, fleet.levels());
    assert_eq!(
        words["needs"],
        "1 of 2 of db gut, and 2 of db naja or 60% of all gut"
    );
    assert_eq!(words["counts"], "holders, silent, running, >= schlimm");
    let share = fleet.lock_rule(&lock("share"));
    assert_eq!(share.capacity, Capacity::Percent(10));
    assert_eq!(share.counts.level, Some(Level::CRITICAL));
    assert_eq!((share.counts.silent, share.needs.len()), (false, 1));
    for name in ["plain", "never-heard-of"] {
        assert_eq!(fleet.lock_rule(&lock(name)), LockRule::default());
    }
    let names = |locks: Vec<&LockName>| {
        let names = locks.into_iter().map(LockName::as_str);
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(fleet.lock_names()), "db plain share");
    assert_eq!(names(fleet.locks_of(&host("spare"))), "db plain share");
    assert_eq!(names(fleet.locks_of(&host("web1"))), "plain share");
    assert_eq!(names(fleet.locks_of(&host("ups"))), "");
}

/// What cannot be told is not refused: hosts of patterns, and conditions that hold as soon as someone else asks.
#[test]
fn conditions_that_may_hold_are_taken() {
    let hosts = |needs: &str, capacity: &str| {
        let text = format!(
            "[group.db]\nhosts = [\"db1\", \"db2\", \"db3\"]\n[group.lb]\nhosts = [\"lb1\", \"db1\"]\n\
             [group.web]\nhosts = [\"web*\"]\n[lock.db]\ngroup = \"db\"\ncapacity = {capacity}\nneeds = [\"{needs}\"]\n"
        );
        Fleet::parse(vec![("f".into(), text)]).is_ok()
    };
    for (needs, capacity) in [
        ("2 of 3 of db", "1"),
        ("1 of db", "2"),
        ("1 of db", "\"70%\""),
        // Of the three hosts of the lock one alone is in the other group.
        ("2 of lb", "2"),
        ("1 of lb", "3"),
        ("50 of web", "1"),
        ("100% of web", "1"),
        ("3 of db or 1 of lb", "1"),
    ] {
        assert!(hosts(needs, capacity), "{needs} {capacity}");
    }
    for (needs, capacity) in [
        ("3 of db", "1"),
        ("100% of db", "1"),
        ("2 of db", "2"),
        ("2 of 3 of db", "\"70%\""),
        ("2 of lb", "3"),
        ("3 of db or 3 of lb", "1"),
    ] {
        assert!(!hosts(needs, capacity), "{needs} {capacity}");
    }
}

const PACKAGES: &str = r#"
    [defaults]
    timezone = "Europe/Zurich"
    [group.canary]
    hosts = ["web1"]
    [lock.web]
    [package.driveclient]
    hosts = ["web2", "db*"]
    groups = []
    apt = { uri = "https://repo.example.org/apt", suite = "stable", components = ["main", "extra"], key_file = "k.asc" }
    dnf = { baseurl = "http://repo.example.org/$releasever/", key_file = "k.asc", signed_metadata = true }
    published = "http://repo.example.org/version.txt"
    service = "driveclient.service"
    idle_lock = "/var/cache/driveclient/backup-running.lock"
    lock = "web"
    every = "30m"
    spread = "6h:50%, 14h:100%"
    hours = "Sat 02:00-05:00"
    [package.driveclient-canary]
    package = "driveclient"
    groups = ["canary"]
    version = "2.0-1"
    apt = { uri = "file:/srv/repo", suite = "./", key_file = "k.asc" }
    [package.curl]
    hosts = "*"
    [host.web2]
    [host.ups]
    via = "web2"
    items = ["ping"]
"#;

fn with_key(text: &str) -> Fleet {
    let texts = [("fleet.toml", text), ("key_file:k.asc", KEY)];
    Fleet::parse(texts.map(|(name, text)| (name.into(), text.into())).into())
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn packages(fleet: &Fleet, name: &str) -> Vec<PackageRule> {
    fleet.work_for(&host(name)).packages
}

#[test]
fn packages_stand_in_the_work_documents_of_their_hosts() {
    let fleet = with_key(&PACKAGES.replace("groups = []\n", ""));
    let names = |name: &str| -> Vec<String> {
        let rules = packages(&fleet, name).into_iter();
        rules.map(|rule| rule.name.to_string()).collect()
    };
    for (host, expected) in [
        ("web1", &["curl", "driveclient"][..]),
        ("web2", &["curl", "driveclient"]),
        ("db9", &["curl", "driveclient"]),
        ("web3", &["curl"]),
        ("ups", &[]),
    ] {
        assert_eq!(names(host), expected, "{host}");
    }
    let [curl, driveclient] = &packages(&fleet, "db9")[..] else {
        panic!("two packages")
    };
    assert_eq!(
        *curl,
        PackageRule::named(PackageName::parse("curl").unwrap())
    );
    let words = package_in_words(driveclient);
    let words: Vec<String> = words
        .iter()
        .map(|(key, text)| format!("{key} {text}"))
        .collect();
    let key = lockstep_model::ContentHash::of(KEY.trim().as_bytes());
    assert_eq!(
        words,
        [
            format!("apt https://repo.example.org/apt stable main extra signed by key {key}"),
            format!("dnf http://repo.example.org/$releasever/ signed by key {key}, metadata too"),
            "every 30m".into(),
            "hours Sat 02:00-05:00 Europe/Zurich".into(),
            "idle_lock /var/cache/driveclient/backup-running.lock".into(),
            "lock web".into(),
            "published http://repo.example.org/version.txt".into(),
            "service driveclient.service".into(),
            "spread 6h:50%, 14h:100%".into(),
        ]
    );
    assert_eq!(driveclient.sources.apt.as_ref().unwrap().key, KEY);
    let canary = &packages(&fleet, "web1")[1];
    assert_eq!(canary.version.as_ref().unwrap().as_str(), "2.0-1");
    assert_eq!(canary.sources.apt.as_ref().unwrap().components, [""; 0]);
    assert_eq!(
        (canary.every, &canary.spread),
        (PackageRule::EVERY, &Spread::Gamma)
    );
    let all: Vec<&str> = fleet
        .package_names()
        .into_iter()
        .map(PackageName::as_str)
        .collect();
    assert_eq!(all, ["curl", "driveclient"]);
}

#[test]
fn a_key_file_goes_with_the_fleet_file() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        use std::io::Write;
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::File::create(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let text = |name: &str| {
        format!(
            "[package.x]\nhosts = [\"*\"]\ndnf = {{ baseurl = \"https://a.example.org\", key_file = \"{name}\" }}\n"
        )
    };
    put("fleet.toml", "");
    put("fleet.d/x.toml", &text("keys/k.asc"));
    put("keys/k.asc", &KEY.replace('\n', "\r\n"));
    let path = dir.path().join("fleet.toml");
    let loaded = Fleet::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
    let texts: Vec<(String, String)> = loaded
        .texts()
        .map(|(name, text)| (name.into(), text.into()))
        .collect();
    assert_eq!(texts[2], ("key_file:keys/k.asc".into(), KEY.into()));
    let again = Fleet::parse(texts.clone()).unwrap();
    assert_eq!(again.fingerprint(), loaded.fingerprint());
    assert_eq!(packages(&again, "a"), packages(&loaded, "a"));
    assert!(loaded.diff(&again, [&host("a")]).is_empty());
    // Another key is another fleet.
    put("keys/k.asc", &KEY.replace("mDMEZ", "mDMEY"));
    let other = Fleet::load(&path).unwrap();
    assert_ne!(other.fingerprint(), loaded.fingerprint());
    let diff = loaded.diff(&other, [&host("a")]).to_string();
    assert!(
        diff.contains("~ package x dnf: https://a.example.org signed by key"),
        "{diff}"
    );

    put(
        "keys/k.asc",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlFgEsecret\n",
    );
    let errors = Fleet::load(&path).unwrap_err();
    assert_eq!(errors.shown.len(), 1, "{errors}");
    let place = errors.shown[0].place.as_ref().unwrap().to_string();
    assert_eq!(place, "fleet.d/x.toml:3:55");
    let json = serde_json::to_string(&errors).unwrap();
    assert!(
        json.contains("this is a private key") && !json.contains("lFgE"),
        "{json}"
    );
    put("fleet.d/x.toml", &text("/nowhere/k.asc"));
    let errors = Fleet::load(&path).unwrap_err().to_string();
    assert!(
        errors.contains(": /nowhere/k.asc cannot be read: "),
        "{errors}"
    );
    let errors = Fleet::parse(texts[..2].to_vec()).unwrap_err().to_string();
    assert!(
        errors.contains("did not come with the fleet file"),
        "{errors}"
    );
}

#[test]
fn a_difference_names_locks_and_packages() {
    let old = fleet(
        "[group.db]\nhosts = [\"db1\"]\n[lock.db]\n[lock.web]\n[package.a]\nhosts = [\"*\"]\n[package.b]\nhosts = [\"db1\"]\n",
    );
    let new = fleet(
        "[group.db]\nhosts = [\"db1\"]\n[lock.db]\ncapacity = \"10%\"\ngroup = \"db\"\ncounts = [\"silent\"]\n\
         [package.a]\nhosts = [\"*\"]\nlock = \"db\"\n[package.c]\nhosts = [\"db1\"]\n",
    );
    let hosts = [host("db1"), host("web1")];
    assert_eq!(
        old.diff(&new, &hosts).to_string(),
        "db1:\n  + package c\n  - package b\n  ~ package a lock: nothing -> db\n\n\
         web1:\n  ~ package a lock: nothing -> db\n\n\
         hosts that the file does not name:\n  ~ package a lock: nothing -> db\n\n\
         locks:\n  ~ lock db capacity: 1 -> 10%\n  ~ lock db counts: nothing -> holders, silent\n  \
         ~ lock db group: nothing -> db\n  ~ lock web capacity: 1 -> nothing"
    );
    assert!(new.diff(&new, &hosts).is_empty());
}
