//! From texts to what they declare.
//!
//! Names of groups, fitness functions and receivers may be used before they are defined, and in another file. So all
//! texts are read twice: once for the names and the levels, once for everything else.

mod about;
mod alert;
mod channel;
mod fitness;
pub(crate) mod follow;
mod group;
mod item;
mod lock;
mod package;
mod receiver;
mod silence;
pub(crate) mod strategy;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use lockstep_model::alert::{AlertRules, Receiver};
use lockstep_model::{Glob, HostName, Interval, LevelNames, Retention};
use toml::Spanned;
use toml::de::DeTable;

use crate::declared::{Declared, Defaults};
use crate::distance::question;
use crate::fault::{Faults, list, quoted};
use crate::keys::KeyFiles;
use crate::probes;
use crate::read::{Field, Reader, Section, Set};
use crate::silence::RecurringSilence;
use crate::source::{At, Sources};

pub(crate) type Document<'a> = Spanned<DeTable<'a>>;

/// What all texts together declare.
#[derive(Debug)]
pub(crate) struct Everything {
    pub(crate) declared: Declared,
    pub(crate) alerts: AlertRules,
    pub(crate) history: Retention,
    pub(crate) silences: Vec<RecurringSilence>,
}

/// The kinds of tables that have names: `[group.web]`.
const NAMED: [&str; 13] = [
    "alert", "channel", "fitness", "follow", "group", "host", "item", "lock", "package",
    "receiver", "silence", "strategy", "user",
];

/// What all definitions are read with.
#[derive(Debug)]
struct Context<'a> {
    faults: &'a Faults,
    levels: LevelNames,
    timezone: String,
    keys: &'a KeyFiles,
    /// The definitions of all texts by kind and name, each once, in the order of the texts.
    defined: Vec<(&'static str, Field<'a>)>,
}

/// Shortest and longest time between two samples of an item.
const EVERY: std::ops::RangeInclusive<Interval> =
    Interval::from_secs(1)..=Interval::from_secs(86_400);
/// Shortest and longest time between two samples of a host.
const SAMPLE: std::ops::RangeInclusive<Interval> =
    Interval::from_secs(1)..=Interval::from_secs(3_600);
/// Shortest and longest time between two reports.
const REPORT: std::ops::RangeInclusive<Interval> =
    Interval::from_secs(1)..=Interval::from_secs(86_400);
/// A probe that has not answered after ten minutes never will.
const TIMEOUT: std::ops::RangeInclusive<Interval> =
    Interval::from_millis(10)..=Interval::from_secs(600);

/// Parses one text. Its errors of syntax become faults; what could be read in spite of them is returned.
pub(crate) fn document<'a>(
    sources: &'a Sources,
    file: u16,
    text: &'a str,
    faults: &Faults,
) -> Document<'a> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let reader = Reader {
        sources,
        faults,
        file,
    };
    for error in errors {
        let mut span = error.span().unwrap_or(0..0);
        // The parser may point into the middle of a character.
        while !text.is_char_boundary(span.start) {
            span.start -= 1;
        }
        while span.end < text.len() && !text.is_char_boundary(span.end) {
            span.end += 1;
        }
        faults.syntax(reader.at(span), error.message());
    }
    document
}

/// Reads all documents.
pub(crate) fn everything<'a>(
    sources: &'a Sources,
    documents: &'a [Document<'a>],
    faults: &'a Faults,
    keys: &'a KeyFiles,
) -> Everything {
    let mut top = Top::default();
    for (file, document) in documents.iter().enumerate() {
        let reader = Reader {
            sources,
            faults,
            file: u16::try_from(file).unwrap_or(u16::MAX),
        };
        top.read(reader.section(document.get_ref(), reader.at(0..0)));
    }
    let levels = top.levels(faults);
    let defaults = defaults(top.single("defaults"));
    let context = Context {
        faults,
        levels,
        keys,
        timezone: defaults
            .timezone
            .as_ref()
            .map_or_else(|| "UTC".into(), |zone| zone.value.clone()),
        defined: top.defined,
    };
    let mut declared = Declared {
        levels: context.levels.clone(),
        defaults,
        ..Declared::default()
    };
    declared.fitness = fitness::named(&context);
    declared.rules = item::rules(&context, context.of("item"), &declared.fitness);
    group::hosts(&context, &mut declared);
    group::groups(&context, &mut declared);
    fitness::check_used(&context, &declared);
    declared.locks = lock::all(&context, &declared.groups);
    declared.packages = package::all(&context, &declared.groups, &declared.locks);
    declared.strategies = strategy::all(&context);
    declared.channels = channel::all(&context, &declared.strategies);
    declared.follows = follow::all(&context, &declared);
    let receivers = receiver::all(&context);
    let pace = alert::pace(top.singles.remove("alerts"));
    let (receivers, routes) = alert::routes(&context, receivers, &declared.groups);
    Everything {
        history: history(top.singles.remove("history")),
        silences: silence::all(&context, &declared.groups),
        alerts: AlertRules {
            levels: context.levels.clone(),
            receivers: receivers
                .into_iter()
                .map(|(name, receiver)| (name, receiver.value))
                .collect::<BTreeMap<String, Receiver>>(),
            routes,
            pace,
        },
        declared,
    }
}

/// The top of all texts.
#[derive(Debug, Default)]
struct Top<'a> {
    levels: Option<Field<'a>>,
    /// Tables without a name, which may be spread over several files: their keys.
    singles: BTreeMap<&'static str, Vec<Section<'a>>>,
    defined: Vec<(&'static str, Field<'a>)>,
    places: BTreeMap<(&'static str, String), At>,
}

impl<'a> Top<'a> {
    fn read(&mut self, mut section: Section<'a>) {
        if let Some(levels) = section.take("levels") {
            match &self.levels {
                Some(before) => again(&levels, "the levels are", before.key_at),
                None => self.levels = Some(levels),
            }
        }
        for key in ["defaults", "alerts", "history"] {
            let table = section.take(key).and_then(|field| field.section());
            if let Some(table) = table {
                self.singles.entry(key).or_default().push(table);
            }
        }
        for kind in NAMED {
            let Some(field) = section.take(kind) else {
                continue;
            };
            for named in field.named() {
                let known = self.places.get(&(kind, named.key.to_owned()));
                if let Some(&before) = known {
                    again(&named, &format!("{kind} {} is", quoted(named.key)), before);
                    continue;
                }
                self.places
                    .insert((kind, named.key.to_owned()), named.key_at);
                self.defined.push((kind, named));
            }
        }
        section.finish();
    }

    fn levels(&self, faults: &Faults) -> LevelNames {
        let Some(field) = &self.levels else {
            return LevelNames::default();
        };
        let names = field.texts();
        if let Some(taken) = names
            .iter()
            .find(|name| fitness::WORDS.contains(&name.value.as_str()))
        {
            faults.add(
                taken.at,
                format!(
                    "{} cannot name a level: {} are words of fitness functions",
                    quoted(&taken.value),
                    list(fitness::WORDS)
                ),
            );
        }
        let names: Vec<String> = names.into_iter().map(|name| name.value).collect();
        match LevelNames::parse(&names) {
            Ok(levels) => levels,
            Err(why) => {
                field.fault(why);
                LevelNames::default()
            }
        }
    }

    fn single(&mut self, key: &'static str) -> Singles<'a> {
        Singles(self.singles.remove(key).unwrap_or_default())
    }
}

/// The same table in several files: each key may stand in one of them.
#[derive(Debug)]
struct Singles<'a>(Vec<Section<'a>>);

impl<'a> Singles<'a> {
    fn take(&mut self, key: &'static str) -> Option<Field<'a>> {
        let mut found: Option<Field<'a>> = None;
        for section in &mut self.0 {
            let Some(field) = section.take(key) else {
                continue;
            };
            match &found {
                Some(before) => again(&field, &format!("{key} is"), before.key_at),
                None => found = Some(field),
            }
        }
        found
    }

    fn finish(self) {
        self.0.into_iter().for_each(Section::finish);
    }
}

/// The same thing is said a second time.
fn again(field: &Field<'_>, what: &str, before: At) {
    let place = field.reader.sources.place(before);
    field.reader.faults.add(
        field.key_at,
        format!("{what} defined twice; first at {place}"),
    );
}

impl<'a> Context<'a> {
    /// The definitions of one kind.
    fn of(&self, kind: &'static str) -> impl Iterator<Item = &Field<'a>> {
        self.defined
            .iter()
            .filter(move |(other, _)| *other == kind)
            .map(|(_, field)| field)
    }
}

/// `[defaults]`:
///
/// * `sample`: time between two samples, `1s` to `1h`, default `1m`;
/// * `report`: time between two reports, `1s` to `1d`, default `5m`;
/// * `timeout`: after this time a probe is given up, `10ms` to `10m`; the default is each probe's own;
/// * `items`: what every host watches; left out, the built-in list, [`lockstep_model::Work::default`];
/// * `timezone`: of all `hours`, default `UTC`.
fn defaults(mut singles: Singles<'_>) -> Defaults {
    let defaults = Defaults {
        sample: singles.take("sample").and_then(|field| field.interval(SAMPLE)),
        report: singles.take("report").and_then(|field| field.interval(REPORT)),
        timeout: singles.take("timeout").and_then(|field| field.interval(TIMEOUT)),
        items: singles.take("items").map(|field| items(&field)),
        timezone: singles.take("timezone").and_then(|field| {
            field.parsed(|zone| match TimeZone::get(zone) {
                Ok(_) => Ok(zone.to_owned()),
                Err(_) => Err(format!(
                    "{} is not a time zone that this machine knows, as in \"UTC\" or \"Europe/Zurich\"",
                    quoted(zone)
                )),
            })
        }),
    };
    singles.finish();
    defaults
}

/// `[history]`: how long each host keeps
///
/// * `raw`: every sample, 1 hour to 1 year, default `2d`;
/// * `mid`: buckets of ten minutes, not shorter than `raw`, default `90d`;
/// * `long`: buckets of an hour, not shorter than `mid`, default two years; all up to ten years.
fn history(sections: Option<Vec<Section<'_>>>) -> Retention {
    const HOUR: Interval = Interval::from_secs(3_600);
    const YEAR: Interval = Interval::from_secs(366 * 86_400);
    const DECADE: Interval = Interval::from_secs(10 * 366 * 86_400);
    let mut singles = Singles(sections.unwrap_or_default());
    let mut kept = Retention::default();
    let fields = [
        (singles.take("raw"), HOUR..=YEAR, &mut kept.raw),
        (singles.take("mid"), HOUR..=DECADE, &mut kept.mid),
        (singles.take("long"), HOUR..=DECADE, &mut kept.long),
    ];
    let mut last = None;
    for (field, sane, value) in fields {
        let Some(field) = field else { continue };
        if let Some(found) = field.interval(sane) {
            *value = found.value;
            last = Some(field);
        }
    }
    if let Some(field) = last
        && !(kept.raw <= kept.mid && kept.mid <= kept.long)
    {
        field.fault(format!(
            "what is coarser is kept at least as long: raw {}, mid {}, long {} do not rise",
            kept.raw, kept.mid, kept.long
        ));
    }
    singles.finish();
    kept
}

/// Most items that one list names.
const MOST_ITEMS: usize = 500;

/// Items to watch: names, and behind the colon patterns.
fn items(field: &Field<'_>) -> Vec<Set<Glob>> {
    let found = field.list(watched_item);
    if found.len() > MOST_ITEMS {
        field.fault(format!("a host has at most {MOST_ITEMS} items"));
        return Vec::new();
    }
    found
}

fn watched_item(text: &str) -> Result<Glob, String> {
    let probe = text.split(':').next().unwrap_or_default();
    if probe.contains(['*', '?']) {
        return Err(format!(
            "{} does not say which probe is meant: patterns may stand behind the colon, as in \"disk_usage:*\"",
            quoted(text)
        ));
    }
    item_pattern(text)
}

/// A pattern for items that means at least one probe.
fn item_pattern(text: &str) -> Result<Glob, String> {
    let glob = Glob::parse(text)?;
    if text.len() > lockstep_model::ItemName::LONGEST {
        return Err(format!(
            "an item's name has at most {} bytes",
            lockstep_model::ItemName::LONGEST
        ));
    }
    let name = crate::pattern::probe(&glob);
    if !text.contains(':')
        && name.contains('*')
        && name.contains(|c: char| !matches!(c, 'a'..='z' | '0'..='9' | '_' | '*' | '?'))
    {
        return Err(format!(
            "{} has no colon between the probe and what it looks at; for all probes write \"*:{text}\"",
            quoted(text)
        ));
    }
    if !probes::meant_by(&glob).is_empty() {
        return Ok(glob);
    }
    let known = probes::PROBES.iter().map(|probe| probe.name);
    let question = question(name, known);
    Err(format!("there is no probe {}{question}", quoted(name)))
}

/// A pattern for names of hosts.
fn host_pattern(text: &str) -> Result<Glob, String> {
    let glob = Glob::parse(text)?;
    if glob.is_plain() {
        return HostName::parse(text)
            .map(|_| glob)
            .map_err(|error| error.to_string());
    }
    let never = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-' | '*' | '?');
    match text.chars().find(never) {
        Some(bad) => Err(format!(
            "{bad:?} stands in no name of a host, so {} matches none",
            quoted(text)
        )),
        None => Ok(glob),
    }
}

/// The name of a definition: 1 to 64 letters, digits, `_`, `.` or `-`.
fn name(field: &Field<'_>) -> Option<String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !field.key.is_empty() && field.key.chars().count() <= 64 && field.key.chars().all(plain) {
        return Some(field.key.to_owned());
    }
    field.reader.faults.add(
        field.key_at,
        format!(
            "{} is not a name: it has 1 to 64 letters, digits, '_', '.' or '-'",
            quoted(field.key)
        ),
    );
    None
}

/// Refuses names that nothing carries.
fn check_known<'b>(
    context: &Context<'_>,
    names: &[Set<String>],
    what: &str,
    known: impl Iterator<Item = &'b str> + Clone,
) {
    for name in names {
        if known.clone().any(|known| known == name.value) {
            continue;
        }
        let near = known.clone().filter(|_| context.faults.may_be_shown());
        let question = question(&name.value, near);
        let message = format!("there is no {what} {}{question}", quoted(&name.value));
        let known: Vec<&str> = known.clone().take(50).collect();
        let note = (!known.is_empty()).then(|| format!("known: {}", known.join(", ")));
        context.faults.unknown(name.at, message, note);
    }
}
