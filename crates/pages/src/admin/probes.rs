//! `/admin/probes`: the plugins and scripts that hosts run, by their names. One whose file differs from that of others is
//! seen here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::api::operator::ProbeView;
use lockstep_model::{ContentHash, ItemName};
use maud::{Markup, html};

use super::{Part, draw};
use crate::host::notes::{hash, took};
use crate::parts::action::twin;
use crate::parts::empty::{command, empty};
use crate::parts::{link, time};
use crate::{Frame, Topic};

/// Hosts that are named for one file.
const NAMED: usize = 12;
/// Programs on one page; the command has all of them.
const MOST: usize = 300;

/// One program in one form: the same file, byte by byte.
#[derive(Debug)]
struct Form<'a> {
    of: Vec<&'a ProbeView>,
}

impl Form<'_> {
    /// Hosts that run it; one that runs it for others whom it watches is one.
    fn hosts(&self) -> usize {
        let hosts: BTreeSet<_> = self.of.iter().map(|it| &it.on).collect();
        hosts.len()
    }
}

/// Draws the page; `probes` are by item.
#[must_use]
pub fn page(frame: &Frame<'_>, probes: &[ProbeView]) -> String {
    let items = forms(probes);
    let differing = items.values().filter(|forms| files(forms) > 1).count();
    let body = html! {
        @if items.is_empty() {
            (empty("No host has said that it runs plugins or scripts.", &html! {
                "They are named in the fleet file as plugin:NAME or script:NAME; hosts with agents too old to say are not \
                here. " (command("lockstep host probes"))
            }))
        } @else {
            p {
                (items.len()) " programs, as they ended last. "
                @if differing > 0 { b { (differing) " of them are not the same file everywhere." } }
                @else { "Each is the same file wherever it runs." }
                " " (twin("lockstep host probes")) " " a href="/api/v1/probes" { "As JSON" }
            }
            @if items.len() > MOST { p { "The first " (MOST) " are shown." } }
            div .scroll { table {
                thead { tr {
                    th scope="col" { "Program" } th scope="col" { "SHA-256" } th scope="col" { "Hosts" }
                    th scope="col" { "Exits" } th scope="col" { "Longest" } th scope="col" { "Last" }
                } }
                tbody { @for (item, forms) in items.iter().take(MOST) { (rows(frame, item, forms)) } }
            } }
        }
    };
    draw(frame, Part::Probes, "Probes", &[Topic::Hosts], &body)
}

/// The forms of each program, those of most hosts first.
fn forms(probes: &[ProbeView]) -> BTreeMap<&ItemName, Vec<Form<'_>>> {
    let mut items: BTreeMap<&ItemName, BTreeMap<Option<ContentHash>, Vec<&ProbeView>>> =
        BTreeMap::new();
    for probe in probes {
        let forms = items.entry(&probe.program.item).or_default();
        forms.entry(probe.program.hash).or_default().push(probe);
    }
    let sorted = |forms: BTreeMap<_, Vec<_>>| {
        let mut forms: Vec<Form<'_>> = forms.into_values().map(|of| Form { of }).collect();
        forms.sort_by_key(|form| Reverse(form.hosts()));
        forms
    };
    let items = items.into_iter();
    items.map(|(item, forms)| (item, sorted(forms))).collect()
}

/// How many files they are; one that could not be read is none.
fn files(forms: &[Form<'_>]) -> usize {
    let read = |form: &&Form<'_>| form.of.iter().any(|it| it.program.hash.is_some());
    forms.iter().filter(read).count()
}

fn rows(frame: &Frame<'_>, item: &ItemName, forms: &[Form<'_>]) -> Markup {
    html! {
        @for (index, form) in forms.iter().enumerate() {
            tr data-row {
                @if index == 0 {
                    th scope="rowgroup" rowspan=(forms.len()) {
                        a href=(crate::item::across_path(item)) { (item) }
                        @if files(forms) > 1 { br; b .warning { (files(forms)) " different files" } }
                    }
                }
                td { @if let Some(first) = form.of.first() { (hash(&first.program)) } }
                td .wide { (hosts(form)) }
                td { (exits(form)) }
                td .number { (took(form.of.iter().map(|it| it.program.took_ms).max().unwrap_or(0))) }
                td { @if let Some(at) = form.of.iter().map(|it| it.program.at).max() { (time::ago(at, frame.now)) } }
            }
        }
    }
}

fn hosts(form: &Form<'_>) -> Markup {
    html! {
        (form.hosts()) ": "
        @for (index, probe) in form.of.iter().take(NAMED).enumerate() {
            @if index > 0 { ", " }
            (link::host(&probe.on))
            @if let Some(about) = &probe.program.host { " about " (link::host(about)) }
        }
        @if form.of.len() > NAMED { " and " (form.of.len() - NAMED) " more" }
    }
}

/// How often which exit status: `0 ×40, 2 ×1`.
fn exits(form: &Form<'_>) -> Markup {
    let mut counts: BTreeMap<Option<i32>, usize> = BTreeMap::new();
    for probe in &form.of {
        *counts.entry(probe.program.exit).or_default() += 1;
    }
    html! {
        @for (index, (exit, count)) in counts.iter().take(6).enumerate() {
            @if index > 0 { ", " }
            @match exit {
                Some(code) => (code),
                None => "none",
            }
            " ×" (count)
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_model::api::ProgramSeen;
    use lockstep_model::{HostName, Role};

    use super::*;
    use crate::frame::tests::with_frame;

    fn probe(on: &str, item: &str, file: &[u8], exit: Option<i32>) -> ProbeView {
        ProbeView {
            on: HostName::parse(on).unwrap(),
            program: ProgramSeen {
                item: ItemName::parse(item).unwrap(),
                host: None,
                path: "/usr/lib/check".into(),
                hash: Some(ContentHash::of(file)),
                exit,
                ended: String::new(),
                took_ms: 1500,
                at: "2026-11-22T11:59:00Z".parse().unwrap(),
            },
            differs: false,
        }
    }

    #[test]
    fn a_file_that_differs_is_seen() {
        let mut probes: Vec<ProbeView> = (0..40)
            .map(|n| probe(&format!("web{n}"), "plugin:check", b"one", Some(0)))
            .collect();
        probes.push(probe("odd1", "plugin:check", b"two", None));
        probes.push(probe("web1", "script:fine", b"x", Some(0)));
        let drawn = with_frame(Role::Viewer, |frame| page(frame, &probes));
        for part in [
            "1 of them are not the same file everywhere",
            "2 different files",
            "0 ×40",
            "none ×1",
            "and 28 more",
            "href=\"/hosts/odd1\"",
            "1.5 s",
        ] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
        assert!(!drawn.contains("1 different"));

        // What could not be read is no other file.
        let mut probes = vec![
            probe("web1", "plugin:a", b"x", Some(0)),
            probe("web2", "plugin:a", b"x", None),
        ];
        probes[1].program.hash = None;
        let drawn = with_frame(Role::Viewer, |frame| page(frame, &probes));
        assert!(drawn.contains("the same file wherever"), "{drawn}");
    }

    #[test]
    fn a_fleet_without_programs_says_what_they_are() {
        let drawn = with_frame(Role::Viewer, |frame| page(frame, &[]));
        assert!(drawn.contains("plugin:NAME"));
    }
}
