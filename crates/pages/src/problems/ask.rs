//! Which problems are asked for: the address is the question, so that it can be given to somebody.

use lockstep_model::api::operator::ProblemView;
use lockstep_model::{Glob, HostName, Level};
use maud::{Markup, html};

use super::group::{Group, may_have};
use crate::Frame;
use crate::parts::action::word;
use crate::parts::level::of_rank;
use crate::parts::link;

/// Longest text of one part, in bytes: a cause names a host and an item.
const LONGEST: usize = 1_000;

/// Which problems are asked for; what is none does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ask {
    /// Of hosts of this group.
    pub group: Option<String>,
    /// Of these hosts: a name, or a pattern.
    pub host: Option<Glob>,
    /// Of these items: a name, or a pattern.
    pub item: Option<Glob>,
    /// Of this level, or worse.
    pub level: Option<Level>,
    /// With this cause, as [`super::Cause`] is written: the permanent address of one group.
    pub cause: Option<String>,
}

impl Ask {
    /// Reads the question of an address; names that are not of problems are passed over.
    ///
    /// # Errors
    /// Which part cannot be read, and why.
    pub fn parse(question: &str) -> Result<Self, String> {
        let mut ask = Self::default();
        for (name, value) in form_urlencoded::parse(question.as_bytes()) {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            if value.len() > LONGEST {
                return Err(format!("{name}: at most {LONGEST} bytes are read"));
            }
            let glob = |what: &str| Glob::parse(value).map_err(|why| format!("{what}: {why}"));
            match &*name {
                "group" => ask.group = Some(value.to_owned()),
                "host" => ask.host = Some(glob("host")?),
                "item" => ask.item = Some(glob("item")?),
                "level" => ask.level = Some(of_rank(value)?),
                "cause" => ask.cause = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(ask)
    }

    /// The question for one group alone.
    #[must_use]
    pub fn of_group(group: &Group<'_>) -> Self {
        Self {
            cause: Some(group.cause.to_string()),
            ..Self::default()
        }
    }

    /// True if everything is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The address of a page with this question.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        let level = self.level.map(|it| it.rank().to_string());
        link::ask(
            path,
            &[
                ("group", self.group.as_deref()),
                ("host", self.host.as_ref().map(Glob::as_str)),
                ("item", self.item.as_ref().map(Glob::as_str)),
                ("level", level.as_deref()),
                ("cause", self.cause.as_deref()),
            ],
        )
    }

    /// The question alone, as forms carry it; empty for everything.
    #[must_use]
    pub fn question(&self) -> String {
        let address = self.address("");
        address.trim_start_matches('?').to_owned()
    }

    /// True if a problem is asked for, its cause apart.
    fn fits(&self, problem: &ProblemView, groups: &impl Fn(&HostName) -> Vec<String>) -> bool {
        let trouble = &problem.trouble;
        let fits =
            |glob: &Option<Glob>, name: &str| glob.as_ref().is_none_or(|it| it.matches(name));
        fits(&self.host, trouble.host.as_str())
            && fits(&self.item, trouble.item.as_str())
            && self.level.is_none_or(|it| trouble.level >= it)
            && self
                .group
                .as_ref()
                .is_none_or(|it| groups(&trouble.host).contains(it))
    }

    /// The groups that are asked for, with those of their problems that are. A group keeps its cause, also where few of its
    /// problems are left.
    #[must_use]
    pub fn narrow<'a>(
        &self,
        groups: Vec<Group<'a>>,
        groups_of: impl Fn(&HostName) -> Vec<String>,
    ) -> Vec<Group<'a>> {
        let mut narrowed = groups;
        if let Some(cause) = &self.cause {
            narrowed.retain(|it| it.cause.to_string() == *cause);
        }
        for group in &mut narrowed {
            group.problems.retain(|it| self.fits(it, &groups_of));
        }
        narrowed.retain(|it| !it.problems.is_empty());
        narrowed
    }

    /// Of all problems those that are asked for. Those that somebody is on, or that are explained, are in no group: where a
    /// cause is asked for, they are those that may have it.
    #[must_use]
    pub fn of<'a>(
        &self,
        problems: &'a [ProblemView],
        groups: &[Group<'_>],
        groups_of: impl Fn(&HostName) -> Vec<String>,
        parents: impl Fn(&HostName) -> Vec<HostName>,
    ) -> Vec<&'a ProblemView> {
        let grouped = groups.iter().flat_map(|it| &it.problems);
        let grouped: std::collections::HashSet<*const ProblemView> =
            grouped.map(|it| std::ptr::from_ref(*it)).collect();
        let has_cause = |it: &ProblemView| match &self.cause {
            None => true,
            Some(_) if it.is_unhandled() => grouped.contains(&std::ptr::from_ref(it)),
            Some(cause) => may_have(it, cause, &parents),
        };
        let asked = problems.iter();
        asked
            .filter(|it| self.fits(it, &groups_of) && has_cause(it))
            .collect()
    }

    /// The command that lists the same.
    pub(super) fn twin(&self) -> String {
        let mut command = "lockstep problems".to_owned();
        let mut add = |option: &str, value: Option<&str>| {
            if let Some(value) = value {
                command += &format!(" --{option} {}", word(value));
            }
        };
        add("group", self.group.as_deref());
        add("host", self.host.as_ref().map(Glob::as_str));
        add("item", self.item.as_ref().map(Glob::as_str));
        // The command knows the names that hold when nothing else is configured.
        add("level", self.level.map(Level::name));
        add("cause", self.cause.as_deref());
        command
    }

    /// The form, whose answer is an address. It is folded away while everything is shown.
    pub(super) fn draw(&self, groups: &[String], frame: &Frame<'_>) -> Markup {
        let rank = self.level.map(|it| it.rank().to_string());
        let text = |glob: &Option<Glob>| glob.as_ref().map_or("", Glob::as_str).to_owned();
        html! {
            details #filter .filter open[!self.is_empty()] {
                summary { "Filter" }
                form .fields method="get" action="/" {
                    @if !groups.is_empty() {
                        label { span { "Group" } select name="group" {
                            option value="" { "all" }
                            @for group in groups { option value=(group) selected[self.group.as_ref() == Some(group)] { (group) } }
                        } }
                    }
                    label { span { "Host, or a pattern" } input name="host" value=(text(&self.host)) maxlength="253" placeholder="web*" autocomplete="off"; }
                    label { span { "Item, or a pattern" } input name="item" value=(text(&self.item)) maxlength="256" placeholder="disk_usage:*" autocomplete="off"; }
                    label { span { "Level, and worse" } select name="level" {
                        option value="" { "all" }
                        @for level in Level::ALL.into_iter().skip(1) {
                            option value=(level.rank()) selected[rank.as_deref() == Some(&level.rank().to_string())] { (frame.levels.name(level)) }
                        }
                    } }
                    @if let Some(cause) = &self.cause {
                        label { span { "Cause" } input name="cause" value=(cause) maxlength="1000" autocomplete="off"; }
                    }
                    button { "Filter" }
                    @if !self.is_empty() { a href="/" { "All problems" } }
                }
                code .twin title="The same on the command line" { (self.twin()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ack, problem};
    use super::super::unhandled;
    use super::*;

    fn asked(question: &str, problems: &[ProblemView]) -> (Vec<(String, usize)>, usize) {
        let ask = Ask::parse(question).unwrap();
        let groups_of = |host: &HostName| match host.as_str().starts_with("web") {
            true => vec!["web".to_owned()],
            false => Vec::new(),
        };
        let groups = ask.narrow(unhandled(problems, |_| Vec::new()), groups_of);
        let shown = ask.of(problems, &groups, groups_of, |_| Vec::new());
        let key = |it: &Group<'_>| (it.cause.to_string(), it.problems.len());
        (groups.iter().map(key).collect(), shown.len())
    }

    #[test]
    fn a_group_keeps_its_cause_where_few_are_left() {
        let mut problems: Vec<ProblemView> = (0..3)
            .map(|n| problem(&format!("web{n}"), "disk_usage:/", 2, 5))
            .collect();
        problems.push(problem("db1", "disk_usage:/", 3, 5));
        problems.push(problem("db1", "swap", 2, 4));
        let disk = "item disk_usage:/".to_owned();
        assert_eq!(
            asked("", &problems).0,
            [(disk.clone(), 4), ("problem db1 swap".into(), 1)]
        );
        assert_eq!(asked("group=web", &problems), (vec![(disk.clone(), 3)], 3));
        assert_eq!(asked("host=web1", &problems), (vec![(disk.clone(), 1)], 1));
        assert_eq!(asked("level=3", &problems), (vec![(disk.clone(), 1)], 1));
        assert_eq!(
            asked("item=disk*&host=db*", &problems).0,
            [(disk.clone(), 1)]
        );
        assert_eq!(
            asked("cause=item+disk_usage:/", &problems),
            (vec![(disk, 4)], 4)
        );
        assert_eq!(asked("cause=item+swap", &problems), (vec![], 0));
    }

    #[test]
    fn a_link_to_a_group_still_finds_it_when_somebody_is_on_it() {
        let mut problems: Vec<ProblemView> = (0..3)
            .map(|n| problem(&format!("web{n}"), "disk_usage:/", 2, 5))
            .collect();
        for problem in &mut problems {
            problem.ack = Some(ack(problem, "x"));
        }
        assert_eq!(asked("cause=item+disk_usage:/", &problems), (vec![], 3));
        assert_eq!(asked("cause=item+swap", &problems), (vec![], 0));
    }

    #[test]
    fn a_question_is_an_address_and_a_command() {
        let question = "group=web&host=web*&item=disk_usage%3A*&level=2&cause=host+web1";
        let ask = Ask::parse(question).unwrap();
        assert_eq!(ask.question(), question);
        assert_eq!(ask.address("/"), format!("/?{question}"));
        assert_eq!(
            ask.twin(),
            "lockstep problems --group web --host 'web*' --item 'disk_usage:*' --level sick --cause 'host web1'"
        );
        assert_eq!(Ask::parse("host=&x=1").unwrap(), Ask::default());
        assert!(Ask::parse("level=9").unwrap_err().starts_with("level:"));
        assert!(Ask::parse(&format!("cause={}", "x".repeat(2_000))).is_err());
    }
}
