//! `analysis.cfg`: rules by which what clients send is judged.
//!
//! A line of conditions alone (`HOST=…`) holds for the settings that follow; those behind a setting win over them.
//! `DEFAULT` is for all hosts and counts last.

use std::collections::BTreeMap;

use lockstep_model::Glob;

use super::super::expression::Selector;
use super::super::lines::Line;
use super::super::sheet::{Rule, item};
use super::super::write::Value;
use super::Work;
use super::client::Local;
use super::hosts::words;
use super::judge::{self, Judged};
use super::scope::{By, Filter, Scope};
use crate::pattern::covers;

/// Conditions as they are written, by their key in upper case.
type Conditions = BTreeMap<String, String>;

/// What conditions are called.
const CONDITIONS: [&str; 10] = [
    "HOST",
    "EXHOST",
    "PAGE",
    "EXPAGE",
    "CLASS",
    "EXCLASS",
    "DISPLAYGROUP",
    "EXDISPLAYGROUP",
    "TIME",
    "EXTIME",
];

/// Where something is said.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// For all hosts, and less than anything else.
    Default,
    /// In a group.
    Group(usize),
}

/// Reads all rules.
pub(super) fn read(work: &mut Work<'_>, local: &mut Local, lines: Vec<Line>) {
    let mut current = Conditions::new();
    let mut default = false;
    for line in lines {
        let words = words(&line.text);
        let Some(first) = words.first() else { continue };
        if first.eq_ignore_ascii_case("DEFAULT") {
            default = true;
            current.clear();
            continue;
        }
        let (conditions, setting): (Vec<&String>, Vec<&String>) =
            words.iter().partition(|word| condition(word).is_some());
        let conditions = conditions.into_iter().filter_map(|word| condition(word));
        if setting.is_empty() {
            default = false;
            current = conditions.collect();
            continue;
        }
        let mut own = current.clone();
        let mut is_default = default;
        for (key, value) in conditions {
            is_default = false;
            own.insert(key, value);
        }
        let mut remarks = Vec::new();
        let setting: Vec<&str> = setting.into_iter().map(String::as_str).collect();
        let place = one(work, local, &line, &setting, &own, is_default, &mut remarks);
        for why in remarks {
            let remark = work.report.leave(&line, &line.text, why);
            let group = match place {
                Some(Place::Group(index)) => work.sheet.groups.get_mut(index),
                _ => None,
            };
            group
                .map_or(&mut work.sheet.remarks, |group| &mut group.remarks)
                .push(remark);
        }
    }
}

fn condition(word: &str) -> Option<(String, String)> {
    let (key, value) = word.split_once('=')?;
    let key = key.to_ascii_uppercase();
    CONDITIONS
        .contains(&key.as_str())
        .then(|| (key, value.to_owned()))
}

/// One setting. Returns where it stands; what could not be taken over goes into the remarks.
fn one(
    work: &mut Work<'_>,
    local: &mut Local,
    line: &Line,
    setting: &[&str],
    conditions: &Conditions,
    default: bool,
    remarks: &mut Vec<String>,
) -> Option<Place> {
    let scope = match default {
        true => Ok(None),
        false => scope(work, conditions).map(Some),
    };
    let scope = scope.map_err(|why| remarks.push(why)).ok()?;
    let place = match &scope {
        None => Place::Default,
        Some(scope) => {
            let (name, title) = title(line, conditions);
            let index = work.target(scope, &name, title);
            Place::Group(index.map_err(|why| remarks.push(why)).ok()?)
        }
    };
    let judged = judge::setting(setting, work.options.processors);
    let judged = judged.map_err(|why| remarks.push(why)).ok();
    let Some((judged, notes)) = judged else {
        return Some(place);
    };
    remarks.extend(notes);
    match judged {
        Judged::Items(items) => {
            for it in items {
                let said = match it.watch {
                    true => watch(work, place, it.name, it.rule),
                    false => say(work, place, it.name, it.rule),
                };
                match said {
                    Ok(()) => work.report.take("judgements"),
                    Err(why) => remarks.push(why),
                }
            }
        }
        Judged::Log {
            path,
            pattern,
            rule,
        } => {
            sent(
                work,
                local,
                place,
                scope.as_ref(),
                &path,
                remarks,
                Sent::Log(pattern, rule),
            );
        }
        Judged::File { path, rules } => {
            sent(
                work,
                local,
                place,
                scope.as_ref(),
                &path,
                remarks,
                Sent::File(rules),
            );
        }
    }
    Some(place)
}

fn scope(work: &Work<'_>, conditions: &Conditions) -> Result<Scope, String> {
    let mut filters: Vec<Filter> = Vec::new();
    for (key, value) in conditions {
        let (except, key) = match key.strip_prefix("EX") {
            Some(key) => (true, key),
            None => (false, key.as_str()),
        };
        let by = match key {
            "HOST" => By::Host,
            "PAGE" => By::Page,
            "CLASS" => By::Class,
            "DISPLAYGROUP" => By::Group,
            _ => return Err("levels have no hours here: say when nobody is told by [silence.NAME], or by when.hours of [alert.NAME]".into()),
        };
        filters.push((by, except, Selector::parse(value)?));
    }
    work.known.scope(&filters)
}

fn title(line: &Line, conditions: &Conditions) -> (String, String) {
    let words: Vec<String> = conditions
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let words = words.join(" ");
    let name = match words.is_empty() {
        true => "analysis".to_owned(),
        false => format!("analysis-{words}"),
    };
    let shown: String = words.chars().take(200).collect();
    (
        name,
        format!(
            "Rules of {} from line {} on: {shown}",
            line.file, line.number
        ),
    )
}

/// Says how an item is judged.
fn say(work: &mut Work<'_>, place: Place, name: String, rule: Rule) -> Result<(), String> {
    let rules = match place {
        Place::Default => &mut work.sheet.rules,
        Place::Group(index) => {
            &mut work
                .sheet
                .groups
                .get_mut(index)
                .ok_or("its group is gone")?
                .rules
        }
    };
    let glob = Glob::parse(&name)?;
    let before = rules.keys().filter_map(|key| Glob::parse(key).ok());
    if { before }.any(|before| covers(&before, &glob)) {
        return Err("a rule before it speaks of the same, so it never counts".into());
    }
    rules.insert(name, rule);
    Ok(())
}

/// Watches an item, and says how it is judged.
fn watch(work: &mut Work<'_>, place: Place, name: String, rule: Rule) -> Result<(), String> {
    let index = match place {
        Place::Group(index) => index,
        Place::Default => work.everywhere(),
    };
    say(work, Place::Group(index), name.clone(), rule)?;
    if let Some(group) = work.sheet.groups.get_mut(index) {
        group.items.push(name);
    }
    Ok(())
}

/// What is said of a file that hosts send something of.
enum Sent {
    Log(String, Rule),
    File(Vec<(&'static str, Rule)>),
}

/// Rules about logs and files count where `client-local.cfg` has them sent: a rule for all hosts goes to the sections.
fn sent(
    work: &mut Work<'_>,
    local: &mut Local,
    place: Place,
    scope: Option<&Scope>,
    path: &str,
    remarks: &mut Vec<String>,
    what: Sent,
) {
    let list = match what {
        Sent::Log(..) => &mut local.logs,
        Sent::File(_) => &mut local.files,
    };
    let mut places: Vec<(Option<(Scope, String)>, String)> = Vec::new();
    for sent in list.iter_mut() {
        if !judge::is_path(path, &sent.path) {
            continue;
        }
        sent.judged = true;
        let everywhere =
            matches!(scope, None | Some(Scope::Everything)) && sent.scope != Scope::Everything;
        let own = everywhere.then(|| (sent.scope.clone(), sent.section.clone()));
        if !places.iter().any(|(other, path)| {
            *path == sent.path && other.as_ref().map(|it| &it.0) == own.as_ref().map(|it| &it.0)
        }) {
            places.push((own, sent.path.clone()));
        }
    }
    if places.is_empty() {
        if local.read {
            remarks.push("client-local.cfg has no host send this, so it never counts".into());
            return;
        }
        if path.starts_with('%') {
            remarks.push(
                "which files an expression means is said by client-local.cfg, which was not read"
                    .into(),
            );
            return;
        }
        places.push((None, path.to_owned()));
    }
    for (own, path) in places {
        let place = match own {
            None => Ok(place),
            Some((scope, section)) => {
                let name = format!("client-local-{}", section.trim_matches(['[', ']']));
                let title =
                    format!("Section {section} of client-local.cfg, judged by analysis.cfg.");
                work.target(&scope, &name, title).map(Place::Group)
            }
        };
        let said = place.and_then(|place| match &what {
            Sent::Log(pattern, rule) => log(work, place, &path, pattern, rule),
            Sent::File(rules) => rules.iter().try_for_each(|(probe, rule)| {
                let name = item(format!("{probe}:{path}"))?;
                watch(work, place, name, rule.clone())
            }),
        });
        match said {
            Ok(()) => work.report.take("judgements"),
            Err(why) => remarks.push(why),
        }
    }
}

/// A log has one pattern here, so the patterns of one colour are joined.
fn log(
    work: &mut Work<'_>,
    place: Place,
    path: &str,
    pattern: &str,
    rule: &Rule,
) -> Result<(), String> {
    let name = item(format!("log:{path}"))?;
    let index = match place {
        Place::Group(index) => index,
        Place::Default => work.everywhere(),
    };
    let before = work
        .sheet
        .groups
        .get_mut(index)
        .and_then(|group| group.rules.get_mut(&name));
    if let Some(before) = before {
        if before.fitness != rule.fitness {
            return Err(
                "a log has one pattern here, and a rule before it has another colour".into(),
            );
        }
        let Some(Value::Text(joined)) = before.options.get_mut("pattern") else {
            return Err("a rule before it speaks of the same".into());
        };
        let both = format!("{joined}|(?:{pattern})");
        crate::probes::regular_expression(&both)?;
        *joined = both;
        return Ok(());
    }
    let mut rule = rule.clone();
    let pattern = format!("(?:{pattern})");
    crate::probes::regular_expression(&pattern)?;
    rule.options.insert("pattern", Value::Text(pattern));
    watch(work, place, name, rule)
}
