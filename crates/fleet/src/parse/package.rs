//! `[package.NAME]`: a package that is kept current on some hosts.
//!
//! * `package`: its name, where the table has another one; default the table's name;
//! * `hosts`, `groups`: on which hosts, names and patterns; at least one of them;
//! * `apt`, `dnf`: where it comes from, see `source`; left out, the repositories that the host has anyway;
//! * `version`: the one that is wanted; left out, the newest;
//! * `published`: an address on the web whose text is the newest version;
//! * `service`: what is stopped for the change and started after it, if it ran;
//! * `idle_lock`: a file that is there while the package's program is at work;
//! * `lock`: the lock that is held during the change;
//! * `every`: how often it is looked, `1m` to `30d`, default `1h`;
//! * `spread`: by which curve hosts begin, default `gamma`; see [`Spread`];
//! * `hours`: when it may begin, in the time zone of `[defaults]`.

mod source;

use std::collections::BTreeMap;

use lockstep_model::{
    Glob, HostName, Interval, LockName, PackageName, PackageRule, PackageVersion, Sources, Spread,
};

use super::alert::hours;
use super::{Context, check_known, host_pattern, name};
use crate::declared::{Group, Lock, Members, Package};
use crate::fault::quoted;
use crate::read::{Field, Section, Set};

/// Most tables, and most patterns of one: beyond that, groups are meant.
const MOST_PACKAGES: usize = 500;
const MOST_PATTERNS: usize = 200;
const EVERY: std::ops::RangeInclusive<Interval> =
    Interval::from_secs(60)..=Interval::from_secs(LONGEST_SPREAD.duration().as_secs());
/// A curve that takes longer is hardly meant.
const LONGEST_SPREAD: Interval = Interval::from_secs(30 * 86_400);

/// All `[package.NAME]`.
pub(super) fn all(
    context: &Context<'_>,
    groups: &BTreeMap<String, Group>,
    locks: &BTreeMap<LockName, Lock>,
) -> BTreeMap<String, Package> {
    let mut packages = BTreeMap::new();
    for (index, field) in context.of("package").enumerate() {
        if index >= MOST_PACKAGES {
            let message = format!("there are at most {MOST_PACKAGES} packages");
            context.faults.add(field.key_at, message);
            break;
        }
        let (Some(name), Some(section)) = (name(field), field.section()) else {
            continue;
        };
        if let Some(package) = package(context, field, section, groups, locks) {
            packages.insert(name, package);
        }
    }
    packages
}

fn package(
    context: &Context<'_>,
    field: &Field<'_>,
    mut section: Section<'_>,
    groups: &BTreeMap<String, Group>,
    locks: &BTreeMap<LockName, Lock>,
) -> Option<Package> {
    let name = match section.take("package") {
        Some(field) => field.parsed(package_name).map(|set| set.value),
        None => package_name(field.key)
            .map_err(|why| context.faults.add(field.key_at, why))
            .ok(),
    };
    let hosts = section.take("hosts");
    let named = section.take("groups");
    if hosts.is_none() && named.is_none() {
        section.fault("a package needs hosts or groups: where it is kept current");
    }
    for list in [&hosts, &named].into_iter().flatten() {
        if list.is_empty_list() {
            list.fault("no host is named here");
        }
    }
    let (members, names) = hosts
        .map(|field| members(&field, "a package", host_pattern))
        .unwrap_or_default();
    let named = named.map(|field| field.one_or_more(|text| Ok::<_, String>(text.to_owned())));
    let named = named.unwrap_or_default();
    check_known(context, &named, "group", groups.keys().map(String::as_str));
    let sources = Sources {
        apt: section.take("apt").and_then(|it| source::apt(context, &it)),
        dnf: section.take("dnf").and_then(|it| source::dnf(context, &it)),
    };
    let version = section.take("version");
    let published = section.take("published");
    if let (Some(_), Some(field)) = (&version, &published) {
        context.faults.add(
            field.key_at,
            "published does nothing beside version: that one is wanted, whatever is published",
        );
    }
    let version = version.and_then(|field| field.parsed(self::version));
    let published = published.and_then(|field| field.parsed(source::published));
    let service = section
        .take("service")
        .and_then(|field| field.parsed(self::service));
    let idle_lock = section
        .take("idle_lock")
        .and_then(|field| field.parsed(file));
    let lock = section
        .take("lock")
        .and_then(|field| lock(context, &field, locks));
    let every = section
        .take("every")
        .and_then(|field| field.interval(EVERY));
    let spread = section
        .take("spread")
        .and_then(|field| field.parsed(self::spread));
    let hours = section
        .take("hours")
        .and_then(|field| hours(context, &field));
    section.finish();
    let mut rule = PackageRule::named(name?);
    rule.sources = sources;
    rule.version = version.map(|set| set.value);
    rule.published = published.map(|set| set.value);
    rule.service = service.map(|set| set.value);
    rule.idle_lock = idle_lock.map(|set| set.value);
    rule.every = every.map_or(rule.every, |set| set.value);
    rule.spread = spread.map_or(rule.spread, |set| set.value);
    rule.hours = hours.map(|set| set.value);
    let lock_at = lock.as_ref().map(|set| set.at);
    rule.lock = lock.map(|set| set.value);
    Some(Package {
        at: field.key_at,
        members,
        names,
        groups: named.into_iter().map(|group| group.value).collect(),
        lock_at,
        rule,
    })
}

/// Names and patterns, and the names by themselves with their places.
pub(super) fn members(
    field: &Field<'_>,
    what: &str,
    pattern: fn(&str) -> Result<Glob, String>,
) -> (Members, Vec<Set<HostName>>) {
    let mut members = Members::default();
    let mut names = Vec::new();
    for Set { value, at } in field.one_or_more(pattern) {
        if !value.is_plain() {
            members.globs.push(value);
        } else if let Ok(value) = HostName::parse(value.as_str()) {
            members.names.insert(value.clone());
            names.push(Set { value, at });
        }
    }
    if members.globs.len() > MOST_PATTERNS {
        field.fault(format!("{what} has at most {MOST_PATTERNS} patterns"));
        members.globs.clear();
    }
    (members, names)
}

fn package_name(text: &str) -> Result<PackageName, String> {
    let name = PackageName::parse(text).map_err(|error| error.to_string())?;
    // These are names of runs, and of their journals, that are no package manager's affair.
    if name == PackageName::lockstep() {
        return Err("the agent keeps itself current, by signed releases; see update.md".into());
    }
    if name == PackageName::system() {
        return Err("\"os\" stands for the operating system as a whole and is no package".into());
    }
    if name == PackageName::reboot() {
        return Err("\"reboot\" stands for the restart of a machine and is no package".into());
    }
    Ok(name)
}

fn version(text: &str) -> Result<PackageVersion, String> {
    if !text.is_empty() && !text.contains(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "{} is not a version: for the newest one leave version out",
            quoted(text)
        ));
    }
    PackageVersion::parse(text)
}

/// The name of a unit (systemd.unit(5)) or of a SysV service. It begins with a letter, a digit or a low line, so that
/// no program takes it for an option.
fn service(text: &str) -> Result<String, String> {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '.' | '@' | '\\' | '-');
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if begins && text.len() <= 255 && text.chars().all(plain) {
        return Ok(text.into());
    }
    Err(format!(
        "{} is not the name of a service, as in \"driveclient\" or \"driveclient.service\"",
        quoted(text)
    ))
}

fn file(text: &str) -> Result<String, String> {
    let good = text.starts_with('/')
        && text.len() <= PackageRule::LONGEST_TEXT
        && !text.contains(|c: char| c.is_control())
        && !text
            .split('/')
            .skip(1)
            .any(|part| matches!(part, "" | "." | ".."));
    if good {
        return Ok(text.into());
    }
    Err(format!(
        "{} is not a file from the root of the host, as in \"/run/backup.lock\"",
        quoted(text)
    ))
}

/// Any other lock would have one place and no health to it, and a slip of the finger would go unseen.
fn lock(
    context: &Context<'_>,
    field: &Field<'_>,
    locks: &BTreeMap<LockName, Lock>,
) -> Option<Set<LockName>> {
    let text = field.text()?;
    check_known(
        context,
        std::slice::from_ref(&text),
        "lock",
        locks.keys().map(LockName::as_str),
    );
    let value = LockName::parse(&text.value).ok()?;
    Some(Set { value, at: text.at })
}

fn spread(text: &str) -> Result<Spread, String> {
    let spread = Spread::parse(text)?;
    match &spread {
        Spread::Points(points) if points.iter().any(|(time, _)| *time > LONGEST_SPREAD) => {
            Err(format!("a curve takes at most {LONGEST_SPREAD}"))
        }
        _ => Ok(spread),
    }
}
