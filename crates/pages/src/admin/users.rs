//! `/admin/users`: who may do what, who is signed in, and what comes in by tokens.

use lockstep_model::Role;
use lockstep_model::UserName;
use lockstep_model::api::operator::{ApiTokenView, KioskView, SessionView, UserView};
use maud::{Markup, html};

use super::ask::{self, Which};
use super::rights::{self, Whose};
use super::{Part, draw, kiosks};
use crate::Frame;
use crate::parts::action::{Action, text, word};
use crate::parts::empty::{command, empty};
use crate::parts::link;
use crate::parts::pager::Slice;
use crate::parts::time::ago;

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct Users<'a> {
    /// All users, by name.
    pub users: &'a [UserView],
    /// Which page of them, from 1.
    pub page: usize,
    /// The one whose sessions and tokens are shown; none for everybody's.
    pub only: Option<&'a UserName>,
    /// The sessions, newest first.
    pub sessions: &'a [SessionView],
    /// The API tokens, newest first.
    pub tokens: &'a [ApiTokenView],
    /// The kiosk tokens, newest first.
    pub kiosks: &'a [KioskView],
    /// The identity of the session by which the page is looked at.
    pub own_session: &'a str,
}

/// Users on one page.
const SIZE: usize = 100;

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, view: &Users<'_>) -> String {
    let whose = Whose {
        base: "/admin/users",
        needs: Role::Admin,
        named: true,
        own: view.own_session,
    };
    let body = html! {
        div .actions { (add().draw(frame)) }
        (list(frame, view))
        @if let Some(only) = view.only {
            p { "Sessions and API tokens of " b { (only) } ". " a href="/admin/users#sessions" { "Show everybody's" } }
        }
        (rights::sessions(frame, whose, view.sessions))
        (rights::api_tokens(frame, whose, view.tokens))
        @if view.only.is_none() { (kiosks::section(frame, view.kiosks)) }
    };
    draw(frame, Part::Users, "Users", &[], &body)
}

fn add() -> Action<'static> {
    Action {
        label: "Add a user",
        to: "/admin/users/add".into(),
        fields: html! {
            (text("name", "Name", "", true))
            (ask::role(Role::ALL))
            (ask::password("password", "Password; none for one who comes in by tokens only", Which::Perhaps))
        },
        twin: "lockstep user add NAME --role viewer".into(),
        needs: Role::Admin,
        ..Action::default()
    }
}

fn list(frame: &Frame<'_>, view: &Users<'_>) -> Markup {
    let slice = Slice::of(view.page, SIZE, view.users.len());
    html! {
        section #users data-live aria-labelledby="users-title" {
            h2 #users-title { "Who may do what" }
            @if view.users.is_empty() {
                (empty("There is no user.", &html! {
                    p { "Add one above, or on the command line:" } (command("lockstep user add NAME --role viewer"))
                }))
            } @else {
                div .scroll { table {
                    caption { "Users, by name" }
                    thead { tr {
                        th scope="col" { "User" } th scope="col" { "Role" } th scope="col" { "Signed in" }
                        th .number scope="col" { "Sessions" } th .number scope="col" { "API tokens" } th scope="col" { "Since" }
                        th scope="col" { "Change" }
                    } }
                    tbody { @for user in &view.users[slice.from..slice.to] { (row(frame, user)) } }
                } }
                (slice.draw(SIZE, |page| format!("/admin/users?p={page}")))
            }
        }
    }
}

fn row(frame: &Frame<'_>, user: &UserView) -> Markup {
    let locked = user.locked_until.filter(|until| *until > frame.now);
    html! {
        tr data-row {
            th scope="row" { (user.name) @if user.name == *frame.viewer.name { " (you)" } }
            td { (user.role) }
            td {
                @match user.signed_in_at {
                    Some(at) => { (ago(at, frame.now)) },
                    None if user.has_password => { "never" },
                    None => { "cannot: has no password" },
                }
                @if let Some(until) = locked { br; b { "locked" } ", too many have guessed; opens " (ago(until, frame.now)) }
            }
            td .number { a href=(rights::of_user(&user.name, "sessions")) { (user.sessions) } }
            td .number { a href=(rights::of_user(&user.name, "api-tokens")) { (user.tokens) } }
            td { (ago(user.created_at, frame.now)) }
            td { (changes(frame, user)) }
        }
    }
}

fn changes(frame: &Frame<'_>, user: &UserView) -> Markup {
    let name = &user.name;
    let base = format!("/admin/users/{}", link::segment(name.as_str()));
    let quoted = word(name.as_str());
    let is_own = name == frame.viewer.name;
    let password = Action {
        label: "Set password",
        to: format!("{base}/password"),
        fields: html! {
            p { "It ends the sessions of " (name) "." }
            (ask::password("password", "New password", Which::New))
        },
        twin: format!("lockstep user passwd {quoted}"),
        needs: Role::Admin,
        ..Action::default()
    };
    let others = Role::ALL.into_iter().filter(|role| *role != user.role);
    let role = Action {
        label: "Change role",
        to: format!("{base}/role"),
        fields: html! {
            p { "It counts at once, for sessions and API tokens that there are, too." }
            (ask::role(others))
        },
        twin: format!("lockstep user role {quoted} ROLE"),
        needs: Role::Admin,
        ..Action::default()
    };
    let remove = Action {
        label: "Remove",
        to: format!("{base}/remove"),
        twin: format!("lockstep user remove {quoted}"),
        needs: Role::Admin,
        warning: Some(format!(
            "{name} is signed out everywhere, and every API token of {name} is worth nothing any more. What {name} did stays \
             in the audit trail."
        )),
        ..Action::default()
    };
    html! {
        @if is_own { a href="/me" { "Your own page" } " " } @else { (password.draw(frame)) " " }
        (role.draw(frame)) " "
        @if !is_own { (remove.draw(frame)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::with_frame;

    fn name(text: &str) -> UserName {
        UserName::parse(text).unwrap()
    }

    fn user(text: &str, role: Role) -> UserView {
        UserView {
            name: name(text),
            role,
            has_password: true,
            created_at: "2026-11-01T00:00:00Z".parse().unwrap(),
            signed_in_at: None,
            locked_until: Some("2026-11-22T12:05:00Z".parse().unwrap()),
            sessions: 2,
            tokens: 1,
        }
    }

    fn session(id: &str) -> SessionView {
        SessionView {
            id: id.into(),
            user: name("bob"),
            created_at: "2026-11-22T11:00:00Z".parse().unwrap(),
            used_at: "2026-11-22T11:59:00Z".parse().unwrap(),
            expires_at: "2026-11-22T23:00:00Z".parse().unwrap(),
            from: "<192.0.2.7>".into(),
        }
    }

    fn token(label: &str) -> ApiTokenView {
        ApiTokenView {
            id: "tok1".into(),
            user: name("bob"),
            role: Role::Viewer,
            label: label.into(),
            created_at: "2026-11-22T11:00:00Z".parse().unwrap(),
            expires_at: None,
            used_at: None,
        }
    }

    fn drawn(role: Role, users: &[UserView]) -> String {
        with_frame(role, |frame| {
            let view = Users {
                users,
                page: 1,
                only: None,
                sessions: &[session("s1"), session("s2")],
                tokens: &[token("gate <kured>")],
                kiosks: &[],
                own_session: "s2",
            };
            page(frame, &view)
        })
    }

    #[test]
    fn users_can_be_changed_and_their_rights_taken_away() {
        let page = drawn(
            Role::Admin,
            &[user("ann", Role::Admin), user("bob", Role::Viewer)],
        );
        for words in [
            r#"action="/admin/users/bob/password""#,
            r#"action="/admin/users/bob/role""#,
            r#"action="/admin/users/bob/remove""#,
            r#"action="/admin/users/end-session""#,
            r#"action="/admin/users/revoke-token""#,
            "lockstep user passwd bob",
            "/admin/users?user=bob#sessions",
            "locked",
            "in 5 min",
            "&lt;192.0.2.7&gt;",
            "gate &lt;kured&gt;",
            "has no end",
        ] {
            assert!(page.contains(words), "{words}");
        }
        assert_eq!(page.matches("(this one)").count(), 1);
    }

    #[test]
    fn nobody_removes_himself_by_mistake_and_his_password_has_its_own_page() {
        let page = drawn(Role::Admin, &[user("ann", Role::Admin)]);
        assert!(!page.contains("/admin/users/ann/remove"));
        assert!(!page.contains("/admin/users/ann/password"));
        assert!(page.contains("(you)"));
    }

    #[test]
    fn a_role_that_one_has_is_not_offered() {
        let forms = with_frame(Role::Admin, |frame| {
            changes(frame, &user("bob", Role::Viewer))
        })
        .0;
        assert!(!forms.contains(r#"value="viewer""#) && forms.contains(r#"value="operator""#));
    }

    #[test]
    fn others_than_admins_are_offered_nothing() {
        let page = drawn(Role::Operator, &[user("bob", Role::Viewer)]);
        assert!(!page.contains("action=\"/admin/users"));
    }
}
