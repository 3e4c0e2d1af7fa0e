//! Kiosk tokens on `/admin/users`: by what screens on walls show the problems.

use lockstep_model::Role;
use lockstep_model::api::operator::{CreatedKiosk, KioskView};
use maud::{Markup, html};

use super::{Part, draw_once};
use crate::Frame;
use crate::parts::action::{Action, text, word};
use crate::parts::empty::{command, empty};
use crate::parts::time::{ago, exact};

/// The tokens, and the form of a new one.
pub(super) fn section(frame: &Frame<'_>, kiosks: &[KioskView]) -> Markup {
    html! {
        section #kiosks data-live aria-labelledby="kiosks-title" {
            h2 #kiosks-title { "Screens on walls" }
            p .muted { "A kiosk token opens " a href="/kiosk" { "the problems for a wall" } " without a user, and nothing else." }
            div .actions { (create().draw(frame)) }
            @if kiosks.is_empty() {
                (empty("There is no kiosk token.", &html! {
                    p { "Make one for each screen, so that each can be revoked by itself. On the command line:" }
                    (command("lockstep user kiosk create --label 'the wall in the office'"))
                }))
            } @else {
                div .scroll { table {
                    caption { "By which screens show the problems, newest first" }
                    thead { tr {
                        th scope="col" { "For" } th scope="col" { "Made by" } th scope="col" { "Made" } th scope="col" { "Expires" }
                        th scope="col" { "Used last" } th scope="col" { "From" } th scope="col" { "Revoke" }
                    } }
                    tbody { @for kiosk in kiosks { (row(frame, kiosk)) } }
                } }
            }
        }
    }
}

fn create() -> Action<'static> {
    Action {
        label: "Make a kiosk token",
        to: "/admin/users/kiosk".into(),
        fields: html! {
            (text("label", "Which screen it is for", "", true))
            (text("valid", "Valid for, as in 90d; without an end if empty", "", false))
        },
        twin: "lockstep user kiosk create --label 'the wall in the office'".into(),
        needs: Role::Admin,
        ..Action::default()
    }
}

fn row(frame: &Frame<'_>, kiosk: &KioskView) -> Markup {
    let revoke = Action {
        label: "Revoke",
        to: "/admin/users/revoke-kiosk".into(),
        hidden: vec![("id", kiosk.id.clone())],
        twin: format!("lockstep user kiosk revoke {}", word(&kiosk.id)),
        needs: Role::Admin,
        warning: Some(
            "Screens that were opened by it show nothing new from now on. It does not come back."
                .into(),
        ),
        ..Action::default()
    };
    html! {
        tr data-row {
            th scope="row" .wide { (kiosk.label) " " span .mono .muted { (kiosk.id) } }
            td { (kiosk.made_by) }
            td { (ago(kiosk.created_at, frame.now)) }
            td { @match kiosk.expires_at { Some(at) => { (ago(at, frame.now)) }, None => { "has no end" } } }
            td { @match kiosk.used_at { Some(at) => { (ago(at, frame.now)) }, None => { "never" } } }
            td .wide { (kiosk.used_from) }
            td { (revoke.draw(frame)) }
        }
    }
}

/// Draws the page with a new token. It is the only one that has its secret.
#[must_use]
pub fn created(frame: &Frame<'_>, created: &CreatedKiosk) -> String {
    let body = html! {
        p .warning { "This is the only time that the token is shown: the server keeps no more than its hash. Whoever has it sees the "
            "problems of the fleet, and nothing else." }
        p { @match created.expires_at {
            Some(at) => { "Valid until " (exact(at)) "." },
            None => { "It has no end: revoke it when the screen is gone." },
        } }
        h2 { "Open this on the screen" }
        pre .command { code { (created.address) } }
        p { "The server takes the token out of the address at once, and gives the browser a cookie for it. A screen that forgets its "
            "cookies when it starts may open the same address each time." }
        p { a .button href="/admin/users#kiosks" { "I have it" } }
    };
    draw_once(frame, Part::Users, "New kiosk token", &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::with_frame;

    #[test]
    fn a_token_is_told_by_its_use_and_can_be_revoked() {
        let kiosk = KioskView {
            id: "3fa90c17aa01be5d".into(),
            label: "<the wall>".into(),
            made_by: "ann".into(),
            created_at: "2026-11-01T00:00:00Z".parse().unwrap(),
            expires_at: None,
            used_at: Some("2026-11-22T11:58:00Z".parse().unwrap()),
            used_from: "192.0.2.7".into(),
        };
        let page = with_frame(Role::Admin, |frame| section(frame, &[kiosk])).0;
        for words in [
            "&lt;the wall&gt;",
            "has no end",
            "2 min ago",
            "192.0.2.7",
            r#"action="/admin/users/revoke-kiosk""#,
            "lockstep user kiosk revoke 3fa90c17aa01be5d",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
        let none = with_frame(Role::Operator, |frame| section(frame, &[])).0;
        assert!(none.contains("There is no kiosk token") && !none.contains("<form"));
    }

    #[test]
    fn the_address_is_shown_once() {
        let made = CreatedKiosk {
            id: "k".into(),
            address: "https://x:7443/kiosk?token=lsk1.a.b".into(),
            expires_at: None,
        };
        let page = with_frame(Role::Admin, |frame| created(frame, &made));
        assert_eq!(page.matches("lsk1.a.b").count(), 1);
        assert!(
            !page.contains("href=\"https://x:7443/kiosk"),
            "nobody opens it by mistake"
        );
    }
}
