//! How long to wait before the next attempt.

use std::time::Duration;

/// Exponential backoff with full jitter: the n-th wait is anywhere between nothing and `first` doubled n times, and
/// never longer than `max`. Full jitter spreads a fleet that lost its server at one moment better than any fixed
/// share of it does.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    ceiling: Duration,
    dice: fastrand::Rng,
}

impl Backoff {
    /// Waits begin below `first` and stay below `max`. Equal seeds give equal waits, so each host needs its own.
    #[must_use]
    pub fn new(first: Duration, max: Duration, seed: u64) -> Self {
        Self {
            first,
            max,
            ceiling: first.min(max),
            dice: fastrand::Rng::with_seed(seed),
        }
    }

    /// For a client that keeps a connection to a server and has lost it, probably together with all others: a server
    /// that is back after a moment must not be met by the whole fleet in that moment. `every` is how often the client
    /// speaks anyway; the first wait is below a sixth of that, but not below one second or above ten.
    #[must_use]
    pub fn after_loss(every: Duration, seed: u64) -> Self {
        let first = (every / 6).clamp(Duration::from_secs(1), Duration::from_secs(10));
        Self::new(first, Duration::from_secs(120), seed)
    }

    /// The wait before the next attempt.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.ceiling.mul_f64(self.dice.f64());
        self.ceiling = self.ceiling.saturating_mul(2).min(self.max);
        wait
    }

    /// Begins anew, after an attempt that succeeded.
    pub fn reset(&mut self) {
        self.ceiling = self.first.min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_stay_below_their_ceiling(
            first in 1_u64..10_000, max in 1_u64..100_000_000, seed: u64, attempts in 1_usize..80,
        ) {
            let (first, max) = (Duration::from_millis(first), Duration::from_millis(max));
            let mut backoff = Backoff::new(first, max, seed);
            let mut ceiling = first.min(max);
            for _ in 0..attempts {
                prop_assert!(backoff.next_wait() <= ceiling);
                ceiling = (ceiling * 2).min(max);
            }
            backoff.reset();
            prop_assert!(backoff.next_wait() <= first.min(max));
        }

        #[test]
        fn equal_seeds_wait_equally_and_others_do_not(seed: u64) {
            let waits = |seed| {
                let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), seed);
                (0..8).map(|_| backoff.next_wait()).collect::<Vec<_>>()
            };
            prop_assert_eq!(waits(seed), waits(seed));
            prop_assert_ne!(waits(seed), waits(seed.wrapping_add(1)));
        }

        #[test]
        fn nothing_overflows(first: u64, max: u64, seed: u64) {
            let mut backoff = Backoff::new(Duration::from_secs(first), Duration::from_secs(max), seed);
            for _ in 0..70 {
                prop_assert!(backoff.next_wait() <= Duration::from_secs(max));
            }
        }
    }

    #[test]
    fn a_fleet_that_lost_its_server_comes_back_over_ten_seconds() {
        let every = Duration::from_secs(300);
        let mut seconds = [0_u32; 10];
        for host in 0..10_000 {
            let wait = Backoff::after_loss(every, host).next_wait();
            seconds[wait.as_secs() as usize] += 1;
        }
        assert!(
            seconds.iter().all(|count| (850..1150).contains(count)),
            "{seconds:?}"
        );
        let quick = Backoff::after_loss(Duration::from_secs(1), 7).next_wait();
        assert!(quick <= Duration::from_secs(1));
    }

    #[test]
    fn waits_grow_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60), 7);
        let waits: Vec<_> = (0..1000).map(|_| backoff.next_wait()).collect();
        let mean = waits.iter().sum::<Duration>() / 1000;
        assert!(waits[0] <= Duration::from_secs(1));
        assert!((27..33).contains(&mean.as_secs()), "{mean:?}");
    }
}
