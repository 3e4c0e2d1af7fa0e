//! Fitness: from an item's values to its level, and to the events that tell of it.
//!
//! What can be said of an item is in [`lockstep_model::Fitness`]: sentences such as `>= 90% for 5m clear 80% after
//! 15m`. Here is what they mean over time. An [`ItemBook`] remembers of each item what its sentences ask for, takes
//! samples, and gives back what happened.
//!
//! * **A rule is a latch.** It is entered when its test has held for long enough, and left when the value has been
//!   behind `clear` for long enough. An item's level is the worst one whose latch is entered, so a worse value never
//!   gives a better level, and a value that trembles around a threshold changes the level once.
//! * **A gap is not a recovery.** Times are counted in time with data: a sample stands for the time since the one
//!   before it, and for one and a half sampling intervals at most. A sample without a value moves nothing; three in
//!   a row make the item soso at least, and are told. A gap of more than four intervals begins all counting anew,
//!   and leaves nothing.
//! * **What goes back and forth is said once.** While an item flaps it keeps its worst level; see `flap`.
//! * **A restart is no event.** [`ItemBook::snapshot`] and [`ItemBook::resume`] go on in the middle of a count.
//!
//! Which function judges an item: the one of its entry in the work document; without one, the built-in function of
//! its probe and the probe's own verdict, of which the worse counts.

mod book;
mod condition;
mod defaults;
mod flap;
mod function;
mod item;
mod latch;
mod orders;
mod record;
mod turns;
mod why;
mod window;

pub use book::{Happened, ItemBook};
pub use defaults::default_for;
pub use record::BookRecord;
pub use why::Why;

#[cfg(test)]
mod measures;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
