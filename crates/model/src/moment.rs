//! Moments as people type them, in forms, in addresses and on the command line.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::Interval;

/// Letters of a text that are said back.
const LONGEST: usize = 60;

/// Why a text is neither a moment nor how long ago.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither a moment in UTC, as in 2026-11-22T12:00 or 2026-11-22, nor how long ago, as in 6h"
)]
pub struct MomentError(String);

/// A moment as it is typed: RFC 3339, or a day, or a day and an hour, which are UTC, as everything is that stands in an
/// address. A form's field of the type `datetime-local` sends such.
#[must_use]
pub fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let at: DateTime = text.parse().ok()?;
    at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

/// A [`moment`], or how long before `now` one was.
///
/// # Errors
/// In words, if the text is neither.
pub fn moment_or_ago(text: &str, now: Timestamp) -> Result<Timestamp, MomentError> {
    let ago = || Interval::parse(text.trim()).ok().map(|it| it.before(now));
    let said = || MomentError(text.chars().take(LONGEST).collect());
    moment(text).or_else(ago).ok_or_else(said)
}

impl Interval {
    /// The moment so long before another; the first that can be counted, if it lies before that.
    #[must_use]
    pub fn before(self, moment: Timestamp) -> Timestamp {
        let length = SignedDuration::try_from(self.duration()).unwrap_or(SignedDuration::MAX);
        moment.checked_sub(length).unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_typed_in_many_ways() {
        let second = |text: &str| moment(text).unwrap().to_string();
        for text in [
            "2026-11-22T12:00:00Z",
            "2026-11-22T13:00:00+01:00",
            "2026-11-22T12:00:00",
            "2026-11-22T12:00",
            " 2026-11-22 12:00 ",
        ] {
            assert_eq!(second(text), "2026-11-22T12:00:00Z", "{text}");
        }
        assert_eq!(second("2026-11-22"), "2026-11-22T00:00:00Z");
        for none in ["", "noon", "6h", "12:00", "2026-11-31", "2026-11-22T25:00"] {
            assert_eq!(moment(none), None, "{none}");
        }
    }

    #[test]
    fn how_long_ago_is_a_moment_too() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let read = |text: &str| moment_or_ago(text, now).map(|it| it.to_string());
        assert_eq!(read(" 6h ").unwrap(), "2026-11-22T06:00:00Z");
        assert_eq!(read("2026-11-01").unwrap(), "2026-11-01T00:00:00Z");
        for wrong in ["", "yesterday", "-6h", &"x".repeat(1_000)] {
            let said = read(wrong).unwrap_err().to_string();
            assert!(said.contains("is neither a moment in UTC"), "{said}");
            assert!(said.len() < 200, "{said}");
        }
        let century = Interval::from_secs(9 * 366 * 86_400);
        assert_eq!(century.before(Timestamp::MIN), Timestamp::MIN);
    }
}
