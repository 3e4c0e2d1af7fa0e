//! Events: stored once, believed of those who may speak.

use lockstep_model::api::EventBatch;
use lockstep_model::{EventKind, Level};

use crate::health::{at, levels, state};
use crate::world::{World, host, refusal, refused};

const DISK: &str = "disk_usage:/";

#[tokio::test]
async fn an_event_is_stored_once_however_it_comes() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let event = |number: u64, to| web1.event(&world, number, DISK, to);
    let (one, two) = (event(1, Level::SOSO), event(2, Level::SICK));
    let (three, four) = (event(3, Level::CRITICAL), event(4, Level::SICK));
    let both = vec![one.clone(), two.clone()];
    assert_eq!(web1.send_events("s-1", both.clone()).await.unwrap(), 2);
    assert_eq!(web1.send_events("s-1", both).await.unwrap(), 2);
    // A gap stops the numbers until what is missing has come, and what came before it is kept.
    assert_eq!(
        web1.send_events("s-1", vec![four.clone()]).await.unwrap(),
        2
    );
    assert_eq!(web1.send_events("s-1", vec![three, two]).await.unwrap(), 4);
    assert_eq!(web1.send_events("s-1", vec![four]).await.unwrap(), 4);
    let stored = world.events("host=web1").await;
    assert_eq!(stored.len(), 4);
    assert!(stored.iter().all(|it| it.via.as_ref() == Some(&web1.name)));
    // What happened last counts, although it came before another one.
    assert_eq!(world.problem().await.trouble.level, Level::SICK);
    // A host that lost its memory begins anew, where it likes.
    let anew = vec![web1.event(&world, 40, DISK, Level::FINE)];
    assert_eq!(web1.send_events("s-2", anew).await.unwrap(), 40);
    assert_eq!(world.events("host=web1&item=disk_*").await.len(), 5);
    assert_eq!(world.events("host=web1&level=3").await.len(), 1);
    assert_eq!(world.events("host=web2").await.len(), 0);
}

#[tokio::test]
async fn a_host_speaks_for_itself_and_for_those_that_it_watches() {
    let world = World::start().await;
    let (web1, web2) = (world.enroll("web1").await, world.enroll("web2").await);
    world
        .fleet("[host.web1]\n[host.web2]\n[host.ups1]\nvia = \"web1\"\nitems = [\"ping\"]\n")
        .await;
    let of = |name: &str, number| {
        let mut event = web1.event(&world, number, "ping", Level::DEAD);
        event.host = host(name);
        event
    };
    // The foreign one keeps its number, so that the queue behind it goes on.
    let batch = vec![of("web1", 1), of("web2", 2), of("ups1", 3)];
    assert_eq!(web1.send_events("s", batch).await.unwrap(), 3);
    assert!(world.events("host=web2").await.is_empty());
    let own = levels(&world.events("host=web1").await);
    assert_eq!(own, [at("web1", Level::DEAD), at("web1", Level::FINE)]);
    let not_believed = &world.events("host=web1&item=not_watched").await[0].event;
    assert!(not_believed.why.contains("web2"), "{}", not_believed.why);
    assert_eq!(
        levels(&world.events("host=ups1").await),
        [at("ups1", Level::DEAD)]
    );
    // Nor does the other one speak of what it does not watch.
    assert_eq!(web2.send_events("s", vec![of("ups1", 1)]).await.unwrap(), 1);
    assert_eq!(world.events("host=ups1").await.len(), 1);

    // The same holds for reports: what is foreign in them is left out, the rest counts.
    let mut report = web2.report_of("1.0.0", true);
    report.watched = ["ups1", "web1"]
        .map(|name| lockstep_model::api::WatchedReport {
            host: host(name),
            items: vec![state(&world, "tcp:80", Level::SICK)],
        })
        .into();
    web2.send(&report).await.unwrap();
    let problems = world.problems().await;
    let told: Vec<&str> = problems.iter().map(|it| it.trouble.host.as_str()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(problems.iter().all(|it| it.trouble.item.as_str() == "ping"));
    let mut report = web1.report_of("1.0.0", true);
    report.watched = vec![lockstep_model::api::WatchedReport {
        host: host("ups1"),
        items: vec![state(&world, "tcp:80", Level::SICK)],
    }];
    web1.send(&report).await.unwrap();
    let problem = world.problem().await.trouble;
    assert_eq!(
        (problem.host.as_str(), problem.item.as_str()),
        ("ups1", "tcp:80")
    );
}

#[tokio::test]
async fn a_batch_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let event = |number| web1.event(&world, number, DISK, Level::SICK);
    let many = EventBatch::MOST as u64;
    let too_many = web1
        .send_events("s", (1..=many + 1).map(event).collect())
        .await;
    assert!(refusal(too_many).contains("at most 200 events"));
    for series in ["", "a b", "ä", "../x", &"x".repeat(65)] {
        let answer = web1.send_events(series, vec![event(1)]).await;
        assert_eq!(refused(answer), (400, "bad-request".into()), "{series:?}");
    }
    // Neither of the server's own numbers nor of strange ones is anything left behind.
    let huge = web1.send_events("s", vec![event(u64::MAX)]).await;
    assert_eq!(refused(huge).0, 400);
    assert!(world.events("").await.is_empty());
    assert_eq!(
        web1.send_events("s", (1..=many).map(event).collect())
            .await
            .unwrap(),
        many
    );
    assert_eq!(web1.send_events("s", Vec::new()).await.unwrap(), many);

    let mut gap = event(many + 1);
    gap.kind = EventKind::NoData;
    web1.send_events("s", vec![gap]).await.unwrap();
    assert!(world.problem().await.trouble.no_data);
}
