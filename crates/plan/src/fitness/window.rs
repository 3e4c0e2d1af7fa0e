//! The mean of a time.

use std::collections::VecDeque;

use jiff::Timestamp;
use lockstep_model::Interval;
use serde::{Deserialize, Serialize};

use super::latch::millis;
use super::record::exact;

/// Most numbers that are kept. When more fall into the window, neighbours are put together.
pub(super) const MOST: u64 = 240;

/// The numbers of a window of time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Window {
    slots: VecDeque<Slot>,
}

/// The numbers of one part of the window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Slot {
    /// Which part: the time divided by its length.
    part: i64,
    #[serde(with = "exact")]
    sum: f64,
    count: u32,
}

impl Window {
    /// Takes in a number and forgets those that are too old.
    pub(super) fn push(&mut self, at: Timestamp, number: f64, over: Interval) {
        let length = i64::try_from(millis(over).div_ceil(MOST).max(1)).unwrap_or(i64::MAX);
        let part = at.as_millisecond().div_euclid(length);
        // A clock that was turned back leaves numbers of a time that has not come.
        if self.slots.back().is_some_and(|newest| newest.part > part) {
            self.slots.clear();
        }
        match self.slots.back_mut() {
            Some(newest) if newest.part == part => {
                newest.sum += number;
                newest.count = newest.count.saturating_add(1);
            }
            _ => self.slots.push_back(Slot {
                part,
                sum: number,
                count: 1,
            }),
        }
        let parts = i64::try_from(millis(over)).unwrap_or(i64::MAX) / length;
        while self
            .slots
            .front()
            .is_some_and(|oldest| oldest.part <= part.saturating_sub(parts.max(1)))
        {
            self.slots.pop_front();
        }
    }

    /// The mean, if the numbers stand for half of the window at least: a single one after a start is no mean.
    pub(super) fn mean(&self, over: Interval, every: Interval) -> Option<f64> {
        let count: u64 = self.slots.iter().map(|slot| u64::from(slot.count)).sum();
        if count.saturating_mul(millis(every)).saturating_mul(2) < millis(over) {
            return None;
        }
        let sum: f64 = self.slots.iter().map(|slot| slot.sum).sum();
        #[expect(clippy::cast_precision_loss, reason = "far less than 2^53 samples")]
        let mean = sum / count as f64;
        // A sum of huge numbers may be infinite.
        mean.is_finite().then_some(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn it_is_the_mean_of_the_last_minutes() {
        let (over, every) = (Interval::from_secs(600), Interval::from_secs(60));
        let mut window = Window::default();
        for minute in 0..30 {
            let number = if minute < 20 { 10.0 } else { 40.0 };
            window.push(at(minute * 60), number, over);
            let expected = match minute {
                0..4 => None,
                4..20 => Some(10.0),
                minute => Some(10.0 + 3.0 * (minute - 19) as f64),
            };
            assert_eq!(window.mean(over, every), expected, "minute {minute}");
        }
    }

    #[test]
    fn it_is_bounded_however_many_numbers_come() {
        let (over, every) = (Interval::from_secs(1200), Interval::from_secs(1));
        let mut window = Window::default();
        for second in 0..10_000 {
            window.push(at(second), second as f64, over);
            assert!(window.slots.len() as u64 <= MOST);
        }
        let mean = window.mean(over, every).unwrap();
        assert!((mean - (9_999.0 - 600.0)).abs() < 5.0, "{mean}");
    }

    #[test]
    fn a_clock_that_is_turned_begins_anew() {
        let (over, every) = (Interval::from_secs(120), Interval::from_secs(60));
        let mut window = Window::default();
        window.push(at(1_000_000), 5.0, over);
        window.push(at(1_000), 7.0, over);
        assert_eq!(window.mean(over, every), Some(7.0));
        window.push(at(9_000_000), 9.0, over);
        assert_eq!(window.mean(over, every), Some(9.0));
    }
}
