//! Which processes are at work now: those that take most of the processors, and those that hold most memory.
//!
//! It is asked when something has gone wrong, and costs nothing before. Of a process its name is told (`comm` of
//! proc(5)), not its arguments: people write secrets there.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::{ProcessSeen, ProcessesSeen};
use tokio::time::{Instant, sleep};

use crate::aside::Aside;
use crate::kernel::{Stat, pids};
use crate::passwd;
use crate::remote::clean;

/// Time over which it is counted what a process takes.
const MEANWHILE: Duration = Duration::from_secs(1);
/// A walk over all processes that takes longer is given up.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Looks for the busiest processes of this machine.
#[derive(Debug, Clone)]
pub struct Busiest {
    proc: PathBuf,
    root: PathBuf,
    aside: Arc<Aside>,
}

/// All processes, and when the walk over them began.
#[derive(Debug)]
struct Walk {
    begun: Instant,
    processes: Vec<Stat>,
}

/// The processes that take most of the processors, and those that hold most memory; most first.
type ByCpuAndMemory = (Vec<ProcessSeen>, Vec<ProcessSeen>);

impl Busiest {
    /// Those of the machine whose `proc` and root are at these paths.
    #[must_use]
    pub fn new(proc: PathBuf, root: PathBuf) -> Self {
        Self {
            proc,
            root,
            aside: Arc::default(),
        }
    }

    /// Looks twice, a second apart, in a thread of its own: reading a process may hang with it. At most ten of each.
    ///
    /// # Errors
    /// Words for people: `/proc` cannot be read, or does not answer; also while an earlier look hangs.
    pub async fn look(
        &self,
        at: Timestamp,
    ) -> Result<(Vec<ProcessSeen>, Vec<ProcessSeen>), String> {
        let proc = self.proc.clone();
        let walked = self.aside.ask("busiest", at, move || walk(&proc));
        let before = walked.answer(Instant::now() + TIME_LIMIT).await??;
        sleep(MEANWHILE).await;
        let (proc, root) = (self.proc.clone(), self.root.clone());
        let walked = self.aside.ask("busiest", at, move || {
            let now = walk(&proc)?;
            let users = passwd::read(&root).unwrap_or_default();
            Ok::<_, String>(choose(&now, &before, |pid| user(&proc, &users, pid)))
        });
        walked.answer(Instant::now() + TIME_LIMIT).await?
    }
}

fn walk(proc: &Path) -> Result<Walk, String> {
    let begun = Instant::now();
    // A process that is not there any more has ended meanwhile.
    let processes = pids(proc)?.filter_map(|pid| Stat::of(proc, pid)).collect();
    Ok(Walk { begun, processes })
}

/// The ten of each kind. Those that took nothing of the processors are not among the first, and kernel threads, which
/// hold no memory, not among the second.
#[expect(
    clippy::cast_precision_loss,
    reason = "ticks of a second are far below 2^52"
)]
fn choose(now: &Walk, before: &Walk, user: impl Fn(u32) -> String) -> ByCpuAndMemory {
    // Both walks come by a process at about the same time after their beginning, however long they take.
    let passed = now.begun.duration_since(before.begun).as_secs_f64();
    let before: HashMap<(u32, u64), u64> = before
        .processes
        .iter()
        .map(|it| ((it.pid, it.started), it.ticks))
        .collect();
    // One that was not there before has taken all of its time meanwhile.
    let took = |it: &Stat| {
        let before = before.get(&(it.pid, it.started)).copied().unwrap_or(0);
        it.ticks.saturating_sub(before)
    };
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    let page = rustix::param::page_size() as u64;
    let tell = |it: &Stat| ProcessSeen {
        pid: it.pid,
        name: clean(&it.name, ProcessSeen::LONGEST_NAME),
        user: user(it.pid),
        cpu: (took(it) as f64 / per_second / passed.max(0.1) * 1000.0).round() / 10.0,
        memory: it.pages.saturating_mul(page),
    };
    let top = |weight: &dyn Fn(&Stat) -> u64| -> Vec<ProcessSeen> {
        let mut all: Vec<&Stat> = now.processes.iter().filter(|it| weight(it) > 0).collect();
        all.sort_by_key(|it| (Reverse(weight(it)), it.pid));
        all.truncate(ProcessesSeen::MOST);
        all.into_iter().map(tell).collect()
    };
    (top(&took), top(&|it| it.pages))
}

/// Whose process it is: a name, or a number; empty if it has ended.
fn user(proc: &Path, users: &str, pid: u32) -> String {
    let Ok(metadata) = std::fs::metadata(proc.join(pid.to_string())) else {
        return String::new();
    };
    let uid = metadata.uid();
    match passwd::name_of(users, uid) {
        Some(name) => clean(name, ProcessSeen::LONGEST_NAME),
        None => uid.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: u32, ticks: u64, pages: u64) -> Stat {
        Stat {
            pid,
            name: "x".into(),
            group: 1,
            ticks,
            started: 77,
            pages,
        }
    }

    /// Two walks, so many milliseconds from the beginning of one to that of the other.
    fn walks(before: Vec<Stat>, now: Vec<Stat>, millis: u64) -> [Walk; 2] {
        let begun = Instant::now();
        let later = begun + Duration::from_millis(millis);
        [(begun, before), (later, now)].map(|(begun, processes)| Walk { begun, processes })
    }

    #[test]
    fn what_a_process_takes_is_measured_from_walk_to_walk() {
        let per_second = rustix::param::clock_ticks_per_second();
        // Each walk takes half a second, so a process is met again after one and a half.
        let now = stat(7, 1000 + per_second * 3 / 2, 1);
        let [before, now] = walks(vec![stat(7, 1000, 1)], vec![now], 1500);
        let (cpu, _) = choose(&now, &before, |_| String::new());
        assert_eq!(cpu[0].cpu, 100.0);
    }

    #[test]
    fn the_ten_of_each_kind_are_named() {
        let now: Vec<Stat> = (1..=30)
            .map(|n| stat(n, 1000 + u64::from(n), 31 - u64::from(n)))
            .collect();
        // All but the last five have taken nothing since; one number is used by another process now.
        let mut before = now.clone();
        for it in &mut before {
            match it.pid {
                3 => it.started = 1,
                26..=30 => it.ticks = 1000,
                _ => {}
            }
        }
        let [before, now] = walks(before, now, 1000);
        let (cpu, memory) = choose(&now, &before, |pid| format!("u{pid}"));
        let pids = |list: &[ProcessSeen]| list.iter().map(|it| it.pid).collect::<Vec<_>>();
        assert_eq!(pids(&cpu), [3, 30, 29, 28, 27, 26]);
        assert_eq!(pids(&memory), (1..=10).collect::<Vec<_>>());
        assert_eq!(cpu[1].user, "u30");
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu[1].cpu, (30.0 / per_second * 1000.0).round() / 10.0);
    }

    #[tokio::test]
    async fn this_test_is_among_the_processes_of_its_machine() {
        let busiest = Busiest::new("/proc".into(), "/".into());
        let (_, memory) = busiest.look(Timestamp::UNIX_EPOCH).await.unwrap();
        assert!(!memory.is_empty() && memory.len() <= ProcessesSeen::MOST);
        assert!(memory.windows(2).all(|two| two[0].memory >= two[1].memory));
        assert!(
            memory
                .iter()
                .all(|it| !it.name.is_empty() && !it.user.is_empty()),
            "{memory:?}"
        );
        let none = Busiest::new("/nowhere".into(), "/".into());
        assert!(
            none.look(Timestamp::UNIX_EPOCH)
                .await
                .unwrap_err()
                .contains("/nowhere")
        );
    }
}
