//! What is said when a page cannot be shown, or an action cannot be done.

use maud::html;

use crate::frame::{Head, Theme, document};

/// A page of its own that says what went wrong and where to go.
#[must_use]
pub fn page(status: u16, title: &str, detail: &str, theme: Theme) -> String {
    let body = html! {
        main #main .alone {
            h1 { (title) }
            p { (detail) }
            p { "Status " (status) ". " a href="/" { "Go to the problems" } " or go back." }
        }
    };
    document(
        &Head {
            title,
            theme,
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
    fn what_went_wrong_is_said_and_not_run() {
        let page = page(
            404,
            "Not found",
            "no host named <img src=x> is enrolled",
            Theme::Dark,
        );
        assert!(page.contains("&lt;img") && page.contains(r#"data-theme="dark""#));
    }
}
