use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc;

use super::*;
use crate::disk::Space;
use crate::kernel::number;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn config(proc: &Path) -> Config {
    Config {
        proc_root: proc.into(),
        agent_pids: vec![100],
        deadline: Duration::from_secs(60),
    }
}

async fn sample(sampler: &Sampler, second: i64) -> BTreeMap<String, Value> {
    let samples = sampler.sample(at(second)).await;
    let count = samples.len();
    let by_name: BTreeMap<_, _> = samples
        .into_iter()
        .map(|(item, value)| (item.to_string(), value))
        .collect();
    assert_eq!(by_name.len(), count, "an item came twice");
    by_name
}

fn half_full(_: &Path) -> io::Result<Option<Space>> {
    Ok(Some(Space {
        used: 50,
        available: 50,
    }))
}

#[tokio::test]
async fn a_machine_has_its_items() {
    let proc = fake::proc();
    fake::process(&proc, 100, "lockstep", 100, 10);
    let sampler = Sampler::with_measure(config(proc.path()), Arc::new(half_full));
    let items = sample(&sampler, 1).await;
    let names: Vec<_> = items.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "agent_memory",
            "cpu_load",
            "disk_usage:/",
            "memory_available",
            "uptime"
        ]
    );
    assert_eq!(items["disk_usage:/"], number(50.0, "%"));
    assert!(
        items
            .values()
            .all(|value| matches!(value, Value::Number { .. })),
        "{items:?}"
    );
}

#[tokio::test]
async fn a_machine_without_anything_says_why() {
    let empty = tempfile::tempdir().unwrap();
    let sampler = Sampler::with_measure(config(empty.path()), Arc::new(half_full));
    let items = sample(&sampler, 1).await;
    assert_eq!(items.len(), 5);
    for (name, value) in items {
        assert!(
            matches!(&value, Value::None(why) if !why.is_empty()),
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn a_mount_that_hangs_harms_only_its_own_item() {
    let proc = fake::proc();
    fake::process(&proc, 100, "lockstep", 100, 10);
    let mounts =
        "27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 8:1 / /dying rw - ext4 /dev/sda1 rw\n";
    fake::put(&proc, "self/mountinfo", mounts);
    let (let_go, hangs) = mpsc::channel::<()>();
    let hangs = Mutex::new(hangs);
    let measure = move |path: &Path| {
        if path == Path::new("/dying") {
            hangs.lock().unwrap().recv().map_err(io::Error::other)?;
        }
        half_full(path)
    };
    let deadline = Duration::from_secs(1);
    let config = Config {
        deadline,
        ..config(proc.path())
    };
    let sampler = Sampler::with_measure(config, Arc::new(measure));

    let first = sample(&sampler, 60).await;
    assert_eq!(
        first["disk_usage:/dying"],
        Value::None("no answer within the time limit".into())
    );
    for fine in ["disk_usage:/", "cpu_load", "agent_memory"] {
        assert!(
            matches!(first[fine], Value::Number { .. }),
            "{fine}: {}",
            first[fine]
        );
    }
    // It is not asked again while it hangs, by no clone either, so this takes no time at all.
    let second = sample(&sampler.clone(), 120).await;
    let why = "no answer since 1970-01-01T00:01:00Z; it is not asked again before that";
    assert_eq!(second["disk_usage:/dying"], Value::None(why.into()));
    assert_eq!(second["disk_usage:/"], number(50.0, "%"));
    // Two answers, in case the thread has not ended when it is asked again: then the one after that succeeds.
    let_go.send(()).unwrap();
    let_go.send(()).unwrap();
    let mut value = Value::None(String::new());
    for second in 180.. {
        value = sample(&sampler, second).await["disk_usage:/dying"].clone();
        if matches!(value, Value::Number { .. }) || second > 100_000 {
            break;
        }
    }
    assert_eq!(value, number(50.0, "%"));
}

#[tokio::test]
async fn a_mount_that_fails_or_is_none_of_ours() {
    let proc = fake::proc();
    let mounts =
        "27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 8:1 /h /etc/hosts rw - ext4 /dev/sda1 rw\n";
    fake::put(&proc, "self/mountinfo", mounts);
    let measure = |path: &Path| {
        if path == Path::new("/") {
            Err(io::ErrorKind::PermissionDenied.into())
        } else {
            Ok(None)
        }
    };
    let items = sample(
        &Sampler::with_measure(config(proc.path()), Arc::new(measure)),
        1,
    )
    .await;
    assert_eq!(
        items["disk_usage:/"],
        Value::None("its space cannot be read: permission denied".into())
    );
    assert!(!items.contains_key("disk_usage:/etc/hosts"));
}

#[tokio::test]
async fn mounts_are_bounded() {
    let proc = fake::proc();
    let mut mounts: String = (0..100)
        .map(|n| format!("{n} 1 8:{n} / /disk{n:02} rw - ext4 /dev/sd{n} rw\n"))
        .collect();
    mounts.push_str("900 1 254:0 / / rw - ext4 /dev/vda rw\n");
    mounts.push_str(&format!(
        "901 1 254:1 / /{} rw - ext4 /dev/vdb rw\n",
        "a".repeat(300)
    ));
    fake::put(&proc, "self/mountinfo", &mounts);
    let items = sample(
        &Sampler::with_measure(config(proc.path()), Arc::new(half_full)),
        1,
    )
    .await;
    let disks: Vec<_> = items
        .keys()
        .filter(|name| name.starts_with("disk_usage:"))
        .collect();
    assert_eq!(
        disks.len(),
        disk::MOST_MOUNTS - 1,
        "the one with the long name takes a place but is no item"
    );
    assert_eq!(disks[0], "disk_usage:/");
}

#[tokio::test]
async fn this_machine_can_be_sampled() {
    let sampler = Sampler::new(Config::of_this_machine(vec![std::process::id()]));
    for second in 0..3 {
        let items = sample(&sampler, second).await;
        for name in [
            "agent_memory",
            "cpu_load",
            "memory_available",
            "uptime",
            "disk_usage:/",
        ] {
            assert!(
                matches!(items[name], Value::Number { value, .. } if value >= 0.0),
                "{name}: {}",
                items[name]
            );
        }
    }
}
