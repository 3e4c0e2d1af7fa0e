//! The locks of one group: all their rows are locked and read at once, all changes are applied in memory, and what
//! became of them is written at once.
//!
//! A row is locked by the statement that reads it, until the end of the transaction; one that is not there is made for
//! it, and deleted again if nothing came of it. Rows are locked in the order of their names and behind everything else
//! of the group, so that the groups of two servers cannot wait for each other.

use std::collections::BTreeMap;

use lockstep_model::{LockName, LockState};

use super::{Entry, Outcome, Waiting};
use crate::Error;
use crate::locks::{MOST_LOCKS, Row};
use crate::records::{stored_number, to_json};
use crate::statements::{Bind, Statement};

/// A change of a lock on its way into the database.
pub(crate) struct LockEntry {
    pub(crate) name: LockName,
    pub(crate) change: Change,
}

/// From a state to the next one, or none if it stays.
pub(crate) type Change = Box<dyn Fn(&LockState) -> Option<LockState> + Send + Sync>;

/// Largest state, in bytes of JSON: the largest fleet that waits, all of it with long names and reasons.
const MAX_STATE: usize = 8 * 1024 * 1024;

const HEAD: &str = "INSERT INTO locks (name, fence, state)";
const LOCK: &str =
    "ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING name, fence, state";
const WRITE: &str =
    "ON CONFLICT (name) DO UPDATE SET fence = excluded.fence, state = excluded.state";
/// Only what was never granted.
const DELETE: &str = "DELETE FROM locks WHERE name = $1 AND fence = 0";

/// How many locks there are.
pub(super) const COUNT: &str = "SELECT COUNT(*) FROM locks";

/// The locks that a group speaks of.
pub(super) struct Locks<'a> {
    /// By name; nothing yet before [`Locks::read`].
    known: BTreeMap<&'a str, Option<Known>>,
    /// How many more may be remembered.
    room: usize,
}

/// A lock.
struct Known {
    /// True if the row was made by this transaction.
    is_new: bool,
    /// As it was read. An error concerns those alone who speak of this lock.
    before: Result<LockState, Error>,
    /// After the changes so far.
    now: LockState,
}

impl<'a> Locks<'a> {
    pub(super) fn of(group: &'a [Waiting]) -> Self {
        let name = |waiting: &'a Waiting| match &waiting.entry {
            Entry::Lock(entry) => Some((entry.name.as_str(), None)),
            _ => None,
        };
        Self {
            known: group.iter().filter_map(name).collect(),
            room: 0,
        }
    }

    pub(super) fn are_read(&self) -> bool {
        self.known.values().all(Option::is_some)
    }

    /// Locks the rows and reads them.
    pub(super) fn lock(&self) -> Vec<Statement> {
        let row = |name: &&str| [(*name).into(), 0.into(), Row::NEW.into()];
        Statement::for_rows::<3>(HEAD, LOCK, self.known.keys().map(row))
    }

    /// Remembers the rows. `count` is how many there are in all, with the new ones; it matters for new ones only.
    pub(super) fn read(&mut self, rows: &[Row], count: i64) {
        let new = rows.iter().filter(|row| row.is_new()).count();
        let old = usize::try_from(count)
            .unwrap_or_default()
            .saturating_sub(new);
        self.room = (MOST_LOCKS as usize).saturating_sub(old);
        for row in rows {
            if let Some(known) = self.known.get_mut(row.name.as_str()) {
                let before = row.read();
                *known = Some(Known {
                    is_new: row.is_new(),
                    now: before.clone().unwrap_or_default(),
                    before,
                });
            }
        }
    }

    /// Applies a change.
    pub(super) fn change(&mut self, entry: &LockEntry) -> Outcome {
        let Some(Some(known)) = self.known.get_mut(entry.name.as_str()) else {
            return Err(Error::Damaged {
                table: "locks",
                key: entry.name.to_string(),
                why: "it could not be locked".into(),
            });
        };
        if let Err(error) = &known.before {
            return Err(error.clone());
        }
        let Some(next) = (entry.change)(&known.now) else {
            return Ok(0);
        };
        if next.fence < known.now.fence {
            return Err(Error::NotStorable {
                what: "the state of a lock",
                why: format!(
                    "its fence would go back from {} to {}",
                    known.now.fence, next.fence
                ),
            });
        }
        let nothing = LockState::default();
        if known.is_new && known.now == nothing && next != nothing {
            if self.room == 0 {
                return Err(Error::TooManyLocks {
                    lock: entry.name.clone(),
                    most: MOST_LOCKS,
                });
            }
            self.room -= 1;
        }
        known.now = next;
        Ok(0)
    }

    /// Writes what was changed.
    pub(super) fn write(&self) -> Result<Vec<Statement>, Error> {
        let nothing = LockState::default();
        let mut written = Vec::new();
        let mut statements = Vec::new();
        for (&name, known) in &self.known {
            let Some(Known {
                is_new,
                before: Ok(before),
                now,
            }) = known
            else {
                continue;
            };
            if *now == nothing && (*is_new || *before != nothing) {
                statements.push(Statement::new(DELETE, vec![name.into()]));
            } else if now != before {
                let fence = stored_number("the number of a grant", now.fence.0)?;
                let state = to_json("the state of a lock", now, MAX_STATE)?;
                written.push([Bind::from(name), fence.into(), state.into()]);
            }
        }
        statements.extend(Statement::for_rows(HEAD, WRITE, written));
        Ok(statements)
    }
}
