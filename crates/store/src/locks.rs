//! Locks: who has a place, and the number of the newest grant.
//!
//! What a change means is decided by whoever asks for it, with a function from the state to the next one. Here it is
//! made certain that such functions are applied one after the other, whichever server they come from, and that what
//! they answered is durable before anybody hears of it. All changes that wait share a transaction, and a lock's state
//! is read and written once in it (see `group::locks`).

use std::sync::{Arc, Mutex, PoisonError};

use lockstep_model::{LockName, LockState};
use sqlx::{FromRow, query};

use crate::group::{Entry, LockEntry};
use crate::records::{Place, rows, stored_number};
use crate::{Error, Store};

/// Locks of which anything is remembered, at most. Those that were once granted are remembered for ever, because the
/// numbers of their grants must grow.
pub const MOST_LOCKS: u32 = 10_000;

/// What the database has of a lock.
#[derive(FromRow)]
pub(crate) struct Row {
    pub(crate) name: String,
    fence: i64,
    state: String,
}

impl Row {
    /// What stands where a state should be, in a row that this very transaction has made to lock it.
    pub(crate) const NEW: &str = "";

    /// True if nothing was known of the lock.
    pub(crate) fn is_new(&self) -> bool {
        self.state == Self::NEW
    }

    /// The state. The number of the grant is stored twice, and both must be the same: a number that went back would be
    /// given twice.
    pub(crate) fn read(&self) -> Result<LockState, Error> {
        if self.is_new() {
            return Ok(LockState::default());
        }
        let place = Place {
            table: "locks",
            key: &self.name,
        };
        let state: LockState = place.json("state", &self.state)?;
        if stored_number("the number of a grant", state.fence.0)? != self.fence {
            let why = format!("it is {}, but the state says {}", self.fence, state.fence);
            return Err(place.damaged("fence", why));
        }
        Ok(state)
    }
}

impl Store {
    /// Changes a lock, and returns what `change` answered when that is durable; many calls at the same time share one
    /// transaction. `change` is given the state ([`LockState::default`] for a lock of which nothing is known), and
    /// returns the next one, or none to leave it as it is.
    ///
    /// All changes of a lock are applied one after the other, those of one store in the order in which they came into
    /// line, also with several servers over one database. `change` must be quick and must not panic; it may run several times, and what
    /// counts is what it did in the transaction that was committed.
    ///
    /// # Errors
    /// [`Error::TooManyLocks`] for one more than [`MOST_LOCKS`]; [`Error::NotStorable`] if the next state has a lower
    /// fence; [`Error::TooLarge`] above 8 MiB; [`Error::Busy`] as with [`Store::record_report`]. After `Busy` and
    /// `Database` it is not known whether it was changed.
    pub async fn change_lock<T: Send + 'static>(
        &self,
        name: &LockName,
        change: impl Fn(&LockState) -> (Option<LockState>, T) + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let answer = Arc::new(Mutex::new(None));
        let heard = Arc::clone(&answer);
        let entry = LockEntry {
            name: name.clone(),
            change: Box::new(move |state| {
                let (next, said) = change(state);
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
                next
            }),
        };
        self.groups().write(Entry::Lock(entry)).await?;
        let said = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // What was written was decided, so there is an answer.
        said.ok_or(Error::Closed)
    }

    /// A lock; none if nothing is known of it.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn lock(&self, name: &LockName) -> Result<Option<LockState>, Error> {
        let found: Vec<Row> = on!(self.db(), "read a lock", pool => {
            let found = query("SELECT name, fence, state FROM locks WHERE name = $1")
                .bind(name.as_str())
                .fetch_all(pool)
                .await?;
            Ok(rows("locks", &found)?)
        })?;
        found.first().map(Row::read).transpose()
    }

    /// All locks of which anything is known, by name; idle ones that were once granted are among them. At most
    /// [`MOST_LOCKS`].
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn locks(&self) -> Result<Vec<(LockName, LockState)>, Error> {
        let found: Vec<Row> = on!(self.db(), "list the locks", pool => {
            let found = query("SELECT name, fence, state FROM locks ORDER BY name LIMIT $1")
                .bind(i64::from(MOST_LOCKS))
                .fetch_all(pool)
                .await?;
            Ok(rows("locks", &found)?)
        })?;
        let read = |row: &Row| {
            let place = Place {
                table: "locks",
                key: &row.name,
            };
            Ok((place.parse("name", &row.name)?, row.read()?))
        };
        found.iter().map(read).collect()
    }
}
