//! Times. The page has them absolute, in UTC, for the script and for pointing at; the words are relative.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

/// A moment, as in "3 min ago" or "in 2 h".
#[must_use]
pub fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(second(at)) title=(exact(at)) data-ago { (words(at, now)) } }
}

/// Since when something is so: "for 3 min".
#[must_use]
pub fn lasting(since: Timestamp, now: Timestamp) -> Markup {
    html! {
        time datetime=(second(since)) title={ "since " (exact(since)) } data-for {
            (span(now.duration_since(since)))
        }
    }
}

/// A moment by date and hour.
#[must_use]
pub fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(second(at)) data-local { (exact(at)) } }
}

/// `2026-11-22 12:30:05 UTC`.
#[must_use]
pub fn exact(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `2026-11-22T12:30:05Z`, as addresses have it.
#[must_use]
pub fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// "just now", "3 min ago", "in 2 h".
#[must_use]
pub fn words(at: Timestamp, now: Timestamp) -> String {
    let passed = now.duration_since(at);
    if passed.as_secs().abs() < 2 {
        return "just now".into();
    }
    if passed.is_negative() {
        return format!("in {}", span(passed.abs()));
    }
    format!("{} ago", span(passed))
}

/// A length of time in its one largest unit, and the next one below ten of it: `45 s`, `3 min`, `1 h 20 min`, `5 d`.
#[must_use]
pub fn span(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{minutes} min"),
        7_200..36_000 if minutes % 60 > 0 => format!("{hours} h {} min", minutes % 60),
        7_200..172_800 => format!("{hours} h"),
        172_800..864_000 if hours % 24 > 0 => format!("{days} d {} h", hours % 24),
        _ => format!("{days} d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_as_people_say_them() {
        let said = |seconds| span(SignedDuration::from_secs(seconds));
        assert_eq!(said(0), "0 s");
        assert_eq!(said(119), "119 s");
        assert_eq!(said(120), "2 min");
        assert_eq!(said(3 * 3_600 + 1_200), "3 h 20 min");
        assert_eq!(said(30 * 3_600), "30 h");
        assert_eq!(said(3 * 86_400 + 7_200), "3 d 2 h");
        assert_eq!(said(400 * 86_400), "400 d");
        assert_eq!(span(SignedDuration::from_secs(-5)), "0 s");
    }

    #[test]
    fn moments_lie_before_or_after() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        assert_eq!(words(now, now), "just now");
        assert_eq!(
            words("2026-11-22T11:57:00Z".parse().unwrap(), now),
            "3 min ago"
        );
        assert_eq!(
            words("2026-11-22T12:03:00Z".parse().unwrap(), now),
            "in 3 min"
        );
    }
}
