//! All items of this host at one moment.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{ItemName, Value};
use tokio::time::Instant;

use crate::agent_memory::Finder;
use crate::aside::Aside;
use crate::disk::{self, Measure};
use crate::kernel;

/// What a [`Sampler`] looks at.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the kernel's `proc` file system is.
    pub proc_root: PathBuf,
    /// The agent's processes: each counts for `agent_memory` with the process group that it leads.
    pub agent_pids: Vec<u32>,
    /// How long a sample may take; what has not answered by then has no value.
    pub deadline: Duration,
}

impl Config {
    /// This machine, and the agent whose processes these are.
    #[must_use]
    pub fn of_this_machine(agent_pids: Vec<u32>) -> Self {
        Self {
            proc_root: "/proc".into(),
            agent_pids,
            deadline: Duration::from_secs(2),
        }
    }
}

/// Reads the items of this host. Clones share what they remember of probes that hang.
#[derive(Clone)]
pub struct Sampler {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    measure: Arc<Measure>,
    finder: Arc<Mutex<Finder>>,
    aside: Aside,
}

impl Sampler {
    /// A sampler of what the configuration names.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_measure(config, Arc::new(disk::statvfs))
    }

    /// One whose file systems answer otherwise, for tests.
    fn with_measure(config: Config, measure: Arc<Measure>) -> Self {
        let (finder, aside) = (Arc::default(), Aside::default());
        Self {
            inner: Arc::new(Inner {
                config,
                measure,
                finder,
                aside,
            }),
        }
    }

    /// Reads all items: about four, and one for each local file system (32 of them at most). It takes no longer than
    /// the deadline, and a few milliseconds when nothing hangs. Runs within a tokio runtime whose time is enabled.
    ///
    /// An item whose probe failed or hangs is there all the same, with the reason in place of a value.
    pub async fn sample(&self, now: Timestamp) -> Vec<(ItemName, Value)> {
        let Inner {
            config,
            measure,
            finder,
            aside,
        } = &*self.inner;
        let proc = &config.proc_root;
        let deadline = Instant::now() + config.deadline;

        // What may hang is asked first, all at once, and answers while the rest is read.
        let disks = disk::ask(proc, measure, aside, now);
        let memory = aside.ask("agent_memory", now, {
            let (finder, proc, pids) =
                (Arc::clone(finder), proc.clone(), config.agent_pids.clone());
            move || {
                finder
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .memory(&proc, &pids)
            }
        });

        let mut samples = vec![
            item("cpu_load", kernel::cpu_load(proc)),
            item("memory_available", kernel::memory_available(proc)),
            item("uptime", kernel::uptime(proc)),
        ];
        samples.push(item(
            "agent_memory",
            memory.answer(deadline).await.and_then(|found| found),
        ));
        samples.extend(disks.answers(deadline).await);
        samples
    }
}

impl std::fmt::Debug for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sampler")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

fn item(name: &str, value: Result<Value, String>) -> (ItemName, Value) {
    let name = ItemName::parse(name).expect("the names of built-in items are well-formed");
    (name, value.unwrap_or_else(Value::None))
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
