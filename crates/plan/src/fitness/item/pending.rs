//! The level that an item takes next, if it goes on as it is.
//!
//! Latches turn when there is a sample and not between two of them, so everything is counted in samples here: two
//! rules of which one lacks 30 seconds and the other a minute turn at the same one.

use std::cmp::Reverse;

use lockstep_model::{Hold, Interval, Lacks, Level, LevelRule, Pending, Value};

use super::{Item, Memory};
use crate::fitness::latch::{Latch, Pace, millis};

impl Item {
    /// Which level comes next, and what is lacking. None while nothing turns, and where nobody can say: without a value
    /// or a mean no time passes, and while it flaps the level that is shown is another one.
    pub(super) fn pending(&self) -> Option<Pending> {
        let memory = &self.memory;
        if memory.blind > 0 || memory.is_flapping || self.lacks_mean() {
            return None;
        }
        let rules = self.order.function.rules();
        let pace = Pace::on_time(self.order.every);
        let mut turning: Vec<(u64, &LevelRule, &Latch)> = rules
            .iter()
            .zip(&memory.latches)
            .filter_map(|(rule, latch)| Some((latch.samples_left(&rule.when, pace)?, rule, latch)))
            .collect();
        // Of those that turn at the same sample the worst one decides.
        turning.sort_by_key(|(samples, rule, _)| (*samples, Reverse(rule.level)));
        let (samples, to, counts_samples) =
            turning.into_iter().find_map(|(samples, rule, latch)| {
                let to = memory.level_after(rules, samples, pace);
                let counts_samples = !latch.is_on && matches!(rule.when.hold, Hold::Samples(_));
                (to != memory.shown).then_some((samples, to, counts_samples))
            })?;
        let lacks = if counts_samples {
            Lacks::Samples(u32::try_from(samples).unwrap_or(u32::MAX))
        } else {
            let ms = millis(self.order.every).saturating_mul(samples);
            Lacks::Time(Interval::from_secs(ms.div_ceil(1000)))
        };
        (to > memory.shown || !memory.will_flap(samples)).then_some(Pending { to, lacks })
    }

    /// It is judged by a mean, and there is too little for one.
    fn lacks_mean(&self) -> bool {
        let memory = &self.memory;
        let Some(over) = self.order.function.fitness().mean else {
            return false;
        };
        let window = memory.window.as_ref();
        matches!(memory.value.0, Value::Number { .. })
            && window
                .and_then(|window| window.mean(over, self.order.every))
                .is_none()
    }
}

impl Memory {
    /// The level after so many samples.
    fn level_after(&self, rules: &[LevelRule], samples: u64, pace: Pace) -> Level {
        let on = rules.iter().zip(&self.latches).filter(|(rule, latch)| {
            let left = latch.samples_left(&rule.when, pace);
            latch.is_on != left.is_some_and(|left| left <= samples)
        });
        let worst = on.map(|(rule, _)| rule.level).max();
        worst.unwrap_or_default().max(self.beside_latches())
    }

    /// A change of the level at this sample from here would begin flapping, which keeps the worse level.
    fn will_flap(&self, samples: u64) -> bool {
        let mut flap = self.flap;
        // Behind some dozens of samples at rest nothing is left of what was before.
        for _ in 1..samples.min(100) {
            flap.take(false, false);
        }
        flap.take(true, false)
    }
}
