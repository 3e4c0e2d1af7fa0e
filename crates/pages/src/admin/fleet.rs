//! `/admin/fleet`: the fleet file in force, what is wrong with the newest one, and who does not follow.

use lockstep_model::api::operator::{FleetText, FleetVersion, FleetView};
use lockstep_model::{HostName, Role};
use maud::{Markup, html};

use super::{Part, draw, fleet_past};
use crate::parts::action::Action;
use crate::parts::empty::{command, empty};
use crate::parts::link;
use crate::parts::time::{ago, moment};
use crate::{Frame, Topic};

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct FleetFile<'a> {
    /// What is in force; none without a fleet file. Its texts are for operators, and are not drawn for others.
    pub in_force: Option<&'a FleetView>,
    /// What is wrong with the newest file, if it was refused.
    pub refused: &'a [String],
    /// True if a newer server accepted a file that this one does not understand.
    pub is_behind: bool,
    /// Where the server looks for it.
    pub path: &'a str,
    /// Hosts that do not do all of what they are told, by name, each with what it says.
    pub hosts: &'a [(&'a HostName, &'a str)],
    /// Those that were accepted, newest first; they are for operators, and are not drawn for others.
    pub versions: &'a [FleetVersion],
}

/// Lines of one file that are drawn.
const MOST_LINES: usize = 10_000;
/// Hosts that are named.
const MOST_HOSTS: usize = 200;

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, view: &FleetFile<'_>) -> String {
    let body = html! {
        (state(frame, view))
        // It is there while it is empty, so that a live page can fill it.
        div #fleet-refused data-live { @if !view.refused.is_empty() { (refused(view.refused)) } }
        div .actions { (reload().draw(frame)) }
        @if let Some(file) = view.in_force {
            (texts(frame, &file.files, "/api/v1/fleet"))
            (hosts(view.hosts))
        }
        (fleet_past::list(frame, view.versions))
        (compare(view.path))
    };
    draw(frame, Part::Fleet, "Fleet file", &[Topic::Hosts], &body)
}

fn state(frame: &Frame<'_>, view: &FleetFile<'_>) -> Markup {
    html! {
        section #fleet-state data-live aria-label="What is in force" {
            @if view.is_behind {
                p .warning { "A newer server accepted a fleet file that this one does not understand. Hosts keep what they have. "
                    "Bring this server to the version of the others." }
            }
            @match view.in_force {
                Some(file) => {
                    dl .facts {
                        dt { "In force" } dd { "number " b { (file.version) } }
                        dt { "Accepted" } dd { (moment(file.accepted_at)) ", " (ago(file.accepted_at, frame.now)) }
                        dt { "Read from" } dd .mono { (view.path) }
                    }
                },
                None => { (empty("There is no fleet file.", &html! {
                    p { "Hosts watch what is watched by default, and nobody is told of anything. Write " code { (view.path) }
                        " on the server, check it, and have the server take it over:" }
                    (command(&format!("lockstep fleet check {0}\nlockstep fleet reload", view.path)))
                })) },
            }
        }
    }
}

fn refused(errors: &[String]) -> Markup {
    html! {
        section .panel aria-labelledby="refused-title" {
            h2 #refused-title { "The newest file is refused" }
            p { "It changes nothing: what was in force before still is. Mend it and reload; the server looks by itself, too, "
                "when the file changes." }
            @for error in errors { pre .fault tabindex="0" { (error) } }
        }
    }
}

fn reload() -> Action<'static> {
    Action {
        label: "Reload",
        to: "/admin/fleet/reload".into(),
        twin: "lockstep fleet reload".into(),
        ..Action::default()
    }
}

/// What a fleet file says; `api` is the address at which the API says the same.
pub(super) fn texts(frame: &Frame<'_>, files: &[FleetText], api: &str) -> Markup {
    html! {
        h2 { "What it says" }
        @if frame.may(Role::Operator) {
            @for (number, file) in files.iter().enumerate() { (text(number, file, api)) }
            p { a href=(api) { "As JSON" } }
        } @else {
            p .muted { "Its text is for operators." }
        }
    }
}

fn text(number: usize, file: &FleetText, api: &str) -> Markup {
    let lines = file.text.lines().count();
    html! {
        details #{ "file-" (number) } {
            summary { span .mono { (file.name) } " " span .muted { (lines) @if lines == 1 { " line" } @else { " lines" } } }
            // The numbers are drawn by the style sheet, so that they are not copied along.
            pre .lines tabindex="0" aria-label={ "Text of " (file.name) } {
                code { @for line in file.text.lines().take(MOST_LINES) { span .line { (line) "\n" } } }
            }
            @if lines > MOST_LINES { p .muted { "and " (lines - MOST_LINES) " lines more; " a href=(api) { "all of it" } } }
        }
    }
}

fn hosts(hosts: &[(&HostName, &str)]) -> Markup {
    html! {
        section #not-taken data-live aria-labelledby="not-taken-title" {
            h2 #not-taken-title { "Hosts that do not do all of it" }
            @if hosts.is_empty() {
                p { "None: every host that has reported does what it is told." }
            } @else {
                div .scroll { table {
                    caption { "What of its work document a host does not do, by its own word" }
                    thead { tr { th scope="col" { "Host" } th scope="col" { "What, and why" } } }
                    tbody { @for (host, why) in hosts.iter().take(MOST_HOSTS) {
                        tr data-row { th scope="row" { (link::host(host)) } td .wide { (why) } }
                    } }
                } }
                @if hosts.len() > MOST_HOSTS { p .muted { "and " (hosts.len() - MOST_HOSTS) " more" } }
            }
        }
    }
}

fn compare(path: &str) -> Markup {
    html! {
        section .panel aria-labelledby="compare-title" {
            h2 #compare-title { "Before you change it" }
            p { "What would a changed file mean, and for whom?" }
            (command("lockstep fleet check new/fleet.toml\nlockstep fleet diff new/fleet.toml"))
            p { "What is one host told, and by which line?" }
            (command(&format!("lockstep fleet show HOST {path}\nlockstep explain HOST ITEM")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::with_frame;

    fn drawn(role: Role, with_file: bool, refused: &[String]) -> String {
        let host = HostName::parse("web1").unwrap();
        with_frame(role, |frame| {
            let file = FleetView {
                version: 7,
                accepted_at: "2026-11-22T11:57:00Z".parse().unwrap(),
                files: vec![FleetText {
                    name: "fleet.toml".into(),
                    text: "[group.web]\nhosts = [\"<web*>\"]\n".into(),
                }],
                refused: Vec::new(),
            };
            let view = FleetFile {
                in_force: with_file.then_some(&file),
                refused,
                is_behind: false,
                path: "/etc/lockstep/fleet.toml",
                hosts: &[(&host, "command:/bin/x is not <permitted>")],
                versions: &[],
            };
            page(frame, &view)
        })
    }

    #[test]
    fn operators_read_the_text_and_viewers_do_not() {
        let page = drawn(Role::Operator, true, &[]);
        assert!(page.contains("&lt;web*&gt;") && page.contains("2 lines"));
        assert!(page.contains(r#"<a href="/api/v1/fleet">As JSON"#));
        assert!(page.contains(r#"action="/admin/fleet/reload""#));
        let page = drawn(Role::Viewer, true, &[]);
        assert!(!page.contains("web*") && page.contains("number <b>7</b>"));
        assert!(!page.contains("/admin/fleet/reload"));
    }

    #[test]
    fn hosts_that_do_not_follow_are_named() {
        let page = drawn(Role::Viewer, true, &[]);
        assert!(page.contains("/hosts/web1") && page.contains("is not &lt;permitted&gt;"));
    }

    #[test]
    fn what_is_wrong_is_shown_with_its_place() {
        let page = drawn(
            Role::Viewer,
            true,
            &["fleet.toml:2:9: what is <this>?".into()],
        );
        assert!(page.contains("fleet.toml:2:9: what is &lt;this&gt;?"));
        assert!(page.contains("still is"));
    }

    #[test]
    fn without_a_file_it_says_where_to_write_it() {
        let page = drawn(Role::Operator, false, &[]);
        assert!(page.contains("There is no fleet file."));
        assert!(page.contains("lockstep fleet check /etc/lockstep/fleet.toml"));
    }
}
