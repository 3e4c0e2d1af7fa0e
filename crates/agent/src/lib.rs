//! The agent: keeps one host on the right version and tells the server how it stands.
//!
//! Two processes share the work. The [`supervisor`] is small, has no network code, and never gives up the version
//! that works: it starts the worker, tries a new one when the worker offers it, and moves `current` only to a
//! version that has proven itself on this very host. The [`worker`] does everything else: it samples the host,
//! reports, and brings signed releases into slots.
//!
//! Changes by scripts or by the host's package manager are [`run`]s, each in a process of its own.
//!
//! What must survive a power cut is in a few small files ([`State`]); what is decided over them is in the `plan`
//! crate; what touches the machine is in the `host` crate. The command line talks to both processes through the
//! [`local`] sockets, and uses [`enroll()`], [`install()`], [`preflight()`] and [`witness()`] directly.

pub mod config;
mod enroll;
mod error;
mod events;
mod fetch;
mod gateway;
mod identity;
mod install;
pub mod local;
mod preflight;
mod rehearsal;
pub mod repository;
pub mod run;
mod state;
pub mod supervisor;
mod witness;
pub mod worker;
pub mod xymon;

pub use enroll::enroll;
pub use error::Error;
pub use identity::Identity;
pub use install::{Installed, install};
pub use preflight::preflight;
pub use state::State;
pub use witness::witness;

/// Ten random bytes for a run's identity.
fn random() -> [u8; 10] {
    std::array::from_fn(|_| fastrand::u8(..))
}

/// An error with everything beneath it, on one line.
pub fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(cause) = beneath {
        let cause_text = cause.to_string();
        // A transparent error has said so already.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        beneath = cause.source();
    }
    text
}
