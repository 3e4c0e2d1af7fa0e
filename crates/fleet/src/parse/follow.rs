//! `[follow.NAME]`: who follows which channel for a package.
//!
//! * `package`: the package; default the table's name;
//! * `channel`: the channel; default `stable`;
//! * `hosts`: names and patterns; `groups`: names of groups; `labels`: labels as in `class=web`, of the file or what
//!   hosts say of themselves ([`SAID`]). A host that any of them means is meant. With none of them all hosts are;
//! * `pin`: the version at which these hosts are held;
//! * `priority`: of several rules for one package the one with the greater number counts; default 0.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::{ChannelName, Follow, Glob, PackageName, Version};

use super::group::{check_labels, label_test};
use super::{Context, check_known, host_pattern, name, package};
use crate::declared::{Declared, FollowRule, LabelTest};
use crate::fault::quoted;
use crate::follow::SAID;
use crate::read::{Field, Section, Set};

/// Most rules, and most labels of one.
const MOST_RULES: usize = 1_000;
const MOST_LABELS: usize = 200;

/// All `[follow.NAME]`.
pub(super) fn all(context: &Context<'_>, declared: &Declared) -> BTreeMap<String, FollowRule> {
    let mut rules = BTreeMap::new();
    let mut packages = BTreeSet::from([PackageName::lockstep()]);
    for (index, field) in context.of("follow").enumerate() {
        if index >= MOST_RULES {
            let message = format!("there are at most {MOST_RULES} rules about who follows what");
            context.faults.add(field.key_at, message);
            break;
        }
        let (Some(name), Some(section)) = (name(field), field.section()) else {
            continue;
        };
        let Some(rule) = rule(context, declared, field, section) else {
            continue;
        };
        packages.insert(rule.follow.package.clone());
        if packages.len() > Follow::MOST {
            let message = format!(
                "at most {} packages are followed, the agent among them",
                Follow::MOST
            );
            context.faults.add(field.key_at, message);
            break;
        }
        rules.insert(name, rule);
    }
    rules
}

fn rule(
    context: &Context<'_>,
    declared: &Declared,
    field: &Field<'_>,
    mut section: Section<'_>,
) -> Option<FollowRule> {
    let package = match section.take("package") {
        Some(field) => field.parsed(package_name).map(|set| set.value),
        None => package_name(field.key)
            .map_err(|why| {
                let note = "where the table has another name, package names it";
                context
                    .faults
                    .add_with(field.key_at, why, Some(note.into()));
            })
            .ok(),
    };
    let channel = section
        .take("channel")
        .map(|it| it.parsed(ChannelName::parse));
    let hosts = section.take("hosts");
    let groups = section.take("groups");
    let labels = section.take("labels");
    for (list, what) in [(&hosts, "host"), (&groups, "group"), (&labels, "label")] {
        if let Some(list) = list
            && list.is_empty_list()
        {
            list.fault(format!(
                "no {what} is named here; left out, all hosts are meant"
            ));
        }
    }
    let (mut members, names) = hosts
        .map(|field| package::members(&field, "a rule", pattern))
        .unwrap_or_default();
    let groups = groups.map(|field| field.one_or_more(|text| Ok::<_, String>(text.to_owned())));
    let groups = groups.unwrap_or_default();
    let known = declared.groups.keys().map(String::as_str);
    check_known(context, &groups, "group", known);
    if let Some(field) = labels {
        members.labels = tests(context, declared, &field);
    }
    let pin = section
        .take("pin")
        .map(|field| field.parsed(Version::parse));
    let priority = section
        .take("priority")
        .and_then(|field| field.whole(-1_000..=1_000));
    section.finish();
    // What is wrong must not become what is left out.
    let given = |wrong: bool| (!wrong).then_some(());
    given(channel == Some(None) || pin == Some(None))?;
    Some(FollowRule {
        at: field.key_at,
        members,
        names,
        groups: groups.into_iter().map(|group| group.value).collect(),
        priority: priority.map_or(0, |set| set.value),
        follow: Follow {
            package: package?,
            channel: channel
                .flatten()
                .map_or_else(ChannelName::stable, |set| set.value),
            pin: pin.flatten().map(|set| set.value),
            rule: Some(field.key.to_owned()),
        },
    })
}

fn tests(context: &Context<'_>, declared: &Declared, field: &Field<'_>) -> Vec<Set<LabelTest>> {
    let tests = field.one_or_more(|text| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        label_test(key, value)
    });
    if tests.len() > MOST_LABELS {
        field.fault(format!("a rule has at most {MOST_LABELS} labels"));
        return Vec::new();
    }
    let of_the_file = tests
        .iter()
        .filter(|test| !SAID.contains(&test.value.key.as_str()));
    check_labels(context, declared, of_the_file, &SAID);
    tests
}

fn pattern(text: &str) -> Result<Glob, String> {
    if text.contains('=') {
        return Err(format!(
            "a label stands in labels, as in labels = [{}]",
            quoted(text)
        ));
    }
    host_pattern(text)
}

fn package_name(text: &str) -> Result<PackageName, String> {
    let name = PackageName::parse(text).map_err(|error| error.to_string())?;
    if name == PackageName::system() {
        return Err(format!(
            "{} stands for the operating system as a whole, which has no channels",
            quoted(text)
        ));
    }
    Ok(name)
}

/// All keys.
#[cfg(test)]
pub(crate) const KEYS: [&str; 7] = [
    "package", "channel", "hosts", "groups", "labels", "pin", "priority",
];
