//! Probes that compare two looks at the kernel's counters of devices.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{Glob, ItemName, Value};
use tokio::time::Instant;

use super::Kernel;
use super::cpu::needs_two;
use crate::probe::{Found, Look, Order, Probe};

/// Two looks that are closer to each other tell noise: the second one then finds what the first one found.
pub(super) const SOONEST: Duration = Duration::from_secs(1);
/// Most devices that are looked at: those with the first names.
const MOST_DEVICES: usize = 64;

/// A file with one line of `N` counters for each device.
#[derive(Debug)]
pub(super) struct Source<const N: usize> {
    /// The file, below `proc`.
    pub(super) file: &'static str,
    /// What a device is called in sentences.
    pub(super) noun: &'static str,
    /// One line; none if it is not about a device.
    pub(super) parse: Parse<N>,
    /// The devices that `*` stands for, of those that there are.
    pub(super) usual: fn(&Kernel, &[&str]) -> Vec<String>,
}

/// A line gives a device and its counters.
type Parse<const N: usize> = fn(&str) -> Option<(&str, [u64; N])>;

/// The counters of a device before and now, and the seconds in between, give a value.
pub(super) type Rate<const N: usize> = fn(&[u64; N], &[u64; N], f64) -> Option<Value>;

/// One rate of one device, or of several.
#[derive(Debug)]
pub(super) struct Rates<const N: usize> {
    name: Glob,
    /// The name before its colon, with it.
    prefix: String,
    devices: Glob,
    kernel: Arc<Kernel>,
    source: &'static Source<N>,
    rate: Rate<N>,
    memory: Mutex<Memory<N>>,
}

#[derive(Debug, Default)]
struct Memory<const N: usize> {
    /// When the counters were read.
    at: Option<Instant>,
    rows: BTreeMap<String, [u64; N]>,
    /// What the last look found, for one that comes too soon after it.
    values: BTreeMap<String, Value>,
}

/// All devices at one moment.
#[derive(Debug)]
struct Table<const N: usize> {
    at: Instant,
    rows: BTreeMap<String, [u64; N]>,
    /// Those that `*` stands for, once somebody wants to know.
    usual: OnceLock<Vec<String>>,
}

/// A table, or why there is none, read once in a round.
type Cell<const N: usize> = OnceLock<Result<Arc<Table<N>>, String>>;

impl<const N: usize> Rates<N> {
    pub(super) fn new(
        order: &Order,
        source: &'static Source<N>,
        rate: Rate<N>,
    ) -> Result<Self, String> {
        let probe = order.probe();
        let object = order.object().unwrap_or_default();
        let devices = Glob::parse(object).map_err(|_| {
            let noun = source.noun;
            format!("{probe} needs the name of a {noun} behind a colon, or * for the usual ones")
        })?;
        ItemName::parse(order.name.as_str())?;
        Ok(Self {
            name: order.name.clone(),
            prefix: format!("{probe}:"),
            devices,
            kernel: Arc::clone(&order.kernel),
            source,
            rate,
            memory: Mutex::default(),
        })
    }

    fn find(&self) -> Vec<Found> {
        let table = match self.table() {
            Ok(table) => table,
            Err(why) => {
                return self
                    .found(self.name.as_str(), Err(why))
                    .into_iter()
                    .collect();
            }
        };
        let mut devices = self.devices(&table);
        devices.truncate(MOST_DEVICES);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.learn(&table, &devices, self.rate);
        let values = devices.iter().filter_map(|device| {
            let value = if table.rows.contains_key(device) {
                memory.values.get(device).cloned().ok_or_else(needs_two)
            } else {
                Err(format!("there is no {} {device}", self.source.noun))
            };
            self.found(&format!("{}{device}", self.prefix), value)
        });
        values.collect()
    }

    fn devices(&self, table: &Table<N>) -> Vec<String> {
        if self.devices.is_plain() {
            return vec![self.devices.as_str().to_owned()];
        }
        let all = table.rows.keys().map(String::as_str);
        if self.devices.as_str() == "*" {
            let find = || (self.source.usual)(&self.kernel, &all.collect::<Vec<_>>());
            return table.usual.get_or_init(find).clone();
        }
        all.filter(|device| self.devices.matches(device))
            .map(str::to_owned)
            .collect()
    }

    /// A name that cannot be an item is passed over: it was made by whoever named the device.
    fn found(&self, item: &str, value: Result<Value, String>) -> Option<Found> {
        let item = ItemName::parse(item)
            .inspect_err(|why| tracing::debug!(item, why, "a device cannot be an item"))
            .ok()?;
        Some(Found::new(item, value))
    }

    fn table(&self) -> Result<Arc<Table<N>>, String> {
        let Source { file, parse, .. } = self.source;
        self.kernel
            .cell::<Cell<N>>(file)
            .get_or_init(|| {
                let text = self.kernel.text(file)?;
                let lines = text.bytes.split(|&byte| byte == b'\n');
                let rows = lines.filter_map(|line| {
                    let (device, row) = parse(std::str::from_utf8(line).ok()?)?;
                    Some((device.to_owned(), row))
                });
                Ok(Arc::new(Table {
                    at: text.at,
                    rows: rows.collect(),
                    usual: OnceLock::new(),
                }))
            })
            .clone()
    }
}

impl<const N: usize> Memory<N> {
    fn learn(&mut self, now: &Table<N>, devices: &[String], rate: Rate<N>) {
        let passed = self.at.map(|at| now.at.saturating_duration_since(at));
        if passed.is_some_and(|passed| passed < SOONEST) {
            return;
        }
        let seconds = passed.unwrap_or_default().as_secs_f64();
        let rows = devices
            .iter()
            .filter_map(|device| Some((device.clone(), *now.rows.get(device)?)));
        let before = std::mem::replace(&mut self.rows, rows.collect());
        let values = self.rows.iter().filter_map(|(device, row)| {
            let value = rate(before.get(device)?, row, seconds)?;
            Some((device.clone(), value))
        });
        self.values = values.collect();
        self.at = Some(now.at);
    }
}

impl<const N: usize> Probe for Rates<N> {
    fn look(self: Arc<Self>, _: Timestamp) -> Look {
        Box::pin(async move { self.find() })
    }

    fn is_cheap(&self) -> bool {
        true
    }
}

/// The next `N` numbers of a line; those that the kernel is too old for are 0.
pub(super) fn numbers<'a, const N: usize>(
    mut fields: impl Iterator<Item = &'a str>,
) -> Option<[u64; N]> {
    let mut row = [0; N];
    for (index, number) in row.iter_mut().enumerate() {
        match fields.next() {
            Some(field) => *number = field.parse().ok()?,
            None if index == 0 => return None,
            None => break,
        }
    }
    Some(row)
}

/// What a counter of 64 bits has gained; none if it has begun anew, as one of a device that was pulled out and put
/// back does.
pub(super) fn gain(before: u64, now: u64) -> Option<u64> {
    now.checked_sub(before)
}

/// What a counter has gained that runs over at 32 bits, as the kernel's milliseconds do after 50 days.
pub(super) fn gain_32(before: u64, now: u64) -> Option<u64> {
    let all = 1 << 32;
    match now.checked_sub(before) {
        Some(gain) => Some(gain),
        None if before < all => Some(now + all - before),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn milliseconds_run_over_at_32_bits() {
        assert_eq!(gain_32(10, 15), Some(5));
        assert_eq!(gain_32((1 << 32) - 10, 5), Some(15));
        assert_eq!(gain_32(1 << 33, 5), None);
        assert_eq!(gain(10, 5), None);
    }

    proptest! {
        #[test]
        fn a_counter_never_gains_less_than_nothing(before: u64, now: u64) {
            if let Some(gained) = gain_32(before, now) {
                prop_assert!(gained <= now || gained < 1 << 32);
            }
        }
    }
}
