//! Locks in the words of people.

use lockstep_model::api::operator::LockView;
use lockstep_model::{Counted, Holder, LevelNames};
use maud::{Markup, html};

use crate::parts::link::host;
use crate::parts::time::exact;

/// Who it is: a host with the way to its page, or an operator.
pub(super) fn holder(holder: &Holder) -> Markup {
    match holder {
        Holder::Host(name) => host(name),
        Holder::Operator(_) => html! { (holder) },
    }
}

/// Why the lock gives no places, and who said so.
pub(super) fn disabled(view: &LockView) -> Option<String> {
    if let Some(disabled) = &view.lock.state.disabled {
        let (why, by) = (&disabled.why, &disabled.by);
        return Some(format!("{why} (by {by}, {})", exact(disabled.at)));
    }
    let why = view.lock.rule.disabled.as_ref()?;
    Some(format!("{why} (by the fleet file)"))
}

/// Why somebody takes a place, with the operator's names of the levels.
pub(super) fn counted(counted: &Counted, levels: &LevelNames) -> String {
    match counted {
        Counted::Level(level) => format!("it is {}", levels.name(*level)),
        Counted::Holds => "it holds the lock".into(),
        Counted::Silent => "it is silent".into(),
        Counted::Running => "it is in a run".into(),
    }
}
