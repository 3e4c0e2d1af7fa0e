//! What can be done with the hosts that are ticked.
//!
//! A tick belongs to one form only, so the table stands in the form, and the button says what is done.

use lockstep_model::Role;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{choice, text, twin};

/// Who may tick hosts.
pub(super) const NEEDS: Role = Role::Operator;

/// For how long something may hold.
pub(crate) const LENGTHS: [(&str, &str); 4] = [
    ("1h", "1 hour"),
    ("4h", "4 hours"),
    ("1d", "1 day"),
    ("7d", "7 days"),
];

/// The table, in a form with the actions below it; the table alone for those who may not act.
pub(super) fn around(frame: &Frame<'_>, back: &str, table: &Markup) -> Markup {
    if !frame.may(NEEDS) {
        return html! { (table) };
    }
    let mut lengths = LENGTHS.to_vec();
    lengths.push(("", "until it is over (acknowledge)"));
    html! {
        form method="post" action="/hosts" {
            input type="hidden" name="csrf" value=(frame.viewer.csrf);
            input type="hidden" name="to" value=(back);
            (table)
            fieldset .bulk {
                legend { "With the hosts that are ticked" }
                (text("why", "Note, or reason of a silence", "", false))
                (choice("lasts", "For", &lengths))
                div {
                    button name="verb" value="ack" { "Acknowledge all problems" }
                    " " (twin("lockstep ack HOST --for 1h --note '…'"))
                }
                div {
                    button name="verb" value="silence" { "Silence" }
                    " " (twin("lockstep silence add --host HOST --for 1h --why '…'"))
                }
            }
        }
    }
}
