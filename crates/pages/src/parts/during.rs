//! The time that a page shows, on its way to the next page. It stands in the address of each: as `view`, or as `from` and
//! `to`; in that of the events as `since` and `until`.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{Interval, View, moment};

use super::link::ask;
use super::time::second;

/// The time that an address asks for, as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct During {
    view: Option<View>,
    from: Option<String>,
    to: Option<String>,
}

impl During {
    /// The time that an address asks for: a path with its question. What is no time of ours is left out: `view=matrix` is
    /// another page's.
    #[must_use]
    pub fn of(address: &str) -> Self {
        let question = address.split_once('?').map_or("", |(_, question)| question);
        let mut during = Self::default();
        for (name, value) in form_urlencoded::parse(question.as_bytes()) {
            match name.as_ref() {
                "view" => during.view = value.parse().ok(),
                "from" | "since" => during.from = said(&value),
                "to" | "until" => during.to = said(&value),
                _ => {}
            }
        }
        if during.from.is_some() {
            during.view = None;
        } else {
            // Before a moment, but not since when: that is no stretch of time.
            during.to = None;
        }
        during
    }

    /// So many minutes before and after a moment.
    #[must_use]
    pub fn around(at: Timestamp, minutes: i64) -> Self {
        let by = |minutes| at.checked_add(SignedDuration::from_mins(minutes));
        Self {
            view: None,
            from: by(-minutes).map(second).ok(),
            to: by(minutes).map(second).ok(),
        }
    }

    /// The address of a page with graphs, or of one that leads to such, in this time.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        let view = self.view.map(View::as_str);
        ask(
            path,
            &[
                ("view", view),
                ("from", self.from.as_deref()),
                ("to", self.to.as_deref()),
            ],
        )
    }

    /// The address of the events of this time, of those that the parts of the question ask for.
    #[must_use]
    pub fn events(&self, parts: &[(&str, Option<&str>)]) -> String {
        let view = self.view.map(|view| {
            let seconds = view.bucket().as_secs() * u64::from(view.buckets());
            Interval::from_secs(seconds).to_string()
        });
        let mut parts = parts.to_vec();
        parts.push(("since", view.as_deref().or(self.from.as_deref())));
        parts.push(("until", self.to.as_deref()));
        ask("/events", &parts)
    }
}

/// As each page reads it: a moment to the second, or how long ago.
fn said(text: &str) -> Option<String> {
    match moment(text) {
        Some(at) => Some(second(at)),
        None => Interval::parse(text.trim()).ok().map(|it| it.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_around_a_moment() {
        let around = |at: &str| During::around(at.parse().unwrap(), 10).events(&[]);
        assert_eq!(
            around("2026-11-22T00:05:00Z"),
            "/events?since=2026-11-21T23%3A55%3A00Z&until=2026-11-22T00%3A15%3A00Z"
        );
        let first = During::around(Timestamp::MIN, 10).events(&[]);
        assert!(first.starts_with("/events?until="), "{first}");
    }

    #[test]
    fn a_time_goes_from_page_to_page() {
        let at = |address: &str| During::of(address).at("/x");
        assert_eq!(
            at("/hosts/web1/graphs?view=week&beside=yesterday"),
            "/x?view=week"
        );
        let moments = "/x?from=2026-11-22T01%3A00%3A00Z&to=2026-11-22T02%3A00%3A00Z";
        assert_eq!(at(moments), moments);
        // As a form sends it, and as the events have it.
        assert_eq!(
            at("/y?from=2026-11-22T01%3A00&to=2026-11-22T02%3A00"),
            moments
        );
        let events = "/events?item=a&since=2026-11-22T01:00:00Z&until=2026-11-22T02:00:00Z";
        assert_eq!(at(events), moments);
        assert_eq!(at("/events?since=6h"), "/x?from=6h");
        for nothing in [
            "/hosts",
            "/hosts?view=matrix",
            "/y?to=2026-11-22",
            "/y?from=%3Cb%3E&to=1h",
        ] {
            assert_eq!(at(nothing), "/x", "{nothing}");
        }
    }

    #[test]
    fn events_are_those_of_the_time() {
        let events = |address: &str| During::of(address).events(&[("host", Some("web1"))]);
        assert_eq!(events("/y?view=day"), "/events?host=web1&since=1d10m");
        assert_eq!(
            events("/y?from=2026-11-22+01:00&to=2026-11-22T02:00:00Z"),
            "/events?host=web1&since=2026-11-22T01%3A00%3A00Z&until=2026-11-22T02%3A00%3A00Z"
        );
        assert_eq!(events("/y"), "/events?host=web1");
    }
}
