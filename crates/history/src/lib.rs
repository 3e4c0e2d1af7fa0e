//! Item history on a host.
//!
//! [`History`] is one SQLite file beside the agent. The worker hands it each round of samples ([`History::record`]),
//! has it folded once an hour ([`History::zap`]), and asks it for the views that people look at ([`History::view`]),
//! for the slope of an item, and for what the server has missed.
//!
//! * **Small.** Values are kept as exactly as their unit deserves (see [`quantise()`]) and packed as whole numbers:
//!   one to two bytes a sample, keys and indices included. Every sample is kept for some days, buckets of 10 minutes
//!   for some months, buckets of an hour for some years ([`lockstep_model::Retention`]). One connection, a page cache
//!   of 256 KiB, and no more than a few hundred kilobytes in any request.
//! * **Sure.** Each round is one transaction, and so is each step of a zap: whoever kills the agent at any point loses
//!   nothing that was recorded. A power cut may take the rounds of the last half hour, never the file. A file that is
//!   damaged all the same is moved aside and a new one begun, because monitoring must go on.
//! * **Exact.** Whatever grain a bucket of a view is made from, its count, mean and extremes are those of all of its
//!   samples, as they are kept.
//!
//! # Clocks
//!
//! Times are kept in whole seconds, and a series takes one sample a second. Clocks are sometimes wrong:
//!
//! * A round that is older than the newest one is ignored: the clock went back a little and will catch up. If such
//!   rounds come for an hour, the clock is believed, and what lies in its future is forgotten as a mistake.
//! * When a round is more than a day newer than the last one, either the host was off or the clock leapt. The
//!   round is taken; but the next 24 zaps delete nothing, so that a clock that is set right within a day has not cost
//!   the past.

mod codec;
mod error;
mod file;
mod forget;
mod history;
mod known;
mod marks;
mod quantise;
mod read;
mod record;
mod round;
mod seal;
mod slope;
mod slots;
mod tally;
mod tier;
mod view;
mod zap;

pub use error::{Cause, Error};
pub use history::{History, Kept};
pub use quantise::quantise;
pub use record::Measured;
pub use slope::Slope;
pub use slots::Slot;
pub use zap::Zapped;
