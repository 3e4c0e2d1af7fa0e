//! There is no such host.

use lockstep_model::nearest;
use maud::html;

use crate::frame::{Frame, Here, Sheet};
use crate::parts::link;

/// Names that are offered.
const MOST: usize = 8;

/// The page in place of a host that nobody knows: which may have been meant?
#[must_use]
pub fn missing<'a>(
    frame: &Frame<'_>,
    asked: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    let near = near(asked, &known.into_iter().collect::<Vec<_>>());
    let shown: String = asked.chars().take(100).collect();
    let body = html! {
        p { "No host named " b { (shown) } " is enrolled or watched." }
        @if !near.is_empty() {
            p { "Was one of these meant?" }
            ul { @for name in near { li { a href={ "/hosts/" (link::segment(name)) } { (name) } } } }
        }
        p { a href="/hosts" { "All hosts" } " · " a href="/admin/enrolment" { "How to enrol one" } }
    };
    frame.draw(Sheet {
        title: "No such host",
        here: Here::Hosts,
        topics: &[],
        body,
    })
}

/// The names that are nearest: those with the same first label, those that begin alike, and the one with the fewest slips.
fn near<'a>(asked: &str, known: &[&'a str]) -> Vec<&'a str> {
    let asked = asked.to_lowercase();
    let label = asked.split('.').next().unwrap_or_default();
    let mut near: Vec<&str> = known
        .iter()
        .copied()
        .filter(|name| {
            !label.is_empty() && (name.split('.').next() == Some(label) || name.starts_with(label))
        })
        .take(MOST)
        .collect();
    let slips = [
        nearest(&asked, known.iter().copied()),
        known.iter().copied().find(|name| {
            let first = name.split('.').next().unwrap_or_default();
            nearest(label, [first]).is_some()
        }),
    ];
    for name in slips.into_iter().flatten() {
        if !near.contains(&name) && near.len() < MOST {
            near.push(name);
        }
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["db1.example.org", "web1.example.org", "web2.example.org"];
        assert_eq!(near("web1", &known), ["web1.example.org"]);
        assert_eq!(
            near("web", &known),
            ["web1.example.org", "web2.example.org"]
        );
        assert_eq!(near("wbe1.example.org", &known)[0], "web1.example.org");
        assert!(near("mail", &known).is_empty());
        assert!(near("", &known).is_empty());
        assert!(near(&"x".repeat(10_000), &known).is_empty());
    }
}
