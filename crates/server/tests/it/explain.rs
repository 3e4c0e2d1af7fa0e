//! Why a host does not have a version, figures of waves, and versions that were found wanting.

use std::time::Duration;

use lockstep_model::api::Kept;
use lockstep_model::api::operator::{
    AuditView, ClearSuspect, Explained, Explanation, ReleaseView, RolloutView, SkipHost,
};
use lockstep_model::{Outcome, PackageName, RolloutState, WaveState};
use lockstep_net::client::CallError;

use crate::world::{Host, World, refused, version};

const FLEET: [&str; 4] = ["web1", "web2", "web3", "web4"];

/// What keeps a host from the agent's version that it is wanted to run.
async fn explain(world: &World, host: &Host) -> Explanation {
    let path = format!("/api/v1/hosts/{}/explain?package=lockstep", host.name);
    let explained: Explained = world.operator.get_json(&path).await.unwrap();
    assert_eq!(explained.host, host.name);
    let [said] = &explained.packages[..] else {
        panic!("one package was asked for: {explained:?}");
    };
    assert!(!said.words.is_empty(), "{said:?}");
    said.clone()
}

async fn gate(world: &World, host: &Host) -> String {
    explain(world, host).await.gate
}

#[tokio::test]
async fn each_host_of_a_rollout_has_one_gate_until_it_has_the_version() {
    let (world, _publisher, hosts) = World::settled(&FLEET).await;
    for host in &hosts {
        assert_eq!(gate(&world, host).await, "none");
    }
    world.promote("1.1.0").await.unwrap();
    assert_eq!(gate(&world, &hosts[0]).await, "planned");
    let view = world.rollout(2).await;
    let canary = &view.waves[0].hosts[0].name;
    let (canary, others): (Vec<&Host>, Vec<&Host>) =
        hosts.iter().partition(|host| host.name == *canary);
    let canary = canary[0];

    let said = explain(&world, canary).await;
    assert_eq!(said.gate, "told", "{}", said.words);
    assert_eq!(said.wanted, Some(version("1.1.0")));
    assert_eq!(said.rollout.map(|it| it.0), Some(2));
    assert!(said.opens.is_some(), "its next report is expected");
    let said = explain(&world, others[0]).await;
    assert_eq!(said.gate, "wave");
    assert!(said.words.contains("0 of its 1 hosts"), "{}", said.words);

    let desired = canary.report("1.0.0", true).await.unwrap().desired;
    canary.report_running("1.0.0", &desired[0]).await;
    let said = explain(&world, canary).await;
    assert_eq!(said.gate, "on-its-way");
    assert!(said.words.contains("1.1.0: phase apply"), "{}", said.words);

    canary.end_run(&desired[0], Outcome::Done).await;
    canary.report("1.1.0", true).await.unwrap();
    let view = world.rollout(2).await;
    assert_eq!(gate(&world, canary).await, "none");
    let said = explain(&world, others[0]).await;
    assert_eq!(said.gate, "wave");
    assert_eq!(said.opens, view.waves[0].bakes_until, "{}", said.words);

    // A host's own word is told by it.
    world.driver.advance(Duration::from_secs(61));
    world.rollout(2).await;
    let mut report = others[0].report_of("1.0.0", true);
    report.kept = vec![Kept {
        package: PackageName::lockstep(),
        version: version("1.1.0"),
        code: "held-by-hand".into(),
        words: "root holds 1.0.0".into(),
        until: None,
    }];
    others[0].send(&report).await.unwrap();
    let said = explain(&world, others[0]).await;
    assert_eq!(said.gate, "kept");
    assert!(said.words.contains("root holds 1.0.0"), "{}", said.words);
    world.driver.advance(Duration::from_secs(3_600));
    assert_eq!(gate(&world, others[1]).await, "silent");
}

#[tokio::test]
async fn all_packages_of_a_host_are_explained_and_strangers_are_unknown() {
    let (world, _publisher, hosts) = World::settled(&["web1"]).await;
    let path = |rest: &str| format!("/api/v1/hosts/{rest}");
    let all: Explained = world
        .operator
        .get_json(&path("web1/explain"))
        .await
        .unwrap();
    let packages: Vec<&str> = all.packages.iter().map(|it| it.package.as_str()).collect();
    assert_eq!(packages, ["lockstep"]);
    assert_eq!(all.packages[0].version, Some(version("1.0.0")));
    let other: Explained = world
        .operator
        .get_json(&path("web1/explain?package=firmware"))
        .await
        .unwrap();
    assert_eq!(other.packages[0].gate, "not-followed");
    let unknown = world
        .operator
        .get_json::<Explained>(&path("web9/explain"))
        .await;
    assert_eq!(refused(unknown).0, 404);
    assert_eq!(gate(&world, &hosts[0]).await, "none");
}

#[tokio::test]
async fn waves_have_figures_and_names_can_be_left_out() {
    let (world, _publisher, hosts) = World::settled(&FLEET).await;
    world.promote("1.1.0").await.unwrap();
    let full = world.rollout(2).await;
    let path = "/api/v1/rollouts/2?hosts=none";
    let view: RolloutView = world.operator.get_json(path).await.unwrap();
    assert!(view.waves.iter().all(|wave| wave.hosts.is_empty()));
    let figures = |view: &RolloutView| -> Vec<_> {
        let waves = view.waves.iter().map(|it| it.figures);
        waves
            .map(|it| (it.hosts, it.let_go, it.ordered, it.waiting))
            .collect()
    };
    assert_eq!(figures(&view), [(1, 1, 1, 0), (3, 0, 0, 3)]);
    assert_eq!(figures(&view), figures(&full));
    assert!(view.strategy.is_some() && !view.decisions.is_empty());
    assert!(
        view.gates[0].starts_with("failed: 0 of 1 hosts"),
        "{:?}",
        view.gates
    );
    assert_eq!((view.generation, view.urgent), (2, false));

    a_host_is_left_out_and_taken_in_again(&world, &hosts).await;
    let skipped: RolloutView = world
        .operator
        .post_json("/api/v1/rollouts/2/skip-wave", &())
        .await
        .unwrap();
    assert_eq!(skipped.waves[0].state, WaveState::Proven);
    assert!(skipped.waves[0].skipped_by.is_some());
    let view = world.rollout(2).await;
    assert_eq!(figures(&view)[1], (3, 3, 3, 0), "{}", view.why);
    for host in &hosts {
        assert_eq!(gate(&world, host).await, "told");
    }
}

/// Of a rollout whose canary has been told, and whose other hosts wait.
async fn a_host_is_left_out_and_taken_in_again(world: &World, hosts: &[Host]) {
    let full = world.rollout(2).await;
    let name = &full.waves[1].hosts[0].name;
    let host = hosts.iter().find(|it| it.name == *name).unwrap();
    let path = |host: &str| format!("/api/v1/rollouts/2/skipped/{host}");
    let skip = async |host: &str, why: &str| -> Result<RolloutView, CallError> {
        let order = SkipHost { why: why.into() };
        world.operator.put_json(&path(host), &order).await
    };
    assert_eq!(refused(skip(name.as_str(), " ").await).0, 400);
    assert_eq!(refused(skip("nobody", "its disk").await).0, 409);
    let view = skip(name.as_str(), "its disk").await.unwrap();
    let of = |view: &RolloutView| {
        let mut hosts = view.waves.iter().flat_map(|wave| &wave.hosts);
        hosts.find(|it| it.name == *name).cloned().unwrap()
    };
    let left_out = of(&view);
    assert_eq!(left_out.state, "skipped");
    assert_eq!(left_out.skipped.unwrap().why, "its disk");
    assert_eq!(view.waves[1].figures.skipped, 1);
    assert_eq!(refused(skip(name.as_str(), "again").await).0, 409);
    let said = explain(world, host).await;
    assert_eq!(said.gate, "skipped");
    assert!(
        said.words.ends_with("left it out of rollout 2: its disk"),
        "{}",
        said.words
    );
    // What it had it keeps.
    let desired = host.report("1.0.0", true).await.unwrap().desired;
    assert!(
        desired.iter().all(|it| it.version.to_string() == "1.0.0"),
        "{desired:?}"
    );

    let back = async || -> Result<RolloutView, CallError> {
        world.operator.delete(&path(name.as_str())).await
    };
    let view = back().await.unwrap();
    assert_eq!(of(&view).state, "waiting");
    assert_eq!(refused(back().await).0, 409);
    let trail: Vec<AuditView> = world.operator.get_json("/api/v1/audit").await.unwrap();
    let words = format!("left {name} out of rollout 2 of lockstep 1.1.0: its disk");
    assert!(trail.iter().any(|it| it.what == words), "{trail:?}");
}

#[tokio::test]
async fn a_suspect_version_is_shown_and_cleared_with_a_reason() {
    let (world, _publisher, hosts) = World::settled(&FLEET).await;
    world.promote("1.1.0").await.unwrap();
    let view = world.rollout(2).await;
    let name = view.waves[0].hosts[0].name.clone();
    let canary = hosts.iter().find(|host| host.name == name).unwrap();
    let desired = canary.report("1.0.0", true).await.unwrap().desired;
    canary.end_run(&desired[0], Outcome::RolledBack).await;
    let view = world.rollout(2).await;
    assert_eq!(view.state, RolloutState::Halted, "{}", view.why);
    assert!(view.suspect.is_some());
    let said = explain(&world, canary).await;
    assert_eq!(said.gate, "failed");
    assert!(said.words.contains("by rollout 2"), "{}", said.words);
    let other = hosts.iter().find(|host| host.name != name).unwrap();
    assert_eq!(gate(&world, other).await, "halted");

    let listed: Vec<ReleaseView> = world.operator.get_json("/api/v1/releases").await.unwrap();
    let suspects: Vec<String> = listed
        .iter()
        .filter(|view| view.suspect.is_some())
        .map(|view| view.release.details.version.to_string())
        .collect();
    assert_eq!(suspects, ["1.1.0"]);
    assert_eq!(refused(world.promote("1.1.0").await).0, 409);

    let clear = |why: &str| ClearSuspect {
        package: PackageName::lockstep(),
        version: version("1.1.0"),
        why: why.into(),
    };
    let post = async |order: ClearSuspect| -> Result<(), CallError> {
        let path = "/api/v1/suspects/clear";
        world.operator.post_json(path, &order).await
    };
    assert_eq!(refused(post(clear(" ")).await).0, 400);
    post(clear("the switch was to blame")).await.unwrap();
    assert_eq!(refused(post(clear("again")).await).0, 404);
    let trail: Vec<AuditView> = world.operator.get_json("/api/v1/audit").await.unwrap();
    let cleared = |it: &AuditView| it.what.ends_with("suspect: the switch was to blame");
    assert_eq!(
        trail.iter().filter(|it| cleared(it)).count(),
        1,
        "{trail:?}"
    );
    world.promote("1.1.0").await.unwrap();
}
