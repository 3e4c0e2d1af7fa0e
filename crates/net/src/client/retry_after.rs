//! The `Retry-After` header (RFC 9110 section 10.2.3): seconds, or a date.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Longer than this nobody has to wait, whatever a server says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long to wait; nothing when the date has passed, and none when the value is neither seconds nor a date.
pub(super) fn parse_retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large for the type is too large for the limit as well.
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let then = rfc2822::parse(value).ok()?.timestamp();
    let wait = Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO);
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(value: &str) -> Option<u64> {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        parse_retry_after(value, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_understood() {
        assert_eq!(parse("120"), Some(120));
        assert_eq!(parse(" 0 "), Some(0));
        assert_eq!(parse("99999999999999999999999"), Some(86_400));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37));
        assert_eq!(parse("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(parse("Mon, 06 Nov 2023 08:49:37 GMT"), Some(86_400));
        for bad in ["", "-1", "1.5", "soon", "5 s"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_wait_for_long(value in "\\PC{0,40}") {
            prop_assert!(parse(&value).is_none_or(|seconds| seconds <= 86_400));
        }
    }
}
