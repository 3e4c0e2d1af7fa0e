//! `hosts.cfg`: hosts, and the pages and groups on which they are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use lockstep_model::{HostName, Hours};

use super::super::lines::Line;
use super::super::sheet::{Group, Host};
use super::scope::KnownHost;
use super::{Work, checks};

/// A host as its first line says it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) line: Line,
    pub(super) name: HostName,
    /// None for `0.0.0.0`, which asks for a look-up of the name.
    pub(super) address: Option<IpAddr>,
    pub(super) tags: Vec<String>,
    /// Where it is in the sheet.
    pub(super) index: usize,
}

/// Where in the file the reader is.
#[derive(Debug, Default)]
struct Position {
    /// The path of the page; empty for the front page.
    page: String,
    page_group: Option<usize>,
    /// The title of the group within the page.
    title: Option<String>,
    group: Option<usize>,
    /// Paths of pages by their names, for `subpage` and `subparent`.
    paths: BTreeMap<String, String>,
    /// The page below which a `subpage` hangs.
    top: Option<String>,
}

/// Most groups that are made of pages and groups.
const MOST_GROUPS: usize = 900;

/// Longest path of a page, in bytes: pages hang below one another.
const LONGEST_PATH: usize = 200;

/// Reads all lines.
pub(super) fn read(work: &mut Work<'_>, lines: Vec<Line>) {
    let mut position = Position::default();
    let mut entries: Vec<Entry> = Vec::new();
    let mut places: BTreeMap<HostName, usize> = BTreeMap::new();
    for line in lines {
        if let Err(why) = read_line(work, &mut position, &mut entries, &mut places, &line) {
            let remark = work.report.leave(&line, &line.text, why);
            let group = position.group.or(position.page_group);
            match group.and_then(|index| work.sheet.groups.get_mut(index)) {
                Some(group) => group.remarks.push(remark),
                None => work.sheet.remarks.push(remark),
            }
        }
    }
    checks::all(work, &entries);
    for _ in work.sheet.groups.iter().filter(|it| !it.hosts.is_empty()) {
        work.report.take("groups");
    }
}

fn read_line(
    work: &mut Work<'_>,
    position: &mut Position,
    entries: &mut Vec<Entry>,
    places: &mut BTreeMap<HostName, usize>,
    line: &Line,
) -> Result<(), String> {
    let text = line.text.trim();
    let (word, rest) = split(text);
    match word {
        "page" | "vpage" => {
            let (name, title) = named(rest)?;
            position.top = Some(name.to_owned());
            position.page(work, name.to_owned(), name, title)?;
        }
        "subpage" | "vsubpage" => {
            let (name, title) = named(rest)?;
            let top = position.top.as_ref();
            let top = top.ok_or("there is no page before it below which it could hang")?;
            let path = below(top, name)?;
            position.page(work, path, name, title)?;
        }
        "subparent" | "vsubparent" => {
            let (parent, rest) = split(rest);
            let (name, title) = named(rest)?;
            let parent = position.paths.get(parent);
            let parent = parent.ok_or("the page below which it hangs is not defined before it")?;
            let path = below(parent, name)?;
            position.page(work, path, name, title)?;
        }
        "group" | "group-compress" | "group-sorted" => position.group(work, rest)?,
        "group-only" | "group-except" => {
            let (_, title) = split(rest);
            position.group(work, title)?;
            return Err(
                "which columns are shown is about Xymon's pages; its group was taken over".into(),
            );
        }
        "title" | "summary" => return Err("it is about Xymon's pages".into()),
        word => {
            let address = word.parse::<IpAddr>();
            let address =
                address.map_err(|_| "this is neither a host nor a page or group".to_owned())?;
            let (name, tags) = split(rest);
            let tags = tags.trim_start().strip_prefix('#').unwrap_or_default();
            let tags = words(tags);
            host(work, position, entries, places, line, address, name, tags)?;
        }
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "one line with all its parts")]
fn host(
    work: &mut Work<'_>,
    position: &Position,
    entries: &mut Vec<Entry>,
    places: &mut BTreeMap<HostName, usize>,
    line: &Line,
    address: IpAddr,
    name: &str,
    tags: Vec<String>,
) -> Result<(), String> {
    if let Some(alias) = name.strip_prefix('@') {
        return Err(format!(
            "ranges of addresses are not looked through ({alias})"
        ));
    }
    if name == ".default." {
        return Err("its tags are for all hosts that follow: say it of each, or by a group".into());
    }
    let name = HostName::parse(&name.to_lowercase()).map_err(|error| error.to_string())?;
    let index = places.get(&name).copied();
    for of_host in [position.page_group, position.group].into_iter().flatten() {
        let group = work.sheet.groups.get_mut(of_host);
        // Only a host that was there before can be in the group already.
        let new = |group: &&mut Group| {
            index.is_none() || !group.hosts.iter().any(|it| it == name.as_str())
        };
        if let Some(group) = group.filter(new) {
            group.hosts.push(name.to_string());
        }
    }
    let (page, title) = (position.page.clone(), position.title.clone());
    if let Some(index) = index {
        if let Some(known) = work.known.hosts.get_mut(index) {
            known.pages.insert(page);
            known.groups.extend(title);
        }
        // Xymon takes the tests of the first line, too; what makes the second one different is told.
        let silent = ["noconn", "noping", "prefer"];
        let more: Vec<&str> = tags
            .iter()
            .map(String::as_str)
            .filter(|tag| !silent.contains(tag))
            .collect();
        if !more.is_empty() {
            return Err(
                "the host has a line before this one, and the tags of that one count".into(),
            );
        }
        return Ok(());
    }
    let index = work.sheet.hosts.len();
    work.sheet.hosts.push(Host::new(name.clone()));
    work.report.take("hosts");
    work.known.hosts.push(KnownHost {
        name: name.clone(),
        class: None,
        pages: BTreeSet::from([page]),
        groups: title.into_iter().collect(),
        agent: true,
    });
    places.insert(name.clone(), index);
    entries.push(Entry {
        line: line.clone(),
        name,
        address: Some(address).filter(|address| !address.is_unspecified()),
        tags,
        index,
    });
    Ok(())
}

impl Position {
    fn page(
        &mut self,
        work: &mut Work<'_>,
        path: String,
        name: &str,
        title: &str,
    ) -> Result<(), String> {
        self.group = None;
        self.title = None;
        self.page_group = None;
        self.page.clone_from(&path);
        self.paths.insert(name.to_owned(), path.clone());
        room(work)?;
        let group_name = work.sheet.group_name(&path.replace('/', "."));
        let title = match stripped(title) {
            title if title.is_empty() => format!("Page {path}."),
            title => format!("Page {path}: {title}"),
        };
        // A page that is opened a second time goes on.
        let known = work.known.pages.get(&path).copied();
        let index = known.unwrap_or(work.sheet.groups.len());
        if known.is_none() {
            work.sheet.groups.push(Group::new(group_name, title));
            work.known.pages.insert(path, index);
        }
        self.page_group = Some(index);
        Ok(())
    }

    fn group(&mut self, work: &mut Work<'_>, title: &str) -> Result<(), String> {
        let title = stripped(title);
        self.title = None;
        self.group = None;
        if title.is_empty() {
            // It separates hosts on the page; nothing could be said of it.
            return Ok(());
        }
        self.title = Some(title.clone());
        room(work)?;
        let path = match self.page.as_str() {
            "" => title.clone(),
            page => format!("{}.{title}", page.replace('/', ".")),
        };
        let name = work.sheet.group_name(&path);
        let place = match self.page.as_str() {
            "" => "the front page".to_owned(),
            page => format!("page {page}"),
        };
        self.group = Some(work.sheet.groups.len());
        let group = Group::new(name, format!("Group \"{title}\" of {place}."));
        work.sheet.groups.push(group);
        Ok(())
    }
}

/// A fleet file has at most 2,000 groups, and rules need some of them.
fn room(work: &Work<'_>) -> Result<(), String> {
    match work.sheet.groups.len() < MOST_GROUPS {
        true => Ok(()),
        false => Err(format!(
            "at most {MOST_GROUPS} pages and groups are taken over"
        )),
    }
}

fn below(parent: &str, name: &str) -> Result<String, String> {
    let path = format!("{parent}/{name}");
    match path.len() <= LONGEST_PATH {
        true => Ok(path),
        false => Err(format!(
            "the path of a page has at most {LONGEST_PATH} bytes"
        )),
    }
}

fn named(rest: &str) -> Result<(&str, &str), String> {
    match split(rest) {
        ("", _) => Err("it has no name".into()),
        (name, _) if name.len() > LONGEST_PATH => Err("its name is too long".into()),
        found => Ok(found),
    }
}

/// The first word, and what stands behind it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, ""),
    }
}

/// Words between blanks; within quotes blanks belong to the word, and the quotes do not.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words.retain(|word| !word.is_empty());
    words
}

/// A title without tags of HTML.
fn stripped(title: &str) -> String {
    let mut text = String::new();
    let mut within = false;
    for c in title.chars() {
        match c {
            '<' => within = true,
            '>' => within = false,
            c if !within => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `DOWNTIME=`: the hours, and the reason.
pub(super) fn downtime(text: &str) -> Result<(String, String), String> {
    let wrong = || "it is not understood: say it by [silence.NAME] with hours".to_owned();
    let mut stretches = Vec::new();
    let mut reason = None;
    for part in text.split(',') {
        let parts: Vec<&str> = part.split(':').collect();
        let (days, start, end) = match parts[..] {
            [days, start, end] => (days, start, end),
            ["*", days, start, end, cause] => {
                reason = Some(cause.trim().to_owned()).filter(|cause| !cause.is_empty());
                (days, start, end)
            }
            [_, _, _, _, _] => {
                return Err(
                    "it speaks of some tests alone: say it by [silence.NAME] with items".into(),
                );
            }
            _ => return Err(wrong()),
        };
        let (start, end) = (time(start).ok_or_else(wrong)?, time(end).ok_or_else(wrong)?);
        let times = match (start.as_str(), end.as_str()) {
            ("00:00", "24:00" | "23:59" | "00:00") => String::new(),
            _ => format!("{start}-{end}"),
        };
        for days in self::days(days).ok_or_else(wrong)? {
            let stretch = format!("{days} {times}");
            stretches.push(match stretch.trim() {
                "" => "Mon-Sun".to_owned(),
                stretch => stretch.to_owned(),
            });
        }
    }
    let hours = stretches.join(", ");
    Hours::parse(&hours, "UTC").map_err(|_| wrong())?;
    Ok((
        hours,
        reason.unwrap_or_else(|| "DOWNTIME in hosts.cfg".into()),
    ))
}

fn days(text: &str) -> Option<Vec<&'static str>> {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    match text {
        "*" => Some(vec![""]),
        "W" | "w" => Some(vec!["Mon-Fri"]),
        "" => None,
        digits => {
            let days = digits
                .chars()
                .map(|c| DAYS.get(c.to_digit(10)? as usize).copied());
            days.collect()
        }
    }
}

fn time(text: &str) -> Option<String> {
    let digits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| format!("{}:{}", &text[..2], &text[2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_quoted_as_a_whole_or_in_part() {
        let is = |text: &str, expected: &[&str]| assert_eq!(words(text), expected);
        is(" a  b\t", &["a", "b"]);
        is(
            r#"NAME:"a b" "COMMENT:c d" e"#,
            &["NAME:a b", "COMMENT:c d", "e"],
        );
        is(r#""" "open  end"#, &["open  end"]);
    }

    #[test]
    fn downtimes_become_hours() {
        let is = |text: &str, hours: &str, why: &str| {
            assert_eq!(downtime(text), Ok((hours.into(), why.into())));
        };
        is(
            "W:0800:2200",
            "Mon-Fri 08:00-22:00",
            "DOWNTIME in hosts.cfg",
        );
        is(
            "*:0200:0300,06:1000:1200",
            "02:00-03:00, Sun 10:00-12:00, Sat 10:00-12:00",
            "DOWNTIME in hosts.cfg",
        );
        is("*:1:2200:0100:a backup", "Mon 22:00-01:00", "a backup");
        is("*:0000:2400", "Mon-Sun", "DOWNTIME in hosts.cfg");
        for wrong in [
            "",
            "W:8:9",
            "9:0800:0900",
            "disk:W:0800:0900:x",
            "W:0861:0900",
            "a:b",
        ] {
            assert!(downtime(wrong).is_err(), "{wrong}");
        }
    }
}
