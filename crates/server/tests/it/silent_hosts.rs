//! Hosts that are not heard of.

use lockstep_model::Level;
use lockstep_model::api::operator::ServerStatus;

use crate::health::{Inbox, all_to, at, levels, told_world};
use crate::world::{World, hours};

#[tokio::test]
async fn each_missed_report_is_worse_until_the_host_is_back() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    web1.report("1.0.0", true).await.unwrap();
    world.pass(330).await;
    assert!(world.events("").await.is_empty());
    // 1.1, 2.1 and 3 intervals of five minutes.
    let mut told = Vec::new();
    for (seconds, level) in [(1, Level::SOSO), (300, Level::SICK), (270, Level::DEAD)] {
        world.pass(seconds).await;
        told.push(at("web1", level));
        assert_eq!(levels(&world.events("").await), told);
        assert_eq!(world.problem().await.trouble.level, level);
    }
    let newest = &world.events("").await[0];
    assert_eq!((newest.via.as_ref(), newest.event.number), (None, 3));
    let words = "nothing was heard of it for 901 s; it reports every 5m";
    assert_eq!(newest.event.why, words);
    let status: ServerStatus = world.operator.get_json("/api/v1/status").await.unwrap();
    assert_eq!(status.silent, 1);
    world.pass(3_600).await;
    assert_eq!(world.events("").await.len(), 3, "dead once");

    web1.report("1.0.0", true).await.unwrap();
    world.pass(1).await;
    told.push(at("web1", Level::FINE));
    assert_eq!(levels(&world.events("").await), told);
    assert!(world.problems().await.is_empty());
}

#[tokio::test]
async fn one_that_never_reports_counts_from_its_enrolment() {
    let world = World::start().await;
    world.driver.advance(hours(1));
    world.enroll("web1").await;
    world.pass(300).await;
    assert!(world.events("").await.is_empty());
    world.pass(601).await;
    assert_eq!(levels(&world.events("").await), [at("web1", Level::DEAD)]);
}

#[tokio::test]
async fn the_fleet_file_says_how_often_a_host_reports() {
    let world = World::start().await;
    let slow = world.enroll("slow").await;
    slow.report("1.0.0", true).await.unwrap();
    world.pass(901).await;
    assert_eq!(world.problem().await.trouble.level, Level::DEAD);
    // Now it is known that it reports every hour only: then it was never late.
    world.fleet("[host.slow]\nreport = \"1h\"\n").await;
    world.pass(1).await;
    assert!(world.problems().await.is_empty());
    world.pass(3_600).await;
    assert_eq!(world.problem().await.trouble.level, Level::SOSO);
}

#[tokio::test]
async fn nothing_is_missed_while_the_server_is_away() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    web1.report("1.0.0", true).await.unwrap();
    let world = world.restart_after(hours(5)).await;
    world.pass(1).await;
    world.pass(329).await;
    assert!(world.events("").await.is_empty());
    world.pass(1).await;
    assert_eq!(levels(&world.events("").await), [at("web1", Level::SOSO)]);
    let why = &world.problem().await.trouble.why;
    assert!(why.contains("for 331 s"), "{why}");
}

#[tokio::test]
async fn a_restart_of_the_server_brings_no_host_back() {
    let (world, web1, inbox) = told_world().await;
    web1.report("1.0.0", true).await.unwrap();
    world.pass(901).await;
    world.pass(10).await;
    assert_eq!(inbox.heard(), ["problem web1 agent_silence"]);
    let world = world.restart_after(hours(1)).await;
    for seconds in [1, 100, 300, 300, 300] {
        world.pass(seconds).await;
        assert_eq!(world.problem().await.trouble.level, Level::DEAD);
    }
    assert_eq!(levels(&world.events("").await), [at("web1", Level::DEAD)]);
    assert_eq!(inbox.heard(), ["problem web1 agent_silence"]);
    // It is back when it says so.
    let web1 = web1.at(&world);
    web1.report("1.0.0", true).await.unwrap();
    world.pass(1).await;
    world.pass(60).await;
    assert_eq!(
        inbox.heard(),
        ["problem web1 agent_silence", "recovered web1 agent_silence"]
    );
}

#[tokio::test]
async fn a_removed_host_is_not_missed() {
    let world = World::start().await;
    let inbox = Inbox::new(&world, "ops");
    world.fleet(&all_to(&inbox)).await;
    let web1 = world.enroll("web1").await;
    web1.report("1.0.0", true).await.unwrap();
    world.pass(901).await;
    world.pass(10).await;
    world
        .operator
        .delete::<()>("/api/v1/hosts/web1")
        .await
        .unwrap();
    world.pass(1).await;
    assert!(world.problems().await.is_empty());
    world.pass(60).await;
    assert_eq!(
        inbox.heard(),
        ["problem web1 agent_silence", "cancelled web1 agent_silence"]
    );
    assert_eq!(world.events("").await.len(), 1);
}

#[tokio::test]
async fn a_host_says_nothing_of_its_own_silence() {
    let (world, web1, inbox) = told_world().await;
    let silence = ("agent_silence", Level::DEAD);
    web1.says(&world, &[silence, ("users", Level::SICK)]).await;
    let event = web1.event(&world, 1, silence.0, Level::DEAD);
    assert_eq!(web1.send_events("s", vec![event]).await.unwrap(), 1);
    for _ in 0..5 {
        world.pass(5).await;
    }
    assert_eq!(world.problem().await.trouble.item.as_str(), "users");
    assert!(world.events("item=agent_silence").await.is_empty());
    assert_eq!(inbox.heard(), ["problem web1 users"]);
}
