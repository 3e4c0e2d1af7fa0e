//! What a page says when there is nothing to show: what to do next.

use maud::{Markup, html};

/// Nothing is here: why, and what to do.
#[must_use]
pub fn empty(why: &str, next: &Markup) -> Markup {
    html! { div .empty { p { b { (why) } } (next) } }
}

/// A command that somebody would type next.
#[must_use]
pub fn command(line: &str) -> Markup {
    html! { pre .command { code { (line) } } }
}
