//! `client-local.cfg`: what clients are told to send, and which version they are to have.

use lockstep_model::{PackageName, Version};

use super::super::expression::Selector;
use super::super::lines::Line;
use super::super::sheet::{Follow, Rule, Sheet, item};
use super::super::write::Value;
use super::Work;
use super::scope::{By, LINUX, Scope};
use crate::probes;

/// What is judged by rules of `analysis.cfg`, or else only watched.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// Logs and files of sections, and whether a rule has spoken of them.
    pub(super) logs: Vec<Sent>,
    pub(super) files: Vec<Sent>,
    /// True if the file was read.
    pub(super) read: bool,
}

/// A file that hosts send something of.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) path: String,
    pub(super) scope: Scope,
    pub(super) section: String,
    line: Line,
    pub(super) judged: bool,
}

/// One section.
#[derive(Debug)]
struct Section {
    head: Line,
    /// Host, class or operating system: the first that matches counts, in this order.
    rank: u8,
    scope: Result<Scope, String>,
    lines: Vec<Line>,
}

/// The package of which plain versions are taken to be.
const CLIENT: &str = "xymon-client";
/// Most rules of one rank about who follows what.
const MOST_OF_RANK: i64 = 300;
/// Most packages that the rules may speak of, beside the agent.
const MOST_PACKAGES: usize = 60;

/// Reads all sections.
pub(super) fn read(work: &mut Work<'_>, lines: Vec<Line>) -> Local {
    let mut local = Local {
        read: true,
        ..Local::default()
    };
    let mut sections: Vec<Section> = Vec::new();
    for line in lines {
        let text = line.text.trim();
        if let Some(name) = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            let (rank, scope) = whom(work, name.trim());
            let lines = Vec::new();
            sections.push(Section {
                head: line,
                rank,
                scope,
                lines,
            });
        } else if let Some(section) = sections.last_mut() {
            section.lines.push(line);
        } else {
            let remark = work.report.leave(
                &line,
                &line.text,
                "it stands before the first section, so it is for nobody",
            );
            work.sheet.remarks.push(remark);
        }
    }
    // The order of the file stays within a rank.
    sections.sort_by_key(|section| section.rank);
    let mut order = [0; 3];
    for section in &sections {
        let place = &mut order[usize::from(section.rank.min(2))];
        *place += 1;
        read_section(work, &mut local, section, *place);
    }
    local
}

fn whom(work: &Work<'_>, name: &str) -> (u8, Result<Scope, String>) {
    let expression = |text: &str| Selector::expression(text.strip_prefix('%').unwrap_or(text));
    let select = |by: By, text: &str| {
        let selector = expression(text)?;
        work.known.scope(&[(by, false, selector)])
    };
    if let Some(text) = name.strip_prefix("host=") {
        return (0, select(By::Host, text));
    }
    if let Some(text) = name.strip_prefix("class=") {
        // A class that is named whole is a label here.
        let plain = text.trim_start_matches('^').trim_end_matches('$');
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if plain.chars().all(word)
            && let Ok(Scope::Label(label)) =
                Selector::parse(plain).and_then(|it| work.known.scope(&[(By::Class, false, it)]))
            && work
                .known
                .hosts
                .iter()
                .filter_map(|host| host.class.as_deref())
                .all(|class| class == plain || !matches(text, class))
        {
            return (1, Ok(Scope::Label(label)));
        }
        return (1, select(By::Class, text));
    }
    let elsewhere = || "agents run on Linux; no host with one says this of itself".to_owned();
    if let Some(text) = name.strip_prefix("os=") {
        let linux = expression(text).map(|it| it.matches(LINUX));
        return (
            2,
            linux.and_then(|linux| linux.then_some(Scope::Everything).ok_or_else(elsewhere)),
        );
    }
    if let Some(begin) = name.strip_suffix('*') {
        let pattern = format!("%^{}", begin.replace('.', "\\."));
        return (
            0,
            Selector::parse(&pattern).and_then(|it| work.known.scope(&[(By::Host, false, it)])),
        );
    }
    if work
        .known
        .hosts
        .iter()
        .any(|host| host.name.as_str() == name.to_lowercase())
    {
        return (0, Ok(Scope::Hosts(vec![name.to_lowercase()])));
    }
    if work
        .known
        .hosts
        .iter()
        .any(|host| host.class.as_deref() == Some(name))
    {
        let scope =
            Selector::parse(name).and_then(|it| work.known.scope(&[(By::Class, false, it)]));
        return (1, scope);
    }
    if name == LINUX {
        return (2, Ok(Scope::Everything));
    }
    (
        2,
        Err("no host or class of hosts.cfg has this name, and agents run on Linux".into()),
    )
}

fn matches(expression: &str, text: &str) -> bool {
    Selector::expression(expression.strip_prefix('%').unwrap_or(expression))
        .is_ok_and(|it| it.matches(text))
}

fn read_section(work: &mut Work<'_>, local: &mut Local, section: &Section, order: i64) {
    let mut lines = section.lines.iter().peekable();
    let mut counting = false;
    while let Some(line) = lines.next() {
        let text = line.text.trim();
        let (word, rest) = text.split_once(':').unwrap_or((text, ""));
        let own = !matches!(word, "linecount");
        let result = match (&section.scope, word) {
            (Err(why), _) => Err(why.clone()),
            (Ok(scope), "clientversion") => version(work, section, scope, order, rest),
            (Ok(scope), "log") => path(rest).map(|path| local.logs.push(sent(path, scope, section, line))),
            (Ok(scope), "file") => {
                let hashed = rest.rsplit_once(':').map(|(_, hash)| hash);
                let kept = path(rest).map(|path| local.files.push(sent(path, scope, section, line)));
                match hashed {
                    Some(_) if kept.is_ok() => Err("its hash is not looked at; the file itself is taken over".into()),
                    _ => kept,
                }
            }
            (Ok(scope), "linecount") => {
                counting = true;
                let next = lines.next_if(|next| !is_directive(next.text.trim()));
                let pattern = next.map(|next| next.text.trim().split_once(char::is_whitespace).map_or("", |(_, pattern)| pattern.trim()));
                linecount(work, section, scope, rest, pattern)
            }
            (Ok(_), "dir") => Err("the size of a directory is not measured; disk_usage: is of file systems".into()),
            (Ok(_), _) if text.starts_with("ignore ") => Err("lines cannot be left out; let the pattern of the log speak of those that count alone".into()),
            (Ok(_), _) if text.starts_with("trigger ") => Err("every line that was written is looked at".into()),
            (Ok(_), _) if text.starts_with("deltacount ") => Err("a log is counted by one pattern, that of its rule in analysis.cfg".into()),
            (Ok(_), _) if counting => Err("a file is counted by one pattern, the first one".into()),
            (Ok(_), _) => Err("agents know no such line".into()),
        };
        counting &= !own || !is_directive(text);
        if let Err(why) = result {
            leave(work, section, line, why);
        }
    }
}

fn is_directive(text: &str) -> bool {
    let words = [
        "clientversion:",
        "log:",
        "file:",
        "dir:",
        "linecount:",
        "ignore ",
        "trigger ",
        "deltacount ",
    ];
    words.iter().any(|word| text.starts_with(word))
}

fn sent(path: &str, scope: &Scope, section: &Section, line: &Line) -> Sent {
    Sent {
        path: path.to_owned(),
        scope: scope.clone(),
        section: section.head.text.trim().to_owned(),
        line: line.clone(),
        judged: false,
    }
}

/// The path in `PATH:WHATEVER`.
fn path(rest: &str) -> Result<&str, String> {
    let path = rest.split(':').next().unwrap_or_default();
    if path.starts_with('`') {
        return Err("names of files are not asked of a program".into());
    }
    // `<20:…` and the like say how much of it is sent.
    let path = path.trim();
    match path.starts_with('/') && !path.contains(['*', '?']) {
        true => Ok(path),
        false => Err("this is not the path of a file".into()),
    }
}

fn leave(work: &mut Work<'_>, section: &Section, line: &Line, why: String) {
    let head = section.head.text.trim();
    let text = format!("{head} {}", line.text.trim());
    let remark = work.report.leave(line, &text, why);
    remark_at(work, section.scope.as_ref().ok(), head, remark);
}

/// Puts a comment beside what is said of the same hosts.
fn remark_at(work: &mut Work<'_>, scope: Option<&Scope>, head: &str, remark: String) {
    let index = match scope {
        None | Some(Scope::Everything) => None,
        Some(scope) => match work.targets.of(scope) {
            Some(index) => Some(index),
            None => group(work, scope, head).ok(),
        },
    };
    match index.and_then(|index| work.sheet.groups.get_mut(index)) {
        Some(group) => group.remarks.push(remark),
        None => work.sheet.remarks.push(remark),
    }
}

/// `clientversion:VERSION`, or `clientversion:PACKAGE-VERSION` as releases are called towards Xymon's clients.
fn version(
    work: &mut Work<'_>,
    section: &Section,
    scope: &Scope,
    order: i64,
    rest: &str,
) -> Result<(), String> {
    let (id, location) = rest.split_once(':').unwrap_or((rest, ""));
    let (package, version) = named(id.trim()).ok_or(
        "this is not a version as in 1.4.0 or PACKAGE-1.4.0: build what it stands for as a release, and let a [follow.NAME] name its package",
    )?;
    let mut whom = match scope {
        Scope::Everything => ("labels", vec!["platform=linux-*".to_owned()]),
        Scope::Label(label) => ("labels", vec![label.clone()]),
        Scope::Hosts(hosts) => ("hosts", hosts.clone()),
        Scope::Page(_) => return Err("a page is not a section".into()),
    };
    if whom.0 == "hosts" {
        let known = |name: &String| {
            let host = work
                .known
                .hosts
                .iter()
                .find(|host| host.name.as_str() == name);
            name.contains(['*', '?']) || host.is_some_and(|host| host.agent)
        };
        whom.1.retain(known);
    }
    if whom.1.is_empty() {
        return Err("it speaks of no host with an agent".into());
    }
    if order > MOST_OF_RANK {
        return Err(format!(
            "at most {MOST_OF_RANK} sections of a kind say a version here"
        ));
    }
    let mut packages: Vec<&str> = work
        .sheet
        .follows
        .iter()
        .map(|follow| follow.package.as_str())
        .collect();
    packages.sort_unstable();
    packages.dedup();
    if !packages.contains(&package.as_str()) && packages.len() >= MOST_PACKAGES {
        return Err(format!("at most {MOST_PACKAGES} packages are followed"));
    }
    let priority = match section.rank {
        0 => 3 * MOST_OF_RANK - order,
        1 => 2 * MOST_OF_RANK - order,
        _ => MOST_OF_RANK - order,
    };
    let taken = |name: &str| work.sheet.follows.iter().any(|follow| follow.name == name);
    let head = section.head.text.trim().trim_matches(['[', ']']);
    let follow = Follow {
        name: Sheet::name(&format!("{package}-{head}"), taken),
        package: package.to_string(),
        pin: version.to_string(),
        whom,
        priority,
    };
    work.sheet.follows.push(follow);
    work.report.take("follow rules");
    match location.is_empty() {
        true => Ok(()),
        false => Err("where it is fetched from is not taken over: releases come from the server; its version is".into()),
    }
}

fn named(id: &str) -> Option<(PackageName, Version)> {
    if let Ok(version) = Version::parse(id) {
        return Some((PackageName::parse(CLIENT).ok()?, version));
    }
    let mut parts = id.match_indices('-').filter_map(|(at, _)| {
        let version = Version::parse(&id[at + 1..]).ok()?;
        let package = PackageName::parse(&id[..at]).ok()?;
        (package != PackageName::system()).then_some((package, version))
    });
    parts.next()
}

fn linecount(
    work: &mut Work<'_>,
    section: &Section,
    scope: &Scope,
    rest: &str,
    pattern: Option<&str>,
) -> Result<(), String> {
    let path = path(rest)?;
    let pattern = pattern.filter(|pattern| !pattern.is_empty());
    let pattern = pattern.ok_or("no line with a keyword and a pattern follows it")?;
    probes::regular_expression(pattern)?;
    let name = item(format!("file_content:{path}"))?;
    let index = group(work, scope, &section.head.text)?;
    if let Some(group) = work.sheet.groups.get_mut(index) {
        if group.rules.contains_key(&name) {
            return Err("a file is counted by one pattern, the first one".into());
        }
        let mut rule = Rule::default();
        rule.options
            .insert("pattern", Value::Text(pattern.to_owned()));
        group.rules.insert(name.clone(), rule);
        group.items.push(name);
        work.report.take("items");
    }
    Ok(())
}

fn group(work: &mut Work<'_>, scope: &Scope, head: &str) -> Result<usize, String> {
    let head = head.trim();
    let name = format!("client-local-{}", head.trim_matches(['[', ']']));
    work.target(scope, &name, format!("Section {head} of client-local.cfg."))
}

/// What no rule has spoken of: files are watched all the same, logs are not.
pub(super) fn finish(work: &mut Work<'_>, local: Local) {
    for file in local.files.into_iter().filter(|file| !file.judged) {
        let result = group(work, &file.scope, &file.section).and_then(|index| {
            for probe in ["file_age", "file_size"] {
                let name = item(format!("{probe}:{}", file.path))?;
                let group = work.sheet.groups.get_mut(index);
                if let Some(group) = group.filter(|group| !group.items.contains(&name)) {
                    group.items.push(name);
                    work.report.take("items");
                }
            }
            Ok(())
        });
        if let Err(why) = result {
            leave_sent(work, &file, why);
        }
    }
    for log in local.logs.into_iter().filter(|log| !log.judged) {
        leave_sent(
            work,
            &log,
            "no LOG rule of analysis.cfg judges it, and a log is watched for a pattern".into(),
        );
    }
}

fn leave_sent(work: &mut Work<'_>, sent: &Sent, why: String) {
    let text = format!("{} {}", sent.section, sent.line.text.trim());
    let remark = work.report.leave(&sent.line, &text, why);
    remark_at(work, Some(&sent.scope), &sent.section, remark);
}
