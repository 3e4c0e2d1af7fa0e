//! What is known of a host besides its own report: that somebody keeps it quiet, or is on a problem of it.

use jiff::Timestamp;
use lockstep_model::HostName;
use lockstep_model::api::operator::ProblemView;
use maud::{Markup, html};

use super::value;
use crate::parts::time;

/// A silence that is in force for a whole host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hushed {
    /// Until when; none for a window of the fleet file, which says so itself.
    pub until: Option<Timestamp>,
    /// Why, in the words of who made it.
    pub why: String,
}

/// Why nobody is told of a problem.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hush {
    /// Somebody is on it.
    Acked(String),
    /// A silence holds it back; why and until when.
    Silenced(String),
    /// It depends on a host that is down.
    Depends(HostName),
}

impl Hush {
    /// What explains a problem; none if nothing does.
    #[must_use]
    pub fn of(problem: &ProblemView) -> Option<Self> {
        let silence = problem.silence.clone().map(Self::Silenced);
        let ack = problem.ack.as_ref();
        silence
            .or_else(|| ack.map(|ack| Self::Acked(ack.by.clone())))
            .or_else(|| problem.depends_on.clone().map(Self::Depends))
    }

    /// A sign for it; the words beside it are for everybody.
    pub(super) fn sign(&self) -> &'static str {
        match self {
            Self::Acked(_) => "✓",
            Self::Silenced(_) => "☾",
            Self::Depends(_) => "↑",
        }
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Acked(by) => format!("{} is on it", value::cut(by)),
            Self::Silenced(why) => format!("silenced: {}", value::cut(why)),
            Self::Depends(host) => format!("depends on {host}, which is down"),
        }
    }
}

/// The sign of a host that is kept quiet.
pub(crate) fn quiet(quiet: Option<&Hushed>) -> Markup {
    html! {
        @if let Some(Hushed { until, why }) = quiet {
            @let until = until.map(|at| format!(", until {}", time::exact(at))).unwrap_or_default();
            " " span .chip title={ (value::cut(why)) (until) } { span aria-hidden="true" { "☾ " } "silenced" }
        }
    }
}

/// The sign of a problem that nobody is told of.
pub(crate) fn sign(hush: &Hush) -> Markup {
    html! { span title=(hush.words()) { span aria-hidden="true" { (hush.sign()) } span .unseen { (hush.words()) } } }
}
