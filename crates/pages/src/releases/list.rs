//! All packages.

use lockstep_model::PackageName;
use lockstep_model::api::operator::ChannelBehind;
use maud::{Markup, html};

use super::{Versions, behind, failed, runs_what};
use crate::chart::number;
use crate::parts::empty::{command, empty};
use crate::parts::link::package_path;

/// Versions of a package that are named here; its own page has them all.
const NEWEST: usize = 5;

/// A section for each package.
pub(super) fn packages(
    packages: &[(&PackageName, Versions<'_>)],
    of_channels: &[ChannelBehind],
) -> Markup {
    html! {
        div #packages data-live {
            @if packages.is_empty() { (none()) }
            @for (name, versions) in packages { (section(name, versions, of_channels)) }
        }
    }
}

fn section(name: &PackageName, versions: &Versions<'_>, of_channels: &[ChannelBehind]) -> Markup {
    let path = package_path(name.as_str());
    html! {
        section .package aria-label={ "Package " (name) } {
            h2 { a href=(path) { (name) } @if *name == PackageName::lockstep() { " " span .mark { "the agent itself" } } }
            div .beside {
                table .versions {
                    caption .unseen { "Newest versions of " (name) }
                    thead { tr {
                        th scope="col" { "Version" } th scope="col" { "Channels" } th scope="col" { "Failed on" }
                    } }
                    tbody {
                        @for (version, releases) in versions.iter().take(NEWEST) {
                            tr data-row {
                                td { a href={ (path) "#v-" (version) } { (version) }
                                    @if releases.iter().any(|it| it.suspect.is_some()) { " " span .mark { "⚠ suspect" } } }
                                td { (channels(releases)) }
                                td { @match failed(releases) {
                                    0 => "none",
                                    failed => (number::count(failed, "host")),
                                } }
                            }
                        }
                    }
                }
                (runs_what(name, versions))
            }
            (behind::summary(name, of_channels))
            @if versions.len() > NEWEST { p .more { a href=(path) { "and " (versions.len() - NEWEST) " older versions" } } }
        }
    }
}

/// The channels that point at a version.
pub(super) fn channels(releases: &[&lockstep_model::api::operator::ReleaseView]) -> Markup {
    let names = releases.first().map(|release| release.channels.as_slice());
    html! { @for name in names.unwrap_or_default() { span .channel { (name) } " " } }
}

fn none() -> Markup {
    let next = html! {
        p { "A release is built from a directory, signed with the publisher's keys and published. Nothing moves before it is "
            "promoted:" }
        (command("lockstep keys init ~/lockstep-keys"))
        (command("lockstep release build tree --package lockstep --version 1.4.0 -o lockstep-1.4.0.tar.zst"))
        (command("lockstep release publish lockstep-1.4.0.tar.zst --keys ~/lockstep-keys"))
        (command("lockstep release promote lockstep 1.4.0 --to stable"))
    };
    empty("Nothing has been published yet.", &next)
}
