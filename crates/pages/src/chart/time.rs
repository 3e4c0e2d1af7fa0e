//! The axis of times: minutes, hours, days, weeks, months or years apart, by its length. All in UTC; the moment itself
//! stands beside each text, so that the script can show the reader's own time.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// The first Monday of the epoch: weeks begin on Mondays (ISO 8601).
const MONDAY: i64 = 4 * DAY;

/// Distances of ticks in seconds, shortest first.
const STEPS: [i64; 19] = [
    1,
    5,
    15,
    30,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
];
/// Distances in months, behind those.
const MONTHS: [i32; 12] = [1, 2, 3, 6, 12, 24, 60, 120, 600, 1_200, 12_000, 60_000];

/// One tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// The moment.
    pub at: Timestamp,
    /// The moment in words, in UTC.
    pub words: String,
    /// Which part of it the words are.
    pub form: Form,
}

/// Which part of a moment a tick shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `12:30:15`
    Second,
    /// `12:30`
    Minute,
    /// `22 Nov`
    Day,
    /// `Nov 2026`
    Month,
    /// `2026`
    Year,
}

impl Form {
    /// The form as the script knows it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    fn words(self, at: Timestamp) -> String {
        let format = match self {
            Self::Second => "%H:%M:%S",
            Self::Minute => "%H:%M",
            Self::Day => "%-d %b",
            Self::Month => "%b %Y",
            Self::Year => "%Y",
        };
        at.strftime(format).to_string()
    }
}

/// The ticks between two moments, ascending, at most `most` of them. None if the time is empty.
#[must_use]
pub fn ticks(from: Timestamp, to: Timestamp, most: usize) -> Vec<Tick> {
    if from >= to {
        return Vec::new();
    }
    let fixed = STEPS.iter().map(|step| every(from, to, *step, most));
    let months = MONTHS
        .iter()
        .map(|months| every_months(from, to, *months, most));
    fixed.chain(months).flatten().next().unwrap_or_default()
}

/// A moment in words: `2026-11-22 12:30 UTC`.
#[must_use]
pub fn words(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A moment for programs (RFC 3339), to the second.
#[must_use]
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A length of time for people: the two largest units, as in `1d3h`.
#[must_use]
pub fn length(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (1, "s")];
    let first = units.iter().position(|(unit, _)| seconds >= *unit);
    let first = first.unwrap_or(units.len() - 1);
    let (unit, name) = units[first];
    let head = format!("{}{name}", seconds / unit);
    match units.get(first + 1) {
        Some((next, name)) if seconds % unit / next > 0 => {
            format!("{head}{}{name}", seconds % unit / next)
        }
        _ => head,
    }
}

/// Ticks at the multiples of a distance; none if they were more than wanted.
fn every(from: Timestamp, to: Timestamp, step: i64, most: usize) -> Option<Vec<Tick>> {
    let origin = if step % (7 * DAY) == 0 { MONDAY } else { 0 };
    let (first, end) = (ceiling(from) - origin, to.as_second() - origin);
    let first = first.div_euclid(step) + i64::from(first.rem_euclid(step) > 0);
    let last = end.div_euclid(step);
    if usize::try_from(last - first + 1).unwrap_or(0) > most {
        return None;
    }
    let tick = |tick: i64| {
        let at = Timestamp::from_second(tick * step + origin).ok()?;
        let form = match at.as_second().rem_euclid(DAY) {
            0 => Form::Day,
            _ if step < MINUTE => Form::Second,
            _ => Form::Minute,
        };
        Some(Tick {
            at,
            words: form.words(at),
            form,
        })
    };
    Some((first..=last).filter_map(tick).collect())
}

fn ceiling(at: Timestamp) -> i64 {
    at.as_second() + i64::from(at.subsec_nanosecond() > 0)
}

/// Ticks at the first of every so many months; none if they were more than wanted.
fn every_months(from: Timestamp, to: Timestamp, months: i32, most: usize) -> Option<Vec<Tick>> {
    let month = |at: Timestamp| {
        let date = at.to_zoned(TimeZone::UTC).date();
        i32::from(date.year()) * 12 + i32::from(date.month()) - 1
    };
    let (first, last) = (month(from).div_euclid(months), month(to).div_euclid(months));
    // The one before the beginning may be counted; it is left out below.
    if usize::try_from(last - first).unwrap_or(0) > most {
        return None;
    }
    let form = if months < 12 { Form::Month } else { Form::Year };
    let tick = |tick: i32| {
        let month = tick * months;
        let year = i16::try_from(month.div_euclid(12)).ok()?;
        let date = Date::new(year, i8::try_from(month.rem_euclid(12)).ok()? + 1, 1).ok()?;
        let at = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        (at >= from && at <= to).then(|| Tick {
            at,
            words: form.words(at),
            form,
        })
    };
    let ticks: Vec<Tick> = (first..=last).filter_map(tick).collect();
    (ticks.len() <= most).then_some(ticks)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words_of(from: &str, to: &str, most: usize) -> Vec<String> {
        let ticks = ticks(from.parse().unwrap(), to.parse().unwrap(), most);
        ticks.into_iter().map(|it| it.words).collect()
    }

    #[test]
    fn ticks_are_those_that_people_expect() {
        assert_eq!(
            words_of("2026-11-22T12:07:00Z", "2026-11-22T13:07:00Z", 6),
            ["12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]
        );
        assert_eq!(
            words_of("2026-11-21T14:10:00Z", "2026-11-22T14:10:00Z", 6),
            ["18:00", "22 Nov", "06:00", "12:00"]
        );
        assert_eq!(
            words_of("2026-11-15T14:10:00Z", "2026-11-22T14:10:00Z", 7),
            [
                "16 Nov", "17 Nov", "18 Nov", "19 Nov", "20 Nov", "21 Nov", "22 Nov"
            ]
        );
        // Weeks begin on Mondays.
        assert_eq!(
            words_of("2026-10-22T14:10:00Z", "2026-11-22T14:10:00Z", 6),
            ["26 Oct", "2 Nov", "9 Nov", "16 Nov"]
        );
        assert_eq!(
            words_of("2025-11-20T00:00:00Z", "2026-11-22T00:00:00Z", 6),
            [
                "Jan 2026", "Mar 2026", "May 2026", "Jul 2026", "Sep 2026", "Nov 2026"
            ]
        );
        assert_eq!(
            words_of("2020-06-01T00:00:00Z", "2026-11-22T00:00:00Z", 6),
            ["2021", "2022", "2023", "2024", "2025", "2026"]
        );
    }

    #[test]
    fn moments_and_lengths_have_words() {
        let at = "2026-11-22T12:30:05.5Z".parse().unwrap();
        assert_eq!(words(at), "2026-11-22 12:30 UTC");
        assert_eq!(stamp(at), "2026-11-22T12:30:05Z");
        assert_eq!(length(SignedDuration::from_secs(100_000)), "1d3h");
        assert_eq!(length(SignedDuration::from_secs(-5)), "0s");
    }

    proptest! {
        #[test]
        fn ticks_ascend_in_range_and_are_few(
            from in Timestamp::MIN.as_second()..Timestamp::MAX.as_second(),
            span in 1..800_000_000_000_i64,
            short in 1..100_000_000_i64,
            is_short: bool,
            most in 1_usize..12,
        ) {
            let span = if is_short { short } else { span };
            let from = Timestamp::from_second(from).unwrap();
            let to = Timestamp::from_second((from.as_second() + span).min(Timestamp::MAX.as_second())).unwrap();
            let ticks = ticks(from, to, most);
            prop_assert!(ticks.len() <= most);
            prop_assert!(ticks.iter().all(|it| it.at >= from && it.at <= to));
            prop_assert!(ticks.windows(2).all(|it| it[0].at < it[1].at));
        }

        #[test]
        fn usual_times_have_some_ticks(from in 0..4_000_000_000_i64, span in 600..100_000_000_i64) {
            let at = |second| Timestamp::from_second(second).unwrap();
            prop_assert!(!ticks(at(from), at(from + span), 6).is_empty());
        }
    }
}
