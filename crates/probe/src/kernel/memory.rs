//! What memory is left, and who was killed for want of it.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use lockstep_model::{ItemName, Value};

use super::cpu::needs_two;
use super::single::{Reading, lone};
use super::{Kernel, number, percent};
use crate::probe::{Found, Look, Order, Probe};

/// `MemAvailable` in per cent of `MemTotal`.
pub(super) fn available(kernel: &Kernel) -> Reading {
    let path = kernel.proc.join("meminfo");
    let total = kernel.parse("meminfo", |text| kilobytes(text, "MemTotal:"))?;
    let available = kernel.parse("meminfo", |text| Some(kilobytes(text, "MemAvailable:")))?;
    let Some(available) = available else {
        return Err(format!(
            "{} has no MemAvailable (Linux 3.14 and later have)",
            path.display()
        ));
    };
    match percent(available.min(total), total) {
        Some(value) => Ok(Some(value)),
        None => Err(format!("{} says that there is no memory", path.display())),
    }
}

/// The used part of all swap; nothing where there is no swap.
pub(super) fn swap_used(kernel: &Kernel) -> Reading {
    let total = kernel.parse("meminfo", |text| kilobytes(text, "SwapTotal:"))?;
    let free = kernel.parse("meminfo", |text| kilobytes(text, "SwapFree:"))?;
    Ok(percent(total.saturating_sub(free), total))
}

/// A line of `/proc/meminfo`, its name with the colon.
fn kilobytes(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Processes that the kernel killed for want of memory since the last look.
#[derive(Debug)]
pub(super) struct OomKills {
    item: ItemName,
    kernel: Arc<Kernel>,
    before: Mutex<Option<u64>>,
}

impl OomKills {
    pub(super) fn new(order: &Order) -> Result<Self, String> {
        Ok(Self {
            item: lone(order)?,
            kernel: Arc::clone(&order.kernel),
            before: Mutex::default(),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody kills 2^52 processes")]
    fn count(&self) -> Result<Value, String> {
        let all = self.kernel.parse("vmstat", |text| Some(oom_kills(text)))?;
        let all = all.ok_or("the kernel does not count them (Linux 4.13 and later do)")?;
        let before = self
            .before
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(all);
        // Fewer than before: it is another kernel, restored from an image. All of its kills are long ago.
        let new = all.saturating_sub(before.ok_or_else(needs_two)?);
        Ok(number(new as f64, ""))
    }
}

impl Probe for OomKills {
    fn look(self: Arc<Self>, _: Timestamp) -> Look {
        Box::pin(async move { vec![Found::new(self.item.clone(), self.count())] })
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

/// The line `oom_kill` of `/proc/vmstat`.
fn oom_kills(vmstat: &str) -> Option<u64> {
    let line = vmstat
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::fake::{self, none};

    #[test]
    fn a_machine_without_swap_has_no_such_item() {
        let machine = fake::machine();
        let meminfo = |text| machine.put("proc/meminfo", text);
        meminfo("SwapTotal:  1000 kB\nSwapFree:  250 kB\n");
        assert_eq!(swap_used(&machine.kernel()), Ok(Some(number(75.0, "%"))));
        meminfo("SwapTotal:  0 kB\nSwapFree:  0 kB\n");
        assert_eq!(swap_used(&machine.kernel()), Ok(None));
    }

    #[tokio::test]
    async fn kills_are_counted_from_the_last_look_on() {
        let machine = fake::machine();
        let kills = machine.probe("oom_kills");
        assert_eq!(
            machine.look(&kills).await,
            [none("oom_kills", "needs two samples")]
        );
        for (all, new) in [(3, 0.0), (5, 2.0), (5, 0.0), (1, 0.0), (2, 1.0)] {
            machine.put("proc/vmstat", format!("nr_x 1\noom_kill {all}\n"));
            assert_eq!(machine.value(&kills).await, number(new, ""), "{all}");
        }
        machine.put("proc/vmstat", "nr_x 1\n");
        assert!(matches!(machine.value(&kills).await, Value::None(why) if why.contains("4.13")));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parsers(text in "(MemTotal:|oom_kill |[0-9 \n-]|\\PC){0,100}") {
            let _ = (kilobytes(&text, "MemTotal:"), oom_kills(&text));
        }
    }
}
