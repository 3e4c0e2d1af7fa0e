//! When somebody may try to sign in again: what keeps passwords from being guessed.
//!
//! Attempts that fail are counted three times: for the user from one address, for the user from everywhere, and for the
//! address. Within a count some are free; each further one makes the next wait, a minute first, twice as long each time, a
//! quarter of an hour at most. A quiet hour forgets. The narrow count stops whoever guesses from one place and leaves the
//! user free elsewhere; the wide ones stop whoever has many addresses, or tries one password on many users. See OWASP's
//! Authentication Cheat Sheet, "Account Lockout". What this costs users is said in decision 28.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// Failures of a user from one address that cost nothing.
pub const FREE: u32 = 5;
/// Failures of a user from everywhere, and of an address with whichever users, that cost nothing.
pub const FREE_WIDELY: u32 = 50;
/// The first wait.
pub const FIRST_WAIT: Duration = Duration::from_secs(60);
/// The longest one.
pub const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// So long without an attempt, and failures are forgotten.
pub const QUIET: Duration = Duration::from_secs(3600);

/// Failures in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: u32,
    /// When the last one was.
    pub last: Timestamp,
}

/// All that counts for an attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Of the user from this address.
    pub both: Option<Failures>,
    /// Of the user from everywhere.
    pub user: Option<Failures>,
    /// Of the address with whichever users.
    pub address: Option<Failures>,
}

/// Whether somebody may try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Now.
    Try,
    /// Not yet.
    Wait {
        /// From when on.
        until: Timestamp,
        /// How long that is.
        wait: Duration,
    },
}

/// The words are the same whoever waits and why: they must not tell whether there is such a user.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Try => f.write_str("may try"),
            Self::Wait { wait, .. } => {
                let minutes = wait.as_secs().div_ceil(60).max(1);
                let s = if minutes == 1 { "" } else { "s" };
                write!(
                    f,
                    "too many failed attempts; try again in {minutes} minute{s}"
                )
            }
        }
    }
}

/// Decides whether somebody may try to sign in.
#[must_use]
pub fn decide(tally: &Tally, now: Timestamp) -> Verdict {
    let waits = [
        (tally.both, FREE),
        (tally.user, FREE_WIDELY),
        (tally.address, FREE_WIDELY),
    ];
    let until = waits
        .into_iter()
        .filter_map(|(failures, free)| closed_until(failures?, free, now))
        .max();
    match until {
        Some(until) => Verdict::Wait {
            until,
            wait: passed(now, until),
        },
        None => Verdict::Try,
    }
}

/// Until when nobody can sign in as a user of whom so many attempts failed; none if it is possible now.
#[must_use]
pub fn user_closed_until(failures: Failures, now: Timestamp) -> Option<Timestamp> {
    closed_until(failures, FREE_WIDELY, now)
}

fn closed_until(failures: Failures, free: u32, now: Timestamp) -> Option<Timestamp> {
    // A clock that was set back must not close the door for longer than the longest wait.
    let last = failures.last.min(now);
    if passed(last, now) >= QUIET {
        return None;
    }
    let until = last.checked_add(pause(failures.count, free)).ok()?;
    (until > now).then_some(until)
}

/// How long the attempt after so many failures has to wait.
fn pause(count: u32, free: u32) -> Duration {
    let Some(beyond) = count.checked_sub(free) else {
        return Duration::ZERO;
    };
    let factor = 1_u32.checked_shl(beyond.min(31)).unwrap_or(u32::MAX);
    FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT)
}

fn passed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn failures(count: u32, second: i64) -> Option<Failures> {
        let last = at(second);
        Some(Failures { count, last })
    }

    fn wait(tally: Tally, second: i64) -> u64 {
        match decide(&tally, at(second)) {
            Verdict::Try => 0,
            Verdict::Wait { wait, until } => {
                assert_eq!(until, at(second) + wait);
                wait.as_secs()
            }
        }
    }

    #[test]
    fn each_failure_beyond_the_free_ones_doubles_the_wait() {
        let waits: Vec<u64> = [0, 1, 4, 5, 6, 7, 8, 9, 10, 100, u32::MAX]
            .into_iter()
            .map(|count| {
                let both = failures(count, 0);
                wait(
                    Tally {
                        both,
                        ..Tally::default()
                    },
                    0,
                )
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 60, 120, 240, 480, 900, 900, 900, 900]);
    }

    #[test]
    fn the_wide_counts_close_later() {
        let user = |count| Tally {
            user: failures(count, 0),
            ..Tally::default()
        };
        let address = |count| Tally {
            address: failures(count, 0),
            ..Tally::default()
        };
        for tally in [user, address] as [fn(u32) -> Tally; 2] {
            assert_eq!((wait(tally(49), 0), wait(tally(50), 0)), (0, 60));
        }
        assert_eq!(
            user_closed_until(failures(50, 0).unwrap(), at(9)),
            Some(at(60))
        );
        assert_eq!(user_closed_until(failures(50, 0).unwrap(), at(60)), None);
    }

    #[test]
    fn the_longest_wait_of_all_counts_and_passes() {
        let tally = Tally {
            both: failures(5, 0),
            user: failures(52, 0),
            address: failures(3, 0),
        };
        assert_eq!(
            (wait(tally, 0), wait(tally, 100), wait(tally, 240)),
            (240, 140, 0)
        );
        let words = |second| decide(&tally, at(second)).to_string();
        assert_eq!(words(0), "too many failed attempts; try again in 4 minutes");
        assert_eq!(
            words(200),
            "too many failed attempts; try again in 1 minute"
        );
        assert_eq!(words(300), "may try");
    }

    proptest! {
        #[test]
        fn nobody_waits_for_longer_than_the_longest_wait(
            counts in prop::array::uniform3(any::<u32>()),
            seconds in prop::array::uniform3(-10_000_i64..10_000),
        ) {
            let [both, user, address] = [0, 1, 2].map(|n| failures(counts[n], seconds[n]));
            let tally = Tally { both, user, address };
            let waits = wait(tally, 0);
            prop_assert!(waits <= LONGEST_WAIT.as_secs());
            // Whoever waits as told may try then, whatever the clock was.
            let seen = seconds.map(|second| second.min(0));
            let [both, user, address] = [0, 1, 2].map(|n| failures(counts[n], seen[n]));
            prop_assert_eq!(wait(Tally { both, user, address }, waits as i64), 0);
        }

        #[test]
        fn more_failures_never_open_a_door(
            counts in prop::array::uniform3(0_u32..200), more in prop::array::uniform3(0_u32..200),
            second in 0_i64..4000,
        ) {
            let tally = |counts: [u32; 3]| {
                let [both, user, address] = counts.map(|count| failures(count, 0));
                Tally { both, user, address }
            };
            let most = [0, 1, 2].map(|n| counts[n] + more[n]);
            prop_assert!(wait(tally(counts), second) <= wait(tally(most), second));
        }

        #[test]
        fn a_quiet_hour_forgets(counts in prop::array::uniform3(any::<u32>()), more in 0_i64..9999) {
            let [both, user, address] = counts.map(|count| failures(count, 0));
            prop_assert_eq!(wait(Tally { both, user, address }, 3600 + more), 0);
        }

        #[test]
        fn guessing_is_slow(pauses in prop::collection::vec(0_u64..1200, 1..200)) {
            // Somebody who tries as soon as he may, and now and then later: in an hour at most nine attempts from one
            // address, the five free ones and those after 1, 2, 4, 8 and 15 minutes and so on.
            let (mut now, mut both, mut tries) = (0_u64, None::<Failures>, Vec::new());
            for pause in pauses {
                now += wait(Tally { both, ..Tally::default() }, now as i64).max(pause % 60);
                let forgotten = both.filter(|it| passed(it.last, at(now as i64)) < QUIET);
                let count = forgotten.map_or(0, |it| it.count) + 1;
                both = failures(count, now as i64);
                tries.push(now);
            }
            for (number, &first) in tries.iter().enumerate() {
                let within = tries[number..].iter().filter(|&&it| it < first + 3600).count();
                prop_assert!(within <= 12, "{within} attempts in an hour");
            }
        }
    }
}
