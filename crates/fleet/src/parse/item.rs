//! `[item."X"]`, where X is an item or a pattern, at the top or within a group or a host:
//!
//! * `every`: time between two samples, `1s` to `1d`;
//! * `timeout`: after this time the probe is given up, `10ms` to `10m`;
//! * `fitness`: a fitness function, or the name of one;
//! * every option of the probe.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockstep_model::Setting;

use super::{Context, EVERY, TIMEOUT, fitness, item_pattern};
use crate::declared::{ItemRule, Judgement};
use crate::probes::{self, Probe};
use crate::read::{Field, Set};

/// The keys that are no options.
const WORDS: [&str; 3] = ["every", "timeout", "fitness"];

/// Reads tables whose keys are patterns for items. The more particular pattern comes later.
pub(super) fn rules<'b, 'a: 'b>(
    context: &Context<'a>,
    fields: impl IntoIterator<Item = &'b Field<'a>>,
    named: &BTreeMap<String, Set<Arc<Judgement>>>,
) -> Vec<ItemRule> {
    let rules = fields.into_iter();
    let mut rules: Vec<ItemRule> = rules
        .filter_map(|field| rule(context, field, named))
        .collect();
    rules.sort_by(|one, other| one.strength().cmp(&other.strength()));
    rules
}

fn rule(
    context: &Context<'_>,
    field: &Field<'_>,
    named: &BTreeMap<String, Set<Arc<Judgement>>>,
) -> Option<ItemRule> {
    let pattern = item_pattern(field.key)
        .map_err(|why| field.reader.faults.add(field.key_at, why))
        .ok();
    let mut section = field.section()?;
    let every = section.take("every");
    let timeout = section.take("timeout");
    let fitness = section.take("fitness");
    let mut empty = every.is_none() && timeout.is_none() && fitness.is_none();
    let every = every.and_then(|field| field.interval(EVERY));
    let timeout = timeout.and_then(|field| field.interval(TIMEOUT));
    let fitness = fitness.and_then(|field| fitness::of_item(context, &field, named));
    let pattern = pattern?;
    let meant = probes::meant_by(&pattern);
    let mut options = BTreeMap::new();
    let (others, _) = section.rest();
    empty &= others.is_empty();
    for option in others {
        if let Some(setting) = setting(&option, &meant) {
            options.insert(option.key.to_owned(), setting);
        }
    }
    if empty {
        field.reader.faults.add(
            field.key_at,
            "nothing is set here; to watch an item, name it in the items of a group or a host",
        );
    }
    Some(ItemRule {
        pattern,
        at: field.key_at,
        every,
        timeout,
        fitness,
        options,
    })
}

/// The value of an option, if one of the probes knows it.
fn setting(field: &Field<'_>, meant: &[&'static Probe]) -> Option<Set<Setting>> {
    let Some(option) = meant.iter().find_map(|probe| probe.option(field.key)) else {
        let options = meant.iter().flat_map(|probe| probe.options);
        let mut known: Vec<&str> = WORDS.into();
        known.extend(options.map(|option| option.name));
        known.dedup();
        field.unknown("option", &known);
        return None;
    };
    let setting = field.setting()?;
    match option.kind.check(&setting.value) {
        Ok(()) => Some(setting),
        Err(why) => {
            field.fault(format!("{}: {why}", field.key));
            None
        }
    }
}
