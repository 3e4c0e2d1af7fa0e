//! Looking at passwords: a few at a time, because each takes a processor and 19 MiB for some tens of milliseconds, and as
//! rarely as `plan::sign_in` says, so that none is guessed.
//!
//! An attempt is counted in the store before the password is looked at and taken back when it was good: neither attempts
//! that come at the same time, nor a restart, nor another server give anybody more of them. Names that nobody has are
//! counted, take the same time and get the same answer as others.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use lockstep_model::UserName;
use lockstep_model::api::operator::Password;
use lockstep_plan::sign_in::{self, Failures, Tally, Verdict};
use lockstep_store::{SignInFailures, SignInKeys, SignInTally, UserRow};
use lockstep_trust::identity::{IdentityError, password};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::App;
use crate::web::{FailedVisits, Refusal, household};

/// Passwords that are looked at, or hashed, at once.
const AT_ONCE: usize = 2;
/// Requests that wait for that.
const WAITING: usize = 32;
/// What the count of a user's failures begins with in the store.
const USER: &str = "user ";

/// Places for looking at passwords.
#[derive(Debug)]
pub(crate) struct Passwords {
    room: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    /// Attempts of those who were told to wait, by address.
    pushing: FailedVisits,
}

/// Somebody's turn; it lasts until the work is done, even if nobody waits for it any more.
struct Turn {
    _room: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            turn: Arc::new(Semaphore::new(AT_ONCE)),
            pushing: FailedVisits::default(),
        }
    }
}

impl Passwords {
    async fn enter(&self) -> Result<Turn, Refusal> {
        let busy = || {
            let wait = Duration::from_millis(fastrand::u64(1_000..5_000));
            Refusal::busy("too many people are signing in; try again", wait)
        };
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room = room.map_err(|_| busy())?;
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        Ok(Turn {
            _room: room,
            _turn: turn.map_err(|_| busy())?,
        })
    }
}

/// Whose password was good.
pub(crate) struct Verified {
    pub(crate) user: UserRow,
    /// The hash that it was good for.
    pub(crate) hash: String,
    /// What the attempt was counted under; whoever gets this takes it back.
    pub(crate) counted: SignInKeys,
}

/// Looks whether this is the password of the user with this name, if the user may try from this address now.
pub(crate) async fn verify(
    app: &App,
    name: &str,
    password: &Password,
    from: IpAddr,
    now: Timestamp,
) -> Result<Verified, Refusal> {
    // Whoever was told to wait and goes on all the same takes nobody's place, and is not written down each time.
    if let Some(wait) = app.passwords.pushing.must_wait(from, now) {
        let words = "too many failed attempts; try again later";
        return Err(Refusal::busy(words, wait).with_status(StatusCode::TOO_MANY_REQUESTS));
    }
    let turn = app.passwords.enter().await?;
    let name = UserName::parse(name).ok();
    let counted = keys(name.as_ref(), from);
    let forget = now - sign_in::QUIET;
    let refuse = |tally: &SignInTally| match sign_in::decide(&read(tally), now) {
        Verdict::Try => None,
        Verdict::Wait { wait, .. } => Some((sign_in::decide(&read(tally), now).to_string(), wait)),
    };
    let refused = app.store.count_sign_in(&counted, now, forget, refuse);
    if let Some((words, wait)) = refused.await? {
        app.passwords.pushing.failed(from, now);
        return Err(Refusal::busy(words, wait).with_status(StatusCode::TOO_MANY_REQUESTS));
    }
    let user = match &name {
        Some(name) => app.store.user(name, now).await?,
        None => None,
    };
    let hash = user.as_ref().and_then(|user| user.password.clone());
    let (tried, kept) = (password.clone(), hash.clone());
    let good = aside(turn, move || password::verify(&tried, kept.as_deref())).await?;
    match (good, user, hash) {
        (true, Some(user), Some(hash)) => Ok(Verified {
            user,
            hash,
            counted,
        }),
        (_, user, _) => {
            // A name that nobody has may be a password that went into the wrong field.
            let user = user.map(|user| user.name.to_string());
            tracing::warn!(user, %from, "somebody failed to sign in");
            Err(wrong())
        }
    }
}

/// The one answer to whoever did not say a right name with its password.
pub(crate) fn wrong() -> Refusal {
    Refusal::not_authenticated("the name or the password is wrong")
}

/// Checks a new password of a user and hashes it.
pub(crate) async fn hash(app: &App, user: &UserName, new: &Password) -> Result<String, Refusal> {
    password::check(new, user).map_err(|error| Refusal::bad_request(error.to_string()))?;
    let turn = app.passwords.enter().await?;
    let new = new.clone();
    aside(turn, move || password::hash(&new)).await
}

/// Until when nobody can sign in as these users, by name; users who can are not in it.
pub(crate) async fn locked(app: &App, now: Timestamp) -> Result<Vec<(String, Timestamp)>, Refusal> {
    let failures = app.store.sign_in_failures(USER).await?;
    let locked = failures.into_iter().filter_map(|(key, failures)| {
        let until = sign_in::user_closed_until(plain(failures), now)?;
        Some((key.strip_prefix(USER)?.to_owned(), until))
    });
    Ok(locked.collect())
}

async fn aside<T: Send + 'static>(
    turn: Turn,
    work: impl FnOnce() -> Result<T, IdentityError> + Send + 'static,
) -> Result<T, Refusal> {
    let work = move || {
        let done = work();
        drop(turn);
        done
    };
    let doing = "looking at a password";
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| Refusal::internal(doing, &error)),
        Err(error) => Err(Refusal::internal(doing, &error)),
    }
}

/// A name that cannot be anybody's is not kept: it may be as long as a request.
fn keys(name: Option<&UserName>, from: IpAddr) -> SignInKeys {
    let name = name.map_or("?", UserName::as_str);
    let from = household(from);
    SignInKeys {
        both: format!("both {name} {from}"),
        user: format!("{USER}{name}"),
        address: format!("address {from}"),
    }
}

fn read(tally: &SignInTally) -> Tally {
    Tally {
        both: tally.both.map(plain),
        user: tally.user.map(plain),
        address: tally.address.map(plain),
    }
}

fn plain(failures: SignInFailures) -> Failures {
    Failures {
        count: failures.count,
        last: failures.last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_finds_the_room_full_is_sent_away() {
        let passwords = Passwords::default();
        let mut turns = Vec::new();
        for _ in 0..AT_ONCE {
            turns.push(passwords.enter().await.unwrap());
        }
        let mut waiting = Vec::new();
        for _ in 0..WAITING {
            let mut enter = Box::pin(passwords.enter());
            assert!(futures_util::poll!(&mut enter).is_pending());
            waiting.push(enter);
        }
        assert!(passwords.enter().await.is_err());
        turns.pop();
        assert!(futures_util::poll!(&mut waiting[0]).is_ready());
        drop(waiting);
        assert!(passwords.enter().await.is_ok());
    }

    #[test]
    fn one_household_and_every_impossible_name_count_as_one() {
        let ann = UserName::parse("ann").unwrap();
        let from = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = keys(Some(&ann), from("2001:db8::1"));
        assert_eq!(one, keys(Some(&ann), from("2001:db8::2")));
        assert_ne!(one, keys(Some(&ann), from("2001:db8:0:1::1")));
        assert_eq!(one.user, "user ann");
        assert_eq!(keys(None, from("10.0.0.1")).both, "both ? 10.0.0.1");
    }
}
