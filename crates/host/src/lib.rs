//! The only crate that touches the machine: files and fsync, slots, unpacking, processes.
//!
//! It keeps the hardest promise of Lockstep: **a power cut at any instant leaves `current` at a version that ran
//! before.** The promise is built from the bottom up, and proven the same way:
//!
//! * [`fs`] changes files so that everyone sees the old state or the new one, complete, whenever the power goes.
//! * [`unpack`] turns a bundle from a stranger into files, or refuses it, and writes nothing outside.
//! * [`slots`] makes complete slots from bundles, and moves `current`.
//! * [`overlay`] puts an archive of others on top of a directory, all of it or nothing.
//! * [`lock`] keeps a second agent away, also while the first executes itself anew.
//! * [`fault`] cuts the power in tests, at every one of the instants in between.
//!
//! Beside that it starts processes: long-lived ones that can be adopted by the next program ([`process`]), and
//! commands that end in time ([`exec`]), and those that a person waits for ([`foreground`]); and it says what
//! [`machine`] this is. Where everything lies is said by [`Layout`].
//!
//! For runs it has the operator's [`scripts`], the host's own services ([`service`]) and its restart ([`reboot`]).
//! [`run_lock`] lets one run at a time change the host, and [`idle_lock`] keeps the host's own work still meanwhile.
//! A daemon is found by its [`pid_file`].
//!
//! Nothing here decides anything, reads a clock to remember it, or uses the network.

mod error;
pub mod exec;
pub mod fault;
mod flock;
pub mod foreground;
pub mod fs;
pub mod idle_lock;
mod layout;
pub mod lock;
pub mod machine;
pub mod overlay;
pub mod packages;
pub mod pid_file;
pub mod process;
pub mod reboot;
pub mod run_lock;
pub mod scripts;
pub mod service;
pub mod slots;
pub mod unpack;

pub use error::Error;
pub use layout::Layout;
