use jiff::Timestamp;
use lockstep_gateway::seams::{EventSaid, HostSaid, Hosts as _, Standing};
use lockstep_model::{
    Bucket, Event, EventKind, HostName, ItemName, ItemState, Level, PackageName, Series, Value,
    Version, Work,
};

use super::{Port, ask, echo_client};
use crate::desk::Desk;

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn item(name: &str, value: f64, level: Level) -> ItemState {
    ItemState {
        item: ItemName::parse(name).unwrap(),
        value: Value::Number {
            value,
            unit: "%".into(),
        },
        level,
        since: Timestamp::from_second(1_700_000_000).unwrap(),
        why: String::new(),
        no_data: false,
        flapping: false,
        pending: None,
    }
}

/// A host that runs our agent.
fn native(desk: &Desk, name: &str, version: &str, items: Vec<ItemState>) {
    let name = host(name);
    let mut standings = desk.standings.lock().unwrap();
    standings.insert(name.clone(), Standing::Native);
    let mut said = desk.said.lock().unwrap();
    said.push(HostSaid {
        host: name,
        last_seen: Some(desk.now()),
        silent: false,
        items,
        installed: vec![(PackageName::lockstep(), Version::parse(version).unwrap())],
    });
}

/// A host that runs dmon at an address.
fn foreign(desk: &Desk, name: &str, address: &str) {
    desk.declare(name, address);
    let name = host(name);
    let mut standings = desk.standings.lock().unwrap();
    standings.insert(name.clone(), Standing::Foreign);
    desk.said.lock().unwrap().push(HostSaid {
        host: name,
        last_seen: None,
        silent: false,
        items: Vec::new(),
        installed: Vec::new(),
    });
}

#[tokio::test]
async fn ping_and_state_are_byte_for_byte() {
    let desk = Desk::new();
    native(&desk, "web1", "1.0.0", Vec::new());
    let port = Port::open(&desk, "").await;
    let pong = "COMMAND PING\nPONG from Server\nCOMMAND DONE\n";
    assert_eq!(port.ask("PING").await, pong);
    assert_eq!(port.ask("PING\r").await, pong);
    let state = port.ask("STATE").await;
    let session = state.lines().find(|line| line.contains("<<")).unwrap();
    assert!(
        session.starts_with("-- Server is processing a command-session << 127.0.0.1 port "),
        "{session}"
    );
    let number = port.address.port();
    assert_eq!(
        state,
        format!(
            "COMMAND STATE\n-- version lockstep-1.2.3\n-- logfile /var/log/lockstep/server.log\n-- loglevel info\n\
             -- listening on port {number} as a Server\n{session}\n-- hostname server1\n\
             -- Server state : keeping state for 1 clients\nCOMMAND DONE\n"
        )
    );
}

#[tokio::test]
async fn each_command_has_its_frame() {
    let desk = Desk::new();
    let port = Port::open(&desk, "").await;
    for (line, name) in [
        ("WORK client web1", "WORK"),
        ("WORK_LM client web1", "WORK_LM"),
        ("REPORT {}", "REPORT"),
        ("EVENTS []", "EVENTS"),
        ("CLIENTS", "CLIENTS"),
        ("CLIENT web1 PING", "CLIENT"),
        ("ALLPING", "ALLPING"),
        ("ALLSEND", "ALLSEND"),
        ("UPGRADE", "UPGRADE"),
        ("HIST", "HIST"),
    ] {
        let answer = port.ask(line).await;
        let framed = answer.strip_prefix(&format!("COMMAND {name}\n"));
        assert!(
            framed.is_some_and(|rest| rest.ends_with("COMMAND DONE\n")),
            "{line}: {answer}"
        );
        assert_eq!(answer.matches("COMMAND ").count(), 2, "{line}: {answer}");
    }
}

#[tokio::test]
async fn work_files_are_those_of_the_installation_and_else_of_the_fleet_file() {
    let desk = Desk::new();
    let works = tempfile::tempdir().unwrap();
    std::fs::create_dir(works.path().join("pmaker")).unwrap();
    std::fs::write(works.path().join("pmaker/web1.txt"), "pmaker a\n").unwrap();
    let since = Timestamp::from_second(1_700_000_000).unwrap();
    let mut work = Work::default();
    work.items.truncate(1);
    desk.works
        .lock()
        .unwrap()
        .insert(host("web1"), (work, since));
    let port = Port::open(&desk, &format!("works = {:?}", works.path())).await;
    let own = port.json("127.0.0.1", "WORK client web1").await;
    assert_eq!(own["resp"], "ok work");
    assert_eq!(own["lm"], 1_700_000_000);
    assert!(
        own["data"]
            .as_str()
            .unwrap()
            .ends_with("host web1 h0\nget h0 agent_memory\n")
    );
    let stamp = port.json("127.0.0.1", "WORK_LM client web1").await;
    assert_eq!(
        (&stamp["data"], &stamp["lm"]),
        (&serde_json::Value::Null, &own["lm"])
    );
    let pages = port.json("127.0.0.1", "WORK pmaker web1").await;
    assert_eq!(pages["data"], "pmaker a\n");
    let none = port.json("127.0.0.1", "WORK server web1").await;
    let resp = none["resp"].as_str().unwrap();
    assert!(
        resp.starts_with("refused: there is no server work file"),
        "{resp}"
    );
    assert!(
        port.ask("WORK client ../../etc/passwd")
            .await
            .contains("refused")
    );
}

#[tokio::test]
async fn clients_shows_states_and_events() {
    let desk = Desk::new();
    native(
        &desk,
        "web1",
        "1.0.0",
        vec![
            item("cpu_load", 12.5, Level::SICK),
            item("disk_usage:/", 3.0, Level::FINE),
        ],
    );
    native(&desk, "web2", "1.0.0", Vec::new());
    let event = |host_name: &str, number, item: &str, to| EventSaid {
        stored_at: desk.now(),
        event: Event {
            number,
            at: Timestamp::from_second(1_700_000_000 + number as i64).unwrap(),
            host: host(host_name),
            item: ItemName::parse(item).unwrap(),
            kind: EventKind::Level,
            from: Level::FINE,
            to,
            value: Value::Number {
                value: 1.5,
                unit: String::new(),
            },
            why: String::new(),
        },
    };
    let mut flaps = event("web1", 3, "cpu_load", Level::SICK);
    flaps.event.kind = EventKind::Flapping;
    desk.events.lock().unwrap().extend([
        event("web1", 1, "cpu_load", Level::SICK),
        event("web2", 2, "cpu_load", Level::DEAD),
        flaps,
    ]);
    let port = Port::open(&desk, "").await;
    let all = port.json("127.0.0.1", "CLIENTS").await;
    let now = desk.now().as_second();
    assert_eq!(
        all["cdmp"]["web1"]["cpu_load"],
        serde_json::json!({ "value": 12.5, "unit": "%", "level": "sick", "time": now, "since": 1_700_000_000, "text": "" })
    );
    assert_eq!(all["cdmp"]["web2"], serde_json::json!({}));
    assert_eq!(
        all["events"],
        serde_json::json!([
            { "time": 1_700_000_002, "host": "web2", "item": "cpu_load", "level": "dead", "previous": "fine", "value": 1.5 },
            { "time": 1_700_000_001, "host": "web1", "item": "cpu_load", "level": "sick", "previous": "fine", "value": 1.5 },
        ])
    );
    let one = port.json("127.0.0.1", "CLIENTS web1 disk_usage:/ 5").await;
    assert_eq!(one["cdmp"].as_object().unwrap().len(), 1);
    assert_eq!(one["cdmp"]["web1"].as_object().unwrap().len(), 1);
    assert_eq!(one["events"], serde_json::json!([]));
    let last = port.json("127.0.0.1", "CLIENTS 1").await;
    assert_eq!(last["events"].as_array().unwrap().len(), 1);
    assert_eq!(last["events"][0]["host"], "web2");
    let stranger = port.json("127.0.0.1", "CLIENTS web9").await;
    assert_eq!(stranger["resp"], "refused: nobody knows a host named web9");
}

#[tokio::test]
async fn clients_are_asked_at_their_ports_and_ours_from_what_is_known() {
    let desk = Desk::new();
    native(
        &desk,
        "ours",
        "1.0.0",
        vec![item("cpu_load", 1.0, Level::FINE)],
    );
    foreign(&desk, "theirs", "127.0.0.9");
    desk.declare("ups", "127.0.0.8");
    let client_port = echo_client("127.0.0.9", "dmon-0.05-p179");
    let port = Port::open(&desk, &format!("client_port = {client_port}")).await;
    let theirs = port.ask("CLIENT theirs PING").await;
    assert_eq!(
        theirs,
        "COMMAND CLIENT\nPONG from Client dmon-0.05-p179\nCOMMAND DONE\n"
    );
    let ours = port.ask("CLIENT ours PING").await;
    assert_eq!(
        ours,
        "COMMAND CLIENT\nPONG from Client lockstep-1.0.0\nCOMMAND DONE\n"
    );
    let hist = port.ask("CLIENT theirs HIST D 100 theirs load").await;
    assert!(
        hist.contains("dmon-0.05-p179 was asked: HIST D 100 theirs load\n"),
        "{hist}"
    );
    for refused in [
        "STOP abc",
        "UPGRADE {\"text\":\"x\"}",
        "SERVER PING",
        "NONSENSE",
    ] {
        let answer = port.ask(&format!("CLIENT theirs {refused}")).await;
        assert!(answer.starts_with("COMMAND CLIENT\nrefused: "), "{answer}");
    }
    assert_eq!(
        port.ask("ALLPING").await,
        "COMMAND ALLPING\n-- ours\nPONG from Client lockstep-1.0.0\n-- theirs\nPONG from Client dmon-0.05-p179\n\
         COMMAND DONE\n"
    );
    // A host that is connected is asked by a hint, and one that is not says so.
    let idle = port.ask("CLIENT ours SEND").await;
    assert!(idle.contains("refused: ours is not connected"), "{idle}");
    desk.connected.lock().unwrap().push(host("ours"));
    let all = port.ask("ALLSEND").await;
    assert!(
        all.contains("-- ours\nnext_send server1 2026-11-01T12:00:00Z\n-- theirs\n"),
        "{all}"
    );
    assert_eq!(*desk.hinted.lock().unwrap(), [host("ours")]);
    // Whoever is gone costs a line.
    foreign(&desk, "gone", "127.0.0.7");
    let gone = port.ask("ALLPING").await;
    assert!(gone.contains("-- gone\nrefused: 127.0.0.7:"), "{gone}");
}

#[tokio::test]
async fn the_history_of_ours_comes_in_dmons_table() {
    let desk = Desk::new();
    native(
        &desk,
        "web1",
        "1.0.0",
        vec![
            item("users", 1.0, Level::FINE),
            item("cpu_load", 1.0, Level::FINE),
        ],
    );
    let end = desk.now();
    for (name, first) in [("users", 10.0), ("cpu_load", 0.5)] {
        let bucket = |back: i64| Bucket {
            at: Timestamp::from_second(end.as_second() - 600 * back).unwrap(),
            count: 10,
            mean: first + back as f64,
            min: 0.0,
            max: 99.0,
        };
        let series = Series {
            item: ItemName::parse(name).unwrap(),
            unit: String::new(),
            from: end,
            to: end,
            bucket_ms: 600_000,
            buckets: (0..3).rev().map(bucket).collect(),
        };
        desk.series.lock().unwrap().push((host("web1"), series));
    }
    let port = Port::open(&desk, "").await;
    let table = port.json("127.0.0.1", "CLIENT web1 HIST Day").await;
    let at = end.as_second();
    assert_eq!(
        table,
        serde_json::json!({ "resp": "ok rows 3", "data": {
            "cols": ["TIME", "cpu_load", "users"],
            "rows": [[at - 1200, 2.5, 12.0], [at - 600, 1.5, 11.0], [at, 0.5, 10.0]],
        } })
    );
    let one = port
        .json("127.0.0.1", "CLIENT web1 HIST Day 100 web1 users")
        .await;
    assert_eq!(one["data"]["cols"], serde_json::json!(["TIME", "users"]));
    let none = port
        .json("127.0.0.1", "CLIENT web1 HIST Day 100 web1 nothing")
        .await;
    assert!(
        none["resp"].as_str().unwrap().starts_with("refused: "),
        "{none}"
    );
    let other = port
        .json("127.0.0.1", "CLIENT web1 HIST Day 100 web2")
        .await;
    assert_eq!(other["resp"], "refused: web1 does not watch web2");
}

#[tokio::test]
async fn upgrade_orders_signed_releases_and_takes_no_program() {
    let desk = Desk::new();
    let root = std::path::Path::new("/nowhere");
    for version in ["1.0.0", "1.1.0"] {
        desk.publish("lockstep", version, root, 0);
    }
    desk.come_to("lockstep", "1.1.0");
    for (name, runs, wanted) in [
        ("canary", "1.0.0", "1.1.0"),
        ("done", "1.1.0", "1.1.0"),
        ("later", "1.0.0", "1.0.0"),
    ] {
        native(&desk, name, runs, Vec::new());
        desk.want(name, "lockstep", wanted);
        desk.connected.lock().unwrap().push(host(name));
    }
    foreign(&desk, "old", "127.0.0.9");
    let port = Port::open(&desk, "").await;
    let program = port.ask("UPGRADE {\"text\":\"#!/usr/bin/perl\"}").await;
    assert!(
        program.contains("\nrefused: programs are not taken"),
        "{program}"
    );
    let elsewhere = ask(port.address, "127.0.0.2", b"UPGRADE\n").await;
    assert_eq!(
        elsewhere,
        "COMMAND UPGRADE\nrefused: UPGRADE is for the server's own machine\nCOMMAND DONE\n"
    );
    assert!(
        desk.hinted.lock().unwrap().is_empty(),
        "nothing has changed"
    );
    assert_eq!(
        port.ask("UPGRADE").await,
        "COMMAND UPGRADE\n\
         upgrade canary ok 1.0.0 \u{2192} 1.1.0\n\
         upgrade done ok 1.1.0\n\
         upgrade later refused: later is where it should be with lockstep\n\
         upgrade old refused: it runs no agent of ours, and its own takes unsigned programs only\n\
         COMMAND DONE\n"
    );
    assert_eq!(*desk.hinted.lock().unwrap(), [host("canary")]);
    let one = port.ask("UPGRADE done").await;
    assert_eq!(
        one,
        "COMMAND UPGRADE\nupgrade done ok 1.1.0\nCOMMAND DONE\n"
    );
    assert!(
        port.ask("UPGRADE nobody")
            .await
            .contains("refused: nobody knows a host named nobody")
    );
}
