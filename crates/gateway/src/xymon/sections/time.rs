//! `[uptime]`, and with the clock's help when the machine was started.

use jiff::Timestamp;
use jiff::fmt::strtime;

use super::{Found, number, processes};
use crate::xymon::message::{Message, lines};

/// Starts of a machine are told apart if there is so much time between them, in seconds.
const BUCKET: i64 = 1_200;
/// So close to a bucket's edge nothing is said, in seconds: what is measured of one start may differ by a minute, which
/// is less than what lies on both sides of an edge together.
const GUARD: i64 = 60;
/// A message is made within this time, in seconds.
const LONGEST_MESSAGE: i64 = 3_600;
const DAY: i64 = 86_400;

pub(super) fn find(message: &Message<'_>, found: &mut Found) {
    let Some(line) = line(message) else {
        return;
    };
    if let Some(fifteen) = load(&line) {
        let processors = f64::from(processes::processors(message).max(2));
        let per_processor = number::round(fifteen / processors, 100.0);
        found.number("cpu_load", per_processor, "");
    }
    if let Some(seconds) = up(&line) {
        #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
        found.number("uptime", seconds as f64, "s");
    }
}

/// When the machine was started, as a text that is another one after each start, and the same for all messages in
/// between. Empty where a message does not say: it has no `[uptime]` or no time that is the same everywhere, or the
/// start is too close to the edge of the twenty minutes to which it is rounded (five starts of a hundred). Then what is
/// known stays.
///
/// The line of `uptime` is exact to the minute only, so each message gives another second. One of two neighbouring
/// texts would be as good as the other at such an edge, and a host would seem to be started again and again.
#[must_use]
pub fn boot(message: &Message<'_>) -> String {
    boot_bucket(message).unwrap_or_default()
}

fn boot_bucket(message: &Message<'_>) -> Option<String> {
    let line = line(message)?;
    let started = measured_at(message, &line)?.checked_sub(up(&line)?)?;
    let within = started.rem_euclid(BUCKET);
    if !(GUARD..BUCKET - GUARD).contains(&within) {
        return None;
    }
    let middle = Timestamp::from_second(started - within + BUCKET / 2).ok()?;
    Some(format!("about-{middle}"))
}

/// When `uptime` was asked, in seconds since 1970. The clock is read at the message's end; the local time of the two
/// says how long it took to get there.
fn measured_at(message: &Message<'_>, line: &str) -> Option<i64> {
    let date = lines(message.section("date").unwrap_or_default())
        .next()
        .unwrap_or_default();
    let Some(clock) = message.last("clock") else {
        return in_utc(&date);
    };
    let after = |key: &str| {
        let mut found = lines(clock).filter_map(|line| Some(line.strip_prefix(key)?.to_owned()));
        found.next()
    };
    let epoch = after("epoch:")?;
    let epoch: i64 = epoch.trim().split('.').next()?.parse().ok()?;
    let then = second_of_day(line).or_else(|| second_of_day(&date))?;
    let took = (second_of_day(&after("local:")?)? - then).rem_euclid(DAY);
    (took <= LONGEST_MESSAGE).then(|| epoch.checked_sub(took))?
}

/// `Sat Nov 21 22:11:11 UTC 2026`. Other time zones have names that mean several.
fn in_utc(date: &str) -> Option<i64> {
    let words: Vec<&str> = date.split_ascii_whitespace().take(7).collect();
    let [_, month, day, time, "UTC" | "GMT", year] = words[..] else {
        return None;
    };
    let text = format!("{year} {month} {day} {time} +0000");
    let parsed = strtime::parse("%Y %b %d %H:%M:%S %z", text).ok()?;
    Some(parsed.to_timestamp().ok()?.as_second())
}

/// The first `HH:MM:SS` of a text.
fn second_of_day(text: &str) -> Option<i64> {
    text.split_ascii_whitespace().find_map(|word| {
        let mut parts = word.split(':').map(|part| part.parse::<i64>().ok());
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
        let fits =
            (0..24).contains(&hour) && (0..60).contains(&minute) && (0..61).contains(&second);
        (fits && parts.next().is_none()).then_some(hour * 3_600 + minute * 60 + second)
    })
}

/// The line of `uptime`.
fn line(message: &Message<'_>) -> Option<String> {
    let body = message.section("uptime")?;
    let mut found = lines(body).filter(|line| line.contains("up ") && line.contains("load"));
    Some(found.next()?.into_owned())
}

/// The third number behind `load average:`, which is the load of 15 minutes.
fn load(line: &str) -> Option<f64> {
    let (_, loads) = line.split_once("load average")?;
    let (_, loads) = loads.split_once(':')?;
    let separators = |c: char| c == ',' || c.is_whitespace();
    let mut loads = loads.split(separators).filter(|word| !word.is_empty());
    number::plain(loads.nth(2)?)
}

/// The seconds behind `up`: `10:24`, `3 days, 4:05`, `1 day, 10 min`, `41 secs`, `12 day(s), 4:05`.
fn up(line: &str) -> Option<i64> {
    let (_, rest) = line.split_once("up ")?;
    let mut seconds: Option<i64> = None;
    for part in rest.split(',').map(str::trim) {
        let of_part = match part.split_once(':') {
            Some((hours, minutes)) => {
                let Some(sum) = hours_and_minutes(hours, minutes) else {
                    break;
                };
                sum
            }
            None => {
                let (count, word) = part.split_once(' ')?;
                let unit = match word.trim_start() {
                    word if word.starts_with("day") => DAY,
                    word if word.starts_with("hr") || word.starts_with("hour") => 3_600,
                    word if word.starts_with("min") => 60,
                    word if word.starts_with("sec") => 1,
                    // Users, and then the load.
                    _ => break,
                };
                count.parse::<i64>().ok()?.checked_mul(unit)?
            }
        };
        seconds = Some(seconds.unwrap_or(0).checked_add(of_part)?);
    }
    seconds.filter(|seconds| (0..DAY * 36_500).contains(seconds))
}

fn hours_and_minutes(hours: &str, minutes: &str) -> Option<i64> {
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let fits = (0..24).contains(&hours) && (0..60).contains(&minutes);
    fits.then_some(hours * 3_600 + minutes * 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn uptimes_of_all_systems_are_read() {
        for (line, seconds, fifteen) in [
            (
                " 22:11:11 up 10:24,  0 user,  load average: 1.67, 1.63, 1.69",
                37_440,
                1.69,
            ),
            (
                " 22:11:11 up 3 days,  4:05,  2 users,  load average: 0.00, 0.01, 0.05",
                273_900,
                0.05,
            ),
            (
                " 22:11:11 up 1 day, 10 min,  1 user,  load average: 9, 8, 7",
                87_000,
                7.0,
            ),
            (
                " 22:11:11 up 5 min,  1 user,  load average: 0.10, 0.20, 0.30",
                300,
                0.3,
            ),
            (
                "10:11PM  up 12 days, 2 hrs, 2 users, load averages: 0.10, 0.20, 0.30",
                1_044_000,
                0.3,
            ),
            (
                "10:11PM  up 41 secs, 2 users, load averages: 0.10 0.20 0.30",
                41,
                0.3,
            ),
            (
                "  6:01pm  up 12 day(s),  4:05,  1 user,  load average: 0.02, 0.03, 0.04",
                1_051_500,
                0.04,
            ),
        ] {
            assert_eq!(up(line), Some(seconds), "{line}");
            assert_eq!(load(line), Some(fifteen), "{line}");
        }
        assert_eq!(up("up"), None);
        assert_eq!(up("up 5 users, load"), None);
        assert_eq!(load("load average: 1.0, 2.0"), None);
    }

    /// A message of a machine that was started at a second since 1970, made so long after, in another time zone.
    fn message(started: i64, age: i64, took: i64) -> String {
        let (asked, zone) = (started + age, 7_200);
        let time = |at: i64| {
            let at = (at + zone).rem_euclid(DAY);
            format!("{:02}:{:02}:{:02}", at / 3_600, at / 60 % 60, at % 60)
        };
        let (days, hours, minutes) = (age / DAY, age / 3_600 % 24, age / 60 % 60);
        format!(
            "[uptime]\n {} up {days} days, {hours:2}:{minutes:02},  0 users,  load average: 0, 0, 0\n[clock]\nepoch: {}.5\nlocal: 2026-11-21 {} CEST\n",
            time(asked),
            asked + took,
            time(asked + took),
        )
    }

    #[test]
    fn without_a_clock_only_universal_time_says_when() {
        assert_eq!(in_utc("Sat Nov 21 22:11:11 UTC 2026"), Some(1_795_299_071));
        assert_eq!(in_utc("Sat Nov  1 02:11:11 GMT 2026"), Some(1_793_499_071));
        assert_eq!(in_utc("Sat Nov 21 22:11:11 IST 2026"), None);
        assert_eq!(in_utc("Sa 21. Nov 22:11:11 UTC 2026"), None);
        let text =
            "[date]\nSat Nov 21 22:11:11 UTC 2026\n[uptime]\n up 10:24,  load average: 0, 0, 0\n";
        let boot = boot(&Message::parse(text.as_bytes()));
        assert_eq!(boot, "about-2026-11-21T11:50:00Z");
    }

    proptest! {
        #[test]
        fn one_start_has_one_name(
            started in 1_700_000_000..1_800_000_000_i64,
            messages in proptest::collection::vec((0..9_000_000_i64, 0..60_i64), 2..20),
        ) {
            let mut names: Vec<String> = messages
                .iter()
                .map(|&(age, took)| boot(&Message::parse(message(started, age, took).as_bytes())))
                .filter(|name| !name.is_empty())
                .collect();
            names.dedup();
            prop_assert!(names.len() <= 1, "{names:?}");
            if (GUARD..BUCKET - 2 * GUARD).contains(&started.rem_euclid(BUCKET)) {
                prop_assert_eq!(names.len(), 1);
            }
            let later = message(started + 2 * BUCKET, 90_000, 5);
            let later = boot(&Message::parse(later.as_bytes()));
            prop_assert!(later.is_empty() || !names.contains(&later));
        }

        #[test]
        fn no_text_breaks_the_parsers(text in "(up |[0-9]{1,20}|:|,| |days|load average|\\PC){0,20}") {
            let _ = (up(&text), load(&text), second_of_day(&text), in_utc(&text));
        }
    }
}
