//! Above the hosts: what is asked for, how to ask for something else, and the other shapes of the same.

use lockstep_model::{Level, Version};
use maud::{Markup, html};

use super::lines::Choices;
use super::tally::Tally;
use super::{Ask, By, GroupBy, Lines, Shape};
use crate::frame::Frame;
use crate::parts::action::twin;

/// Groups, and names of labels, that are offered to choose from.
const MOST_OFFERED: usize = 200;

/// Whether something is asked for, in words, and how it is asked for no more.
type Flag = (bool, &'static str, fn(&mut Ask));

/// Draws it; `found` is how many hosts are shown.
pub(super) fn draw(frame: &Frame<'_>, hosts: &Lines, found: usize, ask: &Ask) -> Markup {
    html! {
        (shapes(ask))
        (form(frame, hosts.choices(), ask))
        (chips(frame, hosts.tally(), found, ask))
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

fn form(frame: &Frame<'_>, choices: &Choices, ask: &Ask) -> Markup {
    let Choices {
        groups,
        labels,
        systems,
        agents,
    } = choices;
    let groups = offered(groups, ask.group.as_ref());
    let systems = offered(systems, ask.os.as_ref());
    let agents: Vec<String> = agents.iter().rev().map(Version::to_string).collect();
    let agents = offered(&agents, ask.version.as_ref());
    let gathered = match &ask.group_by {
        Some(GroupBy::Label(key)) => Some(key),
        _ => None,
    };
    // What the form does not ask stays as it is.
    let mut asked = vec![
        "q",
        "level",
        "group",
        "os",
        "rollout",
        "wave",
        "page",
        "items_page",
    ];
    if ask.shape == Shape::List {
        asked.push("group_by");
    }
    // Of which package a version is stands elsewhere; here are those of the agent.
    if ask.package.is_none() {
        asked.push("version");
    }
    let rest: Vec<_> = ask
        .parts()
        .into_iter()
        .filter(|(name, _)| !asked.contains(name))
        .collect();
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
                        @for group in &groups {
                            option value=(group) selected[ask.group.as_ref() == Some(group)] { (group) }
                        }
                    }
                }
            }
            @if systems.len() > 1 {
                label { span { "System" }
                    select name="os" {
                        option value="" { "all" }
                        @for os in &systems { option value=(os) selected[ask.os.as_ref() == Some(os)] { (os) } }
                    }
                }
            } @else if let Some(os) = &ask.os { input type="hidden" name="os" value=(os); }
            @if ask.package.is_none() && agents.len() > 1 {
                label { span { "Agent" }
                    select name="version" {
                        option value="" { "all" }
                        @for version in &agents {
                            option value=(version) selected[ask.version.as_ref() == Some(version)] { (version) }
                        }
                    }
                }
            } @else if let Some(version) = ask.version.as_ref().filter(|_| ask.package.is_none()) {
                input type="hidden" name="version" value=(version);
            }
            (rollouts(frame, ask))
            @if ask.shape == Shape::List {
                label { span { "Gather by" }
                    select name="group_by" {
                        option value="" { "nothing" }
                        @if !groups.is_empty() || ask.group_by == Some(GroupBy::Group) {
                            option value="group" selected[ask.group_by == Some(GroupBy::Group)] { "group" }
                        }
                        @for key in offered(labels, gathered) {
                            option value={ "label:" (key) } selected[gathered == Some(key)] {
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

/// What is offered to choose from. What is asked for is among it, wherever it stands: the form would lose it otherwise.
fn offered<'a, T: PartialEq>(all: &'a [T], asked: Option<&'a T>) -> Vec<&'a T> {
    let mut offered: Vec<&T> = all.iter().take(MOST_OFFERED).collect();
    if let Some(asked) = asked.filter(|it| !offered.contains(it)) {
        offered.insert(0, asked);
    }
    offered
}

/// Which rollout, of those that are not over and the one that is asked for, and which wave of it.
fn rollouts(frame: &Frame<'_>, ask: &Ask) -> Markup {
    let chips = &frame.strip.rollouts;
    let chips = &chips[..chips.len().min(MOST_OFFERED)];
    let is_other = ask.rollout.filter(|id| chips.iter().all(|it| it.id != *id));
    html! {
        @if !chips.is_empty() || ask.rollout.is_some() {
            label { span { "Rollout" }
                select name="rollout" {
                    option value="" { "all" }
                    @if let Some(id) = is_other { option value=(id) selected { (id) } }
                    @for chip in chips {
                        option value=(chip.id) selected[ask.rollout == Some(chip.id)] { (chip.id) ": " (chip.package) " " (chip.version) }
                    }
                }
            }
        }
        @if ask.rollout.is_some() || ask.wave.is_some() {
            label { span { "Wave" } input type="number" name="wave" min="1" max="1000" value=[ask.wave]; }
        }
    }
}

/// What is asked for; each filter can be taken off.
fn chips(frame: &Frame<'_>, tally: &Tally, found: usize, ask: &Ask) -> Markup {
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
    if let Some(os) = &ask.os {
        chip(format!("system {os}"), ask.with(|it| it.os = None));
    }
    let flags: [Flag; 5] = [
        (ask.updates, "with updates", |it| it.updates = false),
        (ask.security, "with security fixes", |it| {
            it.security = false
        }),
        (ask.reboot, "to reboot", |it| it.reboot = false),
        (ask.behind, "with an old agent", |it| it.behind = false),
        (ask.silenced, "silenced", |it| it.silenced = false),
    ];
    for (_, words, without) in flags.into_iter().filter(|it| it.0) {
        chip(words.into(), ask.with(without));
    }
    if let Some(age) = ask.patch_age {
        chip(
            format!("security fix older than {age}"),
            ask.with(|it| it.patch_age = None),
        );
    }
    if let Some(rollout) = ask.rollout {
        chip(
            format!("rollout {rollout}"),
            ask.with(|it| (it.rollout, it.wave) = (None, None)),
        );
    }
    if let Some(wave) = ask.wave {
        chip(format!("wave {wave}"), ask.with(|it| it.wave = None));
    }
    html! {
        ul .chips #hosts-chips data-live {
            li { b { (found) } " of " (tally.all) " hosts" }
            @for (words, without) in &chips {
                li .chip { (words) " " a href=(without) aria-label={ "Without the filter " (words) } { "×" } }
            }
            @if chips.len() > 1 { li { a href=(ask.bare().address()) { "Show all" } } }
            @for (words, count, address) in tally.offers(ask) { li { a href=(address) { (words) } " " span .muted { (count) } } }
        }
        p { (twin(&ask.command())) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lockstep_model::Role;

    use super::*;
    use crate::frame::tests::with_frame;

    /// What a browser sends for a form as it was drawn, as far as it says something.
    fn sent(form: &str) -> BTreeSet<(String, String)> {
        let mut sent = BTreeSet::new();
        let mut select = String::new();
        for tag in form.split('<') {
            let of = |name: &str| {
                let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
                Some(rest.split('"').next()?.to_owned())
            };
            if tag.starts_with("select ") {
                select = of("name").unwrap();
            }
            let value = of("value").filter(|it| !it.is_empty());
            let value = value.map(|it| it.replace("&quot;", "\"").replace("&amp;", "&"));
            if let (true, Some(value)) = (tag.starts_with("input "), &value) {
                sent.insert((of("name").unwrap(), value.clone()));
            }
            if let (true, Some(value)) = (tag.contains(" selected>"), value) {
                assert!(sent.insert((select.clone(), value)), "one of each: {form}");
            }
        }
        sent
    }

    #[test]
    fn a_form_loses_nothing_that_was_asked_for() {
        let names = |what: &str| (0..300).map(|it| format!("{what}{it:03}")).collect();
        let agents = (0..300).map(|it| Version::parse(&format!("1.0.{it}")).unwrap());
        let many = Choices {
            groups: names("group"),
            labels: names("label"),
            systems: names("system"),
            agents: agents.collect(),
        };
        let few = Choices {
            systems: vec!["system299".into()],
            ..Choices::default()
        };
        let filters = [
            "group=group299&os=system299&version=1.0.0&rollout=7&wave=2",
            "q=web&level=3&silent=true&label=a%3Db&package=shop&version=2&group_by=group",
            "group=%22gone%22&os=gone&version=9.9.9&patch_age=1d&group_by=label%3Alabel299",
            "group_by=label%3Agone&sort=cpu&desc=true",
        ];
        for (choices, question) in [&many, &few, &Choices::default()]
            .into_iter()
            .flat_map(|choices| filters.map(|question| (choices, question)))
        {
            for shape in ["", "&view=matrix", "&view=matrix&by=items&all=true&page=3"] {
                let ask = Ask::parse(&format!("{question}{shape}")).unwrap();
                let form = with_frame(Role::Viewer, |frame| form(frame, choices, &ask)).0;
                let parts = ask.parts().into_iter();
                // What is asked for anew is shown from its first page.
                let parts = parts.filter(|it| it.0 != "page");
                let parts: BTreeSet<_> = parts
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect();
                assert_eq!(sent(&form), parts, "{question}{shape}");
            }
        }
    }
}
