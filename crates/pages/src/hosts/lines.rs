//! All hosts at once, and what is counted of them.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use lockstep_model::Version;

use super::HostLine;
use super::tally::Tally;

/// Labels that nobody gathers hosts by: they differ for each, or hardly at all.
const NOT_GATHERED: [&str; 1] = ["kernel"];

/// The lines of all hosts, by name. What does not depend on who looks is counted once, for the first who asks: a page of
/// thousands of hosts has no time for it.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    lines: Vec<Arc<HostLine>>,
    tally: OnceLock<Tally>,
    choices: OnceLock<Choices>,
}

impl Lines {
    /// How many there are of each kind.
    pub(super) fn tally(&self) -> &Tally {
        self.tally.get_or_init(|| Tally::of(&self.lines))
    }

    /// What they can be chosen by.
    pub(super) fn choices(&self) -> &Choices {
        self.choices.get_or_init(|| Choices::of(&self.lines))
    }
}

impl From<Vec<Arc<HostLine>>> for Lines {
    fn from(lines: Vec<Arc<HostLine>>) -> Self {
        Self {
            lines,
            ..Self::default()
        }
    }
}

impl Deref for Lines {
    type Target = [Arc<HostLine>];

    fn deref(&self) -> &[Arc<HostLine>] {
        &self.lines
    }
}

/// What hosts can be chosen and gathered by; each in order, and once.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Choices {
    pub(super) groups: Vec<String>,
    /// Names of labels.
    pub(super) labels: Vec<String>,
    /// Operating systems, in their own words.
    pub(super) systems: Vec<String>,
    /// Versions of the agent.
    pub(super) agents: Vec<Version>,
}

impl Choices {
    fn of(lines: &[Arc<HostLine>]) -> Self {
        let groups = lines.iter().flat_map(|it| &it.groups);
        let labels = lines.iter().flat_map(|it| it.labels.keys());
        let labels = labels.filter(|it| !NOT_GATHERED.contains(&it.as_str()));
        let systems = lines.iter().map(|it| &it.view.os);
        Self {
            groups: once(groups),
            labels: once(labels),
            systems: once(systems.filter(|it| !it.is_empty())),
            agents: once(lines.iter().filter_map(|it| it.view.version.as_ref())),
        }
    }
}

/// Each in order, and once.
fn once<'a, T: Ord + Clone + 'a>(all: impl Iterator<Item = &'a T>) -> Vec<T> {
    let all: BTreeSet<&T> = all.collect();
    all.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::line;
    use super::*;

    #[test]
    fn what_can_be_chosen_is_told_once_and_in_order() {
        let host = |name, group: &str, os: &str, version: &str| {
            let mut host = line(name);
            host.groups = vec!["all".into(), group.into()];
            host.labels.insert(format!("of-{group}"), name.into());
            host.labels.insert("kernel".into(), name.into());
            host.view.os = os.into();
            host.view.version = Version::parse(version).ok();
            Arc::new(host)
        };
        let lines = Lines::from(vec![
            host("web1", "web", "Rocky Linux 9", "1.10.0"),
            host("web2", "web", "Debian 13", "1.9.0"),
            host("db1", "db", "Debian 13", "1.10.0"),
            host("old", "db", "", "none"),
        ]);
        let choices = lines.choices();
        assert_eq!(choices.groups, ["all", "db", "web"]);
        assert_eq!(choices.labels, ["of-db", "of-web"]);
        assert_eq!(choices.systems, ["Debian 13", "Rocky Linux 9"]);
        let agents = choices.agents.iter().map(Version::to_string);
        assert_eq!(agents.collect::<Vec<_>>(), ["1.9.0", "1.10.0"]);
        assert_eq!((lines.len(), lines.tally().all), (4, 4));
        assert_eq!(*Lines::default().choices(), Choices::default());
    }
}
