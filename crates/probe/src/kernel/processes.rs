//! How many processes there are, and how many of one name.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{ItemName, Value};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::single::Reading;
use super::{Kernel, number};
use crate::aside::Aside;
use crate::probe::{Found, Look, Order, Probe};

/// Most processes that are looked at.
const MOST_PROCESSES: usize = 100_000;
/// How much of a command line is read: its first word, unless that is absurdly long.
const LONGEST_PROGRAM: usize = 4096;

/// All processes; threads are none.
pub(super) fn count(kernel: &Kernel) -> Reading {
    let count = pids(&kernel.proc)?.count();
    Ok(Some(number(as_f64(count), "")))
}

/// How many processes have one name.
#[derive(Debug)]
pub(super) struct Processes {
    item: ItemName,
    name: String,
    timeout: Duration,
    kernel: Arc<Kernel>,
    aside: Arc<Aside>,
}

/// The names of all processes, read once in a round.
type Cell = OnceCell<Result<HashMap<String, usize>, String>>;

impl Processes {
    pub(super) fn named(order: &Order) -> Result<Self, String> {
        let name = order.object().filter(|name| !name.is_empty());
        Ok(Self {
            item: order.item()?,
            name: name
                .ok_or("process needs a name: process:nginx")?
                .to_owned(),
            timeout: order.timeout,
            kernel: Arc::clone(&order.kernel),
            aside: Arc::clone(&order.aside),
        })
    }

    async fn count(&self, at: Timestamp) -> Result<Value, String> {
        let deadline = Instant::now() + self.timeout;
        let cell = self.kernel.cell::<Cell>("processes");
        let names = cell
            .get_or_init(async || {
                // A command line is in the memory of its process, which may be locked for as long as a disk hangs.
                let proc = self.kernel.proc.clone();
                let walk = self.aside.ask("processes", at, move || walk(&proc));
                walk.answer(deadline).await.and_then(|names| names)
            })
            .await
            .as_ref()
            .map_err(Clone::clone)?;
        let count = names.get(&self.name).copied().unwrap_or(0);
        Ok(number(as_f64(count), ""))
    }
}

impl Probe for Processes {
    fn look(self: Arc<Self>, at: Timestamp) -> Look {
        Box::pin(async move { vec![Found::new(self.item.clone(), self.count(at).await)] })
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

/// The numbers of the processes, 100,000 at most; threads are none.
pub(crate) fn pids(proc: &Path) -> Result<impl Iterator<Item = u32> + use<>, String> {
    let entries = std::fs::read_dir(proc)
        .map_err(|error| format!("{} cannot be read: {error}", proc.display()))?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.take(MOST_PROCESSES))
}

/// Counts the processes by their names. One of which the kernel and the command line tell two names counts for both:
/// `nginx` calls itself `nginx: master process`, and a script goes by the name of its interpreter.
fn walk(proc: &Path) -> Result<HashMap<String, usize>, String> {
    let mut names = HashMap::new();
    let mut buffer = [0; LONGEST_PROGRAM];
    for pid in pids(proc)? {
        let dir = proc.join(pid.to_string());
        // A process that is not there any more has ended between the two looks.
        let Ok(comm) = head(&dir.join("comm"), &mut buffer) else {
            continue;
        };
        let comm = String::from_utf8_lossy(comm.trim_ascii_end()).into_owned();
        let program = head(&dir.join("cmdline"), &mut buffer)
            .ok()
            .and_then(program);
        if let Some(program) = program.filter(|program| *program != comm) {
            *names.entry(program).or_insert(0) += 1;
        }
        *names.entry(comm).or_insert(0) += 1;
    }
    Ok(names)
}

/// The file name of the program at the beginning of a command line.
fn program(cmdline: &[u8]) -> Option<String> {
    let first = cmdline.split(|&byte| byte == 0).next()?;
    let name = first.rsplit(|&byte| byte == b'/').next()?;
    // A login shell has a dash before its name.
    let name = name.strip_prefix(b"-").unwrap_or(name);
    let name = std::str::from_utf8(name).ok()?;
    (!name.is_empty() && name.len() <= ItemName::LONGEST).then(|| name.to_owned())
}

/// The beginning of a file, in one reading: the kernel gives as much as there is room for, and a machine may have
/// thousands of these files.
fn head<'a>(path: &Path, buffer: &'a mut [u8]) -> std::io::Result<&'a [u8]> {
    let length = File::open(path)?.read(buffer)?;
    Ok(&buffer[..length])
}

#[expect(clippy::cast_precision_loss, reason = "at most 100,000")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::fake;

    #[tokio::test]
    async fn processes_go_by_both_their_names() {
        let machine = fake::machine();
        machine.process(7, "nginx", "nginx: master process /usr/sbin/nginx", 7, 1);
        machine.process(8, "nginx", "nginx: worker process", 7, 1);
        machine.process(9, "systemd-timesyn", "/lib/systemd/systemd-timesyncd", 9, 1);
        machine.process(10, "bash", "-bash", 10, 1);
        machine.process(11, "a) (b", "", 11, 1);
        assert_eq!(count(&machine.kernel()), Ok(Some(number(6.0, ""))));
        for (name, expected) in [
            ("nginx", 2.0),
            ("systemd-timesyncd", 1.0),
            ("systemd-timesyn", 1.0),
            ("bash", 1.0),
            ("a) (b", 1.0),
            ("lockstep", 1.0),
            ("sshd", 0.0),
        ] {
            let probe = machine.probe(&format!("process:{name}"));
            assert_eq!(machine.value(&probe).await, number(expected, ""), "{name}");
        }
    }

    #[tokio::test]
    async fn one_walk_serves_a_whole_round() {
        let machine = fake::machine();
        let one = machine.probe("process:lockstep");
        let other = machine.probe("process:late");
        machine.look(&one).await;
        machine.process(7, "late", "late", 7, 1);
        let same_round = Arc::clone(&other).look(Timestamp::UNIX_EPOCH).await;
        assert_eq!(same_round[0].value, number(0.0, ""));
        assert_eq!(machine.value(&other).await, number(1.0, ""));
    }

    proptest! {
        #[test]
        fn no_command_line_breaks_the_parser(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = program(&line);
        }

        #[test]
        fn a_program_goes_by_its_file_name(dir in "(/[a-z]{1,5}){0,3}/", name in "[a-z]{1,9}") {
            let line = format!("{dir}{name}\0-x\0/y");
            prop_assert_eq!(program(line.as_bytes()), Some(name));
        }
    }
}
