//! Why an item has its level, in words.

use std::fmt;

use jiff::Timestamp;
use lockstep_model::{Hold, Interval, Quantity, Test, Value};

/// Why an item has its level, or why something happened to it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// All is well, or nothing is known about what would not be.
    Fine,
    /// The value is what a condition asks for.
    Reached {
        /// The value, or the mean.
        value: Value,
        /// The time of which it is the mean.
        mean: Option<Interval>,
        /// What was asked.
        test: Test,
        /// What was asked of other items of the same object.
        and: Vec<(String, Test)>,
        /// For how long.
        hold: Hold,
    },
    /// The value is better than the threshold, but not yet good enough for the level to be left.
    NotYetBack {
        /// The value, or the mean.
        value: Value,
        /// The time of which it is the mean.
        mean: Option<Interval>,
        /// What was asked for the level to be entered.
        test: Test,
        /// The value behind which it is left.
        clear: Quantity,
    },
    /// The value is good again, but not for long enough.
    Settling {
        /// The value, or the mean.
        value: Value,
        /// The time of which it is the mean.
        mean: Option<Interval>,
        /// For how long it must be good.
        after: Interval,
    },
    /// There are too few values for the mean that is judged; the level is the one from before.
    TooFew {
        /// The time whose mean is judged.
        mean: Interval,
    },
    /// The probe judged by itself.
    Verdict {
        /// The probe's words.
        why: String,
    },
    /// There is no value, or none that can be judged; the level is not better than it was.
    NoValue {
        /// The probe's words, or what is wrong with the value.
        why: String,
    },
    /// Nothing was heard of the item.
    NoSample {
        /// When it was sampled last.
        since: Timestamp,
    },
    /// There is a value again.
    Back,
    /// The level goes back and forth.
    Flapping {
        /// How much of the last samples changed it, in per cent.
        percent: u32,
    },
    /// It does so no longer.
    Steady {
        /// How much of the last samples changed it, in per cent.
        percent: u32,
    },
    /// The item is not watched any more, or is not there any more.
    NotWatched,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fine => Ok(()),
            Self::Reached {
                value,
                mean,
                test,
                and,
                hold,
            } => {
                reached(f, value, *mean, test)?;
                for (probe, test) in and {
                    write!(f, " and {probe} {}", phrase(test, None))?;
                }
                write!(f, "{}", for_hold(*hold))
            }
            Self::NotYetBack {
                value,
                mean,
                test,
                clear,
            } => {
                let value = Subject(value, *mean);
                let unit = value.unit();
                let (side, limit) = match test {
                    Test::Compare { op, limit } => (op.opposite(), figure(limit, unit)),
                    other => ("behind", other.to_string()),
                };
                let clear = figure(clear, unit);
                write!(
                    f,
                    "{value} is not yet {side} {clear}, after it had reached {limit}"
                )
            }
            Self::Settling { value, mean, after } => {
                let value = Subject(value, *mean);
                write!(f, "{value} is good again, but not for {after} yet")
            }
            Self::TooFew { mean } => {
                write!(f, "there are too few values yet for a mean over {mean}")
            }
            Self::Verdict { why } => f.write_str(why),
            Self::NoValue { why } => write!(f, "no value: {why}"),
            Self::NoSample { since } => write!(f, "no sample since {since:.0}"),
            Self::Back => f.write_str("there is a value again"),
            Self::Flapping { percent } => write!(
                f,
                "the level goes back and forth, at {percent} % of the last samples; it stays at the worst until it rests"
            ),
            Self::Steady { percent } => write!(
                f,
                "the level goes back and forth no longer, at {percent} % of the last samples"
            ),
            Self::NotWatched => f.write_str("it is not watched any more"),
        }
    }
}

fn reached(
    f: &mut fmt::Formatter<'_>,
    value: &Value,
    mean: Option<Interval>,
    test: &Test,
) -> fmt::Result {
    match (test, value) {
        (Test::None, Value::None(why)) => write!(f, "no value ({why})"),
        (Test::Is(_), _) => write!(f, "it {}", phrase(test, None)),
        _ => {
            let subject = Subject(value, mean);
            write!(f, "{subject} {}", phrase(test, subject.unit()))
        }
    }
}

/// A value as the subject of a sentence.
struct Subject<'a>(&'a Value, Option<Interval>);

impl<'a> Subject<'a> {
    fn unit(&self) -> Option<&'a str> {
        match self.0 {
            Value::Number { unit, .. } => Some(unit),
            _ => None,
        }
    }
}

/// Longest part of a text that a sentence repeats, in characters.
const LONGEST_QUOTE: usize = 60;

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Number { value, unit } => f.write_str(&number(*value, unit))?,
            Value::Text(text) => {
                let line = text.lines().next().unwrap_or_default();
                let short: String = line.chars().take(LONGEST_QUOTE).collect();
                let dots = if short.len() < text.len() { "…" } else { "" };
                write!(f, "{short:?}{dots}")?;
            }
            Value::None(why) => write!(f, "nothing ({why})")?,
        }
        match self.1 {
            Some(mean) => write!(f, " on average over {mean}"),
            None => Ok(()),
        }
    }
}

/// What a test asks for, as it stands behind its subject. A limit without a unit is shown with the value's.
fn phrase(test: &Test, unit: Option<&str>) -> String {
    match test {
        Test::Compare { op, limit } => format!("is {} {}", op.words(), figure(limit, unit)),
        Test::Outside(range) if range.inside => {
            format!("is inside {}", range.to_string().trim_start_matches('@'))
        }
        Test::Outside(range) => format!("is outside {range}"),
        Test::Is(text) => format!("is {text:?}"),
        Test::Not(text) => format!("is not {text:?}"),
        Test::Has(text) => format!("has {text:?} in it"),
        Test::Matches(text) => format!("matches {text:?}"),
        Test::Changed => "is another value than before".into(),
        Test::None => "has no value".into(),
    }
}

/// For how long, behind what was asked.
fn for_hold(hold: Hold) -> String {
    match hold {
        Hold::Now => String::new(),
        Hold::Time(time) => format!(" for {time}"),
        Hold::Samples(samples) => format!(" for {samples} samples in a row"),
    }
}

/// A limit in words.
fn figure(limit: &Quantity, unit: Option<&str>) -> String {
    match unit {
        Some(unit) if limit.unit.is_empty() => number(limit.value, unit),
        _ => number(limit.value, &limit.unit),
    }
}

/// A number with its unit, times so that one can read them.
fn number(value: f64, unit: &str) -> String {
    if unit != "s" {
        let unit = unit.to_owned();
        return Value::Number { value, unit }.to_string();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let seconds = value.abs();
    if seconds == 0.0 {
        "0 s".into()
    } else if seconds < 1.0 {
        format!("{sign}{:.1} ms", seconds * 1e3)
    } else if seconds < 120.0 {
        format!("{sign}{seconds:.1} s")
    } else {
        format!("{sign}{}", coarse(seconds))
    }
}

/// A time of minutes or more, in two units.
fn coarse(seconds: f64) -> String {
    let units = [("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0)];
    let first = units
        .iter()
        .position(|(_, unit)| seconds >= *unit)
        .unwrap_or(3);
    let (name, unit) = units[first];
    let whole = (seconds / unit).floor();
    let rest = seconds - whole * unit;
    match units.get(first + 1) {
        Some((finer, part)) if (rest / part).floor() >= 1.0 => {
            format!("{whole}{name}{}{finer}", (rest / part).floor())
        }
        _ => format!("{whole}{name}"),
    }
}

/// The words of an operator.
pub(super) trait Words {
    fn words(self) -> &'static str;
    /// The side on which it does not hold.
    fn opposite(self) -> &'static str;
}

impl Words for lockstep_model::Op {
    fn words(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::AtLeast => "at or above",
            Self::Below => "below",
            Self::AtMost => "at or below",
            Self::Equal => "at",
            Self::Unequal => "not at",
        }
    }

    fn opposite(self) -> &'static str {
        match self {
            Self::Above => Self::AtMost.words(),
            Self::AtLeast => Self::Below.words(),
            Self::Below => Self::AtLeast.words(),
            Self::AtMost => Self::Above.words(),
            Self::Equal => Self::Unequal.words(),
            Self::Unequal => Self::Equal.words(),
        }
    }
}
