//! `temperature:CHIP_LABEL`: what the machine's sensors say, in °C.
//!
//! Source: `/sys/class/hwmon`, as `sensors` of lm-sensors reads it. Each chip is a directory with its `name`; each of
//! its sensors has a `tempN_input` in thousandths of a degree and perhaps a `tempN_label`. Of several chips with the
//! same name the second and later ones have their number behind the item's name, as in `nvme_composite_2`; which one
//! is first is up to the kernel.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::Value;

use super::reading::{Source, one_of, reading};
use super::{has_options, object};
use crate::kernel::{self, number};
use crate::probe::{Found, Order, Probe};

/// Most sensors that are read: a large server has two for each core.
const MOST_SENSORS: usize = 256;

/// The probe `temperature:NAME`, or `temperature:*` for all sensors.
pub(super) fn temperature(order: &Order) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &[])?;
    object(order)?;
    Ok(reading(order, Sensors))
}

#[derive(Debug)]
struct Sensors;

impl Source for Sensors {
    fn read(&self, order: &Order, _: Timestamp) -> Result<Vec<Found>, String> {
        let sensors = find(&order.root.join("sys/class/hwmon"));
        let found: Vec<Found> = sensors
            .iter()
            // Only the sensors that are meant are read: one may be behind a slow bus, or wake a disk.
            .filter(|(name, _)| order.name.matches(&format!("{}:{name}", order.probe())))
            .filter_map(|(name, input)| {
                let value = degrees(input).unwrap_or_else(Value::None);
                one_of(order, name, value, None)
            })
            .collect();
        if found.is_empty() && order.name.is_plain() {
            let names: Vec<&str> = sensors.keys().map(String::as_str).take(16).collect();
            return Err(match &names[..] {
                [] => "this machine has no temperature sensors".into(),
                names => format!("there is no such sensor; there are {}", names.join(", ")),
            });
        }
        Ok(found)
    }
}

/// All sensors by their names, with the files that tell their temperature.
fn find(hwmon: &Path) -> BTreeMap<String, PathBuf> {
    let mut sensors = BTreeMap::new();
    for chip in numbered(hwmon, "hwmon", "") {
        let chip = hwmon.join(chip);
        let Some(chip_name) = text(&chip.join("name")) else {
            continue;
        };
        for input in numbered(&chip, "temp", "_input") {
            let sensor = input.trim_end_matches("_input");
            let label = text(&chip.join(format!("{sensor}_label")));
            let name = format!(
                "{}_{}",
                sanitise(&chip_name),
                sanitise(label.as_deref().unwrap_or(sensor))
            );
            let free = (1..=MOST_SENSORS)
                .map(|count| match count {
                    1 => name.clone(),
                    count => format!("{name}_{count}"),
                })
                .find(|name| !sensors.contains_key(name));
            if let Some(free) = free.filter(|_| sensors.len() < MOST_SENSORS) {
                sensors.insert(free, chip.join(&input));
            }
        }
    }
    sensors
}

/// The names of a directory that are a prefix, a number and a suffix, in the order of their numbers.
fn numbered(dir: &Path, prefix: &str, suffix: &str) -> Vec<String> {
    let mut names: Vec<(u32, String)> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .take(10_000)
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let number = name
                .strip_prefix(prefix)?
                .strip_suffix(suffix)?
                .parse()
                .ok()?;
            Some((number, name))
        })
        .collect();
    names.sort();
    names.into_iter().map(|(_, name)| name).collect()
}

fn text(path: &Path) -> Option<String> {
    let text = String::from_utf8(kernel::read(path).ok()?).ok()?;
    Some(text.trim().chars().take(64).collect()).filter(|text: &String| !text.is_empty())
}

/// `Package id 0` becomes `package_id_0`.
fn sanitise(name: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
        _ => '_',
    };
    name.chars().map(plain).collect()
}

fn degrees(input: &Path) -> Result<Value, String> {
    let text = kernel::read(input)?;
    let thousandths: i32 = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| format!("{} is not a number", input.display()))?;
    Ok(number(
        (f64::from(thousandths) / 100.0).round() / 10.0,
        "°C",
    ))
}

#[cfg(test)]
mod tests {
    use crate::system::world::{World, lines};

    fn machine() -> World {
        let world = World::new();
        for (path, text) in [
            ("hwmon0/name", "coretemp\n"),
            ("hwmon0/temp1_label", "Package id 0\n"),
            ("hwmon0/temp1_input", "45250\n"),
            ("hwmon0/temp2_input", "-5000\n"),
            ("hwmon0/temp2_max", "100000\n"),
            ("hwmon0/fan1_input", "1200\n"),
            ("hwmon1/name", "nvme\n"),
            ("hwmon1/temp1_label", "Composite\n"),
            ("hwmon1/temp1_input", "30850\n"),
            ("hwmon10/name", "nvme\n"),
            ("hwmon10/temp1_label", "Composite\n"),
            ("hwmon10/temp1_input", "broken\n"),
            ("hwmon11/temp1_input", "1\n"),
        ] {
            world.put(format!("sys/class/hwmon/{path}"), text);
        }
        world
    }

    #[tokio::test]
    async fn sensors_are_found_by_chip_and_label() {
        let world = machine();
        let found = lines(&world.look("temperature:*", 0).await);
        assert_eq!(
            found[..3],
            [
                "temperature:coretemp_package_id_0 = 45.3 °C",
                "temperature:coretemp_temp2 = -5.0 °C",
                "temperature:nvme_composite = 30.9 °C",
            ]
        );
        assert!(found[3].starts_with("temperature:nvme_composite_2 = none ("));
        assert!(found[3].ends_with("hwmon10/temp1_input is not a number)"));
        assert_eq!(found.len(), 4);
        assert_eq!(world.look("temperature:nvme_*", 0).await.len(), 2);
        assert_eq!(
            world.value("temperature:nvme_composite", 0).await,
            "30.9 °C"
        );
        assert_eq!(
            world.value("temperature:cpu", 0).await,
            "none (there is no such sensor; there are coretemp_package_id_0, coretemp_temp2, nvme_composite, \
             nvme_composite_2)"
        );
    }

    #[tokio::test]
    async fn a_machine_without_sensors_has_none() {
        let world = World::new();
        assert_eq!(world.look("temperature:*", 0).await, []);
        assert_eq!(
            world.value("temperature:cpu", 0).await,
            "none (this machine has no temperature sensors)"
        );
    }
}
