//! What the processors do, and since when.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use lockstep_model::{ItemName, Value};
use tokio::time::Instant;

use super::rates::SOONEST;
use super::single::{Reading, lone};
use super::{Kernel, number, round};
use crate::probe::{Found, Look, Order, Probe};

/// Load of the last 15 minutes per processor. The shorter averages say more of this moment and less of the machine:
/// one compilation would make it ill. Two processors are assumed at least, as a load of 1 is no load to speak of.
pub(super) fn load(kernel: &Kernel) -> Reading {
    let fifteen: f64 = kernel.parse("loadavg", |text| {
        text.split_ascii_whitespace().nth(2)?.parse().ok()
    })?;
    let processors = count_processors(&kernel.text("stat")?.bytes);
    if processors == 0 {
        let path = kernel.proc.join("stat");
        return Err(format!("{} names no processor", path.display()));
    }
    let per_processor = fifteen / f64::from(processors.max(2));
    Ok(Some(number(round(per_processor, 100.0), "")))
}

/// Processors that are online: lines `cpu0`, `cpu1` and so on at the beginning of `/proc/stat`.
fn count_processors(stat: &[u8]) -> u32 {
    let numbered = |line: &&[u8]| line.get(3).is_some_and(u8::is_ascii_digit);
    let lines = stat
        .split(|&byte| byte == b'\n')
        .take_while(|line| line.starts_with(b"cpu"));
    u32::try_from(lines.filter(numbered).count()).unwrap_or(u32::MAX)
}

/// Seconds since the machine was started, time in suspend included.
pub(super) fn uptime(kernel: &Kernel) -> Reading {
    let seconds: f64 = kernel.parse("uptime", |text| {
        text.split_ascii_whitespace().next()?.parse().ok()
    })?;
    Ok(Some(number(seconds.floor(), "s")))
}

/// How the time of all processors was spent, in ticks since the start; `proc_stat(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Times {
    /// User, nice, system and both kinds of interrupts. Guests are in user already.
    busy: u64,
    idle: u64,
    iowait: u64,
    steal: u64,
}

/// Work done, in per cent; waiting for disks is none, nor is time that another guest of the host has taken.
pub(super) fn busy(times: &Times) -> u64 {
    times.busy
}

/// Time in which a processor was idle and something waited for a disk.
pub(super) fn iowait(times: &Times) -> u64 {
    times.iowait
}

/// Time that the machine below us gave to others.
pub(super) fn steal(times: &Times) -> u64 {
    times.steal
}

/// A part of the processors' time between two looks.
#[derive(Debug)]
pub(super) struct Share {
    item: ItemName,
    kernel: Arc<Kernel>,
    part: fn(&Times) -> u64,
    memory: Mutex<Option<Memory>>,
}

#[derive(Debug)]
struct Memory {
    at: Instant,
    times: Times,
    /// What the last look found, for one that comes too soon after it.
    share: Option<Value>,
}

impl Share {
    pub(super) fn new(order: &Order, part: fn(&Times) -> u64) -> Result<Self, String> {
        Ok(Self {
            item: lone(order)?,
            kernel: Arc::clone(&order.kernel),
            part,
            memory: Mutex::default(),
        })
    }

    fn share(&self) -> Result<Value, String> {
        let at = self.kernel.text("stat")?.at;
        let times = self.kernel.parse("stat", times)?;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let share = match &*memory {
            Some(before) if at.saturating_duration_since(before.at) < SOONEST => {
                return before.share.clone().ok_or_else(needs_two);
            }
            Some(before) => {
                let passed = times.since(&before.times);
                let share = super::percent((self.part)(&passed), passed.sum());
                // Ticks stand still while a virtual machine does.
                share.or_else(|| before.share.clone())
            }
            None => None,
        };
        *memory = Some(Memory {
            at,
            times,
            share: share.clone(),
        });
        share.ok_or_else(needs_two)
    }
}

impl Probe for Share {
    fn look(self: Arc<Self>, _: Timestamp) -> Look {
        Box::pin(async move { vec![Found::new(self.item.clone(), self.share())] })
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

/// Why a rate has no value yet.
pub(super) fn needs_two() -> String {
    crate::NEEDS_TWO.into()
}

impl Times {
    /// The kernel's counters of idle time and of waiting may go back a little; that counts as nothing.
    fn since(&self, before: &Self) -> Self {
        Self {
            busy: self.busy.saturating_sub(before.busy),
            idle: self.idle.saturating_sub(before.idle),
            iowait: self.iowait.saturating_sub(before.iowait),
            steal: self.steal.saturating_sub(before.steal),
        }
    }

    fn sum(&self) -> u64 {
        [self.busy, self.idle, self.iowait, self.steal]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// The first line of `/proc/stat`.
fn times(stat: &str) -> Option<Times> {
    let mut fields = stat.lines().next()?.split_ascii_whitespace();
    fields.next().filter(|name| *name == "cpu")?;
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, idle, rest @ ..] = ticks.as_slice() else {
        return None;
    };
    let rest = |index: usize| rest.get(index).copied().unwrap_or(0);
    let busy = [*user, *nice, *system, rest(1), rest(2)];
    Some(Times {
        busy: busy.into_iter().fold(0, u64::saturating_add),
        idle: *idle,
        iowait: rest(0),
        steal: rest(3),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::fake::{self, none};

    #[test]
    fn processors_are_counted_by_their_lines() {
        assert_eq!(
            count_processors(b"cpu  1 2\ncpu0 1\ncpu1 1\ncpu12 1\nintr 5\ncpu13 1\n"),
            3
        );
        assert_eq!(count_processors(b""), 0);
    }

    #[test]
    fn one_processor_counts_as_two() {
        let machine = fake::machine();
        machine.put("proc/stat", "cpu  1\ncpu0 1\nintr 5\n");
        assert_eq!(load(&machine.kernel()), Ok(Some(number(1.26, ""))));
    }

    #[test]
    fn fields_are_those_of_the_manual() {
        let stat = "cpu  10 20 30 400 50 6 7 8 99 99\ncpu0 1\n";
        let expected = Times {
            busy: 73,
            idle: 400,
            iowait: 50,
            steal: 8,
        };
        assert_eq!(times(stat), Some(expected));
        for bad in ["", "cpu", "cpu 1 2 3", "intr 1 2 3 4", "cpu0 1 2 3 4"] {
            assert_eq!(times(bad), None, "{bad:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn shares_are_of_the_time_between_two_looks() {
        let machine = fake::machine();
        let stat = |ticks: &str| machine.put("proc/stat", format!("cpu  {ticks}\ncpu0 1\n"));
        stat("1000 0 0 9000 0 0 0 0");
        let busy = machine.probe("cpu_busy");
        let steal = machine.probe("cpu_steal");
        assert_eq!(
            machine.look(&busy).await,
            [none("cpu_busy", "needs two samples")]
        );
        machine.look(&steal).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        stat("1010 5 5 9060 15 3 2 0");
        assert_eq!(machine.value(&busy).await, number(25.0, "%"));
        // Asked again at once, it says what it said: two ticks later everything is noise.
        stat("1012 5 5 9060 15 3 2 0");
        assert_eq!(machine.value(&busy).await, number(25.0, "%"));
        tokio::time::advance(Duration::from_secs(60)).await;
        // Time waited for disks went back, as the manual says it may.
        stat("1012 5 5 9061 1 3 2 7");
        assert_eq!(machine.value(&steal).await, number(7.3, "%"));
        assert_eq!(machine.value(&busy).await, number(20.0, "%"));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(
            machine.value(&busy).await,
            number(20.0, "%"),
            "no tick passed"
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(cpu|[0-9 \n-]|\\PC){0,100}") {
            let _ = times(&text);
        }

        #[test]
        fn a_share_is_never_absurd(before in any::<[u64; 4]>(), now in any::<[u64; 4]>()) {
            let times = |[busy, idle, iowait, steal]: [u64; 4]| Times { busy, idle, iowait, steal };
            let passed = times(now).since(&times(before));
            for part in [busy, iowait, steal] {
                let share = super::super::percent(part(&passed), passed.sum());
                if let Some(Value::Number { value, .. }) = share {
                    prop_assert!((0.0..=100.0).contains(&value));
                }
            }
        }
    }
}
