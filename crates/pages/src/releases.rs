//! `/releases` and `/releases/PACKAGE`: what may be installed, who signed it, who runs it, and promotions.

mod behind;
mod kept_up;
mod list;
mod package;
mod signed;

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_model::api::operator::{ChannelBehind, ReleaseView};
use lockstep_model::{PackageName, Version};
use maud::{Markup, html};

use crate::chart::{self, Bar};
use crate::parts::link;
use crate::{Frame, Here, Topic, frame::Sheet};

pub use kept_up::KeptUp;
pub use signed::Signed;

/// Draws the page of all packages; `behind` has their channels.
#[must_use]
pub fn page(
    frame: &Frame<'_>,
    releases: &[ReleaseView],
    behind: &[ChannelBehind],
    signed: &[Signed],
) -> String {
    let body = html! {
        (list::packages(&by_package(releases), behind))
        (signed::signed(frame, signed))
    };
    frame.draw(Sheet {
        title: "Releases",
        here: Here::Releases,
        topics: &[Topic::Releases, Topic::Hosts],
        body,
    })
}

/// Draws the page of one package; all that is told is of it alone.
#[must_use]
pub fn package_page(
    frame: &Frame<'_>,
    name: &PackageName,
    releases: &[ReleaseView],
    behind: &[ChannelBehind],
    kept_up: &[KeptUp],
    signed: &[Signed],
) -> String {
    let body = html! {
        (behind::lists(name, behind))
        (kept_up::section(kept_up, frame.now))
        (package::versions(frame, name, &versions(releases)))
        (signed::signed(frame, signed))
    };
    let title = format!("Releases of {name}");
    frame.draw(Sheet {
        title: &title,
        here: Here::Releases,
        topics: &[Topic::Releases, Topic::Hosts],
        body,
    })
}

/// One version of a package: its releases, one for each platform.
type Versions<'a> = Vec<(&'a Version, Vec<&'a ReleaseView>)>;

/// Packages by name, the agents' own first; versions newest first.
fn by_package(releases: &[ReleaseView]) -> Vec<(&PackageName, Versions<'_>)> {
    let mut packages: BTreeMap<&PackageName, Vec<&ReleaseView>> = BTreeMap::new();
    for release in releases {
        let package = &release.release.details.package;
        packages.entry(package).or_default().push(release);
    }
    let own = PackageName::lockstep();
    let packages = packages.into_iter();
    let mut packages: Vec<_> = packages
        .map(|(name, releases)| (name, sorted(releases)))
        .collect();
    packages.sort_by_key(|(name, _)| **name != own);
    packages
}

fn versions(releases: &[ReleaseView]) -> Versions<'_> {
    sorted(releases.iter().collect())
}

fn sorted(releases: Vec<&ReleaseView>) -> Versions<'_> {
    let mut versions: BTreeMap<&Version, Vec<&ReleaseView>> = BTreeMap::new();
    for release in releases {
        let version = &release.release.details.version;
        versions.entry(version).or_default().push(release);
    }
    versions.into_iter().rev().collect()
}

/// The hosts that run a version; the releases of all its platforms say the same.
fn hosts(releases: &[&ReleaseView]) -> u64 {
    let hosts = releases.iter().map(|release| release.hosts);
    hosts.max().unwrap_or_default()
}

/// The hosts that failed on a version.
fn failed(releases: &[&ReleaseView]) -> u64 {
    let failed = releases.iter().map(|release| release.failed);
    failed.max().unwrap_or_default()
}

/// Who runs what; each bar leads to the hosts.
fn runs_what(name: &PackageName, versions: &Versions<'_>) -> Markup {
    let run = versions.iter().filter(|(_, releases)| hosts(releases) > 0);
    let bars: Vec<Bar> = run
        .map(|(version, releases)| Bar {
            label: version.to_string(),
            count: hosts(releases),
            href: Some(hosts_path(name, version)),
        })
        .collect();
    html! {
        @if bars.is_empty() { p .muted { "No host runs it." } }
        @else { (chart::bars("Hosts by version", &bars)) }
    }
}

/// The list of hosts that run a version.
fn hosts_path(name: &PackageName, version: &Version) -> String {
    link::ask(
        "/hosts",
        &[
            ("package", Some(name.as_str())),
            ("version", Some(&version.to_string())),
        ],
    )
}

/// How far away a date is, for those that matter when they pass.
fn is_soon(at: Timestamp, now: Timestamp) -> bool {
    at.duration_since(now).as_hours() < 7 * 24
}

#[cfg(test)]
mod tests;
