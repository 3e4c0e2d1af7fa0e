//! Fleet files that were in force before: the list on `/admin/fleet`, and `/admin/fleet/NUMBER`.

use lockstep_model::Role;
use lockstep_model::api::operator::{FileCompared, FleetCompared, FleetVersion, FleetVersionText};
use maud::{Markup, html};

use super::{Part, draw, fleet};
use crate::Frame;
use crate::parts::action::twin;
use crate::parts::time::{ago, moment};

/// Lines of one difference that are drawn.
const MOST_LINES: usize = 5_000;

/// One that was in force, beside another one.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// What it said.
    pub file: &'a FleetVersionText,
    /// What is another than in the one it is held against; none where there is none before it.
    pub compared: Option<&'a FleetCompared>,
    /// All that are kept, newest first.
    pub versions: &'a [FleetVersion],
}

/// The list of those that are kept, for operators.
pub(super) fn list(frame: &Frame<'_>, versions: &[FleetVersion]) -> Markup {
    html! {
        @if frame.may(Role::Operator) && !versions.is_empty() {
            section #fleet-versions data-live aria-labelledby="versions-title" {
                h2 #versions-title { "Those before it" }
                div .scroll { table {
                    caption { "Fleet files that were accepted, newest first; fifty are kept" }
                    thead { tr { th scope="col" { "Number" } th scope="col" { "Accepted" } th scope="col" { "By" } } }
                    tbody { @for version in versions {
                        tr data-row {
                            th scope="row" { a href={ "/admin/fleet/" (version.version) } { (version.version) } }
                            td { (ago(version.accepted_at, frame.now)) }
                            td .wide { (version.accepted_by) }
                        }
                    } }
                } }
                (twin("lockstep fleet versions"))
            }
        }
    }
}

/// Draws the page of one.
#[must_use]
pub fn page(frame: &Frame<'_>, past: &Past<'_>) -> String {
    let version = &past.file.version;
    let body = html! {
        dl .facts {
            dt { "Accepted" } dd { (moment(version.accepted_at)) ", " (ago(version.accepted_at, frame.now)) }
            dt { "By" } dd { (version.accepted_by) }
            dt { "Hash" } dd .mono { (version.hash) }
        }
        form .inline method="get" action={ "/admin/fleet/" (version.version) } {
            label for="before" { "Held against number " }
            select #before name="before" {
                @for other in past.versions.iter().filter(|it| it.version != version.version) {
                    option value=(other.version)
                        selected[past.compared.is_some_and(|it| it.before == other.version)] { (other.version) }
                }
            }
            " " button { "Compare" }
        }
        @if let Some(compared) = past.compared { (differences(compared)) }
        (fleet::texts(frame, &past.file.files, &format!("/api/v1/fleet/versions/{}", version.version)))
        p { a href="/admin/fleet" { "The one in force" } }
    };
    let title = format!("Fleet file {}", version.version);
    draw(frame, Part::Fleet, &title, &[], &body)
}

fn differences(compared: &FleetCompared) -> Markup {
    html! {
        section aria-labelledby="differences-title" {
            h2 #differences-title { "What is another than in number " (compared.before) }
            @if compared.files.is_empty() { p { "Nothing: they say the same." } }
            @for file in &compared.files { (difference(file)) }
            (twin(&format!("lockstep fleet versions {} {}", compared.before, compared.after)))
        }
    }
}

fn difference(file: &FileCompared) -> Markup {
    let lines = file.diff.lines().count();
    html! {
        h3 .mono { (file.name) }
        // Each line begins with a sign, so that colour is never the only one.
        pre .diff tabindex="0" aria-label={ "Difference of " (file.name) } {
            code { @for line in file.diff.lines().take(MOST_LINES) {
                @match line.as_bytes().first() {
                    Some(b'+') => { ins { (line) } "\n" },
                    Some(b'-') => { del { (line) } "\n" },
                    _ => { (line) "\n" },
                }
            } }
        }
        @if lines > MOST_LINES { p .muted { "and " (lines - MOST_LINES) " lines more" } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::with_frame;
    use lockstep_model::ContentHash;
    use lockstep_model::api::operator::FleetText;

    fn version(number: u64) -> FleetVersion {
        FleetVersion {
            version: number,
            accepted_at: "2026-11-22T11:57:00Z".parse().unwrap(),
            accepted_by: "<ann>".into(),
            hash: ContentHash::from_digest([7; 32]),
        }
    }

    #[test]
    fn operators_see_who_brought_which() {
        let versions = [version(8), version(7)];
        let page = with_frame(Role::Operator, |frame| list(frame, &versions)).0;
        assert!(page.contains(r#"href="/admin/fleet/7""#) && page.contains("&lt;ann&gt;"));
        assert_eq!(
            with_frame(Role::Viewer, |frame| list(frame, &versions)).0,
            ""
        );
    }

    #[test]
    fn a_difference_has_signs_and_no_markup_of_its_own() {
        let file = FleetVersionText {
            version: version(8),
            files: vec![FleetText {
                name: "fleet.toml".into(),
                text: "new\n".into(),
            }],
        };
        let compared = FleetCompared {
            before: 7,
            after: 8,
            files: vec![FileCompared {
                name: "fleet.toml".into(),
                diff: "@@ -1 +1 @@\n-<old>\n+new\n".into(),
            }],
        };
        let page = with_frame(Role::Operator, |frame| {
            page(
                frame,
                &Past {
                    file: &file,
                    compared: Some(&compared),
                    versions: &[version(8), version(7)],
                },
            )
        });
        assert!(page.contains("<del>-&lt;old&gt;</del>") && page.contains("<ins>+new</ins>"));
        assert!(page.contains("lockstep fleet versions 7 8"));
        assert!(page.contains(r#"<a href="/api/v1/fleet/versions/8">As JSON"#));
        assert!(
            page.contains(r#"<option value="7" selected>7</option>"#),
            "{page}"
        );
    }
}
