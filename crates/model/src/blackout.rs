//! Days on which nothing is begun, as in `2026-12-24..2027-01-02`, or every year `12-24..01-02`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::civil::{day_begins, zone_or_utc};

/// Days from one to another, both of them included, as calendars of a zone count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Blackout(Days);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Days {
    Once(Date, Date),
    /// Over the new year where the second is before the first.
    Yearly(Anniversary, Anniversary),
}

/// Month and day. The 29th of February is there in leap years alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Anniversary {
    month: i8,
    day: i8,
}

impl Blackout {
    /// True if the moment lies on one of its days. Where the zone has become unknown to this machine, UTC counts.
    #[must_use]
    pub fn contains(&self, now: Timestamp, zone: &str) -> bool {
        self.has(zone_or_utc(zone).to_datetime(now).date())
    }

    /// The end of the days around `now`: the first moment after them. None if `now` is on none of its days, and if
    /// the last of them is the last that can be counted.
    #[must_use]
    pub fn end(&self, now: Timestamp, zone: &str) -> Option<Timestamp> {
        let zone = zone_or_utc(zone);
        let today = zone.to_datetime(now).date();
        if !self.has(today) {
            return None;
        }
        let next = match self.0 {
            Days::Once(_, last) => last.tomorrow().ok()?,
            // At most a year: one that leaves out no day is not parsed.
            Days::Yearly(..) => today
                .series(jiff::Span::new().days(1))
                .take(367)
                .find(|&date| !self.has(date))?,
        };
        day_begins(&zone, next, now)
    }

    fn has(&self, date: Date) -> bool {
        match self.0 {
            Days::Once(first, last) => (first..=last).contains(&date),
            Days::Yearly(first, last) => within(first, last, Anniversary::of(date)),
        }
    }
}

/// True if the day is one of those from `first` to `last`, which may lie in the next year.
fn within(first: Anniversary, last: Anniversary, day: Anniversary) -> bool {
    if first <= last {
        (first..=last).contains(&day)
    } else {
        day >= first || day <= last
    }
}

impl Anniversary {
    fn of(date: Date) -> Self {
        Self {
            month: date.month(),
            day: date.day(),
        }
    }
}

impl FromStr for Blackout {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| {
            let text: String = text.chars().take(40).collect();
            Err(format!(
                "{text:?} is not a blackout: {why}; write days such as \"2026-12-24\", \
                 \"2026-12-24..2027-01-02\" or, for every year, \"12-24..01-02\""
            ))
        };
        let whole = text.trim();
        let (first, last) = match whole.split_once("..") {
            Some((first, last)) => (first.trim_end(), last.trim_start()),
            None => (whole, whole),
        };
        if let (Some(first), Some(last)) = (date(first), date(last)) {
            if last < first {
                return refuse("it ends before it begins");
            }
            return Ok(Self(Days::Once(first, last)));
        }
        match (anniversary(first), anniversary(last)) {
            (Some(first), Some(last)) => {
                // Any common year has all days but one.
                let mut year = jiff::civil::date(2025, 1, 1)
                    .series(jiff::Span::new().days(1))
                    .take(365);
                if year.all(|date| within(first, last, Anniversary::of(date))) {
                    return refuse("it leaves no day of the year");
                }
                Ok(Self(Days::Yearly(first, last)))
            }
            (Some(_), None) if date(last).is_some() => {
                refuse("one day has a year and one has none")
            }
            (None, Some(_)) if date(first).is_some() => {
                refuse("one day has a year and one has none")
            }
            _ => refuse("it has no days of the calendar"),
        }
    }
}

/// A day written as `2026-12-24`.
fn date(text: &str) -> Option<Date> {
    let (year, rest) = text.split_at_checked(4)?;
    let (month, day) = month_and_day(rest.strip_prefix('-')?)?;
    Date::new(number(year)?, month, day).ok()
}

/// A day of every year, written as `12-24`.
fn anniversary(text: &str) -> Option<Anniversary> {
    let (month, day) = month_and_day(text)?;
    // A leap year has all of them.
    Date::new(2024, month, day).ok().map(Anniversary::of)
}

fn month_and_day(text: &str) -> Option<(i8, i8)> {
    let (month, day) = text.split_once('-')?;
    if month.len() != 2 || day.len() != 2 {
        return None;
    }
    Some((number(month)?, number(day)?))
}

/// A number of digits alone: `parse` would take a sign as well.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Anniversary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}
impl fmt::Display for Blackout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = match self.0 {
            Days::Once(first, last) => (first.to_string(), last.to_string()),
            Days::Yearly(first, last) => (first.to_string(), last.to_string()),
        };
        match first == last {
            true => f.pad(&first),
            false => f.pad(&format!("{first}..{last}")),
        }
    }
}
impl Serialize for Blackout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Blackout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blackout(text: &str) -> Blackout {
        text.parse().unwrap()
    }

    /// The end of the days around `now`, or `-`.
    fn end(text: &str, now: &str, zone: &str) -> String {
        let (blackout, now) = (blackout(text), now.parse().unwrap());
        let end = blackout.end(now, zone);
        assert_eq!(end.is_some(), blackout.contains(now, zone), "{text} {now}");
        end.map_or_else(|| "-".into(), |end| end.to_string())
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let (eve, zurich) = ("2026-12-24", "Europe/Zurich");
        assert_eq!(end(eve, "2026-12-23T22:59:59Z", zurich), "-");
        assert_eq!(
            end(eve, "2026-12-23T23:00:00Z", zurich),
            "2026-12-24T23:00:00Z"
        );
        assert_eq!(
            end(eve, "2026-12-24T22:59:59Z", zurich),
            "2026-12-24T23:00:00Z"
        );
        assert_eq!(end(eve, "2026-12-24T23:00:00Z", zurich), "-");
        let days = "2026-12-24..2027-01-02";
        assert_eq!(
            end(days, "2026-12-31T23:00:00Z", "UTC"),
            "2027-01-03T00:00:00Z"
        );
        assert_eq!(end(days, "2027-12-31T23:00:00Z", "UTC"), "-");
    }

    #[test]
    fn some_come_every_year() {
        let days = "12-24..01-02";
        assert_eq!(
            end(days, "2026-12-24T00:00:00Z", "UTC"),
            "2027-01-03T00:00:00Z"
        );
        assert_eq!(
            end(days, "2031-01-02T23:59:59Z", "UTC"),
            "2031-01-03T00:00:00Z"
        );
        assert_eq!(end(days, "2031-01-03T00:00:00Z", "UTC"), "-");
        assert_eq!(end(days, "2031-07-01T00:00:00Z", "UTC"), "-");
        assert_eq!(
            end("02-20..02-29", "2027-02-28T00:00:00Z", "UTC"),
            "2027-03-01T00:00:00Z"
        );
        assert_eq!(
            end("02-20..02-29", "2028-02-28T00:00:00Z", "UTC"),
            "2028-03-01T00:00:00Z"
        );
        assert_eq!(
            end("02-20..02-28", "2028-02-28T00:00:00Z", "UTC"),
            "2028-02-29T00:00:00Z"
        );
        assert_eq!(
            end("05-01", "2028-05-01T00:00:00Z", "UTC"),
            "2028-05-02T00:00:00Z"
        );
    }

    #[test]
    fn days_end_when_clocks_say_so() {
        // In Santiago 00:00 became 01:00 on 6 September 2026, and on 5 April 2026 00:00 became 23:00 of the day before.
        let zone = "America/Santiago";
        assert_eq!(
            end("2026-09-05", "2026-09-05T12:00:00Z", zone),
            "2026-09-06T04:00:00Z"
        );
        assert_eq!(
            end("2026-04-04", "2026-04-05T03:30:00Z", zone),
            "2026-04-05T04:00:00Z"
        );
        // In St. John's 00:01 became 23:01 on 29 October 2006: that Saturday ended twice.
        let zone = "America/St_Johns";
        assert_eq!(
            end("2006-10-28", "2006-10-29T02:00:00Z", zone),
            "2006-10-29T02:30:00Z"
        );
        assert_eq!(end("2006-10-28", "2006-10-29T02:30:30Z", zone), "-");
        assert_eq!(
            end("2006-10-28", "2006-10-29T02:31:00Z", zone),
            "2006-10-29T03:30:00Z"
        );
        // Samoa had no 30 December 2011.
        assert_eq!(
            end("2011-12-29", "2011-12-30T09:00:00Z", "Pacific/Apia"),
            "2011-12-30T10:00:00Z"
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for (bad, why) in [
            ("", "no days"),
            ("Christmas", "no days"),
            ("2026-13-01", "no days"),
            ("2027-02-29", "no days"),
            ("02-30", "no days"),
            ("2026-1-1", "no days"),
            ("+026-01-01", "no days"),
            ("2026-12-24..", "no days"),
            ("2026-12-24...2026-12-25", "no days"),
            ("2026-12-24T00:00..2026-12-25", "no days"),
            ("2026-12-24..2026-12-23", "ends before"),
            ("2026-12-24..01-02", "has a year"),
            ("12-24..2027-01-02", "has a year"),
            ("01-01..12-31", "leaves no day"),
            ("07-01..06-30", "leaves no day"),
            ("03-01..02-28", "leaves no day"),
        ] {
            let error = bad.parse::<Blackout>().unwrap_err();
            assert!(
                error.contains(why) && error.contains("12-24..01-02"),
                "{error}"
            );
        }
    }

    #[test]
    fn they_are_read_and_written_alike() {
        for text in [
            "2026-12-24",
            "2026-12-24..2027-01-02",
            "12-24..01-02",
            "02-29",
        ] {
            assert_eq!(blackout(text).to_string(), text);
            let json = serde_json::to_string(&blackout(text)).unwrap();
            assert_eq!(
                serde_json::from_str::<Blackout>(&json).unwrap(),
                blackout(text)
            );
        }
        assert_eq!(blackout(" 12-24 .. 12-24 ").to_string(), "12-24");
        // The last day that can be counted has no end.
        let last = blackout("2026-01-01..9999-12-31");
        let now = "2026-11-21T00:00:00Z".parse().unwrap();
        assert!(last.contains(now, "UTC") && last.end(now, "UTC").is_none());
    }

    proptest! {
        #[test]
        fn all_is_black_until_the_end(
            first in 0_i64..365, length in 0_i64..360, yearly: bool,
            now in 1_767_000_000_i64..1_900_000_000,
            zone in proptest::sample::select(vec!["UTC", "Europe/Zurich", "America/Santiago", "Pacific/Chatham"]),
        ) {
            let day = |n: i64| jiff::civil::date(2027, 1, 1).checked_add(jiff::Span::new().days(n)).unwrap();
            let (first, last) = (day(first), day(first + length));
            let text = if yearly {
                format!("{}..{}", Anniversary::of(first), Anniversary::of(last))
            } else {
                format!("{first}..{last}")
            };
            let blackout = blackout(&text);
            let now = Timestamp::from_second(now).unwrap();
            let end = blackout.end(now, zone);
            prop_assert_eq!(end.is_some(), blackout.contains(now, zone));
            if let Some(end) = end {
                prop_assert!(end > now && !blackout.contains(end, zone));
                let hours = (end.as_second() - now.as_second()) / 3600;
                for hour in 0..hours {
                    let moment = now + jiff::SignedDuration::from_hours(hour);
                    prop_assert!(blackout.contains(moment, zone), "{}", moment);
                }
                let before = end - jiff::SignedDuration::from_secs(1);
                prop_assert!(before < now || blackout.contains(before, zone));
            }
        }

        #[test]
        fn nothing_makes_the_parser_panic(text in "\\PC{0,40}", near in "[0-9.-]{0,24}") {
            for text in [text, near] {
                if let Ok(found) = text.parse::<Blackout>() {
                    prop_assert_eq!(found.to_string().parse(), Ok(found));
                }
            }
        }
    }
}
