//! The axis of values: where it begins and ends, and where its ticks are.

use super::number::Unit;

/// Values beyond are drawn at the edge; their differences would be infinite.
pub(super) const LARGEST: f64 = 1e300;
/// Fewer ticks cannot hold what lies on both sides of zero.
const LEAST_TICKS: usize = 3;

/// An axis of values. Its ends are ticks.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// The first and the last tick, counted in steps from zero.
    first: i64,
    last: i64,
    step: f64,
    unit: Unit,
}

impl Scale {
    /// The axis for values of a base unit from `least` to `greatest`, with at most `most` ticks (and at least three).
    ///
    /// What is never below zero and comes near it is shown from zero on. A level line lies in the middle.
    #[must_use]
    pub fn fit(least: f64, greatest: f64, unit: &str, most: usize) -> Self {
        let (mut from, mut to) = (guarded(least), guarded(greatest));
        if from > to {
            (from, to) = (to, from);
        }
        if to - from <= from.abs().max(to.abs()) * 1e-9 {
            let room = if to == 0.0 { 1.0 } else { to.abs() * 0.1 };
            let nothing_below = from >= 0.0;
            (from, to) = (from - room, to + room);
            if nothing_below {
                from = from.max(0.0);
            }
        }
        if from >= 0.0 && from <= (to - from) * 2.0 {
            from = 0.0;
        }
        let unit = Unit::fitting(unit, from.abs().max(to.abs()));
        let most = most.max(LEAST_TICKS) as i64;
        let mut step = nice((to - from) / unit.factor() / (most - 1) as f64);
        loop {
            let size = step * unit.factor();
            let (first, last) = ((from / size).floor() as i64, (to / size).ceil() as i64);
            if last.saturating_sub(first) < most {
                return Self {
                    first,
                    last,
                    step: size,
                    unit,
                };
            }
            step = nice(step * 1.5);
        }
    }

    /// The lower end.
    #[must_use]
    pub fn from(&self) -> f64 {
        self.first as f64 * self.step
    }

    /// The upper end.
    #[must_use]
    pub fn to(&self) -> f64 {
        self.last as f64 * self.step
    }

    /// All ticks, ascending.
    #[must_use]
    pub fn ticks(&self) -> Vec<f64> {
        (self.first..=self.last)
            .map(|tick| tick as f64 * self.step)
            .collect()
    }

    /// A tick in words.
    #[must_use]
    pub fn label(&self, tick: f64) -> String {
        self.unit.show_tick(tick, self.step)
    }

    /// A value in words, with the unit of the axis.
    #[must_use]
    pub fn show(&self, value: f64) -> String {
        self.unit.show(value)
    }

    /// Where a value lies: 0 at the lower end, 1 at the upper one, nothing beyond.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let place = (guarded(value) - self.from()) / (self.to() - self.from());
        if place.is_finite() {
            place.clamp(0.0, 1.0)
        } else {
            0.5
        }
    }

    /// True if a value lies between the ends.
    #[must_use]
    pub fn holds(&self, value: f64) -> bool {
        (self.from()..=self.to()).contains(&value)
    }
}

fn guarded(value: f64) -> f64 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(-LARGEST, LARGEST)
    }
}

/// The smallest of 1, 2, 5, 10, 20 … that is not less.
fn nice(step: f64) -> f64 {
    // What is closer together than doubles are is all the same.
    let step = step.max(f64::MIN_POSITIVE * 1e6);
    let power = 10_f64.powi(step.log10().floor() as i32);
    let fitting = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|digit| digit * power >= step * 0.999_999);
    fitting.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn axes_are_round() {
        let scale = Scale::fit(0.02, 0.91, "", 6);
        assert_eq!((scale.from(), scale.to()), (0.0, 1.0));
        let labels: Vec<String> = scale.ticks().iter().map(|it| scale.label(*it)).collect();
        assert_eq!(labels, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let bytes = Scale::fit(0.0, 3.1e9, "bytes", 5);
        assert_eq!(bytes.label(bytes.to()), "4 GB");
        // Far from zero, the axis does not begin there.
        assert_eq!(Scale::fit(1000.0, 1010.0, "", 6).from(), 1000.0);
    }

    #[test]
    fn level_lines_lie_in_the_middle() {
        for value in [5.0, -5.0, 1e300, 1e-9] {
            let scale = Scale::fit(value, value, "", 5);
            let place = scale.place(value);
            assert!((0.2..=0.8).contains(&place), "{value}: {place}");
        }
        let zero = Scale::fit(0.0, 0.0, "", 5);
        assert_eq!((zero.from(), zero.place(0.0)), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn ticks_ascend_in_range_and_are_few(
            from in prop::num::f64::ANY,
            to in prop::num::f64::ANY,
            most in 0_usize..12,
            unit in prop::sample::select(vec!["", "%", "s", "bytes", "parsecs"]),
        ) {
            let scale = Scale::fit(from, to, unit, most);
            let ticks = scale.ticks();
            prop_assert!((2..=most.max(3)).contains(&ticks.len()), "{ticks:?}");
            prop_assert!(ticks.windows(2).all(|it| it[0] < it[1]), "{ticks:?}");
            prop_assert!(ticks.iter().all(|it| scale.holds(*it)));
            for value in [from, to] {
                prop_assert!((0.0..=1.0).contains(&scale.place(value)));
                let held = guarded(value);
                let slack = scale.step * 1e-6;
                prop_assert!(held >= scale.from() - slack && held <= scale.to() + slack, "{held} {scale:?}");
            }
        }

        #[test]
        fn zero_is_shown_when_it_is_near(from in 0.0..1e6_f64, above in 0.0..1e6_f64, most in 3_usize..10) {
            let scale = Scale::fit(from, from + above, "", most);
            if from <= above * 2.0 && above > 0.0 {
                prop_assert_eq!(scale.from(), 0.0);
                prop_assert!(scale.ticks().contains(&0.0));
            }
            prop_assert!(scale.from() >= 0.0, "what is never below zero has no axis below zero");
        }

        #[test]
        fn greater_values_lie_higher(a in -1e9..1e9_f64, b in -1e9..1e9_f64) {
            let scale = Scale::fit(a, b, "", 6);
            prop_assert_eq!(a <= b, scale.place(a) <= scale.place(b));
        }
    }
}
