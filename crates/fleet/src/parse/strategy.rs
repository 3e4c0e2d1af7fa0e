//! `[strategy.NAME]`: how a rollout goes, with the keys of [`Strategy`].
//!
//! The model reads each key, here and in `server.toml`. It reads them one by one here, so that each mistake is found
//! with its place. Only two things differ: `zone` is the time zone of `[defaults]` if it is left out, and a key that
//! does nothing is refused.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::str::FromStr;

use lockstep_model::{Blackout, Quantity, Strategy, WaveSize};

use super::{Context, item_pattern, name};
use crate::declared::NamedStrategy;
use crate::distance::question;
use crate::fault::{list, quoted};
use crate::read::{Field, Section};

/// Most strategies.
const MOST_STRATEGIES: usize = 500;

/// What may stand behind a key, as far as it must be known before the model reads it.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    /// A list; its entries are read one by one, so that the wrong one is found.
    List(fn(&str) -> Result<(), String>),
    Number,
    /// A number of hosts, or a share of them.
    Hosts,
    Bytes,
    Items,
    Word(&'static [&'static str]),
}

/// What happens when a gate says no: [`lockstep_model::Then`].
const THEN: &[&str] = &["hold", "halt", "roll-back-wave", "roll-back"];

/// All keys.
const KEYS: [(&str, Kind); 23] = [
    ("waves", Kind::List(entry::<WaveSize>)),
    ("canaries", Kind::Number),
    ("domain", Kind::Text),
    ("bake", Kind::Text),
    ("urgent_bake", Kind::Text),
    ("spread", Kind::Text),
    ("hours", Kind::Text),
    ("zone", Kind::Text),
    ("blackouts", Kind::List(entry::<Blackout>)),
    ("in_flight", Kind::Hosts),
    ("fit", Kind::Hosts),
    ("site", Kind::Text),
    ("site_bytes", Kind::Bytes),
    ("late", Kind::Word(&["after", "join", "at-once"])),
    ("failed", Kind::Hosts),
    ("on_failed", Kind::Word(THEN)),
    ("silent", Kind::Hosts),
    ("on_silent", Kind::Word(THEN)),
    ("worse", Kind::Hosts),
    ("on_worse", Kind::Word(THEN)),
    ("compare", Kind::Text),
    ("on_compare", Kind::Word(THEN)),
    ("items", Kind::Items),
];

/// All `[strategy.NAME]`.
pub(super) fn all(context: &Context<'_>) -> BTreeMap<String, NamedStrategy> {
    let mut strategies = BTreeMap::new();
    for (index, field) in context.of("strategy").enumerate() {
        if index >= MOST_STRATEGIES {
            let message = format!("there are at most {MOST_STRATEGIES} strategies");
            context.faults.add(field.key_at, message);
            break;
        }
        let (Some(name), Some(section)) = (name(field), field.section()) else {
            continue;
        };
        if let Some(strategy) = strategy(context, section) {
            strategies.insert(name, strategy);
        }
    }
    strategies
}

fn strategy(context: &Context<'_>, mut section: Section<'_>) -> Option<NamedStrategy> {
    let fields = KEYS.map(|(key, kind)| section.take(key).map(|field| (field, kind)));
    let fields: Vec<_> = fields.into_iter().flatten().collect();
    let find = |key: &str| {
        let mut fields = fields.iter().map(|(field, _)| field);
        fields.find(|field| field.key == key)
    };
    let at = section.at;
    section.finish();
    // Each mistake is told; one that hides another one is not.
    let wrong = fields.iter().filter(|(field, kind)| !is_good(field, *kind));
    let is_wrong = wrong.count() > 0;
    does_nothing(&find);
    if is_wrong {
        return None;
    }
    let mut text = String::new();
    for (field, _) in &fields {
        line(&mut text, field);
    }
    if find("zone").is_none() && (find("hours").is_some() || find("blackouts").is_some()) {
        let zone = toml::Value::from(context.timezone.as_str());
        let _ = writeln!(text, "zone = {zone}");
    }
    match toml::from_str(&text) {
        Ok(strategy) => {
            let labels = ["domain", "site"].into_iter();
            let labels = labels.filter_map(|key| Some((key, find(key)?.text()?)));
            Some(NamedStrategy {
                at,
                labels: labels.collect(),
                strategy,
            })
        }
        Err(error) => {
            let guilty = match (find("waves"), find("canaries"), find("site_bytes")) {
                (Some(_), Some(field), _) => field.key_at,
                (_, _, Some(field)) if find("site").is_none() => field.key_at,
                _ => at,
            };
            context.faults.add(guilty, error.message());
            None
        }
    }
}

/// What stands in the file, as one line of it. A list may stand in several; it is one value all the same.
fn line(text: &mut String, field: &Field<'_>) {
    let value = field.reader.sources.text(field.at);
    let _ = writeln!(text, "{} = {value}", field.key);
}

/// Says what is wrong with one key by itself.
fn is_good(field: &Field<'_>, kind: Kind) -> bool {
    let is_of_its_kind = match kind {
        Kind::Text => field.text().is_some(),
        Kind::List(entry) => is_list(field, entry),
        Kind::Number => field.whole(0..=i64::from(u32::MAX)).is_some(),
        Kind::Hosts => is_hosts(field),
        Kind::Bytes => is_bytes(field),
        Kind::Items => return is_items(field),
        Kind::Word(known) => return is_word(field, known),
    };
    is_of_its_kind && is_read(field)
}

fn entry<T: FromStr<Err = String>>(text: &str) -> Result<(), String> {
    T::from_str(text).map(drop)
}

fn is_list(field: &Field<'_>, parse: fn(&str) -> Result<(), String>) -> bool {
    let Some(entries) = field.entries() else {
        return false;
    };
    let is_good = |entry: &Field<'_>| {
        if !entry.is_whole() {
            return entry.parsed(parse).is_some();
        }
        let number = entry.reader.sources.text(entry.at);
        parse(number).map_err(|why| entry.fault(why)).is_ok()
    };
    // All of them are looked at.
    entries.iter().filter(|entry| !is_good(entry)).count() == 0
}

fn is_hosts(field: &Field<'_>) -> bool {
    let good = field.is_text() || field.is_whole();
    if !good {
        field.fault(format!(
            "{} is a number of hosts such as 3, or a share of them such as \"2%\"",
            quoted(field.key)
        ));
    }
    good
}

fn is_bytes(field: &Field<'_>) -> bool {
    if field.is_text() {
        return field.parsed(Quantity::parse).is_some();
    }
    let good = field.is_whole();
    if !good {
        field.fault("site_bytes is a number of bytes, such as \"500MB\"");
        return false;
    }
    field.whole(1..=1_000_000_000_000_000_000).is_some()
}

/// Patterns for items that mean at least one probe.
fn is_items(field: &Field<'_>) -> bool {
    let Some(entries) = field.entries() else {
        return false;
    };
    if entries.is_empty() {
        field.fault("no item is named here; left out, all items are looked at");
        return false;
    }
    field.list(item_pattern).len() == entries.len()
}

fn is_word(field: &Field<'_>, known: &'static [&'static str]) -> bool {
    let Some(word) = field.text() else {
        return false;
    };
    if known.contains(&word.value.as_str()) {
        return true;
    }
    let question = question(&word.value, known.iter().copied());
    let message = format!("unknown {} {}{question}", field.key, quoted(&word.value));
    let note = format!("known here: {}", list(known.iter().copied()));
    field.reader.faults.add_with(word.at, message, Some(note));
    false
}

/// True if the model can read it.
fn is_read(field: &Field<'_>) -> bool {
    let mut text = String::new();
    line(&mut text, field);
    if field.key == "site_bytes" {
        // Whether its site is missing is seen when all keys are read together.
        text.push_str("site = \"site\"\n");
    }
    let Err(error) = toml::from_str::<Strategy>(&text) else {
        return true;
    };
    field.fault(error.message());
    false
}

/// Refuses keys that do nothing beside others, or without them.
fn does_nothing<'a, 'b: 'a>(find: &impl Fn(&str) -> Option<&'a Field<'b>>) {
    let refuse = |field: &Field<'_>, why: &str| {
        let message = format!("{} does nothing {why}", field.key);
        field.reader.faults.add(field.key_at, message);
    };
    if let Some(zone) = find("zone")
        && find("hours").is_none()
        && find("blackouts").is_none()
    {
        refuse(zone, "without hours or blackouts");
    }
    let text = |field: &Field<'_>| field.reader.sources.text(field.at).to_owned();
    if let (Some(compare), Some(then)) = (find("compare"), find("on_compare"))
        && matches!(text(compare).as_str(), "\"off\"" | "'off'")
    {
        refuse(then, "beside compare = \"off\"");
    }
    if let Some(site) = find("site")
        && find("site_bytes").is_none()
    {
        refuse(site, "without site_bytes, the limit for each site");
    }
}

/// The names of all keys.
#[cfg(test)]
pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|(key, _)| *key)
}
