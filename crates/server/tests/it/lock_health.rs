//! Locks that go by the health of a group, and holders that have died with one.

use std::time::Duration;

use lockstep_model::api::operator::{FleetText, LockView};
use lockstep_model::api::{LockRequest, RunStatus};
use lockstep_model::{
    ContentHash, Counted, Ghost, GhostAction, Level, LockRefusal, Outcome, PackageName, Phase,
    RunReason, RunRecord, Taken,
};

use lockstep_store::{DatabaseUrl, Store};

use crate::health::run;
use crate::locks::{ask, fence, held_by, why};
use crate::world::{Host, World, refused};

const GROUP: &str = "[group.db]\nhosts = [\"db*\"]\n";

impl Host {
    /// Reports a run in this phase.
    async fn says_it_runs(&self, world: &World, phase: Option<Phase>) {
        let mut report = self.report_of("1.0.0", true);
        report.run = phase.map(|phase| RunStatus {
            id: run(world).id,
            package: PackageName::parse("driveclient").unwrap(),
            to: None,
            phase,
        });
        self.send(&report).await.unwrap();
    }
}

/// Lets a second pass, after which what was said counts.
fn a_second(world: &World) {
    world.driver.advance(Duration::from_secs(1));
}

fn taken(name: &str, counted: Counted) -> Taken {
    Taken {
        by: held_by(name),
        counted,
    }
}

#[tokio::test]
async fn a_silent_host_takes_one_of_two_places() {
    let world = World::start().await;
    let lock = "[lock.db]\ngroup = \"db\"\ncapacity = 2\ncounts = [\"silent\"]\n";
    world.fleet(&format!("{GROUP}{lock}")).await;
    let hosts = world.hosts(&["db1", "db2", "db3"]).await;
    world.driver.advance(Duration::from_secs(901));
    for host in &hosts[..2] {
        host.report("1.0.0", true).await.unwrap();
    }
    a_second(&world);
    assert_eq!(fence(&hosts[0].acquire("db").await), Some(1));
    let full = LockRefusal::Full {
        places: 2,
        taken: vec![taken("db1", Counted::Holds), taken("db3", Counted::Silent)],
    };
    assert_eq!(why(hosts[1].acquire("db").await), full);
    let view = world.lock("db").await;
    assert_eq!((view.places, view.taken.len()), (2, 2));
    // The silent one may have its own place: it takes it anyhow.
    assert_eq!(fence(&hosts[2].acquire("db").await), Some(2));
    hosts[2].release("db", "").await;
    // It speaks again, and its place is free.
    hosts[2].report("1.0.0", true).await.unwrap();
    a_second(&world);
    assert_eq!(fence(&hosts[1].acquire("db").await), Some(3));
}

#[tokio::test]
async fn a_server_that_was_restarted_remembers_who_was_silent() {
    let world = World::start().await;
    let lock = "[lock.db]\ngroup = \"db\"\ncounts = [\"silent\"]\n";
    world.fleet(&format!("{GROUP}{lock}")).await;
    let hosts = world.hosts(&["db1", "db2"]).await;
    world.pass(901).await;
    hosts[0].report("1.0.0", true).await.unwrap();
    world.pass(1).await;
    assert!(fence(&hosts[0].acquire("db").await).is_none());
    let world = world.restart().await;
    let db1 = hosts[0].at(&world);
    let words = why(db1.acquire("db").await).to_string();
    assert_eq!(words, "1 of 1 place is taken: db2 (silent)");
    hosts[1].at(&world).report("1.0.0", true).await.unwrap();
    a_second(&world);
    assert_eq!(fence(&db1.acquire("db").await), Some(1));
}

#[tokio::test]
async fn a_host_that_is_ill_takes_a_place_of_its_group() {
    let world = World::start().await;
    let lock = "[lock.db]\ngroup = \"db\"\ncounts = [\">= critical\"]\n";
    world.fleet(&format!("{GROUP}{lock}")).await;
    let hosts = world.hosts(&["db1", "db2", "web1"]).await;
    hosts[2].says(&world, &[("users", Level::DEAD)]).await;
    hosts[1].says(&world, &[("users", Level::SICK)]).await;
    a_second(&world);
    assert_eq!(
        fence(&hosts[0].acquire("db").await),
        Some(1),
        "sick is not critical, and web1 is none of them"
    );
    hosts[0].release("db", "").await;
    let ill = [("cpu_load", Level::FINE), ("users", Level::DEAD)];
    hosts[1].says(&world, &ill).await;
    a_second(&world);
    let full = LockRefusal::Full {
        places: 1,
        taken: vec![taken("db2", Counted::Level(Level::DEAD))],
    };
    assert_eq!(why(hosts[0].acquire("db").await), full);
    let words = why(hosts[2].acquire("db").await).to_string();
    assert_eq!(words, "it is for the hosts of group db only");
    hosts[1].says(&world, &[("users", Level::FINE)]).await;
    a_second(&world);
    assert_eq!(fence(&hosts[0].acquire("db").await), Some(2));
}

#[tokio::test]
async fn a_condition_may_have_a_way_out() {
    let world = World::start().await;
    let fleet = format!(
        "{GROUP}[group.standby]\nhosts = [\"spare\"]\n[lock.db]\ngroup = \"db\"\ncapacity = 3\n\
         needs = [\"2 of 3 of db fine or 1 of standby fine\"]\n"
    );
    world.fleet(&fleet).await;
    let hosts = world.hosts(&["db1", "db2", "db3", "spare"]).await;
    hosts[3].says(&world, &[("users", Level::SOSO)]).await;
    a_second(&world);
    assert_eq!(fence(&hosts[0].acquire("db").await), Some(1));
    // Of three two must be well beside the one that asks, and one of the others holds it.
    let LockRefusal::Needs { need, .. } = why(hosts[1].acquire("db").await) else {
        panic!("the condition does not hold")
    };
    assert_eq!(need.to_string(), "2 of 3 of db fine or 1 of standby fine");
    let unmet = world.lock("db").await.unmet;
    assert!(unmet.is_empty(), "db2 and db3 are well: {unmet:?}");
    hosts[3].says(&world, &[("users", Level::FINE)]).await;
    a_second(&world);
    assert_eq!(fence(&hosts[1].acquire("db").await), Some(2));
}

#[tokio::test]
async fn hosts_that_wait_for_each_other_do_not_keep_each_other_from_it() {
    let world = World::start().await;
    let lock = "[lock.db]\ngroup = \"db\"\ncounts = [\"running\"]\nneeds = [\"1 of db fine\"]\n";
    world.fleet(&format!("{GROUP}{lock}")).await;
    let hosts = world.hosts(&["db1", "db2"]).await;
    for phase in [Phase::Check, Phase::Spread, Phase::Idle, Phase::Lock] {
        for host in &hosts {
            host.says_it_runs(&world, Some(phase)).await;
        }
        a_second(&world);
        let granted = fence(&hosts[0].acquire("db").await);
        assert!(granted.is_some(), "both wait in {phase}");
        hosts[0].release("db", "").await;
    }
    for phase in [Phase::Pre, Phase::Reboot, Phase::Release] {
        hosts[1].says_it_runs(&world, Some(phase)).await;
        a_second(&world);
        let full = LockRefusal::Full {
            places: 1,
            taken: vec![taken("db2", Counted::Running)],
        };
        assert_eq!(why(hosts[0].acquire("db").await), full, "{phase}");
    }
    hosts[1].says_it_runs(&world, None).await;
    a_second(&world);
    assert!(fence(&hosts[0].acquire("db").await).is_some());
}

/// The one ghost of the lock.
#[track_caller]
fn ghost(view: &LockView) -> (&Ghost, GhostAction) {
    assert_eq!(view.ghosts.len(), 1, "{view:?}");
    (&view.ghosts[0].ghost, view.ghosts[0].action)
}

#[tokio::test]
async fn holders_that_will_not_come_back_are_shown_with_what_is_safe() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    web1.report("1.0.0", true).await.unwrap();
    let mut record = RunRecord {
        phase: Phase::Reboot,
        ..run(&world)
    };
    let request = LockRequest {
        run: Some(record.id),
        boot_id: Some("boot-1".into()),
        ..LockRequest::default()
    };
    let answer = ask(&web1.client, "os", &request).await.unwrap();
    assert_eq!(fence(&answer), Some(1));
    web1.send_run(&record).await.unwrap();
    assert!(world.lock("os").await.ghosts.is_empty());

    // It was told to restart, and goes on as if nothing had been said.
    world.driver.advance(Duration::from_secs(16 * 60));
    web1.report("1.0.0", true).await.unwrap();
    let view = world.lock("os").await;
    assert!(matches!(
        ghost(&view),
        (Ghost::NeverRebooted { .. }, GhostAction::Restart)
    ));
    // It did, and is not well.
    let mut report = web1.report_of("1.0.0", true);
    report.boot_id = "boot-2".into();
    report.items = vec![crate::health::state(&world, "users", Level::CRITICAL)];
    web1.send(&report).await.unwrap();
    a_second(&world);
    let view = world.lock("os").await;
    let ill = Ghost::RebootedUnfit {
        level: Level::CRITICAL,
    };
    assert_eq!(ghost(&view), (&ill, GhostAction::Mend));
    // Its run stops.
    record.phase = Phase::Post;
    record.outcome = Some(Outcome::Stopped);
    record.reason = Some(RunReason::ScriptFailed {
        phase: Phase::Post,
        script: "10-check".into(),
        how: "exit status: 1".into(),
    });
    record.at = world.now();
    web1.send_run(&record).await.unwrap();
    let view = world.lock("os").await;
    let stopped = Ghost::Stopped {
        run: record.id,
        why: "10-check of phase post failed: exit status: 1".into(),
    };
    assert_eq!(ghost(&view), (&stopped, GhostAction::RetryOrSkip));
    // It is over, and the lock was not given back.
    a_second(&world);
    record.outcome = Some(Outcome::Done);
    record.phase = Phase::Done;
    record.at = world.now();
    web1.send_run(&record).await.unwrap();
    let list: Vec<LockView> = world.operator.get_json("/api/v1/locks").await.unwrap();
    assert!(matches!(
        ghost(&list[0]),
        (Ghost::RunOver { .. }, GhostAction::Free)
    ));
    world.free("os", None, "its run is over").await.unwrap();
    assert!(world.lock("os").await.ghosts.is_empty());
}

#[tokio::test]
async fn a_holder_that_is_silent_is_to_be_looked_for() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1"]).await;
    let heard = world.now();
    hosts[0].acquire("os").await;
    world.driver.advance(Duration::from_secs(901));
    let view = world.lock("os").await;
    let silent = Ghost::Unreachable { since: heard };
    assert_eq!(ghost(&view), (&silent, GhostAction::FindOut));
    assert_eq!(
        hosts[0].holds("os").await,
        Some(1),
        "nobody takes it away but a person"
    );
}

#[tokio::test]
async fn the_run_of_another_host_says_nothing_of_a_holder() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1", "web2"]).await;
    let mut record = run(&world);
    record.outcome = Some(Outcome::Stopped);
    hosts[1].send_run(&record).await.unwrap();
    let request = LockRequest {
        run: Some(record.id),
        ..LockRequest::default()
    };
    ask(&hosts[0].client, "os", &request).await.unwrap();
    assert!(world.lock("os").await.ghosts.is_empty());
}

#[tokio::test]
async fn a_server_that_is_behind_gives_no_places_and_takes_none() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1", "web2"]).await;
    hosts[0].acquire("os").await;
    let newer = FleetText {
        name: "fleet.toml".into(),
        text: "[what.nobody.knows]".into(),
    };
    let url = DatabaseUrl::Sqlite(world.config.data.join("server.db"));
    let store = Store::open(&url).await.unwrap();
    let print = ContentHash::from_digest([1; 32]);
    store
        .accept_fleet(&[newer], &print, "a newer server", world.now())
        .await
        .unwrap();
    store.close().await;
    let world = world.restart().await;
    let [web1, web2] = [hosts[0].at(&world), hosts[1].at(&world)];
    assert_eq!(fence(&web1.acquire("os").await), Some(1));
    let none = ask(&web2.client, "another", &LockRequest::default()).await;
    assert_eq!(
        none.as_ref().unwrap_err().retry_after(),
        Some(Duration::from_secs(60))
    );
    assert_eq!(refused(none), (503, "busy".into()));
    assert!(web1.release("os", "").await);
    let again = ask(&web1.client, "os", &LockRequest::default()).await;
    assert_eq!(refused(again).0, 503);
}

#[tokio::test]
async fn figures_speak_of_locks() {
    let world = World::start().await;
    world.fleet("[lock.os]\ncapacity = 3\n").await;
    let hosts = world.hosts(&["web1", "web2"]).await;
    hosts[0].acquire("db").await;
    hosts[1].acquire("db").await;
    let text = world
        .operator
        .get_capped("/metrics", 1 << 20)
        .await
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    for line in [
        "lockstep_lock_places{lock=\"db\"} 1",
        "lockstep_lock_places{lock=\"os\"} 3",
        "lockstep_lock_taken{lock=\"db\"} 1",
        "lockstep_lock_taken{lock=\"os\"} 0",
        "lockstep_lock_waiting{lock=\"db\"} 1",
        "lockstep_runs_stopped 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
    assert_eq!(crate::limits::promtool(text.as_bytes()), "exit status: 0");
    let status: lockstep_model::api::operator::ServerStatus =
        world.operator.get_json("/api/v1/status").await.unwrap();
    assert_eq!((status.locks_held, status.stopped_runs), (1, 0));
}
