//! What the kernel answers from its own memory: load, memory, pressure, traffic, processes. Reading it costs
//! microseconds and no subprocess.

mod cpu;
mod disks;
mod listening;
mod memory;
mod network;
mod pressure;
mod processes;
mod rates;
mod shared;
mod single;
mod stat;
mod users;

use std::sync::Arc;
use std::time::Duration;

use lockstep_model::Value;

use crate::agent_memory::AgentMemory;
use crate::disk::{FileSystems, Quantity};
use crate::probe::{Order, Probe};
use processes::Processes;
use rates::Rates;
use single::Single;

pub(crate) use processes::pids;
pub(crate) use shared::{Kernel, read};
pub(crate) use single::lone;
pub(crate) use stat::Stat;

/// After this time a look at the kernel is given up, unless the entry says otherwise.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(2);

/// Names of the probes below, for who has misspelt one.
pub(crate) const NAMES: [&str; 28] = [
    "agent_memory",
    "cpu_busy",
    "cpu_iowait",
    "cpu_load",
    "cpu_steal",
    "disk_await",
    "disk_busy",
    "disk_free",
    "disk_read",
    "disk_usage",
    "disk_write",
    "inode_usage",
    "listening",
    "memory_available",
    "network_errors",
    "network_in",
    "network_out",
    "oom_kills",
    "pressure_cpu_some",
    "pressure_io_full",
    "pressure_io_some",
    "pressure_memory_full",
    "pressure_memory_some",
    "process",
    "processes",
    "swap_used",
    "uptime",
    "users",
];

/// The probe of the kernel that an entry names, if it names one.
pub(crate) fn find(order: &Order) -> Option<Result<Arc<dyn Probe>, String>> {
    let name = order.probe();
    if !is_known(name) {
        return None;
    }
    Some(check(order).and_then(|()| make(name, order)))
}

/// True for the names of these probes.
pub(crate) fn is_known(probe: &str) -> bool {
    NAMES.contains(&probe)
}

/// No probe of the kernel has options, and none sees another host.
fn check(order: &Order) -> Result<(), String> {
    let name = order.probe();
    if let Some(option) = order.options.keys().next() {
        return Err(format!("{name} has no option {option}"));
    }
    if let Some(target) = &order.target {
        let host = &target.host;
        return Err(format!(
            "{name} is read from a host's own kernel, and {host} has no agent"
        ));
    }
    Ok(())
}

fn make(name: &str, order: &Order) -> Result<Arc<dyn Probe>, String> {
    Ok(match name {
        "agent_memory" => Arc::new(AgentMemory::new(order)?),
        "cpu_load" => Arc::new(Single::new(order, cpu::load)?),
        "cpu_busy" => Arc::new(cpu::Share::new(order, cpu::busy)?),
        "cpu_iowait" => Arc::new(cpu::Share::new(order, cpu::iowait)?),
        "cpu_steal" => Arc::new(cpu::Share::new(order, cpu::steal)?),
        "disk_usage" => Arc::new(FileSystems::new(order, Quantity::Usage)?),
        "disk_free" => Arc::new(FileSystems::new(order, Quantity::Free)?),
        "inode_usage" => Arc::new(FileSystems::new(order, Quantity::Inodes)?),
        "disk_busy" => Arc::new(Rates::new(order, &disks::SOURCE, disks::busy)?),
        "disk_read" => Arc::new(Rates::new(order, &disks::SOURCE, disks::read)?),
        "disk_write" => Arc::new(Rates::new(order, &disks::SOURCE, disks::write)?),
        "disk_await" => Arc::new(Rates::new(order, &disks::SOURCE, disks::wait)?),
        "network_in" => Arc::new(Rates::new(order, &network::SOURCE, network::received)?),
        "network_out" => Arc::new(Rates::new(order, &network::SOURCE, network::sent)?),
        "network_errors" => Arc::new(Rates::new(order, &network::SOURCE, network::errors)?),
        "listening" => Arc::new(listening::Listening::new(order)?),
        "memory_available" => Arc::new(Single::new(order, memory::available)?),
        "swap_used" => Arc::new(Single::new(order, memory::swap_used)?),
        "oom_kills" => Arc::new(memory::OomKills::new(order)?),
        "pressure_cpu_some" => Arc::new(Single::new(order, pressure::cpu_some)?),
        "pressure_io_full" => Arc::new(Single::new(order, pressure::io_full)?),
        "pressure_io_some" => Arc::new(Single::new(order, pressure::io_some)?),
        "pressure_memory_full" => Arc::new(Single::new(order, pressure::memory_full)?),
        "pressure_memory_some" => Arc::new(Single::new(order, pressure::memory_some)?),
        "process" => Arc::new(Processes::named(order)?),
        "processes" => Arc::new(Single::new(order, processes::count)?),
        "uptime" => Arc::new(Single::new(order, cpu::uptime)?),
        "users" => Arc::new(Single::new(order, users::count)?),
        other => return Err(format!("there is no probe {other}")),
    })
}

/// A part in per cent of the whole, with one decimal; none if there is no whole.
#[expect(
    clippy::cast_precision_loss,
    reason = "a per cent needs no more than 52 bits"
)]
pub(crate) fn percent(part: u64, whole: u64) -> Option<Value> {
    (whole > 0).then(|| number(round(part as f64 / whole as f64 * 100.0, 10.0), "%"))
}

pub(crate) fn number(value: f64, unit: &str) -> Value {
    Value::Number {
        value,
        unit: unit.into(),
    }
}

/// Rounds to a few decimals: history keeps values with few digits in a fraction of the space.
fn round(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
