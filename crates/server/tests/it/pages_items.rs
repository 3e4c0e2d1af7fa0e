//! The pages of items: one item of one host with its story, one on all hosts, a host's graphs.

use std::time::Duration;

use lockstep_model::api::operator::{HistoryView, SilenceView};
use lockstep_model::api::{Backfill, Snapshot};
use lockstep_model::{Level, Outcome, Phase, Role};

use crate::health::{item, run, state};
use crate::visitor::Visitor;
use crate::world::World;

const FLEET: &str = "[defaults]\nitems = [\"disk_usage:*\"]\n\n[fitness.disk_usage]\nsick = \">= 90%\"\n\n[group.web]\nhosts = [\"web*\"]\n\n[host.web1]\n[host.web2]\n";
const ITEM: &str = "/hosts/web1/items/disk_usage%3A%2Fvar";

/// Snapshots of the last hours, ten minutes apart.
fn measured(world: &World) -> Backfill {
    let snapshot = |number: u64| Snapshot {
        at: world.now() - Duration::from_secs(number * 600),
        host: None,
        items: vec![(
            item("disk_usage:/var"),
            Some(90.0 + number as f64),
            Level::SICK,
        )],
    };
    Backfill {
        snapshots: (1..=6).rev().map(snapshot).collect(),
    }
}

#[tokio::test]
async fn an_item_has_its_story_on_one_page_and_its_numbers_behind_it() {
    let world = World::start().await;
    let (web1, web2) = (world.enroll("web1").await, world.enroll("web2").await);
    world.fleet(FLEET).await;
    web1.says(&world, &[("disk_usage:/var", Level::SICK)]).await;
    web2.says(&world, &[("disk_usage:/var", Level::FINE)]).await;
    web1.client
        .post_json::<_, ()>("/agent/v1/backfill", &measured(&world))
        .await
        .unwrap();
    let event = web1.event(&world, 1, "disk_usage:/var", Level::SICK);
    web1.send_events("s", vec![event]).await.unwrap();
    let mut record = run(&world);
    (record.outcome, record.phase) = (Some(Outcome::Done), Phase::Done);
    web1.send_run(&record).await.unwrap();
    world.pass(60).await;

    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;
    let page = vera.get(ITEM).await.page();
    assert!(page.contains("<title>disk_usage:/var on web1 · Lockstep</title>"));
    assert!(
        page.contains("96 %") && page.contains("sick 90 %"),
        "value and limit"
    );
    assert!(
        page.contains("<code>fleet.toml:5:"),
        "the line that says so"
    );
    assert!(page.contains("This is what the server keeps: the last day, coarse"));
    // What the report said counts, too.
    assert_eq!(page.matches("class=\"hit\"").count(), 7);
    assert!(page.contains("data-words=\"91 %, one sample\""));
    assert!(
        page.contains("fine → sick: it broke"),
        "the event is a marker"
    );
    assert!(page.contains(&format!("/runs/{}", record.id)) || page.contains("/releases/"));
    assert!(page.contains("<title>sick from "), "the ribbon");
    assert!(page.contains("lockstep explain web1 disk_usage:/var"));

    let csv = vera.get(&format!("{ITEM}?view=day&format=csv")).await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(
        csv.header("content-disposition"),
        Some("attachment; filename=\"web1-disk_usage__var.csv\"")
    );
    let csv = csv.page();
    assert!(
        csv.starts_with("from,samples,mean,min,max\r\n") && csv.lines().count() == 8,
        "{csv}"
    );
    let json = vera
        .get(&format!("{ITEM}?view=day&format=json"))
        .await
        .page();
    let json: HistoryView = serde_json::from_str(&json).unwrap();
    assert_eq!(json.series.buckets.len(), 7);
    let from_to = "from=2026-11-20T22:00:00Z&to=2026-11-20T23:15:00Z&beside=yesterday";
    let earlier = vera.get(&format!("{ITEM}?{from_to}")).await.page();
    assert!(
        earlier.contains("later →")
            && earlier.contains("There is nothing of the time to compare it with.")
    );

    let others = vera.get(&format!("{ITEM}?view=hour&beside=others")).await;
    let others = others.page();
    assert!(
        others.contains("one other host of the group web") && others.contains("\"band other\"")
    );
    let week = vera
        .get(&format!("{ITEM}?from=7d&beside=others"))
        .await
        .page();
    assert!(week.contains("This time begins earlier: of what was before"));
    let old = vera.get(&format!("{ITEM}?beside=old-version")).await.page();
    assert!(old.contains("no rollout is in motion"));
    let typed = format!("{ITEM}?from=2026-11-20T22:00&to=2026-11-20T23:15");
    assert!(vera.get(&typed).await.page().contains("later →"));

    for (address, status) in [
        (format!("{ITEM}?from=2030-01-01T00:00"), 400),
        (format!("{ITEM}?view=day&from=2026-11-20T22:00:00Z"), 400),
        (
            format!("{ITEM}?from=2026-11-20T23:00:00Z&to=2026-11-20T22:00:00Z"),
            400,
        ),
        (format!("{ITEM}?beside=tomorrow"), 400),
        (format!("{ITEM}?format=xml"), 400),
        ("/hosts/web1/items/a%20b".into(), 400),
        ("/hosts/nobody/items/cpu_load".into(), 404),
    ] {
        assert_eq!(vera.get(&address).await.status, status, "{address}");
    }
}

#[tokio::test]
async fn a_problem_is_taken_up_on_the_page_of_its_item() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    web1.says(&world, &[("disk_usage:/var", Level::SICK)]).await;
    let event = web1.event(&world, 1, "disk_usage:/var", Level::SICK);
    web1.send_events("s", vec![event]).await.unwrap();
    let olaf = Visitor::sign_in(&world, "olaf", Role::Operator).await;
    assert!(olaf.get(ITEM).await.page().contains("Nobody is on it."));
    let note = [("note", "on order"), ("for", "4h")];
    let ack = olaf.post(&format!("{ITEM}/ack"), &note).await;
    assert_eq!(ack.leads_to(), ITEM);
    let page = olaf.get(ITEM).await.page();
    assert!(page.contains("<b>olaf</b> is on it") && page.contains("on order"));
    let silence = olaf.post(&format!("{ITEM}/silence"), &note).await;
    assert_eq!(silence.leads_to(), ITEM);
    assert!(
        olaf.get(ITEM)
            .await
            .page()
            .contains("Silenced</a>: on order until")
    );
    let silences: Vec<SilenceView> = world.operator.get_json("/api/v1/silences").await.unwrap();
    let only = &silences[0].silence;
    assert_eq!(
        (only.hosts[0].to_string(), only.items[0].to_string()),
        ("web1".into(), "disk_usage:/var".into())
    );
    let endless = [("note", "on order"), ("for", "end")];
    for (path, fields, status) in [
        (format!("{ITEM}/silence"), &endless[..], 400),
        ("/hosts/web1/items/cpu_load/ack".into(), &note[..], 404),
    ] {
        assert_eq!(olaf.post(&path, fields).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn an_item_is_compared_across_hosts() {
    let world = World::start().await;
    let (web1, web2) = (world.enroll("web1").await, world.enroll("web2").await);
    web1.says(
        &world,
        &[("disk_usage:/var", Level::FINE), ("cpu_load", Level::FINE)],
    )
    .await;
    let mut report = web2.report_of("1.0.0", true);
    report.items = vec![state(&world, "disk_usage:/var", Level::CRITICAL)];
    web2.send(&report).await.unwrap();
    web1.client
        .post_json::<_, ()>("/agent/v1/backfill", &measured(&world))
        .await
        .unwrap();

    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;
    let across = vera.get("/items/disk_usage%3A%2Fvar").await.page();
    let (worse, better) = (
        across.find("href=\"/hosts/web2/items"),
        across.find("href=\"/hosts/web1/items"),
    );
    assert!(worse.unwrap() < better.unwrap(), "worst first");
    assert!(across.contains("class=\"chart spark\""));
    let list = vera.get("/items?q=DISK").await.page();
    assert!(
        list.contains("href=\"/items/disk_usage%3A%2Fvar\"") && !list.contains("/items/cpu_load")
    );
    let graphs = vera.get("/hosts/web1/graphs?view=hour").await.page();
    assert_eq!(graphs.matches("class=\"chart small\"").count(), 2);
    assert!(
        graphs.contains("no samples in this time"),
        "nothing is kept of cpu_load"
    );
    let yesterday = vera
        .get("/hosts/web1/graphs?view=hour&beside=yesterday")
        .await;
    assert!(
        yesterday
            .page()
            .contains("Nothing is known of the same time a day before."),
        "what was not kept"
    );
    let stranger = Visitor::stranger(&world).get(ITEM).await;
    assert!(stranger.leads_to().starts_with("/sign-in?to="));
}
