//! Runs by scripts and by the host's package manager: the engine behind `lockstep update` and `lockstep package-update`.
//!
//! What a run may do next is decided by [`lockstep_plan::run`]; here it is done. A run is a process of its own, whoever
//! starts it: a person, cron, a timer, or the worker by its schedule. It holds the host's run lock while it is at work,
//! so that there is one at a time. What it must remember is in one journal for each package, written before each step;
//! started again after a kill or a restart of the machine, it goes on from there.
//!
//! * `engine` asks what is next and has it done; [`journals`] is what it remembers.
//! * `system` upgrades the operating system, by the five directories of scripts or by apt and dnf. `package` keeps one
//!   package current. `bundle` brings the signed bundles of others, each with a probation of its own.
//! * `wish` is what operators wish of this host, and what it permits; `wished` is the run that restarts the machine for it,
//!   by the scripts of `system`.
//! * `locks` speaks to the lock server, `health` to the agent of this host.
//! * `records` tells the server, and [`chain`] keeps what was told on the host, so that nobody can change it unseen.

mod bundle;
pub mod chain;
pub mod config;
mod engine;
mod health;
pub mod journals;
mod locks;
mod output;
mod package;
mod permits;
pub(crate) mod records;
mod scripts;
mod start;
mod system;
mod wish;
mod wished;

pub(crate) use bundle::{Book, Books, Daemons, Wanted};
pub(crate) use engine::package_lock;
pub use engine::{Ended, Engine};
pub use package::{Attempt, PackageUpdate};
pub use permits::{BundlePermits, PackagePermits, permitted};
pub use start::{Begin, Reentry, Toward};
pub use system::SystemUpgrade;
pub use wish::WishPermits;
pub(crate) use wish::{Here, WishBook};
pub(crate) use wished::{hinders as hinders_reboot, refuses_now as refuses_reboot};
