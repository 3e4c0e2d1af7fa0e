//! The others: how the same item did on hosts like this one at the same time. What all of them do is the hour, the season
//! or the load; what one does alone is its own.
//!
//! It is drawn from what the server keeps: a number for each host and ten minutes of the last day. The line is their
//! median, the band the middle 80 %: from the first to the ninth decile, so that one strange host among many moves
//! neither. Quantiles are linear between two hosts (definition 7 of Hyndman and Fan, *Sample Quantiles in Statistical
//! Packages*, 1996).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::Snapshot;
use lockstep_model::{Bucket, HostName, ItemName, PackageName, Rollout, Series, Version};
use maud::{Markup, html};

use super::Range;
use crate::chart::number::count;
use crate::hosts::HostLine;
use crate::parts::time;

/// Most hosts whose numbers are read: each is up to 144 snapshots, and more hosts do not move a median much.
pub const MOST_OTHERS: usize = 30;
/// Fewer hosts than these are no crowd; where the same groups have fewer, any common group counts.
const ENOUGH: usize = 3;
/// How far back snapshots reach.
const REACH: SignedDuration = SignedDuration::from_hours(24);

/// Hosts that a host is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crowd {
    /// What they have in common, behind their number: `of the group web`.
    pub words: String,
    /// Those whose numbers are read, by name, at most [`MOST_OTHERS`].
    pub hosts: Vec<HostName>,
    /// How many there are.
    pub all: usize,
}

/// What the others did.
#[derive(Debug, Clone, PartialEq)]
pub struct Others {
    /// Who they are; none if there is nobody.
    pub crowd: Option<Crowd>,
    /// Their course; see [`course`].
    pub series: Series,
}

impl Others {
    /// Nobody.
    #[must_use]
    pub fn nobody(shown: &Series) -> Self {
        Self {
            crowd: None,
            series: course(shown, []),
        }
    }
}

impl Crowd {
    /// Of these hosts, so many as are read: evenly picked by name, so that everybody sees the same.
    fn of(words: String, mut hosts: Vec<&HostName>) -> Option<Self> {
        hosts.sort_unstable();
        let all = hosts.len();
        let picked = all.min(MOST_OTHERS);
        let hosts = (0..picked).map(|it| hosts[it * all / picked].clone());
        let hosts: Vec<HostName> = hosts.collect();
        (!hosts.is_empty()).then_some(Self { words, hosts, all })
    }

    /// `12 other hosts of the group web`.
    fn says(&self) -> String {
        format!("{} {}", count(self.all as u64, "other host"), self.words)
    }
}

/// The hosts that have the item, too, and are in the same groups; if those are too few, those that are in one of them. Of
/// hosts without any group all others without one.
#[must_use]
pub fn others(hosts: &[Arc<HostLine>], host: &HostName, item: &ItemName) -> Option<Crowd> {
    let of = |line: &HostLine| -> BTreeSet<String> { line.groups.iter().cloned().collect() };
    let groups = of(hosts.iter().find(|line| line.view.name == *host)?);
    let near: Vec<&HostLine> = having(hosts, host, item).collect();
    let same: Vec<&HostLine> = near.iter().copied().filter(|it| of(it) == groups).collect();
    if groups.is_empty() {
        return Crowd::of("without a group, too".into(), names(&same));
    }
    let listed: Vec<&str> = groups.iter().map(String::as_str).collect();
    let listed = listed.join(", ");
    if same.len() >= ENOUGH {
        let words = match groups.len() {
            1 => format!("of the group {listed}"),
            _ => format!("of the same groups: {listed}"),
        };
        return Crowd::of(words, names(&same));
    }
    let common: Vec<&HostLine> = near
        .into_iter()
        .filter(|it| it.groups.iter().any(|group| groups.contains(group)))
        .collect();
    let words = match groups.len() {
        1 => format!("of the group {listed}"),
        _ => format!("of one of the groups {listed}"),
    };
    Crowd::of(words, names(&common))
}

/// The control cohort: while a rollout is in motion that has changed this host already, its hosts that have the version
/// from before; of the same groups, if those are enough.
#[must_use]
pub fn old_version(
    hosts: &[Arc<HostLine>],
    host: &HostName,
    item: &ItemName,
    rollouts: &[Rollout],
) -> Option<Crowd> {
    let (rollout, cohorts) = rollouts
        .iter()
        .filter(|it| !it.state.is_over())
        .map(|it| (it, Cohorts::of(hosts, it)))
        .find(|(_, cohorts)| cohorts.new.iter().any(|it| it.view.name == *host))?;
    let line = cohorts.new.iter().find(|it| it.view.name == *host)?;
    let has = |it: &&HostLine| it.items.iter().any(|state| state.item == *item);
    let old: Vec<&HostLine> = cohorts.old.into_iter().filter(has).collect();
    let is_near = |it: &&HostLine| it.groups.iter().any(|group| line.groups.contains(group));
    let near: Vec<&HostLine> = old.iter().copied().filter(is_near).collect();
    let (package, version) = (&rollout.package, &rollout.version);
    if near.len() >= ENOUGH && near.len() < old.len() {
        let words = format!("of its groups, still without {package} {version}");
        return Crowd::of(words, names(&near));
    }
    Crowd::of(format!("still without {package} {version}"), names(&old))
}

/// The hosts of a rollout, by what they have.
#[derive(Debug, Default)]
pub struct Cohorts<'a> {
    /// Those that have its version.
    pub new: Vec<&'a HostLine>,
    /// Those that have another one: the control cohort. Hosts of which no version is known are in neither.
    pub old: Vec<&'a HostLine>,
}

impl<'a> Cohorts<'a> {
    /// Looks at the hosts of all waves.
    #[must_use]
    pub fn of(hosts: &'a [Arc<HostLine>], rollout: &Rollout) -> Self {
        let members: BTreeSet<&HostName> = rollout.waves.iter().flat_map(|it| &it.hosts).collect();
        let mut cohorts = Self::default();
        for line in hosts.iter().map(AsRef::as_ref) {
            if !members.contains(&line.view.name) {
                continue;
            }
            match version_of(line, &rollout.package) {
                Some(version) if *version == rollout.version => cohorts.new.push(line),
                Some(_) => cohorts.old.push(line),
                None => {}
            }
        }
        cohorts
    }
}

/// The version of a package that a host has; of our own the agent's.
fn version_of<'a>(line: &'a HostLine, package: &PackageName) -> Option<&'a Version> {
    let installed = line.view.packages.iter().find(|it| it.package == *package);
    match installed {
        Some(installed) => Some(&installed.version),
        None if *package == PackageName::lockstep() => line.view.version.as_ref(),
        None => None,
    }
}

/// What some hosts measured, put together: for each ten minutes the median as the mean, the first decile as the least and
/// the ninth as the greatest; `count` is the number of hosts. `measured` are their numbers in any order, one of a host for
/// each ten minutes; what lies outside of `shown`, which is the series that is drawn, is left out. It is as good for the
/// two cohorts of a rollout.
#[must_use]
pub fn course(shown: &Series, measured: impl IntoIterator<Item = (Timestamp, f64)>) -> Series {
    let slot = i64::try_from(Snapshot::SLOT.duration().as_millis()).unwrap_or(i64::MAX);
    let mut slots: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (at, value) in measured {
        if value.is_finite() && at >= shown.from && at <= shown.to {
            let place = at.as_millisecond().div_euclid(slot);
            slots.entry(place).or_default().push(value);
        }
    }
    let bucket = |(place, mut values): (i64, Vec<f64>)| {
        values.sort_by(f64::total_cmp);
        let begin = Timestamp::from_millisecond(place.saturating_mul(slot)).ok()?;
        Some(Bucket {
            // The first one may begin before the drawing does.
            at: begin.max(shown.from),
            count: values.len() as u64,
            mean: quantile(&values, 0.5)?,
            min: quantile(&values, 0.1)?,
            max: quantile(&values, 0.9)?,
        })
    };
    Series {
        item: shown.item.clone(),
        unit: shown.unit.clone(),
        from: shown.from,
        to: shown.to,
        bucket_ms: slot.unsigned_abs(),
        buckets: slots.into_iter().filter_map(bucket).collect(),
    }
}

/// What stands below the drawing: who they are, and how far back they are known.
pub(super) fn note(others: &Others, range: &Range, now: Timestamp) -> Markup {
    let since = now.checked_sub(REACH).unwrap_or(Timestamp::MIN);
    let from = others.series.from;
    html! {
        p #the-others .source {
            @match &others.crowd {
                None => { (nobody(range)) }
                Some(crowd) => {
                    "Beside it: median and middle 80 % of " (crowd.says())
                    @if crowd.all > crowd.hosts.len() { ", of which " (crowd.hosts.len()) " are read, evenly picked by name" }
                    ". The server keeps a number of each for every ten minutes of the last day."
                    @if others.series.buckets.is_empty() {
                        b { " It has none of this time." }
                    } @else if from < since {
                        " This time begins earlier: of what was before " (time::moment(since)) " there is nothing to compare with."
                    }
                }
            }
        }
    }
}

fn nobody(range: &Range) -> &'static str {
    match range.beside {
        Some(super::Beside::OldVersion) => {
            "There are no hosts on an old version to compare with: no rollout is in motion that has changed this host and \
             not yet all others."
        }
        _ => "There is nobody to compare with: no other host of its groups has this item.",
    }
}

/// The hosts that have the item, without the one that is compared.
fn having<'a>(
    hosts: &'a [Arc<HostLine>],
    host: &'a HostName,
    item: &'a ItemName,
) -> impl Iterator<Item = &'a HostLine> {
    let hosts = hosts.iter().map(AsRef::as_ref);
    hosts.filter(move |line: &&HostLine| {
        line.view.name != *host && line.items.iter().any(|it| it.item == *item)
    })
}

fn names<'a>(lines: &[&'a HostLine]) -> Vec<&'a HostName> {
    lines.iter().map(|line| &line.view.name).collect()
}

/// The value below which a share of sorted values lies.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    // Never negative, and never beyond the last.
    let (below, part) = (place.floor() as usize, place.fract());
    let (low, high) = (sorted.get(below)?, sorted.get(below + 1));
    Some(low + high.map_or(0.0, |high| (high - low) * part))
}

#[cfg(test)]
mod tests;
