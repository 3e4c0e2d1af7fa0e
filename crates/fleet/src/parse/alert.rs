//! `[alert.NAME]` and `[alerts]`.
//!
//! `[alert.NAME]`:
//!
//! * `to`: users, receivers, or ways written on the spot: `mail:a@b`, `webhook:https://…`, `ntfy:https://…`;
//! * `when`: of what; whatever is left out matches everything:
//!   * `group` or `groups`, `host` or `hosts`, `item` or `items`: names and patterns, one or several;
//!   * `level`: at which levels it is a problem, as in `">= sick"` (the default) or `"dead"`;
//!   * `from`, `to`: only when it came from, or went to, these levels;
//!   * `hours`: only then, as in `"Mon-Fri 08:00-18:00"`;
//! * `escalate`: a list of `{ after = "30m", to = ["boss"] }`: who is told in addition while nobody has acknowledged;
//! * `repeat`: time to the first reminder, `1s` to `7d`, default the one of `[alerts]`.
//!
//! `[alerts]`: `wait`, `interval`, `settle` (`100ms` to `1d`), `repeat` (`1s` to `7d`) and `most` (1 to 200), see
//! [`Pace`].

use std::collections::BTreeMap;

use lockstep_model::alert::{Escalation, LevelTest, Pace, Receiver, Route, When};
use lockstep_model::{Glob, Hours, Interval, Level};

use super::{Context, Singles, check_known, host_pattern, item_pattern, name, receiver};
use crate::declared::Group;
use crate::read::{Field, Section, Set};

const REPEAT: std::ops::RangeInclusive<Interval> =
    Interval::from_secs(1)..=Interval::from_secs(7 * 86_400);
const PACE: std::ops::RangeInclusive<Interval> =
    Interval::from_millis(100)..=Interval::from_secs(86_400);

/// `[alerts]`.
pub(super) fn pace(sections: Option<Vec<Section<'_>>>) -> Pace {
    let mut singles = Singles(sections.unwrap_or_default());
    let mut pace = Pace::default();
    let fields = [
        (singles.take("wait"), PACE, &mut pace.wait),
        (singles.take("interval"), PACE, &mut pace.interval),
        (singles.take("settle"), PACE, &mut pace.settle),
        (singles.take("repeat"), REPEAT, &mut pace.repeat),
    ];
    for (field, sane, value) in fields {
        if let Some(found) = field.and_then(|field| field.interval(sane)) {
            *value = found.value;
        }
    }
    if let Some(most) = singles.take("most").and_then(|field| field.whole(1..=200)) {
        pace.most = u32::try_from(most.value).unwrap_or(pace.most);
    }
    singles.finish();
    pace
}

/// All `[alert.NAME]`. Ways that are written on the spot become receivers of that name.
pub(super) fn routes(
    context: &Context<'_>,
    mut receivers: BTreeMap<String, Set<Receiver>>,
    groups: &BTreeMap<String, Group>,
) -> (BTreeMap<String, Set<Receiver>>, Vec<Route>) {
    let mut routes = Vec::new();
    for field in context.of("alert") {
        let (Some(name), Some(mut section)) = (name(field), field.section()) else {
            continue;
        };
        let to = section.take("to");
        if to.is_none() {
            section.fault("an alert needs to: who is told");
        }
        let to = to.map(|field| told(context, &field, &mut receivers));
        let when = section.take("when").and_then(|field| field.section());
        let when = when.map(|section| self::when(context, section, groups));
        let escalate = section.take("escalate");
        let escalate = escalate.map(|field| escalations(context, &field, &mut receivers));
        let repeat = section
            .take("repeat")
            .and_then(|field| field.interval(REPEAT));
        section.finish();
        routes.push(Route {
            name,
            to: to.unwrap_or_default(),
            when: when.unwrap_or_default(),
            escalate: escalate.unwrap_or_default(),
            repeat: repeat.map(|repeat| repeat.value),
        });
    }
    (receivers, routes)
}

fn told(
    context: &Context<'_>,
    field: &Field<'_>,
    receivers: &mut BTreeMap<String, Set<Receiver>>,
) -> Vec<String> {
    let mut names = field.one_or_more(|text| Ok::<_, String>(text.to_owned()));
    if names.is_empty() {
        field.fault("nobody is told");
    }
    for name in &mut names {
        match receiver::inline(&name.value) {
            Some(Ok(way)) => {
                name.value = receiver::name_of(&name.value, &way);
                let value = Receiver {
                    ways: vec![way],
                    fallback: None,
                };
                receivers
                    .entry(name.value.clone())
                    .or_insert(Set { value, at: name.at });
            }
            Some(Err(why)) => context.faults.add(name.at, why),
            None => check_known(
                context,
                std::slice::from_ref(name),
                "user or receiver",
                receivers.keys().map(String::as_str),
            ),
        }
    }
    names.into_iter().map(|name| name.value).collect()
}

fn when(context: &Context<'_>, mut section: Section<'_>, groups: &BTreeMap<String, Group>) -> When {
    let groups = both(
        &mut section,
        ["group", "groups"],
        |text| Ok(text.to_owned()),
        |names| {
            check_known(context, names, "group", groups.keys().map(String::as_str));
        },
    );
    let hosts = both(&mut section, ["host", "hosts"], host_pattern, |_| {});
    let items = both(&mut section, ["item", "items"], item_pattern, |_| {});
    let level = test(context, section.take("level"));
    let from = test(context, section.take("from"));
    let to = test(context, section.take("to"));
    let hours = section
        .take("hours")
        .and_then(|field| hours(context, &field));
    if let Some(level) = &level
        && level.value.holds(Level::FINE)
    {
        context.faults.add(
            level.at,
            format!(
                "this is true of {} as well, so a problem would never end",
                context.levels.name(Level::FINE)
            ),
        );
    }
    let problem = level.as_ref().map_or(
        LevelTest {
            op: lockstep_model::Op::AtLeast,
            level: Level::SICK,
        },
        |level| level.value,
    );
    if let Some(to) = &to
        && !Level::ALL
            .iter()
            .any(|&level| to.value.holds(level) && problem.holds(level))
    {
        context.faults.add(
            to.at,
            "nothing can come of this: none of these levels is a problem by level, which is \">= sick\" when left out",
        );
    }
    section.finish();
    When {
        groups,
        hosts,
        items,
        level: level.map(|set| set.value),
        from: from.map(|set| set.value),
        to: to.map(|set| set.value),
        hours: hours.map(|set| set.value),
    }
}

/// One thing under its two names, singular and plural.
fn both<T>(
    section: &mut Section<'_>,
    keys: [&'static str; 2],
    parse: impl Fn(&str) -> Result<T, String>,
    check: impl Fn(&[Set<T>]),
) -> Vec<T> {
    let mut all = Vec::new();
    for key in keys {
        let Some(field) = section.take(key) else {
            continue;
        };
        let found = field.one_or_more(&parse);
        check(&found);
        all.extend(found.into_iter().map(|set| set.value));
    }
    all
}

fn test(context: &Context<'_>, field: Option<Field<'_>>) -> Option<Set<LevelTest>> {
    let field = field?;
    let found = field.parsed(|text| LevelTest::parse(text, &context.levels))?;
    if Level::ALL.iter().any(|&level| found.value.holds(level)) {
        return Some(found);
    }
    field.fault("no level is meant by this");
    None
}

/// Hours of the week in the fleet's time zone.
pub(super) fn hours(context: &Context<'_>, field: &Field<'_>) -> Option<Set<Hours>> {
    field.parsed(|text| Hours::parse(text, &context.timezone))
}

fn escalations(
    context: &Context<'_>,
    field: &Field<'_>,
    receivers: &mut BTreeMap<String, Set<Receiver>>,
) -> Vec<Escalation> {
    let entries = field.entries().unwrap_or_default();
    let mut escalations = Vec::new();
    for entry in entries {
        let Some(mut section) = entry.section() else {
            continue;
        };
        section.at = entry.at;
        let after = section.take("after");
        let to = section.take("to");
        if after.is_none() || to.is_none() {
            section.fault(
                "an escalation needs after and to, as in { after = \"30m\", to = [\"boss\"] }",
            );
        }
        let after = after.and_then(|field| field.interval(REPEAT));
        let to = to.map(|field| told(context, &field, receivers));
        section.finish();
        if let (Some(after), Some(to)) = (after, to) {
            escalations.push(Escalation {
                after: after.value,
                to,
            });
        }
    }
    escalations
}

/// Patterns of a list.
pub(super) fn globs(
    section: &mut Section<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<Glob, String>,
) -> Vec<Glob> {
    let field = section.take(key);
    let found = field
        .map(|field| field.one_or_more(parse))
        .unwrap_or_default();
    found.into_iter().map(|set| set.value).collect()
}
