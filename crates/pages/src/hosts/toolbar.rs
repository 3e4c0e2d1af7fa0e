//! Above the hosts: what is asked for, how to ask for something else, and the other shapes of the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use lockstep_model::Level;
use maud::{Markup, html};

use super::{Ask, By, GroupBy, HostLine, Shape};
use crate::frame::Frame;

/// Groups, and names of labels, that are offered to choose from.
const MOST_OFFERED: usize = 200;
/// Labels that nobody gathers hosts by: they differ for each, or hardly at all.
const NOT_GATHERED: [&str; 1] = ["kernel"];

/// Draws it; `found` is how many hosts are shown.
pub(super) fn draw(frame: &Frame<'_>, hosts: &[Arc<HostLine>], found: usize, ask: &Ask) -> Markup {
    html! {
        (shapes(ask))
        (form(frame, hosts, ask))
        (chips(frame, hosts.len(), found, ask))
    }
}

fn shapes(ask: &Ask) -> Markup {
    let list = ask.with(|it| it.shape = Shape::List);
    let matrix = |by| {
        ask.with(|it| {
            it.shape = Shape::Matrix;
            it.by = by;
        })
    };
    let current = |here: bool| here.then_some("page");
    let is_list = ask.shape == Shape::List;
    html! {
        nav .tabs aria-label="Shape" {
            a href=(list) aria-current=[current(is_list)] { "List" }
            a href=(matrix(By::Hosts)) aria-current=[current(!is_list && ask.by == By::Hosts)] { "Matrix: a row for each host" }
            a href=(matrix(By::Items)) aria-current=[current(!is_list && ask.by == By::Items)] { "Matrix: a row for each item" }
        }
    }
}

fn form(frame: &Frame<'_>, hosts: &[Arc<HostLine>], ask: &Ask) -> Markup {
    let groups: BTreeSet<&str> = hosts
        .iter()
        .flat_map(|line| line.groups.iter().map(String::as_str))
        .collect();
    let labels: BTreeSet<&str> = hosts
        .iter()
        .flat_map(|line| line.labels.keys().map(String::as_str))
        .filter(|key| !NOT_GATHERED.contains(key))
        .collect();
    // What the form does not ask stays as it is.
    let asked = ["q", "level", "group", "group_by", "page", "items_page"];
    let rest = ask
        .parts()
        .into_iter()
        .filter(|(name, _)| !asked.contains(name));
    html! {
        form .fields method="get" action="/hosts" role="search" aria-label="Which hosts" {
            @for (name, value) in rest { input type="hidden" name=(name) value=(value); }
            label { span { "Words" }
                input type="search" name="q" value=(ask.q) maxlength="200" placeholder="name, label, group, system, version" autocomplete="off";
            }
            label { span { "Level" }
                select name="level" {
                    option value="" { "all" }
                    @for level in Level::ALL.into_iter().rev() {
                        option value=(level.rank()) selected[ask.level == Some(level)] { (frame.levels.name(level)) }
                    }
                }
            }
            @if !groups.is_empty() {
                label { span { "Group" }
                    select name="group" {
                        option value="" { "all" }
                        @for group in groups.iter().take(MOST_OFFERED) {
                            option value=(group) selected[ask.group.as_deref() == Some(*group)] { (group) }
                        }
                    }
                }
            }
            @if ask.shape == Shape::List {
                label { span { "Gather by" }
                    select name="group_by" {
                        option value="" { "nothing" }
                        @if !groups.is_empty() {
                            option value="group" selected[ask.group_by == Some(GroupBy::Group)] { "group" }
                        }
                        @for key in labels.iter().take(MOST_OFFERED) {
                            option value={ "label:" (key) } selected[matches!(&ask.group_by, Some(GroupBy::Label(it)) if it == key)] {
                                "label " (key)
                            }
                        }
                    }
                }
            }
            button { "Show" }
        }
    }
}

/// What is asked for; each filter can be taken off.
fn chips(frame: &Frame<'_>, all: usize, found: usize, ask: &Ask) -> Markup {
    let mut chips: Vec<(String, String)> = Vec::new();
    let mut chip = |words: String, without: String| chips.push((words, without));
    if !ask.q.is_empty() {
        chip(format!("words {}", ask.q), ask.with(|it| it.q.clear()));
    }
    if let Some(level) = ask.level {
        chip(
            format!("level {}", frame.levels.name(level)),
            ask.with(|it| it.level = None),
        );
    }
    if ask.silent {
        chip("silent".into(), ask.with(|it| it.silent = false));
    }
    if ask.in_run {
        chip("in change".into(), ask.with(|it| it.in_run = false));
    }
    if ask.unhandled {
        chip(
            "unhandled problems".into(),
            ask.with(|it| it.unhandled = false),
        );
    }
    if let Some(group) = &ask.group {
        chip(format!("group {group}"), ask.with(|it| it.group = None));
    }
    for (index, (key, value)) in ask.labels.iter().enumerate() {
        let without = ask.with(|it| {
            it.labels.remove(index);
        });
        chip(format!("label {key}={value}"), without);
    }
    if let Some(package) = &ask.package {
        chip(
            format!("package {package}"),
            ask.with(|it| it.package = None),
        );
    }
    if let Some(version) = &ask.version {
        chip(
            format!("version {version}"),
            ask.with(|it| it.version = None),
        );
    }
    html! {
        ul .chips #hosts-chips data-live {
            li { b { (found) } " of " (all) " hosts" }
            @for (words, without) in &chips {
                li .chip { (words) " " a href=(without) aria-label={ "Without the filter " (words) } { "×" } }
            }
            @if chips.len() > 1 { li { a href=(ask.bare().address()) { "Show all" } } }
            @if !ask.unhandled { li { a href=(ask.with(|it| it.unhandled = true)) { "with unhandled problems" } } }
            @if !ask.silent { li { a href=(ask.with(|it| it.silent = true)) { "silent" } } }
            @if !ask.in_run { li { a href=(ask.with(|it| it.in_run = true)) { "in change" } } }
        }
    }
}
