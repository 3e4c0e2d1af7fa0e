//! The pages of rollouts, releases and locks, and the curve.

use std::time::{Duration, Instant};

use lockstep_model::api::LockRequest;
use lockstep_model::api::operator::{
    ChannelBehind, ReleaseView, RolloutCurve, RolloutView, WhyBehind,
};
use lockstep_model::{Outcome, Role, RolloutId, RolloutState};

use crate::visitor::Visitor;
use crate::world::{World, host, refused};

/// The curve of a rollout, once it is simulated.
async fn simulated(world: &World, id: u64) -> RolloutCurve {
    let begun = Instant::now();
    loop {
        let path = format!("/api/v1/rollouts/{id}/curve");
        let curve: RolloutCurve = world.operator.get_json(&path).await.unwrap();
        if curve.simulated.is_some() {
            return curve;
        }
        assert_eq!(curve.why_not.as_deref(), Some("it is being simulated"));
        assert!(begun.elapsed() < Duration::from_secs(30), "it never comes");
    }
}

#[tokio::test]
async fn a_rollout_is_ordered_watched_and_taken_back_on_pages() {
    let (world, _publisher, hosts) = World::settled(&["web1", "web2", "web3", "web4"]).await;
    let olaf = Visitor::sign_in(&world, "olaf", Role::Operator).await;

    let releases = olaf.get("/releases").await.page();
    assert!(releases.contains("the agent itself") && releases.contains("Valid until"));
    let package = olaf.get("/releases/lockstep").await.page();
    assert!(package.contains("4 hosts</a> run it") && package.contains("1.1.0"));
    assert!(package.contains("/hosts?package=lockstep&amp;version=1.0.0"));
    let order = [("version", "1.1.0"), ("channel", "stable")];
    let answer = olaf.post("/releases/lockstep/promote", &order).await;
    assert_eq!(answer.leads_to(), "/rollouts/2");

    let path = "/api/v1/releases/behind?package=lockstep";
    let behind: Vec<ChannelBehind> = world.operator.get_json(path).await.unwrap();
    let typo = "/api/v1/releases/behind?package=lockstpe";
    let typo = world.operator.get_json::<Vec<ChannelBehind>>(typo).await;
    assert_eq!(refused(typo), (404, "not-found".into()));
    let stable = &behind[0];
    assert_eq!((behind.len(), stable.followers, stable.behind), (1, 4, 4));
    assert_eq!(stable.rollout, Some(RolloutId(2)));
    assert!(stable.hosts.iter().all(|it| it.why == WhyBehind::Waits));
    let package = olaf.get("/releases/lockstep").await.page();
    assert!(package.contains("4 of 4 hosts") && package.contains("/hosts/web1#host-versions"));
    assert!(package.contains("How well hosts kept up"));

    world.running.tick().await.unwrap();
    let board = olaf.get("/rollouts/2").await.page();
    assert!(board.contains("Rollout 2: lockstep 1.1.0") && board.contains(" by olaf"));
    assert!(board.contains("1 hosts, 1 let go: 1 ordered"));

    // The canary comes to it, the next one fails on it.
    world.driver.advance(Duration::from_secs(10));
    let (mut canary, mut failed_in) = (None, None);
    for (outcome, runs) in [(Outcome::Done, "1.1.0"), (Outcome::RolledBack, "1.0.0")] {
        for host in &hosts {
            // The canary stays where it came to.
            if canary == Some(&host.name) {
                continue;
            }
            let desired = host.report("1.0.0", true).await.unwrap().desired;
            let Some(desired) = desired.into_iter().find(|it| it.generation == 2) else {
                continue;
            };
            if desired.version.to_string() != "1.1.0" {
                continue;
            }
            let record = host.record(&desired, outcome);
            host.send_run(&record).await.unwrap();
            host.report(runs, true).await.unwrap();
            match outcome {
                Outcome::Done => canary = Some(&host.name),
                _ => failed_in = Some((&host.name, record.id)),
            }
            break;
        }
        world.rollout(2).await;
        world.driver.advance(Duration::from_secs(61));
        world.rollout(2).await;
    }
    let (failed, run) = failed_in.expect("the second wave was let go");
    let board = olaf.get("/rollouts/2").await.page();
    assert!(
        board.contains(&format!(r#"href="/runs/{run}""#)),
        "{failed}"
    );
    assert!(board.contains("■</span> halted"), "it is halted");
    assert!(board.contains("is suspect since"));
    assert!(!board.contains(r#"action="/rollouts/2/pause""#));

    let curve = simulated(&world, 2).await;
    assert_eq!((curve.hosts, curve.waves.len()), (4, 2));
    let shares: Vec<f64> = curve.real.iter().map(|point| point.1).collect();
    assert_eq!(shares, [0.0, 0.25, 0.25]);
    let proven_after = curve.real[1].0.duration_since(curve.real[0].0);
    assert_eq!(proven_after.as_secs(), 10);
    let expected = curve.simulated.unwrap();
    assert_eq!(expected.median[0].0, curve.real[0].0);
    assert!(expected.runs > 1 && expected.end.is_some());
    let board = olaf.get("/rollouts/2").await.page();
    assert!(board.contains("Simulated with these hosts"));

    // What was found wanting is cleared with a reason; without one nothing is done.
    let none = [("version", "1.1.0"), ("why", " ")];
    let answer = olaf.post("/releases/lockstep/clear", &none).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let clear = [("version", "1.1.0"), ("why", "the switch was to blame")];
    let answer = olaf.post("/releases/lockstep/clear", &clear).await;
    assert_eq!(answer.leads_to(), "/releases/lockstep");
    let releases: Vec<ReleaseView> = world.operator.get_json("/api/v1/releases").await.unwrap();
    assert!(releases.iter().all(|release| release.suspect.is_none()));

    let answer = olaf.post("/rollouts/2/rollback", &[]).await;
    assert_eq!(answer.leads_to(), "/rollouts/2");
    let rollout: RolloutView = world.operator.get_json("/api/v1/rollouts/2").await.unwrap();
    assert_eq!(rollout.state, RolloutState::RollingBack);
    let list = olaf.get("/rollouts").await.page();
    assert!(list.contains("rolling back") && list.contains("1.0.0 → <b>1.1.0</b>"));
}

/// A page that says of itself that it is the newest is not asked for again: it must not show what was kept from before.
#[tokio::test]
async fn a_page_is_as_new_as_it_says() {
    let (world, _publisher, _hosts) = World::settled(&["web1", "web2"]).await;
    world.promote("1.1.0").await.unwrap();
    world.rollout(2).await;
    let olaf = Visitor::sign_in(&world, "olaf", Role::Operator).await;
    let read = async || olaf.get("/rollouts/2").await.page();
    let edition = |page: &str| {
        let (_, rest) = page.split_once("data-editions=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    for (verb, next) in [("pause", "resume"), ("resume", "pause")].repeat(3) {
        let before = edition(&read().await);
        let path = format!("/api/v1/rollouts/2/{verb}");
        let _: RolloutView = world.operator.post_json(&path, &()).await.unwrap();
        let begun = Instant::now();
        loop {
            let page = read().await;
            if edition(&page) != before {
                let form = format!("action=\"/rollouts/2/{next}\"");
                assert!(page.contains(&form), "{verb}: it shows what was before");
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{verb}");
        }
    }
}

#[tokio::test]
async fn forms_are_for_operators_with_a_session_of_ours() {
    let (world, _publisher, _hosts) = World::settled(&["web1"]).await;
    world.promote("1.1.0").await.unwrap();
    world.rollout(2).await;
    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;

    let board = vera.get("/rollouts/2").await.page();
    assert!(board.contains("lockstep 1.1.0") && !board.contains(r#"action="/rollouts"#));
    assert_eq!(vera.post("/rollouts/2/halt", &[]).await.status, 403);
    let order = [("version", "1.1.0"), ("channel", "stable")];
    let answer = vera.post("/releases/lockstep/promote", &order).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        vera.post("/locks/db/disable", &[("why", "x")]).await.status,
        403
    );

    let olaf = Visitor::sign_in(&world, "olaf", Role::Operator).await;
    let strange = olaf.send("/rollouts/2/halt", &[("csrf", "guessed")]).await;
    assert_eq!(strange.status, 403);
    let view: RolloutView = world.operator.get_json("/api/v1/rollouts/2").await.unwrap();
    assert_eq!(view.state, RolloutState::Running);

    let missing = olaf.get("/rollouts/77").await;
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("there is no rollout 77"));
    assert_eq!(olaf.get("/rollouts/x").await.status, 404);
    assert_eq!(olaf.post("/rollouts/2/explode", &[]).await.status, 404);
    let twice = olaf.post("/rollouts/2/resume", &[]).await;
    assert_eq!(twice.status, 409, "{}", twice.body);
    let nothing = olaf.get("/releases/nobody").await.page();
    assert!(nothing.contains("No release of nobody is listed"));
}

#[tokio::test]
async fn the_lock_board_shows_holders_and_takes_places_away() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    web1.report("1.0.0", true).await.unwrap();
    let olaf = Visitor::sign_in(&world, "olaf", Role::Operator).await;
    assert!(olaf.get("/locks").await.page().contains("No lock is named"));

    let request = LockRequest {
        reason: "upgrade <os>".into(),
        ..LockRequest::default()
    };
    let _: serde_json::Value = web1
        .client
        .put_json("/agent/v1/locks/db", &request)
        .await
        .unwrap();
    let board = olaf.get("/locks").await.page();
    assert!(board.contains("upgrade &lt;os&gt;") && board.contains("fence 1"));

    let answer = olaf.post("/locks/db/disable", &[("why", "audit")]).await;
    assert_eq!(answer.leads_to(), "/locks");
    let board = olaf.get("/locks").await.page();
    assert!(board.contains("audit (by olaf, ") && board.contains("/locks/db/enable"));
    let answer = olaf.post("/locks/db/enable", &[]).await;
    assert_eq!(answer.leads_to(), "/locks");

    let free = [("holder", "web1"), ("why", "it was scrapped")];
    let answer = olaf.post("/locks/db/free", &free).await;
    assert_eq!(answer.leads_to(), "/locks");
    let again = olaf.post("/locks/db/free", &free).await;
    assert!((400..500).contains(&again.status), "{}", again.status);
    let board = olaf.get("/locks").await.page();
    assert!(!board.contains(&format!("/hosts/{}", host("web1"))));
}
