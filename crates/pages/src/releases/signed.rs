//! Who signed what, and until when it is valid.

use jiff::Timestamp;
use maud::{Markup, html};

use super::is_soon;
use crate::Frame;
use crate::parts::empty::command;
use crate::rollouts::when;

/// One piece of the repository's metadata in force (The Update Framework 1.0.31, section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Its role: `root`, `targets`, `snapshot` or `timestamp`.
    pub role: String,
    /// Its version.
    pub version: u64,
    /// When it stops being valid.
    pub expires: Timestamp,
    /// The identities of the keys that signed it.
    pub keys: Vec<String>,
}

/// Digits of a key's identity that are shown.
const DIGITS: usize = 12;

/// What a role says, and whose keys it needs.
fn meaning(role: &str) -> (&'static str, &'static str) {
    match role {
        "root" => ("which keys may sign what", "the publisher"),
        "targets" => ("the list of releases", "the publisher"),
        "snapshot" => ("what goes together", "this server"),
        "timestamp" => ("how fresh it is", "this server"),
        _ => ("", ""),
    }
}

/// The section.
pub(super) fn signed(frame: &Frame<'_>, signed: &[Signed]) -> Markup {
    html! {
        section #signed data-live aria-labelledby="signed-title" {
            h2 #signed-title { "Signatures" }
            @if signed.is_empty() {
                p { "Nothing has been signed yet: the server does not know the publisher's keys. They are made once, and kept "
                    "away from the server:" }
                (command("lockstep keys init ~/lockstep-keys"))
            } @else {
                table .signed {
                    caption .unseen { "The repository's metadata in force" }
                    thead { tr {
                        th scope="col" { "Role" } th scope="col" { "Says" } th scope="col" { "Version" }
                        th scope="col" { "Signed by" } th scope="col" { "Valid until" }
                    } }
                    tbody { @for it in signed { (row(frame, it)) } }
                }
            }
        }
    }
}

fn row(frame: &Frame<'_>, it: &Signed) -> Markup {
    let (says, whose) = meaning(&it.role);
    // The server signs its own anew in time; what the publisher signed needs a person.
    let warns = whose == "the publisher" && is_soon(it.expires, frame.now);
    html! {
        tr {
            td { (it.role) } td { (says) } td { (it.version) }
            td {
                (whose)
                @for key in &it.keys {
                    " " code title=(key) { (key.chars().take(DIGITS).collect::<String>()) }
                }
            }
            td {
                (when(frame, it.expires))
                @if it.expires <= frame.now { " " b .blame { "⚠ expired: hosts install nothing" } }
                @else if warns { " " b .blame { "⚠ soon: publish a release, or rotate the keys, before then" } }
            }
        }
    }
}
