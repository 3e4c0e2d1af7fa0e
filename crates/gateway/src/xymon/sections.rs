//! What the sections of a client message say, in our own words: the items of our probes, with their names, units and
//! roundings, so that fitness functions and gates treat such a host as any other.
//!
//! | section | item | how |
//! |---|---|---|
//! | `[uptime]` | `cpu_load` | load of 15 minutes per processor, of which there are two at least |
//! | | `uptime` | to the minute |
//! | `[free]` | `memory_available`, `swap_used` | also as older versions of `free` show it |
//! | `[swapinfo]` | `swap_used` | FreeBSD |
//! | `[df]` | `disk_usage:PATH`, `disk_free:PATH` | disks, and whatever is at `/`: not file systems in memory, images |
//! | `[inode]` | `inode_usage:PATH` | the same |
//! | `[ps]` | `processes` | |
//! | `[who]` | `users` | |
//! | `[vmstat]` | `cpu_busy`, `cpu_iowait`, `cpu_steal` | the newest line, which is of five minutes |
//! | `[file:PATH]`, `[logfile:PATH]` | `file_size:PATH`, `file_age:PATH` | |
//! | `[disk]`, `[memory]`, `[cpu]`, `[uptime]` | the same and `cpu_busy`, where they say it | Windows, with mount points such as `/FIXED/C` |
//!
//! The number of processors is that of `[nproc]`, which a client sends if it knows `top`; else that of the kernel's
//! own threads in `[ps]`, of which each processor has one.
//!
//! Left out: what would need a judgement that Xymon's server has in its configuration and the message has not.
//! `[msgs:]` has all new lines of a log, not those that matter; `[ports]` has no word on which should be there.

mod disks;
mod facts;
mod files;
mod memory;
mod number;
mod processes;
mod time;
mod windows;

use jiff::Timestamp;
use lockstep_model::{ItemName, Sample, Value};

use super::message::Message;

pub use facts::{facts, version};
pub use time::boot;

/// Most samples that one message gives.
pub const MOST: usize = 200;
/// Most lines of one section that are looked at.
const MOST_LINES: usize = 100_000;

/// What a message says of its host's items. `os` is the word behind the host's name in the message's first line
/// (`linux`, `bbwin`, `powershell`), `now` is when it came.
///
/// Sections that are not there, or cannot be understood, give nothing; it is no error that a client knows less.
#[must_use]
pub fn samples(os: &str, message: &Message<'_>, now: Timestamp) -> Vec<Sample> {
    let mut found = Found::default();
    if windows::is(os) {
        windows::find(message, &mut found);
    } else {
        time::find(message, &mut found);
        memory::find(message, &mut found);
        disks::find(message, &mut found);
        processes::find(message, &mut found);
    }
    files::find(message, &mut found);
    found.samples(now)
}

/// What was found so far; the first value of an item counts.
#[derive(Debug, Default)]
struct Found(Vec<(ItemName, Value)>);

impl Found {
    fn number(&mut self, item: &str, value: f64, unit: &str) {
        if value.is_finite() {
            let unit = unit.into();
            self.value(item, Value::Number { value, unit });
        }
    }

    /// A part of a whole in per cent, with one decimal as our probes have it; nothing if there is no whole.
    fn percent(&mut self, item: &str, part: f64, whole: f64) {
        if whole > 0.0 && part >= 0.0 {
            let percent = (part / whole * 100.0).min(100.0);
            self.number(item, number::round(percent, 10.0), "%");
        }
    }

    /// A name that cannot be an item's is passed over.
    fn value(&mut self, item: &str, value: Value) {
        let Ok(item) = ItemName::parse(item) else {
            return;
        };
        if self.0.len() < MOST && self.0.iter().all(|(known, _)| *known != item) {
            self.0.push((item, value));
        }
    }

    fn samples(self, at: Timestamp) -> Vec<Sample> {
        let sample = |(item, value)| Sample {
            host: None,
            item,
            at,
            value,
            verdict: None,
        };
        self.0.into_iter().map(sample).collect()
    }
}

#[cfg(test)]
mod tests;
