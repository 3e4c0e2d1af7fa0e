//! Everything that reads a host or looks at another: the built-in probes, and who is asked when.
//!
//! A [`Prober`] follows a work document: it asks each probe in its own time and hands over samples in batches. It
//! judges nothing; what a value is worth is decided in `plan`, unless the probe itself has a verdict. Called by the
//! agent's worker.
//!
//! What may be run and read on the host is said by the host ([`Permits`]), and so are the secrets with which others
//! are asked ([`Secrets`]); the work document only chooses among that.
//!
//! # Items of the kernel
//!
//! They cost microseconds, start no program, and are read together. In place of an object there may be a pattern:
//! `disk_usage:*` stands for all local file systems, `disk_busy:*` for the disks that are made of something,
//! `network_in:*` for such interfaces; any other pattern, as `network_in:wg*`, stands for what it matches.
//!
//! | item | unit | value |
//! |---|---|---|
//! | `cpu_load` | | load of the last 15 minutes per processor; at least two processors are assumed |
//! | `cpu_busy` | % | processors' time spent on work since the last look |
//! | `cpu_iowait` | % | the same, spent on waiting for disks |
//! | `cpu_steal` | % | the same, taken by the machine below this one |
//! | `memory_available` | % | memory that could be handed out without swapping, of all |
//! | `swap_used` | % | used swap; left out where there is none |
//! | `oom_kills` | | processes killed for want of memory since the last look |
//! | `pressure_cpu_some` | % | time of the last minute in which something waited for a processor |
//! | `pressure_memory_some` | % | in which something waited for memory |
//! | `pressure_memory_full` | % | in which everything waited for memory |
//! | `pressure_io_some` | % | in which something waited for a disk |
//! | `pressure_io_full` | % | in which everything waited for a disk |
//! | `disk_usage:PATH` | % | used part of a file system, as `df` shows it |
//! | `disk_free:PATH` | bytes | what anybody may still write there |
//! | `inode_usage:PATH` | % | used inodes; left out where their number is not fixed |
//! | `disk_busy:DISK` | % | time since the last look in which the disk had something to do |
//! | `disk_read:DISK` | bytes/s | read since the last look |
//! | `disk_write:DISK` | bytes/s | written since the last look |
//! | `disk_await:DISK` | s | mean time that a request took since the last look; 0 without requests |
//! | `network_in:INTERFACE` | bytes/s | received since the last look |
//! | `network_out:INTERFACE` | bytes/s | sent since the last look |
//! | `network_errors:INTERFACE` | % | packets damaged or dropped since the last look; 0 below 1000 packets |
//! | `listening:PORT` | | 1 if somebody listens on this TCP port, else 0; also `tcp/PORT`, `udp/PORT` |
//! | `processes` | | number of processes |
//! | `process:NAME` | | processes of this name, the kernel's for it or its program's file name |
//! | `users` | | sessions of people who are logged in |
//! | `uptime` | s | time since the machine was started |
//! | `agent_memory` | bytes | memory of the agent's own processes |
//!
//! An item that compares two looks has no value after the first one. The pressures are left out where the kernel does
//! not measure them. `items_dropped` appears when there are more items than a report can carry, and counts them.
//!
//! The other items are listed in the modules `system` (units, files, logs, updates), `remote` (others on the network)
//! and `command` (plugins and scripts).
//!
//! # What hangs, fails or floods
//!
//! A probe that does not answer in time has no value and says why, and so does one that fails or panics; no other is
//! late. Whatever can hang in the kernel (a disk that died, a process in its last uninterruptible sleep) is asked in a
//! thread of its own and not again before it has answered, so a machine in trouble does not fill up with threads.
//! Looks at the same time, items, texts and waiting batches all have limits.

/// The words of a rate that has been measured once: it has no value yet, and nothing is wrong with it.
pub const NEEDS_TWO: &str = "needs two samples";

mod agent_memory;
mod aside;
mod busiest;
mod command;
mod config;
mod disk;
mod kernel;
mod passwd;
mod permits;
mod probe;
mod prober;
mod programs;
mod registry;
mod remote;
mod secrets;
mod system;

pub use busiest::Busiest;
pub use config::Config;
pub use permits::Permits;
pub use prober::{Live, Looked, Prober};
pub use secrets::{HttpSecret, Secrets, SnmpAuth, SnmpPrivacy, SnmpSecret};
