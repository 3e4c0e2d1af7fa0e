//! What a fleet file says is watched, judged and told: with real agents, a real server, and real ways to people.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::proxy::{Mode, Proxy};
use crate::world::{Host, World, eventually};

/// A file on a host whose size is an item: the tests make it sick and well.
struct Gauge(PathBuf);

impl Gauge {
    /// Makes the file, and lets the host's agent look at it.
    fn on(world: &World, host: &Host) -> Self {
        let path = world.path(&format!("{}.gauge", host.name));
        let gauge = Self(path);
        gauge.show(0);
        let config = host.root.join("etc/lockstep/agent.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let dir = gauge.0.parent().unwrap().canonicalize().unwrap();
        std::fs::write(config, format!("{text}[probes]\nfiles = [{dir:?}]\n")).unwrap();
        gauge
    }

    fn show(&self, size: usize) {
        let beside = self.0.with_extension("new");
        std::fs::write(&beside, vec![b'x'; size]).unwrap();
        std::fs::rename(beside, &self.0).unwrap();
    }

    fn item(&self) -> String {
        format!("file_size:{}", self.0.display())
    }
}

/// A fleet file in which every gauge is sick from 100 bytes and dead from 1000, and everything is told to a program
/// that writes it down.
fn fleet_file(world: &World) -> String {
    let told = told_file(world);
    let script = world.path("tell.sh");
    std::fs::write(
        &script,
        format!(
            "#!/bin/sh\ncat \"$LOCKSTEP_NOTICE_FILE\" >> {told}\necho >> {told}\n",
            told = told.display()
        ),
    )
    .unwrap();
    format!(
        r#"[defaults]
sample = "1s"
report = "1s"
items = ["cpu_load", "memory_available", "uptime"]
[fitness.file_size]
sick = ">= 100B"
dead = ">= 1000B"
[fitness.uptime]
dead = "< 0s"
[fitness.memory_available]
dead = "< 0%"
[fitness.cpu_load]
dead = "< 0"
[alerts]
wait = "1s"
interval = "1s"
settle = "1s"
[receiver.log]
exec = ["/bin/sh", "{script}"]
[alert.all]
to = ["log"]
when = {{ level = ">= sick" }}
"#,
        script = script.display()
    )
}

fn told_file(world: &World) -> PathBuf {
    world.path("told.jsonl")
}

/// What the program was told: kind, host and item of each problem.
fn told(world: &World) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(told_file(world)).unwrap_or_default();
    let notices = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    notices
        .flat_map(|notice| notice["entries"].as_array().cloned().unwrap_or_default())
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap().to_owned();
            (text("kind"), text("host"), text("item"))
        })
        .collect()
}

fn put_in_force(world: &World, text: &str) {
    std::fs::write(world.path("server/fleet.toml"), text).unwrap();
    world.must(&["fleet", "reload"]);
}

/// A host whose gauge is watched.
fn watched_host(world: &World, name: &str) -> (Host, Gauge) {
    let mut host = world.provision(name);
    let gauge = Gauge::on(world, &host);
    host.start();
    (host, gauge)
}

fn with_gauge(fleet: &str, host: &str, gauge: &Gauge) -> String {
    format!("{fleet}[host.{host}]\nitems = [{:?}]\n", gauge.item())
}

fn level_on_host(world: &World, host: &Host, item: &str) -> Option<String> {
    let status = host.status(world)?;
    let states = status["worker"]["items"].as_array()?;
    let state = states.iter().find(|state| state["item"] == item)?;
    Some(state["level"].to_string())
}

fn events(world: &World, host: &str, item: &str) -> Vec<Value> {
    let args = [
        "event", "list", "--host", host, "--item", item, "--limit", "1000", "--json",
    ];
    let mut events = world.json(&args).as_array().unwrap().clone();
    events.reverse();
    events
}

#[test]
fn a_fleet_file_is_followed_and_what_becomes_sick_is_told_and_its_end_too() {
    let world = World::start();
    let (host, gauge) = watched_host(&world, "web1");
    put_in_force(&world, &with_gauge(&fleet_file(&world), "web1", &gauge));
    let item = gauge.item();
    eventually("the item is watched and fine", || {
        level_on_host(&world, &host, &item).as_deref() == Some("0")
    });

    gauge.show(150);
    eventually("the problem is told", || {
        told(&world).contains(&("problem".into(), "web1".into(), item.clone()))
    });
    let problems = world.json(&["problems", "--json"]);
    let problem = problems
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["item"] == item);
    let problem = problem.expect("the problem is listed");
    assert_eq!(problem["level"], 2, "{problem}");
    let plugin = world.run(&["problems", "--plugin"]);
    assert_eq!(plugin.status.code(), Some(1));

    world.must(&["ack", "web1", &item, "--note", "on it"]);
    eventually("that somebody is on it is told", || {
        told(&world).contains(&("acknowledged".into(), "web1".into(), item.clone()))
    });

    gauge.show(10);
    eventually("the recovery is told", || {
        told(&world).contains(&("recovered".into(), "web1".into(), item.clone()))
    });
    eventually("nothing is wrong any more", || {
        world
            .json(&["problems", "--json"])
            .as_array()
            .unwrap()
            .is_empty()
    });
    let kinds: Vec<String> = told(&world)
        .into_iter()
        .filter(|it| it.2 == item)
        .map(|it| it.0)
        .collect();
    assert_eq!(kinds, ["problem", "acknowledged", "recovered"]);

    // What happened is listed from a moment on, and until one.
    let all = events(&world, "web1", &item);
    let middle = all[1]["at"].as_str().unwrap();
    let within = |times: &[&str]| {
        let list = ["event", "list", "--host", "web1", "--item", &item, "--json"];
        let found = world.json(&[&list, times].concat());
        found.as_array().unwrap().len()
    };
    assert_eq!(within(&["--since", middle]), all.len() - 1);
    assert_eq!(within(&["--until", middle]), 1);
    assert_eq!(within(&["--since", "1h", "--until", "1h"]), 0);

    // The history is on the host; the server asks it.
    let series = world.json(&["host", "history", "web1", &item, "--view", "hour", "--json"]);
    assert_eq!(series["from_host"], true, "{series}");
    let most = series["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["max"].as_f64().unwrap());
    assert_eq!(most.fold(0.0, f64::max), 150.0, "{series}");
    let own = host.agent(&world, &["history", &item, "--view", "hour", "--json"]);
    assert!(
        own.status.success(),
        "{}",
        String::from_utf8_lossy(&own.stderr)
    );
}

#[test]
fn what_happens_behind_a_cut_arrives_once_and_in_order() {
    let world = World::start();
    let proxy = Proxy::start(Mode::Pass(world.agents_port));
    let mut host = world.provision("web1");
    let gauge = Gauge::on(&world, &host);
    host.connect_to(&proxy.url());
    host.start();
    let (other, other_gauge) = watched_host(&world, "web2");
    let fleet = with_gauge(&fleet_file(&world), "web1", &gauge);
    put_in_force(&world, &with_gauge(&fleet, "web2", &other_gauge));
    let item = gauge.item();
    for (host, gauge) in [(&host, &gauge), (&other, &other_gauge)] {
        eventually("the items are watched", || {
            level_on_host(&world, host, &gauge.item()).as_deref() == Some("0")
        });
    }

    proxy.set(Mode::Cut);
    // Each size and the level that follows; in the middle the agent is killed.
    let course = [(150, "2"), (1500, "4"), (150, "2"), (10, "0")];
    for (step, (size, level)) in course.iter().enumerate() {
        gauge.show(*size);
        eventually("the host notices", || {
            level_on_host(&world, &host, &item).as_deref() == Some(*level)
        });
        if step == 2 {
            host.kill();
            host.start();
            eventually("the agent goes on where it was", || {
                level_on_host(&world, &host, &item).as_deref() == Some(*level)
            });
        }
    }
    eventually("the server notices the silence", || {
        let silent = events(&world, "web1", "agent_silence");
        silent.iter().any(|event| event["to"] == 4)
    });
    assert!(events(&world, "web1", &item).is_empty(), "the cut was none");
    // A busy machine may keep it silent for a moment; a cut would keep it silent.
    eventually("the other half is heard of", || {
        let silent = events(&world, "web2", "agent_silence");
        silent.last().is_none_or(|event| event["to"] == 0)
    });

    proxy.set(Mode::Pass(world.agents_port));
    eventually("everything arrives", || {
        events(&world, "web1", &item).len() >= course.len()
    });
    let arrived = events(&world, "web1", &item);
    let levels: Vec<String> = arrived
        .iter()
        .map(|event| event["to"].to_string())
        .collect();
    let expected: Vec<&str> = course.iter().map(|(_, level)| *level).collect();
    assert_eq!(levels, expected, "once, and in order: {arrived:#?}");
    for pair in arrived.windows(2) {
        assert_eq!(pair[0]["to"], pair[1]["from"], "a chain without a gap");
        assert!(pair[0]["number"].as_u64() < pair[1]["number"].as_u64());
    }
    eventually("the host is heard of again", || {
        let silent = events(&world, "web1", "agent_silence");
        silent.last().is_some_and(|event| event["to"] == 0)
    });
    eventually("its silence was told, and its end", || {
        let kinds: Vec<String> = told(&world)
            .into_iter()
            .filter(|it| it.1 == "web1" && it.2 == "agent_silence")
            .map(|it| it.0)
            .collect();
        kinds.first().is_some_and(|kind| kind == "problem")
            && kinds.last().is_some_and(|kind| kind == "recovered")
    });
    drop(other);
}

#[test]
fn a_bad_fleet_file_changes_nothing_and_says_everything_that_is_wrong() {
    let mut world = World::start();
    let (host, gauge) = watched_host(&world, "web1");
    let good = with_gauge(&fleet_file(&world), "web1", &gauge);
    put_in_force(&world, &good);
    let item = gauge.item();
    eventually("the item is watched", || {
        level_on_host(&world, &host, &item).is_some()
    });

    let bad = good
        .replace("[alerts]", "[alerst]")
        .replace(">= 100B", ">= lots");
    std::fs::write(world.path("server/fleet.toml"), &bad).unwrap();
    let refused = world.run(&["fleet", "reload"]);
    assert!(!refused.status.success());
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        words.contains("alerst") && words.contains("alerts"),
        "{words}"
    );
    assert!(words.contains("lots"), "{words}");
    let checked = world.run(&["fleet", "check", "server/fleet.toml"]);
    assert_eq!(checked.status.code(), Some(1));

    // The old one is in force, over a restart of the server too.
    world.kill_server();
    world.start_server();
    gauge.show(150);
    eventually("the old rules are in force", || {
        told(&world).contains(&("problem".into(), "web1".into(), item.clone()))
    });

    // A silence holds back; what is still bad at its end is told.
    let silence = world.json(&[
        "silence", "add", "--host", "web1", "--for", "1h", "--why", "moving", "--json",
    ]);
    gauge.show(10);
    eventually(
        "it is over, and its end is told in spite of the silence",
        || told(&world).contains(&("recovered".into(), "web1".into(), item.clone())),
    );
    let before = told(&world).len();
    gauge.show(1500);
    eventually("the silence holds it back", || {
        let silences = world.json(&["silence", "list", "--json"]);
        silences[0]["holds_back"].as_u64() > Some(0)
    });
    assert_eq!(
        told(&world).len(),
        before,
        "nothing is told while it is silenced"
    );
    world.must(&["silence", "end", silence["id"].as_str().unwrap()]);
    eventually("what is still bad is told", || told(&world).len() > before);
    let (kind, ..) = told(&world)[before].clone();
    assert_eq!(kind, "problem");
}

#[test]
fn figures_are_what_promtool_expects() {
    let world = World::start();
    let mut host = world.provision("web1");
    let port = crate::world::free_port();
    let config = host.root.join("etc/lockstep/agent.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        config,
        format!("{text}[metrics]\nlisten = \"127.0.0.1:{port}\"\n"),
    )
    .unwrap();
    host.start();
    eventually("the host reports", || {
        world.reported_version("web1").is_some()
    });
    let agent = http(port, "/metrics");
    assert!(
        agent.contains("lockstep_item_value{item=\"cpu_load\""),
        "{agent}"
    );
    check_metrics(&world.path("agent.metrics"), &agent);
    let server = world.must(&["server", "metrics"]);
    assert!(server.contains("lockstep_hosts 1"), "{server}");
    check_metrics(&world.path("server.metrics"), &server);
}

/// `promtool check metrics` finds nothing to say.
fn check_metrics(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    let input = std::fs::File::open(file).unwrap();
    let checked = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(input)
        .output()
        .expect("promtool is installed by scripts/parts");
    let words = format!(
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
    assert!(
        checked.status.success() && words.trim().is_empty(),
        "{words}\n{text}"
    );
}

fn http(port: u16, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}
