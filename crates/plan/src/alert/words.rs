//! The sentences of a message.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use lockstep_model::alert::NoticeKind;
use lockstep_model::{HostName, ItemName, LevelNames, RunId};

use super::book::{Cause, Hold, Row};
use super::look::Intent;

/// What a message is about, those that are counted only included.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) hosts: BTreeSet<&'a HostName>,
    pub(super) items: Vec<&'a ItemName>,
    pub(super) run: Option<RunId>,
    /// It tells of ends alone.
    pub(super) over: bool,
}

/// What the entries of a message have in common.
pub(super) fn cause(cause: &Cause, shown: &Shown<'_>) -> Option<String> {
    let (hosts, problems) = (shown.hosts.len(), shown.items.len());
    match cause {
        Cause::Release(release) => {
            let bad = if shown.over {
                "was bad since"
            } else {
                "bad since"
            };
            Some(match (hosts, shown.run) {
                (1, Some(run)) if !release.ends_with(&run.to_string()) => {
                    format!("{bad} run {run} ({release})")
                }
                (1, _) => format!("{bad} {release}"),
                _ => format!("{bad} {release}, on {hosts} hosts"),
            })
        }
        Cause::Parent(parent) => Some(format!("{} behind {parent}", count(hosts, "host"))),
        Cause::Item(item) => Some(format!("{item} on {}", count(hosts, "host"))),
        Cause::Host(host) if problems > 1 => Some(format!("{problems} items of {host}")),
        Cause::Host(_) => None,
        Cause::Storm => {
            let mut often: BTreeMap<&ItemName, usize> = BTreeMap::new();
            for item in &shown.items {
                *often.entry(item).or_default() += 1;
            }
            let most = often.into_iter().max_by_key(|(_, n)| *n);
            let most = most.filter(|(_, n)| *n * 2 > problems && problems > 1);
            let mut text = format!("{} on {}", count(problems, "problem"), count(hosts, "host"));
            if let Some((item, n)) = most {
                text += &format!(", {n} of them {item}");
            }
            Some(text)
        }
    }
}

fn count(n: usize, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

/// What else there is to be said of one problem.
pub(super) fn note(intent: &Intent<'_>, row: &Row, levels: &LevelNames) -> String {
    let mut parts: Vec<String> = Vec::new();
    let said = |by: &str, note: &str| match note {
        "" => by.to_owned(),
        note => format!("{by}: {note}"),
    };
    if let Some(ack) = intent.ack.filter(|_| intent.tells_ack) {
        parts.push(format!("acknowledged by {}", said(&ack.by, &ack.note)));
    }
    match (intent.kind, intent.ack) {
        (NoticeKind::Problem | NoticeKind::Worse, Some(ack)) if ack.level < intent.level => {
            let level = levels.name(ack.level);
            parts.push(format!("{} acknowledged it when it was {level}", ack.by));
        }
        (NoticeKind::Flapping, _) => {
            parts.push("it goes back and forth; nothing more is said until that ends".into());
        }
        (NoticeKind::Reminder, _) if intent.remark.is_empty() => {
            let before = row.told.as_ref().map_or(0, |told| told.reminders);
            parts.push(format!("reminder {}", before.saturating_add(1)));
        }
        _ => {}
    }
    if let Some(after) = intent.escalated_after {
        parts.push(format!("nobody has acknowledged it for {after}"));
    }
    if !intent.remark.is_empty() {
        parts.push(intent.remark.into());
    }
    if !intent.kind.closes()
        && let Some((hold, until)) = &row.was_held
    {
        parts.push(held(hold, *until));
    }
    parts.join("; ")
}

fn held(hold: &Hold, until: Timestamp) -> String {
    let until = until.strftime("%Y-%m-%d %H:%M UTC");
    match hold {
        Hold::Dependent { on } => format!("held back until {until}, while {on} was down"),
        Hold::Silence { run: Some(run), .. } => {
            format!("bad since run {run}, whose silence held it back until {until}")
        }
        Hold::Silence { id, reason, .. } if reason.is_empty() => {
            format!("held back by silence {id} until {until}")
        }
        Hold::Silence { id, reason, .. } => {
            format!("held back by silence {id} until {until} ({reason})")
        }
        Hold::Hours => format!("held back until the hours of its route began, {until}"),
        Hold::Ack { by } => format!("the acknowledgement of {by} ended {until}"),
    }
}
