//! Locks in the words of people.

use lockstep_model::api::operator::LockView;
use lockstep_model::{Capacity, Counted, Holder, LevelNames, LockRule};
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

/// The holder as forms and the command line write it: a host's name, or `operator:NAME`.
pub(super) fn written(holder: &Holder) -> String {
    match holder {
        Holder::Host(host) => host.to_string(),
        Holder::Operator(name) => format!("operator:{name}"),
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

/// What the fleet file says, one line for each thing.
pub(super) fn rule(view: &LockView) -> Vec<String> {
    let LockRule {
        capacity,
        group,
        counts,
        needs,
        lease,
        disabled: _,
    } = &view.lock.rule;
    let whom = match group {
        Some(group) => format!("the hosts of group {group}"),
        None => "all hosts".to_owned(),
    };
    let mut lines = vec![match capacity {
        Capacity::Number(1) => format!("one place, for {whom}"),
        Capacity::Number(number) => format!("{number} places, for {whom}"),
        Capacity::Percent(_) => format!("{capacity} of {whom}, now {}", view.places),
    }];
    let mut also = Vec::new();
    if counts.silent {
        also.push("silent".to_owned());
    }
    if counts.running {
        also.push("in a run".to_owned());
    }
    if let Some(level) = counts.level {
        also.push(format!("{level} or worse"));
    }
    if !also.is_empty() {
        let also = also.join(", or ");
        lines.push(format!("a host that is {also} takes a place as well"));
    }
    let needs = needs.iter();
    lines.extend(needs.map(|need| format!("without the host that asks there must be {need}")));
    lines.push(match lease {
        Some(lease) => format!("a grant is over when its holder has not renewed it for {lease}"),
        None => "a grant holds until it is given back".into(),
    });
    lines
}
