//! Faults on demand: the tool that proves that a power cut at any instant harms nothing.
//!
//! Every step of this crate that changes a file passes a *point*, and so may every step of the agent. In release
//! builds [`point`] is empty. In debug builds two environment variables give it meaning:
//!
//! * `LOCKSTEP_FAULT_TRACE=FILE` appends a line `ROLE NAME NTH` for each passage: the list of all instants that a
//!   test must try.
//! * `LOCKSTEP_FAULT=ROLE:NAME:NTH` kills the whole agent at the Nth passage (counted from 1) of that point, as
//!   `kill -9` would: this process, and its partner if [`set_partner`] named one. Everything done so far stays.
//! * `LOCKSTEP_FAULT=ROLE:NAME:NTH:powercut` first takes back everything that was done through this crate and not
//!   yet made durable: contents that were not synced are gone, and names created, moved or removed in a directory
//!   that was not synced since are as they were. That is the least that a file system may keep.
//! * `LOCKSTEP_FAULT=ROLE:NAME:NTH:powercut-SEED` takes back an arbitrary part of it, drawn from the seed: POSIX
//!   promises no order among what was not synced, and contents may come back short or as zeros.
//!
//! Points lie *after* each effect, and one at the beginning of each story; the instant before an effect is the
//! instant after the one before it. Counts survive [`exec_in_place`](crate::lock::exec_in_place).
//!
//! What it does not do: take back what other code wrote (SQLite has its own proofs), or what the partner did.

#[cfg(debug_assertions)]
mod ledger;
#[cfg(debug_assertions)]
mod switch;

#[cfg(not(debug_assertions))]
mod absent;

#[cfg(not(debug_assertions))]
pub(crate) use absent::{carried, effects};
#[cfg(not(debug_assertions))]
pub use absent::{point, set_partner, set_role, uncounted};
#[cfg(debug_assertions)]
pub(crate) use ledger::effects;
#[cfg(debug_assertions)]
pub(crate) use switch::carried;
#[cfg(debug_assertions)]
pub use switch::{point, set_partner, set_role, uncounted};

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests;
