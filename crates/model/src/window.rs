//! When something may begin: in certain hours, and not on certain days.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Blackout, Hours};

/// When something may begin: in these hours of the week, or at any, but on none of the days of a blackout. What is
/// there by default is open always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Windows {
    /// The hours; they name their zone themselves. None for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// The zone whose days the blackouts count.
    pub zone: String,
    /// Days on which they are shut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blackouts: Vec<Blackout>,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            hours: None,
            zone: "UTC".into(),
            blackouts: Vec::new(),
        }
    }
}

impl Windows {
    /// How far ahead [`Self::opens`] looks. Whatever comes every year has come by then.
    pub const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);

    /// Most blackouts.
    pub const MOST_BLACKOUTS: usize = 100;

    /// Hours of the week, and days without any.
    ///
    /// # Errors
    /// What is wrong with the zone, or that there are too many blackouts.
    pub fn new(hours: Option<Hours>, zone: &str, blackouts: Vec<Blackout>) -> Result<Self, String> {
        crate::civil::time_zone(zone)?;
        if blackouts.len() > Self::MOST_BLACKOUTS {
            return Err(format!(
                "there are {} blackouts; at most {} are looked at",
                blackouts.len(),
                Self::MOST_BLACKOUTS
            ));
        }
        Ok(Self {
            hours,
            zone: zone.into(),
            blackouts,
        })
    }

    /// True if something may begin now.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let black = self.blackouts.iter().any(|it| it.contains(now, &self.zone));
        !black && self.hours.as_ref().is_none_or(|it| it.contain(now))
    }

    /// The first moment, not before `now`, at which something may begin; none if there is none within
    /// [`Windows::AHEAD`].
    #[must_use]
    pub fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        let until = now.checked_add(Self::AHEAD).unwrap_or(Timestamp::MAX);
        let mut moment = now;
        // Each turn leaves a day of a blackout, or passes hours that are shut, so there are a few for each day at most.
        while moment <= until {
            if let Some(black) = self.black_until(moment) {
                moment = black?;
                continue;
            }
            let Some(hours) = &self.hours else {
                return Some(moment);
            };
            match hours.next_opening(moment) {
                Some(opening) if opening == moment => return Some(moment),
                Some(opening) => moment = opening,
                // Clocks were put forward over them: they come again a week later.
                None => moment = moment.checked_add(Hours::AHEAD).ok()?,
            }
        }
        None
    }

    /// Where the moment is on days of blackouts: when the last of those ends, if they end.
    fn black_until(&self, moment: Timestamp) -> Option<Option<Timestamp>> {
        self.blackouts
            .iter()
            .filter(|it| it.contains(moment, &self.zone))
            .map(|it| it.end(moment, &self.zone))
            .reduce(|one, other| Some(one?.max(other?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn windows(hours: &str, zone: &str, blackouts: &[&str]) -> Windows {
        Windows {
            hours: (!hours.is_empty()).then(|| Hours::parse(hours, zone).unwrap()),
            zone: zone.into(),
            blackouts: blackouts.iter().map(|it| it.parse().unwrap()).collect(),
        }
    }

    #[track_caller]
    fn opens(windows: &Windows, now: &str, expected: &str) {
        let found = windows.opens(now.parse().unwrap());
        let found = found.map(|it| it.to_string()).unwrap_or_default();
        assert_eq!(found, expected);
    }

    #[test]
    fn windows_open_where_both_agree() {
        let now = "2026-12-23T12:00:00Z";
        opens(&Windows::default(), now, now);
        // 2026-12-26 is a Saturday.
        let nights = windows("Sat 02:00-05:00", "Europe/Berlin", &[]);
        opens(&nights, now, "2026-12-26T01:00:00Z");
        let nights = windows("Sat 02:00-05:00", "Europe/Berlin", &["12-24..01-02"]);
        opens(&nights, now, "2027-01-09T01:00:00Z");
        let days = windows(
            "",
            "Europe/Berlin",
            &["12-24..01-02", "2027-01-03", "2027-01-05"],
        );
        opens(&days, "2026-12-24T12:00:00Z", "2027-01-03T23:00:00Z");
        opens(&days, now, now);
        // Within the hours when the blackout ends.
        let nights = windows("Mon-Sun 22:00-06:00", "UTC", &["2026-12-24"]);
        opens(&nights, "2026-12-24T23:00:00Z", "2026-12-25T00:00:00Z");
    }

    #[test]
    fn some_never_open() {
        let now = "2026-12-23T12:00:00Z";
        opens(&windows("", "UTC", &["2026-01-01..9999-12-31"]), now, "");
        opens(&windows("", "UTC", &["2026-01-01..2028-12-31"]), now, "");
        opens(
            &windows("", "UTC", &["01-01..06-30", "07-01..12-31"]),
            now,
            "",
        );
        let both = windows("Mon-Fri", "UTC", &["2026-12-01..2027-12-31"]);
        opens(&both, now, "2028-01-03T00:00:00Z");
        let _ = both.opens(Timestamp::MAX);
    }

    #[test]
    fn hours_that_clocks_leave_out_come_a_week_later() {
        let night = windows("Sun 02:15-02:45", "Europe/Zurich", &[]);
        opens(&night, "2026-03-22T02:00:00Z", "2026-04-05T00:15:00Z");
    }

    #[test]
    fn they_survive_the_round_trip() {
        let all = windows("Sat 02:00-05:00", "Europe/Berlin", &["12-24..01-02"]);
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Windows>(&json).unwrap(), all);
        assert_eq!(
            serde_json::from_str::<Windows>("{}").unwrap(),
            Windows::default()
        );
    }

    const ZONES: [&str; 5] = [
        "UTC",
        "Europe/Zurich",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ];

    proptest! {
        #[test]
        fn what_opens_is_open_and_all_before_is_shut(
            hours in proptest::sample::select(vec![
                "", "Sat 02:00-05:00", "Mon-Fri 22:00-06:00", "Sun 02:15-02:45", "Wed", "00:00-01:00, 12:00-12:01",
            ]),
            zone in proptest::sample::select(ZONES.to_vec()),
            elsewhere in proptest::sample::select(ZONES.to_vec()),
            blackouts in proptest::collection::vec((0_i64..500, 0_i64..200, any::<bool>()), 0..4),
            now in 1_767_000_000_i64..1_800_000_000,
            samples in proptest::collection::vec(0.0_f64..1.0, 50),
        ) {
            let day = |n: i64| jiff::civil::date(2026, 1, 1).checked_add(jiff::Span::new().days(n)).unwrap();
            let blackouts: Vec<String> = blackouts
                .iter()
                .map(|&(first, length, yearly)| {
                    let (first, last) = (day(first).to_string(), day(first + length).to_string());
                    if yearly { format!("{}..{}", &first[5..], &last[5..]) } else { format!("{first}..{last}") }
                })
                .collect();
            let blackouts: Vec<&str> = blackouts.iter().map(String::as_str).collect();
            // The hours' zone need not be the one of the days.
            let mut windows = windows(hours, zone, &blackouts);
            windows.zone = elsewhere.into();
            let now = Timestamp::from_second(now).unwrap();
            let found = windows.opens(now);
            prop_assert_eq!(found == Some(now), windows.is_open(now));
            prop_assert!(found.is_none_or(|it| it >= now && windows.is_open(it)));
            let until = found.unwrap_or(now + Windows::AHEAD);
            let length = (until.as_second() - now.as_second()) as f64;
            let seconds = samples.iter().map(|share| (length * share) as i64);
            for moment in seconds.map(|seconds| now + SignedDuration::from_secs(seconds)) {
                prop_assert!(moment >= until || !windows.is_open(moment), "{}", moment);
            }
            if let Some(found) = found && found > now {
                prop_assert!(!windows.is_open(found - SignedDuration::from_nanos(1)));
            }
        }
    }
}
