//! Items that the kernel answers from its own memory: load, memory, uptime. None of these reads can hang.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use lockstep_model::Value;
use procfs::{FromRead, LoadAverage, Meminfo, Uptime};

/// Largest file of `/proc` that is read, in bytes. What lies behind it is not seen; `stat` of a machine with
/// thousands of interrupts and `mountinfo` of one with thousands of mounts are that long.
const MOST_BYTES: u64 = 1024 * 1024;

/// The first megabyte of a file of `/proc`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes))
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(bytes)
}

/// Reads and parses a file of `/proc`.
fn parse<T: FromRead>(path: &Path) -> Result<T, String> {
    T::from_read(read(path)?.as_slice())
        .map_err(|error| format!("{} is not understood: {error}", path.display()))
}

/// Load of the last 15 minutes per processor. The shorter averages say more of this moment and less of the machine:
/// one compilation would make it ill. Two processors are assumed at least, as a load of 1 is no load to speak of.
pub(crate) fn cpu_load(proc: &Path) -> Result<Value, String> {
    let load: LoadAverage = parse(&proc.join("loadavg"))?;
    let processors = count_processors(&read(&proc.join("stat"))?);
    if processors == 0 {
        let path = proc.join("stat");
        return Err(format!("{} names no processor", path.display()));
    }
    let per_processor = f64::from(load.fifteen) / f64::from(processors.max(2));
    Ok(number(round(per_processor, 100.0), ""))
}

/// Processors that are online: lines `cpu0`, `cpu1` and so on at the beginning of `/proc/stat`.
fn count_processors(stat: &[u8]) -> u32 {
    let numbered = |line: &&[u8]| line.get(3).is_some_and(u8::is_ascii_digit);
    let lines = stat
        .split(|&byte| byte == b'\n')
        .take_while(|line| line.starts_with(b"cpu"));
    u32::try_from(lines.filter(numbered).count()).unwrap_or(u32::MAX)
}

/// `MemAvailable` in per cent of `MemTotal`.
pub(crate) fn memory_available(proc: &Path) -> Result<Value, String> {
    let path = proc.join("meminfo");
    let memory: Meminfo = parse(&path)?;
    let Some(available) = memory.mem_available else {
        return Err(format!(
            "{} has no MemAvailable (Linux 3.14 and later have)",
            path.display()
        ));
    };
    percent(available, memory.mem_total)
        .ok_or_else(|| format!("{} says that there is no memory", path.display()))
}

/// Seconds since the machine was started, time in suspend included.
pub(crate) fn uptime(proc: &Path) -> Result<Value, String> {
    let uptime: Uptime = parse(&proc.join("uptime"))?;
    Ok(number(uptime.uptime.floor(), "s"))
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
mod tests {
    use super::*;
    use crate::sampler::fake;

    #[test]
    fn values_come_from_proc() {
        let proc = fake::proc();
        assert_eq!(cpu_load(proc.path()), Ok(number(0.63, "")));
        assert_eq!(memory_available(proc.path()), Ok(number(61.9, "%")));
        assert_eq!(uptime(proc.path()), Ok(number(123_456.0, "s")));
    }

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
        let proc = fake::proc();
        fake::put(&proc, "stat", "cpu  1\ncpu0 1\nintr 5\n");
        assert_eq!(cpu_load(proc.path()), Ok(number(1.26, "")));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let proc = fake::proc();
        for (file, text) in [
            ("loadavg", ""),
            ("loadavg", "a b c d e"),
            ("stat", "intr 5\n"),
            ("meminfo", "MemTotal: 0 kB\nMemAvailable: 0 kB\n"),
            ("meminfo", "MemTotal: 5 kB\n"),
            ("meminfo", "nonsense"),
            ("uptime", "\u{fffd}"),
        ] {
            let proc = fake::proc();
            fake::put(&proc, file, text);
            let results = [
                cpu_load(proc.path()),
                memory_available(proc.path()),
                uptime(proc.path()),
            ];
            let failed: Vec<_> = results.into_iter().filter_map(Result::err).collect();
            assert_eq!(failed.len(), 1, "{file}: {text:?}");
            assert!(failed[0].contains(file), "{}", failed[0]);
        }
        std::fs::remove_file(proc.path().join("uptime")).unwrap();
        assert!(
            uptime(proc.path())
                .unwrap_err()
                .contains("cannot be read: No such file")
        );
    }
}
