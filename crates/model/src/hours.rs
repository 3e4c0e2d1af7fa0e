//! Hours of the week in a time zone, as in `Mon-Fri 08:00-18:00, Sat 10:00-14:00`.

use std::fmt;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::civil::{moments, time_zone, zone_or_utc};

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

    /// As they were written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True if the moment lies in them. Where the zone has become unknown to this machine, UTC counts.
    #[must_use]
    pub fn contain(&self, now: Timestamp) -> bool {
        self.week().contains(now)
    }

    /// The first moment, not before `after`, that lies in them; none if there is none within [`Hours::AHEAD`]. That can
    /// be: hours of one night in the week are not there when clocks are put forward over them.
    #[must_use]
    pub fn next_opening(&self, after: Timestamp) -> Option<Timestamp> {
        let week = self.week();
        week.changes(after).find(|&moment| week.contains(moment))
    }

    /// When they end that lie around `now`; none if `now` is outside of them, or if they do not end within
    /// [`Hours::AHEAD`], as those that hold the whole week.
    #[must_use]
    pub fn closes(&self, now: Timestamp) -> Option<Timestamp> {
        let week = self.week();
        if !week.contains(now) {
            return None;
        }
        week.changes(now).find(|&moment| !week.contains(moment))
    }

    /// How far ahead is looked for hours: all that come every week come within eight days, but for those that are
    /// left out because clocks are put forward.
    pub const AHEAD: SignedDuration = SignedDuration::from_hours(8 * 24);

    fn week(&self) -> Week {
        Week {
            stretches: stretches(&self.text).unwrap_or_default(),
            zone: zone_or_utc(&self.zone),
        }
    }
}

/// Hours that have been read.
struct Week {
    stretches: Vec<Stretch>,
    zone: TimeZone,
}

impl Week {
    fn contains(&self, now: Timestamp) -> bool {
        let now = self.zone.to_datetime(now);
        let minute = i32::from(now.hour()) * 60 + i32::from(now.minute());
        let today = day(now.weekday());
        let yesterday = (today + 6) % 7;
        self.stretches.iter().any(|it| {
            let begins = |day: usize| it.days & (1 << day) != 0;
            if it.from < it.to {
                begins(today) && (it.from..it.to).contains(&minute)
            } else {
                (begins(today) && minute >= it.from) || (begins(yesterday) && minute < it.to)
            }
        })
    }

    /// `after`, and all moments in the time ahead at which the answer of [`Self::contains`] can become another: where
    /// clocks show the beginning or the end of a stretch or of a day, and where they are put forward or back.
    fn changes(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        let until = after.checked_add(Hours::AHEAD).unwrap_or(Timestamp::MAX);
        let mut minutes: Vec<i32> = self
            .stretches
            .iter()
            .flat_map(|it| [it.from, it.to % (24 * 60)])
            .chain([0])
            .collect();
        minutes.sort_unstable();
        minutes.dedup();
        // A clock that is put back over midnight shows yesterday again, and one day more is too much at most.
        let today = self.zone.to_datetime(after).date();
        let first = today.yesterday().unwrap_or(today);
        let mut found = vec![after];
        for date in first.series(jiff::Span::new().days(1)).take(11) {
            for minute in &minutes {
                let time = jiff::civil::Time::midnight()
                    .wrapping_add(SignedDuration::from_mins(i64::from(*minute)));
                found.extend(moments(&self.zone, date.to_datetime(time)));
            }
        }
        found.extend(
            self.zone
                .following(after)
                .map(|change| change.timestamp())
                .take_while(|&moment| moment <= until),
        );
        found.retain(|moment| (after..=until).contains(moment));
        found.sort_unstable();
        found.dedup();
        found.into_iter()
    }
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

    fn hours(text: &str, zone: &str) -> Hours {
        Hours::parse(text, zone).unwrap()
    }

    #[track_caller]
    fn opens(text: &str, zone: &str, after: &str, expected: &str) {
        let found = hours(text, zone).next_opening(after.parse().unwrap());
        let found = found.map(|it| it.to_string()).unwrap_or_default();
        assert_eq!(found, expected);
    }

    #[track_caller]
    fn closes(text: &str, zone: &str, now: &str, expected: &str) {
        let found = hours(text, zone).closes(now.parse().unwrap());
        let found = found.map(|it| it.to_string()).unwrap_or_default();
        assert_eq!(found, expected);
    }

    #[test]
    fn hours_open_and_close() {
        let office = "Mon-Fri 08:00-18:00, Sat 10:00-14:00";
        // Open now; later today; tomorrow; behind the Sunday.
        let now = "2026-11-20T09:12:13.5Z";
        opens(office, "UTC", now, now);
        opens(
            office,
            "UTC",
            "2026-11-20T00:00:00Z",
            "2026-11-20T08:00:00Z",
        );
        opens(
            office,
            "UTC",
            "2026-11-20T18:00:00Z",
            "2026-11-21T10:00:00Z",
        );
        opens(
            office,
            "UTC",
            "2026-11-21T14:00:00Z",
            "2026-11-23T08:00:00Z",
        );
        closes(office, "UTC", now, "2026-11-20T18:00:00Z");
        closes(office, "UTC", "2026-11-20T07:00:00Z", "");
        // Stretches that touch are one; over midnight; all the week.
        let touching = "Fri 20:00-24:00, Sat 00:00-03:00";
        closes(
            touching,
            "UTC",
            "2026-11-20T20:00:00Z",
            "2026-11-21T03:00:00Z",
        );
        closes(
            "Fri 22:00-06:00",
            "UTC",
            "2026-11-20T23:00:00Z",
            "2026-11-21T06:00:00Z",
        );
        opens(
            "Fri 22:00-06:00",
            "UTC",
            "2026-11-21T06:00:00Z",
            "2026-11-27T22:00:00Z",
        );
        closes("Mon-Sun", "UTC", now, "");
        closes("Mon-Sat", "UTC", now, "2026-11-22T00:00:00Z");
    }

    #[test]
    fn hours_follow_clocks_that_are_put_forward_and_back() {
        let (night, zurich) = ("Sun 02:15-02:45", "Europe/Zurich");
        // 02:00 became 03:00 on 29 March 2026: no such half hour on that day.
        opens(night, zurich, "2026-03-22T02:00:00Z", "");
        opens(
            night,
            zurich,
            "2026-03-29T00:00:00Z",
            "2026-04-05T00:15:00Z",
        );
        // Hours that reach over it are an hour shorter, and those that begin in it begin at its end.
        closes(
            "Sun 01:00-04:00",
            zurich,
            "2026-03-29T00:00:00Z",
            "2026-03-29T02:00:00Z",
        );
        opens(
            "Sun 02:30-04:00",
            zurich,
            "2026-03-29T00:00:00Z",
            "2026-03-29T01:00:00Z",
        );
        // 03:00 became 02:00 on 25 October: the half hour comes twice, and so does an end.
        opens(
            night,
            zurich,
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:15:00Z",
        );
        closes(
            night,
            zurich,
            "2026-10-25T00:20:00Z",
            "2026-10-25T00:45:00Z",
        );
        opens(
            night,
            zurich,
            "2026-10-25T00:45:00Z",
            "2026-10-25T01:15:00Z",
        );
        // Put back from within the hours to before them.
        closes(
            "Sun 02:30-04:00",
            zurich,
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
        );
    }

    #[test]
    fn the_end_of_time_is_no_trouble() {
        for (text, zone) in [
            ("Mon 08:00-09:00", "Pacific/Kiritimati"),
            ("Mon-Sun", "America/Adak"),
        ] {
            for moment in [Timestamp::MAX, Timestamp::MIN] {
                let hours = hours(text, zone);
                let _ = (
                    hours.contain(moment),
                    hours.next_opening(moment),
                    hours.closes(moment),
                );
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_the_parser_panic(text in "\\PC{0,60}") {
            let _ = Hours::parse(&text, "UTC");
        }

        /// Against a look at each minute.
        #[test]
        fn the_next_change_is_the_first(
            stretches in proptest::collection::vec((0_usize..7, 0..1440, 0..=1440), 1..4),
            zone in proptest::sample::select(vec![
                "UTC", "Europe/Zurich", "America/Nuuk", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago",
            ]),
            // Half of all moments lie near a change of the clocks of 2026.
            after in prop_oneof![
                1_700_000_000_i64..1_900_000_000,
                proptest::sample::select(vec![1_774_746_000_i64, 1_792_890_000, 1_775_314_800, 1_788_667_200])
                    .prop_flat_map(|change| change - 300_000..change + 100_000),
            ],
        ) {
            let text: Vec<String> = stretches
                .iter()
                .map(|(day, from, to)| {
                    let time = |minute| format!("{:02}:{:02}", minute / 60, minute % 60);
                    format!("{} {}-{}", DAYS[*day], time(*from), time(*to))
                })
                .collect();
            let hours = hours(&text.join(","), zone);
            let after = Timestamp::from_second(after).unwrap();
            let open = hours.contain(after);
            // Zones of today change at whole minutes only, and so do hours.
            let first = |wanted: bool| {
                if open == wanted {
                    return Some(after);
                }
                let minute = Timestamp::from_second(after.as_second() / 60 * 60).unwrap();
                (1..=8 * 1440)
                    .map(|n| minute + SignedDuration::from_mins(n))
                    .find(|&it| hours.contain(it) == wanted)
            };
            prop_assert_eq!(hours.next_opening(after), first(true));
            prop_assert_eq!(hours.closes(after), if open { first(false) } else { None });
        }
    }
}
