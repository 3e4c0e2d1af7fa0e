//! How an item's level follows from what is remembered of it, and what is told of that.

use jiff::Timestamp;
use lockstep_model::{EventKind, Level, LevelRule, Test, Value, Verdict};

use super::{Arrival, BLIND, Finding, Memory, has_value};
use crate::fitness::condition::Says;
use crate::fitness::turns::{Turn, Turns};
use crate::fitness::why::Why;

impl Memory {
    pub(super) fn turn_latches(&mut self, rules: &[LevelRule], says: &[Says], arrival: Arrival) {
        let inherits = self.inherits;
        for ((rule, latch), says) in rules.iter().zip(&mut self.latches).zip(says) {
            let stale = match rule.when.test {
                Test::None => arrival.after_silence,
                _ => arrival.after_gap,
            };
            if stale {
                latch.forget_count();
            }
            match (inherits, says) {
                // A level that it had under another function needs no time to be entered, and none to be left.
                (Some(level), Says::Bad | Says::Between) if rule.level <= level => latch.enter(),
                _ => latch.take(*says, &rule.when, arrival.pace),
            }
        }
        if has_value(&self.value.0) && !says.contains(&Says::Nothing) {
            self.inherits = None;
        }
        // Who is critical has been sick: else an item that recovers half way would be well until the time of the
        // level between is over, and ill again after it.
        let worst = self.worst_latch(rules);
        for ((rule, latch), says) in rules.iter().zip(&mut self.latches).zip(says) {
            if *says == Says::Bad && rule.level < worst && !latch.is_on {
                latch.enter();
            }
        }
    }

    fn worst_latch(&self, rules: &[LevelRule]) -> Level {
        let latched = rules
            .iter()
            .zip(&self.latches)
            .filter(|(_, latch)| latch.is_on);
        latched
            .map(|(rule, _)| rule.level)
            .max()
            .unwrap_or(Level::FINE)
    }

    /// Takes in the probe's judgement and says whether it counts. Without a value it counts like the missing value
    /// itself: not for a blip, and not where the function knows what that is worth. Then it may be worse than the one
    /// before, and not better.
    pub(super) fn hear(
        &mut self,
        verdict: Option<&Verdict>,
        finding: &Finding,
        knows_none: bool,
    ) -> bool {
        let level = verdict.map_or(Level::FINE, |verdict| verdict.level);
        let counts = match finding {
            Finding::Usable | Finding::Unfit(_) => true,
            Finding::Missing(_) => self.blind >= BLIND && !knows_none,
        };
        self.verdict = match finding {
            Finding::Usable => level,
            _ if counts => self.verdict.max(level),
            _ => self.verdict,
        };
        counts
    }

    /// A missing value that the function itself knows how to judge is left to it. Nothing but a value ends the time.
    pub(super) fn count_blind(&mut self, finding: &Finding, knows_none: bool) {
        self.is_silent = false;
        self.blind = match finding {
            Finding::Usable => 0,
            Finding::Missing(_) | Finding::Unfit(_) => self.blind.saturating_add(1),
        };
        self.is_overdue = match finding {
            Finding::Usable => false,
            Finding::Missing(_) if knows_none => self.is_overdue,
            Finding::Missing(_) | Finding::Unfit(_) => self.blind >= BLIND,
        };
    }

    pub(super) fn level(&self, rules: &[LevelRule]) -> Level {
        self.worst_latch(rules).max(self.beside_latches())
    }

    /// The level that it has at least, whatever its rules say.
    pub(super) fn beside_latches(&self) -> Level {
        let overdue = if self.is_overdue {
            Level::SOSO
        } else {
            Level::FINE
        };
        self.verdict
            .max(self.inherits.unwrap_or_default())
            .max(overdue)
    }

    pub(super) fn reason(
        &self,
        rules: &[LevelRule],
        says: &[Says],
        finding: &Finding,
        verdict: Option<&Verdict>,
        shown: impl Fn(&Value) -> (Value, Option<lockstep_model::Interval>),
    ) -> Why {
        let level = self.level(rules);
        let made_by = |wanted| {
            let mut all = rules.iter().zip(&self.latches).zip(says);
            all.find(|((rule, latch), says)| latch.is_on && rule.level == level && **says == wanted)
                .map(|((rule, _), _)| &rule.when)
        };
        let (value, mean) = shown(&self.value.0);
        // The probe's own words tell more than a comparison of numbers: which unit failed, what was answered.
        if let Some(verdict) = verdict
            && verdict.level == level
            && level > Level::FINE
            && !verdict.why.is_empty()
        {
            let why = verdict.why.clone();
            return Why::Verdict { why };
        }
        if let Some(when) = made_by(Says::Bad) {
            return Why::Reached {
                value,
                mean,
                test: when.test.clone(),
                and: when.and.clone(),
                hold: when.hold,
            };
        }
        if let Finding::Missing(why) | Finding::Unfit(why) = finding {
            return Why::NoValue { why: why.clone() };
        }
        if let Some(when) = made_by(Says::Between)
            && let Some(clear) = &when.clear
        {
            return Why::NotYetBack {
                value,
                mean,
                test: when.test.clone(),
                clear: clear.clone(),
            };
        }
        if let Some(after) = made_by(Says::Good).and_then(|when| when.after) {
            return Why::Settling { value, mean, after };
        }
        Why::Fine
    }

    /// The item has this level now: what is told of that.
    pub(super) fn turn(
        &mut self,
        level: Level,
        why: Why,
        finding: &Finding,
        at: Timestamp,
    ) -> Vec<Turn> {
        let mut turns = Turns::new(self.shown);
        let is_usable = matches!(finding, Finding::Usable);
        if is_usable && self.told_blind {
            self.told_blind = false;
            turns.tell(EventKind::Data, Why::Back);
        }

        let changed = level != self.judged;
        self.judged = level;
        let was_flapping = self.is_flapping;
        // Without a value a level can become worse, but nothing comes to rest.
        if is_usable || changed {
            self.is_flapping = self.flap.take(changed, was_flapping);
        }
        let percent = self.flap.percent();
        match (was_flapping, self.is_flapping) {
            (false, false) => turns.level(level, &why),
            (false, true) => {
                turns.level(self.shown.max(level), &why);
                turns.tell(EventKind::Flapping, Why::Flapping { percent });
            }
            (true, true) => turns.level(self.shown.max(level), &why),
            (true, false) => {
                turns.tell(EventKind::Steady, Why::Steady { percent });
                turns.level(level, &why);
            }
        }

        if !is_usable && self.blind >= BLIND && !self.told_blind {
            self.told_blind = true;
            turns.tell(EventKind::NoData, why.clone());
        }
        if turns.now != self.shown {
            self.shown = turns.now;
            self.since = at;
        }
        self.why = match (self.is_flapping, &why) {
            (true, Why::Fine) => Why::Flapping { percent }.to_string(),
            (true, why) => format!("{}; now {why}", Why::Flapping { percent }),
            (false, why) => why.to_string(),
        };
        turns.turns
    }
}
