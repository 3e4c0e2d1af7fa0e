//! Maintenance that comes again and again.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::alert::Silence;
use lockstep_model::{Glob, Hours};
use serde::{Deserialize, Serialize};

/// One `[silence.NAME]` of the fleet file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecurringSilence {
    /// Its name.
    pub name: String,
    /// Which hosts.
    pub hosts: Vec<Glob>,
    /// Hosts of which groups, in addition to `hosts`; with both empty all hosts are meant.
    pub groups: Vec<String>,
    /// Which items; empty for all.
    pub items: Vec<Glob>,
    /// When.
    pub hours: Hours,
    /// Why.
    pub reason: String,
}

impl RecurringSilence {
    /// True if it is in force at that moment.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.hours.contain(now)
    }

    /// The silence that it is at that moment, if it is in force. Hours begin and end on full minutes, so what is said
    /// here holds for the minute in which `now` lies; then ask again. The identity stays the same.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Option<Silence> {
        if !self.is_in_force(now) {
            return None;
        }
        let second = now.as_second();
        let starts_at = Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(now);
        let ends_at = starts_at
            .checked_add(SignedDuration::from_mins(1))
            .unwrap_or(now);
        Some(Silence {
            id: format!("fleet:{}", self.name),
            hosts: self.hosts.clone(),
            groups: self.groups.clone(),
            items: self.items.clone(),
            starts_at,
            ends_at,
            owner: "the fleet file".into(),
            reason: self.reason.clone(),
            run: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_in_force_in_its_hours() {
        let silence = RecurringSilence {
            name: "backup".into(),
            hosts: Vec::new(),
            groups: vec!["db".into()],
            items: Vec::new(),
            hours: Hours::parse("Sun 02:00-04:00", "Europe/Zurich").unwrap(),
            reason: "backup".into(),
        };
        // 2026-11-22 is a Sunday; in winter Zurich is an hour ahead.
        let moment = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(!silence.is_in_force(moment("2026-11-22T00:59:59Z")));
        assert!(!silence.is_in_force(moment("2026-11-22T03:00:00Z")));
        let now = moment("2026-11-22T02:59:30.5Z");
        let at = silence.at(now).unwrap();
        assert!(at.is_in_force(now) && at.id == "fleet:backup");
        assert_eq!(at.ends_at, moment("2026-11-22T03:00:00Z"));
        assert_eq!(silence.at(at.ends_at), None);
    }
}
