//! `[group.NAME]` and `[host.NAME]`.
//!
//! Both:
//!
//! * `items`: items that are watched in addition to what is inherited;
//! * `without`: patterns for items that are taken away from what is inherited;
//! * `sample`, `report`: as in `[defaults]`;
//! * `depends`: hosts without which these cannot be reached, e.g. a switch;
//! * `owner`: who cares for these hosts, in words, e.g. `"dba team"`;
//! * `links`: what people read about them, by what it is called: `{ runbook = "https://…" }`; `http` and `https` alone;
//! * `item."X"`: what holds for items here, see `item`.
//!
//! Groups alone:
//!
//! * `hosts`: names, patterns, or labels as in `role=web`;
//! * `priority`: of two groups that say different things of one host the one with the greater number counts;
//!   default 0.
//!
//! Hosts alone:
//!
//! * `labels`: a table of texts;
//! * `via`: the host that watches this one, which has no agent;
//! * `address`: its name or address on the network, default its name in the fleet. Whoever watches it looks for it there;
//!   and a gateway knows a host by its address whose protocol says no name;
//! * `snmp`: `version` (`"2c"` or `"3"`), `port` (default 161), `secret` (the name of a secret of the watching
//!   host); only with `via`.

use std::net::IpAddr;

use lockstep_model::{Glob, HostName, SnmpVersion};

use super::{Context, REPORT, SAMPLE, about, host_pattern, item, item_pattern, items, name};
use crate::declared::{Declared, Dumb, Group, Host, LabelTest, Members, Scope, SnmpAccess};
use crate::distance::question;
use crate::fault::{list, quoted};
use crate::read::{Field, Section, Set};

/// Most groups, and most patterns and labels that one of them has: beyond that, lists of names are meant.
const MOST_GROUPS: usize = 2_000;
const MOST_PATTERNS: usize = 200;

/// All `[host.NAME]`.
pub(super) fn hosts(context: &Context<'_>, declared: &mut Declared) {
    for field in context.of("host") {
        let name = match HostName::parse(field.key) {
            Ok(name) => name,
            Err(error) => {
                field.reader.faults.add(field.key_at, error.to_string());
                continue;
            }
        };
        let Some(mut section) = field.section() else {
            continue;
        };
        let labels = section.take("labels").map(|field| field.text_by_name());
        let via = section
            .take("via")
            .and_then(|field| field.parsed(HostName::parse));
        let address = section.take("address");
        let snmp = section.take("snmp");
        if let Some(field) = snmp.as_ref().filter(|_| via.is_none()) {
            field.reader.faults.add(
                field.key_at,
                "snmp is for hosts that another one watches: via is missing",
            );
        }
        let address = address.and_then(|field| field.parsed(network_name));
        let snmp = snmp.and_then(|field| snmp_access(&field));
        let scope = scope(context, declared, &mut section);
        section.finish();
        let labels = labels.unwrap_or_default().into_iter();
        let host = Host {
            labels: labels
                .map(|(field, text)| (field.key.to_owned(), text.value))
                .collect(),
            scope,
            address,
            dumb: via.map(|via| Dumb { via, snmp }),
        };
        declared.hosts.insert(name, host);
    }
}

/// All `[group.NAME]`.
pub(super) fn groups(context: &Context<'_>, declared: &mut Declared) {
    for (index, field) in context.of("group").enumerate() {
        if index >= MOST_GROUPS {
            field.reader.faults.add(
                field.key_at,
                format!("there are at most {MOST_GROUPS} groups"),
            );
            return;
        }
        let (Some(name), Some(mut section)) = (name(field), field.section()) else {
            continue;
        };
        let hosts = section.take("hosts");
        let priority = section
            .take("priority")
            .and_then(|field| field.whole(-1_000..=1_000));
        if hosts.is_none() {
            section.fault("a group needs hosts: names, patterns such as \"web*\", or labels such as \"role=web\"");
        }
        let members = hosts.map(|field| members(&field)).unwrap_or_default();
        check_labels(context, declared, members.labels.iter(), &[]);
        let scope = scope(context, declared, &mut section);
        section.finish();
        let group = Group {
            members,
            priority: priority.map_or(0, |set| set.value),
            scope,
        };
        declared.groups.insert(name, group);
    }
}

fn scope<'a>(context: &Context<'a>, declared: &Declared, section: &mut Section<'a>) -> Scope {
    let rules = section.take("item").map(|field| field.named());
    Scope {
        at: section.at,
        items: section
            .take("items")
            .map(|field| items(&field))
            .unwrap_or_default(),
        without: section
            .take("without")
            .map(|field| field.list(item_pattern))
            .unwrap_or_default(),
        sample: section
            .take("sample")
            .and_then(|field| field.interval(SAMPLE)),
        report: section
            .take("report")
            .and_then(|field| field.interval(REPORT)),
        depends: section
            .take("depends")
            .map(|field| field.list(HostName::parse))
            .unwrap_or_default(),
        owner: section
            .take("owner")
            .and_then(|field| field.parsed(about::owner))
            .map(|set| set.value),
        links: section
            .take("links")
            .map(|field| about::links(&field))
            .unwrap_or_default(),
        rules: item::rules(context, &rules.unwrap_or_default(), &declared.fitness),
    }
}

fn members(field: &Field<'_>) -> Members {
    let mut members = Members::default();
    let texts = field.texts();
    if texts.is_empty() {
        field.fault("a group without hosts does nothing");
    }
    for Set { value, at } in texts {
        let wrong = if let Some((key, value)) = value.split_once('=') {
            label_test(key, value)
                .map(|value| members.labels.push(Set { value, at }))
                .err()
        } else {
            host_pattern(&value)
                .map(|glob| match HostName::parse(glob.as_str()) {
                    Ok(name) => {
                        members.names.insert(name);
                    }
                    Err(_) => members.globs.push(glob),
                })
                .err()
        };
        if let Some(why) = wrong {
            field.reader.faults.add(at, why);
        }
    }
    if members.globs.len() + members.labels.len() > MOST_PATTERNS {
        field.fault(format!(
            "a group has at most {MOST_PATTERNS} patterns and labels"
        ));
        members.globs.clear();
    }
    members
}

pub(super) fn label_test(key: &str, value: &str) -> Result<LabelTest, String> {
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || value.is_empty() {
        return Err("a label is written as in \"role=web\"".into());
    }
    Ok(LabelTest {
        key: key.into(),
        value: Glob::parse(value)?,
    })
}

/// Labels stand in this file only, so one that no host has is a mistake. `others` are the keys of those that hosts have
/// without the file.
pub(super) fn check_labels<'a>(
    context: &Context<'_>,
    declared: &Declared,
    tests: impl Iterator<Item = &'a Set<LabelTest>>,
    others: &[&str],
) {
    for test in tests {
        let mut hosts = declared.hosts.values();
        let known = hosts.any(|host| test.value.holds(&host.labels));
        if known || !context.faults.may_be_shown() {
            continue;
        }
        let wanted = format!("{}={}", test.value.key, test.value.value);
        let labels = declared.hosts.values().flat_map(|host| &host.labels);
        let mut all: Vec<String> = labels
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        all.sort();
        all.dedup();
        let question = question(&wanted, all.iter().map(String::as_str));
        let message = format!("no host has the label {}{question}", quoted(&wanted));
        let mut note = "labels are given by [host.NAME] labels = { role = \"web\" }".to_owned();
        if !others.is_empty() {
            note = format!(
                "{note}; hosts themselves say {}",
                list(others.iter().copied())
            );
        }
        context.faults.unknown(test.at, message, Some(note));
    }
}

/// A DNS name or an address, without a port.
fn network_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name = !text.is_empty() && text.len() <= 253 && text.chars().all(plain);
    if name || text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{} is neither a name nor an address; write for example \"192.0.2.7\", without a port",
        quoted(text)
    ))
}

fn snmp_access(field: &Field<'_>) -> Option<Set<SnmpAccess>> {
    let mut section = field.section()?;
    let version = section.take("version");
    let secret = section.take("secret");
    let port = section
        .take("port")
        .and_then(|field| field.whole(1..=65_535));
    for (key, given) in [("version", version.is_some()), ("secret", secret.is_some())] {
        if !given {
            section.fault(format!(
                "snmp needs {key}, as in snmp = {{ version = \"2c\", secret = \"printers\" }}"
            ));
        }
    }
    let version = version.and_then(|field| {
        field.parsed(|text| match text {
            "2c" => Ok(SnmpVersion::V2c),
            "3" => Ok(SnmpVersion::V3),
            _ => Err(format!(
                "{} is not a version of SNMP: \"2c\" or \"3\"",
                quoted(text)
            )),
        })
    });
    let secret = secret.and_then(|field| field.parsed(secret_name));
    section.finish();
    let value = SnmpAccess {
        version: version?.value,
        port: port.and_then(|port| u16::try_from(port.value).ok()),
        secret: secret?.value,
    };
    Some(Set {
        value,
        at: field.key_at,
    })
}

/// The name of a secret. Communities and passwords themselves have no place in this file.
fn secret_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !text.is_empty() && text.len() <= 64 && text.chars().all(plain) {
        return Ok(text.into());
    }
    Err("a secret is named here, by 1 to 64 letters, digits, '.', '_' or '-'; it stands in secrets.toml of the watching host".into())
}
