//! Runs that have stopped: they are told of, wait for a person, and hear what he says.

use std::time::Duration;

use lockstep_model::api::operator::{CommandRun, HostView, RunView, ServerStatus};
use lockstep_model::{
    ChainLink, ContentHash, Level, Outcome, PackageName, Phase, RunCommand, RunId, RunKind,
    RunReason, RunRecord, RunVerb,
};
use lockstep_net::client::CallError;

use crate::health::{run, told_world};
use crate::locks::is_called;
use crate::world::{Host, World, refused};

/// A run of a package that failed half-way.
pub(crate) fn stopped(world: &World, number: u8) -> RunRecord {
    RunRecord {
        id: RunId::new(world.now(), [number; 10]),
        kind: RunKind::Package,
        package: PackageName::parse("driveclient").unwrap(),
        phase: Phase::Pre,
        outcome: Some(Outcome::Stopped),
        reason: Some(RunReason::ScriptFailed {
            phase: Phase::Pre,
            script: "10-drain".into(),
            how: "exit status: 1".into(),
        }),
        by: "order 1 of the server".into(),
        ..run(world)
    }
}

impl World {
    async fn command(&self, run: &RunId, verb: &str, why: &str) -> Result<RunCommand, CallError> {
        let order = CommandRun { why: why.into() };
        let path = format!("/api/v1/runs/{run}/{verb}");
        self.operator.post_json(&path, &order).await
    }
}

impl Host {
    /// What it hears with the answer to a report.
    async fn told(&self) -> Vec<RunCommand> {
        self.report("1.0.0", true).await.unwrap().commands
    }

    /// What it hears when it asks.
    async fn asks(&self, run: &RunId) -> Option<RunCommand> {
        let path = format!("/agent/v1/runs/{run}/command");
        self.client.get_json(&path).await.unwrap()
    }
}

#[tokio::test]
async fn a_person_says_what_shall_become_of_a_run() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1", "web2"]).await;
    let (web1, web2) = (&hosts[0], &hosts[1]);
    let mut record = stopped(&world, 1);
    let id = record.id;
    assert_eq!(web1.asks(&id).await, None, "nobody has heard of it yet");
    web1.send_run(&record).await.unwrap();
    assert!(web1.told().await.is_empty());
    let status: ServerStatus = world.operator.get_json("/api/v1/status").await.unwrap();
    assert_eq!(status.stopped_runs, 1);

    let mut called = web1.client.events("/agent/v1/stream").await.unwrap();
    let retry = world.command(&id, "retry", "").await.unwrap();
    assert_eq!((retry.run, retry.verb), (id, RunVerb::Retry));
    is_called(&mut called).await;
    assert_eq!(web1.told().await, std::slice::from_ref(&retry));
    assert_eq!(web1.asks(&id).await, Some(retry.clone()));
    assert!(web2.told().await.is_empty());
    assert_eq!(web2.asks(&id).await, None, "it is the run of another host");
    // The same again is the same; another word takes its place.
    assert_eq!(world.command(&id, "retry", "").await.unwrap(), retry);
    let skip = world.command(&id, "skip", "drained by hand").await.unwrap();
    assert!(skip.number > retry.number);
    assert_eq!(web1.told().await, std::slice::from_ref(&skip));
    assert!(
        world
            .is_noted(&format!(
                "ordered a retry of run {id} of web1 (driveclient "
            ))
            .await
    );
    assert!(world.is_noted(": drained by hand").await);

    // The host has done so.
    record.at += Duration::from_secs(1);
    record.phase = Phase::Done;
    record.outcome = Some(Outcome::Failed);
    record.reason = Some(RunReason::Skipped {
        by: skip.by,
        why: skip.why,
    });
    web1.send_run(&record).await.unwrap();
    assert!(web1.told().await.is_empty());
    assert_eq!(web1.asks(&id).await, None);
    let again = world.command(&id, "retry", "").await;
    assert_eq!(refused(again), (409, "conflict".into()));
}

#[tokio::test]
async fn commands_that_make_no_sense_are_refused() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let record = stopped(&world, 1);
    let unknown = world.command(&record.id, "retry", "").await;
    assert_eq!(refused(unknown), (404, "not-found".into()));
    web1.send_run(&record).await.unwrap();
    for (verb, why, status) in [
        ("skip", "", 400),
        ("skip", "  ", 400),
        ("skip", "w".repeat(501).as_str(), 400),
        ("retry", "w".repeat(501).as_str(), 400),
        ("retry", "w".repeat(5_000).as_str(), 413),
        ("forget", "why", 404),
    ] {
        let answer = world.command(&record.id, verb, why).await;
        assert_eq!(refused(answer).0, status, "{verb} {}", why.len());
    }
    let none = serde_json::json!({"why": "x"});
    for run in ["1", "..", "%00"] {
        let path = format!("/api/v1/runs/{run}/retry");
        let answer = world
            .operator
            .post_json::<_, RunCommand>(&path, &none)
            .await;
        let status = refused(answer).0;
        assert!(status == 400 || status == 404, "{run} {status}");
    }
    let path = "/agent/v1/runs/1/command";
    let answer = web1.client.get_json::<Option<RunCommand>>(path).await;
    assert_eq!(refused(answer).0, 400);
    let going_on = RunRecord {
        outcome: None,
        reason: None,
        ..stopped(&world, 2)
    };
    web1.send_run(&going_on).await.unwrap();
    let answer = world.command(&going_on.id, "retry", "").await;
    assert_eq!(refused(answer), (409, "conflict".into()));
    assert!(web1.told().await.is_empty());
}

#[tokio::test]
async fn records_say_so_much_and_no_more() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let hash = |byte| ContentHash::from_digest([byte; 32]);
    let good = RunRecord {
        outcome: None,
        reason: None,
        phase: Phase::Lock,
        by: "b".repeat(RunRecord::LONGEST_BY),
        waits: Some("w".repeat(4_096)),
        log: "l".repeat(RunRecord::LONGEST_LOG),
        link: Some(ChainLink {
            number: 7,
            before: hash(1),
            hash: hash(2),
        }),
        ..stopped(&world, 1)
    };
    web1.send_run(&good).await.unwrap();
    let kept: RunView = world
        .operator
        .get_json(&format!("/api/v1/runs/{}", good.id))
        .await
        .unwrap();
    assert_eq!(kept.record, good);
    web1.send_run(&RunRecord {
        link: None,
        ..stopped(&world, 2)
    })
    .await
    .unwrap();
    for long in [
        RunRecord {
            by: "b".repeat(RunRecord::LONGEST_BY + 1),
            ..good.clone()
        },
        RunRecord {
            waits: Some("w".repeat(4_097)),
            ..good.clone()
        },
        RunRecord {
            log: "l".repeat(RunRecord::LONGEST_LOG + 1),
            ..good.clone()
        },
    ] {
        let answer = web1.send_run(&long).await;
        assert_eq!(refused(answer), (400, "bad-request".into()));
    }
}

#[tokio::test]
async fn a_run_that_stopped_or_waits_holds_no_alert_back() {
    let (world, web1, inbox) = told_world().await;
    let mut record = RunRecord {
        outcome: None,
        reason: None,
        phase: Phase::Lock,
        ..stopped(&world, 1)
    };
    let ill = [("uptime", Level::CRITICAL)];
    web1.send_run(&record).await.unwrap();
    web1.says(&world, &ill).await;
    world.pass(1).await;
    let silence = async || world.problem().await.silence;
    assert_eq!(silence().await, None, "it waits, and has changed nothing");
    record.phase = Phase::Reboot;
    record.at = world.now();
    web1.send_run(&record).await.unwrap();
    world.pass(5).await;
    assert!(silence().await.is_some(), "a restart explains it");
    assert!(inbox.heard().is_empty());
    record.outcome = Some(Outcome::Stopped);
    record.at = world.now();
    web1.send_run(&record).await.unwrap();
    world.pass(5).await;
    assert_eq!(silence().await, None);
    for _ in 0..5 {
        world.pass(10).await;
    }
    assert_eq!(inbox.heard(), ["problem web1 uptime"]);
}

#[tokio::test]
async fn a_run_that_stopped_blames_no_release() {
    let (world, _publisher, hosts) = World::settled(&["web1"]).await;
    world.promote("1.1.0").await.unwrap();
    world.rollout(2).await;
    let answer = hosts[0].report("1.0.0", true).await.unwrap();
    let record = hosts[0].record(&answer.desired[0], Outcome::Stopped);
    hosts[0].send_run(&record).await.unwrap();
    let rollout = world.rollout(2).await;
    assert_ne!(rollout.waves[0].hosts[0].state, "failed");
    assert_eq!(
        hosts[0].wanted("1.0.0").await.as_deref(),
        Some("1.1.0"),
        "it is still wanted"
    );
    let view: HostView = world.view("web1").await;
    assert_eq!(view.desired.unwrap().to_string(), "1.1.0");
}
