//! A machine for tests: its `proc`, and below its root `sys` and `run`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{ItemName, Value};
use tempfile::TempDir;

use super::Kernel;
use crate::disk::{Measure, Space};
use crate::probe::{Found, Order, Probe};

pub(crate) struct Machine {
    dir: TempDir,
    kernel: Arc<Kernel>,
}

/// A machine with four processors, half of its memory in use, one disk that is half full, and one network.
pub(crate) fn machine() -> Machine {
    machine_with(Arc::new(|_: &Path| Ok(Some(half_full()))))
}

/// One whose file systems answer as the test says.
pub(crate) fn machine_with(measure: Arc<Measure>) -> Machine {
    let dir = tempfile::tempdir().unwrap();
    let (proc, root) = (dir.path().join("proc"), dir.path().to_owned());
    let kernel = Arc::new(Kernel::with_measure(proc, root, vec![100], measure));
    let machine = Machine { dir, kernel };
    for (path, text) in [
        ("loadavg", "9.00 7.00 2.52 3/456 12345\n"),
        (
            "stat",
            "cpu  1 2 3 4\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1\nintr 99\n",
        ),
        ("meminfo", include_str!("fake/meminfo")),
        ("uptime", "123456.78 99.00\n"),
        ("vmstat", "nr_free_pages 5\noom_kill 3\n"),
        ("pressure/cpu", "some avg10=0 avg60=2.00 avg300=0 total=1\n"),
        (
            "pressure/memory",
            "some avg10=0 avg60=1.27 avg300=0 total=1\nfull avg10=0 avg60=0.50 avg300=0 total=1\n",
        ),
        (
            "pressure/io",
            "some avg10=0 avg60=3.00 avg300=0 total=1\nfull avg10=0 avg60=0.25 avg300=0 total=1\n",
        ),
        ("self/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda rw\n"),
        ("diskstats", include_str!("fake/diskstats")),
        ("net/dev", include_str!("fake/net_dev")),
        ("net/tcp", include_str!("fake/tcp")),
    ] {
        machine.put(Path::new("proc").join(path), text);
    }
    machine.put("sys/block/vda/device/x", "");
    machine.put("sys/block/loop0/x", "");
    machine.put("sys/class/net/eth0/device/x", "");
    machine.put("sys/class/net/lo/x", "");
    machine.put("run/systemd/sessions/1", "CLASS=user\nSTATE=active\n");
    machine.process(100, "lockstep", "/usr/bin/lockstep", 100, 10);
    machine
}

pub(crate) fn half_full() -> Space {
    Space {
        used: 50,
        available: 50,
        block: 4096,
        inodes: 1000,
        inodes_available: 900,
    }
}

impl Machine {
    /// Its kernel, at the beginning of a round.
    pub(crate) fn kernel(&self) -> Arc<Kernel> {
        self.kernel.forget();
        Arc::clone(&self.kernel)
    }

    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a file below the machine's root.
    pub(crate) fn put(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        put(&self.dir, path, text);
    }

    /// Adds a process.
    pub(crate) fn process(&self, pid: u32, comm: &str, program: &str, group: u32, pages: u64) {
        let dir = PathBuf::from(format!("proc/{pid}"));
        self.put(dir.join("stat"), stat_line(pid, comm, group, pages));
        self.put(dir.join("comm"), format!("{comm}\n"));
        self.put(dir.join("cmdline"), format!("{program}\0-x\0"));
    }

    pub(crate) fn order(&self, name: &str) -> Order {
        Order {
            kernel: self.kernel(),
            proc: self.path("proc"),
            root: self.path(""),
            ..Order::for_test(name)
        }
    }

    pub(crate) fn probe(&self, name: &str) -> Arc<dyn Probe> {
        super::find(&self.order(name)).unwrap().unwrap()
    }

    /// What a probe finds in a round of its own.
    pub(crate) async fn look(&self, probe: &Arc<dyn Probe>) -> Vec<Found> {
        self.kernel.forget();
        Arc::clone(probe).look(Timestamp::UNIX_EPOCH).await
    }

    /// The value of a probe's only item.
    pub(crate) async fn value(&self, probe: &Arc<dyn Probe>) -> Value {
        let mut found = self.look(probe).await;
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0).value
    }
}

/// Writes a file below a directory.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's file need not survive a power cut"
)]
pub(crate) fn put(dir: &TempDir, path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
    let path = dir.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// An item without a value, and why.
pub(crate) fn none(item: &str, why: &str) -> Found {
    Found::new(ItemName::parse(item).unwrap(), Err(why.into()))
}

/// An item with a value.
pub(crate) fn some(item: &str, value: Value) -> Found {
    Found::new(ItemName::parse(item).unwrap(), Ok(value))
}

/// A line of `/proc/PID/stat`.
pub(crate) fn stat_line(pid: u32, name: &str, group: u32, pages: u64) -> String {
    // Fields 6 to 23 and those behind 24 do not matter here.
    let between = (6..24).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    format!("{pid} ({name}) S 1 {group} {between} {pages} 18446744073709551615 1 1 0\n")
}
