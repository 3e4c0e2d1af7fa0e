//! One package: its versions, and what can be done with each.

use lockstep_model::api::operator::ReleaseView;
use lockstep_model::{Delta, PackageName, Suspect, Version};
use maud::{Markup, html};

use super::list::channels;
use super::{Versions, failed, hosts, hosts_path, runs_what};
use crate::Frame;
use crate::chart::number;
use crate::parts::action::{Action, text, tick, word};
use crate::parts::empty::{command, empty};
use crate::parts::link::package_path;
use crate::parts::time::moment;
use crate::rollouts::path;

/// The versions, newest first.
pub(super) fn versions(frame: &Frame<'_>, name: &PackageName, versions: &Versions<'_>) -> Markup {
    html! {
        div #versions data-live {
            @if versions.is_empty() {
                (empty(
                    &format!("No release of {name} is listed."),
                    &command("lockstep release publish BUNDLE --keys ~/lockstep-keys"),
                ))
            } @else {
                (runs_what(name, versions))
                @for (version, releases) in versions { (section(frame, name, version, releases)) }
            }
        }
    }
}

fn section(
    frame: &Frame<'_>,
    name: &PackageName,
    version: &Version,
    releases: &[&ReleaseView],
) -> Markup {
    let suspect = releases.iter().find_map(|it| it.suspect.as_ref());
    let deltas: Vec<(&Delta, u64)> = releases
        .iter()
        .flat_map(|it| it.deltas.iter().map(|delta| (delta, it.release.length)))
        .collect();
    html! {
        section .version #{ "v-" (version) } aria-label={ "Version " (version) } {
            h2 { (version) " " (channels(releases)) @if suspect.is_some() { " " span .mark { "⚠ suspect" } } }
            p { a href=(hosts_path(name, version)) { (number::count(hosts(releases), "host")) } @if hosts(releases) == 1 { " runs it" } @else { " run it" }
                ", " (number::count(failed(releases), "host")) " failed on it or took it back." }
            @if let Some(suspect) = suspect { (blame(frame, suspect)) }
            table .platforms {
                caption .unseen { "Bundles of " (version) }
                thead { tr {
                    th scope="col" { "Platform" } th scope="col" { "Bundle" } th scope="col" { "Unpacked" } th scope="col" { "SHA-256" }
                } }
                tbody { @for it in releases { tr {
                    td { (it.release.details.platform) } td { (number::bytes(it.release.length)) }
                    td { (number::bytes(it.release.details.unpacked_bytes)) ", " (it.release.details.entries) " entries" }
                    td { code .hash { (it.release.hash) } }
                } } }
            }
            @if !deltas.is_empty() { (delta_table(version, &deltas)) }
            (promote(frame, name, version, suspect))
        }
    }
}

fn delta_table(version: &Version, deltas: &[(&Delta, u64)]) -> Markup {
    html! {
        details .deltas #{ "deltas-" (version) } {
            summary { (number::count(deltas.len() as u64, "delta")) " that lead here" }
            table {
                caption .unseen { "Deltas to " (version) }
                thead { tr {
                    th scope="col" { "From" } th scope="col" { "Platform" } th scope="col" { "Size" }
                    th scope="col" { "Of the bundle" } th scope="col" { "Made by" }
                } }
                tbody { @for (delta, bundle) in deltas { tr {
                    td { (delta.details.from.version) } td { (delta.details.platform) } td { (number::bytes(delta.length)) }
                    td { (number::share(delta.length as f64 / (*bundle).max(1) as f64)) } td { (delta.details.algorithm) }
                } } }
            }
        }
    }
}

/// Why a version is suspect, and how the mark is taken off.
fn blame(frame: &Frame<'_>, suspect: &Suspect) -> Markup {
    let (package, version) = (suspect.package.as_str(), suspect.version.to_string());
    let clear = Action {
        label: "Clear the mark",
        to: format!("{}/clear", package_path(package)),
        hidden: vec![("version", version.clone())],
        fields: html! {
            p { "A rollout of the version that holds because it is suspect goes on; one that was halted stays so." }
            (text("why", "Why it is not suspect any more", "", true))
        },
        twin: format!(
            "lockstep release clear {} {} --why WHY",
            word(package),
            word(&version)
        ),
        ..Action::default()
    };
    html! {
        p .blame { span aria-hidden="true" { "⚠" } " Suspect since " (moment(suspect.since)) ": " (suspect.why) ". Found by "
            a href=(path(suspect.rollout)) { "rollout " (suspect.rollout) } "." }
        (clear.draw(frame))
    }
}

fn promote(
    frame: &Frame<'_>,
    name: &PackageName,
    version: &Version,
    suspect: Option<&Suspect>,
) -> Markup {
    let version = version.to_string();
    let even = if suspect.is_some() {
        " --even-if-suspect"
    } else {
        ""
    };
    Action {
        label: "Promote",
        to: format!("{}/promote", package_path(name.as_str())),
        hidden: vec![("version", version.clone())],
        fields: html! {
            p { "The channel points at " (name) " " (version) " from then on, and a rollout brings it to the hosts that follow, "
                "wave by wave." }
            (text("channel", "Channel", "stable", true))
            (tick("urgent", "Urgent: no windows, no spread, the shorter bake time"))
            @if suspect.is_some() { (tick("even_if_suspect", "Even if it is suspect: the mark is taken off")) }
        },
        twin: format!(
            "lockstep release promote {} {} --to stable{even}",
            word(name.as_str()),
            word(&version)
        ),
        ..Action::default()
    }
    .draw(frame)
}
