//! Who looks at whom over the network.
//!
//! Xymon's server looks at every host, whether it has a client or not. Here a host with an agent looks: at hosts without
//! one in their own name (`via`), at others by items of its own, such as `ssh:db1.example.org`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lockstep_model::HostName;

use super::super::sheet::{Host, MOST_ITEMS, Rule, Sheet, Silence, item};
use super::super::write::Value;
use super::Work;
use super::hosts::Entry;
use super::tags::{At, Check, Tag, meaning};

/// Most items by which one host looks at others: what its report has room for beside its own.
const MOST_LOOKS: usize = MOST_ITEMS - 100;
/// Most hosts without an agent that one agent watches.
const MOST_WATCHED: usize = 64;

/// The hosts that look, and how much room they have.
#[derive(Debug)]
struct Watchers {
    names: Vec<HostName>,
    /// How many items each one has for this, and how many hosts it watches.
    used: Vec<(usize, usize)>,
}

/// What the tags of a host say together.
#[derive(Debug, Default)]
struct Said {
    checks: Vec<(String, Check)>,
    labels: Vec<(&'static str, String)>,
    pings: Vec<(String, IpAddr)>,
    no_ping: bool,
    by_address: bool,
    dialup: bool,
    no_certificates: bool,
    days: Option<(u32, u32)>,
    routes: Vec<(String, Vec<String>)>,
    downtimes: Vec<(String, String)>,
}

/// Reads the tags of all hosts.
pub(super) fn all(work: &mut Work<'_>, entries: &[Entry]) {
    let mut watchers = Watchers::of(work, entries);
    for name in &watchers.names {
        // Who looks must be known; it may be a host that Xymon did not look at.
        if !work.sheet.hosts.iter().any(|host| host.name == *name) {
            work.sheet.hosts.push(Host::new(name.clone()));
        }
    }
    let places = work.sheet.hosts.iter().enumerate();
    let places: BTreeMap<HostName, usize> = places
        .map(|(index, host)| (host.name.clone(), index))
        .collect();
    let globs = &work.options.without_agent;
    for known in &mut work.known.hosts {
        let plain = globs.iter().any(|glob| glob.matches(known.name.as_str()));
        known.agent = !plain || watchers.names.contains(&known.name);
    }
    for entry in entries {
        let said = tags(work, entry);
        host(work, entry, &said);
        if said.dialup {
            leave(
                work,
                entry,
                "dialup",
                "it may be off, so nobody looks at it over the network",
            );
        } else {
            looks(work, &mut watchers, &places, entry, said);
        }
    }
    routes(work, entries, &places);
}

impl Watchers {
    fn of(work: &Work<'_>, entries: &[Entry]) -> Self {
        let mut names = work.options.watchers.clone();
        if names.is_empty() {
            let is_server =
                |entry: &&Entry| entry.tags.iter().any(|tag| tag == "bbd" || tag == "xymond");
            names.extend(
                entries
                    .iter()
                    .find(is_server)
                    .map(|entry| entry.name.clone()),
            );
        }
        Self {
            used: vec![(0, 0); names.len()],
            names,
        }
    }

    /// The first one with room for so many items, or for another watched host.
    fn with_room(&mut self, items: usize, watched: usize) -> Result<HostName, &'static str> {
        if self.names.is_empty() {
            return Err("nobody looks: name a host with an agent by --watcher");
        }
        for (name, used) in self.names.iter().zip(&mut self.used) {
            if used.0 + items <= MOST_LOOKS && used.1 + watched <= MOST_WATCHED {
                used.0 += items;
                used.1 += watched;
                return Ok(name.clone());
            }
        }
        Err("whoever looks has no room for it: name another host by --watcher")
    }
}

/// Something of a host's line was left.
fn leave(work: &mut Work<'_>, entry: &Entry, text: &str, why: impl Into<String>) {
    let remark = work.report.leave(&entry.line, text, why);
    if let Some(host) = work.sheet.hosts.get_mut(entry.index) {
        host.remarks.push(remark);
    }
}

fn tags(work: &mut Work<'_>, entry: &Entry) -> Said {
    let mut said = Said::default();
    for tag in &entry.tags {
        match meaning(tag) {
            Tag::Label(key, value) => said.labels.push((key, value)),
            // xymonnet does not look twice either.
            Tag::Check(check) => said.checks.push((tag.clone(), check)),
            Tag::Checks(checks) => said
                .checks
                .extend(checks.into_iter().map(|check| (tag.clone(), check))),
            Tag::Ping => said.no_ping = false,
            Tag::NoPing => said.no_ping = true,
            Tag::Pings(addresses) => said
                .pings
                .extend(addresses.into_iter().map(|it| (tag.clone(), it))),
            Tag::ByAddress => said.by_address = true,
            Tag::Dialup => said.dialup = true,
            Tag::NoCertificates => said.no_certificates = true,
            Tag::CertificateDays(warn, alarm) => said.days = Some((warn, alarm)),
            Tag::Route(routers) => said.routes.push((tag.clone(), routers)),
            Tag::Downtime(hours, why) => said.downtimes.push((hours, why)),
            Tag::Left(why) => leave(work, entry, tag, why),
        }
    }
    said
}

/// What is said of a host whoever looks at it.
fn host(work: &mut Work<'_>, entry: &Entry, said: &Said) {
    if let (Some(host), Some(known)) = (
        work.sheet.hosts.get_mut(entry.index),
        work.known.hosts.get_mut(entry.index),
    ) {
        // The Xymon server calls itself by what no other host can call it.
        let address = entry.address.filter(|address| !address.is_loopback());
        host.address = address.map(|address| address.to_string());
        for (key, value) in &said.labels {
            host.labels.insert((*key).to_owned(), value.clone());
        }
        known.class = host.labels.get("class").cloned();
    }
    for (hours, why) in &said.downtimes {
        let taken = |name: &str| {
            work.sheet
                .silences
                .iter()
                .any(|silence| silence.name == name)
        };
        work.sheet.silences.push(Silence {
            name: Sheet::name(entry.name.as_str(), taken),
            host: entry.name.clone(),
            hours: hours.clone(),
            reason: why.clone(),
        });
        work.report.take("silences");
    }
}

/// The looks at a host.
fn looks(
    work: &mut Work<'_>,
    watchers: &mut Watchers,
    places: &BTreeMap<HostName, usize>,
    entry: &Entry,
    said: Said,
) {
    // A name without a point is often known to the Xymon server alone.
    let address = entry
        .address
        .filter(|_| said.by_address || !entry.name.as_str().contains('.'));
    let dumb = work
        .known
        .hosts
        .get(entry.index)
        .is_some_and(|known| !known.agent);
    let mut checks = said.checks;
    if !said.no_ping {
        checks.insert(0, ("conn".into(), Check::new("ping", At::Host)));
    }
    certificates(&mut checks, said.no_certificates);
    if dumb {
        watch(work, watchers, entry, checks, said.days);
    } else {
        let host = address.map_or_else(|| entry.name.to_string(), |address| address.to_string());
        for (tag, check) in checks {
            let looks_at_itself = check.probe == "ping" && watchers.names.contains(&entry.name);
            if looks_at_itself {
                continue;
            }
            if let Err(why) = look(work, watchers, places, &host, &check, said.days) {
                leave(work, entry, &tag, why);
            }
        }
    }
    for (tag, address) in said.pings {
        let check = Check::new("ping", At::Host);
        if let Err(why) = look(work, watchers, places, &address.to_string(), &check, None) {
            leave(work, entry, &tag, why);
        }
    }
}

/// Where Xymon looks at a service within TLS it looks at its certificate, too.
fn certificates(checks: &mut Vec<(String, Check)>, none: bool) {
    if none {
        return;
    }
    let mut more: Vec<(String, Check)> = Vec::new();
    for (tag, check) in checks.iter() {
        let at = match &check.at {
            At::Port(port) if check.probe == "tls" => At::Port(*port),
            At::Named(address) => match authority(address) {
                Some(authority) => At::Named(authority),
                None => continue,
            },
            _ => continue,
        };
        let check = Check::new("certificate_expiry", at);
        if !more.iter().any(|(_, other)| *other == check) {
            more.push((tag.clone(), check));
        }
    }
    checks.extend(more);
}

/// `HOST:PORT` of a page within TLS.
fn authority(address: &str) -> Option<String> {
    let rest = address.strip_prefix("https://")?;
    let authority = rest.split(['/', '?']).next()?;
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    Some(match has_port {
        true => authority.to_owned(),
        false => format!("{authority}:443"),
    })
}

/// What is said of the item of a look.
fn rule(check: &Check, server: Option<&str>, days: Option<(u32, u32)>) -> Rule {
    let mut rule = match days.filter(|_| check.probe == "certificate_expiry") {
        Some((warn, alarm)) => {
            Rule::judging(vec![format!("< {warn}d")], vec![format!("< {alarm}d")])
        }
        None => Rule::default(),
    };
    rule.options.extend(check.options.clone());
    if let (At::Asked(_), Some(server)) = (&check.at, server) {
        rule.options
            .insert("server", Value::Text(server.to_owned()));
    }
    rule
}

/// The name of the item by which another host looks.
fn name(check: &Check, host: &str) -> Result<String, String> {
    let probe = check.probe;
    let bracketed = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    item(match &check.at {
        At::Host => format!("{probe}:{host}"),
        At::Port(port) => format!("{probe}:{bracketed}:{port}"),
        At::Named(named) => format!("{probe}:{named}"),
        At::Asked(asked) if asked.is_empty() => format!("{probe}:{host}"),
        At::Asked(asked) => format!("{probe}:{asked}"),
    })
}

/// One look, as an item of a host that looks at others.
fn look(
    work: &mut Work<'_>,
    watchers: &mut Watchers,
    places: &BTreeMap<HostName, usize>,
    host: &str,
    check: &Check,
    days: Option<(u32, u32)>,
) -> Result<(), String> {
    let name = name(check, host)?;
    let rule = rule(check, Some(host), days);
    for watcher in &watchers.names {
        let Some(looks) = places
            .get(watcher)
            .and_then(|&index| work.sheet.hosts.get(index))
        else {
            continue;
        };
        if looks.items.contains(&name) {
            return match looks.rules.get(&name).cloned().unwrap_or_default() == rule {
                true => Ok(()),
                false => Err(
                    "the host that looks has an item of that name already, with other options"
                        .into(),
                ),
            };
        }
    }
    let watcher = watchers.with_room(1, 0)?;
    let looks = places
        .get(&watcher)
        .and_then(|&index| work.sheet.hosts.get_mut(index));
    if let Some(looks) = looks {
        if rule != Rule::default() {
            looks.rules.insert(name.clone(), rule);
        }
        looks.items.push(name);
        work.report.take("checks");
    }
    Ok(())
}

/// A host without an agent, which is watched in its own name.
fn watch(
    work: &mut Work<'_>,
    watchers: &mut Watchers,
    entry: &Entry,
    checks: Vec<(String, Check)>,
    days: Option<(u32, u32)>,
) {
    let mut items: Vec<String> = Vec::new();
    let mut rules = BTreeMap::new();
    for (tag, check) in checks {
        let probe = check.probe;
        let name = match &check.at {
            At::Host => Ok(probe.to_owned()),
            At::Port(port) => Ok(format!("{probe}:{port}")),
            At::Named(named) => item(format!("{probe}:{named}")),
            At::Asked(asked) if asked.is_empty() => item(format!("{probe}:{}", entry.name)),
            At::Asked(asked) => item(format!("{probe}:{asked}")),
        };
        match name {
            Ok(name) if items.contains(&name) => {}
            Ok(name) => {
                let rule = rule(&check, None, days);
                if rule != Rule::default() {
                    rules.insert(name.clone(), rule);
                }
                items.push(name);
            }
            Err(why) => leave(work, entry, &tag, why),
        }
    }
    if items.is_empty() {
        leave(
            work,
            entry,
            entry.name.as_str(),
            "nothing of it can be seen from outside, so nobody watches it",
        );
        return;
    }
    match watchers.with_room(items.len(), 1) {
        Ok(via) => {
            if let Some(host) = work.sheet.hosts.get_mut(entry.index) {
                for _ in &items {
                    work.report.take("checks");
                }
                host.via = Some(via);
                host.items = items;
                host.rules = rules;
            }
        }
        Err(why) => leave(work, entry, entry.name.as_str(), why),
    }
}

/// Hosts that cannot be reached without others. Circles are refused in a fleet file, so the route that would close one is
/// left.
fn routes(work: &mut Work<'_>, entries: &[Entry], places: &BTreeMap<HostName, usize>) {
    for entry in entries {
        for tag in &entry.tags {
            let Tag::Route(routers) = meaning(tag) else {
                continue;
            };
            for router in routers {
                if let Err(why) = route(work, entry, places, &router) {
                    leave(work, entry, tag, why);
                }
            }
        }
    }
}

fn route(
    work: &mut Work<'_>,
    entry: &Entry,
    places: &BTreeMap<HostName, usize>,
    router: &str,
) -> Result<(), String> {
    let name = HostName::parse(&router.trim().to_lowercase()).map_err(|error| error.to_string())?;
    let to = *places
        .get(&name)
        .ok_or("it speaks of a host that hosts.cfg does not have")?;
    if reaches(&work.sheet.hosts, places, to, entry.index) {
        return Err("these hosts would depend on each other in a circle".into());
    }
    let host = work.sheet.hosts.get_mut(entry.index);
    if let Some(host) = host.filter(|host| !host.depends.contains(&name)) {
        host.depends.push(name);
        work.report.take("dependencies");
    }
    Ok(())
}

/// True if a host is, or depends on, another one.
fn reaches(hosts: &[Host], places: &BTreeMap<HostName, usize>, from: usize, to: usize) -> bool {
    let mut seen = vec![false; hosts.len()];
    let mut open = vec![from];
    while let Some(index) = open.pop() {
        if index == to {
            return true;
        }
        if std::mem::replace(&mut seen[index], true) {
            continue;
        }
        let host = &hosts[index];
        let parents = host.depends.iter().chain(&host.via);
        open.extend(parents.filter_map(|parent| places.get(parent).copied()));
    }
    false
}
