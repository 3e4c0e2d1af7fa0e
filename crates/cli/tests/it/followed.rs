//! Packages of others from the fleet file to the host: which hosts get them, in which order, and what becomes of a version
//! that does not prove itself. With a real server and real agents.

use std::process::Output;

use serde_json::Value;

use crate::bundles::stage::{PIGEON, Pigeon, end_daemon, publish, publish_with, running};
use crate::world::{Host, World, eventually};

/// The pace of tests, and rollouts that go one host first and are stopped by the first failure.
const HEAD: &str = "[defaults]\nreport = \"1s\"\nsample = \"1s\"\n\n\
     [strategy.careful]\ncanaries = 1\nbake = \"300ms\"\nfailed = 0\n\n";

/// Two hosts follow the package by their label, a third is held at a version, and a fourth has nothing to do with it.
const BY_LABEL: &str = r#"
[channel.stable]
strategy = "careful"

[host.web1]
labels = { class = "web" }

[host.web2]
labels = { class = "web" }

[host.kept1]
labels = { class = "web" }

[follow.pigeon]
labels = ["class=web"]

[follow.held-back]
package = "pigeon"
hosts = ["kept1"]
pin = "1.0.0"
"#;

/// A server and hosts with their agents, of which some follow the package.
struct Loft {
    world: World,
    hosts: Vec<Host>,
}

impl Loft {
    /// A loft with 1.0.0 and other versions of the package published, none of them promoted.
    fn new(fleet: &str, hosts: &[&str], others: &[(&str, Pigeon)]) -> Self {
        let world = World::start();
        publish(&world, "1.0.0", Pigeon::Good);
        for (version, pigeon) in others {
            publish(&world, version, *pigeon);
        }
        let mut loft = Self {
            world,
            hosts: Vec::new(),
        };
        loft.follow(fleet);
        for name in hosts {
            let host = loft.world.host(name);
            loft.hosts.push(host);
        }
        loft
    }

    /// Puts a fleet file in force.
    fn follow(&self, fleet: &str) {
        self.puts_in_force(&format!("{HEAD}{fleet}"));
    }

    /// The same, and rollouts watch each wave for longer than the test lasts.
    fn follow_slowly(&self, fleet: &str) {
        let head = HEAD.replace("300ms", "1h");
        self.puts_in_force(&format!("{head}{fleet}"));
    }

    fn puts_in_force(&self, text: &str) {
        self.world.fleet(text);
    }

    fn promote(&self, version: &str, channel: &str) -> Output {
        self.world
            .run(&["release", "promote", PIGEON, version, "--to", channel])
    }

    /// Promotes a version, and waits until its rollout is done.
    fn rolls_out(&self, version: &str, channel: &str) {
        let promoted = self.promote(version, channel);
        assert!(promoted.status.success(), "{promoted:?}");
        self.rollout_becomes(version, "done");
    }

    /// The newest rollout of a version.
    fn rollout(&self, version: &str) -> Value {
        let rollouts = self.world.json(&["rollout", "list", "--json"]);
        let rollouts = rollouts.as_array().unwrap().iter();
        let mut of_it = rollouts.filter(|it| it["package"] == PIGEON && it["version"] == version);
        of_it.next().cloned().unwrap_or_default()
    }

    fn rollout_becomes(&self, version: &str, state: &str) {
        eventually(&format!("the rollout of {version} is {state}"), || {
            self.rollout(version)["state"] == state
        });
    }

    fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|it| it.name == name).unwrap()
    }

    /// The version that the server knows a host to run, proven.
    fn reported(&self, host: &str) -> Option<String> {
        let shown = self.world.json(&["host", "show", host, "--json"]);
        let packages = shown["packages"].as_array()?.iter();
        let mut of_it = packages.filter(|it| it["package"] == PIGEON && it["proven"] == true);
        Some(of_it.next()?["version"].as_str().unwrap().to_owned())
    }

    /// Waits until hosts run a version, proven: by the server's book, by the link, and by the daemon.
    fn comes_to(&self, hosts: &[&str], version: &str) {
        for host in hosts {
            eventually(&format!("{host} runs {version}"), || {
                self.reported(host).as_deref() == Some(version)
            });
            let root = &self.host(host).root;
            assert_eq!(running(root).as_deref(), Some(version), "{host}");
        }
    }

    /// The one thing that keeps a host from what it is wanted to run.
    fn gate(&self, host: &str) -> String {
        let explained = self.world.json(&["explain", host, PIGEON, "--json"]);
        let packages = explained["packages"].as_array().unwrap();
        assert_eq!(packages.len(), 1, "{explained}");
        packages[0]["gate"].as_str().unwrap().to_owned()
    }

    /// Runs of the package, the oldest first, as host, version and outcome.
    fn runs(&self) -> Vec<(String, String, String)> {
        let runs = self.world.json(&["run", "list", "--json"]);
        let mut runs: Vec<Value> = runs.as_array().unwrap().clone();
        runs.retain(|it| it["package"] == PIGEON);
        runs.sort_by_key(|it| it["started_at"].as_str().unwrap().to_owned());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        runs.iter()
            .map(|it| (text(&it["host"]), text(&it["to"]), text(&it["outcome"])))
            .collect()
    }

    /// True if the package was never there.
    fn has_never_had_it(&self, host: &str) -> bool {
        let root = &self.host(host).root;
        !root.join("opt/lockstep/slots/pigeon").exists() && !root.join("pigeon.log").exists()
    }
}

impl Drop for Loft {
    fn drop(&mut self) {
        for host in &mut self.hosts {
            host.kill();
            end_daemon(&host.root);
        }
    }
}

/// The host of a rollout that goes first.
fn canary(loft: &Loft, version: &str) -> String {
    let id = loft.rollout(version)["id"].to_string();
    let shown = loft
        .world
        .json(&["rollout", "show", &id, "--hosts", "--json"]);
    let hosts = shown["waves"][0]["hosts"].as_array().unwrap();
    assert_eq!(hosts.len(), 1, "{shown}");
    let host = &hosts[0];
    let name = host.as_str().or_else(|| host["name"].as_str());
    name.unwrap_or_else(|| panic!("{shown}")).to_owned()
}

#[test]
fn a_package_goes_to_those_who_follow_it_and_a_bad_version_to_one_of_them() {
    let others = [("2.0.0", Pigeon::Good), ("3.0.0", Pigeon::Dies)];
    let hosts = ["web1", "web2", "kept1", "db1"];
    let loft = Loft::new(BY_LABEL, &hosts, &others);
    assert_eq!(loft.gate("web1"), "nothing-promoted");

    // The first version is installed on one, and on the other once it is proven there. What is held at it gets it, too.
    loft.rolls_out("1.0.0", "stable");
    loft.comes_to(&["web1", "web2", "kept1"], "1.0.0");
    let first = canary(&loft, "1.0.0");
    let other = if first == "web1" { "web2" } else { "web1" };
    let of_rollout = |version: &str| -> Vec<String> {
        let runs = loft.runs().into_iter();
        runs.filter(|(host, to, _)| to == version && host != "kept1")
            .map(|(host, ..)| host)
            .collect()
    };
    assert_eq!(of_rollout("1.0.0"), [first.as_str(), other]);
    for host in ["web1", "web2", "kept1"] {
        assert_eq!(loft.gate(host), "none");
        let status = loft.host(host).status(&loft.world).unwrap();
        let installed = &status["worker"]["packages"][0];
        let (version, proven) = (&installed["version"], &installed["proven"]);
        assert_eq!(
            (version, proven),
            (&"1.0.0".into(), &true.into()),
            "{status}"
        );
    }
    assert_eq!(loft.gate("db1"), "not-followed");
    let listed = loft.world.json(&["release", "list", "--json"]);
    let mut listed = listed.as_array().unwrap().iter();
    let listed = listed.find(|it| it["package"] == PIGEON && it["version"] == "1.0.0");
    assert_eq!(listed.unwrap()["hosts"], 3);
    let shown = loft.world.must(&["host", "show", "web1"]);
    assert!(shown.contains("pigeon 1.0.0"), "{shown}");

    loft.rolls_out("2.0.0", "stable");
    loft.comes_to(&["web1", "web2"], "2.0.0");
    let first = canary(&loft, "2.0.0");
    assert_eq!(of_rollout("2.0.0")[0], first);
    assert_eq!(loft.gate("kept1"), "pinned");

    // The third dies on the first host that gets it, which goes back, and nobody else gets it.
    assert!(loft.promote("3.0.0", "stable").status.success());
    loft.rollout_becomes("3.0.0", "halted");
    let first = canary(&loft, "3.0.0");
    let other = if first == "web1" { "web2" } else { "web1" };
    loft.comes_to(&["web1", "web2"], "2.0.0");
    let tried: Vec<_> = loft
        .runs()
        .into_iter()
        .filter(|it| it.1 == "3.0.0")
        .collect();
    assert_eq!(
        tried,
        [(first.clone(), "3.0.0".into(), "rolled-back".into())]
    );
    assert_eq!(
        (loft.gate(&first), loft.gate(other)),
        ("failed".into(), "halted".into())
    );
    assert_eq!(loft.gate("kept1"), "pinned");
    let again = loft.promote("3.0.0", "stable");
    assert_eq!(again.status.code(), Some(3), "{again:?}");
    let words = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(words.contains("--even-if-suspect"), "{words}");

    assert_eq!(running(&loft.host("kept1").root).as_deref(), Some("1.0.0"));
    let kept: Vec<_> = loft
        .runs()
        .into_iter()
        .filter(|it| it.0 == "kept1")
        .collect();
    assert_eq!(kept, [("kept1".into(), "1.0.0".into(), "done".into())]);
    assert!(loft.has_never_had_it("db1"));

    // What is not held back any more comes to the last version that was good.
    let (without_pin, _) = BY_LABEL.split_once("[follow.held-back]").unwrap();
    loft.follow(without_pin);
    loft.comes_to(&["kept1"], "2.0.0");
    assert_eq!(loft.gate("kept1"), "halted");
    let shown = loft.world.json(&["host", "show", "db1", "--json"]);
    assert_eq!(shown["packages"], Value::Null);
}

/// Two hosts by the pattern of their names; one of them may have a channel of its own.
fn by_pattern(on_beta: &str) -> String {
    format!(
        "[channel.stable]\nstrategy = \"careful\"\n[host.web2]\n[host.test2]\n\
         [follow.pigeon]\nhosts = [\"web*\"]\n\
         [follow.first]\npackage = \"pigeon\"\nchannel = \"beta\"\nhosts = [\"{on_beta}\"]\n"
    )
}

#[test]
fn a_host_changes_its_channel_with_the_fleet_file_and_a_rollout_is_taken_back() {
    let others = [("1.1.0", Pigeon::Good), ("2.0.0", Pigeon::Good)];
    let loft = Loft::new(&by_pattern("test2"), &["web1", "web2"], &others);
    loft.rolls_out("1.0.0", "stable");
    loft.comes_to(&["web1", "web2"], "1.0.0");
    // Nobody follows this channel yet, and nobody moves.
    assert!(loft.promote("1.1.0", "beta").status.success());
    assert_eq!(
        (loft.gate("web1"), loft.gate("web2")),
        ("none".into(), "none".into())
    );

    loft.follow(&by_pattern("web2"));
    loft.comes_to(&["web2"], "1.1.0");
    let explained = loft.world.json(&["explain", "web2", PIGEON, "--json"]);
    assert_eq!(explained["packages"][0]["channel"], "beta", "{explained}");
    assert_eq!(loft.reported("web1").as_deref(), Some("1.0.0"));

    // And back to the one that it came from.
    loft.follow(&by_pattern("test2"));
    loft.comes_to(&["web2"], "1.0.0");

    loft.follow_slowly(&by_pattern("test2"));
    assert!(loft.promote("2.0.0", "stable").status.success());
    eventually("one has it", || {
        let hosts = ["web1", "web2"].map(|it| loft.reported(it));
        hosts.contains(&Some("2.0.0".into()))
    });
    let first = canary(&loft, "2.0.0");
    let other = if first == "web1" { "web2" } else { "web1" };
    loft.comes_to(&[&first], "2.0.0");
    assert_eq!(loft.gate(other), "wave");
    let id = loft.rollout("2.0.0")["id"].to_string();
    let why = ["--why", "its disk is being replaced"];
    loft.world
        .must(&[&["rollout", "skip-host", &id, other], &why[..]].concat());
    assert_eq!(loft.gate(other), "skipped");
    let shown = loft.world.must(&["rollout", "show", &id, "--hosts"]);
    assert!(shown.contains(why[1]), "{shown}");
    loft.world.must(&["rollout", "unskip-host", &id, other]);
    assert_eq!(loft.gate(other), "wave");
    loft.world.must(&["rollout", "skip-wave", &id]);
    // Before the second one has proven it: a rollout of which all have done so is over, and cannot be taken back.
    loft.world.must(&["rollout", "rollback", &id]);
    loft.rollout_becomes("2.0.0", "cancelled");
    // The second one may have been on its way to the version, and goes back from there.
    eventually("nothing is left to do", || {
        ["web1", "web2"]
            .iter()
            .all(|it| loft.gate(it) == "none" && loft.reported(it).as_deref() == Some("1.0.0"))
    });
    loft.comes_to(&["web1", "web2"], "1.0.0");
}

#[test]
fn a_host_goes_through_the_version_that_a_newer_one_needs_and_its_daemon_comes_with_the_machine() {
    let mut loft = Loft::new(
        "[channel.stable]\nstrategy = \"careful\"\n[follow.pigeon]\n",
        &["web1"],
        &[("2.0.0", Pigeon::Good)],
    );
    let floor = "[requires]\nfrom = \">=2.0.0\"\n";
    publish_with(&loft.world, "3.0.0", Pigeon::Good, floor);
    loft.rolls_out("1.0.0", "stable");
    loft.rolls_out("3.0.0", "stable");
    loft.comes_to(&["web1"], "3.0.0");
    let runs: Vec<_> = loft.runs().into_iter().map(|it| (it.1, it.2)).collect();
    let done = |version: &str| (version.to_owned(), "done".to_owned());
    assert_eq!(runs, [done("1.0.0"), done("2.0.0"), done("3.0.0")]);

    // The machine restarts.
    let host = &mut loft.hosts[0];
    host.kill();
    end_daemon(&host.root);
    eventually("its daemon is gone", || running(&host.root).is_none());
    let boot_id = host.root.join("proc/sys/kernel/random/boot_id");
    std::fs::create_dir_all(boot_id.parent().unwrap()).unwrap();
    std::fs::write(boot_id, "another\n").unwrap();
    host.start();
    let root = host.root.clone();
    eventually("its daemon runs again", || {
        running(&root).as_deref() == Some("3.0.0")
    });
    let starts = |loft: &Loft| {
        loft.hosts[0]
            .log()
            .matches("after the restart of the machine")
            .count()
    };
    // Only once in each boot, which is written down when all are started.
    eventually("it is written down", || {
        let noted = std::fs::read(root.join("var/lib/lockstep/daemons.json"));
        let noted: Value = serde_json::from_slice(&noted.unwrap_or_default()).unwrap_or_default();
        noted["boot_id"] == "another"
    });
    assert_eq!(starts(&loft), 1);
    loft.hosts[0].kill();
    end_daemon(&root);
    eventually("its daemon is gone", || running(&root).is_none());
    let before = loft.hosts[0].log().matches("the worker begins").count();
    loft.hosts[0].start();
    let reports = || {
        loft.hosts[0].status(&loft.world)?["worker"]["reported_at"]
            .as_str()
            .map(String::from)
    };
    eventually("the agent is at work again", || {
        loft.hosts[0].log().matches("the worker begins").count() > before && reports().is_some()
    });
    assert_eq!((running(&root), starts(&loft)), (None, 1));
}
