//! Which probe answers to which name.

use std::sync::Arc;

use lockstep_model::nearest;

use crate::probe::{Order, Probe};
use crate::{command, kernel, remote, system};

/// Names of the probes outside the kernel, for who has misspelt one.
const OTHERS: [&str; 27] = [
    "certificate",
    "certificate_expiry",
    "clock_synchronised",
    "dns",
    "file_age",
    "file_content",
    "file_size",
    "http",
    "log",
    "md",
    "ntp",
    "patch_age",
    "pending_updates",
    "ping",
    "ping_loss",
    "plugin",
    "prometheus",
    "reboot_required",
    "script",
    "security_updates",
    "snmp",
    "ssh",
    "tcp",
    "temperature",
    "tls",
    "unit",
    "units_failed",
];

/// The probe that an entry of the work document names; an error says why there is none.
pub(crate) fn find(order: &Order) -> Result<Arc<dyn Probe>, String> {
    kernel::find(order)
        .or_else(|| system::find(order))
        .or_else(|| remote::find(order))
        .or_else(|| command::find(order))
        .unwrap_or_else(|| Err(unknown(order.probe())))
}

fn unknown(probe: &str) -> String {
    let names = kernel::NAMES.iter().chain(&OTHERS);
    match nearest(probe, names.copied()) {
        Some(name) => format!("there is no probe {probe}; did you mean {name}?"),
        None => format!("there is no probe {probe}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(name: &str) -> String {
        find(&Order::for_test(name)).unwrap_err()
    }

    #[test]
    fn a_misspelt_probe_is_guessed() {
        assert_eq!(
            why("cpu_laod"),
            "there is no probe cpu_laod; did you mean cpu_load?"
        );
        assert_eq!(
            why("certficate:/a"),
            "there is no probe certficate; did you mean certificate?"
        );
        assert_eq!(why("quantum_flux:x"), "there is no probe quantum_flux");
    }

    #[test]
    fn every_name_that_is_guessed_exists() {
        for name in OTHERS {
            let order = Order::for_test(name);
            assert!(kernel::find(&order).is_none(), "{name}");
            let found = system::find(&order)
                .or_else(|| remote::find(&order))
                .or_else(|| command::find(&order));
            assert!(found.is_some(), "{name}");
        }
    }
}
