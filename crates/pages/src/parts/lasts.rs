//! For how long: the presets of forms.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use lockstep_model::Interval;

/// The hour at which people are there again.
const MORNING: Time = Time::constant(9, 0, 0, 0);

/// The time that a preset means; none for `end`: until the problem ends. Everything else is an interval.
///
/// # Errors
/// What is neither a preset nor an interval, in words for whoever typed it.
pub fn lasts(text: &str, zone: &str, now: Timestamp) -> Result<Option<Interval>, String> {
    match text.trim() {
        "end" | "" => Ok(None),
        "tomorrow" => tomorrow(zone, now).map(Some),
        other => match Interval::parse(other) {
            Ok(interval) => Ok(Some(interval)),
            Err(error) => Err(format!("for: {error}")),
        },
    }
}

/// The time until nine o'clock of the next day.
fn tomorrow(zone: &str, now: Timestamp) -> Result<Interval, String> {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let day = now.to_zoned(zone.clone()).date().tomorrow();
    let morning = day.and_then(|day| day.to_datetime(MORNING).to_zoned(zone));
    let morning = morning.map_err(|error| format!("for: there is no tomorrow: {error}"))?;
    let seconds = morning.timestamp().duration_since(now).as_secs();
    Ok(Interval::from_secs(
        u64::try_from(seconds).unwrap_or(1).max(1),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn presets_are_lengths_of_time() {
        let now = at("2026-11-22T22:30:00Z");
        let hours = |text, zone| lasts(text, zone, now).unwrap().map(Interval::seconds);
        assert_eq!(hours("end", "UTC"), None);
        assert_eq!(hours("4h", "UTC"), Some(4.0 * 3_600.0));
        assert_eq!(hours("tomorrow", "UTC"), Some(10.5 * 3_600.0));
        // There it is tomorrow already.
        assert_eq!(hours("tomorrow", "Asia/Tokyo"), Some(25.5 * 3_600.0));
        assert!(lasts("soon", "UTC", now).unwrap_err().starts_with("for:"));
    }

    #[test]
    fn a_night_in_which_clocks_change_is_longer() {
        let before = at("2026-10-24T19:00:00Z");
        let found = lasts("tomorrow", "Europe/Zurich", before).unwrap().unwrap();
        assert!((found.seconds() - 13.0 * 3_600.0).abs() < 1.0);
    }
}
