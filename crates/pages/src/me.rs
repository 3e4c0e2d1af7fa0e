//! `/me`: one's own password, sessions and API tokens.

use lockstep_model::Role;
use lockstep_model::api::operator::{ApiTokenView, CreatedApiToken, SessionView};
use maud::{Markup, html};

use crate::admin::ask::{self, Which};
use crate::admin::rights::{self, Whose};
use crate::frame::Sheet;
use crate::parts::action::{Action, choice, text, word};
use crate::{Frame, Here};

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// One's sessions, newest first.
    pub sessions: &'a [SessionView],
    /// One's API tokens, newest first.
    pub tokens: &'a [ApiTokenView],
    /// The identity of the session by which the page is looked at.
    pub session: &'a str,
}

/// How long a token may be good, the first unless something else is chosen.
const VALID: [(&str, &str); 6] = [
    ("90d", "90 days"),
    ("1d", "a day"),
    ("7d", "a week"),
    ("30d", "30 days"),
    ("366d", "a year"),
    ("", "no end"),
];

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, own: &Own<'_>) -> String {
    let whose = Whose {
        base: "/me",
        needs: Role::Viewer,
        named: false,
        own: own.session,
    };
    let body = html! {
        p { "You are " b { (frame.viewer.name) } ", with the role " b { (frame.viewer.role) } "." }
        div .actions { (password(frame).draw(frame)) (create(frame).draw(frame)) }
        (rights::sessions(frame, whose, own.sessions))
        (rights::api_tokens(frame, whose, own.tokens))
    };
    draw(frame, "Password, sessions and API tokens", body)
}

/// Draws the page with a new API token. It is the only one that has its secret.
#[must_use]
pub fn token_created(frame: &Frame<'_>, created: &CreatedApiToken) -> String {
    let body = html! { (rights::created(created)) p { a .button href="/me" { "I have it" } } };
    // Whoever comes back comes to the page of the form.
    let frame = Frame {
        address: "/me",
        ..*frame
    };
    draw(&frame, "New API token", body)
}

fn draw(frame: &Frame<'_>, title: &str, body: Markup) -> String {
    frame.draw(Sheet {
        title,
        here: Here::Elsewhere,
        topics: &[],
        body,
    })
}

fn password(frame: &Frame<'_>) -> Action<'static> {
    let name = frame.viewer.name.as_str();
    Action {
        label: "Change password",
        to: "/me/password".into(),
        fields: html! {
            p { "Your other sessions end. API tokens stay." }
            // For the browser's keeper of passwords: whose these are.
            input type="text" name="username" value=(name) autocomplete="username" hidden readonly;
            (ask::password("old", "Password now", Which::Current))
            (ask::password("password", "New password", Which::New))
            (ask::password("again", "New password again", Which::New))
        },
        twin: format!("lockstep user passwd {}", word(name)),
        needs: Role::Viewer,
        ..Action::default()
    }
}

fn create(frame: &Frame<'_>) -> Action<'static> {
    let own = frame.viewer.role;
    let roles = Role::ALL.into_iter().filter(move |role| *role <= own);
    Action {
        label: "Make an API token",
        to: "/me/create-token".into(),
        fields: html! {
            (text("label", "What it is for", "", true))
            (ask::role(roles))
            (choice("valid", "Valid for", &VALID))
        },
        twin: format!("lockstep user token create --label LABEL --role {own} --valid-for 90d"),
        needs: Role::Viewer,
        ..Action::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::with_frame;

    fn drawn(role: Role) -> String {
        with_frame(role, |frame| {
            page(
                frame,
                &Own {
                    sessions: &[],
                    tokens: &[],
                    session: "s1",
                },
            )
        })
    }

    #[test]
    fn everybody_can_change_their_own_password() {
        let page = drawn(Role::Viewer);
        assert!(page.contains(r#"action="/me/password""#));
        assert!(page.contains("current-password") && page.contains("new-password"));
    }

    #[test]
    fn a_token_may_do_no_more_than_its_maker() {
        let viewer = drawn(Role::Viewer);
        assert!(viewer.contains(r#"<option value="viewer""#));
        assert!(!viewer.contains(r#"<option value="operator""#));
        assert!(drawn(Role::Admin).contains(r#"<option value="admin""#));
    }

    #[test]
    fn a_new_token_is_shown_with_its_file() {
        let made = CreatedApiToken {
            id: "tok1".into(),
            token: "tok1.s3cret".into(),
            expires_at: None,
            operator_file: "server = \"https://s:7443\"\ntoken = \"tok1.s3cret\"\n".into(),
        };
        let page = with_frame(Role::Viewer, |frame| token_created(frame, &made));
        assert_eq!(page.matches("tok1.s3cret").count(), 2);
        assert!(page.contains("operator.toml") && page.contains("only time"));
        assert!(page.contains(r#"name="to" value="/me""#));
    }
}
