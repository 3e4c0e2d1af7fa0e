//! The fleet file: one declarative description of the fleet, compiled to what each host is told.
//!
//! `fleet.toml`, and the fragments in `fleet.d` beside it, say what the fleet is: groups and hosts, what is watched on
//! them and how it is judged, who is told of what. [`Fleet::load`] or [`Fleet::parse`] reads them all and either
//! refuses them with all [`Errors`] at once, each with its line and column, or gives a [`Fleet`]. That is asked then:
//!
//! * [`Fleet::work_for`]: the work document of one host, made from the built-in defaults, `[defaults]` and
//!   `[fitness.PROBE]`, `[item.X]`, the host's groups and the host itself, each of which beats those before it;
//! * [`Fleet::alert_rules`] and [`Fleet::silences`]: who is told of what, and when nobody is;
//! * [`Fleet::lock_rule`]: what holds for a lock; which packages are kept current is part of the work document;
//! * [`Fleet::follows`]: which channels a host follows; [`Fleet::strategy`]: how rollouts of a channel go;
//! * [`Fleet::explain`]: which line of which file made an item what it is on a host;
//! * [`Fleet::diff`]: what another fleet file would change for whom.
//!
//! The server calls it at its start and when the file changes, the command line offline. Nothing here asks a host or
//! a clock. A key that does nothing is refused: what this version cannot do, its fleet file cannot say.

mod changes;
mod check;
mod compile;
mod declared;
mod diff;
mod distance;
mod explain;
mod fault;
mod fleet;
mod follow;
pub mod import;
mod keys;
mod load;
mod parse;
mod pattern;
mod probes;
mod read;
mod silence;
mod source;
mod words;

pub use compile::hash_of;
pub use diff::{Changed, Diff, HostDiff};
pub use explain::{Explained, Explanation};
pub use fault::{Errors, Fault};
pub use fleet::Fleet;
pub use follow::Followed;
pub use silence::RecurringSilence;
pub use source::Place;
pub use words::{follow_in_words, lock_in_words, package_in_words, strategy_in_words};

#[cfg(test)]
mod tests;
