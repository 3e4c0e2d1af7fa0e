//! What the forms of these pages ask for, and how they go on to older rows.

use lockstep_model::Role;
use lockstep_model::api::operator::Password;
use maud::{Markup, html};

/// Which password is meant; the browser's keeper of passwords asks (HTML, section 4.10.18.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one that counts now.
    Current,
    /// One that shall count from now on.
    New,
    /// The same, where none may be given.
    Perhaps,
}

/// A password.
pub(crate) fn password(name: &str, label: &str, which: Which) -> Markup {
    let (autocomplete, least) = match which {
        Which::Current => ("current-password", None),
        Which::New | Which::Perhaps => ("new-password", Some(Password::LEAST)),
    };
    html! {
        label { span { (label) }
            input type="password" name=(name) autocomplete=(autocomplete) minlength=[least] maxlength=(Password::MOST)
                required[which != Which::Perhaps];
        }
    }
}

/// A whole number.
pub(crate) fn number(name: &str, label: &str, value: u32, most: u32) -> Markup {
    html! {
        label { span { (label) } input type="number" name=(name) value=(value) min="1" max=(most) required; }
    }
}

/// One of these roles; the first is chosen before anybody chooses.
pub(crate) fn role(roles: impl IntoIterator<Item = Role>) -> Markup {
    html! {
        label { span { "Role" }
            select name="role" { @for role in roles { option value=(role) { (role) ": " (may(role)) } } }
        }
    }
}

/// What a role may do, in words.
fn may(role: Role) -> &'static str {
    match role {
        Role::Viewer => "sees, changes nothing",
        Role::Operator => "runs the fleet",
        Role::Admin => "says who may do what",
    }
}

/// The way to the older rows of a list that is newest first, and back to its beginning.
pub(crate) fn pager(first: Option<&str>, older: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || older.is_some() {
            nav .pager aria-label="Pages of the list" {
                @if let Some(first) = first { a href=(first) { "← Newest" } }
                @if let Some(older) = older { a rel="next" href=(older) { "Older →" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_and_has_its_least_length() {
        let new = password("password", "Password", Which::New).0;
        assert!(
            new.contains(r#"type="password""#) && new.contains(r#"autocomplete="new-password""#)
        );
        assert!(new.contains(r#"minlength="15""#) && new.contains("required"));
        assert!(!new.contains("value="));
        let old = password("old", "Old", Which::Current).0;
        assert!(old.contains("current-password") && !old.contains("minlength"));
        assert!(!password("p", "P", Which::Perhaps).0.contains("required"));
    }
}
