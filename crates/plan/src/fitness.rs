//! Fitness: from an item's value, and the level it had before, to its level.
//!
//! A level is entered at one value and left at another (hysteresis), so a value that trembles around a threshold
//! changes the level once. Two things hold whatever the thresholds are: a worse value never gives a better level,
//! and a value that stays the same never changes the level a second time.
//!
//! Not here yet: times that a value must last before it counts, flapping, dependencies, and thresholds that a
//! fleet file sets. Until then the defaults in `rules` hold for everybody.

mod book;
mod rules;

use std::fmt;

use lockstep_model::{ItemName, Level, Value};

pub use book::ItemBook;
use rules::{Rule, Worse, rule_of};

/// Why an item has its level.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// All is well, or nothing is known about what would not be.
    Fine,
    /// The value reached a threshold.
    Reached {
        /// The value.
        value: Value,
        /// The threshold at which the level is entered.
        limit: Value,
        /// Which side of it is bad.
        side: Side,
    },
    /// The value is better than the threshold, but not yet good enough for the level to be left.
    NotYetBack {
        /// The value.
        value: Value,
        /// The threshold at which the level was entered.
        limit: Value,
        /// The value behind which it is left.
        clear: Value,
        /// Which side of it is bad.
        side: Side,
    },
    /// The probe found no value; the level is not better than it was.
    NoValue {
        /// The probe's words.
        why: String,
    },
}

/// Which side of a threshold is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Too much is bad.
    Above,
    /// Too little is bad.
    Below,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fine => Ok(()),
            Self::Reached { value, limit, side } => {
                let side = if *side == Side::Above {
                    "at or above"
                } else {
                    "at or below"
                };
                write!(f, "{value} is {side} {limit}")
            }
            Self::NotYetBack {
                value,
                limit,
                clear,
                side,
            } => {
                let side = if *side == Side::Above {
                    "below"
                } else {
                    "above"
                };
                write!(
                    f,
                    "{value} is not yet {side} {clear}, after it had reached {limit}"
                )
            }
            Self::NoValue { why } => write!(f, "no value: {why}"),
        }
    }
}

/// The level of an item that was fine before, and why it has it. An item without a fitness function is fine, one
/// without a value is soso.
#[must_use]
pub fn level_of(item: &ItemName, value: &Value) -> (Level, String) {
    let (level, why) = judge(item, value, Level::FINE);
    (level, why.to_string())
}

/// The level of an item that had the level `before`, and why it has it.
///
/// Without a value it is soso at best and not better than before: a gap is not a recovery.
#[must_use]
pub fn judge(item: &ItemName, value: &Value, before: Level) -> (Level, Why) {
    match measured(item, value) {
        Measured::Ungoverned => (Level::FINE, Why::Fine),
        Measured::Missing(why) => (before.max(Level::SOSO), Why::NoValue { why }),
        Measured::Number(rule, number) => weigh(rule, number, before),
    }
}

/// What there is to judge.
enum Measured {
    /// No rule looks at this value.
    Ungoverned,
    /// There should be a number, and there is none.
    Missing(String),
    Number(&'static Rule, f64),
}

fn measured(item: &ItemName, value: &Value) -> Measured {
    let rule = rule_of(item.probe());
    match (value, rule) {
        (Value::None(why), _) => Measured::Missing(why.clone()),
        (_, None) => Measured::Ungoverned,
        (Value::Number { value, .. }, Some(_)) if !value.is_finite() => {
            Measured::Missing(format!("the probe found {value}, which is no quantity"))
        }
        (Value::Number { unit, .. }, Some(rule)) if *unit != rule.unit => {
            Measured::Missing(format!("its unit is {unit:?}, {:?} is expected", rule.unit))
        }
        (Value::Number { value, .. }, Some(rule)) => Measured::Number(rule, *value),
        (Value::Text(_), Some(_)) => {
            Measured::Missing("the probe found a text, a number is expected".into())
        }
    }
}

/// The worst level whose threshold the value reaches, or which the item had and has not left.
fn weigh(rule: &Rule, number: f64, before: Level) -> (Level, Why) {
    let shown = |value: f64| Value::Number {
        value,
        unit: rule.unit.into(),
    };
    let side = match rule.worse {
        Worse::Higher => Side::Above,
        Worse::Lower => Side::Below,
    };
    for step in rule.steps.iter().rev() {
        if rule.worse.reaches(number, step.enter) {
            let why = Why::Reached {
                value: shown(number),
                limit: shown(step.enter),
                side,
            };
            return (step.level, why);
        }
        if before >= step.level && rule.worse.reaches(number, step.clear) {
            let (limit, clear) = (shown(step.enter), shown(step.clear));
            return (
                step.level,
                Why::NotYetBack {
                    value: shown(number),
                    limit,
                    clear,
                    side,
                },
            );
        }
    }
    (Level::FINE, Why::Fine)
}

#[cfg(test)]
mod tests;
