//! The list of hosts, the matrix, the page of a host, and what is done there.

use std::time::Duration;

use lockstep_model::alert::Ack;
use lockstep_model::api::operator::{HostView, SilenceView};
use lockstep_model::{Level, Role};
use serde_json::Value;
use tokio::time::timeout;

use crate::visitor::Visitor;
use crate::world::{World, refused};

const FLEET: &str = "[defaults]\nitems = [\"disk_usage:*\", \"cpu_load\"]\n\n[fitness.disk_usage]\nsick = \">= 90%\"\n\n\
    [group.front]\nhosts = [\"web*\"]\n\n[host.web1]\n[host.db1]\n";

/// Two hosts, of which one is sick.
async fn fleet() -> World {
    let world = World::start().await;
    let (web1, db1) = (world.enroll("web1").await, world.enroll("db1").await);
    world.fleet(FLEET).await;
    let items = [("disk_usage:/var", Level::SICK), ("cpu_load", Level::FINE)];
    web1.says(&world, &items).await;
    db1.says(&world, &[("cpu_load", Level::FINE)]).await;
    world.pass(60).await;
    world
}

#[tokio::test]
async fn hosts_are_found_and_seen() {
    let world = fleet().await;
    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;
    let all = vera.get("/hosts").await.page();
    assert!(
        all.contains("/hosts/web1\"") && all.contains("/hosts/db1\""),
        "{all}"
    );
    assert!(!all.contains(r#"name="host""#), "a viewer ticks nothing");
    let sick = vera.get("/hosts?level=2&group=front&q=deb").await.page();
    assert!(sick.contains("/hosts/web1\"") && !sick.contains("/hosts/db1\""));
    let matrix = vera.get("/hosts?view=matrix").await.page();
    assert!(
        matrix.contains("/hosts/web1/items/disk_usage%3A%2Fvar") && !matrix.contains("cpu_load")
    );
    assert_eq!(vera.get("/hosts?level=sick").await.status, 400);

    // The API finds the same, page by page, without what only one host's answer has.
    let found = async |question: &str| -> Vec<String> {
        let path = format!("/api/v1/hosts?{question}");
        let hosts: Vec<HostView> = world.operator.get_json(&path).await.unwrap();
        assert!(hosts.iter().all(|it| it.items.is_empty()));
        hosts.iter().map(|it| it.name.to_string()).collect()
    };
    assert_eq!(found("level=2&group=front&q=deb").await, ["web1"]);
    assert_eq!(found("unhandled=true").await, ["web1"]);
    assert_eq!(found("q=1&limit=1").await, ["db1"]);
    assert_eq!(found("q=1").await, ["db1", "web1"]);
    assert!(found("silent=true").await.is_empty());
    let wrong = world
        .operator
        .get_json::<Vec<HostView>>("/api/v1/hosts?label=web");
    assert_eq!(refused(wrong.await).0, 400);

    // The search leads to what is alone, and shows what is not.
    let to = async |q: &str| {
        let answer = vera.get(&format!("/search?q={q}")).await;
        answer.leads_to().to_owned()
    };
    assert_eq!(to("web1").await, "/hosts/web1");
    assert_eq!(to("usage").await, "/items/disk_usage%3A%2Fvar");
    assert_eq!(to("").await, "/hosts");
    let all = vera.get("/search?q=1").await.page();
    assert!(all.contains(r#"href="/hosts/db1""#) && all.contains(r#"href="/hosts/web1""#));

    let page = vera.get("/hosts/web1").await.page();
    for part in [
        "<title>web1 · Lockstep</title>",
        "96 % is above 95 %",
        "sick &gt;= 90% (fleet.toml:5:8)",
        "Nobody is on it.",
        "Debian GNU/Linux 12",
        "6.1.0",
        "group=front",
        "boot-1",
        "lockstep explain web1",
        "or you are a viewer",
        "Limits",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("/hosts/web1/remove"));
    let nobody = vera.get("/hosts/wbe1").await;
    assert_eq!(nobody.status, 404);
    assert!(
        nobody.body.contains(r#"href="/hosts/web1""#),
        "{}",
        nobody.body
    );
    assert_eq!(vera.get("/hosts/..%2Fx").await.status, 404);
    for (path, form) in [
        ("/hosts", vec![("verb", "ack"), ("host", "web1")]),
        ("/hosts/web1/ack", vec![]),
        ("/hosts/web1/silence", vec![("lasts", "1h"), ("why", "x")]),
        ("/hosts/web1/report", vec![]),
        ("/hosts/web1/remove", vec![("name", "web1")]),
        ("/hosts/web1/reboot", vec![("name", "web1"), ("why", "x")]),
        ("/hosts/web1/reboot/cancel", vec![]),
    ] {
        assert_eq!(vera.post(path, &form).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn hosts_are_acted_upon_one_by_one_and_together() {
    let world = fleet().await;
    let olga = Visitor::sign_in(&world, "olga", Role::Operator).await;
    let acked = olga
        .post("/hosts/web1/ack", &[("note", "on it"), ("lasts", "4h")])
        .await;
    assert_eq!(acked.leads_to(), "/hosts/web1");
    let acks: Vec<Ack> = world.operator.get_json("/api/v1/acks").await.unwrap();
    assert_eq!(
        (acks[0].by.as_str(), acks[0].note.as_str()),
        ("olga", "on it")
    );
    let page = olga.get("/hosts/web1").await.page();
    assert!(page.contains("olga</b> is on it") && !page.contains("Nobody is on it."));

    // Both are ticked; only one has a problem.
    let ticked = [
        ("host", "web1"),
        ("host", "db1"),
        ("why", "racks"),
        ("to", "/hosts?q=1"),
    ];
    let form = |verb, lasts| [&[("verb", verb), ("lasts", lasts)], &ticked[..]].concat();
    let acked = olga.post("/hosts", &form("ack", "")).await;
    assert_eq!(acked.leads_to(), "/hosts?q=1");
    assert!(
        acked
            .header("set-cookie")
            .unwrap()
            .contains("1%20problems%20of%201%20hosts")
    );
    assert_eq!(
        olga.post("/hosts", &form("silence", "2h")).await.leads_to(),
        "/hosts?q=1"
    );
    let silences: Vec<SilenceView> = world.operator.get_json("/api/v1/silences").await.unwrap();
    let silenced: Vec<&str> = silences[0]
        .silence
        .hosts
        .iter()
        .map(|it| it.as_str())
        .collect();
    assert_eq!((silenced, silences[0].holds_back), (vec!["web1", "db1"], 1));

    // All that a filter finds, if they are as many as was confirmed, and the same.
    let names = async |question: &str| {
        let page = olga.get(&format!("/hosts?{question}")).await.page();
        let names = page.split(r#"name="names" value=""#).nth(1).unwrap();
        names.split('"').next().unwrap().to_owned()
    };
    let (web1, db1) = (names("group=front").await, names("q=db1").await);
    let all = |count: &'static str, names: &str| {
        [
            ("verb", "silence".to_owned()),
            ("filter", "group=front".into()),
            ("count", count.into()),
            ("names", names.into()),
            ("lasts", "tomorrow".into()),
            ("why", "all".into()),
        ]
    };
    let send = async |form: &[(&'static str, String)]| {
        let form: Vec<(&str, &str)> = form.iter().map(|(key, it)| (*key, &**it)).collect();
        olga.post("/hosts", &form).await
    };
    let more = send(&all("2", &web1)).await;
    assert_eq!(more.status, 409);
    let words = "2 hosts were confirmed, and 1 are found now: nothing was done; go back";
    assert!(more.body.contains(words), "{}", more.body);
    let others = send(&all("1", &db1)).await;
    assert_eq!(others.status, 409, "as many, and not the same");
    let words = "1 hosts were confirmed, and 1 are found now, but not the same";
    assert!(others.body.contains(words), "{}", others.body);
    for part in [2, 3] {
        assert_eq!(send(&all("1", &web1)[..part]).await.status, 400);
    }
    let before: Vec<SilenceView> = world.operator.get_json("/api/v1/silences").await.unwrap();
    assert_eq!(before.len(), 1, "nothing was done");
    let done = send(&all("1", &web1)).await;
    assert!(
        done.header("set-cookie")
            .unwrap()
            .contains("silenced%201%20hosts")
    );
    let silenced = olga.get("/hosts?silenced=true").await.page();
    assert!(silenced.contains("/hosts/web1\"") && silenced.contains("/hosts/db1\""));

    let one = olga
        .post("/hosts/db1/silence", &[("lasts", "1h"), ("why", "moving")])
        .await;
    assert_eq!(one.leads_to(), "/hosts/db1");
    for (path, form) in [
        ("/hosts", form("silence", "")),
        ("/hosts", form("dance", "1h")),
        ("/hosts", vec![("verb", "ack")]),
        ("/hosts/web1/silence", vec![("lasts", "1h")]),
        ("/hosts/web1/remove", vec![("name", "web2")]),
        ("/hosts/web1/reboot", vec![("name", "web2"), ("why", "x")]),
        ("/hosts/web1/reboot", vec![("name", "web1")]),
    ] {
        assert_eq!(olga.post(path, &form).await.status, 400, "{path} {form:?}");
    }
    // A restart of the machine is wished of the boot that the host has told of, and can be taken back.
    let wished = [("name", "web1"), ("why", "a new kernel"), ("lasts", "4h")];
    let given = olga.post("/hosts/web1/reboot", &wished).await;
    assert_eq!(given.leads_to(), "/hosts/web1");
    let wishes = "/api/v1/hosts/web1/wishes";
    let stand = async || world.operator.get_json::<Value>(wishes).await.unwrap();
    let wish = stand().await[0].clone();
    assert_eq!(
        (&wish["verb"], &wish["boot_id"]),
        (&"reboot".into(), &"boot-1".into())
    );
    assert_eq!(
        (&wish["state"], &wish["by"]),
        (&"unheard".into(), &"olga".into())
    );
    let page = olga.get("/hosts/web1").await.page();
    assert!(page.contains("Restart of the machine: the host has not heard of it yet"));
    let back = olga.post("/hosts/web1/reboot/cancel", &[]).await;
    assert_eq!(back.leads_to(), "/hosts/web1");
    assert_eq!(stand().await[0]["state"], "taken-back");

    let removed = olga.post("/hosts/web1/remove", &[("name", "web1")]).await;
    assert_eq!(removed.leads_to(), "/hosts");
    assert_eq!(olga.get("/hosts/web1").await.status, 404);
    assert!(world.is_noted("removed host web1").await);
}

#[tokio::test]
async fn a_host_is_asked_to_report() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    web1.report("1.0.0", true).await.unwrap();
    let olga = Visitor::sign_in(&world, "olga", Role::Operator).await;
    let ask = |name: &str| format!("/api/v1/hosts/{name}/report");
    let nothing = serde_json::json!({});
    let answer = world
        .operator
        .post_json::<_, ()>(&ask("web1"), &nothing)
        .await;
    assert_eq!(refused(answer).0, 409, "it holds no stream open");
    let answer = world
        .operator
        .post_json::<_, ()>(&ask("web2"), &nothing)
        .await;
    assert_eq!(refused(answer).0, 404);

    let mut stream = web1.client.events("/agent/v1/stream").await.unwrap();
    world
        .operator
        .post_json::<_, ()>(&ask("web1"), &nothing)
        .await
        .unwrap();
    assert_eq!(
        olga.post("/hosts/web1/report", &[]).await.leads_to(),
        "/hosts/web1"
    );
    // One of the ticked can be asked.
    let both = [("verb", "report"), ("host", "web1"), ("host", "db1")];
    let asked = olga.post("/hosts", &both).await;
    let said = asked.header("set-cookie").unwrap().to_owned();
    assert!(
        said.contains("1%20hosts%20are%20asked") && said.contains("1%20cannot"),
        "{said}"
    );
    for _ in 0..3 {
        let event = timeout(Duration::from_secs(20), stream.next()).await;
        let event = event.expect("something comes in time").unwrap().unwrap();
        assert_eq!(event.name, "report");
    }
}
