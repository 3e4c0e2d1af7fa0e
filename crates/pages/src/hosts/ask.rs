//! What is asked of the list of hosts, as it stands in the address.

use std::borrow::Cow;

use lockstep_model::Level;

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

/// A column of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// The level.
    Level,
    /// The name.
    Host,
    /// The groups.
    Groups,
    /// `cpu_busy`.
    Cpu,
    /// `memory_available`.
    Memory,
    /// The fullest of `disk_usage:*`.
    Disk,
    /// `cpu_load`.
    Load,
    /// `network_in:*` and `network_out:*` together.
    Network,
    /// `pending_updates`, and `security_updates` among them.
    Updates,
    /// `reboot_required`.
    Reboot,
    /// The agent's version.
    Agent,
    /// `uptime`.
    Uptime,
    /// When the last report came.
    Seen,
    /// Problems that nobody is on.
    Unhandled,
}

impl Column {
    /// All of them, in the order of the list.
    pub const ALL: [Self; 14] = [
        Self::Level,
        Self::Host,
        Self::Groups,
        Self::Unhandled,
        Self::Cpu,
        Self::Memory,
        Self::Disk,
        Self::Load,
        Self::Network,
        Self::Updates,
        Self::Reboot,
        Self::Agent,
        Self::Uptime,
        Self::Seen,
    ];

    /// The column as addresses have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Host => "host",
            Self::Groups => "groups",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Load => "load",
            Self::Network => "network",
            Self::Updates => "updates",
            Self::Reboot => "reboot",
            Self::Agent => "agent",
            Self::Uptime => "uptime",
            Self::Seen => "seen",
            Self::Unhandled => "unhandled",
        }
    }

    /// The word above the column.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Level => "Level",
            Self::Host => "Host",
            Self::Groups => "Groups",
            Self::Cpu => "CPU",
            Self::Memory => "Memory free",
            Self::Disk => "Fullest disk",
            Self::Load => "Load",
            Self::Network => "Network",
            Self::Updates => "Updates",
            Self::Reboot => "Reboot",
            Self::Agent => "Agent",
            Self::Uptime => "Up",
            Self::Seen => "Last report",
            Self::Unhandled => "Unhandled",
        }
    }

    /// True for columns whose large values are looked for first.
    pub(super) fn begins_greatest(self) -> bool {
        !matches!(
            self,
            Self::Host | Self::Groups | Self::Memory | Self::Agent | Self::Seen
        )
    }

    fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            format!("sort: {text:?} is not a column; there are {all}")
        })
    }
}

impl Ask {
    /// Reads the part of an address behind the question mark. What it does not know it leaves alone; what it knows and
    /// cannot read it refuses, so that nobody takes all hosts for those that were asked for.
    ///
    /// # Errors
    /// In words, what cannot be read.
    pub fn parse(question: &str) -> Result<Self, String> {
        let mut ask = Self::default();
        for (name, value) in form_urlencoded::parse(question.as_bytes()) {
            if value.len() > LONGEST {
                return Err(format!("{name}: at most {LONGEST} bytes are taken"));
            }
            if value.is_empty() {
                continue;
            }
            ask.take(&name, value)?;
        }
        Ok(ask)
    }

    fn take(&mut self, name: &str, value: Cow<'_, str>) -> Result<(), String> {
        match name {
            "q" => self.q = value.trim().to_owned(),
            "level" => self.level = Some(level(&value)?),
            "silent" => self.silent = flag(name, &value)?,
            "in_run" => self.in_run = flag(name, &value)?,
            "unhandled" => self.unhandled = flag(name, &value)?,
            "group" => self.group = Some(value.into_owned()),
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
            "package" => self.package = Some(value.into_owned()),
            "version" => self.version = Some(value.into_owned()),
            "sort" => self.sort = Some(Column::parse(&value)?),
            "desc" => self.desc = flag(name, &value)?,
            "group_by" => {
                self.group_by = Some(match value.strip_prefix("label:") {
                    Some(key) => GroupBy::Label(key.to_owned()),
                    None if value == "group" => GroupBy::Group,
                    None => return Err("group_by: group or label:NAME is expected".into()),
                });
            }
            "view" => {
                self.shape = match &*value {
                    "list" => Shape::List,
                    "matrix" => Shape::Matrix,
                    _ => return Err("view: list or matrix is expected".into()),
                }
            }
            "by" => {
                self.by = match &*value {
                    "hosts" => By::Hosts,
                    "items" => By::Items,
                    _ => return Err("by: hosts or items is expected".into()),
                }
            }
            "all" => self.all = flag(name, &value)?,
            "page" => self.page = page(name, &value)?,
            "items_page" => self.items_page = page(name, &value)?,
            _ => {}
        }
        Ok(())
    }

    /// The address that asks this.
    #[must_use]
    pub fn address(&self) -> String {
        let mut question = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.parts() {
            question.append_pair(name, &value);
        }
        match question.finish() {
            question if question.is_empty() => "/hosts".into(),
            question => format!("/hosts?{question}"),
        }
    }

    /// The parts of that, in a fixed order.
    pub(super) fn parts(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let mut parts: Vec<(&'static str, Cow<'_, str>)> = Vec::new();
        let mut text = |name, value: Option<&'_ str>| {
            parts.extend(
                value
                    .filter(|it| !it.is_empty())
                    .map(|it| (name, Cow::Owned(it.to_owned()))),
            );
        };
        text("q", Some(&self.q));
        text(
            "level",
            self.level.map(|it| it.rank().to_string()).as_deref(),
        );
        let yes = |flag: bool| flag.then_some("true");
        text("silent", yes(self.silent));
        text("in_run", yes(self.in_run));
        text("unhandled", yes(self.unhandled));
        text("group", self.group.as_deref());
        for (key, value) in &self.labels {
            text("label", Some(&format!("{key}={value}")));
        }
        text("package", self.package.as_deref());
        text("version", self.version.as_deref());
        text("sort", self.sort.map(Column::as_str));
        text("desc", yes(self.desc));
        match &self.group_by {
            Some(GroupBy::Group) => text("group_by", Some("group")),
            Some(GroupBy::Label(key)) => text("group_by", Some(&format!("label:{key}"))),
            None => {}
        }
        text("view", (self.shape == Shape::Matrix).then_some("matrix"));
        text("by", (self.by == By::Items).then_some("items"));
        text("all", yes(self.all));
        let page = |page: usize| (page > 1).then(|| page.to_string());
        text("page", page(self.page).as_deref());
        text("items_page", page(self.items_page).as_deref());
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

fn level(value: &str) -> Result<Level, String> {
    let rank = value.parse::<usize>().ok();
    rank.and_then(|rank| Level::ALL.get(rank).copied())
        .ok_or_else(|| "level: a rank from 0, the best, to 4, the worst, is expected".into())
}

fn page(name: &str, value: &str) -> Result<usize, String> {
    let page = value.parse::<u32>().ok().filter(|page| *page > 0);
    let page = page.ok_or_else(|| format!("{name}: a number from 1 is expected"))?;
    Ok(usize::try_from(page).unwrap_or(usize::MAX))
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
        ] {
            assert!(Ask::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Ask::parse(&format!("q={}", "a".repeat(LONGEST + 1))).is_err());
        assert_eq!(Ask::parse("utm=x&q=&level=").unwrap(), Ask::default());
    }

    #[test]
    fn the_links_of_the_strip_are_understood() {
        assert_eq!(Ask::parse("level=3").unwrap().level, Some(Level::CRITICAL));
        assert!(Ask::parse("silent=true").unwrap().silent);
        assert!(Ask::parse("in_run=true").unwrap().in_run);
    }

    prop_compose! {
        fn asks()(
            q in "[a-z&=%# ]{0,12}", level in prop::option::of(0_usize..5), flags in prop::array::uniform6(any::<bool>()),
            texts in prop::array::uniform3(prop::option::of("[ -~äß]{1,12}")),
            labels in prop::collection::btree_map("[a-z]{1,5}", "[ -~]{0,8}", 0..4),
            sort in prop::option::of(0..Column::ALL.len()), group_by in prop::option::of("[a-z]{0,5}"),
            pages in prop::array::uniform2(0_usize..50),
        ) -> Ask {
            let [group, package, version] = texts;
            Ask {
                q: q.trim().into(), level: level.map(|it| Level::ALL[it]), silent: flags[0], in_run: flags[1],
                unhandled: flags[2], group, labels: labels.into_iter().collect(), package, version,
                sort: sort.map(|it| Column::ALL[it]), desc: flags[3],
                group_by: group_by.map(|key| if key.is_empty() { GroupBy::Group } else { GroupBy::Label(key) }),
                shape: if flags[4] { Shape::Matrix } else { Shape::List },
                by: if flags[5] { By::Items } else { By::Hosts }, all: flags[0],
                page: if pages[0] == 1 { 0 } else { pages[0] }, items_page: if pages[1] == 1 { 0 } else { pages[1] },
            }
        }
    }

    proptest! {
        #[test]
        fn an_address_says_what_was_asked(ask in asks()) {
            let address = ask.address();
            let question = address.strip_prefix("/hosts").unwrap().trim_start_matches('?');
            prop_assert_eq!(Ask::parse(question), Ok(ask));
        }

        #[test]
        fn no_address_is_a_panic(question in ".{0,200}") {
            let _ = Ask::parse(&question);
        }
    }
}
