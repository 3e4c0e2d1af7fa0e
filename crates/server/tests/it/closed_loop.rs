//! What a run explains, and what is said of the run when it does not.

use std::time::Duration;

use lockstep_model::alert::NoticeEntry;
use lockstep_model::api::RunStatus;
use lockstep_model::api::operator::SilenceView;
use lockstep_model::{ChangeKind, Level, Outcome, RunRecord};

use crate::health::{Inbox, all_to, ended, run, state, told_world};
use crate::world::{Host, World};

const DISK: &str = "disk_usage:/";
const SILENT: &str = "problem web1 agent_silence";

/// Hosts here report each minute, so that three are missed before a lease runs out.
async fn world() -> (World, Host, Inbox) {
    let world = World::start().await;
    let inbox = Inbox::new(&world, "ops");
    let text = all_to(&inbox) + "[defaults]\nreport = \"1m\"\n";
    world.fleet(&text).await;
    let web1 = world.enroll("web1").await;
    (world, web1, inbox)
}

async fn leases(world: &World) -> Vec<SilenceView> {
    let mut silences: Vec<SilenceView> = world.operator.get_json("/api/v1/silences").await.unwrap();
    silences.retain(|it| it.silence.run.is_some());
    silences
}

/// A report that speaks of a run.
async fn report_with(world: &World, host: &Host, run: &RunRecord, disk: Level) {
    let mut report = host.report_of("1.0.0", true);
    report.items = vec![state(world, DISK, disk)];
    report.run = Some(RunStatus {
        id: run.id,
        package: run.package.clone(),
        to: run.to.clone(),
        phase: run.phase,
    });
    host.send(&report).await.unwrap();
}

/// The entry that was told last.
fn last_entry(inbox: &Inbox) -> NoticeEntry {
    let notice = inbox.told().pop().unwrap();
    assert_eq!(notice.entries.len(), 1);
    notice.entries[0].clone()
}

#[tokio::test]
async fn a_run_holds_back_what_it_explains_and_nothing_else() {
    let (world, web1, inbox) = world().await;
    web1.says(&world, &[(DISK, Level::FINE)]).await;
    let run = run(&world);
    web1.send_run(&run).await.unwrap();
    world.pass(5).await;
    report_with(&world, &web1, &run, Level::CRITICAL).await;
    world.pass(1).await;
    world.pass(10).await;
    assert_eq!(inbox.heard(), ["problem web1 disk_usage:/"]);
    assert_eq!(leases(&world).await.len(), 1);
    // Then it is silent for more than three minutes.
    for _ in 0..5 {
        world.pass(40).await;
    }
    let silent = || async {
        let problems = world.problems().await;
        problems
            .into_iter()
            .find(|it| it.trouble.item.as_str() == "agent_silence")
    };
    let held = silent().await.unwrap();
    assert_eq!(held.trouble.level, Level::DEAD);
    assert!(!held.is_unhandled());
    let why = held.silence.unwrap();
    assert!(why.contains("brings lockstep 1.1.0 to web1"), "{why}");
    assert_eq!(leases(&world).await[0].holds_back, 1);
    assert_eq!(inbox.told().len(), 1);
    // It comes back in time: nobody hears of it at all.
    web1.send_run(&ended(&world, &run, Outcome::Done))
        .await
        .unwrap();
    web1.says(&world, &[(DISK, Level::CRITICAL)]).await;
    world.pass(1).await;
    world.pass(20).await;
    assert!(silent().await.is_none());
    assert!(leases(&world).await.is_empty());
    assert_eq!(inbox.told().len(), 1, "{:?}", inbox.heard());
}

#[tokio::test]
async fn what_is_still_bad_when_a_run_ends_is_told_with_the_run() {
    let (world, web1, inbox) = world().await;
    web1.says(&world, &[(DISK, Level::FINE)]).await;
    let run = run(&world);
    web1.send_run(&run).await.unwrap();
    for _ in 0..6 {
        world.pass(40).await;
    }
    assert!(inbox.told().is_empty(), "{:?}", inbox.heard());
    // Its outbox is emptied, but it does not report.
    let record = ended(&world, &run, Outcome::RolledBack);
    web1.send_run(&record).await.unwrap();
    world.pass(1).await;
    world.pass(10).await;
    assert_eq!(inbox.heard(), [SILENT]);
    let entry = last_entry(&inbox);
    assert_eq!(entry.run, Some(run.id));
    let change = &entry.changes[0];
    assert_eq!((change.kind, change.run), (ChangeKind::Run, Some(run.id)));
    assert_eq!(change.what, "lockstep 1.0.0 → 1.1.0, rolled back");
    assert!(entry.note.contains("run"), "{}", entry.note);
    let cause = inbox.told()[0].cause.clone().unwrap();
    assert!(cause.contains("lockstep 1.1.0"), "{cause}");
}

#[tokio::test]
async fn a_run_that_is_heard_of_no_more_holds_nothing_back_for_long() {
    let (world, web1, inbox) = world().await;
    web1.says(&world, &[(DISK, Level::FINE)]).await;
    let run = run(&world);
    web1.send_run(&run).await.unwrap();
    world.pass(60).await;
    // A report that speaks of it is a sign of life, too.
    report_with(&world, &web1, &run, Level::FINE).await;
    for _ in 0..5 {
        world.pass(59).await;
    }
    assert_eq!(leases(&world).await.len(), 1);
    assert!(inbox.told().is_empty());
    // A restart of the server does not prolong it.
    let world = world.restart().await;
    world.pass(6).await;
    world.pass(10).await;
    assert!(leases(&world).await.is_empty());
    assert_eq!(inbox.heard(), [SILENT]);
    assert_eq!(last_entry(&inbox).run, Some(run.id));
}

#[tokio::test]
async fn events_after_a_change_carry_it() {
    let (world, web1, inbox) = told_world().await;
    web1.says(&world, &[(DISK, Level::FINE)]).await;
    let event = web1.event(&world, 1, DISK, Level::SOSO);
    web1.send_events("s", vec![event]).await.unwrap();
    let enrolled = &world.events("").await[0].changes;
    assert_eq!(
        (enrolled.len(), enrolled[0].kind),
        (1, ChangeKind::Enrolled)
    );
    world.driver.advance(Duration::from_secs(120));
    let run = run(&world);
    web1.send_run(&ended(&world, &run, Outcome::Done))
        .await
        .unwrap();
    let mut report = web1.report_of("1.1.0", true);
    report.boot_id = "boot-2".into();
    report.items = vec![state(&world, DISK, Level::SICK)];
    world.driver.advance(Duration::from_secs(30));
    let event = web1.event(&world, 2, DISK, Level::SICK);
    web1.send_events("s", vec![event]).await.unwrap();
    report.at = world.now();
    web1.send(&report).await.unwrap();
    world.driver.advance(Duration::from_secs(30));
    let event = web1.event(&world, 3, DISK, Level::CRITICAL);
    web1.send_events("s", vec![event]).await.unwrap();
    let stored = world.events("host=web1").await;
    let what = |index: usize| -> Vec<&str> {
        stored[index]
            .changes
            .iter()
            .map(|it| it.what.as_str())
            .collect()
    };
    assert_eq!(what(1), ["lockstep 1.0.0 → 1.1.0", "enrolled"]);
    assert_eq!(what(0), ["restarted", "lockstep 1.0.0 → 1.1.0", "enrolled"]);
    assert_eq!(world.problem().await.changes, stored[0].changes);
    world.pass(1).await;
    world.pass(10).await;
    let entry = last_entry(&inbox);
    assert_eq!(entry.changes, stored[0].changes);
    assert_eq!(entry.run, Some(run.id));
    // Hours later it explains nothing any more.
    world.driver.advance(Duration::from_secs(4 * 3_600));
    let event = web1.event(&world, 4, DISK, Level::DEAD);
    web1.send_events("s", vec![event]).await.unwrap();
    assert!(world.events("host=web1").await[0].changes.is_empty());
}
