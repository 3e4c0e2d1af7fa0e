//! `[lock.NAME]`: a named permit that hosts hold while they are changed.
//!
//! * `capacity`: how many may hold it, a number or a share of the group's hosts such as `"10%"`; default 1;
//! * `group`: the group whose hosts it is for; left out, it is for all hosts, and a share is one of all hosts;
//! * `counts`: who takes a place without holding it: `"silent"`, `"running"`, and a level as in `">= critical"`.
//!   `"holders"` may stand there, too: holders always count;
//! * `needs`: what must hold of the others, as in `"2 of 3 of db fine"`; see [`Need`];
//! * `lease`: after this time without a word of its holder a grant is over, `5m` to `30d`; left out, never;
//! * `disabled`: why it gives no places now.
//!
//! A table may be empty: then the name is known, and there is one place.

use std::collections::BTreeMap;

use lockstep_model::alert::LevelTest;
use lockstep_model::{Capacity, Counts, Interval, Level, LockName, LockRule, Need};

use super::{Context, check_known};
use crate::declared::{Group, Lock};
use crate::distance::question;
use crate::fault::{list, quoted};
use crate::read::{Field, Set};

/// Most locks of a fleet, and most conditions of one.
const MOST_LOCKS: usize = 2_000;
const MOST_NEEDS: usize = 20;
/// A holder is heard of about once in a minute; less than a few of these would end grants of healthy holders.
const LEASE: std::ops::RangeInclusive<Interval> =
    Interval::from_secs(300)..=Interval::from_secs(30 * 86_400);
/// Longest reason, in bytes.
const LONGEST_REASON: usize = 200;

/// All `[lock.NAME]`.
pub(super) fn all(
    context: &Context<'_>,
    groups: &BTreeMap<String, Group>,
) -> BTreeMap<LockName, Lock> {
    let mut locks = BTreeMap::new();
    for (index, field) in context.of("lock").enumerate() {
        if index >= MOST_LOCKS {
            let message = format!("there are at most {MOST_LOCKS} locks");
            context.faults.add(field.key_at, message);
            break;
        }
        let name = match LockName::parse(field.key) {
            Ok(name) => Some(name),
            Err(error) => {
                context.faults.add(field.key_at, error.to_string());
                None
            }
        };
        if let (Some(name), Some(lock)) = (name, lock(context, field, groups)) {
            locks.insert(name, lock);
        }
    }
    locks
}

fn lock(
    context: &Context<'_>,
    field: &Field<'_>,
    groups: &BTreeMap<String, Group>,
) -> Option<Lock> {
    let mut section = field.section()?;
    let capacity = section.take("capacity").and_then(|field| capacity(&field));
    let group = section.take("group").and_then(|field| field.text());
    if let Some(group) = &group {
        known(context, groups, group);
    }
    let counts = section.take("counts").map(|field| counts(context, &field));
    let needs = section.take("needs").map(|field| needs(context, &field));
    let needs = needs.unwrap_or_default();
    for need in &needs {
        for part in &need.value.0 {
            known(
                context,
                groups,
                &Set {
                    value: part.group.clone(),
                    at: need.at,
                },
            );
        }
    }
    let lease = section
        .take("lease")
        .and_then(|field| field.interval(LEASE));
    let disabled = section.take("disabled").and_then(|field| {
        field.parsed(|why| match why.trim() {
            "" => Err("say why: whoever is refused is told"),
            why if why.len() > LONGEST_REASON => Err("a reason has at most 200 bytes"),
            why => Ok(why.to_owned()),
        })
    });
    section.finish();
    let (needs, needs_at) = needs.into_iter().map(|need| (need.value, need.at)).unzip();
    Some(Lock {
        rule: LockRule {
            capacity: capacity.map(|set| set.value).unwrap_or_default(),
            group: group.map(|set| set.value),
            counts: counts.unwrap_or_default(),
            needs,
            lease: lease.map(|set| set.value),
            disabled: disabled.map(|set| set.value),
        },
        needs_at,
    })
}

fn known(context: &Context<'_>, groups: &BTreeMap<String, Group>, group: &Set<String>) {
    check_known(
        context,
        std::slice::from_ref(group),
        "group",
        groups.keys().map(String::as_str),
    );
}

/// `2`, `"2"` or `"10%"`.
fn capacity(field: &Field<'_>) -> Option<Set<Capacity>> {
    if field.is_text() {
        return field.parsed(Capacity::parse);
    }
    if !field.is_whole() {
        field.fault("a capacity is a whole number such as 2, or a share such as \"10%\"");
        return None;
    }
    let places = field.whole(1..=i64::from(Capacity::MOST))?;
    Some(Set {
        value: Capacity::Number(u32::try_from(places.value).ok()?),
        at: places.at,
    })
}

/// What may stand among what counts.
fn words(context: &Context<'_>) -> Vec<String> {
    let words = ["holders", "silent", "running"].map(str::to_owned);
    let worse = Level::ALL.into_iter().filter(|&level| level > Level::FINE);
    let levels = worse.map(|level| format!(">= {}", context.levels.name(level)));
    words.into_iter().chain(levels).collect()
}

fn counts(context: &Context<'_>, field: &Field<'_>) -> Counts {
    let texts = field.one_or_more(|text| Ok::<_, String>(text.to_owned()));
    let mut counts = Counts::default();
    for text in &texts {
        let wrong = match text.value.as_str() {
            // Whoever holds a lock takes a place whatever is said here.
            "holders" => None,
            "silent" => {
                counts.silent = true;
                None
            }
            "running" => {
                counts.running = true;
                None
            }
            _ if counts.level.is_some() => Some(
                "levels are named here already; of two the better one includes the other".into(),
            ),
            level => match from_level(context, level) {
                Ok(level) => {
                    counts.level = Some(level);
                    None
                }
                Err(why) => Some(why),
            },
        };
        if let Some(why) = wrong {
            let known = words(context);
            let note = format!("known here: {}", list(known.iter().map(String::as_str)));
            context.faults.add_with(text.at, why, Some(note));
        }
    }
    if field.is_empty_list() {
        field.fault("nothing is named here, and holders count anyway");
    }
    counts
}

/// The best of the levels that count: all worse ones do, too.
fn from_level(context: &Context<'_>, text: &str) -> Result<Level, String> {
    let Ok(test) = LevelTest::parse(text, &context.levels) else {
        let known = words(context);
        let question = question(text, known.iter().map(String::as_str));
        return Err(format!("{} is nothing that counts{question}", quoted(text)));
    };
    let first = Level::ALL.into_iter().find(|&level| test.holds(level));
    match first {
        None => Err("no level is meant by this".into()),
        Some(Level::FINE) => Err(format!(
            "this is true of {} as well, so every host would take a place",
            context.levels.name(Level::FINE)
        )),
        Some(first)
            if Level::ALL
                .into_iter()
                .all(|it| it < first || test.holds(it)) =>
        {
            Ok(first)
        }
        Some(first) => Err(format!(
            "a level counts together with all worse ones, as in \">= {}\"",
            context.levels.name(first)
        )),
    }
}

fn needs(context: &Context<'_>, field: &Field<'_>) -> Vec<Set<Need>> {
    let needs = field.one_or_more(|text| Need::parse(text, &context.levels));
    if field.is_empty_list() {
        field.fault("a condition is expected, as in \"2 of 3 of db fine\"");
    }
    if needs.len() > MOST_NEEDS {
        field.fault(format!("a lock has at most {MOST_NEEDS} conditions"));
        return Vec::new();
    }
    needs
}
