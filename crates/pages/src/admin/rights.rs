//! Sessions and API tokens: tables that the page of all users and one's own page share.

use lockstep_model::api::operator::{ApiTokenView, SessionView};
use lockstep_model::{Role, UserName};
use maud::{Markup, html};

use crate::Frame;
use crate::parts::action::{Action, word};
use crate::parts::empty::empty;
use crate::parts::link;
use crate::parts::time::{ago, exact};

/// Rows of one table; the newest are shown.
pub(crate) const MOST: usize = 100;

/// Whose rights a page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    /// Where its forms go.
    pub(crate) base: &'a str,
    /// Who may use them.
    pub(crate) needs: Role,
    /// True if users are named, because there are several.
    pub(crate) named: bool,
    /// The identity of the session by which the page is looked at.
    pub(crate) own: &'a str,
}

impl Whose<'_> {
    fn user(&self, name: &UserName) -> Markup {
        html! { @if self.named { td { (name) } } }
    }

    fn head(&self) -> Markup {
        html! { @if self.named { th scope="col" { "User" } } }
    }
}

/// The open sessions.
pub(crate) fn sessions(frame: &Frame<'_>, whose: Whose<'_>, sessions: &[SessionView]) -> Markup {
    html! {
        section #sessions data-live aria-labelledby="sessions-title" {
            h2 #sessions-title { "Sessions" }
            @if sessions.is_empty() {
                (empty("No session is open.", &html! { p { "A session begins when a user signs in to these pages." } }))
            } @else {
                div .scroll { table {
                    caption { "Browsers that are signed in, newest first" }
                    thead { tr {
                        (whose.head()) th scope="col" { "Signed in" } th scope="col" { "Used last" } th scope="col" { "Ends" }
                        th scope="col" { "From" } th scope="col" { "End it" }
                    } }
                    tbody { @for session in sessions.iter().take(MOST) { (session_row(frame, whose, session)) } }
                } }
                (more(sessions.len()))
            }
        }
    }
}

fn session_row(frame: &Frame<'_>, whose: Whose<'_>, session: &SessionView) -> Markup {
    let end = Action {
        label: "End",
        to: format!("{}/end-session", whose.base),
        hidden: vec![("id", session.id.clone())],
        twin: format!("lockstep user session end {}", word(&session.id)),
        needs: whose.needs,
        ..Action::default()
    };
    html! {
        tr data-row {
            (whose.user(&session.user))
            td { (ago(session.created_at, frame.now)) }
            td { (ago(session.used_at, frame.now)) }
            td { (ago(session.expires_at, frame.now)) }
            td .wide { (session.from) @if session.id == whose.own { " " b { "(this one)" } } }
            td { (end.draw(frame)) }
        }
    }
}

/// The API tokens.
pub(crate) fn api_tokens(frame: &Frame<'_>, whose: Whose<'_>, tokens: &[ApiTokenView]) -> Markup {
    html! {
        section #api-tokens data-live aria-labelledby="api-tokens-title" {
            h2 #api-tokens-title { "API tokens" }
            @if tokens.is_empty() {
                (empty("There is no API token.", &html! {
                    p { "The command line and other programs come in by one. Users make theirs at " a href="/me" { "their own page" } "." }
                }))
            } @else {
                div .scroll { table {
                    caption { "By which programs come in, newest first" }
                    thead { tr {
                        th scope="col" { "For" } (whose.head()) th scope="col" { "May" } th scope="col" { "Made" }
                        th scope="col" { "Expires" } th scope="col" { "Used last" } th scope="col" { "Revoke" }
                    } }
                    tbody { @for token in tokens.iter().take(MOST) { (token_row(frame, whose, token)) } }
                } }
                (more(tokens.len()))
            }
        }
    }
}

fn token_row(frame: &Frame<'_>, whose: Whose<'_>, token: &ApiTokenView) -> Markup {
    let revoke = Action {
        label: "Revoke",
        to: format!("{}/revoke-token", whose.base),
        hidden: vec![("id", token.id.clone())],
        twin: format!("lockstep user token revoke {}", word(&token.id)),
        needs: whose.needs,
        warning: Some("What uses it is refused from now on. It does not come back.".into()),
        ..Action::default()
    };
    let is_over = token.expires_at.is_some_and(|at| at <= frame.now);
    html! {
        tr data-row {
            th scope="row" .wide { (token.label) " " span .mono .muted { (token.id) } }
            (whose.user(&token.user))
            td { (token.role) }
            td { (ago(token.created_at, frame.now)) }
            td { @match token.expires_at {
                Some(at) if is_over => { "expired " (ago(at, frame.now)) },
                Some(at) => { (ago(at, frame.now)) },
                None => { "has no end" },
            } }
            td { @match token.used_at { Some(at) => { (ago(at, frame.now)) }, None => { "never" } } }
            td { (revoke.draw(frame)) }
        }
    }
}

fn more(all: usize) -> Markup {
    html! { @if all > MOST { p .muted { "and " (all - MOST) " older" } } }
}

/// A new API token. No other page has its secret.
pub(crate) fn created(created: &lockstep_model::api::operator::CreatedApiToken) -> Markup {
    html! {
        p .warning { "This is the only time that the token is shown: the server keeps no more than its hash. Whoever has it may do "
            "what it may." }
        p { @match created.expires_at {
            Some(at) => { "Valid until " (exact(at)) "." },
            None => { "It has no end: revoke it when it is not needed any more." },
        } }
        h2 { "For the command line" }
        p { "Save this as " code { "~/.config/lockstep/operator.toml" } ", readable by yourself alone (" code { "chmod 600" } ")." }
        pre .command { code { (created.operator_file) } }
        h2 { "For other programs" }
        p { "The token alone, for the header " code { "authorization: Bearer TOKEN" } "." }
        pre .command { code { (created.token) } }
    }
}

/// The address of a user's rights among those of all.
pub(crate) fn of_user(name: &UserName, part: &str) -> String {
    format!(
        "{}#{part}",
        link::ask("/admin/users", &[("user", Some(name.as_str()))])
    )
}
