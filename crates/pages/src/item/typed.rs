//! A time of one's own: two moments, as somebody types them.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{Span, View, moment_or_ago};
use maud::{Markup, html};

use super::Range;
use crate::parts::time::exact;

/// How far back anybody may ask, in days: no history is kept longer by what is built in.
const REACH_DAYS: i64 = 5 * 366;

/// The first moment that can be asked for.
pub(super) fn first(now: Timestamp) -> Timestamp {
    let reach = SignedDuration::from_hours(REACH_DAYS * 24);
    now.checked_sub(reach).unwrap_or(Timestamp::MIN)
}

impl Range {
    /// The time that an address or a form asks for: a view, or `from` a moment `to` another, or to now if that is empty; the
    /// day if nothing is said. A moment is RFC 3339, a date, a date and an hour in UTC, or how long ago, as in `6h`. What
    /// lies behind now is not asked for.
    ///
    /// # Errors
    /// What is no such time, in words for whoever typed it.
    pub fn typed(view: Option<View>, from: &str, to: &str, now: Timestamp) -> Result<Self, String> {
        let (from, to) = (from.trim(), to.trim());
        let whole = |span| Self { span, beside: None };
        if from.is_empty() {
            if !to.is_empty() {
                return Err("from: it is missing; from when on shall be shown?".into());
            }
            return Ok(whole(Span::View(view.unwrap_or(View::Day))));
        }
        if view.is_some() {
            return Err("give a view, or from and to, not both".into());
        }
        let from = read("from", from, now)?;
        let to = if to.is_empty() {
            now
        } else {
            read("to", to, now)?
        };
        if from >= now {
            return Err(format!(
                "from: {} lies in the future; it is {} now",
                exact(from),
                exact(now)
            ));
        }
        if from < first(now) {
            return Err(format!(
                "from: {} is too long ago; what is before {} cannot be asked for",
                exact(from),
                exact(first(now))
            ));
        }
        let to = to.min(now);
        if from >= to {
            return Err(format!(
                "from must lie before to: {} is not before {}",
                exact(from),
                exact(to)
            ));
        }
        Ok(whole(Span::Between { from, to }))
    }
}

fn read(what: &str, text: &str, now: Timestamp) -> Result<Timestamp, String> {
    moment_or_ago(text, now).map_err(|why| format!("{what}: {why}"))
}

/// The form for it, filled with the time that is shown. It asks by GET: its answer is an address to show others.
pub(super) fn form(range: &Range, path: &str, (from, to): (Timestamp, Timestamp)) -> Markup {
    let field = |label: &str, name: &str, at: Timestamp, needed: bool| {
        let at = at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        html! {
            label { span { (label) } input type="datetime-local" name=(name) value=(at) step="1" required[needed]; }
        }
    };
    html! {
        details #other-time .action {
            summary { "From … to …" }
            form .fields method="get" action=(path) {
                (field("From, UTC", "from", from, true))
                (field("To, UTC; empty is now", "to", to, false))
                @if let Some(beside) = range.beside { input type="hidden" name="beside" value=(beside.as_str()); }
                button { "Show" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn typed(from: &str, to: &str) -> Result<Span, String> {
        Range::typed(None, from, to, at("2026-11-22T12:00:00Z")).map(|it| it.span)
    }

    fn between(from: &str, to: &str) -> Span {
        Span::Between {
            from: at(from),
            to: at(to),
        }
    }

    #[test]
    fn what_a_form_sends_is_a_time() {
        let morning = between("2026-11-22T08:00:00Z", "2026-11-22T09:30:15Z");
        assert_eq!(
            typed("2026-11-22T08:00", "2026-11-22T09:30:15"),
            Ok(morning)
        );
        assert_eq!(typed(" 4h ", "2026-11-22T09:30:15Z"), Ok(morning));
        let today = between("2026-11-22T00:00:00Z", "2026-11-22T12:00:00Z");
        assert_eq!(typed("2026-11-22", ""), Ok(today));
        assert_eq!(typed("2026-11-22", "2026-11-23"), Ok(today), "up to now");
        assert_eq!(typed("", ""), Ok(Span::View(View::Day)));
        let week = Range::typed(Some(View::Week), "", "", at("2026-11-22T12:00:00Z"));
        assert_eq!(week.map(|it| it.span), Ok(Span::View(View::Week)));
    }

    #[test]
    fn what_is_no_time_is_said_clearly() {
        for (from, to, why) in [
            ("noon", "", "from: \"noon\" is neither a moment in UTC"),
            ("1h", "<b>", "to: \"<b>\" is neither"),
            ("", "1h", "from: it is missing"),
            (
                "2026-11-23",
                "",
                "from: 2026-11-23 00:00:00 UTC lies in the future",
            ),
            (
                "1999-01-01",
                "",
                "from: 1999-01-01 00:00:00 UTC is too long ago; what is before 2021-11-18",
            ),
            (
                "1h",
                "2h",
                "from must lie before to: 2026-11-22 11:00:00 UTC is not before 2026-11-22 10:00:00 UTC",
            ),
            ("2026-11-22", "2026-11-22", "from must lie before to"),
        ] {
            let said = typed(from, to).unwrap_err();
            assert!(said.starts_with(why), "{from} {to}: {said}");
        }
        let both = Range::typed(Some(View::Day), "1h", "", at("2026-11-22T12:00:00Z"));
        assert!(both.unwrap_err().contains("not both"));
    }

    #[test]
    fn the_form_has_the_time_that_is_shown() {
        let range = Range {
            span: Span::View(View::Day),
            beside: Some(super::super::Beside::Yesterday),
        };
        let shown = (at("2026-11-21T12:00:00Z"), at("2026-11-22T12:00:00Z"));
        let form = form(&range, "/hosts/web1/items/a%20b", shown).into_string();
        assert!(form.contains("method=\"get\" action=\"/hosts/web1/items/a%20b\""));
        assert!(form.contains("name=\"from\" value=\"2026-11-21T12:00:00\" step=\"1\" required"));
        assert!(form.contains("name=\"beside\" value=\"yesterday\""));
    }
}
