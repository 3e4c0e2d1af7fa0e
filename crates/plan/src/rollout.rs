//! Rollouts: who is let go when, and what each host should run.
//!
//! [`start`] draws the waves. [`tick()`] looks at a rollout and at what is known of its hosts, and says how it goes on
//! and why; the caller stores the answer. [`desired_version`] says what one host should run. [`pause`], [`resume`],
//! [`halt`] and [`rollback`] are what a person may say.
//!
//! Whatever hosts do, whoever crashes between two ticks, and however often a tick is repeated:
//!
//! * nobody beyond the first wave is let go before that wave has proven the release, watched for its bake time;
//! * after a halt nobody else is let go, by no command either;
//! * a host that failed the release is not ordered to run it;
//! * a rollout that is not over says what it waits for;
//! * the same facts at the same time change nothing a second time.
//!
//! Not here: where facts come from, and who may decide (the server's lease). Waves are two for now, canaries and the
//! rest; everything behind [`start`] works with any number.

mod command;
mod desired;
mod draw;
mod facts;
mod tick;
mod why;

pub use command::{Refused, halt, pause, resume, rollback};
pub use desired::{Target, desired_version};
pub use draw::start;
pub use facts::{HostFacts, SILENT_AFTER_REPORTS, host_state, is_silent};
pub use tick::{Step, tick};
pub use why::{Decision, Names, Place, Why};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
