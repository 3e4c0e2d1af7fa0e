//! How long processes wait for what they lack: pressure stall information.
//!
//! Source: `/proc/pressure`, `Documentation/accounting/psi.rst` of the kernel. The average of 60 seconds is taken,
//! which fits samples once a minute.

use std::io::ErrorKind;

use super::single::Reading;
use super::{Kernel, number};

/// Time in which something waited for a processor.
pub(super) fn cpu_some(kernel: &Kernel) -> Reading {
    average(kernel, "pressure/cpu", "some ")
}

/// Time in which something waited for memory.
pub(super) fn memory_some(kernel: &Kernel) -> Reading {
    average(kernel, "pressure/memory", "some ")
}

/// Time in which everything waited for memory.
pub(super) fn memory_full(kernel: &Kernel) -> Reading {
    average(kernel, "pressure/memory", "full ")
}

/// Time in which something waited for a disk.
pub(super) fn io_some(kernel: &Kernel) -> Reading {
    average(kernel, "pressure/io", "some ")
}

/// Time in which everything waited for a disk.
pub(super) fn io_full(kernel: &Kernel) -> Reading {
    average(kernel, "pressure/io", "full ")
}

/// A kernel that does not measure it has no such item: some distributions switch it off.
fn average(kernel: &Kernel, path: &str, line: &str) -> Reading {
    if let Err(unread) = kernel.text(path)
        && matches!(unread.kind, ErrorKind::NotFound | ErrorKind::Unsupported)
    {
        return Ok(None);
    }
    let value = kernel.parse(path, |text| avg60(text, line))?;
    Ok(Some(number(value, "%")))
}

/// `some avg10=0.00 avg60=1.27 avg300=0.69 total=46`.
fn avg60(pressure: &str, line: &str) -> Option<f64> {
    let fields = pressure.lines().find_map(|text| text.strip_prefix(line))?;
    let value: f64 = fields
        .split_ascii_whitespace()
        .find_map(|field| field.strip_prefix("avg60="))?
        .parse()
        .ok()?;
    (0.0..=100.0).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::fake;

    #[test]
    fn both_lines_are_told_apart() {
        let machine = fake::machine();
        let kernel = machine.kernel();
        assert_eq!(memory_some(&kernel), Ok(Some(number(1.27, "%"))));
        assert_eq!(memory_full(&kernel), Ok(Some(number(0.5, "%"))));
    }

    #[test]
    fn a_kernel_that_does_not_measure_it_has_no_item() {
        let machine = fake::machine();
        std::fs::remove_dir_all(machine.path("proc/pressure")).unwrap();
        assert_eq!(io_full(&machine.kernel()), Ok(None));
        machine.put("proc/pressure/io", "some avg10=0.00\n");
        assert!(
            io_full(&machine.kernel())
                .unwrap_err()
                .contains("pressure/io")
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "(some |full |avg60=|[0-9 .\n-]|\\PC){0,100}") {
            if let Some(value) = avg60(&text, "some ") {
                prop_assert!((0.0..=100.0).contains(&value));
            }
        }
    }
}
