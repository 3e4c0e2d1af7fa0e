//! From a problem on a host to a message that is delivered, once.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::Level;
use lockstep_model::alert::NoticeKind;
use lockstep_model::api::operator::{AlertTest, AlertTested, DeliveryView};
use lockstep_server::Server;
use lockstep_store::DatabaseUrl;
use lockstep_testkit::Postgres;

use crate::health::{Inbox, all_to, told_world};
use crate::postgres::copy_keys;
use crate::world::{World, refusal};

const DISK: &str = "disk_usage:/";
const TOLD: &str = "problem web1 disk_usage:/";

#[tokio::test]
async fn a_problem_is_told_once_whatever_happens_to_the_server() {
    let (world, web1, inbox) = told_world().await;
    web1.says(&world, &[(DISK, Level::CRITICAL), ("users", Level::FINE)])
        .await;
    world.pass(1).await;
    assert!(inbox.told().is_empty(), "it waits for others");
    // The server is stopped before the message, and between its decision and its delivery.
    let world = world.restart().await;
    inbox.fails_with(75);
    world.pass(10).await;
    let waiting = world.deliveries().await;
    assert_eq!((waiting.len(), waiting[0].state.as_str()), (1, "waiting"));
    let world = world.restart().await;
    inbox.works();
    world.pass(15).await;
    let told = inbox.told();
    assert_eq!(inbox.heard(), [TOLD]);
    let entry = &told[0].entries[0];
    assert_eq!(
        (entry.level, entry.kind),
        (Level::CRITICAL, NoticeKind::Problem)
    );
    assert_eq!(
        (told[0].receiver.as_str(), told[0].route.as_str()),
        ("ops", "all")
    );
    assert_eq!(entry.why, "96 % is above 95 %");

    let world = world.restart().await;
    let web1 = web1.at(&world);
    web1.says(&world, &[(DISK, Level::CRITICAL)]).await;
    world.pass(100).await;
    web1.says(&world, &[(DISK, Level::FINE)]).await;
    world.pass(1).await;
    let world = world.restart().await;
    assert_eq!(inbox.heard(), [TOLD], "a recovery has to last");
    world.pass(60).await;
    assert_eq!(inbox.heard(), [TOLD, "recovered web1 disk_usage:/"]);
    let told = inbox.told();
    assert_eq!(told[0].thread, told[1].thread);
    assert!(told[1].entries[0].ended.is_some());
    let world = world.restart().await;
    world.pass(100).await;
    assert_eq!(inbox.told().len(), 2);
}

#[tokio::test]
async fn a_storm_is_one_message() {
    let world = World::start().await;
    let inbox = Inbox::new(&world, "ops");
    world.fleet(&all_to(&inbox)).await;
    for number in 1..=12 {
        let host = world.enroll(&format!("web{number}")).await;
        host.says(&world, &[("unit:nginx", Level::SICK)]).await;
    }
    world.pass(1).await;
    world.pass(10).await;
    let told = inbox.told();
    assert_eq!((told.len(), told[0].entries.len()), (1, 12));
}

/// What became of the one message to a receiver.
async fn delivery_to(world: &World, receiver: &str) -> DeliveryView {
    let deliveries = world.deliveries().await;
    let mut found = deliveries
        .into_iter()
        .filter(|it| it.notice.receiver == receiver);
    let delivery = found.next().expect("there is one");
    assert!(found.next().is_none(), "there is one only");
    delivery
}

/// A receiver that fails, with another one to fall back on.
async fn with_fallback(status: u8) -> (World, Inbox, Inbox) {
    let world = World::start().await;
    let (ops, spare) = (Inbox::new(&world, "ops"), Inbox::new(&world, "spare"));
    ops.fails_with(status);
    // Of the host's silence nobody is told here.
    let text = format!(
        "{}[alert.all]\nto = \"ops\"\nwhen = {{ items = [\"disk_usage:*\"] }}\nrepeat = \"7d\"\n\
         {}fallback = \"spare\"\n{}",
        "[alerts]\nwait = \"10s\"\n",
        ops.receiver(),
        spare.receiver()
    );
    world.fleet(&text).await;
    let web1 = world.enroll("web1").await;
    web1.says(&world, &[(DISK, Level::CRITICAL)]).await;
    world.pass(1).await;
    world.pass(10).await;
    (world, ops, spare)
}

#[tokio::test]
async fn a_failed_delivery_is_tried_again_for_a_day_and_a_fallback_told_after_an_hour() {
    let (world, ops, spare) = with_fallback(75).await;
    let begun = world.now();
    let mut gaps = Vec::new();
    loop {
        let delivery = delivery_to(&world, "ops").await;
        if delivery.state != "waiting" {
            assert_eq!(delivery.state, "failed");
            break;
        }
        assert!(delivery.error.unwrap().contains("75"));
        assert_eq!(delivery.attempts as usize, gaps.len() + 1);
        let gap = delivery.at.duration_since(world.now());
        gaps.push(gap.as_secs());
        let hour_is_over = world.now().duration_since(begun) >= SignedDuration::from_hours(1);
        assert_eq!(spare.told().len(), usize::from(hour_is_over));
        // A second too early nothing is tried.
        world.pass(gap.as_secs().unsigned_abs() - 1).await;
        assert_eq!(delivery_to(&world, "ops").await.attempts, delivery.attempts);
        world.pass(1).await;
    }
    let doubled: Vec<i64> = (0..8).map(|n| 15 << n).collect();
    assert_eq!(gaps[..8], doubled);
    assert!(gaps[8..].iter().all(|gap| *gap == 3_600), "{gaps:?}");
    let took = world.now().duration_since(begun).as_hours();
    assert!((24..26).contains(&took), "{took} h");
    let told = spare.told();
    assert_eq!((told.len(), told[0].receiver.as_str()), (1, "spare"));
    let note = &told[0].entries[0].note;
    assert!(note.contains("ops could not be reached"), "{note}");
    assert!(ops.told().is_empty());
}

#[tokio::test]
async fn one_that_is_refused_for_good_is_told_to_the_fallback_at_once() {
    let (world, _ops, spare) = with_fallback(1).await;
    let delivery = delivery_to(&world, "ops").await;
    assert_eq!((delivery.state.as_str(), delivery.attempts), ("failed", 1));
    world.running.tick().await.unwrap();
    assert_eq!(spare.heard(), [TOLD]);
    world.pass(200).await;
    assert_eq!(spare.heard(), [TOLD]);
}

#[tokio::test]
async fn a_test_names_the_way_that_fails() {
    let world = World::start().await;
    let (good, bad) = (Inbox::new(&world, "good"), Inbox::new(&world, "bad"));
    bad.fails_with(3);
    let text = format!(
        "{}{}[user.ann]\nmail = \"ann@example.org\"\nwebhook = \"http://127.0.0.1:9/secret-path\"\n\
         [alert.all]\nto = [\"good\", \"bad\", \"ann\"]\n",
        good.receiver(),
        bad.receiver()
    );
    world.fleet(&text).await;
    let test = async |receiver: &str| {
        let test = AlertTest {
            receiver: receiver.into(),
        };
        let answer: Result<AlertTested, _> =
            world.operator.post_json("/api/v1/alert-test", &test).await;
        answer
    };
    let ways = test("good").await.unwrap().ways;
    assert_eq!((ways.len(), ways[0].error.as_ref()), (1, None));
    assert_eq!(good.told()[0].entries[0].kind, NoticeKind::Test);
    let ways = test("bad").await.unwrap().ways;
    assert!(ways[0].error.as_ref().unwrap().contains("3"), "{ways:?}");
    let ways = test("ann").await.unwrap().ways;
    let of = |way: &str| {
        let found = ways.iter().find(|it| it.way.contains(way));
        found.unwrap().error.clone().unwrap()
    };
    assert!(of("ann@example.org").contains("[mail]"), "{ways:?}");
    assert!(!of("127.0.0.1").contains("secret-path"), "{ways:?}");
    assert!(ways.iter().all(|it| !it.way.contains("secret-path")));
    let nobody = refusal(test("bob").await);
    assert!(nobody.contains("ann, bad, good"), "{nobody}");
    assert!(world.is_noted("sent a test to ann").await);
    assert!(world.deliveries().await.is_empty());
}

#[tokio::test]
async fn what_recovers_while_a_way_is_down_is_still_told_in_order() {
    let (world, web1, inbox) = told_world().await;
    inbox.fails_with(75);
    web1.says(&world, &[(DISK, Level::CRITICAL)]).await;
    world.pass(1).await;
    world.pass(10).await;
    let begun: Timestamp = world.deliveries().await[0].created_at;
    web1.says(&world, &[(DISK, Level::FINE)]).await;
    world.pass(1).await;
    world.pass(100).await;
    inbox.works();
    world.pass(300).await;
    assert_eq!(inbox.heard(), [TOLD, "recovered web1 disk_usage:/"]);
    assert_eq!(inbox.told()[0].at, begun);
}

#[tokio::test]
async fn of_two_servers_one_tells() {
    let postgres = Postgres::start().unwrap();
    let url = DatabaseUrl::parse(&postgres.fresh_database().unwrap()).unwrap();
    let world = World::with(|config| config.database = Some(url)).await;
    let mut config = world.config.clone();
    config.data = world.dir.path().join("second");
    copy_keys(&world.config.data, &config.data);
    let second = Server::start(config, world.clock.clone()).await.unwrap();
    let inbox = Inbox::new(&world, "ops");
    world.fleet(&all_to(&inbox)).await;
    let web1 = world.enroll("web1").await;
    web1.says(&world, &[(DISK, Level::CRITICAL), ("users", Level::FINE)])
        .await;
    for seconds in [1, 4, 4, 4] {
        world.pass(seconds).await;
        second.tick().await.unwrap();
    }
    assert_eq!(inbox.heard(), [TOLD]);
    web1.says(&world, &[(DISK, Level::FINE)]).await;
    world.pass(1).await;
    // The other one takes over, and knows what was told.
    world.running.stop().await;
    for _ in 0..3 {
        world.driver.advance(Duration::from_secs(61));
        second.tick().await.unwrap();
    }
    assert_eq!(inbox.heard(), [TOLD, "recovered web1 disk_usage:/"]);
    second.stop().await;
}
