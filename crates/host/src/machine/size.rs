//! How large this machine is, and how much is on its mind.

use std::path::Path;
use std::time::Duration;

use crate::fs;

/// Most of `/proc/stat` that is read, in bytes; its lines on interrupts grow with the processors.
const MOST_STAT: u64 = 4 * 1024 * 1024;

/// What [`size`] found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// All memory, in bytes.
    pub memory: u64,
    /// All swap, in bytes.
    pub swap: u64,
    /// The load of one, five and fifteen minutes.
    pub load: [f64; 3],
    /// Processors that are online; 0 if that cannot be learned.
    pub processors: u32,
    /// Time since the machine was started.
    pub uptime: Duration,
}

/// Asks the kernel (`sysinfo(2)`, `proc_stat(5)`).
#[must_use]
pub fn size() -> Size {
    let info = rustix::system::sysinfo();
    let bytes = |units: u64| units.saturating_mul(u64::from(info.mem_unit));
    #[expect(
        clippy::cast_precision_loss,
        reason = "a load has far fewer than 52 bits"
    )]
    let load = |fixed: u64| fixed as f64 / 65_536.0;
    let stat = fs::read_capped(Path::new("/proc/stat"), MOST_STAT)
        .ok()
        .flatten();
    Size {
        memory: bytes(info.totalram),
        swap: bytes(info.totalswap),
        load: info.loads.map(load),
        processors: processors(&stat.unwrap_or_default()),
        uptime: Duration::from_secs(u64::try_from(info.uptime).unwrap_or(0)),
    }
}

/// Lines `cpu0`, `cpu1` and so on.
fn processors(stat: &[u8]) -> u32 {
    let of_one = |line: &&[u8]| {
        let number = line.strip_prefix(b"cpu".as_slice());
        number.is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
    };
    let lines = stat.split(|&byte| byte == b'\n').filter(of_one);
    u32::try_from(lines.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_some_of_everything() {
        let size = size();
        assert!(size.memory > 1 << 20 && size.processors > 0);
        assert!(size.load.iter().all(|load| (0.0..1e5).contains(load)));
        assert_eq!(processors(b"cpu  1 2\ncpu0 1\ncpu17 1\nintr cpu1\n"), 2);
    }
}
