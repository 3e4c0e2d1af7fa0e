//! `reboot_required`: for how many seconds the machine has been waiting to be started anew; 0 if it is not.
//!
//! Debian and Ubuntu leave a file when a package asks for it. Machines with RPM do not: there the running kernel is
//! compared with the newest one that is installed, and the machine waits since that one came.

use std::cmp::Ordering;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::Value;

use super::reading::{Source, age, reading, seconds, the_item};
use super::{has_options, without_object};
use crate::kernel;
use crate::probe::{Found, Order, Probe};

/// Most kernels that are compared.
const MOST_KERNELS: usize = 1000;

/// The probe `reboot_required`.
pub(super) fn required(order: &Order) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &[])?;
    without_object(order)?;
    Ok(reading(order, Reboot))
}

#[derive(Debug)]
struct Reboot;

impl Source for Reboot {
    fn read(&self, order: &Order, at: Timestamp) -> Result<Vec<Found>, String> {
        let since = match asked_for(&order.root)? {
            Some(since) => Some(since),
            None if super::updates::has_rpm(&order.root) => {
                newer_kernel(&order.root, &order.proc.join("sys/kernel/osrelease"))?
            }
            None => None,
        };
        let value = match since {
            None => seconds(0),
            // A reboot that has just been asked for is not one that is not.
            Some(since) => match age(at, since) {
                Value::Number { value, unit } if value < 1.0 => Value::Number { value: 1.0, unit },
                value => value,
            },
        };
        Ok(the_item(order, value, None))
    }
}

/// When a package asked for a reboot.
fn asked_for(root: &Path) -> Result<Option<i64>, String> {
    for path in ["run/reboot-required", "var/run/reboot-required"] {
        let path = root.join(path);
        match std::fs::metadata(&path) {
            Ok(metadata) => return Ok(Some(metadata.mtime())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        }
    }
    Ok(None)
}

/// When a kernel was installed that is newer than the running one.
fn newer_kernel(root: &Path, osrelease: &Path) -> Result<Option<i64>, String> {
    let text = kernel::read(osrelease)?;
    let running = String::from_utf8_lossy(&text).trim().to_owned();
    let newest = installed(root)
        .into_iter()
        .filter(|(version, _)| flavour(version) == flavour(&running))
        .max_by(|(a, _), (b, _)| compare(a, b));
    Ok(newest
        .filter(|(version, _)| compare(version, &running) == Ordering::Greater)
        .map(|(_, since)| since))
}

/// The kernels that could be started, and when each was installed: those with an image in `/boot` or beside their
/// modules. Modules alone may be left over from a kernel that was removed.
fn installed(root: &Path) -> Vec<(String, i64)> {
    let names = |dir: &str| {
        let entries = std::fs::read_dir(root.join(dir)).into_iter().flatten();
        entries
            .take(MOST_KERNELS)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect::<Vec<_>>()
    };
    let since = |path: String| Some(std::fs::metadata(root.join(path)).ok()?.mtime());
    let in_boot = names("boot").into_iter().filter_map(|name| {
        let version = name.strip_prefix("vmlinuz-")?.to_owned();
        // The rescue image has the machine's id in place of a version.
        let is_version = version.starts_with(|c: char| c.is_ascii_digit()) && version.contains('.');
        is_version.then_some(())?;
        Some((version, since(format!("boot/{name}"))?))
    });
    let beside_modules = names("lib/modules").into_iter().filter_map(|version| {
        let since = since(format!("lib/modules/{version}/vmlinuz"))?;
        Some((version, since))
    });
    in_boot.chain(beside_modules).collect()
}

/// What stands behind a `+`: a debug kernel does not replace the ordinary one.
fn flavour(version: &str) -> &str {
    version.split_once('+').map_or("", |(_, flavour)| flavour)
}

/// Compares two versions as RPM does: runs of digits and runs of letters, one by one; a number is newer than a word,
/// and of two versions of which one begins with the other the longer one is newer.
fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (parts(a), parts(b));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => a.cmp(&b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Word(&'a str),
    /// Its length first: numbers may be longer than any integer.
    Number(usize, &'a str),
}

fn parts(version: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = version;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_number = rest.chars().next()?.is_ascii_digit();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() || c.is_ascii_digit() != is_number)
            .unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        rest = behind;
        Some(if is_number {
            let digits = part.trim_start_matches('0');
            Part::Number(digits.len(), digits)
        } else {
            Part::Word(part)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::world::World;
    use proptest::prelude::*;

    #[tokio::test]
    async fn debian_says_so_by_a_file() {
        let world = World::new();
        assert_eq!(world.value("reboot_required", 5000).await, "0.0 s");
        world.put(
            "var/run/reboot-required",
            "*** System restart required ***\n",
        );
        world.touch("var/run/reboot-required", 4000);
        assert_eq!(world.value("reboot_required", 5000).await, "1000.0 s");
        assert_eq!(world.value("reboot_required", 4000).await, "1.0 s");
    }

    #[tokio::test]
    async fn a_newer_kernel_wants_to_be_started() {
        let world = World::new();
        world.put("proc/sys/kernel/osrelease", "5.14.0-362.8.1.el9_3.x86_64\n");
        for (kernel, second) in [
            ("boot/vmlinuz-5.14.0-362.el9.x86_64", 1000),
            ("boot/vmlinuz-5.14.0-362.8.1.el9_3.x86_64", 2000),
            ("boot/vmlinuz-0-rescue-5f1b5a2c", 9000),
            ("lib/modules/5.14.0-503.1.el9.x86_64+debug/vmlinuz", 9000),
            ("lib/modules/5.14.0-999.el9.x86_64/modules.dep", 9000),
        ] {
            world.put(kernel, "");
            world.touch(kernel, second);
        }
        world.put("usr/bin/dnf", "");
        assert_eq!(world.value("reboot_required", 5000).await, "0.0 s");
        let newer = "lib/modules/5.14.0-362.18.1.el9_3.x86_64/vmlinuz";
        world.put(newer, "");
        world.touch(newer, 4000);
        assert_eq!(world.value("reboot_required", 5000).await, "1000.0 s");
        // Debian has its own way, whatever kernels it keeps.
        world.put("var/lib/dpkg/status", "");
        assert_eq!(world.value("reboot_required", 5000).await, "0.0 s");
    }

    #[test]
    fn kernels_are_ordered_as_rpm_orders_them() {
        let ordered = [
            "4.18.0-553.el8.x86_64",
            "5.14.0-362.el9.x86_64",
            "5.14.0-362.8.1.el9_3.x86_64",
            "5.14.0-362.18.1.el9_3.x86_64",
            "5.14.0-1000000000000000000000000.el9.x86_64",
            "6.8.9-300.fc40.x86_64",
            "6.8.10-300.fc40.x86_64",
        ];
        for pair in ordered.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_one(a in "[0-9a.+_~é-]{0,12}", b in "[0-9a.+_~é-]{0,12}", c in "[0-9a.+_~é-]{0,12}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }
    }
}
