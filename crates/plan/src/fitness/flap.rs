//! Is an item going back and forth?
//!
//! The rule is the one of Icinga 2 (`Checkable::UpdateFlappingStatus`, after Nagios): of the last 20 samples each at
//! which the level changed counts, the oldest 0.8 and the newest nearly 1.2; more than 30 % of 20 begins flapping, 25 %
//! or less ends it. A sample without a value does not count, so nothing comes to rest by not being seen.

use serde::{Deserialize, Serialize};

/// How many samples are looked at.
const SAMPLES: u32 = 20;
/// Above this it begins, in per cent.
const BEGINS: u32 = 30;
/// At this or less it ends, in per cent.
const ENDS: u32 = 25;

/// The last samples at which a level changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Flap {
    /// The newest sample is the lowest bit.
    changes: u32,
}

impl Flap {
    /// Takes in whether the level changed at a sample, and says whether it flaps now.
    pub(super) fn take(&mut self, changed: bool, is_flapping: bool) -> bool {
        self.changes = (self.changes << 1 | u32::from(changed)) & ((1 << SAMPLES) - 1);
        let limit = if is_flapping { ENDS } else { BEGINS };
        self.weight() > limit * SAMPLES
    }

    /// How much it flaps, in whole per cent.
    pub(super) fn percent(self) -> u32 {
        self.weight() / SAMPLES
    }

    /// The changes by their weight, in hundredths of a sample.
    fn weight(self) -> u32 {
        (0..SAMPLES)
            .filter(|age| self.changes >> age & 1 == 1)
            .map(|age| 80 + 2 * (SAMPLES - 1 - age))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_changes_in_a_row_begin_it_and_rest_ends_it() {
        let mut flap = Flap::default();
        let began = (1..=20).find(|_| flap.take(true, false));
        assert_eq!(began, Some(6), "6 times nearly 1.2 of 20 is above 30 %");
        let ended = (1..=40).find(|_| !flap.take(false, true));
        assert_eq!(ended, Some(15), "the oldest of them is 20 samples old");
    }

    #[test]
    fn a_change_every_fourth_sample_is_no_flapping() {
        let mut flap = Flap::default();
        assert!((0..200).all(|sample| !flap.take(sample % 4 == 0, false)));
        assert!(flap.percent() <= BEGINS);
    }
}
