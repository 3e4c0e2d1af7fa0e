//! The only crate that touches the machine: files and fsync, slots, unpacking, processes.
//!
//! It keeps the hardest promise of Lockstep: **a power cut at any instant leaves `current` at a version that ran
//! before.** The promise is built from the bottom up, and proven the same way:
//!
//! * [`fs`] changes files so that everyone sees the old state or the new one, complete, whenever the power goes.
//! * [`unpack`] turns a bundle from a stranger into files, or refuses it, and writes nothing outside.
//! * [`slots`] makes complete slots from bundles, and moves `current`.
//! * [`lock`] keeps a second agent away, also while the first executes itself anew.
//! * [`fault`] cuts the power in tests, at every one of the instants in between.
//!
//! Beside that it starts processes: long-lived ones that can be adopted by the next program ([`process`]), and
//! commands that end in time ([`exec`]), and those that a person waits for ([`foreground`]); and it says what
//! [`machine`] this is. Where everything lies is said by [`Layout`].
//!
//! Nothing here decides anything, reads a clock to remember it, or uses the network.

mod error;
pub mod exec;
pub mod fault;
pub mod foreground;
pub mod fs;
mod layout;
pub mod lock;
pub mod machine;
pub mod process;
pub mod slots;
pub mod unpack;

pub use error::Error;
pub use layout::Layout;
