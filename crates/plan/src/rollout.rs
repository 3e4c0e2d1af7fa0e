//! Rollouts: who is let go when, and what each host should run.
//!
//! [`start`] draws the waves. [`tick()`] looks at a rollout and at what is known of its hosts, and says how it goes on
//! and why; the caller stores the answer. [`desired_version`] says what one host should run. [`pause`], [`resume`],
//! [`skip_wave`], [`skip_host`], [`take_back`], [`halt`] and [`rollback`] are what a person may say.
//!
//! Whatever hosts do, whoever crashes between two ticks, and however often a tick is repeated:
//!
//! * nobody beyond a wave is let go before that wave has proven the release, watched for its bake time, unless a person
//!   says so;
//! * no more hosts are in flight, and no fewer fit and at rest, than the strategy says;
//! * after a halt nobody else is let go, by no command either;
//! * a host that failed the release is not ordered to run it;
//! * a host that a person left out of it does not begin; one that was told to before counts as in flight until it says that
//!   it has not; and a failure counts whoever was left out;
//! * a rollout that is not over says what it waits for;
//! * the same facts at the same time change nothing a second time.
//!
//! What is decided is decided from numbers ([`next`]), so that the simulator of a million hosts decides by the same
//! code. Not here: where facts come from, and who may decide (the server's lease).

mod admit;
mod baseline;
mod cluster;
mod command;
mod compare;
mod course;
mod desired;
mod domains;
mod draw;
mod explain;
mod facts;
mod hops;
mod look;
mod newcomers;
mod outlook;
mod skip;
mod tick;
mod why;

pub use admit::{Budget, Candidate, Strength, moment};
pub use baseline::before;
pub use cluster::{Cluster, Tried, cluster, common};
pub use command::{Refused, halt, pause, resume, rollback, skip_wave};
pub use compare::{LOOKS, compare};
pub use course::{Course, Lane, Turn, next};
pub use desired::{Asker, Ordered, Seat, Target, desired_version};
pub use domains::interleave;
pub use draw::{lot, start, turn};
pub use explain::{After, Asked, Explanation, Gate, Listed, Underway, explain, wanted};
pub use facts::{
    HostFacts, Labels, SILENT_AFTER_REPORTS, SKIP_KNOWN_WITHIN, host_state, is_silent, is_worse,
};
pub use hops::{NoWay, Offer, next_hop};
pub use look::{Look, Sample, Tally};
pub use outlook::{GateFigures, expected_end, gates};
pub use skip::{skip_host, take_back};
pub use tick::{Step, tick};
pub use why::{Decision, Names, Place, Short, Verdict, Why};

#[cfg(test)]
mod blast;
#[cfg(test)]
mod chance;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
