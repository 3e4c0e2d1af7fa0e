use lockstep_model::{HostName, Setting};

use super::*;
use crate::probe::Target;

/// A name that the probe takes.
fn example(name: &str) -> String {
    let object = match name {
        "disk_usage" | "disk_free" | "inode_usage" => "/",
        "disk_busy" | "disk_read" | "disk_write" | "disk_await" => "vda",
        "network_in" | "network_out" | "network_errors" => "eth0",
        "process" => "lockstep",
        "listening" => "22",
        _ => return name.into(),
    };
    format!("{name}:{object}")
}

#[tokio::test]
async fn every_name_has_a_probe_that_finds_its_item() {
    let machine = fake::machine();
    for name in NAMES {
        let item = example(name);
        let found = machine.look(&machine.probe(&item)).await;
        assert_eq!(found.len(), 1, "{item}: {found:?}");
        assert_eq!(found[0].item.as_str(), item);
        match &found[0].value {
            Value::Number { .. } => {}
            Value::None(why) => assert_eq!(why, "needs two samples", "{item}"),
            Value::Text(text) => panic!("{item}: {text}"),
        }
    }
    assert!(find(&machine.order("http:x")).is_none());
}

#[tokio::test]
async fn values_come_from_proc() {
    let machine = fake::machine();
    for (item, expected) in [
        ("cpu_load", number(0.63, "")),
        ("memory_available", number(61.9, "%")),
        ("uptime", number(123_456.0, "s")),
        ("processes", number(1.0, "")),
        ("pressure_io_full", number(0.25, "%")),
        ("users", number(1.0, "")),
    ] {
        assert_eq!(
            machine.value(&machine.probe(item)).await,
            expected,
            "{item}"
        );
    }
}

#[tokio::test]
async fn a_machine_without_anything_says_why() {
    let machine = fake::machine();
    std::fs::remove_dir_all(machine.path("proc")).unwrap();
    for name in NAMES {
        for found in machine.look(&machine.probe(&example(name))).await {
            match found.value {
                Value::None(why) => assert!(!why.is_empty(), "{name}"),
                // These are not in proc.
                other => assert!(
                    matches!(name, "users" | "disk_usage" | "disk_free" | "inode_usage"),
                    "{name}: {other}"
                ),
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    for (file, text, name) in [
        ("loadavg", "", "cpu_load"),
        ("loadavg", "a b c d e", "cpu_load"),
        ("stat", "intr 5\n", "cpu_load"),
        ("stat", "intr 5\n", "cpu_busy"),
        (
            "meminfo",
            "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
            "memory_available",
        ),
        ("meminfo", "MemTotal: 5 kB\n", "memory_available"),
        ("meminfo", "nonsense", "swap_used"),
        ("uptime", "\u{fffd}", "uptime"),
        ("pressure/io", "none", "pressure_io_some"),
    ] {
        let machine = fake::machine();
        machine.put(format!("proc/{file}"), text);
        match machine.value(&machine.probe(name)).await {
            Value::None(why) => assert!(why.contains(file), "{name}: {why}"),
            other => panic!("{name}: {other}"),
        }
    }
    let machine = fake::machine();
    std::fs::remove_file(machine.path("proc/uptime")).unwrap();
    let value = machine.value(&machine.probe("uptime")).await;
    assert!(
        matches!(&value, Value::None(why) if why.contains("cannot be read: No such file")),
        "{value}"
    );
}

#[test]
fn entries_that_make_no_sense_are_refused_with_a_reason() {
    let machine = fake::machine();
    let why = |order: &Order| find(order).unwrap().unwrap_err();
    for (name, word) in [
        ("cpu_load:0", "one item"),
        ("disk_busy", "needs the name of a disk"),
        ("network_in", "needs the name of a network interface"),
        ("process", "needs a name"),
        ("process:*", "cannot be discovered"),
        ("listening:*", "cannot be discovered"),
    ] {
        let why = why(&machine.order(name));
        assert!(why.contains(word), "{name}: {why}");
    }
    let mut order = machine.order("cpu_load");
    order.options.insert("every".into(), Setting::Flag(true));
    assert_eq!(why(&order), "cpu_load has no option every");
    let mut order = machine.order("cpu_load");
    order.target = Some(Target {
        host: HostName::parse("ups1").unwrap(),
        address: "192.0.2.1".into(),
        snmp: None,
    });
    assert!(why(&order).contains("ups1 has no agent"));
}

#[tokio::test]
async fn this_machine_has_all_of_it() {
    for name in [
        "cpu_load",
        "memory_available",
        "uptime",
        "disk_usage:/",
        "disk_free:*",
        "processes",
    ] {
        let probe = find(&Order::for_test(name)).unwrap().unwrap();
        let found = probe.look(jiff::Timestamp::UNIX_EPOCH).await;
        assert!(!found.is_empty(), "{name}");
        for found in found {
            assert!(
                matches!(found.value, Value::Number { value, .. } if value >= 0.0),
                "{found:?}"
            );
        }
    }
}
