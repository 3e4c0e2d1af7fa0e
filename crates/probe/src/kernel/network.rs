//! What goes through the network. Source: `/proc/net/dev`, `proc_pid_net(5)`.

use lockstep_model::Value;

use super::rates::{Source, gain, numbers};
use super::{Kernel, number, round};

/// Bytes, packets, errors, drops, and four more of receiving; the same of sending.
type Row = [u64; 16];
const BYTES_IN: usize = 0;
const BYTES_OUT: usize = 8;
const PACKETS: [usize; 2] = [1, 9];
const LOST: [usize; 4] = [2, 3, 10, 11];

/// Of fewer packets a share says nothing: one lost of ten is an accident.
const FEWEST_PACKETS: u64 = 1000;

pub(super) static SOURCE: Source<16> = Source {
    file: "net/dev",
    noun: "network interface",
    parse,
    usual,
};

fn parse(line: &str) -> Option<(&str, Row)> {
    // An alias such as eth0:1 has a colon in its name.
    let (device, fields) = line.rsplit_once(':')?;
    let device = device.trim();
    (!device.is_empty()).then_some(())?;
    Some((device, numbers(fields.split_ascii_whitespace())?))
}

/// Interfaces that are made of something; in a container, where none is, all but the one to itself. Bridges, tunnels
/// and the ends of containers carry the same bytes again.
fn usual(kernel: &Kernel, devices: &[&str]) -> Vec<String> {
    let class = kernel.root.join("sys/class/net");
    let mut usual: Vec<String> = devices
        .iter()
        .filter(|device| class.join(device).join("device").exists())
        .map(|&device| device.into())
        .collect();
    if usual.is_empty() {
        let others = devices.iter().filter(|&&device| device != "lo");
        usual = others.map(|&device| device.into()).collect();
    }
    usual
}

/// Bytes received in each second.
pub(super) fn received(before: &Row, now: &Row, seconds: f64) -> Option<Value> {
    bytes(before[BYTES_IN], now[BYTES_IN], seconds)
}

/// Bytes sent in each second.
pub(super) fn sent(before: &Row, now: &Row, seconds: f64) -> Option<Value> {
    bytes(before[BYTES_OUT], now[BYTES_OUT], seconds)
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no 52 bits")]
fn bytes(before: u64, now: u64, seconds: f64) -> Option<Value> {
    let rate = gain(before, now)? as f64 / seconds;
    rate.is_finite().then(|| number(rate.round(), "bytes/s"))
}

/// Packets that were damaged or thrown away, of all.
#[expect(clippy::cast_precision_loss, reason = "a share needs no 52 bits")]
pub(super) fn errors(before: &Row, now: &Row, _: f64) -> Option<Value> {
    let sum = |fields: &[usize]| {
        fields.iter().try_fold(0_u64, |sum, &field| {
            Some(sum.saturating_add(gain(before[field], now[field])?))
        })
    };
    let lost = sum(&LOST)?;
    let all = sum(&PACKETS)?.saturating_add(lost);
    let share = if all < FEWEST_PACKETS {
        0.0
    } else {
        lost as f64 / all as f64 * 100.0
    };
    Some(number(round(share, 100.0), "%"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::fake::{self, none, some};

    fn row(values: [(usize, u64); 5]) -> Row {
        let mut row = [0; 16];
        for (field, value) in values {
            row[field] = value;
        }
        row
    }

    #[tokio::test(start_paused = true)]
    async fn traffic_of_real_interfaces_is_measured() {
        let machine = fake::machine();
        let inward = machine.probe("network_in:*");
        let outward = machine.probe("network_out:docker0");
        let gone = machine.probe("network_in:eth7");
        assert_eq!(
            machine.look(&inward).await,
            [none("network_in:eth0", "needs two samples")]
        );
        machine.look(&outward).await;
        machine.look(&gone).await;
        tokio::time::advance(Duration::from_secs(10)).await;
        machine.put(
            "proc/net/dev",
            "x|y\nz\n  eth0:1005000 10000 5 5 0 0 0 0 500000 5000 0 0 0 0 0 0\n docker0: 7 7 0 0 0 0 0 0 77 7\n",
        );
        let found = machine.look(&inward).await;
        assert_eq!(found, [some("network_in:eth0", number(500.0, "bytes/s"))]);
        assert_eq!(machine.value(&outward).await, number(7.0, "bytes/s"));
        let why = "there is no network interface eth7";
        assert_eq!(machine.look(&gone).await, [none("network_in:eth7", why)]);
    }

    #[test]
    fn in_a_container_every_interface_but_the_loop_counts() {
        let machine = fake::machine();
        std::fs::remove_dir_all(machine.path("sys/class/net/eth0/device")).unwrap();
        let usual = usual(&machine.kernel(), &["docker0", "eth0", "lo"]);
        assert_eq!(usual, ["docker0", "eth0"]);
    }

    #[test]
    fn a_few_packets_make_no_share() {
        let zero = [0; 16];
        let share = |values| errors(&zero, &row(values), 60.0);
        let few = [(1, 500), (9, 400), (2, 5), (3, 5), (10, 0)];
        assert_eq!(share(few), Some(number(0.0, "%")));
        let many = [(1, 500), (9, 480), (2, 5), (3, 5), (11, 10)];
        assert_eq!(share(many), Some(number(2.0, "%")));
        assert_eq!(errors(&row(many), &zero, 60.0), None);
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_parser(line in "([a-z0-9]{0,4}|:| |\\PC){0,80}") {
            let _ = parse(&line);
        }

        #[test]
        fn no_counters_are_absurd(before: Row, now: Row, seconds in 1.0..1e6) {
            if let Some(Value::Number { value, .. }) = errors(&before, &now, seconds) {
                prop_assert!((0.0..=100.0).contains(&value));
            }
            for rate in [received, sent] {
                if let Some(Value::Number { value, .. }) = rate(&before, &now, seconds) {
                    prop_assert!(value.is_finite() && value >= 0.0);
                }
            }
        }
    }
}
