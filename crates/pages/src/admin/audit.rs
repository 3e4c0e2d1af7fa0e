//! `/admin/audit`: who did what, and the proof that nothing of it was changed.

use jiff::Timestamp;
use lockstep_model::ChainLink;
use lockstep_model::api::operator::AuditView;
use maud::{Markup, html};

use super::{Part, ask, draw};
use crate::Frame;
use crate::parts::action::twin;
use crate::parts::empty::{command, empty};
use crate::parts::link;
use crate::parts::time::{ago, exact, moment};

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct Audit<'a> {
    /// The entries, newest first.
    pub entries: &'a [AuditView],
    /// Only of those whose name has this in it; empty for all.
    pub who: &'a str,
    /// Only what has these words in it; empty for all.
    pub words: &'a str,
    /// True if the list begins with the newest entry.
    pub is_newest: bool,
    /// Where the next page begins; none if there is no more.
    pub older: Option<&'a str>,
    /// The oldest entry that was looked at, where more are left than one request looks through.
    pub looked_to: Option<Timestamp>,
    /// The newest entry of the chain.
    pub head: Option<&'a ChainLink>,
}

const PATH: &str = "/admin/audit";

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, view: &Audit<'_>) -> String {
    let body = html! {
        (filter(view))
        (list(frame, view))
        (chain(view.head))
    };
    draw(frame, Part::Audit, "Audit trail", &[], &body)
}

fn filter(view: &Audit<'_>) -> Markup {
    html! {
        form .fields method="get" action=(PATH) role="search" aria-label="Filter" {
            label { span { "Who" } input type="search" name="who" value=(view.who) maxlength="100" autocomplete="off"; }
            label { span { "Words" } input type="search" name="words" value=(view.words) maxlength="200" autocomplete="off"; }
            button { "Filter" }
            @if is_filtered(view) { a href=(PATH) { "Show all" } }
            a href="/api/v1/audit" { "As JSON" }
            (twin("lockstep audit list"))
        }
    }
}

fn is_filtered(view: &Audit<'_>) -> bool {
    !view.who.is_empty() || !view.words.is_empty()
}

fn list(frame: &Frame<'_>, view: &Audit<'_>) -> Markup {
    let some = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
    let (who, words) = (some(view.who), some(view.words));
    let address = |before: Option<&str>| {
        let parts = [
            ("who", who.as_deref()),
            ("words", words.as_deref()),
            ("before", before),
        ];
        link::ask(PATH, &parts)
    };
    let first = (!view.is_newest).then(|| address(None));
    let older = view.older.map(|older| address(Some(older)));
    html! {
        @if view.entries.is_empty() {
            (nothing(view))
        } @else {
            div .scroll { table .trail {
                caption { "What was done, newest first" }
                thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } } }
                tbody { @for entry in view.entries {
                    tr data-row {
                        td { (moment(entry.at)) br; span .muted { (ago(entry.at, frame.now)) } }
                        td .wide { a href=(link::ask(PATH, &[("who", Some(&entry.who))])) { (entry.who) } }
                        td .wide { (entry.what) }
                    }
                } }
            } }
        }
        @if let Some(at) = view.looked_to {
            p .muted { "Looked through all that was done since " (exact(at)) "; there is more before." }
        }
        (ask::pager(first.as_deref(), older.as_deref()))
    }
}

fn nothing(view: &Audit<'_>) -> Markup {
    if is_filtered(view) {
        let next = html! { p { "Try fewer words, or " a href=(PATH) { "show all" } "." } };
        return empty("Nothing fits.", &next);
    }
    let next = html! { p { "Whatever is changed here, by the API or on the command line, is noted with its maker." } };
    empty("Nothing has been done.", &next)
}

fn chain(head: Option<&ChainLink>) -> Markup {
    html! {
        section .panel aria-labelledby="chain-title" {
            h2 #chain-title { "The proof" }
            p { "Each entry, and each record of a run, carries the hash of the one before. The command line fetches the chain and "
                "checks it on your machine; nobody who has the server can change what you have seen." }
            @match head {
                Some(head) => {
                    dl .facts {
                        dt { "Newest entry" } dd { "number " (head.number) }
                        dt { "Its hash" } dd .mono { (head.hash) }
                    }
                    (command("lockstep audit verify"))
                    p { "Note this down, away from the server. Later it proves that what was there until now is unchanged:" }
                    (command(&format!("lockstep audit verify --after {} --hash {}", head.number, head.hash)))
                },
                None => { p { "The chain is empty: it begins with the first thing that is done." } },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::{ContentHash, Role};

    use super::*;
    use crate::frame::tests::with_frame;

    fn drawn(entries: &[AuditView], who: &str, older: Option<&str>) -> String {
        let head = ChainLink {
            number: 812,
            before: ContentHash::of(b"a"),
            hash: ContentHash::of(b"b"),
        };
        with_frame(Role::Viewer, |frame| {
            let view = Audit {
                entries,
                who,
                words: "",
                is_newest: older.is_none(),
                older,
                looked_to: None,
                head: Some(&head),
            };
            page(frame, &view)
        })
    }

    fn entry() -> AuditView {
        AuditView {
            at: "2026-11-22T11:58:00Z".parse().unwrap(),
            who: "ann".into(),
            what: "silenced <b>web1</b>".into(),
        }
    }

    #[test]
    fn entries_are_escaped_and_the_filter_goes_along() {
        let page = drawn(&[entry()], "a&b", Some("17.x"));
        assert!(page.contains("silenced &lt;b&gt;web1") && page.contains("2 min ago"));
        assert!(page.contains(r#"href="/admin/audit?who=a%26b&amp;before=17.x""#));
        assert!(page.contains(r#"name="who" value="a&amp;b""#));
    }

    #[test]
    fn the_newest_entry_is_the_proof() {
        let page = drawn(&[entry()], "", None);
        let hash = ContentHash::of(b"b").to_string();
        assert!(page.contains(&format!("--after 812 --hash {hash}")));
        assert!(!page.contains("← Newest"));
    }

    #[test]
    fn nothing_found_is_not_nothing_done() {
        assert!(drawn(&[], "zoe", None).contains("Nothing fits."));
        assert!(drawn(&[], "", None).contains("Nothing has been done."));
    }
}
