//! Fitness functions: `[fitness.NAME]`, and `fitness = { … }` of an item.
//!
//! * a level's name: a condition, or a list of conditions any of which suffices;
//! * `clear`: how far behind its threshold each comparison is left, e.g. `2%`, where the comparison has no `clear` of
//!   its own;
//! * `for`: how long each comparison must hold, a time or a number of samples, where it has no `for` of its own;
//! * `after`: how long a level stays when its comparison no longer holds, where it has no `after` of its own;
//! * `mean`: judge the mean of the values of this time.
//!
//! `NAME` is a probe, whose items are then judged so, or a name that items refer to by `fitness = "NAME"`. The table
//! takes the place of the built-in function as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lockstep_model::{Condition, Fitness, Hold, Interval, Level, LevelRule, Op, Quantity, Test};

use super::Context;
use crate::declared::{Declared, Judgement};
use crate::distance::question;
use crate::fault::quoted;
use crate::probes;
use crate::read::{Field, Section, Set};
use crate::source::{At, inside};

/// The keys that are not levels.
pub(super) const WORDS: [&str; 4] = ["clear", "for", "after", "mean"];

/// Most conditions of one level.
const MOST_CONDITIONS: usize = 20;

/// The shortest and the longest time over which anything is judged.
const TIMES: std::ops::RangeInclusive<Interval> =
    Interval::from_secs(1)..=Interval::from_secs(30 * 86_400);

/// All `[fitness.NAME]`.
pub(super) fn named(context: &Context<'_>) -> BTreeMap<String, Set<Arc<Judgement>>> {
    let found = context.of("fitness").filter_map(|field| {
        let name = super::name(field)?;
        let judgement = judgement(context, field.section()?)?;
        let value = Arc::new(judgement);
        Some((
            name,
            Set {
                value,
                at: field.key_at,
            },
        ))
    });
    found.collect()
}

/// The fitness function of an item: a table, or the name of one.
pub(super) fn of_item(
    context: &Context<'_>,
    field: &Field<'_>,
    named: &BTreeMap<String, Set<Arc<Judgement>>>,
) -> Option<Set<Arc<Judgement>>> {
    if !field.is_text() {
        let value = Arc::new(judgement(context, field.section()?)?);
        return Some(Set {
            value,
            at: field.key_at,
        });
    }
    let name = field.text()?;
    let found = named.get(&name.value);
    if found.is_none() && !context.of("fitness").any(|other| other.key == name.value) {
        super::check_known(
            context,
            std::slice::from_ref(&name),
            "fitness function",
            named.keys().map(String::as_str),
        );
    }
    Some(Set {
        value: found?.value.clone(),
        at: name.at,
    })
}

/// Refuses functions that judge nothing.
pub(super) fn check_used(context: &Context<'_>, declared: &Declared) {
    let scopes = declared.groups.values().map(|group| &group.scope);
    let scopes = scopes.chain(declared.hosts.values().map(|host| &host.scope));
    let rules = declared
        .rules
        .iter()
        .chain(scopes.flat_map(|scope| &scope.rules));
    let used: BTreeSet<*const Judgement> = rules
        .filter_map(|rule| rule.fitness.as_ref().map(|set| Arc::as_ptr(&set.value)))
        .collect();
    for (name, judgement) in &declared.fitness {
        if probes::probe(name).is_some() || used.contains(&Arc::as_ptr(&judgement.value)) {
            continue;
        }
        let probes = probes::PROBES.iter().map(|probe| probe.name);
        let message = format!(
            "fitness function {} judges nothing: it names no probe, and no item refers to it{}",
            quoted(name),
            question(name, probes)
        );
        context.faults.unknown(judgement.at, message, None);
    }
}

/// What holds for each comparison that does not say it itself.
#[derive(Debug, Default)]
struct Common<'a> {
    clear: Option<(Field<'a>, Quantity)>,
    hold: Option<(Field<'a>, Hold)>,
    after: Option<(Field<'a>, Interval)>,
}

fn judgement(context: &Context<'_>, mut section: Section<'_>) -> Option<Judgement> {
    let common = Common {
        clear: section.take("clear").and_then(distance),
        hold: section.take("for").and_then(hold),
        after: section.take("after").and_then(|field| {
            let after = field.interval(TIMES)?;
            Some((field, after.value))
        }),
    };
    let mean = section.take("mean").and_then(|field| field.interval(TIMES));
    let (reader, at) = (section.reader, section.at);
    let mut rules: Vec<(LevelRule, At)> = Vec::new();
    let fields = section.rest().0;
    let is_empty = fields.is_empty();
    for field in fields {
        match context.levels.level(field.key) {
            Some(Level::FINE) => reader.faults.add(
                field.key_at,
                format!(
                    "{} is what is left when no condition holds; it has none of its own",
                    quoted(field.key)
                ),
            ),
            Some(level) => {
                let conditions = conditions(&field);
                if conditions.len() > MOST_CONDITIONS {
                    field.fault(format!("a level has at most {MOST_CONDITIONS} conditions"));
                }
                let conditions = conditions.into_iter().take(MOST_CONDITIONS);
                rules.extend(conditions.map(|it| {
                    (
                        LevelRule {
                            level,
                            when: it.value,
                        },
                        it.at,
                    )
                }));
            }
            None => {
                let names = context.levels.all()[1..].iter().map(String::as_str);
                let known: Vec<&str> = names.chain(WORDS).collect();
                field.unknown("level", &known);
            }
        }
    }
    common.apply(&mut rules);
    if is_empty {
        reader.faults.add(
            at,
            "a fitness function needs a condition for at least one level",
        );
    }
    if rules.is_empty() {
        return None;
    }
    rules.sort_by_key(|(rule, at)| (rule.level, *at));
    check_units(context, &rules);
    check_reachable(context, &rules);
    let (rules, rules_at) = rules.into_iter().unzip();
    Some(Judgement {
        fitness: Fitness {
            rules,
            mean: mean.as_ref().map(|mean| mean.value),
        },
        rules_at,
        mean_at: mean.map(|mean| mean.at),
    })
}

fn distance(field: Field<'_>) -> Option<(Field<'_>, Quantity)> {
    let found = field.parsed(Quantity::parse)?;
    if found.value.value > 0.0 {
        return Some((field, found.value));
    }
    field.fault("clear is a distance from the threshold, so it is above 0");
    None
}

fn hold(field: Field<'_>) -> Option<(Field<'_>, Hold)> {
    if field.is_whole() {
        let samples = field.whole(2..=10_000)?;
        let samples = u32::try_from(samples.value).unwrap_or(u32::MAX);
        return Some((field, Hold::Samples(samples)));
    }
    let time = field.interval(TIMES)?;
    Some((field, Hold::Time(time.value)))
}

/// The conditions of one level. What is wrong in one is shown at its byte.
fn conditions(field: &Field<'_>) -> Vec<Set<Condition>> {
    let texts = if field.is_text() {
        field.text().into_iter().collect()
    } else {
        field.texts()
    };
    let mut found = Vec::new();
    for text in texts {
        let raw = field.reader.sources.text(text.at);
        let at_byte = |byte: usize| {
            let offset = u32::try_from(inside(raw, byte)).unwrap_or_default();
            let start = text.at.start.saturating_add(offset).min(text.at.end);
            // The closing quotes are not what is wrong.
            let end = text.at.end.saturating_sub(1).max(start);
            At {
                start,
                end,
                ..text.at
            }
        };
        match Condition::parse(&text.value) {
            Ok(value) => {
                let tests =
                    std::iter::once(&value.test).chain(value.and.iter().map(|(_, test)| test));
                for test in tests {
                    if let Test::Matches(pattern) = test
                        && let Err(why) = probes::regular_expression(pattern)
                    {
                        field.reader.faults.add(text.at, why);
                    }
                }
                for (probe, _) in &value.and {
                    if probes::probe(probe).is_none() {
                        let known = probes::PROBES.iter().map(|probe| probe.name);
                        let question = question(probe, known);
                        let message = format!("there is no probe {}{question}", quoted(probe));
                        let byte = text.value.find(probe.as_str()).unwrap_or_default();
                        field.reader.faults.add(at_byte(byte), message);
                    }
                }
                found.push(Set { value, at: text.at });
            }
            Err(error) => {
                // A blank before the mark helps nobody.
                let rest = text.value.get(error.at..).unwrap_or_default();
                let blank = rest.len() - rest.trim_start().len();
                field
                    .reader
                    .faults
                    .add(at_byte(error.at + blank), error.why);
            }
        }
    }
    found
}

impl Common<'_> {
    fn apply(&self, rules: &mut [(LevelRule, At)]) {
        let (mut cleared, mut held, mut stayed) = (false, false, false);
        for (rule, at) in rules.iter_mut() {
            let when = &mut rule.when;
            let Test::Compare { op, limit } = &when.test else {
                continue;
            };
            if let Some((field, distance)) = &self.clear
                && when.clear.is_none()
                && let Some(value) = self.clear_of(*op, limit, distance)
            {
                cleared = true;
                if distance.unit == limit.unit {
                    when.clear = Some(Quantity {
                        value,
                        unit: limit.unit.clone(),
                    });
                } else {
                    let place = field.reader.sources.place(*at);
                    field.fault(format!(
                        "clear {distance} and {limit} at {place} have different units"
                    ));
                }
            }
            if let Some((_, hold)) = self.hold
                && when.hold == Hold::Now
            {
                held = true;
                when.hold = hold;
            }
            if let Some((_, after)) = self.after
                && when.after.is_none()
            {
                stayed = true;
                when.after = Some(after);
            }
        }
        let unused = [
            self.clear.as_ref().map(|(field, _)| (field, cleared)),
            self.hold.as_ref().map(|(field, _)| (field, held)),
            self.after.as_ref().map(|(field, _)| (field, stayed)),
        ];
        for (field, used) in unused.into_iter().flatten() {
            if !used && !rules.is_empty() {
                field.reader.faults.add(
                    field.key_at,
                    format!(
                        "{} does nothing: no comparison here is without its own",
                        field.key
                    ),
                );
            }
        }
    }

    /// The value behind which a comparison is left: by the distance towards the good side.
    fn clear_of(&self, op: Op, limit: &Quantity, distance: &Quantity) -> Option<f64> {
        let sign = if op.worse_is_higher()? { -1.0 } else { 1.0 };
        // Decimal numbers stay decimal: 0.3 less 0.1 is 0.2, not 0.19999999999999998.
        let value = limit.value + sign * distance.value;
        Some(format!("{value:.9}").parse().unwrap_or(value))
    }
}

/// An item has one unit, so two comparisons with different ones cannot both make sense.
fn check_units(context: &Context<'_>, rules: &[(LevelRule, At)]) {
    let mut first: Option<&Quantity> = None;
    for (rule, at) in rules {
        let Test::Compare { limit, .. } = &rule.when.test else {
            continue;
        };
        match first {
            None => first = Some(limit).filter(|limit| !limit.unit.is_empty()),
            Some(other) if !limit.unit.is_empty() && limit.unit != other.unit => {
                context.faults.add(*at, format!("{limit} and {other} are compared with the same item, and have different units"));
            }
            Some(_) => {}
        }
    }
}

/// A level whose condition holds only while that of a worse one holds is never seen.
fn check_reachable(context: &Context<'_>, rules: &[(LevelRule, At)]) {
    for (better, at) in rules {
        let hides = |worse: &&(LevelRule, At)| {
            worse.0.level > better.level && includes(&worse.0.when, &better.when)
        };
        if let Some((worse, _)) = rules.iter().find(hides) {
            let name = |rule: &LevelRule| context.levels.name(rule.level).to_owned();
            context.faults.add(
                *at,
                format!(
                    "{} is never reached: whenever \"{}\" holds, \"{}\" of {} holds as well",
                    name(better),
                    better.when,
                    worse.when,
                    name(worse)
                ),
            );
        }
    }
}

/// True if `wide` holds whenever `narrow` does, as far as the sentences alone show it.
fn includes(wide: &Condition, narrow: &Condition) -> bool {
    if !wide.and.is_empty() || !(wide.hold == Hold::Now || wide.hold == narrow.hold) {
        return false;
    }
    match (&wide.test, &narrow.test) {
        (
            Test::Compare { op, limit },
            Test::Compare {
                op: other,
                limit: inner,
            },
        ) => {
            if limit.unit != inner.unit {
                return false;
            }
            let holds_at_inner = op.holds(inner.value, limit.value);
            match (op.worse_is_higher(), other.worse_is_higher()) {
                // `> 90` holds beyond 90, where `>= 90` holds too; the other way round there is 90 itself.
                (Some(up), Some(inner_up)) if up == inner_up => {
                    holds_at_inner
                        || (inner.value == limit.value && matches!(other, Op::Above | Op::Below))
                }
                (_, None) if *other == Op::Equal => holds_at_inner,
                _ => false,
            }
        }
        (wide, narrow) => wide == narrow,
    }
}
