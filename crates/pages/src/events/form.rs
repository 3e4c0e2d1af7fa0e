//! The filter: a form whose answer is an address.

use lockstep_model::{Interval, Level, LevelNames, moment};
use maud::{Markup, html};

use super::Kind;
use crate::Frame;
use crate::parts::action::word;
use crate::parts::link;

/// What is asked for, as it was typed; empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// A host's name.
    pub host: String,
    /// A pattern of items.
    pub item: String,
    /// The rank of the best level that counts.
    pub level: String,
    /// From when: a moment, or how long ago.
    pub since: String,
    /// Before when: a moment, or how long ago.
    pub until: String,
    /// A group of hosts.
    pub group: String,
    /// One of [`Kind`].
    pub kind: String,
}

impl Filter {
    /// True if everything is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The address of a page with this filter.
    #[must_use]
    pub fn address(&self, path: &str) -> String {
        self.address_with(path, &[])
    }

    /// The same, with more behind it.
    #[must_use]
    pub fn address_with(&self, path: &str, more: &[(&str, Option<&str>)]) -> String {
        let mut parts: Vec<(&str, Option<&str>)> = self
            .parts()
            .into_iter()
            .map(|(name, value)| (name, Some(value).filter(|it| !it.is_empty())))
            .collect();
        parts.extend_from_slice(more);
        link::ask(path, &parts)
    }

    fn parts(&self) -> [(&'static str, &str); 7] {
        [
            ("group", &self.group),
            ("host", &self.host),
            ("item", &self.item),
            ("level", &self.level),
            ("since", &self.since),
            ("until", &self.until),
            ("kind", &self.kind),
        ]
    }

    /// The same in another time: what a cell of the last day leads to.
    #[must_use]
    pub fn within(&self, since: String, until: String) -> Self {
        Self {
            since,
            until,
            ..self.clone()
        }
    }

    /// Which part of the stream is wanted; what is not known is everything.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::parse(&self.kind).unwrap_or_default()
    }

    /// The command that lists the same, as far as it can. A comment says what it tells where that is less, or more.
    pub(super) fn twin(&self) -> String {
        let kind = match self.kind() {
            // A pattern and a level are questions of items, so there is nothing else.
            Kind::All if !self.item.is_empty() || !self.level.is_empty() => Kind::Items,
            kind => kind,
        };
        let options = self.options();
        let known = options.iter().filter(|it| kind.takes(it.0));
        let mut command = kind.command().to_owned();
        for (name, value) in known.clone() {
            command += &format!(" --{name} {}", word(value));
        }
        let mut but: Vec<&str> = kind.tells_only().into_iter().collect();
        if known.count() < options.len() {
            but.push("without the rest of the filter");
        }
        if !but.is_empty() {
            command += &format!("  # {}", but.join(", "));
        }
        command
    }

    /// What is asked for, as options of a command; what cannot be read is none.
    fn options(&self) -> Vec<(&'static str, &str)> {
        // The command knows the names that hold when nothing else is configured.
        let level = self.level().map_or("", Level::name);
        let options = [
            ("group", self.group.as_str()),
            ("host", &self.host),
            ("item", &self.item),
            ("level", level),
            ("since", time(&self.since)),
            ("until", time(&self.until)),
        ];
        let given = options.into_iter().filter(|it| !it.1.is_empty());
        given.collect()
    }

    fn level(&self) -> Option<Level> {
        let rank: u8 = self.level.parse().ok()?;
        Level::ALL.get(usize::from(rank)).copied()
    }

    pub(super) fn draw(&self, groups: &[String], frame: &Frame<'_>) -> Markup {
        html! {
            form .fields .filter method="get" action="/events" {
                label { span { "Host" } input name="host" value=(self.host) maxlength="253" autocomplete="off"; }
                @if !groups.is_empty() {
                    label { span { "Group" } select name="group" {
                        option value="" { "all" }
                        @for group in groups { option value=(group) selected[*group == self.group] { (group) } }
                    } }
                }
                label { span { "Item, or a pattern" } input name="item" value=(self.item) maxlength="256" placeholder="disk_usage:*" autocomplete="off"; }
                label { span { "Level, and worse" } (levels(&self.level, frame.levels)) }
                label { span { "Since" } input name="since" value=(self.since) maxlength="40" placeholder="6h, or 2026-11-22T12:00:00Z" autocomplete="off"; }
                label { span { "Until" } input name="until" value=(self.until) maxlength="40" autocomplete="off"; }
                label { span { "What" } select name="kind" {
                    @for kind in Kind::ALL {
                        option value=(kind.as_str()) selected[kind == self.kind()] { (kind.words()) }
                    }
                } }
                button { "Filter" }
                @if !self.is_empty() { a href="/events" { "All" } }
            }
        }
    }
}

/// A moment, or how long ago; nothing if the text is neither.
fn time(text: &str) -> &str {
    let is_time = moment(text).is_some() || Interval::parse(text).is_ok();
    if is_time { text } else { "" }
}

fn levels(chosen: &str, names: &LevelNames) -> Markup {
    html! {
        select name="level" {
            option value="" { "all" }
            @for level in Level::ALL.into_iter().skip(1) {
                @let rank = level.rank().to_string();
                option value=(rank) selected[rank == chosen] { (names.name(level)) }
            }
        }
    }
}
