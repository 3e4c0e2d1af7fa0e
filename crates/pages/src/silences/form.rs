//! The form that makes a silence. It is looked at before it is sent: what would it hold back now?

use jiff::Timestamp;
use lockstep_model::api::operator::NewSilence;
use lockstep_model::{Glob, moment};
use maud::{Markup, html};

use super::{Held, Silences, held};
use crate::Frame;
use crate::chart::number::count;
use crate::parts;
use crate::parts::action::word;
use crate::parts::time::second;
use crate::problems::{for_first, silence_lasts};

/// Most patterns that are read from one field; the service refuses fewer.
const MOST_PATTERNS: usize = 200;

/// A silence as it is typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Names and patterns of hosts, between spaces, commas or lines.
    pub hosts: String,
    /// Groups, in the same way.
    pub groups: String,
    /// Names and patterns of items, one to a line.
    pub items: String,
    /// From when, as a moment; empty for now.
    pub from: String,
    /// For how long: one of [`crate::problems::LASTS`], or an interval.
    pub lasts: String,
    /// Why.
    pub reason: String,
    /// True if no host and no group means all hosts.
    pub all: bool,
}

/// What a silence would do now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Problems that it would hold back.
    pub problems: u64,
    /// Hosts that it is about.
    pub hosts: u64,
    /// The worst of the problems, at most twenty.
    pub worst: Vec<Held>,
}

impl Draft {
    /// True if nothing was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The silence that it asks for; `zone` is the time zone of people's mornings.
    ///
    /// # Errors
    /// Which field is wrong, and how.
    pub fn read(&self, zone: &str, now: Timestamp) -> Result<NewSilence, String> {
        let hosts = patterns("hosts", self.hosts.split([' ', ',', '\n', '\r', '\t']))?;
        let items = patterns("items", self.items.split(['\n', '\r']))?;
        let groups = self
            .groups
            .split([' ', ',', '\n', '\r', '\t'])
            .map(str::trim);
        let groups: Vec<String> = groups
            .filter(|it| !it.is_empty())
            .map(String::from)
            .collect();
        if hosts.is_empty() && groups.is_empty() && !self.all {
            return Err(
                "hosts: name hosts or groups, or tick that the whole fleet is meant".into(),
            );
        }
        let from = self.from.trim();
        let starts_at = match from {
            "" => None,
            from => Some(moment(from).ok_or_else(|| {
                format!("from: {from:?} is no moment, as in 2026-12-01T02:00:00Z")
            })?),
        };
        let lasts = parts::lasts::lasts(&self.lasts, zone, now)?;
        Ok(NewSilence {
            hosts,
            groups,
            items,
            starts_at,
            lasts: lasts.ok_or("for: say for how long")?,
            reason: self.reason.trim().to_owned(),
        })
    }

    /// The command, with moment and length as it takes them: the presets of the form are no words of its own.
    fn twin(&self, zone: &str, now: Timestamp) -> String {
        let mut command = "lockstep silence add".to_owned();
        let mut add = |option: &str, value: &str| {
            if !value.trim().is_empty() {
                command += &format!(" {option} {}", word(value.trim()));
            }
        };
        for host in self.hosts.split([' ', ',', '\n', '\r', '\t']) {
            add("--host", host);
        }
        for group in self.groups.split([' ', ',', '\n', '\r', '\t']) {
            add("--group", group);
        }
        for item in self.items.split(['\n', '\r']) {
            add("--item", item);
        }
        let from = moment(&self.from).map_or_else(|| self.from.clone(), second);
        add("--from", &from);
        if self.all && self.hosts.trim().is_empty() && self.groups.trim().is_empty() {
            command += " --all";
        }
        let lasts = match parts::lasts::lasts(&self.lasts, zone, now) {
            Ok(Some(lasts)) => format!(" --for {lasts}"),
            Ok(None) => for_first(&silence_lasts(zone)),
            // What is wrong is said beside it.
            Err(_) => format!(" --for {}", word(self.lasts.trim())),
        };
        let why = if self.reason.trim().is_empty() {
            "WHY"
        } else {
            self.reason.trim()
        };
        format!("{command}{lasts} --why {}", word(why))
    }
}

fn patterns<'a>(what: &str, parts: impl Iterator<Item = &'a str>) -> Result<Vec<Glob>, String> {
    let parts = parts.map(str::trim).filter(|it| !it.is_empty());
    let parts = parts.take(MOST_PATTERNS);
    parts
        .map(|part| Glob::parse(part).map_err(|why| format!("{what}: {why}")))
        .collect()
}

/// The form, for those who may.
pub(super) fn draw(page: &Silences<'_>, frame: &Frame<'_>) -> Markup {
    if !frame.may(lockstep_model::Role::Operator) {
        return html! {};
    }
    let draft = page.draft;
    html! {
        section #new {
            details open[!draft.is_empty()] {
                summary { h2 { "New silence" } }
                form #new-silence .panel .new-silence method="post" action="/silences" {
                    label { span { "Hosts: names or patterns" } textarea name="hosts" rows="2" maxlength="20000" placeholder="web1 db*" { (draft.hosts) } }
                    label { span { "Groups" } input name="groups" value=(draft.groups) maxlength="4000" autocomplete="off"; }
                    label .tick { input type="checkbox" name="all" value="true" checked[draft.all]; span { "the whole fleet, if neither is named" } }
                    label { span { "Items: names or patterns, one to a line; all if empty" } textarea name="items" rows="2" maxlength="20000" placeholder="disk_usage:*" { (draft.items) } }
                    label { span { "From, in UTC; now if empty" } input name="from" value=(draft.from) maxlength="40" placeholder="2026-12-01T02:00" autocomplete="off"; }
                    (lasts(draft, page.zone))
                    label { span { "Why" } input name="reason" value=(draft.reason) maxlength="500" autocomplete="off"; }
                    div #silence-preview aria-live="polite" { (preview(page.preview.as_ref(), frame)) }
                    button .plain formmethod="get" formaction="/silences" name="preview" value="1" { "Preview" }
                    // The button carries what proves that the form is ours, so that no address of a preview has it.
                    button name="csrf" value=(frame.viewer.csrf) { "Silence" }
                    (twin(draft, page.zone, frame))
                }
            }
        }
    }
}

fn lasts(draft: &Draft, zone: &str) -> Markup {
    let known = silence_lasts(zone);
    let own = !draft.lasts.is_empty() && !known.iter().any(|(value, _)| *value == draft.lasts);
    html! {
        label { span { "For" } select name="for" {
            @for (value, words) in known { option value=(value) selected[value == draft.lasts] { (words) } }
            @if own { option value=(draft.lasts) selected { (draft.lasts) } }
        } }
    }
}

/// The parts of the form that change while somebody types, by themselves.
#[must_use]
pub fn typed(
    draft: &Draft,
    seen: Option<&Result<Preview, String>>,
    zone: &str,
    frame: &Frame<'_>,
) -> String {
    html! {
        div #silence-preview { (preview(seen, frame)) }
        (twin(draft, zone, frame))
    }
    .into_string()
}

fn twin(draft: &Draft, zone: &str, frame: &Frame<'_>) -> Markup {
    html! {
        code #silence-twin .twin title="The same on the command line" { (draft.twin(zone, frame.now)) }
    }
}

fn preview(seen: Option<&Result<Preview, String>>, frame: &Frame<'_>) -> Markup {
    html! {
        @match seen {
            None => {},
            Some(Err(wrong)) => p .warning { (wrong) },
            Some(Ok(preview)) => {
                p {
                    "It would hold back " b { (count(preview.problems, "problem")) " on " (count(preview.hosts, "host")) } " now."
                    @if preview.hosts == 0 { " No host has such a name or is in such a group." }
                }
                @if !preview.worst.is_empty() { (held(&preview.worst, preview.problems, frame)) }
            },
        }
    }
}
