//! The level that an item takes next, if it goes on as it is.

use lockstep_model::{Lacks, Level, LevelRule, Pending};

use super::{Item, Memory};
use crate::fitness::latch::millis;

impl Item {
    /// Which level comes next, and what is lacking. None while nothing turns, and where nobody can say: without a value
    /// no time passes, and while it flaps the level that is shown is another one.
    pub(super) fn pending(&self) -> Option<Pending> {
        let memory = &self.memory;
        if memory.blind > 0 || memory.is_flapping {
            return None;
        }
        let rules = self.order.function.rules();
        let every = millis(self.order.every);
        let turning = rules
            .iter()
            .zip(&memory.latches)
            .filter_map(|(rule, latch)| {
                let lacks = latch.lacks(&rule.when)?;
                Some((length(lacks, every), lacks))
            });
        let mut turning: Vec<(u64, Lacks)> = turning.collect();
        turning.sort_by_key(|(ms, _)| *ms);
        turning.into_iter().find_map(|(ms, lacks)| {
            let to = memory.level_after(rules, ms, every);
            (to != memory.shown).then_some(Pending { to, lacks })
        })
    }
}

impl Memory {
    /// The level after this time, in milliseconds.
    fn level_after(&self, rules: &[LevelRule], ms: u64, every: u64) -> Level {
        let on = rules.iter().zip(&self.latches).filter(|(rule, latch)| {
            let lacks = latch.lacks(&rule.when);
            latch.is_on != lacks.is_some_and(|lacks| length(lacks, every) <= ms)
        });
        let worst = on.map(|(rule, _)| rule.level).max();
        worst.unwrap_or_default().max(self.beside_latches())
    }
}

/// How long that takes, in milliseconds.
fn length(lacks: Lacks, every: u64) -> u64 {
    match lacks {
        Lacks::Time(time) => millis(time),
        Lacks::Samples(samples) => every.saturating_mul(samples.into()),
    }
}
