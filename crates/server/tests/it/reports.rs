//! Reports and runs, and the version policy.

use std::time::Duration;

use lockstep_model::api::operator::{HostView, RunView, ServerStatus};
use lockstep_model::{ItemName, ItemState, Level, Outcome, RunRecord, Value};
use lockstep_plan::policy::AgentPolicy;

use crate::world::{Publisher, World, refusal, refused};

#[tokio::test]
async fn a_report_is_seen_by_the_operator_and_answered_with_a_time() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let mut report = web1.report_of("1.0.0", true);
    report.items = vec![ItemState {
        item: ItemName::parse("disk_usage:/").unwrap(),
        value: Value::Number {
            value: 96.0,
            unit: "%".into(),
        },
        level: Level::CRITICAL,
        since: world.now(),
        why: "96 % is above 95 %".into(),
        no_data: false,
        flapping: false,
        pending: None,
    }];
    let answer = web1.send(&report).await.unwrap();
    assert!(answer.desired.is_empty());
    assert_eq!(answer.server_time, world.now());
    let next = answer.next_report.duration();
    assert!(
        (Duration::from_secs(270)..=Duration::from_secs(330)).contains(&next),
        "{next:?}"
    );

    let view = world.view("web1").await;
    assert_eq!((view.level, view.proven), (Level::CRITICAL, true));
    assert_eq!(
        (view.items, view.boot_id.as_str()),
        (report.items.clone(), "boot-1")
    );
    assert_eq!(view.last_seen, Some(world.now()));
    let list: Vec<HostView> = world.operator.get_json("/api/v1/hosts").await.unwrap();
    assert_eq!(
        (list.len(), list[0].items.len(), list[0].level),
        (1, 0, Level::CRITICAL)
    );
}

#[tokio::test]
async fn a_host_that_misses_three_reports_is_silent() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    world.enroll("web2").await;
    let silent = async || {
        let status: ServerStatus = world.operator.get_json("/api/v1/status").await.unwrap();
        (status.hosts, status.silent)
    };
    web1.report("1.0.0", true).await.unwrap();
    world.driver.advance(Duration::from_secs(14 * 60));
    web1.report("1.0.0", true).await.unwrap();
    assert_eq!(silent().await, (2, 0));
    // The one that never reported counts from its enrolment.
    world.driver.advance(Duration::from_secs(2 * 60));
    assert_eq!(silent().await, (2, 1));
}

#[tokio::test]
async fn runs_are_kept_and_listed() {
    let (world, _publisher, hosts) = World::settled(&["web1", "web2"]).await;
    let view = world.promote("1.1.0").await.unwrap();
    world.rollout(view.id.0).await;
    let mut desired = None;
    for host in &hosts {
        let answer = host.report("1.0.0", true).await.unwrap();
        if answer.desired[0].version.to_string() == "1.1.0" {
            desired = Some((host, answer.desired[0].clone()));
        }
    }
    let (canary, desired) = desired.expect("one host goes first");
    let mut record = canary.record(&desired, Outcome::RolledBack);
    canary.send_run(&record).await.unwrap();
    // The same again, and an older record that comes late, change nothing.
    canary.send_run(&record).await.unwrap();
    let path = format!("/api/v1/runs/{}", record.id);
    let stored: RunView = world.operator.get_json(&path).await.unwrap();
    assert_eq!((&stored.record, &stored.host), (&record, &canary.name));
    let path = format!("/api/v1/runs?host={}&limit=5", canary.name);
    let listed: Vec<RunView> = world.operator.get_json(&path).await.unwrap();
    assert_eq!(listed.len(), 1);

    // Nobody can write into another host's run.
    let other = hosts.iter().find(|host| host.name != canary.name).unwrap();
    assert_eq!(
        refused(other.send_run(&record).await),
        (409, "conflict".into())
    );
    record.log = "x".repeat(RunRecord::LONGEST_LOG + 1);
    assert!(refusal(canary.send_run(&record).await).contains("log"));
}

#[tokio::test]
async fn an_agent_outside_of_the_policy_may_do_nothing_but_update() {
    let world = World::with(|config| {
        config.agents = AgentPolicy::parse("any").unwrap();
    })
    .await;
    let mut publisher = Publisher::begin(&world).await;
    let built = publisher.publish(&world, &["0.2.0"]).await.remove(0);
    let web1 = world.enroll("web1").await;
    web1.report("0.1.0", true).await.unwrap();
    world.promote("0.2.0").await.unwrap();
    world.rollout(1).await;

    // The server comes back stricter.
    let mut world = world;
    world.config.agents = AgentPolicy::parse(">=0.2.0, <2").unwrap();
    let world = world.restart().await;
    let old = world.agent_client(Some(web1.identity.clone()), "0.1.0");
    let answer: Result<serde_json::Value, _> = old
        .post_json("/agent/v1/report", &web1.report_of("0.1.0", true))
        .await;
    let error = answer.unwrap_err();
    assert_eq!(error.status(), Some(426));
    let problem = error.problem().unwrap();
    let wanted = problem.wanted.clone().expect("it says what to update to");
    assert_eq!(wanted.version.to_string(), "0.2.0");
    assert_eq!((wanted.hash, wanted.length), (built.hash, built.length));
    assert!(problem.detail.contains("0.1.0"), "{}", problem.detail);
    // It was heard all the same, so that it does not look silent while it updates.
    assert_eq!(world.view("web1").await.last_seen, Some(world.now()));

    // What it needs for the update it gets.
    old.get_json::<()>("/agent/v1/ping").await.unwrap();
    old.get_json::<serde_json::Value>("/repo/metadata/timestamp.json")
        .await
        .unwrap();
    let path = format!(
        "/repo/targets/{}",
        lockstep_trust::consistent_target_path(&built.release())
    );
    assert_eq!(
        old.get_capped(&path, 1 << 20).await.unwrap().len() as u64,
        built.length
    );
    let record = web1.record(&wanted, Outcome::Done);
    old.post_json::<_, ()>("/agent/v1/runs", &record)
        .await
        .unwrap();
    let new = world.agent_client(Some(web1.identity.clone()), "0.2.0");
    let report = web1.report_of("0.2.0", true);
    new.post_json::<_, serde_json::Value>("/agent/v1/report", &report)
        .await
        .unwrap();

    // And no version is promoted that would cut its hosts off.
    publisher.publish(&world, &["2.0.0"]).await;
    assert_eq!(
        refused(world.promote("2.0.0").await),
        (409, "conflict".into())
    );
}

#[tokio::test]
async fn an_agent_that_does_not_say_its_version_is_asked_to() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let nonsense = web1
        .client
        .with_header("lockstep-agent-version", "newest")
        .unwrap();
    let report = web1.report_of("1.0.0", true);
    let answer = nonsense
        .post_json::<_, serde_json::Value>("/agent/v1/report", &report)
        .await;
    assert!(refusal(answer).contains("lockstep-agent-version"));
}
