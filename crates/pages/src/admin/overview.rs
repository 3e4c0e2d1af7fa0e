//! `/admin`: how the server stands, and the switch of updates.

use jiff::Timestamp;
use lockstep_model::Role;
use lockstep_model::api::Updates;
use lockstep_model::api::operator::{HealthPart, ServerStatus};
use maud::{Markup, html};

use super::{Part, draw};
use crate::chart::number;
use crate::parts::action::{Action, twin};
use crate::parts::empty::command;
use crate::parts::level::glyph;
use crate::parts::time::{ago, lasting};
use crate::{Frame, Topic};

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub struct Overview<'a> {
    /// How the server stands.
    pub status: &'a ServerStatus,
    /// The switch for the whole fleet; `status.updates` is off, too, where this server's configuration says so.
    pub switch: Updates,
    /// The number of the fleet file in force, and since when it is.
    pub fleet_file: Option<(u64, Timestamp)>,
    /// What this process has counted.
    pub figures: Figures,
}

/// What one server process has counted since it began.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// When it began.
    pub started_at: Timestamp,
    /// Reports that it has stored.
    pub reports: u64,
    /// Events that it has taken in, those sent twice included.
    pub events: u64,
    /// Messages to receivers that it has decided on.
    pub notices: u64,
    /// Streams of hints that hosts hold open.
    pub streams: u64,
    /// Bytes of the database; none if that is not known.
    pub database: Option<u64>,
    /// Pages that it has made.
    pub pages: u64,
    /// Below how many milliseconds half of them were made; none if that is not known.
    pub half: Option<u64>,
    /// Below how many 99 of 100 were.
    pub most: Option<u64>,
}

/// Draws the page.
#[must_use]
pub fn page(frame: &Frame<'_>, view: &Overview<'_>) -> String {
    let body = html! {
        div .cards {
            (server(frame, view))
            (updates(frame, view))
            (figures(frame, &view.figures))
            (health(&view.status.health))
            (backup(frame, view.status.backup_at))
        }
        (parts(frame))
    };
    let topics = [Topic::Hosts, Topic::Rollouts, Topic::Locks];
    draw(frame, Part::Overview, "Server", &topics, &body)
}

fn server(frame: &Frame<'_>, view: &Overview<'_>) -> Markup {
    let status = view.status;
    html! {
        section #server .panel data-live aria-labelledby="server-title" {
            h2 #server-title { "This server" }
            dl .facts {
                dt { "Version" } dd { (status.version) }
                dt { "Database" } dd { (status.database) }
                dt { "Hosts" } dd {
                    a href="/hosts" { (status.hosts) " enrolled" }
                    @if status.silent > 0 { ", " a href="/hosts?silent=true" { (status.silent) " silent" } }
                }
                dt { "Rollouts" } dd { a href="/rollouts" { (status.active_rollouts) " not over" } }
                dt { "Runs that wait for a person" } dd { a href="/runs?stopped=true" { (status.stopped_runs) } }
                dt { "Places of locks held" } dd { a href="/locks" { (status.locks_held) } }
                dt { "Release list" } dd {
                    @match status.targets_version {
                        Some(version) => { "version " (version) " of " code { "targets" } },
                        None => { "none yet: publish a release" },
                    }
                }
                dt { "Fleet file" } dd {
                    @match view.fleet_file {
                        Some((version, at)) => {
                            a href="/admin/fleet" { "number " (version) } ", accepted " (ago(at, frame.now))
                        },
                        None => { a href="/admin/fleet" { "none: hosts watch the defaults" } },
                    }
                    @if !status.fleet_refused.is_empty() { ", " b { "the newest one was refused" } }
                }
            }
            (twin("lockstep server status"))
        }
    }
}

fn updates(frame: &Frame<'_>, view: &Overview<'_>) -> Markup {
    let is_on = view.switch == Updates::On;
    html! {
        section #updates .panel data-live aria-labelledby="updates-title" {
            h2 #updates-title { "Updates of the fleet" }
            p { "Updates are " b { (if is_on { "on" } else { "off" }) } " for the whole fleet." }
            @if is_on && view.status.updates == Updates::Off {
                p .warning { "This server's own configuration has them off: hosts that speak with it change nothing." }
            }
            (switch(is_on).draw(frame))
            @if !frame.may(Role::Admin) { p .muted { "An admin can switch them." } }
        }
    }
}

fn switch(is_on: bool) -> Action<'static> {
    let (label, to, warning) = match is_on {
        true => (
            "Switch updates off",
            "off",
            "No host changes its version by this fleet's order any more, whatever rollouts are under way, until updates \
             are switched on again. Runs that have begun come to their end. It holds for all servers over one database.",
        ),
        false => (
            "Switch updates on",
            "on",
            "Rollouts go on where they stand: hosts that they have let go begin to change at once.",
        ),
    };
    Action {
        label,
        to: "/admin/updates".into(),
        hidden: vec![("updates", to.into())],
        twin: format!("lockstep server updates {to}"),
        needs: Role::Admin,
        warning: Some(warning.into()),
        ..Action::default()
    }
}

fn figures(frame: &Frame<'_>, figures: &Figures) -> Markup {
    html! {
        section #figures .panel data-live aria-labelledby="figures-title" {
            h2 #figures-title { "This process" }
            dl .facts {
                dt { "Up" } dd { (lasting(figures.started_at, frame.now)) }
                dt { "Reports stored" } dd { (figures.reports) }
                dt { "Events taken in" } dd { (figures.events) }
                dt { "Messages decided on" } dd { (figures.notices) }
                dt { "Streams of hosts" } dd { (figures.streams) }
                @if let Some(bytes) = figures.database {
                    dt { "Database" } dd { (number::bytes(bytes)) }
                }
                dt { "Pages made" } dd { (figures.pages) }
                @if let (Some(half), Some(most)) = (figures.half, figures.most) {
                    dt { "Time of a page" } dd { "half below " (half) " ms, 99 of 100 below " (most) " ms" }
                }
            }
            p { "Everything that is counted is at " code { "/metrics" } "." }
            (twin("lockstep server metrics"))
        }
    }
}

/// How the server itself stands, part by part.
fn health(parts: &[HealthPart]) -> Markup {
    html! {
        section #health .panel data-live aria-labelledby="health-title" {
            h2 #health-title { "Its health" }
            dl .facts {
                @for part in parts {
                    dt { (glyph(part.level)) " " (part.part) } dd { (part.words) }
                }
            }
            (twin("lockstep server status"))
        }
    }
}

fn backup(frame: &Frame<'_>, made: Option<Timestamp>) -> Markup {
    html! {
        section .panel aria-labelledby="backup-title" {
            h2 #backup-title { "Backup" }
            p { @match made {
                Some(at) => { "The last one was made " b { (ago(at, frame.now)) } "." },
                None => { b { "There never was one" } ", as far as this server knows." },
            } }
            p { "On the server's machine, while it runs. The file holds the fleet's private keys: keep it as safe as the "
                "server itself." }
            (command("lockstep server backup /backup/lockstep.tar.zst"))
            p { "It comes back into an empty data directory, of either kind of database." }
            (command("lockstep server restore /backup/lockstep.tar.zst"))
        }
    }
}

fn parts(frame: &Frame<'_>) -> Markup {
    html! {
        h2 { "More" }
        ul {
            @if frame.may(Role::Operator) {
                li { a href="/admin/enrolment" { "Enrolment" } ": tokens by which new hosts come in" }
            }
            @if frame.may(Role::Admin) {
                li { a href="/admin/users" { "Users" } ": who may do what, sessions, API tokens" }
            }
            li { a href="/admin/audit" { "Audit trail" } ": who did what" }
            li { a href="/admin/fleet" { "Fleet file" } ": what is in force, and what is wrong with the newest" }
            li { a href="/admin/probes" { "Probes" } ": plugins and scripts that hosts run, and whether they are the same file everywhere" }
            li { a href="/admin/alerts" { "Alerts" } ": who can be told, and what became of messages" }
            li { a href="/me" { "Your password, sessions and API tokens" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Level, Version};

    use super::*;
    use crate::frame::tests::with_frame;

    fn status() -> ServerStatus {
        ServerStatus {
            version: Version::parse("1.2.3").unwrap(),
            now: Timestamp::UNIX_EPOCH,
            database: "sqlite".into(),
            hosts: 142,
            silent: 3,
            active_rollouts: 1,
            updates: Updates::On,
            targets_version: None,
            stopped_runs: 0,
            locks_held: 0,
            fleet_refused: vec!["x".into()],
            levels: Default::default(),
            unhandled: 0,
            in_change: 0,
            rollouts: Vec::new(),
            health: vec![HealthPart {
                part: "decider".into(),
                level: Level::CRITICAL,
                words: "nobody <decides>".into(),
            }],
            backup_at: None,
        }
    }

    fn drawn(role: Role, status: &ServerStatus, switch: Updates) -> String {
        with_frame(role, |frame| {
            page(
                frame,
                &Overview {
                    status,
                    switch,
                    fleet_file: Some((7, frame.now)),
                    figures: Figures {
                        started_at: "2026-11-22T09:00:00Z".parse().unwrap(),
                        reports: 90_210,
                        database: Some(2 * 1_048_576),
                        half: Some(5),
                        most: Some(50),
                        ..Figures::default()
                    },
                },
            )
        })
    }

    #[test]
    fn it_says_how_the_server_stands() {
        let page = drawn(Role::Viewer, &status(), Updates::On);
        for words in [
            "142 enrolled",
            "3 silent",
            "number 7",
            "the newest one was refused",
            "90210",
            ">3 h<",
            "lockstep server backup",
            "There never was one",
            "◆",
            "nobody &lt;decides&gt;",
            "half below 5 ms, 99 of 100 below 50 ms",
            "2.097 MB",
        ] {
            assert!(page.contains(words), "{words}");
        }
    }

    #[test]
    fn it_leads_to_all_parts_that_one_may_open() {
        for role in [Role::Viewer, Role::Operator, Role::Admin] {
            let page = with_frame(role, |frame| parts(frame).0);
            for (part, path, _, needs) in super::super::PARTS {
                let link = format!("href=\"{path}\"");
                let expected = role >= needs && part != Part::Overview;
                assert_eq!(page.contains(&link), expected, "{role}: {path}");
            }
        }
    }

    #[test]
    fn only_admins_have_the_switch_and_it_warns() {
        let admin = drawn(Role::Admin, &status(), Updates::On);
        assert!(admin.contains(r#"action="/admin/updates""#));
        assert!(
            admin.contains(r#"name="updates" value="off""#) && admin.contains("No host changes")
        );
        assert!(!drawn(Role::Operator, &status(), Updates::On).contains("/admin/updates"));
        let off = drawn(Role::Admin, &status(), Updates::Off);
        assert!(off.contains("lockstep server updates on"));
    }

    #[test]
    fn a_server_that_is_off_by_itself_says_so() {
        let status = ServerStatus {
            updates: Updates::Off,
            ..status()
        };
        assert!(
            drawn(Role::Viewer, &status, Updates::On).contains("own configuration has them off")
        );
        assert!(!drawn(Role::Viewer, &status, Updates::Off).contains("own configuration"));
    }
}
