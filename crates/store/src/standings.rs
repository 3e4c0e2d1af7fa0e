//! How the fleet stands towards one package: what a rollout needs to know of every host, and no more.

use jiff::Timestamp;
use lockstep_model::api::{Facts, Kept, Report};
use lockstep_model::{HostName, PackageName, Phase, Platform, Version};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, query};

use crate::records::{Place, limit, rows};
use crate::{Error, Store};

/// How one enrolled host stands towards a package, by its last report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The host.
    pub host: HostName,
    /// When it was enrolled.
    pub enrolled_at: Timestamp,
    /// When its last report was received.
    pub last_seen: Option<Timestamp>,
    /// What it is, as it said last.
    pub platform: Option<Platform>,
    /// The version of the package that it runs.
    pub version: Option<Version>,
    /// True if that version has proven itself on the host.
    pub proven: bool,
    /// True if a run that changes the package is in progress.
    pub running: bool,
    /// True if the host keeps the package as it is by its own word: updates are switched off there, or a version is held
    /// by hand.
    pub kept: bool,
    /// `PRETTY_NAME` of its `os-release`.
    pub os: String,
    /// `uname -r`.
    pub kernel: String,
    /// The gateway by which it came in; none for a host with our agent.
    pub gateway: Option<String>,
    /// True if any run is changing the host: one that only waits for its turn, in a phase before [`Phase::Pre`], leaves
    /// it as it is.
    pub in_run: bool,
}

/// Hosts in one page.
const PAGE: u32 = 1000;

const STANDINGS: &str = "SELECT h.name, h.facts, h.enrolled_at, r.received_at, r.brief \
    FROM hosts h LEFT JOIN reports r ON r.host = h.name \
    WHERE h.removed_at IS NULL AND ($1 IS NULL OR h.name > $1) ORDER BY h.name LIMIT $2";

#[derive(FromRow)]
struct Record {
    name: String,
    facts: String,
    enrolled_at: i64,
    received_at: Option<i64>,
    brief: Option<String>,
}

/// What of a report is kept beside it: its items, by far the most of it, matter to nobody who looks at the fleet.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Brief {
    installed: Vec<BriefInstalled>,
    /// The package that the run in progress changes.
    run: Option<PackageName>,
    /// Where that run is; not known of reports that were stored by an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<Phase>,
    platform: Option<Platform>,
    /// Packages that the host keeps as they are by its own word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept: Vec<PackageName>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    os: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    kernel: String,
}

#[derive(Serialize, Deserialize)]
struct BriefInstalled {
    package: PackageName,
    version: Version,
    proven: bool,
}

impl Brief {
    pub(crate) fn of(report: &Report) -> Self {
        let installed = report.installed.iter().map(|it| BriefInstalled {
            package: it.package.clone(),
            version: it.version.clone(),
            proven: it.proven,
        });
        Self {
            installed: installed.collect(),
            run: report.run.as_ref().map(|run| run.package.clone()),
            phase: report.run.as_ref().map(|run| run.phase),
            platform: report.facts.platform.clone(),
            kept: kept(report),
            os: report.facts.os.clone(),
            kernel: report.facts.kernel.clone(),
        }
    }
}

/// Packages that a person on the host keeps as they are.
fn kept(report: &Report) -> Vec<PackageName> {
    let by_hand = report.kept.iter().filter(|it| it.is_by_hand());
    let mut kept: Vec<PackageName> = by_hand.map(|it: &Kept| it.package.clone()).collect();
    if !report.updates_enabled {
        kept.extend(report.installed.iter().map(|it| it.package.clone()));
    }
    kept.sort();
    kept.dedup();
    kept
}

impl Record {
    fn read(self, package: &PackageName) -> Result<Standing, Error> {
        let host = Place {
            table: "hosts",
            key: &self.name,
        };
        let reported = Place {
            table: "reports",
            key: &self.name,
        };
        let brief: Brief = match &self.brief {
            Some(text) => reported.json("brief", text)?,
            None => Brief::default(),
        };
        let facts: Facts = host.json("facts", &self.facts)?;
        let installed = brief
            .installed
            .into_iter()
            .find(|it| it.package == *package);
        Ok(Standing {
            host: host.parse("name", &self.name)?,
            enrolled_at: host.time("enrolled_at", self.enrolled_at)?,
            last_seen: self
                .received_at
                .map(|at| reported.time("received_at", at))
                .transpose()?,
            platform: brief.platform.or(facts.platform),
            kept: brief.kept.contains(package),
            os: if brief.os.is_empty() {
                facts.os
            } else {
                brief.os
            },
            kernel: if brief.kernel.is_empty() {
                facts.kernel
            } else {
                brief.kernel
            },
            gateway: facts.gateway,
            proven: installed.as_ref().is_some_and(|it| it.proven),
            version: installed.map(|it| it.version),
            running: brief.run.as_ref() == Some(package),
            in_run: brief.run.is_some() && brief.phase.is_none_or(|phase| phase >= Phase::Pre),
        })
    }
}

impl Store {
    /// How every enrolled host stands towards a package, by name.
    ///
    /// # Errors
    /// [`Error::Database`] and [`Error::Damaged`].
    pub async fn standings(&self, package: &PackageName) -> Result<Vec<Standing>, Error> {
        let mut standings: Vec<Standing> = Vec::new();
        loop {
            let after = standings.last().map(|standing| standing.host.clone());
            let after = after.as_ref().map(HostName::as_str);
            let found: Vec<Record> = on!(self.db(), "look at the fleet", pool => {
                let found = query(STANDINGS).bind(after).bind(limit(PAGE, PAGE)).fetch_all(pool).await?;
                Ok(rows("hosts", &found)?)
            })?;
            let is_last = found.len() < PAGE as usize;
            for record in found {
                standings.push(record.read(package)?);
            }
            if is_last {
                return Ok(standings);
            }
        }
    }
}
