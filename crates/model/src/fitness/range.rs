//! Ranges of the Nagios plugin API, so that copied thresholds work.

use std::fmt;

/// A range for which an alert is raised when a number lies outside of it, or with `@` inside of it.
///
/// Source: Monitoring Plugins Development Guidelines, "Threshold and Ranges": `10` is 0 to 10, `10:` from 10 up,
/// `~:10` up to 10, `10:20` between, `@10:20` turns the meaning round. The ends belong to the range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The lower end.
    pub from: f64,
    /// The upper end.
    pub to: f64,
    /// True if numbers inside raise the alert.
    pub inside: bool,
}

impl Range {
    /// Parses a range.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = || {
            format!(
                "{text:?} is not a range; write 10, 10:, ~:10, 10:20 or @10:20, the smaller number first"
            )
        };
        let number = |text: &str| {
            let value: f64 = text.parse().map_err(|_| refuse())?;
            if value.is_finite() {
                Ok(value)
            } else {
                Err(refuse())
            }
        };
        let (inside, plain) = match text.strip_prefix('@') {
            Some(plain) => (true, plain),
            None => (false, text),
        };
        let (from, to) = match plain.split_once(':') {
            None => (0.0, number(plain)?),
            Some((from, to)) => {
                let from = match from {
                    "~" => f64::NEG_INFINITY,
                    "" => 0.0,
                    from => number(from)?,
                };
                let to = if to.is_empty() {
                    f64::INFINITY
                } else {
                    number(to)?
                };
                (from, to)
            }
        };
        if from > to {
            return Err(refuse());
        }
        Ok(Self { from, to, inside })
    }

    /// True if the number raises the alert.
    #[must_use]
    pub fn alerts(&self, value: f64) -> bool {
        (self.from..=self.to).contains(&value) == self.inside
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.inside {
            f.write_str("@")?;
        }
        if self.from == f64::NEG_INFINITY {
            f.write_str("~:")?;
        } else {
            write!(f, "{}:", self.from)?;
        }
        if self.to == f64::INFINITY {
            Ok(())
        } else {
            write!(f, "{}", self.to)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_guidelines_hold() {
        let alerts = |range, value| Range::parse(range).unwrap().alerts(value);
        assert!(alerts("10", -1.0) && alerts("10", 11.0) && !alerts("10", 10.0));
        assert!(alerts("10:", 9.0) && !alerts("10:", 1e9));
        assert!(alerts("~:10", 11.0) && !alerts("~:10", -1e9));
        assert!(alerts("10:20", 9.0) && alerts("10:20", 21.0) && !alerts("10:20", 15.0));
        assert!(alerts("@10:20", 10.0) && alerts("@10:20", 20.0) && !alerts("@10:20", 9.0));
        for bad in ["", "a", "20:10", "@", "1:2:3", "~", "nan", "inf:"] {
            assert!(Range::parse(bad).is_err(), "{bad}");
        }
    }
}
