//! Hours of the week in a time zone, as in `Mon-Fri 08:00-18:00, Sat 10:00-14:00`.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Hours of the week. A stretch whose end is not after its beginning goes over midnight and belongs to the day on
/// which it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// As it was written.
    text: String,
    /// A name of the time zone database, `UTC`, `Europe/Zurich`.
    zone: String,
}

/// Days by bit, Monday first, and minutes of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    days: u8,
    from: i32,
    to: i32,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Hours {
    /// Parses stretches between commas: days (`Mon`, `Mon-Fri`, or none for every day) and times (`08:00-18:00`, or
    /// none for the whole day). The zone must be one that this machine knows.
    pub fn parse(text: &str, zone: &str) -> Result<Self, String> {
        if text.len() > 500 {
            return Err("hours have at most 500 bytes".into());
        }
        stretches(text)?;
        time_zone(zone)?;
        Ok(Self {
            text: text.trim().into(),
            zone: zone.into(),
        })
    }

    /// True if the moment lies in them. Where the zone has become unknown to this machine, UTC counts.
    #[must_use]
    pub fn contain(&self, now: Timestamp) -> bool {
        let zone = time_zone(&self.zone).unwrap_or(TimeZone::UTC);
        let now = now.to_zoned(zone);
        let minute = i32::from(now.hour()) * 60 + i32::from(now.minute());
        let today = day(now.weekday());
        let yesterday = (today + 6) % 7;
        stretches(&self.text).unwrap_or_default().iter().any(|it| {
            let begins = |day: usize| it.days & (1 << day) != 0;
            if it.from < it.to {
                begins(today) && (it.from..it.to).contains(&minute)
            } else {
                (begins(today) && minute >= it.from) || (begins(yesterday) && minute < it.to)
            }
        })
    }
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        format!("{name:?} is not a time zone that this machine knows, as in \"UTC\" or \"Europe/Zurich\"")
    })
}

fn day(weekday: Weekday) -> usize {
    usize::try_from(weekday.to_monday_zero_offset()).unwrap_or_default()
}

fn stretches(text: &str) -> Result<Vec<Stretch>, String> {
    text.split(',').map(|part| stretch(part.trim())).collect()
}

fn stretch(text: &str) -> Result<Stretch, String> {
    let refuse = || format!("{text:?} is not a stretch of hours, as in \"Mon-Fri 08:00-18:00\"");
    let mut found = Stretch {
        days: 0x7f,
        from: 0,
        to: 24 * 60,
    };
    let mut words = text.split_whitespace().peekable();
    if words.peek().is_none() {
        return Err(refuse());
    }
    if let Some(word) = words.next_if(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())) {
        found.days = days(word).ok_or_else(refuse)?;
    }
    if let Some(word) = words.next() {
        let (from, to) = word.split_once('-').ok_or_else(refuse)?;
        found.from = minute(from).ok_or_else(refuse)?;
        found.to = minute(to).ok_or_else(refuse)?;
        if found.from == 24 * 60 {
            return Err(refuse());
        }
    }
    if words.next().is_some() {
        return Err(refuse());
    }
    Ok(found)
}

fn days(word: &str) -> Option<u8> {
    let day = |name: &str| {
        let name = name.to_ascii_lowercase();
        DAYS.iter().position(|&known| known == name)
    };
    let Some((first, last)) = word.split_once('-') else {
        return Some(1 << day(word)?);
    };
    let (first, last) = (day(first)?, day(last)?);
    let length = (last + 7 - first) % 7;
    Some((0..=length).fold(0, |days, offset| days | 1 << ((first + offset) % 7)))
}

fn minute(text: &str) -> Option<i32> {
    let (hour, minute) = text.split_once(':')?;
    if hour.len() > 2 || minute.len() != 2 {
        return None;
    }
    let (hour, minute): (i32, i32) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour * 60 + minute;
    ((0..=24 * 60).contains(&total) && (0..60).contains(&minute)).then_some(total)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.text, self.zone)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contain(hours: &str, zone: &str, moment: &str) -> bool {
        Hours::parse(hours, zone)
            .unwrap()
            .contain(moment.parse().unwrap())
    }

    #[test]
    fn hours_follow_the_week_of_their_zone() {
        // 2026-11-20 is a Friday.
        let office = "Mon-Fri 08:00-18:00, Sat 10:00-14:00";
        assert!(contain(office, "UTC", "2026-11-20T08:00:00Z"));
        assert!(!contain(office, "UTC", "2026-11-20T18:00:00Z"));
        assert!(contain(office, "UTC", "2026-11-21T13:59:59Z"));
        assert!(!contain(office, "UTC", "2026-11-22T12:00:00Z"));
        // Half past seven in London is half past eight in Zurich.
        assert!(contain(office, "Europe/Zurich", "2026-11-20T07:30:00Z"));
        // The night of Friday reaches into Saturday.
        assert!(contain("Fri 22:00-06:00", "UTC", "2026-11-21T05:59:00Z"));
        assert!(!contain("Fri 22:00-06:00", "UTC", "2026-11-20T05:59:00Z"));
        assert!(contain("Sat-Mon", "UTC", "2026-11-22T00:00:00Z"));
        assert!(contain("20:00-24:00", "UTC", "2026-11-22T23:59:59Z"));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "Mon-",
            "Moon",
            "25:00-26:00",
            "8-18",
            "Mon 08:00",
            "24:00-01:00",
            "a b c",
        ] {
            assert!(Hours::parse(bad, "UTC").is_err(), "{bad}");
        }
        let error = Hours::parse("Mon", "Europe/Zuerich").unwrap_err();
        assert!(error.contains("not a time zone"), "{error}");
    }

    proptest! {
        #[test]
        fn nothing_makes_the_parser_panic(text in "\\PC{0,60}") {
            let _ = Hours::parse(&text, "UTC");
        }
    }
}
