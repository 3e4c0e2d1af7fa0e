//! From what clocks on the wall show to moments.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// The time zone of this name; UTC where this machine does not know it.
pub(crate) fn zone_or_utc(name: &str) -> TimeZone {
    time_zone(name).unwrap_or(TimeZone::UTC)
}

/// The time zone of this name.
pub(crate) fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        format!("{name:?} is not a time zone that this machine knows, as in \"UTC\" or \"Europe/Zurich\"")
    })
}

/// When clocks of the zone show this, in order: once on most days, twice where they are put back, and where they are
/// put forward over it, the moment at which that happens. None beyond the time that can be counted.
pub(crate) fn moments(zone: &TimeZone, shown: DateTime) -> impl Iterator<Item = Timestamp> + use<> {
    let (first, second) = match zone.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Unambiguous { offset } => (offset.to_timestamp(shown).ok(), None),
        AmbiguousOffset::Fold { before, after } => (
            before.to_timestamp(shown).ok(),
            after.to_timestamp(shown).ok(),
        ),
        AmbiguousOffset::Gap { after, .. } => {
            // By the new offset the moment lies before the change, and no other change lies between.
            let change = after
                .to_timestamp(shown)
                .ok()
                .and_then(|before| zone.following(before).next());
            (change.map(|change| change.timestamp()), None)
        }
    };
    first.into_iter().chain(second)
}

/// The first moment after `now` at which a day begins that clocks of the zone may enter twice.
pub(crate) fn day_begins(zone: &TimeZone, day: Date, now: Timestamp) -> Option<Timestamp> {
    moments(zone, day.to_datetime(jiff::civil::Time::midnight())).find(|&moment| moment > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, shown: &str) -> Vec<String> {
        moments(&time_zone(zone).unwrap(), shown.parse().unwrap())
            .map(|moment| moment.to_string())
            .collect()
    }

    #[test]
    fn clocks_are_put_forward_and_back() {
        let zurich = "Europe/Zurich";
        assert_eq!(at(zurich, "2026-07-01T12:00"), ["2026-07-01T10:00:00Z"]);
        assert_eq!(at(zurich, "2026-03-29T02:30"), ["2026-03-29T01:00:00Z"]);
        assert_eq!(
            at(zurich, "2026-10-25T02:30"),
            ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]
        );
        // In 1919 clocks of Toronto went from 23:30 to 00:30 of the next day.
        assert_eq!(
            at("America/Toronto", "1919-03-31T00:00"),
            ["1919-03-31T04:30:00Z"]
        );
        assert_eq!(at("UTC", "9999-12-31T23:59").len(), 0);
        assert_eq!(zone_or_utc("Moon/Tycho"), TimeZone::UTC);
    }
}
