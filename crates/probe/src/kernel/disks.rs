//! What disks have to do. Source: `/proc/diskstats`, `Documentation/admin-guide/iostats.rst` of the kernel.

use lockstep_model::Value;

use super::rates::{Source, gain, gain_32, numbers};
use super::{Kernel, number, round};

/// Reads, merged reads, sectors read, milliseconds of reading; the same four of writing; requests in flight;
/// milliseconds in which there was one.
type Row = [u64; 10];
const READS: usize = 0;
const SECTORS_READ: usize = 2;
const READ_MS: usize = 3;
const WRITES: usize = 4;
const SECTORS_WRITTEN: usize = 6;
const WRITE_MS: usize = 7;
const BUSY_MS: usize = 9;

/// A sector of the kernel, whatever the disk's own sectors are.
const SECTOR_BYTES: f64 = 512.0;

pub(super) static SOURCE: Source<10> = Source {
    file: "diskstats",
    noun: "disk",
    parse,
    usual,
};

fn parse(line: &str) -> Option<(&str, Row)> {
    let mut fields = line.split_ascii_whitespace();
    let device = fields.nth(2)?;
    Some((device, numbers(fields)?))
}

/// Whole disks that are made of something. Their partitions, and what is made of several of them, do the same work;
/// an optical drive with a scratched disc is no trouble of the machine.
fn usual(kernel: &Kernel, devices: &[&str]) -> Vec<String> {
    let block = kernel.root.join("sys/block");
    let is_usual = |device: &&&str| {
        !device.starts_with("sr")
            && !device.starts_with("fd")
            && block.join(device).join("device").exists()
    };
    devices.iter().filter(is_usual).map(|&d| d.into()).collect()
}

/// Time in which the disk had something to do.
#[expect(clippy::cast_precision_loss, reason = "below 2^32")]
pub(super) fn busy(before: &Row, now: &Row, seconds: f64) -> Option<Value> {
    has_not_begun_anew(before, now)?;
    let ms = gain_32(before[BUSY_MS], now[BUSY_MS])? as f64;
    let share = (ms / 10.0 / seconds).min(100.0);
    share.is_finite().then(|| number(round(share, 10.0), "%"))
}

/// Bytes read in each second.
pub(super) fn read(before: &Row, now: &Row, seconds: f64) -> Option<Value> {
    bytes(before[SECTORS_READ], now[SECTORS_READ], seconds)
}

/// Bytes written in each second.
pub(super) fn write(before: &Row, now: &Row, seconds: f64) -> Option<Value> {
    bytes(before[SECTORS_WRITTEN], now[SECTORS_WRITTEN], seconds)
}

#[expect(clippy::cast_precision_loss, reason = "a rate needs no 52 bits")]
fn bytes(before: u64, now: u64, seconds: f64) -> Option<Value> {
    let rate = gain(before, now)? as f64 * SECTOR_BYTES / seconds;
    rate.is_finite().then(|| number(rate.round(), "bytes/s"))
}

/// How long a request took from being made to being done, waiting included.
#[expect(clippy::cast_precision_loss, reason = "a mean needs no 52 bits")]
pub(super) fn wait(before: &Row, now: &Row, _: f64) -> Option<Value> {
    let requests =
        gain(before[READS], now[READS])?.saturating_add(gain(before[WRITES], now[WRITES])?);
    let ms = gain_32(before[READ_MS], now[READ_MS])?
        .saturating_add(gain_32(before[WRITE_MS], now[WRITE_MS])?);
    let mean = if requests == 0 {
        0.0
    } else {
        ms as f64 / requests as f64 / 1000.0
    };
    Some(number(round(mean, 10_000.0), "s"))
}

/// The counters of 64 bits tell a device that has begun anew from milliseconds that ran over.
fn has_not_begun_anew(before: &Row, now: &Row) -> Option<()> {
    [READS, WRITES, SECTORS_READ, SECTORS_WRITTEN]
        .iter()
        .all(|&field| now[field] >= before[field])
        .then_some(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::fake::{self, none, some};

    #[tokio::test(start_paused = true)]
    async fn whole_disks_are_found_and_their_work_is_measured() {
        let machine = fake::machine();
        let probes = [
            "disk_busy:*",
            "disk_read:*",
            "disk_write:vda1",
            "disk_await:v*",
        ]
        .map(|name| machine.probe(name));
        for probe in &probes {
            machine.look(probe).await;
        }
        assert_eq!(
            machine.look(&probes[0]).await,
            [none("disk_busy:vda", "needs two samples")]
        );
        tokio::time::advance(Duration::from_secs(10)).await;
        machine.put(
            "proc/diskstats",
            " 254 0 vda 1080 5 80100 2900 520 5 40200 3100 0 6500 9000\n\
             254 1 vda1 900 5 70000 2000 500 5 40200 3000 0 4000 5000\n",
        );
        let found = [
            machine.look(&probes[0]).await,
            machine.look(&probes[1]).await,
            machine.look(&probes[2]).await,
            machine.look(&probes[3]).await,
        ];
        assert_eq!(found[0], [some("disk_busy:vda", number(25.0, "%"))]);
        assert_eq!(found[1], [some("disk_read:vda", number(5120.0, "bytes/s"))]);
        assert_eq!(
            found[2],
            [some("disk_write:vda1", number(10_240.0, "bytes/s"))]
        );
        assert_eq!(
            found[3],
            [
                some("disk_await:vda", number(0.01, "s")),
                some("disk_await:vda1", number(0.0, "s")),
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_was_put_back_begins_anew() {
        let machine = fake::machine();
        let probe = machine.probe("disk_busy:vda");
        machine.look(&probe).await;
        tokio::time::advance(Duration::from_secs(10)).await;
        machine.put("proc/diskstats", "254 0 vda 1 0 8 2 0 0 0 0 0 5 5\n");
        let anew = [none("disk_busy:vda", "needs two samples")];
        assert_eq!(machine.look(&probe).await, anew);
        tokio::time::advance(Duration::from_secs(10)).await;
        machine.put("proc/diskstats", "254 0 vda 1 0 8 2 0 0 0 0 0 1005 5\n");
        assert_eq!(machine.value(&probe).await, number(10.0, "%"));
        tokio::time::advance(Duration::from_secs(10)).await;
        machine.put("proc/diskstats", "");
        let gone = [none("disk_busy:vda", "there is no disk vda")];
        assert_eq!(machine.look(&probe).await, gone);
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_parser(line in "([a-z0-9]{0,4}| |\\PC){0,80}") {
            let _ = parse(&line);
        }

        #[test]
        fn no_counters_are_absurd(before: Row, now: Row, seconds in 1.0..1e6) {
            if let Some(Value::Number { value, .. }) = busy(&before, &now, seconds) {
                prop_assert!((0.0..=100.0).contains(&value));
            }
            for rate in [read, write, wait] {
                if let Some(Value::Number { value, .. }) = rate(&before, &now, seconds) {
                    prop_assert!(value.is_finite() && value >= 0.0);
                }
            }
        }
    }
}
