//! Hosts that do not run what their channel says, and what is in the way of each.

use std::collections::BTreeMap;

use lockstep_model::api::operator::{ChannelBehind, HostBehind, WhyBehind};
use lockstep_model::{HostName, PackageName};
use maud::{Markup, html};

use crate::chart::number;
use crate::parts::action::{twin, word};
use crate::parts::link;
use crate::parts::link::package_path;
use crate::rollouts::path;

/// Hosts that are named on the page of a package, of each channel.
const NAMED: usize = 200;

/// Each channel of a package, with a link to who is behind.
pub(super) fn summary(name: &PackageName, channels: &[ChannelBehind]) -> Markup {
    let of_package = || channels.iter().filter(|it| it.package == *name);
    html! {
        @if of_package().next().is_some() {
            ul .plain .behind {
                @for it in of_package() {
                    li { span .channel { (it.channel) } " → " (it.version) ": "
                        @if it.followers == 0 { "no host follows it" }
                        @else if it.behind == 0 { "all of " (number::count(it.followers, "host")) " there" }
                        @else { a href={ (package_path(name.as_str())) "#behind-" (it.channel) } {
                            b { (it.behind) " of " (number::count(it.followers, "host")) } " behind"
                        } }
                    }
                }
            }
        }
    }
}

/// Who is behind each channel of the package, and why.
pub(super) fn lists(name: &PackageName, channels: &[ChannelBehind]) -> Markup {
    html! {
        @if !channels.is_empty() {
            section #behind data-live aria-labelledby="behind-title" {
                h2 #behind-title { "Hosts behind" }
                p { "Hosts that follow a channel and do not run what it says; those that a pin holds are not meant. "
                    (twin(&format!("lockstep release behind {}", word(name.as_str())))) }
                @for it in channels { (list(it)) }
            }
        }
    }
}

fn list(it: &ChannelBehind) -> Markup {
    html! {
        section #{ "behind-" (it.channel) } aria-label={ "Behind " (it.channel) } {
            h3 { span .channel { (it.channel) } " → " (it.version) ": " (it.behind) " of " (number::count(it.followers, "host")) }
            @if let (Some(rollout), Some(state)) = (it.rollout, it.state) {
                p { "By " a href=(path(rollout)) { "rollout " (rollout) } ": " (state) "." }
            }
            @if it.behind > 0 {
                p { @for (why, count) in reasons(&it.hosts) { span .chip { b { (count) } " " (why.words()) } " " } }
                details {
                    summary { "Which ones" }
                    div .scroll { table {
                        caption .unseen { "Hosts behind " (it.channel) }
                        thead { tr { th scope="col" { "Host" } th scope="col" { "Runs" } th scope="col" { "In the way" } } }
                        tbody { @for host in it.hosts.iter().take(NAMED) { (row(host)) } }
                    } }
                    @let more = it.behind.saturating_sub(it.hosts.len().min(NAMED) as u64);
                    @if more > 0 { p { "And " (number::count(more, "more host")) "." } }
                }
            }
        }
    }
}

fn row(it: &HostBehind) -> Markup {
    html! {
        tr data-row {
            td { (link::host(&it.host)) }
            td { @match &it.version { Some(version) => (version), None => "–" } }
            td { (it.why.words()) ", " a href=(explained(&it.host)) { "explained" } }
        }
    }
}

/// Where the page of a host says what keeps it from a version.
fn explained(host: &HostName) -> String {
    format!("{}#host-versions", link::host_path(host))
}

/// How many there are for each reason.
fn reasons(hosts: &[HostBehind]) -> BTreeMap<WhyBehind, usize> {
    let mut reasons = BTreeMap::new();
    for host in hosts {
        *reasons.entry(host.why).or_default() += 1;
    }
    reasons
}
