//! From the configuration of the distributed monitor dmon to a fleet file.
//!
//! `conf` is what each daemon reads, `work` what its server makes the daemons' work of. Of `work` only some lines are
//! documented: `host NAME TAG`, `pmaker TAG`, `fit_level WORD [NAME]`, `get TAG ITEM…`. What else stands there is listed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use lockstep_model::{Glob, HostName, Interval, LevelNames};

use super::lines::{self, Files, Line};
use super::report::Report;
use super::sheet::{Group, Host, MOST_ITEMS, Sheet, pattern};
use super::{ImportError, Imported, checked};
use crate::probes;

/// Which files of dmon are read.
#[derive(Debug, Clone, Default)]
pub struct Dmon {
    /// `/etc/dmon/conf`.
    pub conf: Option<String>,
    /// `/etc/dmon/work`.
    pub work: Option<String>,
}

/// Keys of `conf` that other files here have, and what to write there.
const ELSEWHERE: [(&str, &str); 14] = [
    (
        "server",
        "each host learns it when it is enrolled: servers in agent.toml",
    ),
    (
        "hostname",
        "a host is named when it is enrolled: lockstep agent enroll --name",
    ),
    (
        "domain",
        "a host is named when it is enrolled, by its whole name: lockstep agent enroll --name",
    ),
    (
        "ival_check_work",
        "hosts hear at each report whether there is new work",
    ),
    ("ival_keep_events", "events are kept for four weeks"),
    (
        "loglvl",
        "the environment variable LOCKSTEP_LOG says what is logged",
    ),
    (
        "rotate",
        "the environment variable LOCKSTEP_LOG_DIR has a log file for each day kept, eight of them",
    ),
    (
        "logdir",
        "the environment variable LOCKSTEP_LOG_DIR names the directory of log files",
    ),
    ("bindir", "versions lie side by side below /opt/lockstep"),
    ("vardir", "--root moves all paths of a host"),
    ("rundir", "--root moves all paths of a host"),
    ("lckdir", "--root moves all paths of a host"),
    ("plot_url", "lockstep host history draws"),
    ("httpdgid", "there are no files of a web server"),
];

/// Words that no level can be called by.
const WORDS: [&str; 4] = ["clear", "for", "after", "mean"];

/// The levels of dmon in the order of ours.
const LEVELS: [&[&str]; 5] = [
    &["fine"],
    &["soso"],
    &["sick"],
    &["crit", "critical"],
    &["dead"],
];

/// Translates the configuration of dmon.
///
/// # Errors
/// If a file that was named cannot be read, or if what was made of it is larger than a fleet file may be.
pub fn dmon(dmon: &Dmon, files: &dyn Files) -> Result<Imported, ImportError> {
    let mut sheet = Sheet::default();
    let mut report = Report::default();
    sheet.head = vec![
        "Made of the configuration of dmon. Comments with a file and a line say what was not taken over.".into(),
    ];
    if let Some(name) = &dmon.conf {
        let text = lines::named(files, name)?;
        for line in lines::of_dmon(name, &text) {
            if let Err(why) = conf(&mut sheet, &mut report, &line) {
                let remark = report.leave(&line, &line.text, why);
                sheet.remarks.push(remark);
            }
        }
    }
    if let Some(name) = &dmon.work {
        let text = lines::named(files, name)?;
        work(&mut sheet, &mut report, &lines::of_dmon(name, &text));
    }
    checked(sheet.written(), report)
}

fn conf(sheet: &mut Sheet, report: &mut Report, line: &Line) -> Result<(), String> {
    let (key, value) = line.text.split_once(' ').unwrap_or((&line.text, ""));
    let value = value.trim();
    let (key_here, sane) = match key {
        "ival_make_state" => (
            "sample",
            Interval::from_secs(1)..=Interval::from_secs(3_600),
        ),
        "ival_send_report" => (
            "report",
            Interval::from_secs(1)..=Interval::from_secs(86_400),
        ),
        "PORT" => {
            let port = value.parse::<u16>().map_err(|_| "a port is expected")?;
            return Err(format!(
                "the gateway for dmon's clients listens where server.toml says: [gateway.dmon] listen = \"0.0.0.0:{port}\""
            ));
        }
        key => {
            let elsewhere = ELSEWHERE.iter().find(|(known, _)| *known == key);
            return Err(elsewhere
                .map_or("there is no such setting here", |(_, why)| why)
                .into());
        }
    };
    let time = interval(value, &sane)?;
    if sheet.defaults.insert(key_here, time.to_string()).is_some() {
        return Err("it is said twice; the last one counts".into());
    }
    report.take("settings");
    Ok(())
}

fn interval(text: &str, sane: &RangeInclusive<Interval>) -> Result<Interval, String> {
    let time = Interval::parse(text).map_err(|error| error.to_string())?;
    match sane.contains(&time) {
        true => Ok(time),
        false => Err(format!(
            "{time} is not between {} and {}",
            sane.start(),
            sane.end()
        )),
    }
}

/// What `work` says, before it is put into the sheet: lines may speak of what comes later.
#[derive(Debug, Default)]
struct Work<'a> {
    /// Names for levels.
    levels: BTreeMap<usize, (String, &'a Line)>,
    /// Groups by their tags.
    groups: BTreeMap<String, usize>,
}

fn work(sheet: &mut Sheet, report: &mut Report, lines: &[Line]) {
    let mut work = Work::default();
    for pass in [Pass::Hosts, Pass::Others] {
        for line in lines {
            let is_host = line.text.starts_with("host ");
            if is_host != (pass == Pass::Hosts) {
                continue;
            }
            if let Err(why) = work_line(sheet, report, &mut work, line) {
                let remark = report.leave(line, &line.text, why);
                sheet.remarks.push(remark);
            }
        }
    }
    levels(sheet, report, work.levels);
}

/// Names for levels are taken over all together, or not at all.
fn levels(sheet: &mut Sheet, report: &mut Report, said: BTreeMap<usize, (String, &Line)>) {
    if said.is_empty() {
        return;
    }
    let usual = LevelNames::default();
    let names = usual.all().iter().enumerate();
    let names =
        names.map(|(index, usual)| said.get(&index).map_or(usual, |(name, _)| name).clone());
    let names: Vec<String> = names.collect();
    let taken = names.iter().find(|name| WORDS.contains(&name.as_str()));
    let found = match (LevelNames::parse(&names), taken) {
        (Ok(levels), None) => Ok(levels),
        (_, Some(word)) => Err(format!("{word} is a word of fitness functions")),
        (Err(why), None) => Err(why),
    };
    match found {
        Ok(levels) => {
            report.take("levels");
            // What they are called anyhow need not be said.
            sheet.levels = Some(names).filter(|_| levels != usual);
        }
        Err(why) => {
            for (_, line) in said.values() {
                let remark = report.leave(
                    line,
                    &line.text,
                    format!("the levels keep their names: {why}"),
                );
                sheet.remarks.push(remark);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Hosts,
    Others,
}

fn work_line<'a>(
    sheet: &mut Sheet,
    report: &mut Report,
    work: &mut Work<'a>,
    line: &'a Line,
) -> Result<(), String> {
    let words: Vec<&str> = line.text.split_whitespace().collect();
    match words[..] {
        ["host", name, tag] => host(sheet, report, work, name, tag),
        ["host", ..] => Err("it is written as host NAME TAG".into()),
        ["fit_level", word, ref name @ ..] => {
            let index = LEVELS.iter().position(|words| words.contains(&word));
            let index = index.ok_or("the levels are fine, soso, sick, crit and dead")?;
            let name = match name {
                [] => word,
                [name] => name,
                _ => return Err("a level has a name of one word".into()),
            };
            let name = match name {
                "crit" => "critical",
                name => name,
            };
            match work.levels.insert(index, (name.to_owned(), line)) {
                None => Ok(()),
                Some(_) => Err("it is said twice; the last one counts".into()),
            }
        }
        ["get", tag, ref items @ ..] if !items.is_empty() => {
            get(sheet, report, work, line, tag, items)
        }
        ["pmaker", ..] => {
            Err("there are no page makers: the server shows, and lockstep problems prints".into())
        }
        ["user" | "group" | "alert" | "mail", ..] => {
            Err("people and alerts are written as [user.NAME] and [alert.NAME]".into())
        }
        _ => Err("lines of this kind are not known".into()),
    }
}

fn host(
    sheet: &mut Sheet,
    report: &mut Report,
    work: &mut Work<'_>,
    name: &str,
    tag: &str,
) -> Result<(), String> {
    let name = HostName::parse(&name.to_lowercase()).map_err(|error| error.to_string())?;
    let index = match work.groups.get(tag) {
        Some(index) => *index,
        None if sheet.groups.len() >= MOST_GROUPS => {
            return Err(format!("at most {MOST_GROUPS} tags are taken over"));
        }
        None => {
            let group = Group::new(sheet.group_name(tag), format!("Hosts with the tag {tag}."));
            sheet.groups.push(group);
            work.groups.insert(tag.to_owned(), sheet.groups.len() - 1);
            report.take("groups");
            sheet.groups.len() - 1
        }
    };
    let group = sheet.groups.get_mut(index).ok_or("its group is gone")?;
    if group.hosts.iter().any(|host| host == name.as_str()) {
        return Err("it is said twice".into());
    }
    group.hosts.push(name.to_string());
    if !sheet.hosts.iter().any(|host| host.name == name) {
        sheet.hosts.push(Host::new(name));
        report.take("hosts");
    }
    Ok(())
}

/// Most groups of a fleet file.
const MOST_GROUPS: usize = 2_000;

fn get(
    sheet: &mut Sheet,
    report: &mut Report,
    work: &Work<'_>,
    line: &Line,
    tag: &str,
    items: &[&str],
) -> Result<(), String> {
    let index = *work.groups.get(tag).ok_or("no host has this tag")?;
    for item in items {
        let why = match known(item) {
            Ok(name) => match sheet.groups.get_mut(index) {
                Some(group) if group.items.len() >= MOST_ITEMS => {
                    format!("a host has at most {MOST_ITEMS} items")
                }
                Some(group) => {
                    if !group.items.contains(&name) {
                        group.items.push(name);
                        report.take("items");
                    }
                    continue;
                }
                None => continue,
            },
            Err(why) => why,
        };
        let remark = report.leave(line, &format!("get {tag} {item}"), why);
        if let Some(group) = sheet.groups.get_mut(index) {
            group.remarks.push(remark);
        }
    }
    Ok(())
}

/// An item that is called here as it is there.
fn known(item: &str) -> Result<String, String> {
    let name = pattern(item.to_owned())?;
    let glob = Glob::parse(&name)?;
    let probe = crate::pattern::probe(&glob);
    match probe.contains(['*', '?']) || probes::probe(probe).is_none() {
        true => Err("no item is called so here; docs/monitoring.md lists them".into()),
        false => Ok(name),
    }
}
