//! How many downloads a server serves at once.

use std::time::Duration;

/// The rule for downloads on one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downloads {
    /// At most so many at once; 0 switches them off.
    pub max: u32,
}

/// Whether one more download may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Admit,
    /// As many as allowed are under way: status 503.
    Busy {
        /// The shortest time after which to ask again; spread it with [`crate::schedule::spread_retry`].
        retry_after: Duration,
    },
    /// Downloads are switched off: status 403.
    Off,
}

impl Downloads {
    /// How long a client that finds all places taken is sent away for, at least. A bundle of a few megabytes is
    /// through in much less, and a thousand hosts that are sent away ask two hundred times a second.
    pub const RETRY_AFTER: Duration = Duration::from_secs(5);

    /// Whether one more download may begin while `active` are under way.
    #[must_use]
    pub fn decide(self, active: u32) -> Admission {
        if self.max == 0 {
            return Admission::Off;
        }
        if active < self.max {
            return Admission::Admit;
        }
        Admission::Busy {
            retry_after: Self::RETRY_AFTER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_more_than_the_limit(max in 0u32..100, events in proptest::collection::vec(any::<bool>(), 0..500)) {
            let (downloads, mut active) = (Downloads { max }, 0u32);
            for begins in events {
                if !begins {
                    active = active.saturating_sub(1);
                    continue;
                }
                match downloads.decide(active) {
                    Admission::Admit => active += 1,
                    Admission::Busy { retry_after } => {
                        prop_assert!(active == max && retry_after > Duration::ZERO);
                    }
                    Admission::Off => prop_assert_eq!(max, 0),
                }
                prop_assert!(active <= max);
            }
        }
    }
}
