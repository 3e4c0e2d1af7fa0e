use std::path::Path;
use std::sync::{Mutex, mpsc};

use super::*;
use crate::kernel::fake::{self, half_full, none, some};
use crate::kernel::number;

#[tokio::test]
async fn all_quantities_come_from_one_answer() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let machine = fake::machine_with(Arc::new(move |_: &Path| {
        *count.lock().unwrap() += 1;
        Ok(Some(half_full()))
    }));
    let probes = ["disk_usage:*", "disk_free:/", "inode_usage:*"].map(|name| machine.probe(name));
    let mut found = Vec::new();
    for probe in probes {
        found.extend(probe.look(Timestamp::UNIX_EPOCH).await);
    }
    assert_eq!(
        found,
        [
            some("disk_usage:/", number(50.0, "%")),
            some("disk_free:/", number(204_800.0, "bytes")),
            some("inode_usage:/", number(10.0, "%")),
        ]
    );
    assert_eq!(*asked.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_mount_that_hangs_harms_only_its_own_item() {
    let (let_go, hangs) = mpsc::channel::<()>();
    let hangs = Mutex::new(hangs);
    let machine = fake::machine_with(Arc::new(move |path: &Path| {
        if path == Path::new("/dying") {
            hangs.lock().unwrap().recv().map_err(io::Error::other)?;
        }
        Ok(Some(half_full()))
    }));
    machine.put(
        "proc/self/mountinfo",
        "27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 8:1 / /dying rw - ext4 /dev/sda1 rw\n",
    );
    let order = Order {
        timeout: Duration::from_millis(100),
        ..machine.order("disk_usage:*")
    };
    let probe: Arc<dyn Probe> = Arc::new(FileSystems::new(&order, Quantity::Usage).unwrap());
    let fine = some("disk_usage:/", number(50.0, "%"));
    let hung = |why| [fine.clone(), none("disk_usage:/dying", why)];
    assert_eq!(
        machine.look(&probe).await,
        hung("no answer within the time limit")
    );
    // It is not asked again while it hangs.
    assert_eq!(
        machine.look(&probe).await,
        hung("no answer since 1970-01-01T00:00:00Z; it is not asked again before that")
    );
    // One answer for the call that hangs, and one for the next.
    let_go.send(()).unwrap();
    let_go.send(()).unwrap();
    let well = [fine, some("disk_usage:/dying", number(50.0, "%"))];
    let deadline = Instant::now() + Duration::from_secs(60);
    while machine.look(&probe).await != well {
        assert!(Instant::now() < deadline);
    }
}

#[tokio::test]
async fn what_has_no_space_is_no_item_unless_it_was_named() {
    let machine = fake::machine_with(Arc::new(|path: &Path| {
        if path == Path::new("/") {
            Err(io::ErrorKind::PermissionDenied.into())
        } else {
            Ok(None)
        }
    }));
    machine.put(
        "proc/self/mountinfo",
        "27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 8:1 /h /etc/hosts rw - ext4 /dev/sda1 rw\n",
    );
    let all = machine.probe("disk_free:*");
    let denied = "its space cannot be read: permission denied";
    assert_eq!(machine.look(&all).await, [none("disk_free:/", denied)]);
    let one = machine.probe("disk_free:/etc/hosts");
    let why = "/etc/hosts is no directory of a file system with room";
    assert_eq!(
        machine.look(&one).await,
        [none("disk_free:/etc/hosts", why)]
    );
}

#[tokio::test]
async fn mounts_are_bounded() {
    let machine = fake::machine();
    let mut mounts: String = (0..100)
        .map(|n| format!("{n} 1 8:{n} / /disk{n:02} rw - ext4 /dev/sd{n} rw\n"))
        .collect();
    mounts.push_str("900 1 254:0 / / rw - ext4 /dev/vda rw\n");
    mounts.push_str(&format!(
        "901 1 254:1 / /{} rw - ext4 /dev/vdb rw\n",
        "a".repeat(300)
    ));
    machine.put("proc/self/mountinfo", mounts);
    let found = machine.look(&machine.probe("disk_usage:*")).await;
    assert_eq!(
        found.len(),
        MOST_MOUNTS - 1,
        "the one with the long name takes a place but is no item"
    );
    assert_eq!(found[0].item.as_str(), "disk_usage:/");
}

#[test]
fn only_directories_can_be_named() {
    let machine = fake::machine();
    for bad in ["disk_usage", "disk_usage:", "disk_usage:var"] {
        assert!(
            FileSystems::new(&machine.order(bad), Quantity::Usage).is_err(),
            "{bad}"
        );
    }
}
