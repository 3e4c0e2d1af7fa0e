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
use crate::kernel::read;
use crate::remote::clean;

/// Time over which it is counted what a process takes.
const MEANWHILE: Duration = Duration::from_secs(1);
/// A walk over all processes that takes longer is given up.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Most processes that are looked at: a machine with more has another problem.
const MOST_PROCESSES: usize = 20_000;
/// Largest file of users that is read, in bytes.
const LARGEST_PASSWD: usize = 1024 * 1024;

/// Looks for the busiest processes of this machine.
#[derive(Debug, Clone)]
pub struct Busiest {
    proc: PathBuf,
    root: PathBuf,
    aside: Arc<Aside>,
}

/// What `/proc/PID/stat` says; proc_pid_stat(5).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stat {
    pid: u32,
    name: String,
    /// Time of processors that it has taken, in ticks.
    ticks: u64,
    /// When it was started: a number that is used again has another one.
    started: u64,
    /// Resident memory, in pages.
    pages: u64,
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
        let begun = Instant::now();
        let before = walked.answer(begun + TIME_LIMIT).await??;
        let before: HashMap<(u32, u64), u64> = before
            .into_iter()
            .map(|it| ((it.pid, it.started), it.ticks))
            .collect();
        sleep(MEANWHILE).await;
        let (proc, root) = (self.proc.clone(), self.root.clone());
        let walked = self.aside.ask("busiest", at, move || {
            let now = walk(&proc)?;
            let passed = begun.elapsed().as_secs_f64();
            Ok::<_, String>(choose(now, &before, passed, |pid| user(&proc, &root, pid)))
        });
        walked.answer(Instant::now() + TIME_LIMIT).await?
    }
}

fn walk(proc: &Path) -> Result<Vec<Stat>, String> {
    let entries = std::fs::read_dir(proc)
        .map_err(|error| format!("{} cannot be read: {error}", proc.display()))?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    // A process that is not there any more has ended meanwhile.
    let stats = pids
        .take(MOST_PROCESSES)
        .filter_map(|pid| parse(&read(&proc.join(pid.to_string()).join("stat")).ok()?));
    Ok(stats.collect())
}

/// `PID (NAME) STATE …`; the name may hold anything, brackets and line breaks too.
fn parse(stat: &[u8]) -> Option<Stat> {
    let text = String::from_utf8_lossy(stat);
    let (pid, rest) = text.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(')')?;
    // The first of these is field 3.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        pid: pid.trim().parse().ok()?,
        name: clean(name, ProcessSeen::LONGEST_NAME),
        ticks: number(14)?.saturating_add(number(15)?),
        started: number(22)?,
        pages: number(24)?,
    })
}

/// The ten of each kind. Those that took nothing of the processors are not among the first, and kernel threads, which
/// hold no memory, not among the second.
#[expect(
    clippy::cast_precision_loss,
    reason = "ticks of a second are far below 2^52"
)]
fn choose(
    now: Vec<Stat>,
    before: &HashMap<(u32, u64), u64>,
    passed: f64,
    user: impl Fn(u32) -> String,
) -> ByCpuAndMemory {
    // One that was not there before has taken all of its time meanwhile.
    let took = |it: &Stat| {
        let before = before.get(&(it.pid, it.started)).copied().unwrap_or(0);
        it.ticks.saturating_sub(before)
    };
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    let page = rustix::param::page_size() as u64;
    let tell = |it: &Stat| ProcessSeen {
        pid: it.pid,
        name: it.name.clone(),
        user: user(it.pid),
        cpu: (took(it) as f64 / per_second / passed.max(0.1) * 1000.0).round() / 10.0,
        memory: it.pages.saturating_mul(page),
    };
    let top = |weight: &dyn Fn(&Stat) -> u64| -> Vec<ProcessSeen> {
        let mut all: Vec<&Stat> = now.iter().filter(|it| weight(it) > 0).collect();
        all.sort_by_key(|it| (Reverse(weight(it)), it.pid));
        all.truncate(ProcessesSeen::MOST);
        all.into_iter().map(tell).collect()
    };
    (top(&took), top(&|it| it.pages))
}

/// Whose process it is: a name, or a number; empty if it has ended.
fn user(proc: &Path, root: &Path, pid: u32) -> String {
    let Ok(metadata) = std::fs::metadata(proc.join(pid.to_string())) else {
        return String::new();
    };
    let uid = metadata.uid();
    let passwd = read(&root.join("etc/passwd")).unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd[..passwd.len().min(LARGEST_PASSWD)]);
    name_of(&passwd, uid).unwrap_or_else(|| uid.to_string())
}

/// `NAME:PASSWORD:UID:…`, see passwd(5).
fn name_of(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let is_it = fields.nth(1)?.parse() == Ok(uid);
        is_it.then(|| clean(name, ProcessSeen::LONGEST_NAME))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(pid: u32, name: &str, ticks: u64, pages: u64) -> String {
        format!("{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 77 9999 {pages} 0\n")
    }

    fn stat(pid: u32, ticks: u64, pages: u64) -> Stat {
        parse(line(pid, "x", ticks, pages).as_bytes()).unwrap()
    }

    #[test]
    fn a_name_with_brackets_is_read_whole() {
        let read = parse(line(7, "a) (b", 250, 3).as_bytes()).unwrap();
        assert_eq!(
            read,
            Stat {
                pid: 7,
                name: "a) (b".into(),
                ticks: 250,
                started: 77,
                pages: 3
            }
        );
        assert_eq!(parse(b"7 (sh) S 1 2 3"), None);
    }

    #[test]
    fn the_ten_of_each_kind_are_named() {
        let now: Vec<Stat> = (1..=30)
            .map(|n| stat(n, 1000 + u64::from(n), 31 - u64::from(n)))
            .collect();
        // All but the last five have taken nothing since; one number is used by another process now.
        let mut before: HashMap<(u32, u64), u64> = now
            .iter()
            .map(|it| ((it.pid, it.started), it.ticks))
            .collect();
        for pid in 26..=30 {
            before.insert((pid, 77), 1000);
        }
        before.remove(&(3, 77));
        before.insert((3, 1), 1003);
        let (cpu, memory) = choose(now, &before, 1.0, |pid| format!("u{pid}"));
        let pids = |list: &[ProcessSeen]| list.iter().map(|it| it.pid).collect::<Vec<_>>();
        assert_eq!(pids(&cpu), [3, 30, 29, 28, 27, 26]);
        assert_eq!(pids(&memory), (1..=10).collect::<Vec<_>>());
        assert_eq!(cpu[1].user, "u30");
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu[1].cpu, (30.0 / per_second * 1000.0).round() / 10.0);
    }

    #[test]
    fn users_are_named_where_they_have_a_name() {
        let passwd = "root:x:0:0::/:/bin/sh\nodd\nwww:x:33:33:::\n";
        assert_eq!(name_of(passwd, 33).as_deref(), Some("www"));
        assert_eq!(name_of(passwd, 34), None);
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

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&bytes);
        }
    }
}
