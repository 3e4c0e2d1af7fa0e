//! What can be done with several hosts: with those that are ticked, and with all that are found, on all pages.
//!
//! A tick belongs to one form only, so the table stands in the form, and the button says what is done. What is done with all
//! that are found is asked for in a form of its own, which carries the filter, how many hosts it found, and a hash of their
//! names. Whoever sends it says that number too; if others are found by then, be they more or as many, nothing is done.

use lockstep_model::Role;
use maud::{Markup, html};

use super::{Ask, HostLine, names_hash};
use crate::chart::number;
use crate::frame::Frame;
use crate::parts::action::{choice, text, twin};
use crate::problems::both_lasts;

/// Who may tick hosts.
pub(super) const NEEDS: Role = Role::Operator;

/// The table, in a form with the actions below it; the table alone for those who may not act.
pub(super) fn around(frame: &Frame<'_>, zone: &str, table: &Markup) -> Markup {
    if !frame.may(NEEDS) {
        return html! { (table) };
    }
    html! {
        form method="post" action="/hosts" {
            (carried(frame))
            (table)
            fieldset .bulk {
                legend { "With the hosts that are ticked" }
                (fields(zone))
                (verbs(|verb| match verb {
                    Verb::Ack => "lockstep ack HOST --for 1h --note '…'".into(),
                    Verb::Silence => "lockstep silence add --host HOST --for 1h --why '…'".into(),
                    Verb::Report => "lockstep host report HOST".into(),
                }))
            }
        }
    }
}

/// The same with all hosts that are found, folded away: they may be thousands.
pub(super) fn all(frame: &Frame<'_>, found: &[&HostLine], ask: &Ask, zone: &str) -> Markup {
    if !frame.may(NEEDS) || found.is_empty() {
        return html! {};
    }
    let hosts = number::count(found.len() as u64, "host");
    let of_all = if ask.filter().is_empty() {
        "of the fleet"
    } else {
        "found by this filter, on all pages"
    };
    html! {
        section #hosts-all data-live {
            details #hosts-all-form .action {
                summary { "With all " (hosts) " " (of_all) "…" }
                form method="post" action="/hosts" {
                    (carried(frame))
                    input type="hidden" name="filter" value=(ask.filter());
                    input type="hidden" name="names" value=(names_hash(found));
                    fieldset .bulk {
                        legend { "With all " (hosts) " " (of_all) }
                        (fields(zone))
                        label .tick {
                            input type="checkbox" name="count" value=(found.len()) required;
                            span { "Yes, with all " b { (hosts) } }
                        }
                        (verbs(|verb| ask.command_for_each(match verb {
                            Verb::Ack => "lockstep ack {} --for 1h --note '…'",
                            Verb::Silence => "lockstep silence add --host {} --for 1h --why '…'",
                            Verb::Report => "lockstep host report {}",
                        })))
                    }
                }
            }
        }
    }
}

fn carried(frame: &Frame<'_>) -> Markup {
    html! {
        input type="hidden" name="csrf" value=(frame.viewer.csrf);
        input type="hidden" name="to" value=(frame.address);
    }
}

fn fields(zone: &str) -> Markup {
    html! {
        (text("why", "Note, or reason of a silence", "", false))
        (choice("lasts", "For", &both_lasts(zone)))
    }
}

/// What can be done.
#[derive(Debug, Clone, Copy)]
enum Verb {
    Ack,
    Silence,
    Report,
}

fn verbs(command: impl Fn(Verb) -> String) -> Markup {
    html! {
        div { button name="verb" value="ack" { "Acknowledge all problems" } " " (twin(&command(Verb::Ack))) }
        div { button name="verb" value="silence" { "Silence" } " " (twin(&command(Verb::Silence))) }
        div { button name="verb" value="report" { "Collect now" } " " (twin(&command(Verb::Report))) }
    }
}
