//! `units_failed` and `unit:NAME`: what systemd runs, as it says itself on the system bus.
//!
//! Source: `org.freedesktop.systemd1(5)`. One question is asked at a look: `ListUnitsFiltered` for those that failed,
//! `ListUnitsByNames` (systemd 230 and later) for one by its name, which is loaded for the answer if need be.

use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{Level, Value};
use tokio::time::{Instant, timeout_at};

use super::bus::wire::Writer;
use super::bus::{Bus, Call};
use super::reading::{count, one_of, the_item, verdict, without_value};
use super::{has_options, object, without_object};
use crate::probe::{Found, Look, Order, Probe};

/// Most units that are named in a sentence.
const MOST_NAMES: usize = 10;
/// Most units that a pattern finds.
const MOST_UNITS: usize = 256;

/// What a unit's name may end with, see `systemd.unit(5)`.
const KINDS: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// The probe `units_failed`.
pub(super) fn failed(order: &Order) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &[])?;
    without_object(order)?;
    Ok(Arc::new(Units {
        order: order.clone(),
        question: Question::Failed,
    }))
}

/// The probe `unit:NAME`. A name without a kind is that of a service; a pattern, as in `unit:postgresql@*.service`,
/// finds those that are loaded.
pub(super) fn unit(order: &Order) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &[])?;
    let name = object(order)?;
    let question = if order.name.is_plain() {
        Question::One(full_name(name)?)
    } else {
        Question::Matching
    };
    Ok(Arc::new(Units {
        order: order.clone(),
        question,
    }))
}

/// `nginx` is `nginx.service`.
fn full_name(name: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if !name.chars().all(allowed) {
        return Err(format!("{name} is not the name of a unit"));
    }
    let has_kind = name
        .rsplit_once('.')
        .is_some_and(|(_, kind)| KINDS.contains(&kind));
    Ok(if has_kind {
        name.into()
    } else {
        format!("{name}.service")
    })
}

#[derive(Debug)]
struct Units {
    order: Order,
    question: Question,
}

#[derive(Debug)]
enum Question {
    Failed,
    One(String),
    Matching,
}

/// A unit, as far as it matters.
#[derive(Debug, Default, Clone, PartialEq)]
struct Unit {
    name: String,
    /// `loaded`, `not-found`, `masked`, and so on.
    load: String,
    /// `active`, `failed`, and so on.
    active: String,
    /// What that means for units of this kind: `running`, `exited`, `mounted`.
    sub: String,
}

impl Probe for Units {
    fn look(self: Arc<Self>, _: Timestamp) -> Look {
        Box::pin(async move {
            // A host that is run by something else has no such item, and need not be troubled by its absence.
            if matches!(self.question, Question::Failed) && !is_run_by_systemd(&self.order) {
                return Vec::new();
            }
            let deadline = Instant::now() + self.order.timeout;
            let found = match timeout_at(deadline, self.ask()).await {
                Ok(Ok(units)) => self.tell(units),
                Ok(Err(why)) => Err(why),
                Err(_) => Err("no answer of the system bus within the time limit".into()),
            };
            found.unwrap_or_else(|why| without_value(&self.order, why))
        })
    }
}

/// As `sd_booted(3)` finds it out; or there is a bus, which can be asked.
fn is_run_by_systemd(order: &Order) -> bool {
    order.root.join("run/systemd/system").exists() || Bus::is_there(&order.root)
}

impl Units {
    async fn ask(&self) -> Result<Vec<Unit>, String> {
        let (member, argument) = match &self.question {
            Question::Failed => ("ListUnitsFiltered", Some("failed")),
            Question::One(name) => ("ListUnitsByNames", Some(name.as_str())),
            Question::Matching => ("ListUnitsFiltered", None),
        };
        let mut body = Writer::default();
        body.array(4, |texts| {
            argument.into_iter().for_each(|text| texts.string(text))
        });
        let mut bus = Bus::connect(&self.order.root).await?;
        let answer = bus
            .call(Call {
                signature: "as",
                body,
                ..Call::new(
                    "org.freedesktop.systemd1",
                    "/org/freedesktop/systemd1",
                    "org.freedesktop.systemd1.Manager",
                    member,
                )
            })
            .await?;
        answer.read("a(ssssssouso)", |reader| {
            reader.structs(|reader| {
                let mut next = || reader.string().map(String::from);
                let name = next()?;
                let _description = next()?;
                let (load, active, sub) = (next()?, next()?, next()?);
                let (_following, _path) = (next()?, next()?);
                let _job = reader.u32()?;
                let (_job_kind, _job_path) = (reader.string()?, reader.string()?);
                Some(Unit {
                    name,
                    load,
                    active,
                    sub,
                })
            })
        })
    }

    fn tell(&self, units: Vec<Unit>) -> Result<Vec<Found>, String> {
        let order = &self.order;
        match &self.question {
            Question::Failed => {
                let why = failed_names(&units);
                let verdict = why.and_then(|why| verdict(Level::SICK, why));
                Ok(the_item(order, count(units.len()), verdict))
            }
            Question::One(name) => {
                let unit = units
                    .into_iter()
                    .next()
                    .ok_or_else(|| format!("systemd does not know {name}"))?;
                let (level, why) = unit.level();
                Ok(the_item(order, unit.value(), verdict(level, why)))
            }
            Question::Matching => Ok(units
                .into_iter()
                .filter(|unit| unit.load != "not-found")
                .filter_map(|unit| {
                    let (level, why) = unit.level();
                    one_of(order, &unit.name, unit.value(), verdict(level, why))
                })
                .take(MOST_UNITS)
                .collect()),
        }
    }
}

/// `failed: nginx.service, x.service`; none if there are none.
fn failed_names(units: &[Unit]) -> Option<String> {
    if units.is_empty() {
        return None;
    }
    let mut names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
    names.sort_unstable();
    let more = match names.len().saturating_sub(MOST_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.truncate(MOST_NAMES);
    Some(format!("failed: {}{more}", names.join(", ")))
}

impl Unit {
    fn value(&self) -> Value {
        Value::Text(match self.load.as_str() {
            "loaded" => format!("{} ({})", self.active, self.sub),
            load if self.active == "inactive" => load.into(),
            load => format!("{} ({}, {load})", self.active, self.sub),
        })
    }

    fn level(&self) -> (Level, String) {
        let name = &self.name;
        match (self.active.as_str(), self.sub.as_str(), self.load.as_str()) {
            ("active" | "reloading" | "refreshing", ..) => (Level::FINE, String::new()),
            ("failed", ..) => (Level::CRITICAL, format!("{name} has failed")),
            // It waits for its next start after it ended by itself: that goes on until somebody looks.
            ("activating", "auto-restart" | "auto-restart-queued", _) => (
                Level::SICK,
                format!("{name} has ended and is to be started again"),
            ),
            ("activating", ..) => (Level::SOSO, format!("{name} is being started")),
            ("deactivating", ..) => (Level::SOSO, format!("{name} is being stopped")),
            ("inactive", _, "not-found") => (Level::SICK, format!("there is no {name}")),
            ("inactive", _, "masked") => (Level::SICK, format!("{name} is masked")),
            ("inactive", ..) => (Level::SICK, format!("{name} is not running")),
            (other, ..) => (Level::SICK, format!("{name} is {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::bus::fake::{Reply, Serving, serve};
    use crate::system::find;
    use crate::system::world::{World, lines};

    const MANAGER: &str = "org.freedesktop.systemd1.Manager";

    /// A systemd with these units: name, load state, active state, sub-state.
    fn systemd(world: &World, units: &[[&str; 4]]) -> Serving {
        let units: Vec<[String; 4]> = units.iter().map(|unit| unit.map(String::from)).collect();
        serve(world.root(), move |call| {
            assert!(call.starts_with(MANAGER), "{call}");
            let mut body = Writer::default();
            body.array(8, |array| {
                for [name, load, active, sub] in &units {
                    array.align(8);
                    for text in [name, "What it does", load, active, sub, "", "/org/x"] {
                        array.string(text);
                    }
                    array.u32(0);
                    array.string("");
                    array.string("/");
                }
            });
            Reply::Body("a(ssssssouso)", body)
        })
    }

    async fn unit_line(unit: [&str; 4]) -> String {
        let world = World::new();
        let _systemd = systemd(&world, &[unit]);
        lines(&world.look("unit:x", 0).await).join("")
    }

    #[tokio::test]
    async fn failed_units_are_counted_and_named() {
        let world = World::new();
        let none = systemd(&world, &[]);
        let found = world.look("units_failed", 0).await;
        assert_eq!(lines(&found), ["units_failed = 0.00"]);
        assert_eq!(found[0].verdict, None);
        drop(none);
        let world = World::new();
        let unit = |name| [name, "loaded", "failed", "failed"];
        let _two = systemd(&world, &[unit("x.service"), unit("nginx.service")]);
        assert_eq!(
            lines(&world.look("units_failed", 0).await),
            ["units_failed = 2.00 [sick] failed: nginx.service, x.service"]
        );
    }

    #[test]
    fn a_hundred_failed_units_are_told_briefly() {
        let unit = |n| Unit {
            name: format!("x{n:02}.service"),
            ..Unit::default()
        };
        let units: Vec<Unit> = (0..100).map(unit).collect();
        let words = failed_names(&units).unwrap();
        assert!(words.ends_with("x09.service and 90 more"), "{words}");
    }

    #[tokio::test]
    async fn a_unit_has_a_state_and_a_level() {
        let line = unit_line;
        for (unit, expected) in [
            (
                ["x.service", "loaded", "active", "running"],
                "active (running) [fine]",
            ),
            (
                ["x.service", "loaded", "failed", "failed"],
                "failed (failed) [critical] x.service has failed",
            ),
            (
                ["x.service", "loaded", "inactive", "dead"],
                "inactive (dead) [sick] x.service is not running",
            ),
            (
                ["x.service", "not-found", "inactive", "dead"],
                "not-found [sick] there is no x.service",
            ),
            (
                ["x.service", "masked", "active", "running"],
                "active (running, masked) [fine]",
            ),
            (
                ["x.service", "loaded", "activating", "start-pre"],
                "activating (start-pre) [soso] x.service is being started",
            ),
            (
                ["x.service", "loaded", "activating", "auto-restart"],
                "activating (auto-restart) [sick] x.service has ended and is to be started again",
            ),
            (
                ["x.service", "loaded", "maintenance", "x"],
                "maintenance (x) [sick] x.service is maintenance",
            ),
        ] {
            assert_eq!(line(unit).await, format!("unit:x = {expected}"));
        }
    }

    #[tokio::test]
    async fn a_pattern_finds_units() {
        let world = World::new();
        let _systemd = systemd(
            &world,
            &[
                ["pg@1.service", "loaded", "active", "running"],
                ["pg@2.service", "not-found", "inactive", "dead"],
                ["ssh.service", "loaded", "active", "running"],
            ],
        );
        assert_eq!(
            lines(&world.look("unit:pg@*", 0).await),
            ["unit:pg@1.service = active (running) [fine]"]
        );
    }

    #[test]
    fn names_without_a_kind_are_services() {
        for (name, full) in [
            ("nginx", "nginx.service"),
            ("nginx.service", "nginx.service"),
            ("getty@tty1", "getty@tty1.service"),
            ("backup.timer", "backup.timer"),
            ("php8.2-fpm", "php8.2-fpm.service"),
        ] {
            assert_eq!(full_name(name).as_deref(), Ok(full));
        }
        let world = World::new();
        let why = find(&world.order("unit:a b")).unwrap().unwrap_err();
        assert_eq!(why, "a b is not the name of a unit");
    }

    #[tokio::test]
    async fn without_systemd_there_is_a_reason() {
        let world = World::new();
        assert!(world.look("units_failed", 0).await.is_empty());
        let value = world.value("unit:nginx", 0).await;
        assert!(
            value.starts_with("none (there is no system bus at "),
            "{value}"
        );
        let world = World::new();
        let _bus = serve(world.root(), |_| {
            Reply::Error(
                "org.freedesktop.DBus.Error.ServiceUnknown",
                "nobody has that name",
            )
        });
        assert_eq!(
            world.value("units_failed", 0).await,
            "none (org.freedesktop.systemd1.Manager.ListUnitsFiltered failed: \
             org.freedesktop.DBus.Error.ServiceUnknown: nobody has that name)"
        );
    }
}
