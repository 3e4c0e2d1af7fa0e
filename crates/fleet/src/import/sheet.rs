//! The fleet file while it is being made.
//!
//! It is made in the order in which it is written: what is said of all, groups, hosts, who follows what, silences. Each
//! part carries comments about what was not taken over there.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::{Glob, HostName, ItemName};

use super::write::{Value, comment, key, list, quoted};

/// A fleet file that is being made.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// Comments at the top.
    pub(super) head: Vec<String>,
    pub(super) levels: Option<Vec<String>>,
    /// Keys of `[defaults]` with their values.
    pub(super) defaults: BTreeMap<&'static str, String>,
    /// `[item."X"]` for all hosts.
    pub(super) rules: BTreeMap<String, Rule>,
    /// Comments behind what is said of all.
    pub(super) remarks: Vec<String>,
    pub(super) groups: Vec<Group>,
    pub(super) hosts: Vec<Host>,
    pub(super) follows: Vec<Follow>,
    pub(super) silences: Vec<Silence>,
}

/// `[group.NAME]`.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) name: String,
    /// A comment: where it comes from.
    pub(super) title: String,
    /// Names, patterns and labels.
    pub(super) hosts: Vec<String>,
    pub(super) priority: Option<i64>,
    pub(super) items: Vec<String>,
    pub(super) rules: BTreeMap<String, Rule>,
    pub(super) remarks: Vec<String>,
    /// It is there for what is said in it, not for its hosts: without that it is not written.
    pub(super) for_rules: bool,
}

/// `[host.NAME]`.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: HostName,
    pub(super) labels: BTreeMap<String, String>,
    /// Who watches it.
    pub(super) via: Option<HostName>,
    pub(super) address: Option<String>,
    pub(super) items: Vec<String>,
    pub(super) depends: Vec<HostName>,
    pub(super) rules: BTreeMap<String, Rule>,
    pub(super) remarks: Vec<String>,
}

/// What is said of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) options: BTreeMap<&'static str, Value>,
    /// The conditions of `sick` and `critical`.
    pub(super) fitness: BTreeMap<&'static str, Vec<String>>,
}

/// `[follow.NAME]`.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) name: String,
    pub(super) package: String,
    pub(super) pin: String,
    /// `hosts` or `labels`, and which.
    pub(super) whom: (&'static str, Vec<String>),
    pub(super) priority: i64,
}

/// `[silence.NAME]`.
#[derive(Debug)]
pub(super) struct Silence {
    pub(super) name: String,
    pub(super) host: HostName,
    pub(super) hours: String,
    pub(super) reason: String,
}

/// Most items that one list names: what the fleet file allows.
pub(super) const MOST_ITEMS: usize = 500;

/// Longest name of a definition, in characters.
const LONGEST_NAME: usize = 64;

impl Group {
    /// A group without anything in it.
    pub(super) fn new(name: String, title: String) -> Self {
        Self {
            name,
            title,
            ..Self::default()
        }
    }
}

impl Host {
    pub(super) fn new(name: HostName) -> Self {
        Self {
            name,
            labels: BTreeMap::new(),
            via: None,
            address: None,
            items: Vec::new(),
            depends: Vec::new(),
            rules: BTreeMap::new(),
            remarks: Vec::new(),
        }
    }
}

impl Rule {
    /// A function that judges by these conditions; none for those that can never hold.
    pub(super) fn judging(sick: Vec<String>, critical: Vec<String>) -> Self {
        let mut fitness = BTreeMap::new();
        for (level, when) in [("sick", sick), ("critical", critical)] {
            for condition in when {
                let said: &mut Vec<String> = fitness.entry(level).or_default();
                // Two words of a line may come to the same, and a fleet file says nothing twice.
                if !said.contains(&condition) {
                    said.push(condition);
                }
            }
        }
        Self {
            fitness,
            options: BTreeMap::new(),
        }
    }
}

impl Sheet {
    /// A name for a definition that none of its kind has: letters, digits, `-`, `_` and points, made of any text.
    pub(super) fn name(text: &str, taken: impl Fn(&str) -> bool) -> String {
        let mut name = String::new();
        for c in text.chars() {
            match c {
                c if c.is_alphanumeric() || matches!(c, '.' | '_') => name.extend(c.to_lowercase()),
                _ if name.ends_with('-') || name.is_empty() => {}
                _ => name.push('-'),
            }
        }
        // Lower-case letters may be several, and not all of them count as letters alone.
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name: String = name.chars().filter(kept).take(LONGEST_NAME - 6).collect();
        let name = match name.trim_end_matches('-') {
            "" => "unnamed",
            name => name,
        };
        let numbered = (2_u32..=99_999).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        names.find(|name| !taken(name)).unwrap_or_default()
    }

    /// A name for a group.
    pub(super) fn group_name(&self, text: &str) -> String {
        let taken: BTreeSet<&str> = self.groups.iter().map(|it| it.name.as_str()).collect();
        Self::name(text, |name| taken.contains(name))
    }

    /// The whole fleet file.
    pub(super) fn written(&self) -> String {
        let mut text = String::new();
        remarks(&mut text, &self.head);
        if let Some(levels) = &self.levels {
            text.push_str(&format!("\nlevels = {}\n", list(levels)));
        }
        if !self.defaults.is_empty() {
            text.push_str("\n[defaults]\n");
            for (key, value) in &self.defaults {
                text.push_str(&format!("{key} = {}\n", quoted(value)));
            }
        }
        if !self.remarks.is_empty() {
            text.push('\n');
            remarks(&mut text, &self.remarks);
        }
        rules(&mut text, "item", &self.rules);
        for group in &self.groups {
            group.write(&mut text);
        }
        for host in &self.hosts {
            host.write(&mut text);
        }
        for follow in &self.follows {
            follow.write(&mut text);
        }
        for silence in &self.silences {
            silence.write(&mut text);
        }
        text
    }
}

fn remarks(text: &mut String, remarks: &[String]) {
    for remark in remarks {
        text.push_str(&comment(remark));
    }
}

fn rules(text: &mut String, path: &str, rules: &BTreeMap<String, Rule>) {
    for (item, rule) in rules {
        text.push_str(&format!("\n[{path}.{}]\n", key(item)));
        for (name, value) in &rule.options {
            text.push_str(&format!("{name} = {}\n", value.written()));
        }
        // The better level first, as people read it.
        let levels = ["sick", "critical"].into_iter();
        let levels = levels.filter_map(|level| {
            Some(match &rule.fitness.get(level)?[..] {
                [one] => format!("{level} = {}", quoted(one)),
                several => format!("{level} = {}", several_in_line(several)),
            })
        });
        let levels: Vec<String> = levels.collect();
        if !levels.is_empty() {
            text.push_str(&format!("fitness = {{ {} }}\n", levels.join(", ")));
        }
    }
}

/// Within braces everything stands in one line.
fn several_in_line(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| self::quoted(text)).collect();
    format!("[{}]", quoted.join(", "))
}

impl Group {
    fn write(&self, text: &mut String) {
        // A group without hosts is refused; what was to be said of it stands in the comments.
        let says_nothing = self.for_rules && self.items.is_empty() && self.rules.is_empty();
        let bare = self.hosts.is_empty() || says_nothing;
        if bare && self.remarks.is_empty() {
            return;
        }
        text.push('\n');
        if !self.title.is_empty() {
            text.push_str(&comment(&self.title));
        }
        remarks(text, &self.remarks);
        if bare {
            return;
        }
        let path = format!("group.{}", key(&self.name));
        text.push_str(&format!("[{path}]\nhosts = {}\n", list(&self.hosts)));
        if let Some(priority) = self.priority {
            text.push_str(&format!("priority = {priority}\n"));
        }
        if !self.items.is_empty() {
            text.push_str(&format!("items = {}\n", list(&self.items)));
        }
        rules(text, &format!("{path}.item"), &self.rules);
    }
}

impl Host {
    fn write(&self, text: &mut String) {
        text.push('\n');
        remarks(text, &self.remarks);
        let path = format!("host.{}", key(self.name.as_str()));
        text.push_str(&format!("[{path}]\n"));
        if !self.labels.is_empty() {
            let labels = self.labels.iter();
            let labels: Vec<String> = labels
                .map(|(name, value)| format!("{} = {}", key(name), quoted(value)))
                .collect();
            text.push_str(&format!("labels = {{ {} }}\n", labels.join(", ")));
        }
        if let Some(via) = &self.via {
            text.push_str(&format!("via = {}\n", quoted(via.as_str())));
        }
        if let Some(address) = &self.address {
            text.push_str(&format!("address = {}\n", quoted(address)));
        }
        if !self.items.is_empty() {
            text.push_str(&format!("items = {}\n", list(&self.items)));
        }
        if !self.depends.is_empty() {
            let depends: Vec<String> = self.depends.iter().map(ToString::to_string).collect();
            text.push_str(&format!("depends = {}\n", list(&depends)));
        }
        rules(text, &format!("{path}.item"), &self.rules);
    }
}

impl Follow {
    fn write(&self, text: &mut String) {
        let (key_of_whom, whom) = &self.whom;
        text.push_str(&format!(
            "\n[follow.{}]\npackage = {}\n{key_of_whom} = {}\npin = {}\n",
            key(&self.name),
            quoted(&self.package),
            list(whom),
            quoted(&self.pin)
        ));
        if self.priority != 0 {
            text.push_str(&format!("priority = {}\n", self.priority));
        }
    }
}

impl Silence {
    fn write(&self, text: &mut String) {
        text.push_str(&format!(
            "\n[silence.{}]\nhosts = {}\nhours = {}\nreason = {}\n",
            key(&self.name),
            list(&[self.host.to_string()]),
            quoted(&self.hours),
            quoted(&self.reason)
        ));
    }
}

/// An item with a foreign text in its name, if it can be one. A star would make a pattern of it; question marks stand in
/// addresses of pages.
pub(super) fn item(text: String) -> Result<String, String> {
    if text.contains('*') {
        return Err("a * in the name of an item would make it a pattern".into());
    }
    pattern(text)
}

/// The same for what may be a pattern.
pub(super) fn pattern(text: String) -> Result<String, String> {
    if text.len() > ItemName::LONGEST {
        return Err(format!(
            "an item's name has at most {} bytes",
            ItemName::LONGEST
        ));
    }
    Glob::parse(&text).map(|_| text)
}
