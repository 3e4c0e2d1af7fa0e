//! `disk_forecast:PATH`: in how many seconds a file system is full if it goes on as it did.
//!
//! It rests on the history of `disk_usage:PATH`, so a file system of which that is not watched has no forecast, and one
//! that is new has none for half a day. Two straight lines are laid, through the last hour and through the last day,
//! and the flatter one counts: a build that writes for ten minutes is no trend of the day, and what grew yesterday and
//! is at rest now does not fill anything.

use jiff::Timestamp;
use lockstep_history::{Error, History, Slope};
use lockstep_model::{Interval, ItemName};

/// The probe's name.
pub(super) const DISK_FORECAST: &str = "disk_forecast";

const HOUR: Interval = Interval::from_secs(3_600);
const DAY: Interval = Interval::from_secs(86_400);
/// A forecast of more is as good as never, and stands for that as well: 365 days.
const LONGEST_S: f64 = 365.0 * 86_400.0;
/// File systems that are looked at, at most.
const MOST: usize = 100;

/// An item, and the seconds until its file system is full.
pub(super) type Forecast = (ItemName, f64);

/// The forecasts for all file systems of this host whose past is known for long enough.
pub(super) async fn forecasts(history: &History, now: Timestamp) -> Result<Vec<Forecast>, Error> {
    let mut found = Vec::new();
    for kept in history.items() {
        let Some(path) = kept.item.as_str().strip_prefix("disk_usage:") else {
            continue;
        };
        // A path can be so long that the longer name of the forecast has no room for it.
        let Ok(item) = ItemName::parse(&format!("{DISK_FORECAST}:{path}")) else {
            continue;
        };
        if kept.host.is_some() {
            continue;
        }
        // The hour first: it says at little cost that a file system is gone.
        let Some(hour) = history.slope(None, &kept.item, HOUR, now).await? else {
            continue;
        };
        let Some(day) = history.slope(None, &kept.item, DAY, now).await? else {
            continue;
        };
        found.push((item, seconds_until_full(hour, day)));
        if found.len() == MOST {
            break;
        }
    }
    Ok(found)
}

fn seconds_until_full(hour: Slope, day: Slope) -> f64 {
    let rises = hour.per_second.min(day.per_second);
    let rest = (100.0 - hour.latest).max(0.0);
    if rises > 0.0 {
        (rest / rises).min(LONGEST_S)
    } else {
        LONGEST_S
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lockstep_history::Measured;
    use lockstep_model::{HostName, Retention};
    use lockstep_net::Clock;

    use super::*;

    /// Records minute after minute, and says what is forecast then. The value is a function of the minute.
    async fn after(minutes: u32, host: Option<&str>, value: impl Fn(f64) -> f64) -> Vec<Forecast> {
        let start = Timestamp::from_second(1_700_352_000).unwrap();
        let (clock, driver) = Clock::driven(start);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.db");
        let history = History::open(&path, Retention::default(), clock.now()).await;
        let history = history.unwrap();
        let host = host.map(|host| HostName::parse(host).unwrap());
        let names = ["disk_usage:/", "disk_free:/"].map(|name| ItemName::parse(name).unwrap());
        for minute in 0..=minutes {
            let value = value(f64::from(minute));
            let round = names.each_ref().map(|item| Measured {
                host: host.as_ref(),
                item,
                value,
                unit: "%",
            });
            history.record(clock.now(), &round).await.unwrap();
            driver.advance(Duration::from_secs(60));
        }
        forecasts(&history, clock.now()).await.unwrap()
    }

    fn only(found: &[Forecast]) -> f64 {
        let [(item, seconds)] = found else {
            panic!("{found:?}");
        };
        assert_eq!(item.as_str(), "disk_forecast:/");
        *seconds
    }

    #[tokio::test]
    async fn a_disk_that_rises_for_a_day_is_full_when_the_line_says_so() {
        // One per cent an hour, from 50 to 74: full in 26 hours.
        let hours = only(&after(1_440, None, |minute| 50.0 + minute / 60.0).await) / 3_600.0;
        assert!((25.5..26.5).contains(&hours), "{hours}");
    }

    #[tokio::test]
    async fn a_disk_that_does_not_rise_is_full_in_a_year() {
        assert_eq!(only(&after(1_440, None, |_| 97.0).await), LONGEST_S);
        let empties = after(1_440, None, |minute| 90.0 - minute / 60.0).await;
        assert_eq!(only(&empties), LONGEST_S);
        // It rose until two hours ago.
        let rests = after(1_440, None, |minute| 50.0 + minute.min(1_320.0) / 60.0).await;
        assert_eq!(only(&rests), LONGEST_S);
    }

    #[tokio::test]
    async fn one_busy_hour_counts_by_what_it_is_in_a_day() {
        // At rest, then 12 per cent in the last hour: that hour alone would say "in less than three hours".
        let value = |minute: f64| 50.0 + (minute - 1_380.0).max(0.0) / 5.0;
        let hours = only(&after(1_440, None, value).await) / 3_600.0;
        assert!(hours > 72.0, "{hours}");
    }

    #[tokio::test]
    async fn less_than_half_a_day_and_other_hosts_have_no_forecast() {
        assert_eq!(after(700, None, |minute| minute / 60.0).await, []);
        let others = after(1_440, Some("ups1"), |minute| minute / 60.0).await;
        assert_eq!(others, []);
    }

    #[test]
    fn a_full_disk_is_full_now() {
        let slope = |per_second, latest| Slope { per_second, latest };
        let full = slope(0.01, 100.0);
        assert_eq!(seconds_until_full(full, full), 0.0);
        let slow = slope(1e-12, 10.0);
        assert_eq!(seconds_until_full(slow, slow), LONGEST_S);
    }
}
