//! What is asked of the list of hosts, as it stands in the address.

use std::borrow::Cow;

use lockstep_model::{Interval, Level, RolloutId};

use super::Column;
use crate::parts::level::of_rank;

/// Longest words that are looked for, in bytes; longer ones are refused.
const LONGEST: usize = 500;
/// Labels that can be asked for at once.
const MOST_LABELS: usize = 10;

/// Which hosts, in which order and shape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ask {
    /// Words, each of which is a part of a name, a label, a group, an operating system or a version.
    pub q: String,
    /// At exactly this level.
    pub level: Option<Level>,
    /// Those of which nothing is heard.
    pub silent: bool,
    /// Those that a run is changing.
    pub in_run: bool,
    /// Those with problems that nobody is on and nothing explains.
    pub unhandled: bool,
    /// Of this group.
    pub group: Option<String>,
    /// With these labels.
    pub labels: Vec<(String, String)>,
    /// With this package.
    pub package: Option<String>,
    /// In this version; of the agent, if no package is named.
    pub version: Option<String>,
    /// With this operating system, in its own words.
    pub os: Option<String>,
    /// With packages that can be updated.
    pub updates: bool,
    /// With security fixes that wait.
    pub security: bool,
    /// With a security fix that has been waiting for longer.
    pub patch_age: Option<Interval>,
    /// Those that want to be rebooted.
    pub reboot: bool,
    /// Those whose agent is not in the version that is wanted.
    pub behind: bool,
    /// Those that a silence keeps quiet as a whole.
    pub silenced: bool,
    /// Those in a wave of this rollout, the newest of its channel.
    pub rollout: Option<RolloutId>,
    /// In this wave of it, from 1.
    pub wave: Option<usize>,
    /// By which column; none for the worst first.
    pub sort: Option<Column>,
    /// From the greatest to the least.
    pub desc: bool,
    /// What is gathered under headings.
    pub group_by: Option<GroupBy>,
    /// A list or a matrix.
    pub shape: Shape,
    /// What the rows of the matrix are.
    pub by: By,
    /// Also what is fine everywhere, in the matrix.
    pub all: bool,
    /// Which page of the hosts, from 1; 0 is the same as 1.
    pub page: usize,
    /// Which page of the items of the matrix, from 1; 0 is the same as 1.
    pub items_page: usize,
}

/// Parts of an address.
pub(super) type Parts = Vec<(&'static str, String)>;

/// A list or a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// One row for each host.
    #[default]
    List,
    /// Hosts and items.
    Matrix,
}

/// What the rows of the matrix are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// Rows are hosts, columns are items.
    #[default]
    Hosts,
    /// Rows are items, columns are hosts.
    Items,
}

/// What hosts are gathered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// Their groups.
    Group,
    /// The value of this label.
    Label(String),
}

impl Ask {
    /// The filters, as addresses name them: here and at `/api/v1/hosts`.
    pub const FILTERS: [&'static str; 18] = [
        "q",
        "level",
        "silent",
        "in_run",
        "unhandled",
        "group",
        "label",
        "package",
        "version",
        "os",
        "updates",
        "security",
        "patch_age",
        "reboot",
        "behind",
        "silenced",
        "rollout",
        "wave",
    ];

    /// Reads the part of an address behind the question mark. What it does not know it leaves alone; what it knows and
    /// cannot read it refuses, so that nobody takes all hosts for those that were asked for.
    ///
    /// # Errors
    /// In words, what cannot be read.
    pub fn parse(question: &str) -> Result<Self, String> {
        let mut ask = Self::default();
        for (name, value) in read(question)? {
            if !ask.choose(&name, &value)? {
                ask.arrange(&name, &value)?;
            }
        }
        Ok(ask)
    }

    /// Reads which hosts are asked for, and leaves alone in which order and shape.
    ///
    /// # Errors
    /// In words, what cannot be read.
    pub fn parse_filter(question: &str) -> Result<Self, String> {
        let mut ask = Self::default();
        for (name, value) in read(question)? {
            ask.choose(&name, &value)?;
        }
        Ok(ask)
    }

    /// Takes a part that says which hosts; false if it does not.
    fn choose(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "q" => value.trim().clone_into(&mut self.q),
            "level" => self.level = Some(of_rank(value)?),
            "silent" => self.silent = flag(name, value)?,
            "in_run" => self.in_run = flag(name, value)?,
            "unhandled" => self.unhandled = flag(name, value)?,
            "group" => self.group = Some(value.to_owned()),
            "label" => {
                let (key, value) = value
                    .split_once('=')
                    .ok_or("label: a name and a value are expected, as in role=web")?;
                if self.labels.len() >= MOST_LABELS {
                    return Err(format!("label: at most {MOST_LABELS} are taken"));
                }
                let pair = (key.to_owned(), value.to_owned());
                if !self.labels.contains(&pair) {
                    self.labels.push(pair);
                }
            }
            "package" => self.package = Some(value.to_owned()),
            "version" => self.version = Some(value.to_owned()),
            "os" => self.os = Some(value.to_owned()),
            "updates" => self.updates = flag(name, value)?,
            "security" => self.security = flag(name, value)?,
            "patch_age" => {
                let age = Interval::parse(value);
                self.patch_age = Some(age.map_err(|error| format!("patch_age: {error}"))?);
            }
            "reboot" => self.reboot = flag(name, value)?,
            "behind" => self.behind = flag(name, value)?,
            "silenced" => self.silenced = flag(name, value)?,
            "rollout" => {
                let number = value.parse::<u64>();
                let number = number.map_err(|_| "rollout: a number is expected, as in 7")?;
                self.rollout = Some(RolloutId(number));
            }
            "wave" => self.wave = Some(from_one(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes a part that says in which order and shape.
    fn arrange(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "sort" => self.sort = Some(Column::parse(value)?),
            "desc" => self.desc = flag(name, value)?,
            "group_by" => {
                self.group_by = Some(match value.strip_prefix("label:") {
                    Some(key) => GroupBy::Label(key.to_owned()),
                    None if value == "group" => GroupBy::Group,
                    None => return Err("group_by: group or label:NAME is expected".into()),
                });
            }
            "view" => {
                self.shape = match value {
                    "list" => Shape::List,
                    "matrix" => Shape::Matrix,
                    _ => return Err("view: list or matrix is expected".into()),
                }
            }
            "by" => {
                self.by = match value {
                    "hosts" => By::Hosts,
                    "items" => By::Items,
                    _ => return Err("by: hosts or items is expected".into()),
                }
            }
            "all" => self.all = flag(name, value)?,
            "page" => self.page = from_one(name, value)?,
            "items_page" => self.items_page = from_one(name, value)?,
            _ => {}
        }
        Ok(())
    }

    /// The address that asks this.
    #[must_use]
    pub fn address(&self) -> String {
        match joined(&self.parts()) {
            question if question.is_empty() => "/hosts".into(),
            question => format!("/hosts?{question}"),
        }
    }

    /// The part of an address that says which hosts, and nothing of order and shape; empty for all hosts.
    #[must_use]
    pub fn filter(&self) -> String {
        joined(&self.chosen())
    }

    /// The parts of the address, in a fixed order.
    pub(super) fn parts(&self) -> Parts {
        let mut parts = self.chosen();
        let mut text = |name, value: Option<String>| parts.extend(value.map(|it| (name, it)));
        let yes = |flag: bool| flag.then(|| "true".to_owned());
        text("sort", self.sort.map(|it| it.as_str().into()));
        text("desc", yes(self.desc));
        text(
            "group_by",
            self.group_by.as_ref().map(|by| match by {
                GroupBy::Group => "group".into(),
                GroupBy::Label(key) => format!("label:{key}"),
            }),
        );
        text(
            "view",
            (self.shape == Shape::Matrix).then(|| "matrix".into()),
        );
        text("by", (self.by == By::Items).then(|| "items".into()));
        text("all", yes(self.all));
        let page = |page: usize| (page > 1).then(|| page.to_string());
        text("page", page(self.page));
        text("items_page", page(self.items_page));
        parts
    }

    /// Those that say which hosts.
    pub(super) fn chosen(&self) -> Parts {
        let mut parts = Parts::new();
        let mut text = |name, value: Option<String>| {
            parts.extend(value.filter(|it| !it.is_empty()).map(|it| (name, it)));
        };
        let yes = |flag: bool| flag.then(|| "true".to_owned());
        text("q", Some(self.q.clone()));
        text("level", self.level.map(|it| it.rank().to_string()));
        text("silent", yes(self.silent));
        text("in_run", yes(self.in_run));
        text("unhandled", yes(self.unhandled));
        text("group", self.group.clone());
        for (key, value) in &self.labels {
            text("label", Some(format!("{key}={value}")));
        }
        text("package", self.package.clone());
        text("version", self.version.clone());
        text("os", self.os.clone());
        text("updates", yes(self.updates));
        text("security", yes(self.security));
        text("patch_age", self.patch_age.map(|it| it.to_string()));
        text("reboot", yes(self.reboot));
        text("behind", yes(self.behind));
        text("silenced", yes(self.silenced));
        text("rollout", self.rollout.map(|it| it.to_string()));
        text("wave", self.wave.map(|it| it.to_string()));
        parts
    }

    /// The address of the same with a change; from its first page.
    pub(super) fn with(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut other = self.clone();
        (other.page, other.items_page) = (0, 0);
        change(&mut other);
        other.address()
    }

    /// The same shape, without a filter.
    pub(super) fn bare(&self) -> Self {
        Self {
            shape: self.shape,
            by: self.by,
            all: self.all,
            sort: self.sort,
            desc: self.desc,
            group_by: self.group_by.clone(),
            ..Self::default()
        }
    }
}

fn flag(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{name}: true or false is expected")),
    }
}

/// A number from 1: a page, or a wave.
fn from_one(name: &str, value: &str) -> Result<usize, String> {
    let number = value.parse::<u32>().ok().filter(|number| *number > 0);
    let number = number.ok_or_else(|| format!("{name}: a number from 1 is expected"))?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

/// A name and what was asked by it.
type Part<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The parts of a question that have a value; none of them is longer than is taken.
fn read(question: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    for (name, value) in form_urlencoded::parse(question.as_bytes()) {
        if value.len() > LONGEST {
            return Err(format!("{name}: at most {LONGEST} bytes are taken"));
        }
        if !value.is_empty() {
            parts.push((name, value));
        }
    }
    Ok(parts)
}

fn joined(parts: &Parts) -> String {
    let mut question = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parts {
        question.append_pair(name, value);
    }
    question.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_refused() {
        for wrong in [
            "level=5",
            "level=sick",
            "silent=yes",
            "sort=colour",
            "group_by=x",
            "view=tree",
            "by=x",
            "page=0",
            "page=-1",
            "label=web",
            "patch_age=old",
            "rollout=x",
            "wave=0",
            "security=1",
        ] {
            assert!(Ask::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Ask::parse(&format!("q={}", "a".repeat(LONGEST + 1))).is_err());
        assert_eq!(Ask::parse("utm=x&q=&level=").unwrap(), Ask::default());
        // Who asks for hosts alone says nothing of a page's shape.
        let filter = Ask::parse_filter("group=web&view=tree&page=0").unwrap();
        assert_eq!(filter.filter(), "group=web");
        assert!(Ask::parse_filter("level=sick").is_err());
        // None of the names is one that nobody reads.
        for name in Ask::FILTERS {
            assert_ne!(
                Ask::parse_filter(&format!("{name}=1")),
                Ok(Ask::default()),
                "{name}"
            );
        }
    }

    #[test]
    fn the_links_of_the_strip_are_understood() {
        assert_eq!(Ask::parse("level=3").unwrap().level, Some(Level::CRITICAL));
        assert!(Ask::parse("silent=true").unwrap().silent);
        assert!(Ask::parse("in_run=true").unwrap().in_run);
    }

    prop_compose! {
        fn asks()(
            q in "[a-z&=%# ]{0,12}", level in prop::option::of(0_usize..5), flags in prop::array::uniform12(any::<bool>()),
            texts in prop::array::uniform4(prop::option::of("[ -~äß]{1,12}")),
            labels in prop::collection::btree_map("[a-z]{1,5}", "[ -~]{0,8}", 0..4),
            sort in prop::option::of(0..Column::ALL.len()), group_by in prop::option::of("[a-z]{0,5}"),
            numbers in prop::array::uniform3(prop::option::of(1_u32..90_000)), pages in prop::array::uniform2(0_usize..50),
        ) -> Ask {
            let [group, package, version, os] = texts;
            let [rollout, wave, age] = numbers;
            Ask {
                q: q.trim().into(), level: level.map(|it| Level::ALL[it]), silent: flags[0], in_run: flags[1],
                unhandled: flags[2], group, labels: labels.into_iter().collect(), package, version, os,
                updates: flags[6], security: flags[7], patch_age: age.map(|it| Interval::from_secs(it.into())),
                reboot: flags[8], behind: flags[9], silenced: flags[10], rollout: rollout.map(|it| RolloutId(it.into())),
                wave: wave.map(|it| it as usize),
                sort: sort.map(|it| Column::ALL[it]), desc: flags[3],
                group_by: group_by.map(|key| if key.is_empty() { GroupBy::Group } else { GroupBy::Label(key) }),
                shape: if flags[4] { Shape::Matrix } else { Shape::List },
                by: if flags[5] { By::Items } else { By::Hosts }, all: flags[11],
                page: if pages[0] == 1 { 0 } else { pages[0] }, items_page: if pages[1] == 1 { 0 } else { pages[1] },
            }
        }
    }

    proptest! {
        #[test]
        fn an_address_says_what_was_asked(ask in asks()) {
            let address = ask.address();
            let question = address.strip_prefix("/hosts").unwrap().trim_start_matches('?');
            prop_assert_eq!(Ask::parse(question), Ok(ask.clone()));
            let filter = Ask::parse(&ask.filter()).unwrap();
            prop_assert_eq!(filter.chosen(), ask.chosen());
            prop_assert_eq!(filter.bare().address(), "/hosts");
            prop_assert!(ask.chosen().iter().all(|(name, _)| Ask::FILTERS.contains(name)));
        }

        #[test]
        fn no_address_is_a_panic(question in ".{0,200}") {
            let _ = Ask::parse(&question);
        }
    }
}
