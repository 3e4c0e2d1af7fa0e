//! Everything that reads a host: the built-in probes.
//!
//! A [`Sampler`] reads all items of this host at one moment, straight from the kernel and without a subprocess. It
//! judges nothing; what a value is worth is decided in `plan`. Called by the agent's worker, each minute or so.
//!
//! | item | value |
//! |---|---|
//! | `cpu_load` | load of the last 15 minutes per processor |
//! | `memory_available` | memory that could be handed out without swapping, % of all |
//! | `disk_usage:PATH` | used part of each local file system, %, as `df` shows it |
//! | `uptime` | seconds since the machine was started |
//! | `agent_memory` | resident memory of the agent's own processes, bytes |
//!
//! Whatever can hang in the kernel (a disk that died, a process in its last uninterruptible sleep) is asked in a
//! thread of its own, with a deadline. A probe that hangs, or fails, has no value and says why; the others are not
//! late. It is not asked again before it has answered, so a machine in trouble does not fill up with threads.

mod agent_memory;
mod aside;
mod disk;
mod kernel;
mod permits;
#[expect(dead_code, reason = "the seam for the probes to come")]
mod probe;
mod sampler;
mod secrets;

pub use permits::Permits;
pub use sampler::{Config, Sampler};
pub use secrets::{Secrets, SnmpSecret};
