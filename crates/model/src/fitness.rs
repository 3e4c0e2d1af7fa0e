//! The words of a fitness function: which value makes which level.
//!
//! A condition is written as a sentence. What it means over time is decided in `plan::fitness`; here is what can be
//! said:
//!
//! ```text
//! condition = test [ "and" PROBE test ]... [ "for" HOLD ] [ "clear" QUANTITY ] [ "after" INTERVAL ]
//! test      = ( ">" | ">=" | "<" | "<=" | "=" | "!=" ) QUANTITY
//!           | "outside" RANGE              a range of the Nagios plugin API: 10, 10:, ~:10, 10:20, @10:20
//!           | "is" TEXT | "not" TEXT       the whole text, in quotes or one word
//!           | "has" TEXT                   a part of the text
//!           | "matches" TEXT               a regular expression
//!           | "changed"                    another value than the sample before
//!           | "none"                       the probe found no value
//! HOLD      = INTERVAL with a unit, or a whole number of samples in a row
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Interval, Level, Quantity};

mod parse;
mod range;

pub use parse::ConditionError;
pub use range::Range;

/// How the values of an item become levels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Fitness {
    /// What leads to which level. Several may name one level: any of them suffices.
    pub rules: Vec<LevelRule>,
    /// Judge the mean of the numbers of this time, not the newest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Interval>,
}

/// One condition for one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelRule {
    /// The level that it leads to.
    pub level: Level,
    /// When.
    pub when: Condition,
}

/// When an item has a level.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What the item's own value must be.
    pub test: Test,
    /// What other items with the same object must be: `>= 98% and disk_free < 5GB` on `disk_usage:/var` asks
    /// `disk_free:/var`.
    pub and: Vec<(String, Test)>,
    /// For how long before the level is entered.
    pub hold: Hold,
    /// A level entered is left only behind this value.
    pub clear: Option<Quantity>,
    /// A level entered is left only when this was so for this long.
    pub after: Option<Interval>,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// A number compared with a limit.
    Compare {
        /// How.
        op: Op,
        /// With what.
        limit: Quantity,
    },
    /// A number for which the range of the Nagios plugin API raises an alert.
    Outside(Range),
    /// The whole text.
    Is(String),
    /// Any other text.
    Not(String),
    /// A part of the text.
    Has(String),
    /// A regular expression that matches somewhere in the text.
    Matches(String),
    /// Another value than in the sample before.
    Changed,
    /// No value.
    None,
}

/// How numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `=`
    Equal,
    /// `!=`
    Unequal,
}

/// For how long a condition must hold before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It counts at once.
    Now,
    /// Time with data in which it held without a break.
    Time(Interval),
    /// Samples in a row, at least 2.
    Samples(u32),
}

impl Op {
    /// The operator that is written so.
    #[must_use]
    pub fn parse(sign: &str) -> Option<Self> {
        parse::OPS
            .iter()
            .find(|(known, _)| *known == sign)
            .map(|(_, op)| *op)
    }

    /// The operator as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::Unequal => "!=",
        }
    }

    /// True if it holds between the two numbers.
    #[must_use]
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Equal => value == limit,
            Self::Unequal => value != limit,
        }
    }

    /// `Some(true)` if larger numbers are worse, `Some(false)` if smaller ones are.
    #[must_use]
    pub fn worse_is_higher(self) -> Option<bool> {
        match self {
            Self::Above | Self::AtLeast => Some(true),
            Self::Below | Self::AtMost => Some(false),
            Self::Equal | Self::Unequal => None,
        }
    }
}

impl Condition {
    /// A test that counts at once and is left at once.
    #[must_use]
    pub fn of(test: Test) -> Self {
        Self {
            test,
            and: Vec::new(),
            hold: Hold::Now,
            clear: None,
            after: None,
        }
    }

    /// Parses a sentence such as `>= 90% for 5m clear 80% after 15m`.
    ///
    /// # Errors
    /// What is wrong, and at which byte of the text.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        parse::condition(text)
    }
}

impl Fitness {
    /// Builds a fitness function from levels and sentences, the way the built-in ones are written.
    ///
    /// # Errors
    /// The first sentence that does not parse.
    pub fn of<'a>(
        rules: impl IntoIterator<Item = (Level, &'a str)>,
    ) -> Result<Self, ConditionError> {
        let rules = rules.into_iter().map(|(level, text)| {
            let when = Condition::parse(text)?;
            Ok(LevelRule { level, when })
        });
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
            mean: None,
        })
    }

    /// The same, judging the mean over a time.
    #[must_use]
    pub fn mean_of(mut self, over: Interval) -> Self {
        self.mean = Some(over);
        self
    }

    /// The conditions for one level.
    pub fn of_level(&self, level: Level) -> impl Iterator<Item = &Condition> {
        self.rules
            .iter()
            .filter(move |rule| rule.level == level)
            .map(|rule| &rule.when)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare { op, limit } => write!(f, "{} {limit}", op.as_str()),
            Self::Outside(range) => write!(f, "outside {range}"),
            Self::Is(text) => write!(f, "is {}", parse::quoted(text)),
            Self::Not(text) => write!(f, "not {}", parse::quoted(text)),
            Self::Has(text) => write!(f, "has {}", parse::quoted(text)),
            Self::Matches(text) => write!(f, "matches {}", parse::quoted(text)),
            Self::Changed => f.write_str("changed"),
            Self::None => f.write_str("none"),
        }
    }
}
impl fmt::Display for Condition {
    /// The sentence, in a form that parses to the same condition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.test)?;
        for (probe, test) in &self.and {
            write!(f, " and {probe} {test}")?;
        }
        match self.hold {
            Hold::Now => {}
            Hold::Time(time) => write!(f, " for {time}")?,
            Hold::Samples(samples) => write!(f, " for {samples}")?,
        }
        if let Some(clear) = &self.clear {
            write!(f, " clear {clear}")?;
        }
        if let Some(after) = &self.after {
            write!(f, " after {after}")?;
        }
        Ok(())
    }
}
impl FromStr for Condition {
    type Err = ConditionError;
    fn from_str(text: &str) -> Result<Self, ConditionError> {
        Self::parse(text)
    }
}
impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
