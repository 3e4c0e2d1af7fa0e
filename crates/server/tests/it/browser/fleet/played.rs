//! A host of the fleet, as it tells of itself.

use std::collections::BTreeMap;

use lockstep_model::api::{Desired, Installed, Report, RunStatus, WatchedReport};
use lockstep_model::{ItemState, Level, Outcome, PackageName, Phase, RunId, Value};

use super::shop;
use crate::health::item;
use crate::world::{Host, World, host, version};

/// A host as it tells of itself.
pub(crate) struct Played {
    pub(crate) host: Host,
    pub(super) installed: BTreeMap<PackageName, String>,
    pub(super) items: Vec<ItemState>,
    run: Option<RunStatus>,
    generation: u64,
    watched: Vec<WatchedReport>,
}

/// What a host makes of an order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obeys {
    /// It runs the new version, proven.
    Well,
    /// It is at it.
    Slowly,
    /// The version does not prove itself.
    Badly,
    /// It has not begun.
    NotYet,
}

impl Played {
    pub(super) fn report(&self) -> Report {
        let installed = |(package, running): (&PackageName, &String)| Installed {
            package: package.clone(),
            version: version(running),
            hash: None,
            previous: None,
            proven: true,
        };
        Report {
            installed: self.installed.iter().map(installed).collect(),
            items: self.items.clone(),
            run: self.run.clone(),
            generation: self.generation,
            watched: self.watched.clone(),
            ..self.host.report_of("1.0.0", true)
        }
    }

    pub(super) async fn takes(&mut self, world: &World, wanted: &Desired, how: Obeys) {
        match how {
            Obeys::Well => {
                self.host.end_run(wanted, Outcome::Done).await;
                let to = wanted.version.to_string();
                self.installed.insert(wanted.package.clone(), to);
                self.generation = wanted.generation;
            }
            Obeys::Slowly => {
                self.run = Some(RunStatus {
                    id: RunId::new(world.now(), [4; 10]),
                    package: wanted.package.clone(),
                    to: Some((&wanted.version).into()),
                    phase: Phase::Apply,
                });
            }
            Obeys::Badly => self.host.end_run(wanted, Outcome::RolledBack).await,
            Obeys::NotYet => {}
        }
    }
}

pub(super) async fn enrolled(world: &World, name: &str) -> Played {
    let mut installed = BTreeMap::from([(PackageName::lockstep(), "1.0.0".to_owned())]);
    if name.starts_with("web") {
        installed.insert(shop(), "4.0.0".into());
    }
    Played {
        host: world.enroll(name).await,
        installed,
        items: items(world, name),
        run: None,
        generation: 0,
        watched: if name == "monitor01" {
            watched(world)
        } else {
            Vec::new()
        },
    }
}

/// What the hosts without an agent look like from outside.
fn watched(world: &World) -> Vec<WatchedReport> {
    let ping = || Value::Number {
        value: 0.0004,
        unit: "s".into(),
    };
    let charge = Value::Number {
        value: 100.0,
        unit: String::new(),
    };
    let of = |name, values: Vec<(&str, Value)>| WatchedReport {
        host: host(name),
        items: fine(world, values),
    };
    vec![
        of("switch1", vec![("ping", ping())]),
        of(
            "ups1",
            vec![("ping", ping()), ("snmp:1.3.6.1.2.1.33.1.2.4.0", charge)],
        ),
    ]
}

fn items(world: &World, name: &str) -> Vec<ItemState> {
    let number = |value: f64, unit: &str| Value::Number {
        value,
        unit: unit.into(),
    };
    let mut values = vec![
        ("cpu_busy", number(12.5, "%")),
        ("cpu_load", number(0.7, "")),
        ("disk_usage:/", number(41.0, "%")),
        ("disk_usage:/var", number(63.0, "%")),
        ("memory_available", number(54.2, "%")),
        ("uptime", number(1_234_567.0, "s")),
        ("users", number(0.0, "")),
    ];
    if name.starts_with("web") {
        values.push(("unit:nginx", Value::Text("running".into())));
    }
    fine(world, values)
}

fn fine(world: &World, values: Vec<(&str, Value)>) -> Vec<ItemState> {
    let fine = |(name, value)| ItemState {
        item: item(name),
        value,
        level: Level::FINE,
        since: world.now(),
        why: String::new(),
        no_data: false,
        flapping: false,
        pending: None,
    };
    values.into_iter().map(fine).collect()
}
