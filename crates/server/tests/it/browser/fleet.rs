//! A server with a fleet that has something of everything: for the tests of pages, and for whoever wants to look at them.
//!
//! Thirty hosts, one of them silent and two without an agent. Items of all five levels. An acknowledged problem, a silence. A
//! rollout of the agent in its second wave, one of `shop` that its canary halted. A lock with a holder who is a ghost, one who
//! waits, and a disabled one. A system's run that stopped half-way.

mod played;
mod releases;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use lockstep_model::api::operator::{NewAck, NewSilence, Promote, RolloutView};
use lockstep_model::api::{Backfill, LockRequest, ReportAnswer, Snapshot};
use lockstep_model::{
    ChannelName, Event, EventKind, Glob, Interval, Level, Outcome, PackageName, Phase, RunId,
    RunKind, RunReason, RunRecord, Value,
};
use lockstep_net::Clock;

use crate::health::item;
use crate::world::{Host, Publisher, World, host, version};
use played::{Obeys, Played, enrolled};
use releases::publish;

/// What the people of this fleet have written down.
const FLEET: &str = r#"
[group.web]
hosts = ["web*"]
[group.db]
hosts = ["db*"]
[group.edge]
hosts = ["edge*"]

[host.backup01]
[host.monitor01]
[host.switch1]
via = "monitor01"
items = ["ping"]
[host.ups1]
via = "monitor01"
items = ["ping", "snmp:1.3.6.1.2.1.33.1.2.4.0"]

[follow.lockstep]
[follow.shop]
groups = ["web"]

[channel.stable]
strategy = "careful"
[strategy.careful]
waves = [1, "40%", "100%"]
bake = "1m"
silent = "50%"
worse = "50%"

[lock.db]
group = "db"
capacity = 1
[lock.reboot]
capacity = "10%"
[lock.freeze]
disabled = "no changes before Monday"

[receiver.ops]
exec = ["/bin/true"]
[alert.all]
to = "ops"

[silence.backup]
hosts = ["db*"]
items = ["disk_busy:*"]
hours = "Sun 02:00-04:00"
reason = "the weekly backup keeps the disks busy"
"#;

/// The server, its fleet, and what tests need to know by name.
pub(crate) struct Filled {
    pub(crate) world: World,
    pub(crate) hosts: BTreeMap<String, Played>,
    /// The system's run on db01 that stopped, and holds the lock `db`.
    pub(crate) stopped: RunId,
}

pub(crate) fn shop() -> PackageName {
    PackageName::parse("shop").unwrap()
}

fn names() -> Vec<String> {
    let many =
        |prefix: &'static str, count: u32| (1..=count).map(move |it| format!("{prefix}{it:02}"));
    many("web", 12)
        .chain(many("db", 6))
        .chain(many("edge", 8))
        .chain(["backup01".into(), "monitor01".into()])
        .collect()
}

/// The host that has fallen silent.
pub(crate) const SILENT: &str = "edge08";

impl Filled {
    /// It takes some seconds of a test's time. The clock stands near the present, because a browser reads the system's.
    pub(crate) async fn start() -> Self {
        let now = Clock::system().now();
        let world = World::at(now - Duration::from_secs(40 * 60), |_| {}).await;
        world.fleet(FLEET).await;
        let mut publisher = Publisher::begin(&world).await;
        publish(&world, &mut publisher).await;
        let enrolled = join_all(names().iter().map(|name| enrolled(&world, name))).await;
        let hosts = enrolled
            .into_iter()
            .map(|it| (it.host.name.to_string(), it));
        let mut filled = Self {
            hosts: hosts.collect(),
            stopped: RunId::new(world.now(), [9; 10]),
            world,
        };
        filled.report_all().await;
        filled.promote(&PackageName::lockstep(), "1.0.0").await;
        filled.promote(&shop(), "4.0.0").await;
        filled.settle(&[1, 2]).await;
        filled.go_silent().await;
        filled.roll_out().await;
        filled.fall_ill().await;
        filled.say_what_is_done().await;
        filled.keep_history().await;
        filled.world.pass(1).await;
        filled
    }

    /// The host of this name.
    pub(crate) fn host(&self, name: &str) -> &Host {
        &self.hosts[name].host
    }

    /// All hosts but the silent one report, after `minutes`.
    pub(crate) async fn later(&mut self, minutes: u64) {
        self.world.driver.advance(Duration::from_secs(minutes * 60));
        self.report_all().await;
        self.world.running.tick().await.unwrap();
    }

    async fn report_all(&self) -> Vec<(String, ReportAnswer)> {
        let fresh = self.world.view(SILENT).await.last_seen.is_none();
        let speaking = self
            .hosts
            .iter()
            .filter(|(name, _)| fresh || *name != SILENT);
        let answers = speaking.map(async |(name, played)| {
            let answer = played.host.send(&played.report()).await.unwrap();
            (name.clone(), answer)
        });
        join_all(answers).await
    }

    /// All hosts report, and those that are told something make this of it.
    pub(crate) async fn obey(&mut self, package: &PackageName, how: impl Fn(usize) -> Obeys) {
        let mut number = 0;
        for (name, answer) in self.report_all().await {
            let played = self.hosts.get_mut(&name).unwrap();
            let wanted = answer.desired.into_iter().find(|it| it.package == *package);
            let Some(wanted) = wanted else { continue };
            if played.installed.get(package) == Some(&wanted.version.to_string()) {
                continue;
            }
            played.takes(&self.world, &wanted, how(number)).await;
            number += 1;
        }
        self.report_all().await;
        self.world.running.tick().await.unwrap();
    }

    pub(crate) async fn promote(&self, package: &PackageName, to: &str) -> RolloutView {
        let order = Promote {
            package: package.clone(),
            version: version(to),
            channel: ChannelName::stable(),
            urgent: false,
            even_if_suspect: false,
        };
        let begun = self.world.operator.post_json("/api/v1/promote", &order);
        let begun = begun.await.unwrap();
        self.world.running.tick().await.unwrap();
        begun
    }

    /// Brings these rollouts to their end.
    async fn settle(&mut self, rollouts: &[u64]) {
        for _ in 0..6 {
            self.world.driver.advance(Duration::from_secs(61));
            for package in [PackageName::lockstep(), shop()] {
                self.obey(&package, |_| Obeys::Well).await;
            }
        }
        for id in rollouts {
            let view = self.world.rollout(*id).await;
            assert_eq!(view.state.as_str(), "done", "{}", view.why);
        }
    }

    /// One host reports no more, and has a lock; the others do.
    async fn go_silent(&mut self) {
        self.host(SILENT).acquire("edge").await;
        for _ in 0..3 {
            self.later(8).await;
        }
    }

    /// Lockstep 1.1.0 is in its second wave, shop 4.1.0 was halted by its canary.
    async fn roll_out(&mut self) {
        let lockstep = PackageName::lockstep();
        self.promote(&lockstep, "1.1.0").await;
        self.obey(&lockstep, |_| Obeys::Well).await;
        self.world.pass(61).await;
        self.obey(&lockstep, |number| match number {
            0..=4 => Obeys::Well,
            5 | 6 => Obeys::Slowly,
            _ => Obeys::NotYet,
        })
        .await;
        self.promote(&shop(), "4.1.0").await;
        self.obey(&shop(), |_| Obeys::Badly).await;
        let states = [self.world.rollout(3).await, self.world.rollout(4).await].map(|it| it.state);
        assert_eq!(states.map(|it| it.as_str()), ["running", "halted"]);
    }

    /// Items of all five levels, and the events that tell of them.
    async fn fall_ill(&mut self) {
        self.world.driver.advance(Duration::from_secs(30));
        let percent = |value: f64| Value::Number {
            value,
            unit: "%".into(),
        };
        let text = |words: &str| Value::Text(words.into());
        for (name, item, value, level, why) in [
            (
                "web03",
                "disk_usage:/var",
                percent(96.2),
                Level::CRITICAL,
                "96.2 % is at 95 % or above",
            ),
            (
                "web05",
                "unit:nginx",
                text("failed"),
                Level::DEAD,
                "it is not running",
            ),
            (
                "web07",
                "disk_usage:/var",
                percent(91.0),
                Level::SICK,
                "91 % is at 90 % or above",
            ),
            (
                "db02",
                "memory_available",
                percent(4.1),
                Level::SICK,
                "4.1 % is at 5 % or below",
            ),
            (
                "edge03",
                "cpu_load",
                Value::Number {
                    value: 3.4,
                    unit: String::new(),
                },
                Level::SOSO,
                "3.4 is above 3",
            ),
            (
                "backup01",
                "disk_usage:/var",
                Value::None("timed out after 10 s".into()),
                Level::SICK,
                "there is no value",
            ),
        ] {
            self.ill(name, item, value, level, why).await;
        }
        self.report_all().await;
        self.world.pass(1).await;
    }

    /// An item of a host changes its level, and the host tells of it by an event; its next report says so, too.
    pub(crate) async fn ill(
        &mut self,
        name: &str,
        of: &str,
        value: Value,
        level: Level,
        why: &str,
    ) {
        let now = self.world.now();
        let played = self.hosts.get_mut(name).unwrap();
        let state = played
            .items
            .iter_mut()
            .find(|it| it.item.as_str() == of)
            .unwrap();
        let from = state.level;
        state.no_data = matches!(value, Value::None(_));
        (state.value, state.level, state.since, state.why) = (value, level, now, why.to_owned());
        let event = Event {
            number: 1,
            at: now,
            host: host(name),
            item: item(of),
            kind: if state.no_data {
                EventKind::NoData
            } else {
                EventKind::Level
            },
            from,
            to: level,
            value: state.value.clone(),
            why: why.into(),
        };
        // Each event begins a series of its own: nobody counts here.
        let series = format!("s-{}", fastrand::u64(..));
        played.host.send_events(&series, vec![event]).await.unwrap();
    }

    /// An acknowledgement, a silence, a run that stopped and keeps its lock, one who waits for it, and an enrolment.
    async fn say_what_is_done(&mut self) {
        let operator = &self.world.operator;
        let ack = NewAck {
            host: host("web03"),
            item: Some(item("disk_usage:/var")),
            note: "I delete old logs".into(),
            lasts: None,
        };
        let _: serde_json::Value = operator.post_json("/api/v1/acks", &ack).await.unwrap();
        let silence = NewSilence {
            hosts: vec![Glob::parse("edge03").unwrap()],
            groups: Vec::new(),
            items: Vec::new(),
            starts_at: None,
            lasts: Interval::from_secs(2 * 3_600),
            reason: "it moves to another rack".into(),
        };
        let _: serde_json::Value = operator
            .post_json("/api/v1/silences", &silence)
            .await
            .unwrap();
        let wants = |run: Option<RunId>| LockRequest {
            reason: "os".into(),
            wait: true,
            run,
            ..LockRequest::default()
        };
        for (name, request) in [
            ("db01", wants(Some(self.stopped))),
            ("db02", wants(None)),
            ("db03", wants(None)),
        ] {
            let client = &self.host(name).client;
            let _: serde_json::Value = client
                .put_json("/agent/v1/locks/db", &request)
                .await
                .unwrap();
        }
        self.host("db01")
            .send_run(&self.stopped_run())
            .await
            .unwrap();
        self.world.token(5, None).await;
        self.world.token(1, Some(host("web99"))).await;
    }

    fn stopped_run(&self) -> RunRecord {
        RunRecord {
            id: self.stopped,
            kind: RunKind::System,
            package: PackageName::parse("os").unwrap(),
            phase: Phase::Post,
            outcome: Some(Outcome::Stopped),
            reason: Some(RunReason::ScriptFailed {
                phase: Phase::Post,
                script: "20-replication".into(),
                how: "exit status: 1".into(),
            }),
            by: "the schedule of this host".into(),
            log: "starting postgresql\nreplication is 412 s behind\n<script>alert('not markup')</script>\n".into(),
            from: None,
            to: None,
            hash: None,
            generation: 0,
            ..crate::health::run(&self.world)
        }
    }

    /// Some hours of numbers for two hosts, as they send them after an outage.
    async fn keep_history(&self) {
        for name in ["web03", "db02"] {
            let snapshot = |number: u64| {
                let wave = (number as f64 / 7.0).sin();
                let numbers = [
                    ("disk_usage:/var", 96.0 - number as f64 / 2.0),
                    ("cpu_load", 1.5 + wave),
                ];
                let state = |(name, value): (&str, f64)| (item(name), Some(value), Level::FINE);
                Snapshot {
                    at: self.world.now() - Duration::from_secs(number * 600),
                    host: None,
                    items: numbers.map(state).into(),
                }
            };
            let past = Backfill {
                snapshots: (1..=50).rev().map(snapshot).collect(),
            };
            let client = &self.host(name).client;
            let _: () = client.post_json("/agent/v1/backfill", &past).await.unwrap();
        }
    }
}
