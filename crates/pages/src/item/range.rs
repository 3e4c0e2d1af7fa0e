//! Which time a page shows. All of it stands in the address, absolute where it is not "up to now", so that a link shows
//! others the same.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{Series, Span, View};
use maud::{Markup, html};

use super::typed::{first, form};
use crate::parts::{link, time};

/// The time that is shown, and what is shown beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The time.
    pub span: Span,
    /// What is shown beside it.
    pub beside: Option<Beside>,
}

/// What a history is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// The same item, a day before.
    Yesterday,
    /// The same item, a week before.
    LastWeek,
    /// The same time on other hosts of the same groups.
    Others,
    /// The same time on hosts that a rollout in motion has not changed yet.
    OldVersion,
}

impl Beside {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Yesterday,
        Self::LastWeek,
        Self::Others,
        Self::OldVersion,
    ];
    /// Those that are other times.
    pub const TIMES: [Self; 2] = [Self::Yesterday, Self::LastWeek];

    /// As addresses have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yesterday => "yesterday",
            Self::LastWeek => "last-week",
            Self::Others => "others",
            Self::OldVersion => "old-version",
        }
    }

    /// The one that is written so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Yesterday => "the same time a day before",
            Self::LastWeek => "the same time a week before",
            Self::Others => "the others",
            Self::OldVersion => "hosts on the old version",
        }
    }

    /// How long before; none if it is the same time elsewhere.
    #[must_use]
    pub fn ago(self) -> Option<SignedDuration> {
        match self {
            Self::Yesterday => Some(SignedDuration::from_hours(24)),
            Self::LastWeek => Some(SignedDuration::from_hours(7 * 24)),
            Self::Others | Self::OldVersion => None,
        }
    }
}

impl Range {
    /// The address that shows this, below a path.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        self.asked(path, None)
    }

    /// The address that gives this as `csv` or `json`.
    #[must_use]
    pub fn address_as(&self, path: &str, format: &str) -> String {
        Self {
            beside: None,
            ..*self
        }
        .asked(path, Some(format))
    }

    /// The address without a time, which the script puts one behind.
    #[must_use]
    pub fn base(&self, path: &str) -> String {
        link::ask(path, &[("beside", self.beside.map(Beside::as_str))])
    }

    fn asked(&self, path: &str, format: Option<&str>) -> String {
        let beside = ("beside", self.beside.map(Beside::as_str));
        let format = ("format", format);
        match self.span {
            Span::View(view) => link::ask(path, &[("view", Some(view.as_str())), beside, format]),
            Span::Between { from, to } => {
                let (from, to) = (time::second(from), time::second(to));
                let times = [("from", Some(from.as_str())), ("to", Some(to.as_str()))];
                link::ask(path, &[times[0], times[1], beside, format])
            }
        }
    }

    fn with(self, span: Span) -> Self {
        Self { span, ..self }
    }

    /// The ways to other times: the five views, earlier and later, any other, and what to compare with, of what the page
    /// offers. `shown` is the time that the series has.
    #[must_use]
    pub fn draw(&self, path: &str, shown: &Series, offers: &[Beside], now: Timestamp) -> Markup {
        let others = others(shown.from, shown.to, now);
        let to = |span: Span| self.with(span).address(path);
        let beside = |beside: Option<Beside>| Self { beside, ..*self }.address(path);
        html! {
            nav .range aria-label="Time" {
                span .views {
                    @for view in View::ALL {
                        a href=(to(Span::View(view))) aria-current=[(self.span == Span::View(view)).then_some("true")] { (view) }
                        " "
                    }
                }
                span .moves {
                    @if let Some(span) = others.earlier { a rel="prev" href=(to(span)) { "← earlier" } " " }
                    @if let Some(span) = others.later { a rel="next" href=(to(span)) { "later →" } " " }
                    @if let Some(span) = others.wider { a href=(to(span)) { "zoom out" } " " }
                }
                (form(self, path, (shown.from, shown.to)))
                span .choices {
                    "Beside it: "
                    a href=(beside(None)) aria-current=[self.beside.is_none().then_some("true")] { "nothing" }
                    @for other in offers {
                        " " a href=(beside(Some(*other))) aria-current=[(self.beside == Some(*other)).then_some("true")] {
                            (other.words())
                        }
                    }
                }
                span .shown { (time::moment(shown.from)) " – " (time::moment(shown.to)) }
            }
        }
    }
}

/// Times around one.
struct Others {
    earlier: Option<Span>,
    later: Option<Span>,
    wider: Option<Span>,
}

/// As long before, as long after but not in the future, and twice as long about the same middle, as far as it may be asked
/// for.
fn others(from: Timestamp, to: Timestamp, now: Timestamp) -> Others {
    let length = to.duration_since(from);
    let between = |from: Option<Timestamp>, to: Option<Timestamp>| {
        let (from, to) = (from?.max(first(now)), to?.min(now));
        (from < to).then_some(Span::Between { from, to })
    };
    let before =
        |at: Timestamp, by: SignedDuration| Some(at.checked_sub(by).unwrap_or(Timestamp::MIN));
    let after = |at: Timestamp, by: SignedDuration| at.checked_add(by).ok();
    let half = length / 2;
    Others {
        earlier: between(before(from, length), Some(from)),
        // What is shown up to now has nothing behind it.
        later: between(Some(to), after(to, length))
            .filter(|_| now.duration_since(to).as_secs() > 60),
        wider: between(before(from, half), after(to, half))
            .filter(|wider| *wider != Span::Between { from, to }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i8) -> Timestamp {
        format!("2026-11-22T{hour:02}:00:00Z").parse().unwrap()
    }

    #[test]
    fn addresses_hold_everything() {
        let view = Range {
            span: Span::View(View::Week),
            beside: Some(Beside::LastWeek),
        };
        assert_eq!(view.address("/x"), "/x?view=week&beside=last-week");
        assert_eq!(view.address_as("/x", "csv"), "/x?view=week&format=csv");
        assert_eq!(view.base("/x"), "/x?beside=last-week");
        let between = view.with(Span::Between {
            from: at(1),
            to: at(2),
        });
        assert_eq!(
            between.address("/x"),
            "/x?from=2026-11-22T01%3A00%3A00Z&to=2026-11-22T02%3A00%3A00Z&beside=last-week"
        );
        for beside in Beside::ALL {
            assert_eq!(Beside::parse(beside.as_str()), Some(beside));
        }
        assert_eq!(Beside::parse("tomorrow"), None);
    }

    #[test]
    fn nobody_looks_into_the_future() {
        let between = |from, to| {
            Some(Span::Between {
                from: at(from),
                to: at(to),
            })
        };
        let inside = others(at(4), at(6), at(7));
        assert_eq!(inside.earlier, between(2, 4));
        assert_eq!(inside.later, between(6, 7));
        assert_eq!(inside.wider, between(3, 7));
        let newest = others(at(4), at(6), at(6));
        assert_eq!((newest.later, newest.wider), (None, between(3, 6)));
        assert_eq!(others(Timestamp::MIN, Timestamp::MAX, at(1)).earlier, None);
        // As far back as anybody may ask, and no further.
        let all = others(first(at(7)), at(7), at(7));
        assert_eq!((all.earlier, all.wider), (None, None));
    }
}
