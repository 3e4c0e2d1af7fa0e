//! From sentences to conditions.

use super::{Condition, Hold, Op, Range, Test};
use crate::{Interval, Quantity};

/// Why a sentence is not a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct ConditionError {
    /// The byte of the text at which it went wrong.
    pub at: usize,
    /// What is wrong, and what would be right.
    pub why: String,
}

/// Longest sentence, in bytes.
const LONGEST: usize = 1_000;
/// Most tests of other items in one condition.
const MOST_AND: usize = 4;

pub(super) const OPS: [(&str, Op); 7] = [
    (">=", Op::AtLeast),
    ("<=", Op::AtMost),
    ("!=", Op::Unequal),
    ("==", Op::Equal),
    (">", Op::Above),
    ("<", Op::Below),
    ("=", Op::Equal),
];

/// A text as it is written in a sentence: in quotes, with `"` and `\` escaped.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn condition(text: &str) -> Result<Condition, ConditionError> {
    if text.len() > LONGEST {
        return Err(ConditionError {
            at: LONGEST,
            why: format!("a condition has at most {LONGEST} bytes"),
        });
    }
    let mut words = Words { text, at: 0 };
    let mut condition = Condition::of(words.test()?);
    while words.takes("and") {
        if condition.and.len() == MOST_AND {
            return Err(words.wrong(format!("at most {MOST_AND} other items are asked")));
        }
        let probe = words.word("the name of another probe, as in \"and disk_free < 5GB\"")?;
        if !probe.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(words.wrong(format!("{probe:?} is not a probe's name")));
        }
        let probe = probe.to_owned();
        condition.and.push((probe, words.test()?));
    }
    if words.takes("for") {
        condition.hold = words.hold()?;
    }
    if words.takes("clear") {
        condition.clear = Some(words.quantity()?);
    }
    if words.takes("after") {
        condition.after = Some(words.interval()?);
    }
    words.skip();
    if !words.rest().is_empty() {
        let rest: String = words.rest().chars().take(40).collect();
        return Err(words.wrong(format!(
            "{rest:?} is not understood; behind the test may stand: and PROBE TEST, for TIME, clear VALUE, after TIME"
        )));
    }
    check_clear(&condition).map_err(|why| ConditionError { at: 0, why })?;
    Ok(condition)
}

/// A value to leave at must lie on the good side of the value to enter at.
fn check_clear(condition: &Condition) -> Result<(), String> {
    let Some(clear) = &condition.clear else {
        return Ok(());
    };
    let Test::Compare { op, limit } = &condition.test else {
        return Err("clear goes with >, >=, < and <= only".into());
    };
    if clear.unit != limit.unit {
        return Err(format!("{limit} and {clear} have different units"));
    }
    match op.worse_is_higher() {
        Some(true) if clear.value > limit.value => Err(format!(
            "clear {clear} must not be above {limit}, or the level could never be left"
        )),
        Some(false) if clear.value < limit.value => Err(format!(
            "clear {clear} must not be below {limit}, or the level could never be left"
        )),
        Some(_) => Ok(()),
        None => Err("clear goes with >, >=, < and <= only".into()),
    }
}

struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn wrong(&self, why: String) -> ConditionError {
        ConditionError { at: self.at, why }
    }

    /// The next word, without taking it.
    fn next(&mut self) -> &'a str {
        self.skip();
        self.rest().split_whitespace().next().unwrap_or_default()
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.next() == word;
        if found {
            self.at += word.len();
        }
        found
    }

    fn word(&mut self, expected: &str) -> Result<&'a str, ConditionError> {
        let word = self.next();
        if word.is_empty() {
            return Err(self.wrong(format!("{expected} is expected")));
        }
        self.at += word.len();
        Ok(word)
    }

    fn test(&mut self) -> Result<Test, ConditionError> {
        self.skip();
        if let Some((sign, op)) = OPS.iter().find(|(sign, _)| self.rest().starts_with(sign)) {
            self.at += sign.len();
            let limit = self.quantity()?;
            return Ok(Test::Compare { op: *op, limit });
        }
        let begin = self.at;
        let known = "a test is expected: > >= < <= = != VALUE, outside RANGE, is/not/has/matches TEXT, changed, or none";
        match self.word(known)? {
            "outside" => {
                let at = self.at;
                let range = self.word("a range such as 10:20")?;
                Range::parse(range)
                    .map(Test::Outside)
                    .map_err(|why| ConditionError { at, why })
            }
            "is" => self.quoted().map(Test::Is),
            "not" => self.quoted().map(Test::Not),
            "has" => self.quoted().map(Test::Has),
            "matches" => self.quoted().map(Test::Matches),
            "changed" => Ok(Test::Changed),
            "none" => Ok(Test::None),
            _ => Err(ConditionError {
                at: begin,
                why: known.into(),
            }),
        }
    }

    /// A text in quotes, or one word.
    fn quoted(&mut self) -> Result<String, ConditionError> {
        self.skip();
        if !self.rest().starts_with('"') {
            return self.word("a text").map(str::to_owned);
        }
        let begin = self.at;
        let mut text = String::new();
        let mut escaped = false;
        for (offset, c) in self.rest().char_indices().skip(1) {
            match c {
                '"' if !escaped => {
                    self.at += offset + 1;
                    return Ok(text);
                }
                '\\' if !escaped => escaped = true,
                c => {
                    // Only quote and backslash need the mark; before anything else it stands for itself.
                    if escaped && !matches!(c, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(c);
                    escaped = false;
                }
            }
        }
        Err(ConditionError {
            at: begin,
            why: "the text's closing quote is missing".into(),
        })
    }

    fn quantity(&mut self) -> Result<Quantity, ConditionError> {
        self.skip();
        let at = self.at;
        let word = self.word("a value such as 80% or 300ms")?;
        // "5 GB" is one value in two words.
        let is_number = word.parse::<f64>().is_ok();
        let unit = self.next();
        let two_words = format!("{word} {unit}");
        if is_number && !unit.is_empty() && Quantity::parse(&two_words).is_ok() {
            self.at += unit.len();
            return Quantity::parse(&two_words).map_err(|why| ConditionError { at, why });
        }
        Quantity::parse(word).map_err(|why| ConditionError { at, why })
    }

    fn interval(&mut self) -> Result<Interval, ConditionError> {
        self.skip();
        let at = self.at;
        let word = self.word("a time such as 5m")?;
        Interval::parse(word).map_err(|error| ConditionError {
            at,
            why: error.to_string(),
        })
    }

    /// A time, or a bare whole number: samples in a row.
    fn hold(&mut self) -> Result<Hold, ConditionError> {
        self.skip();
        let at = self.at;
        match self.next().parse::<u32>() {
            Ok(0) => Err(self.wrong("at least one sample is needed".into())),
            Ok(samples) => {
                self.at = at + self.next().len();
                Ok(if samples == 1 {
                    Hold::Now
                } else {
                    Hold::Samples(samples)
                })
            }
            Err(_) => self.interval().map(Hold::Time),
        }
    }
}
