//! The system above the kernel: units, files, logs, the clock, temperatures, arrays, updates, certificates.
//!
//! | item | value | options |
//! |---|---|---|
//! | `units_failed` | number of units of systemd that failed | |
//! | `unit:NAME` | state of a unit, as in `active (running)` | |
//! | `file_age:PATH` | time since the file was changed, s | |
//! | `file_size:PATH` | its size, bytes | |
//! | `file_content:PATH` | number of its lines that match | `pattern` |
//! | `log:PATH` | number of lines that match among those written since the last look | `pattern` |
//! | `clock_synchronised` | `yes` or `no` | |
//! | `temperature:CHIP_LABEL` | temperature of a sensor, °C | |
//! | `md:NAME` | state of a software RAID, as in `clean` or `recovering 37 %` | |
//! | `reboot_required` | time since a reboot was asked for, s; 0 if none is | |
//! | `pending_updates` | number of packages that can be updated | |
//! | `security_updates` | number of those with a security fix | |
//! | `patch_age` | time for which the oldest security fix has been waiting, s; 0 if none is | |
//! | `certificate:PATH` | time until the certificate expires, s; negative after that | |
//!
//! All of them read files, in a thread of their own because a file may lie on a disk or a server that hangs; units
//! and the clock are asked for on the system bus. No program is started, except for `dnf` where packages are RPMs.

mod bus;
mod certificate;
mod clock;
mod file;
mod log;
mod md;
mod permitted;
mod reading;
mod reboot;
mod temperature;
mod units;
mod updates;

#[cfg(test)]
mod world;

use std::sync::Arc;

use lockstep_model::{ItemName, Setting};
use regex_lite::{Regex, RegexBuilder};

use crate::probe::{Order, Probe};

/// Longest `pattern`, in bytes.
const LONGEST_PATTERN: usize = 1000;
/// Most memory that a compiled pattern may take, in bytes. The time that a byte of text takes grows with it.
const LARGEST_PATTERN: usize = 32 * 1024;

/// The probe of the system that an entry names, if it names one.
pub(crate) fn find(order: &Order) -> Option<Result<Arc<dyn Probe>, String>> {
    let make = match order.probe() {
        "units_failed" => units::failed,
        "unit" => units::unit,
        "file_age" => file::age,
        "file_size" => file::size,
        "file_content" => file::content,
        "log" => log::log,
        "clock_synchronised" => clock::synchronised,
        "temperature" => temperature::temperature,
        "md" => md::md,
        "reboot_required" => reboot::required,
        "pending_updates" => updates::pending,
        "security_updates" => updates::security,
        "patch_age" => updates::patch_age,
        "certificate" => certificate::certificate,
        _ => return None,
    };
    let probe = match &order.target {
        Some(target) => Err(format!(
            "{} looks at the agent's own host, and not at {}",
            order.probe(),
            target.host
        )),
        None => is_item_or_pattern(order).and_then(|()| make(order)),
    };
    Some(probe)
}

/// A pattern may be longer than the name of an item.
fn is_item_or_pattern(order: &Order) -> Result<(), String> {
    if order.name.is_plain() {
        ItemName::parse(order.name.as_str())?;
    }
    Ok(())
}

/// Refuses an entry with something behind a colon.
fn without_object(order: &Order) -> Result<(), String> {
    match order.object() {
        None => Ok(()),
        Some(_) => Err(format!("{0} is written without a colon", order.probe())),
    }
}

/// What stands behind the colon; it may be a pattern.
fn object(order: &Order) -> Result<&str, String> {
    let object = order.object().filter(|object| !object.is_empty());
    object.ok_or_else(|| format!("{0} wants to know of what: write \"{0}:…\"", order.probe()))
}

/// Refuses options that the probe does not have.
fn has_options(order: &Order, known: &[&str]) -> Result<(), String> {
    match order
        .options
        .keys()
        .find(|key| !known.contains(&key.as_str()))
    {
        None => Ok(()),
        Some(key) if known.is_empty() => Err(format!(
            "{} has no option {key:?}, nor any other",
            order.probe()
        )),
        Some(key) => Err(format!(
            "{} has no option {key:?}; it has {}",
            order.probe(),
            known.join(", ")
        )),
    }
}

/// The option `pattern`, compiled. Matching takes time in proportion to the text, whatever the pattern.
fn pattern(order: &Order) -> Result<Regex, String> {
    let probe = order.probe();
    let text = match order.options.get("pattern") {
        Some(Setting::Text(text)) => text,
        Some(_) => return Err(format!("the option pattern of {probe} is a text")),
        None => {
            return Err(format!(
                "{probe} needs the option pattern: a regular expression"
            ));
        }
    };
    if text.len() > LONGEST_PATTERN {
        return Err(format!(
            "the pattern has {} bytes; at most {LONGEST_PATTERN} are allowed",
            text.len()
        ));
    }
    RegexBuilder::new(text)
        .size_limit(LARGEST_PATTERN)
        .build()
        .map_err(|error| format!("the pattern {text:?} is not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Target;
    use crate::system::world::World;
    use lockstep_model::HostName;

    #[test]
    fn each_item_of_the_table_has_a_probe() {
        let world = World::new();
        let table = include_str!("system.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"));
        let mut count = 0;
        for row in table {
            let item = row.split('`').next().unwrap().replace("PATH", "/run/x");
            let order = if row.ends_with("| `pattern` |") {
                world.order_with(&item, "x")
            } else {
                world.order(&item)
            };
            let probe = find(&order).unwrap_or_else(|| panic!("{item}"));
            probe.unwrap_or_else(|why| panic!("{item}: {why}"));
            count += 1;
        }
        assert_eq!(count, 14);
        assert!(find(&world.order("cpu_load")).is_none());
    }

    #[test]
    fn other_hosts_are_not_looked_at() {
        let mut order = World::new().order("unit:nginx");
        order.target = Some(Target {
            host: HostName::parse("ups").unwrap(),
            address: "192.0.2.1".into(),
            snmp: None,
        });
        let why = find(&order).unwrap().unwrap_err();
        assert_eq!(why, "unit looks at the agent's own host, and not at ups");
    }

    #[test]
    fn a_name_that_no_item_can_have_is_refused() {
        let order = World::new().order(&format!("file_age:/run/{}", "x".repeat(200)));
        assert!(find(&order).unwrap().unwrap_err().contains("200 bytes"));
    }
}
