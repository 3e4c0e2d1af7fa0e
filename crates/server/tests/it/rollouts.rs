//! Promotions and rollouts, with hosts that the test plays.

use std::time::Duration;

use lockstep_model::api::Desired;
use lockstep_model::api::operator::{AuditView, ReleaseView, RolloutView};
use lockstep_model::{Outcome, RolloutState};
use lockstep_net::client::CallError;

use crate::world::{Host, Publisher, World, refusal, refused};

const FLEET: [&str; 4] = ["web1", "web2", "web3", "web4"];

/// Hosts that are told to run this version, with what they were told.
async fn told<'a>(hosts: &'a [Host], running: &str, to: &str) -> Vec<(&'a Host, Desired)> {
    let mut told = Vec::new();
    for host in hosts {
        let answer = host.report(running, true).await.unwrap();
        let desired = answer
            .desired
            .into_iter()
            .find(|it| it.version.to_string() == to);
        if let Some(desired) = desired {
            told.push((host, desired));
        }
    }
    told
}

fn states(view: &RolloutView) -> Vec<String> {
    let mut states: Vec<String> = view
        .waves
        .iter()
        .flat_map(|wave| &wave.hosts)
        .map(|host| host.state.clone())
        .collect();
    states.sort();
    states
}

async fn command(world: &World, id: u64, command: &str) -> Result<RolloutView, CallError> {
    let path = format!("/api/v1/rollouts/{id}/{command}");
    world.operator.post_json(&path, &()).await
}

#[tokio::test]
async fn a_good_release_goes_to_the_canary_and_then_to_the_rest() {
    let (world, _publisher, hosts) = World::settled(&FLEET).await;
    let view = world.promote("1.1.0").await.unwrap();
    assert_eq!(
        (view.id.0, view.from.unwrap().to_string()),
        (2, "1.0.0".into())
    );
    let view = world.rollout(2).await;
    assert_eq!(view.state, RolloutState::Running);
    assert_eq!(
        view.waves
            .iter()
            .map(|wave| wave.hosts.len())
            .collect::<Vec<_>>(),
        [1, 3]
    );

    let mut first = told(&hosts, "1.0.0", "1.1.0").await;
    assert_eq!(first.len(), 1, "one canary");
    let (canary, desired) = first.remove(0);
    assert_eq!(desired.generation, 2);
    canary.report_running("1.0.0", &desired).await;
    assert_eq!(
        states(&world.rollout(2).await),
        ["running", "waiting", "waiting", "waiting"]
    );
    canary.report("1.1.0", false).await.unwrap();
    assert_eq!(
        states(&world.rollout(2).await),
        ["running", "waiting", "waiting", "waiting"]
    );
    canary.end_run(&desired, Outcome::Done).await;
    canary.report("1.1.0", true).await.unwrap();
    let view = world.rollout(2).await;
    assert_eq!(states(&view), ["proven", "waiting", "waiting", "waiting"]);
    assert!(view.why.contains("watched"), "{}", view.why);

    // Nobody else goes before the canary was watched.
    world.driver.advance(Duration::from_secs(30));
    world.rollout(2).await;
    let others: Vec<&Host> = hosts
        .iter()
        .filter(|host| host.name != canary.name)
        .collect();
    for host in &others {
        assert_eq!(host.wanted("1.0.0").await.as_deref(), Some("1.0.0"));
    }
    world.driver.advance(Duration::from_secs(31));
    world.rollout(2).await;
    for host in &others {
        assert_eq!(host.wanted("1.0.0").await.as_deref(), Some("1.1.0"));
        host.report("1.1.0", true).await.unwrap();
    }
    let view = world.rollout(2).await;
    assert_eq!(view.state, RolloutState::Done, "{}", view.why);
    assert_eq!(states(&view), ["proven"; 4]);
    let words: Vec<&str> = view.decisions.iter().map(|it| it.words.as_str()).collect();
    assert!(
        words[0].contains("begun") && words.last().unwrap().contains("done"),
        "{words:#?}"
    );

    // A host that comes now gets it at once.
    let late = world.enroll("late").await;
    assert_eq!(late.wanted("1.0.0").await.as_deref(), Some("1.1.0"));
    let listed: Vec<ReleaseView> = world.operator.get_json("/api/v1/releases").await.unwrap();
    let of = |version: &str| {
        let it = listed
            .iter()
            .find(|it| it.release.details.version.to_string() == version);
        it.map(|it| (it.channels.len(), it.hosts, it.failed))
            .unwrap()
    };
    assert_eq!((of("1.1.0"), of("1.0.0")), ((1, 4, 0), (0, 1, 0)));
}

#[tokio::test]
async fn a_bad_release_stops_at_the_canary() {
    let (world, _publisher, hosts) = World::settled(&FLEET).await;
    world.promote("1.1.0").await.unwrap();
    world.rollout(2).await;
    let (canary, desired) = told(&hosts, "1.0.0", "1.1.0").await.remove(0);
    canary.end_run(&desired, Outcome::RolledBack).await;
    // By the very next report the host is not told to try again.
    let back = canary
        .report("1.0.0", true)
        .await
        .unwrap()
        .desired
        .remove(0);
    assert_eq!(
        (back.version.to_string(), back.generation),
        ("1.0.0".into(), 2)
    );

    let view = world.rollout(2).await;
    assert_eq!(view.state, RolloutState::Halted);
    assert!(
        view.why.contains("1 of 1 hosts failed (limit 0)")
            && view.why.contains(canary.name.as_str()),
        "{}",
        view.why
    );
    assert_eq!(states(&view), ["failed", "waiting", "waiting", "waiting"]);
    world.driver.advance(Duration::from_secs(3600));
    world.rollout(2).await;
    for host in &hosts {
        assert_eq!(host.wanted("1.0.0").await.as_deref(), Some("1.0.0"));
    }
    let listed: Vec<ReleaseView> = world.operator.get_json("/api/v1/releases").await.unwrap();
    let bad = listed
        .iter()
        .find(|it| it.release.details.version.to_string() == "1.1.0")
        .unwrap();
    assert_eq!(bad.failed, 1);

    // It is over only by another order, and the same order again is one.
    assert_eq!(
        refused(command(&world, 2, "resume").await),
        (409, "conflict".into())
    );
    // The version is suspect now: it is not rolled out again by a slip.
    assert_eq!(
        refused(world.promote("1.1.0").await),
        (409, "conflict".into())
    );
    let again = world.promote_suspect("1.1.0", true).await.unwrap();
    assert_eq!(again.id.0, 3);
    assert_eq!(world.rollout(2).await.state, RolloutState::Cancelled);
}

#[tokio::test]
async fn a_release_that_one_cannot_have_is_not_promoted() {
    let (world, _publisher, _hosts) = World::settled(&["web1"]).await;
    assert_eq!(
        refused(world.promote("9.9.9").await),
        (404, "not-found".into())
    );
    world.promote("1.1.0").await.unwrap();
    let words = refusal(world.promote("1.1.0").await);
    assert!(words.contains("already"), "{words}");
    let rollouts: Vec<RolloutView> = world.operator.get_json("/api/v1/rollouts").await.unwrap();
    assert_eq!(rollouts.len(), 2);
}

#[tokio::test]
async fn a_promotion_before_any_host_has_reported_still_begins_with_a_canary() {
    let world = World::start().await;
    let mut publisher = Publisher::begin(&world).await;
    publisher.publish(&world, &["1.0.0", "1.1.0"]).await;
    let mut hosts = Vec::new();
    for name in FLEET {
        hosts.push(world.enroll(name).await);
    }
    world.promote("1.1.0").await.unwrap();
    let early = world.rollout(1).await;
    assert_eq!(early.state, RolloutState::Running, "{early:?}");
    assert_eq!((early.waves.len(), early.waves[0].hosts.len()), (2, 1));
    let mut told = Vec::new();
    for host in &hosts {
        told.push(host.wanted("1.0.0").await);
    }
    let ordered = told
        .iter()
        .filter(|wanted| wanted.as_deref() == Some("1.1.0"));
    assert_eq!(ordered.count(), 1, "{told:?}");
}

#[tokio::test]
async fn a_release_that_is_everywhere_can_be_ordered_anew() {
    let (world, _publisher, _hosts) = World::settled(&["web1"]).await;
    // For the hosts that failed on it, or were held by hand: they obey an order that is newer than that.
    let again = world.promote("1.0.0").await.unwrap();
    assert_eq!((again.id.0, again.from), (2, None));
    assert_eq!(world.rollout(2).await.state, RolloutState::Done);
}

#[tokio::test]
async fn a_person_can_pause_resume_halt_and_take_back() {
    let (world, _publisher, hosts) = World::settled(&FLEET).await;
    world.promote("1.1.0").await.unwrap();
    world.rollout(2).await;
    let (canary, _) = told(&hosts, "1.0.0", "1.1.0").await.remove(0);
    canary.report("1.1.0", true).await.unwrap();
    world.rollout(2).await;

    let view = command(&world, 2, "pause").await.unwrap();
    assert_eq!(
        (view.state, view.why.as_str()),
        (RolloutState::Holding, "paused by admin")
    );
    assert_eq!(
        refused(command(&world, 2, "pause").await),
        (409, "conflict".into())
    );
    world.driver.advance(Duration::from_secs(300));
    for host in &hosts {
        host.report(
            if host.name == canary.name {
                "1.1.0"
            } else {
                "1.0.0"
            },
            true,
        )
        .await
        .unwrap();
    }
    assert_eq!(
        states(&world.rollout(2).await),
        ["proven", "waiting", "waiting", "waiting"]
    );
    command(&world, 2, "resume").await.unwrap();
    assert_eq!(
        states(&world.rollout(2).await),
        ["ordered", "ordered", "ordered", "proven"]
    );

    command(&world, 2, "halt").await.unwrap();
    let view = command(&world, 2, "rollback").await.unwrap();
    assert_eq!(view.state, RolloutState::RollingBack);
    let back = canary
        .report("1.1.0", true)
        .await
        .unwrap()
        .desired
        .remove(0);
    assert_eq!(
        (back.version.to_string(), back.generation),
        ("1.0.0".into(), 2)
    );
    canary.report("1.0.0", true).await.unwrap();
    assert_eq!(world.rollout(2).await.state, RolloutState::Cancelled);

    assert_eq!(
        refused(command(&world, 2, "explode").await),
        (404, "not-found".into())
    );
    assert_eq!(
        refused(command(&world, 99, "pause").await),
        (404, "not-found".into())
    );
    assert_eq!(
        refused(command(&world, 1, "pause").await),
        (409, "conflict".into())
    );

    let audit: Vec<AuditView> = world
        .operator
        .get_json("/api/v1/audit?limit=500")
        .await
        .unwrap();
    for what in [
        "promoted lockstep 1.1.0 to stable",
        "paused rollout 2",
        "resumed rollout 2",
        "halted rollout 2",
        "rolled back rollout 2",
    ] {
        let found = audit
            .iter()
            .any(|it| it.who == "admin" && it.what.contains(what));
        assert!(found, "{what}: {audit:#?}");
    }
}

#[tokio::test]
async fn of_orders_given_at_the_same_time_one_stands() {
    let (world, mut publisher, hosts) = World::settled(&FLEET).await;
    publisher.publish(&world, &["1.2.0"]).await;
    let (one, other, same) = tokio::join!(
        world.promote("1.1.0"),
        world.promote("1.2.0"),
        world.promote("1.1.0")
    );
    let mut ids: Vec<u64> = [one, other, same]
        .into_iter()
        .filter_map(|outcome| match outcome {
            Ok(view) => Some(view.id.0),
            Err(error) => {
                assert_eq!(error.status(), Some(409), "{error}");
                None
            }
        })
        .collect();
    ids.sort_unstable();
    assert!(ids.len() >= 2, "{ids:?}");
    let rollouts: Vec<RolloutView> = world.operator.get_json("/api/v1/rollouts").await.unwrap();
    let moving: Vec<_> = rollouts.iter().filter(|it| !it.state.is_over()).collect();
    assert_eq!(moving.len(), 1);
    assert_eq!(Some(&moving[0].id.0), ids.last());
    let newest = moving[0].version.to_string();
    world.rollout(moving[0].id.0).await;
    assert_eq!(told(&hosts, "1.0.0", &newest).await.len(), 1);
}

#[tokio::test]
async fn hosts_that_the_release_is_not_for_are_left_alone() {
    let (world, _publisher, mut hosts) = World::settled(&["web1", "web2"]).await;
    let other = world.enroll("arm1").await;
    let mut report = other.report_of("1.0.0", true);
    report.facts.platform = Some(lockstep_model::Platform::parse("linux-aarch64").unwrap());
    let answer = other.send(&report).await.unwrap();
    assert!(answer.desired.is_empty());
    world.promote("1.1.0").await.unwrap();
    let view = world.rollout(2).await;
    let in_waves: usize = view.waves.iter().map(|wave| wave.hosts.len()).sum();
    assert_eq!(in_waves, 2);
    hosts.push(other);
}

#[tokio::test]
async fn a_rollout_goes_on_after_a_restart() {
    let (world, _publisher, hosts) = World::settled(&FLEET).await;
    world.promote("1.1.0").await.unwrap();
    world.rollout(2).await;
    let (canary, _) = told(&hosts, "1.0.0", "1.1.0").await.remove(0);
    let (name, identity) = (canary.name.clone(), canary.identity.clone());
    let report = canary.report_of("1.1.0", true);
    let world = world.restart().await;
    let client = world.agent_client(Some(identity), "1.1.0");
    client
        .post_json::<_, serde_json::Value>("/agent/v1/report", &report)
        .await
        .unwrap();
    let view = world.rollout(2).await;
    assert_eq!(view.waves[0].hosts[0].name, name);
    assert_eq!(view.waves[0].hosts[0].state, "proven");
}

#[tokio::test]
async fn silent_hosts_keep_the_gate_shut() {
    let (world, _publisher, hosts) = World::settled(&FLEET).await;
    world.promote("1.1.0").await.unwrap();
    world.rollout(2).await;
    let (canary, _) = told(&hosts, "1.0.0", "1.1.0").await.remove(0);
    world.driver.advance(Duration::from_secs(16 * 60));
    for host in hosts.iter().filter(|host| host.name != canary.name) {
        host.report("1.0.0", true).await.unwrap();
    }
    let view = world.rollout(2).await;
    assert_eq!(view.state, RolloutState::Holding);
    assert!(view.why.contains("silent (limit 0)"), "{}", view.why);
    canary.report("1.1.0", true).await.unwrap();
    assert_eq!(world.rollout(2).await.state, RolloutState::Running);
}
