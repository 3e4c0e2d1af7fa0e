//! How a lock stands.

use jiff::Timestamp;
use lockstep_model::{LockRefusal, LockRule, LockState, Taken};

use super::{Admission, Fleet, is_over};

/// How a lock stands at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Stand {
    /// How many places there are.
    pub places: usize,
    /// Who takes one, and why; holders first, in the order of their grants, then hosts by name. There can be more than
    /// places: health asks for none.
    pub taken: Vec<Taken>,
    /// Conditions that do not hold, for one who is no part of the fleet: no host could be granted the lock either.
    pub unmet: Vec<LockRefusal>,
}

/// How a lock stands at `now`. Grants whose lease is over are not counted: whoever asks next ends them.
#[must_use]
pub fn stand(rule: &LockRule, state: &LockState, fleet: &Fleet<'_>, now: Timestamp) -> Stand {
    let mut holders = state.holders.clone();
    holders.retain(|it| !is_over(it, rule, now));
    let admission = Admission::new(rule, &holders, &state.waiters, fleet, now);
    Stand {
        places: admission.places(),
        taken: admission.taken(None),
        unmet: admission.unmet(),
    }
}
