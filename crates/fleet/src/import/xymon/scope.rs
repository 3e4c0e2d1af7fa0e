//! Whom a section or a rule speaks of, and the group of the fleet file in which that is said.
//!
//! Of several rules Xymon takes the first one that matches. So each rule has a group of its own, and the earlier one has
//! the greater priority. Where hosts are selected in a way that no group knows, they are named one by one.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_model::{Glob, HostName};

use super::super::expression::{Selector, distinct};
use super::super::sheet::Group;
use super::Work;

/// What `hosts.cfg` says of who is where.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// In the order of the file, as the first hosts of the sheet.
    pub(super) hosts: Vec<KnownHost>,
    /// The groups of pages, by the pages' paths.
    pub(super) pages: BTreeMap<String, usize>,
}

/// A host of `hosts.cfg`.
#[derive(Debug)]
pub(super) struct KnownHost {
    pub(super) name: HostName,
    pub(super) class: Option<String>,
    /// Paths of pages; empty for the front page.
    pub(super) pages: BTreeSet<String>,
    /// Titles of groups within pages.
    pub(super) groups: BTreeSet<String>,
    /// False if another host watches it.
    pub(super) agent: bool,
}

/// Whom is spoken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    Everything,
    /// Names and patterns.
    Hosts(Vec<String>),
    /// A label as in `class=web`.
    Label(String),
    /// The group of a page.
    Page(usize),
}

/// What hosts are selected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    Host,
    Page,
    Class,
    Group,
}

/// One condition: what is selected by, whether that is excluded, and which.
pub(super) type Filter = (By, bool, Selector);

/// The groups that were made for rules.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// In the order in which they were made.
    made: Vec<(Scope, usize)>,
    everywhere: Option<usize>,
}

/// The greatest priority of a group.
const MOST_PRIORITY: i64 = 1_000;
/// Most patterns of one group.
const MOST_PATTERNS: usize = 200;

impl Known {
    /// Whom conditions speak of that must all hold.
    pub(super) fn scope(&self, filters: &[Filter]) -> Result<Scope, String> {
        match filters {
            [] => return Ok(Scope::Everything),
            [(by, false, selector)] => {
                if let Some(scope) = self.simple(*by, selector) {
                    return Ok(scope);
                }
            }
            _ => {}
        }
        let holds = |host: &&KnownHost| {
            filters
                .iter()
                .all(|(by, except, selector)| host.is(*by, selector) != *except)
        };
        let hosts: Vec<String> = self
            .hosts
            .iter()
            .filter(holds)
            .map(|host| host.name.to_string())
            .collect();
        match hosts.is_empty() {
            true => Err("it speaks of no host that hosts.cfg has".into()),
            false => Ok(Scope::Hosts(hosts)),
        }
    }

    /// Where a group of the fleet file can say the same.
    fn simple(&self, by: By, selector: &Selector) -> Option<Scope> {
        match (by, selector) {
            (_, Selector::Everything) => Some(Scope::Everything),
            (By::Host, Selector::Names(names)) => {
                let names: Option<Vec<String>> = names
                    .iter()
                    .map(|name| HostName::parse(name).ok().map(|name| name.to_string()))
                    .collect();
                names.map(Scope::Hosts)
            }
            (By::Host, Selector::Expression { globs, .. }) => {
                let globs: Vec<String> = globs
                    .as_ref()?
                    .iter()
                    .map(|glob| glob.to_lowercase())
                    .collect();
                let globs = distinct(globs);
                let possible =
                    |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-' | '*' | '?');
                let usable = globs.iter().all(|glob| {
                    let plain = !glob.contains(['*', '?']);
                    glob.chars().all(possible)
                        && Glob::parse(glob).is_ok()
                        && (!plain || HostName::parse(glob).is_ok())
                });
                (usable && globs.len() <= MOST_PATTERNS).then_some(Scope::Hosts(globs))
            }
            (By::Class, Selector::Names(names)) => match &names[..] {
                [name] => {
                    let mut classes = self.hosts.iter().filter_map(|host| host.class.as_deref());
                    let class = classes.find(|class| class.to_lowercase() == *name);
                    match class {
                        // Different spellings of one class are named one by one.
                        Some(class) => {
                            let same = self.hosts.iter().filter_map(|host| host.class.as_deref());
                            let mut same = same.filter(|other| other.to_lowercase() == *name);
                            let plain = same.all(|other| other == class)
                                && class == class.trim()
                                && !class.contains(['*', '?']);
                            (plain && Glob::parse(class).is_ok())
                                .then(|| Scope::Label(format!("class={class}")))
                        }
                        // A client without a class has its operating system as one.
                        None if name == LINUX
                            && self.hosts.iter().all(|host| host.class.is_none()) =>
                        {
                            Some(Scope::Everything)
                        }
                        None => None,
                    }
                }
                _ => None,
            },
            (By::Page, Selector::Names(names)) => match &names[..] {
                [name] => {
                    let (_, index) = self
                        .pages
                        .iter()
                        .find(|(path, _)| path.to_lowercase() == *name)?;
                    Some(Scope::Page(*index))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// What clients on Linux call their operating system.
pub(super) const LINUX: &str = "linux";

impl KnownHost {
    fn is(&self, by: By, selector: &Selector) -> bool {
        match by {
            By::Host => selector.matches(self.name.as_str()),
            By::Class => selector.matches(self.class.as_deref().unwrap_or(LINUX)),
            By::Page => self.pages.iter().any(|page| match page.as_str() {
                "" => selector.matches("/"),
                page => selector.matches(page),
            }),
            By::Group if self.groups.is_empty() => selector.matches("NONE"),
            By::Group => self.groups.iter().any(|group| selector.matches(group)),
        }
    }
}

impl Targets {
    /// The newest group for these hosts.
    pub(super) fn of(&self, scope: &Scope) -> Option<usize> {
        let mut made = self.made.iter().rev();
        made.find(|(other, _)| other == scope)
            .map(|(_, index)| *index)
    }
}

impl Work<'_> {
    /// The group in which something is said of these hosts. What is said in the one that was asked for before counts
    /// more.
    pub(super) fn target(
        &mut self,
        scope: &Scope,
        name: &str,
        title: String,
    ) -> Result<usize, String> {
        if let Some((last, index)) = self.targets.made.last()
            && last == scope
        {
            return Ok(*index);
        }
        let made = i64::try_from(self.targets.made.len()).unwrap_or(MOST_PRIORITY);
        let priority = MOST_PRIORITY - made;
        if priority < 1 {
            return Err(format!(
                "at most {MOST_PRIORITY} rules with hosts of their own are taken over"
            ));
        }
        let hosts = match scope {
            Scope::Everything => vec!["*".to_owned()],
            Scope::Hosts(hosts) => hosts.clone(),
            Scope::Label(label) => vec![label.clone()],
            Scope::Page(index) => {
                let page = self.sheet.groups.get(*index);
                page.map(|page| page.hosts.clone()).unwrap_or_default()
            }
        };
        if hosts.is_empty() {
            return Err("it speaks of a page without hosts".into());
        }
        let of_page = match scope {
            Scope::Page(index) => self
                .sheet
                .groups
                .get_mut(*index)
                .map(|group| (*index, group)),
            _ => None,
        };
        let index = match of_page.filter(|(_, group)| group.priority.is_none()) {
            Some((index, group)) => {
                group.priority = Some(priority);
                index
            }
            None => {
                let group = Group {
                    hosts,
                    priority: Some(priority),
                    for_rules: true,
                    ..Group::new(self.sheet.group_name(name), title)
                };
                self.sheet.groups.push(group);
                self.sheet.groups.len() - 1
            }
        };
        self.targets.made.push((scope.clone(), index));
        Ok(index)
    }

    /// The group of all hosts in which items are watched that are judged for all.
    pub(super) fn everywhere(&mut self) -> usize {
        if let Some(index) = self.targets.everywhere {
            return index;
        }
        let group = Group {
            hosts: vec!["*".to_owned()],
            for_rules: true,
            ..Group::new(
                self.sheet.group_name("everywhere"),
                "What is watched on all hosts.".into(),
            )
        };
        self.sheet.groups.push(group);
        let index = self.sheet.groups.len() - 1;
        self.targets.everywhere = Some(index);
        index
    }
}
