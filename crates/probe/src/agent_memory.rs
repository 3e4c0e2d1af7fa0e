//! `agent_memory`: what the agent itself costs.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{ItemName, Value};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::aside::Aside;
use crate::kernel::{Kernel, Stat, lone, number, pids, read};
use crate::probe::{Found, Look, Order, Probe};

/// Processes whose proportional memory is read; beyond, their resident memory is counted.
const MOST_PROPORTIONAL: usize = 16;
/// After so many samples every process is looked at anew, should a number have been used again.
const REFRESH: u32 = 10;

/// The probe.
#[derive(Debug)]
pub(crate) struct AgentMemory {
    item: ItemName,
    timeout: Duration,
    kernel: Arc<Kernel>,
    aside: Arc<Aside>,
    finder: Arc<Mutex<Finder>>,
}

/// The agent's memory, measured once in a round: somebody may watch it live while the schedule looks at it.
type Cell = OnceCell<Result<Value, String>>;

impl AgentMemory {
    pub(crate) fn new(order: &Order) -> Result<Self, String> {
        Ok(Self {
            item: lone(order)?,
            timeout: order.timeout,
            kernel: Arc::clone(&order.kernel),
            aside: Arc::clone(&order.aside),
            finder: Arc::default(),
        })
    }
}

impl Probe for AgentMemory {
    /// What a process has in memory is told under its lock, which it may hold for as long as a disk hangs.
    fn look(self: Arc<Self>, at: Timestamp) -> Look {
        Box::pin(async move {
            let deadline = Instant::now() + self.timeout;
            let cell = self.kernel.cell::<Cell>("agent_memory");
            let value = cell.get_or_init(async || {
                let (finder, kernel) = (Arc::clone(&self.finder), Arc::clone(&self.kernel));
                let memory = self.aside.ask("agent_memory", at, move || {
                    let mut finder = finder.lock().unwrap_or_else(PoisonError::into_inner);
                    finder.memory(&kernel.proc, &kernel.agent_pids)
                });
                memory.answer(deadline).await.and_then(|value| value)
            });
            vec![Found::new(self.item.clone(), value.await.clone())]
        })
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

/// Finds the agent's processes, and remembers which ones are not: looking at one costs 7 µs, and there may be
/// thousands.
#[derive(Debug, Default)]
struct Finder {
    strangers: HashSet<u32>,
    groups: Vec<u32>,
    samples: u32,
}

impl Finder {
    /// Memory of the processes `pids`, and of all others in the process groups that they lead, in bytes. A process
    /// that leads no group counts alone: its group is that of whoever started it.
    ///
    /// A process that is not there (a supervisor may just have been replaced) counts nothing, as long as one is.
    fn memory(&mut self, proc: &Path, pids: &[u32]) -> Result<Value, String> {
        let known: Vec<Stat> = pids.iter().filter_map(|&pid| Stat::of(proc, pid)).collect();
        if known.is_empty() {
            return Err(format!(
                "none of the agent's processes {pids:?} is found below {}",
                proc.display()
            ));
        }
        let groups: Vec<u32> = known
            .iter()
            .filter(|stat| stat.group == stat.pid)
            .map(|stat| stat.pid)
            .collect();
        self.samples = (self.samples + 1) % REFRESH;
        if self.samples == 0 || groups != self.groups {
            self.strangers.clear();
            self.groups.clone_from(&groups);
        }
        let mut members = known;
        members.sort_by_key(|stat| stat.pid);
        members.dedup_by_key(|stat| stat.pid);
        if !groups.is_empty() {
            let already: HashSet<u32> = members.iter().map(|stat| stat.pid).collect();
            self.find_members(proc, &groups, &already, &mut members)?;
        }
        Ok(number(sum(proc, &members), "bytes"))
    }

    fn find_members(
        &mut self,
        proc: &Path,
        groups: &[u32],
        already: &HashSet<u32>,
        members: &mut Vec<Stat>,
    ) -> Result<(), String> {
        let mut still_there = HashSet::new();
        for pid in pids(proc)? {
            if already.contains(&pid) {
                continue;
            }
            if self.strangers.contains(&pid) {
                still_there.insert(pid);
                continue;
            }
            match Stat::of(proc, pid) {
                Some(stat) if groups.contains(&stat.group) => members.push(stat),
                Some(_) => {
                    still_there.insert(pid);
                }
                // It ended between the two looks.
                None => {}
            }
        }
        self.strangers = still_there;
        Ok(())
    }
}

/// Memory of these processes in bytes: proportional where the kernel tells it, for supervisor and worker share most
/// of their program's pages.
#[expect(clippy::cast_precision_loss, reason = "no process has 2^52 bytes")]
fn sum(proc: &Path, members: &[Stat]) -> f64 {
    let page = procfs::page_size();
    let bytes = members.iter().enumerate().map(|(index, stat)| {
        let proportional = (index < MOST_PROPORTIONAL)
            .then(|| proportional(proc, stat.pid))
            .flatten();
        proportional.unwrap_or(stat.pages.saturating_mul(page))
    });
    bytes.fold(0, u64::saturating_add) as f64
}

/// `Pss` of `/proc/PID/smaps_rollup` in bytes; none where the kernel is old or does not let us.
fn proportional(proc: &Path, pid: u32) -> Option<u64> {
    let text = read(&proc.join(pid.to_string()).join("smaps_rollup")).ok()?;
    let text = String::from_utf8(text).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fake::{self, Machine};

    fn bytes(value: Result<Value, String>) -> f64 {
        match value.unwrap() {
            Value::Number { value, unit } if unit == "bytes" => value,
            other => panic!("{other:?}"),
        }
    }

    fn proc(machine: &Machine) -> std::path::PathBuf {
        machine.path("proc")
    }

    #[expect(clippy::cast_precision_loss, reason = "small")]
    fn pages(count: u64) -> f64 {
        (count * procfs::page_size()) as f64
    }

    #[test]
    fn groups_are_counted_whole_and_strangers_not() {
        let machine = fake::machine();
        machine.process(100, "lockstep", "x", 100, 10);
        machine.process(101, "a b) (c", "x", 100, 20);
        machine.process(200, "lockstep", "x", 200, 40);
        machine.process(300, "sshd", "x", 300, 1000);
        let mut finder = Finder::default();
        assert_eq!(
            bytes(finder.memory(&proc(&machine), &[100, 200])),
            pages(70)
        );
        assert_eq!(bytes(finder.memory(&proc(&machine), &[100])), pages(30));
        assert_eq!(
            bytes(finder.memory(&proc(&machine), &[100, 100, 101])),
            pages(30),
            "each once"
        );
    }

    #[test]
    fn a_process_that_leads_no_group_counts_alone() {
        let machine = fake::machine();
        machine.process(50, "sh", "x", 50, 1000);
        machine.process(100, "lockstep", "x", 50, 10);
        assert_eq!(
            bytes(Finder::default().memory(&proc(&machine), &[100])),
            pages(10)
        );
    }

    #[test]
    fn proportional_memory_is_preferred() {
        let machine = fake::machine();
        machine.process(100, "lockstep", "x", 100, 10);
        machine.process(101, "lockstep", "x", 100, 20);
        machine.put(
            "proc/100/smaps_rollup",
            "5500-7ffc [rollup]\nRss:  9000 kB\nPss:    12 kB\nPss_Dirty: 3 kB\n",
        );
        assert_eq!(
            bytes(Finder::default().memory(&proc(&machine), &[100])),
            12.0 * 1024.0 + pages(20)
        );
    }

    #[test]
    fn processes_that_come_and_go_are_noticed() {
        let machine = fake::machine();
        machine.process(100, "lockstep", "x", 100, 10);
        machine.process(300, "sshd", "x", 300, 1000);
        let mut finder = Finder::default();
        assert_eq!(
            bytes(finder.memory(&proc(&machine), &[100, 900])),
            pages(10)
        );
        machine.process(101, "lockstep", "x", 100, 20);
        assert_eq!(
            bytes(finder.memory(&proc(&machine), &[100, 900])),
            pages(30)
        );
        // A stranger's number is used again for one of ours: noticed when it was gone in between, or by and by.
        machine.process(300, "lockstep", "x", 100, 40);
        let later = (0..REFRESH)
            .map(|_| bytes(finder.memory(&proc(&machine), &[100, 900])))
            .last();
        assert_eq!(later, Some(pages(70)));
        std::fs::remove_dir_all(proc(&machine).join("100")).unwrap();
        assert!(
            finder
                .memory(&proc(&machine), &[100, 900])
                .unwrap_err()
                .contains("[100, 900]")
        );
    }

    #[tokio::test]
    async fn who_watches_it_live_takes_no_value_from_the_schedule() {
        let machine = fake::machine();
        // Both have threads of the same prober, and a memory of their own.
        let order = machine.order("agent_memory");
        let probes = [0, 1].map(|_| Arc::new(AgentMemory::new(&order).unwrap()));
        let [scheduled, live] = probes.map(|probe| probe.look(Timestamp::UNIX_EPOCH));
        let (scheduled, live) = tokio::join!(scheduled, live);
        let value = number(pages(10), "bytes");
        assert_eq!((&live[0].value, &scheduled[0].value), (&value, &value));
    }

    #[test]
    fn this_process_has_memory() {
        let value = Finder::default().memory(Path::new("/proc"), &[std::process::id()]);
        assert!((1e5..1e9).contains(&bytes(value)));
    }
}
