//! Who was at work when the machine went wrong: noted when an item of its processors or memory becomes sick, and told
//! with the next report. While all is well it costs nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::ProcessesSeen;
use lockstep_model::{EventKind, ItemName, Level};
use lockstep_plan::fitness::Happened;
use lockstep_probe::Busiest;
use tokio::time::Instant;
use tracing::debug;

/// They are looked at this often at most: a machine in trouble must not be kept busy by being watched.
const PAUSE: Duration = Duration::from_secs(60);

/// What has gone wrong: an item, and the level that it has now.
#[derive(Debug, Clone)]
pub(super) struct Wrong {
    item: ItemName,
    level: Level,
}

/// The newest note.
#[derive(Debug)]
pub(super) struct Busy {
    /// False: nobody on this host is named to the server.
    is_permitted: bool,
    busiest: Busiest,
    not_before: Instant,
    note: Arc<Mutex<Option<ProcessesSeen>>>,
}

impl Busy {
    pub(super) fn of_this_machine(is_permitted: bool) -> Self {
        Self {
            is_permitted,
            busiest: Busiest::new("/proc".into(), "/".into()),
            not_before: Instant::now(),
            note: Arc::default(),
        }
    }

    /// `report.processes` of `agent.toml`, as it is from now on. What was noted before and is not permitted any more is
    /// not told.
    pub(super) fn permit(&mut self, is_permitted: bool) {
        self.is_permitted = is_permitted;
    }

    /// Begins a look, for the machine has just gone wrong. It goes on beside the worker.
    pub(super) fn notice(&mut self, wrong: Wrong, now: Timestamp) {
        if !self.is_permitted || Instant::now() < self.not_before {
            return;
        }
        self.not_before = Instant::now() + PAUSE;
        let Wrong { item, level } = wrong;
        let (busiest, note) = (self.busiest.clone(), Arc::clone(&self.note));
        tokio::spawn(async move {
            match busiest.look(now).await {
                Ok((by_cpu, by_memory)) => {
                    let seen = ProcessesSeen {
                        at: now,
                        item,
                        level,
                        by_cpu,
                        by_memory,
                    };
                    *lock(&note) = Some(seen);
                }
                Err(why) => debug!(why, "the busiest processes could not be looked at"),
            }
        });
    }

    /// What the server has not stored yet.
    pub(super) fn untold(&self) -> Option<ProcessesSeen> {
        let note = lock(&self.note).clone();
        note.filter(|_| self.is_permitted)
    }

    /// True if a look was begun not long ago.
    #[cfg(test)]
    pub(super) fn is_looking(&self) -> bool {
        Instant::now() < self.not_before
    }

    /// The server has stored what it was told.
    pub(super) fn told(&self, at: Timestamp) {
        let mut note = lock(&self.note);
        if note.as_ref().is_some_and(|it| it.at == at) {
            *note = None;
        }
    }
}

fn lock(note: &Mutex<Option<ProcessesSeen>>) -> MutexGuard<'_, Option<ProcessesSeen>> {
    note.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The worst of what has just become sick or worse, of items that processes are to blame for.
pub(super) fn worst(happened: &[Happened]) -> Option<Wrong> {
    let is_it = |it: &&Happened| {
        it.host.is_none()
            && it.kind == EventKind::Level
            && it.to >= Level::SICK
            && it.to > it.from
            && is_of_processes(&it.item)
    };
    let worst = happened.iter().filter(is_it).max_by_key(|it| it.to)?;
    Some(Wrong {
        item: worst.item.clone(),
        level: worst.to,
    })
}

fn is_of_processes(item: &ItemName) -> bool {
    let probe = item.as_str().split(':').next().unwrap_or_default();
    let kinds = ["cpu_", "memory_", "swap_", "oom_", "pressure_"];
    probe == "processes" || kinds.iter().any(|kind| probe.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Glob, Sample, Value, Work, WorkItem};
    use lockstep_plan::fitness::ItemBook;

    use super::*;

    /// What happens when an item has this value after it was fine.
    fn happened(item: &str, good: f64, bad: f64) -> Vec<Happened> {
        let work = Work {
            items: vec![WorkItem::named(Glob::parse(item).unwrap())],
            ..Work::default()
        };
        let mut book = ItemBook::new();
        book.follow(&work);
        let mut all = Vec::new();
        for minute in 0..60_i64 {
            let at = Timestamp::from_second(minute * 60).unwrap();
            let value = if minute < 10 { good } else { bad };
            let sample = Sample {
                host: None,
                item: ItemName::parse(item).unwrap(),
                at,
                value: Value::Number {
                    value,
                    unit: String::new(),
                },
                verdict: None,
            };
            all.extend(book.take(&[sample], at));
        }
        all
    }

    #[tokio::test]
    async fn who_is_at_work_is_noted_when_the_machine_goes_wrong_and_told_once() {
        assert!(worst(&happened("cpu_load", 0.1, 0.1)).is_none());
        let bad = worst(&happened("cpu_load", 0.1, 90.0)).unwrap();
        let mut busy = Busy::of_this_machine(false);
        let now = Timestamp::from_second(4711).unwrap();
        busy.notice(bad.clone(), now);
        assert!(!busy.is_looking(), "it is not permitted");
        busy.permit(true);
        busy.notice(bad.clone(), now);
        assert!(busy.is_looking());
        // The second one comes too soon.
        busy.notice(bad, Timestamp::from_second(4712).unwrap());
        let deadline = Instant::now() + Duration::from_secs(20);
        let seen = loop {
            if let Some(seen) = busy.untold() {
                break seen;
            }
            assert!(Instant::now() < deadline, "nothing was noted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!((seen.at, seen.item.as_str()), (now, "cpu_load"));
        assert!(seen.level >= Level::SICK && !seen.by_memory.is_empty());
        busy.permit(false);
        assert!(busy.untold().is_none(), "nor is it told any more");
        busy.permit(true);
        busy.told(Timestamp::UNIX_EPOCH);
        assert!(busy.untold().is_some());
        busy.told(now);
        assert!(busy.untold().is_none());
    }

    #[test]
    fn items_of_disks_and_names_do_not_count() {
        let is = |item: &str| is_of_processes(&ItemName::parse(item).unwrap());
        for yes in [
            "cpu_load",
            "cpu_busy",
            "memory_available",
            "swap_used",
            "pressure_io_full",
            "processes",
            "oom_kills",
        ] {
            assert!(is(yes), "{yes}");
        }
        for no in [
            "disk_usage:/",
            "process:nginx",
            "agent_memory",
            "plugin:cpu_x",
        ] {
            assert!(!is(no), "{no}");
        }
    }
}
