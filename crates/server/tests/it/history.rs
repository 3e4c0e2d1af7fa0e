//! The history of items: asked of the host, and what the server keeps itself.

use std::time::Duration;

use lockstep_model::api::operator::HistoryView;
use lockstep_model::api::{Ask, Backfill, Query, QueryAnswer, Snapshot};
use lockstep_model::{Bucket, HostName, Level, Series, Span, View};
use lockstep_net::client::{CallError, EventStream};
use tokio::time::timeout;

use crate::health::item;
use crate::now;
use crate::world::{Host, World, host, refused};

const DAY: &str = "/api/v1/hosts/web1/history?item=cpu_load&view=day";

async fn history(world: &World, path: &str) -> HistoryView {
    world.operator.get_json(path).await.unwrap()
}

/// Some snapshots of the last hours, ten minutes apart.
fn measured(world: &World, of: Option<HostName>, count: u64) -> Backfill {
    let snapshot = |number: u64| Snapshot {
        at: world.now() - Duration::from_secs(number * 600),
        host: of.clone(),
        items: vec![(item("cpu_load"), Some(number as f64), Level::FINE)],
    };
    Backfill {
        snapshots: (1..=count).rev().map(snapshot).collect(),
    }
}

async fn fill(from: &Host, backfill: &Backfill) -> Result<(), CallError> {
    from.client.post_json("/agent/v1/backfill", backfill).await
}

#[tokio::test]
async fn what_a_host_measured_during_an_outage_is_shown_when_it_is_away() {
    let world = World::start().await;
    let (web1, web2) = (world.enroll("web1").await, world.enroll("web2").await);
    world
        .fleet("[host.web1]\n[host.web2]\n[host.ups1]\nvia = \"web1\"\nitems = [\"ping\"]\n")
        .await;
    assert!(history(&world, DAY).await.series.buckets.is_empty());
    let six = measured(&world, None, 6);
    fill(&web1, &six).await.unwrap();
    fill(&web1, &six).await.unwrap();
    let seen = history(&world, DAY).await;
    assert!(!seen.from_host);
    assert!(seen.why_not.unwrap().contains("not connected"));
    let values: Vec<f64> = seen.series.buckets.iter().map(|it| it.mean).collect();
    assert_eq!(values, [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
    assert_eq!(seen.series.bucket_ms, 600_000);
    let hour = history(&world, "/api/v1/hosts/web1/history?item=cpu_load&view=hour").await;
    assert_eq!(hour.series.buckets.len(), 6);
    let other = history(&world, "/api/v1/hosts/web1/history?item=users").await;
    assert!(other.series.buckets.is_empty());

    let too_many = fill(&web1, &measured(&world, None, 51)).await;
    assert_eq!(refused(too_many), (400, "bad-request".into()));
    // A host fills up its own past and that of those whom it watches.
    fill(&web2, &measured(&world, Some(host("ups1")), 2))
        .await
        .unwrap();
    fill(&web2, &measured(&world, Some(host("web1")), 7))
        .await
        .unwrap();
    let of_ups = "/api/v1/hosts/ups1/history?item=cpu_load";
    assert!(history(&world, of_ups).await.series.buckets.is_empty());
    assert_eq!(history(&world, DAY).await.series.buckets.len(), 6);
    fill(&web1, &measured(&world, Some(host("ups1")), 2))
        .await
        .unwrap();
    assert_eq!(history(&world, of_ups).await.series.buckets.len(), 2);
}

pub(crate) async fn asked(stream: &mut EventStream) -> Query {
    loop {
        let event = timeout(Duration::from_secs(20), stream.next())
            .await
            .expect("something comes in time")
            .unwrap()
            .expect("the stream goes on");
        if event.name == "query" {
            return serde_json::from_str(&event.data).unwrap();
        }
    }
}

pub(crate) async fn answer(from: &Host, query: &Query, answer: &QueryAnswer) {
    let path = format!("/agent/v1/answers/{}", query.id);
    let sent: Result<(), _> = from.client.post_json(&path, answer).await;
    sent.unwrap();
}

fn series(world: &World, mean: f64) -> Series {
    Series {
        item: item("cpu_load"),
        unit: "%".into(),
        from: world.now() - Duration::from_secs(86_400),
        to: world.now(),
        bucket_ms: 600_000,
        buckets: vec![Bucket {
            at: world.now() - Duration::from_secs(600),
            count: 10,
            mean,
            min: 0.0,
            max: 100.0,
        }],
    }
}

#[tokio::test]
async fn only_the_host_that_is_asked_answers() {
    let world = World::start().await;
    let (web1, web2) = (world.enroll("web1").await, world.enroll("web2").await);
    let mut stream = web1.client.events("/agent/v1/stream").await.unwrap();
    let mut others = web2.client.events("/agent/v1/stream").await.unwrap();
    let (truth, lie) = (series(&world, 42.0), series(&world, 1.0));
    let play = async {
        let query = asked(&mut stream).await;
        let Ask::History(ask) = &query.ask else {
            panic!("its history was asked for");
        };
        assert_eq!((&ask.item, ask.host.as_ref()), (&item("cpu_load"), None));
        assert_eq!(ask.span, Span::View(View::Day));
        answer(&web2, &query, &QueryAnswer::History(lie.clone())).await;
        answer(&web1, &query, &QueryAnswer::History(truth.clone())).await;
        // Nobody waits for a second one, and that is no error of the host's.
        answer(&web1, &query, &QueryAnswer::History(lie.clone())).await;
    };
    let (seen, ()) = tokio::join!(history(&world, DAY), play);
    assert_eq!(
        (seen.from_host, seen.why_not, seen.series),
        (true, None, truth)
    );

    // One that cannot say is believed, and what the server keeps is shown.
    fill(&web1, &measured(&world, None, 3)).await.unwrap();
    let play = async {
        let query = asked(&mut stream).await;
        let no = QueryAnswer::Refused("the file is damaged".into());
        answer(&web1, &query, &no).await;
    };
    let (seen, ()) = tokio::join!(history(&world, DAY), play);
    assert_eq!(
        (
            seen.from_host,
            seen.why_not.as_deref(),
            seen.series.buckets.len()
        ),
        (false, Some("the file is damaged"), 3)
    );
    // The other host was asked nothing.
    let nothing = timeout(Duration::from_millis(50), others.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");

    now::an_item_is_watched_live(&world, &web1, &mut stream).await;
    now::notes_of_agents_are_kept(&world, &web1).await;
}

#[tokio::test]
async fn a_host_without_an_agent_is_asked_for_through_its_watcher() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    world
        .fleet("[host.web1]\n[host.ups1]\nvia = \"web1\"\nitems = [\"ping\"]\n")
        .await;
    let mut stream = web1.client.events("/agent/v1/stream").await.unwrap();
    let truth = series(&world, 3.0);
    let play = async {
        let query = asked(&mut stream).await;
        let Ask::History(ask) = &query.ask else {
            panic!("its history was asked for");
        };
        assert_eq!(
            (ask.host.as_ref(), ask.points),
            (Some(&host("ups1")), Some(7))
        );
        assert!(matches!(ask.span, Span::Between { .. }));
        answer(&web1, &query, &QueryAnswer::History(truth.clone())).await;
    };
    let path = "/api/v1/hosts/ups1/history?item=ping&from=2026-11-20T00:00:00Z&points=7";
    let (seen, ()) = tokio::join!(history(&world, path), play);
    assert!(seen.from_host);
    let both = "/api/v1/hosts/ups1/history?item=ping&view=day&from=2026-11-20T00:00:00Z";
    let answer = world.operator.get_json::<HistoryView>(both).await;
    assert_eq!(refused(answer), (400, "bad-request".into()));
}
