//! Signing in: a page without the navigation, since there is nobody yet to whom it would lead anywhere.

use lockstep_model::api::operator::Password;
use maud::html;

use crate::frame::{Head, Theme, document};

/// The page of one attempt.
#[derive(Debug, Clone, Copy)]
pub struct SignIn<'a> {
    /// The name that was typed before.
    pub name: &'a str,
    /// Where to go afterwards, a path of ours.
    pub to: &'a str,
    /// What was said to the attempt before.
    pub refused: Option<&'a str>,
    /// Light or dark.
    pub theme: Theme,
}

/// Draws the page.
#[must_use]
pub fn page(form: &SignIn<'_>) -> String {
    let refused = form.refused.is_some();
    let body = html! {
        main #main .alone .sign-in {
            h1 { "Sign in to Lockstep" }
            @if let Some(words) = form.refused {
                p #refused .refused role="alert" { (words) }
            }
            form method="post" action="/sign-in" {
                input type="hidden" name="to" value=(form.to);
                p {
                    label for="name" { "Name" }
                    input #name name="name" value=(form.name) required maxlength="64" autocomplete="username"
                        autocapitalize="none" spellcheck="false" autofocus[!refused];
                }
                p {
                    label for="password" { "Password" }
                    input #password type="password" name="password" required maxlength=(Password::MOST)
                        autocomplete="current-password" autofocus[refused]
                        aria-describedby=[refused.then_some("refused")];
                }
                button { "Sign in" }
            }
            p .hint { "An admin gives you a name and a password: " code { "lockstep user add NAME --role viewer" } }
        }
    };
    document(
        &Head {
            title: "Sign in",
            theme: form.theme,
            now: None,
            topics: "",
            editions: "",
            reloads: false,
        },
        &body,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_comes_back_but_for_the_password() {
        let page = page(&SignIn {
            name: "\"><script>",
            to: "/hosts?q=a&b",
            refused: Some("the name or the password is wrong"),
            theme: Theme::Dark,
        });
        assert!(
            page.contains(r#"value="&quot;&gt;&lt;script&gt;""#),
            "{page}"
        );
        assert!(page.contains(r#"name="to" value="/hosts?q=a&amp;b""#));
        assert!(page.contains("role=\"alert\">the name or the password is wrong"));
        assert!(page.contains(r#"autocomplete="current-password" autofocus"#));
    }

    #[test]
    fn a_first_attempt_was_not_refused() {
        let page = page(&SignIn {
            name: "",
            to: "/",
            refused: None,
            theme: Theme::Auto,
        });
        assert!(!page.contains("alert") && !page.contains("aria-describedby"));
    }
}
