//! The pages of problems, events, silences and runs.

use lockstep_model::alert::{Ack, Silence};
use lockstep_model::api::operator::{ProblemView, RunView};
use lockstep_model::{Level, Outcome, Role, RunVerb};

use crate::pages_past;
use crate::run_commands::stopped;
use crate::visitor::Visitor;
use crate::world::World;

const DISK: &str = "disk_usage:/";

/// The moment at which the page says that its problems were read.
fn drawn(page: &str) -> &str {
    let at = page.split(r#"name="at" value=""#).nth(1).unwrap();
    at.split('"').next().unwrap()
}

#[tokio::test]
async fn problems_are_acknowledged_silenced_and_taken_back_on_pages() {
    let world = World::start().await;
    let olaf = Visitor::sign_in(&world, "olaf", Role::Operator).await;
    let nobody = olaf.get("/").await.page();
    assert!(nobody.contains("No host is enrolled yet.") && nobody.contains("/admin/enrolment"));

    let hosts = world.hosts(&["web1", "web2", "web3", "db1"]).await;
    for host in &hosts {
        host.says(&world, &[("users", Level::FINE)]).await;
    }
    world.pass(2).await;
    let calm = olaf.get("/").await.page();
    assert!(calm.contains("4 hosts fine") && calm.contains("No change is planned."));

    world.pass(60).await;
    for host in &hosts[..3] {
        host.says(&world, &[(DISK, Level::SICK)]).await;
    }
    hosts[3]
        .says(&world, &[("unit:<b>&", Level::CRITICAL)])
        .await;
    world.pass(2).await;
    let page = olaf.get("/").await.page();
    assert!(page.contains(r#"name="p" value="item disk_usage:/""#) && page.contains("3 hosts"));
    assert!(page.contains("unit:&lt;b&gt;&amp;") && !page.contains("<b>&"));
    let wall = olaf.get("/kiosk").await.page();
    assert!(wall.contains("3 hosts") && !wall.contains("/problems/ack"));

    // An address for each filter and for each group, and the same of the API.
    let db = olaf.get("/?host=db*").await.page();
    assert!(db.contains("problem db1 unit:") && !db.contains(r#"value="item disk_usage:/""#));
    assert!(page.contains(r#"href="/?cause=item+disk_usage%3A%2F""#));
    let group = olaf.get("/?cause=item+disk_usage:/&host=web1").await.page();
    assert!(group.contains(r#"value="item disk_usage:/""#) && !group.contains("unit:&lt;"));
    assert!(group.contains(r#"name="only" value="host=web1&amp;cause=item+disk_usage%3A%2F""#));
    assert_eq!(olaf.get("/?level=9").await.status, 400);
    let found = async |question: &str| {
        let path = format!("/api/v1/problems?{question}");
        let found: Vec<ProblemView> = world.operator.get_json(&path).await.unwrap();
        found.len()
    };
    assert_eq!(found("host=web*").await, 3);
    assert_eq!(found("level=3").await, 1);
    assert_eq!(found("item=disk*&host=web2").await, 1);
    assert_eq!(found("cause=item+disk_usage:/").await, 3);
    // Who misspells a group or a host is not told that all is well.
    for nobody in ["group=web", "group=", "host=wbe1"] {
        let path = format!("/api/v1/problems?{nobody}");
        let refused = world.operator.get_json::<Vec<ProblemView>>(&path).await;
        assert_eq!(refused.unwrap_err().status(), Some(404), "{nobody}");
    }
    for nobody in ["/?group=web", "/kiosk?group=web", "/events?group=web"] {
        assert_eq!(olaf.get(nobody).await.status, 404, "{nobody}");
    }

    // One word for the three, and another problem that came later is not among them.
    let at = drawn(&page).to_owned();
    let chosen = [
        ("p", "item disk_usage:/"),
        ("at", &at),
        ("note", "I delete old logs"),
        ("for", "end"),
    ];
    let answer = olaf.post("/problems/ack", &chosen).await;
    assert_eq!(answer.leads_to(), "/");
    let acks: Vec<Ack> = world.operator.get_json("/api/v1/acks").await.unwrap();
    assert_eq!(acks.len(), 3);
    assert!(
        acks.iter()
            .all(|ack| ack.by == "olaf" && ack.until.is_none())
    );
    assert!(world.is_noted("acknowledged disk_usage:/ of web1").await);
    let page = olaf.get("/").await.page();
    assert!(page.contains("olaf</b> is on it") && page.contains("I delete old logs"));
    assert!(!page.contains(r#"value="item disk_usage:/""#));
    // The address of the group still leads to it.
    let taken = olaf.get("/?cause=item+disk_usage:/").await.page();
    assert!(taken.contains("Nothing of what was asked for is unhandled"));
    assert!(taken.contains("olaf</b> is on it") && !taken.contains("unit:&lt;b"));
    assert_eq!(found("cause=item+disk_usage:/").await, 3);
    let again = olaf.post("/problems/ack", &chosen).await;
    assert_eq!(again.status, 404, "{}", again.body);

    let back = [("host", "web1"), ("item", DISK), ("back", "/silences")];
    let answer = olaf.post("/problems/take-back", &back).await;
    assert_eq!(answer.leads_to(), "/silences");
    let page = olaf.get("/").await.page();
    assert!(page.contains(r#"value="problem web1 disk_usage:/""#));

    // What the page did not show is not meant.
    let elsewhere = [
        ("p", "problem web1 disk_usage:/"),
        ("at", drawn(&page)),
        ("for", "4h"),
        ("only", "host=db*"),
    ];
    assert_eq!(olaf.post("/problems/ack", &elsewhere).await.status, 404);

    let both = [
        ("p", "problem web1 disk_usage:/"),
        ("p", "problem db1 unit:<b>&"),
        ("at", drawn(&page)),
        ("note", "new disks"),
    ];
    let endless: Vec<_> = both.iter().copied().chain([("for", "end")]).collect();
    let answer = olaf.post("/problems/silence", &endless).await;
    assert_eq!(answer.status, 400, "a silence has an end: {}", answer.body);
    let four: Vec<_> = both.iter().copied().chain([("for", "4h")]).collect();
    assert_eq!(olaf.post("/problems/silence", &four).await.leads_to(), "/");
    let silences: Vec<Silence> = world.operator.get_json("/api/v1/silences").await.unwrap();
    assert_eq!(silences.len(), 2);
    assert!(
        silences
            .iter()
            .all(|it| it.reason == "new disks" && it.owner == "olaf")
    );
    let calm = olaf.get("/").await.page();
    assert!(calm.contains("Nothing waits for anybody") && calm.contains("Silenced</a>: new disks"));

    // Whoever may only look does nothing, with or without a form.
    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;
    assert!(vera.get("/").await.page().contains("olaf</b> is on it"));
    for path in ["/problems/ack", "/problems/silence"] {
        assert_eq!(vera.post(path, &chosen).await.status, 403);
    }
    assert_eq!(vera.post("/problems/take-back", &back).await.status, 403);
    let strange = olaf.send("/problems/ack", &chosen).await;
    assert_eq!(
        strange.status, 403,
        "without what the session's forms carry"
    );
}

#[tokio::test]
async fn a_silence_is_looked_at_made_and_ended_on_a_page() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1", "web2", "db1"]).await;
    for host in &hosts {
        host.says(&world, &[(DISK, Level::SICK)]).await;
    }
    world.pass(2).await;
    let olaf = Visitor::sign_in(&world, "olaf", Role::Operator).await;
    let preview = "/silences?hosts=web*&groups=&items=&from=&for=4h&reason=racks&preview=1";
    let page = olaf.get(preview).await.page();
    assert!(page.contains("2 problems on 2 hosts"), "{page}");
    assert!(
        page.contains("lockstep silence add --host &#39;web*&#39;")
            || page.contains("--host 'web*'")
    );
    let typed = olaf.get("/silences/preview?hosts=web*&for=4h").await.page();
    assert!(typed.contains("2 problems on 2 hosts") && !typed.contains("<html"));
    assert!(
        typed.contains("web1</a>") && typed.contains("--host 'web*' --for 4h")
            || typed.contains("web*&#39; --for")
    );
    let wrong = olaf.get("/silences?hosts=&for=4h&reason=x&preview=1").await;
    assert!(wrong.page().contains("the whole fleet is meant"));

    let made = [("hosts", "web*"), ("for", "tomorrow"), ("reason", "racks")];
    assert_eq!(olaf.post("/silences", &made).await.leads_to(), "/silences");
    let nobody = [("hosts", ""), ("for", "4h"), ("reason", "x")];
    assert_eq!(olaf.post("/silences", &nobody).await.status, 400);
    let silences: Vec<Silence> = world.operator.get_json("/api/v1/silences").await.unwrap();
    let id = silences[0].id.clone();
    let page = olaf.get("/silences").await.page();
    assert!(page.contains("2 problems on 2 hosts") && page.contains("racks"));
    assert!(page.contains(&format!("lockstep silence end {id}")));

    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;
    assert!(
        !vera
            .get("/silences")
            .await
            .page()
            .contains("action=\"/silences")
    );
    assert_eq!(vera.post("/silences", &made).await.status, 403);
    assert_eq!(vera.get("/silences/preview?hosts=x").await.status, 403);
    assert_eq!(vera.post("/silences/end", &[("id", &id)]).await.status, 403);
    let answer = olaf.post("/silences/end", &[("id", &id)]).await;
    assert_eq!(answer.leads_to(), "/silences");
    assert!(
        olaf.get("/silences")
            .await
            .page()
            .contains("Nothing is silenced.")
    );
    assert_eq!(olaf.post("/silences/end", &[("id", &id)]).await.status, 404);
}

#[tokio::test]
async fn events_are_listed_filtered_paged_and_taken_away() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1", "web2"]).await;
    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;
    assert!(
        vera.get("/events?kind=items")
            .await
            .page()
            .contains("Nothing that was asked for.")
    );
    let mut events = Vec::new();
    for number in 1..=120_u64 {
        let level = if number == 7 {
            Level::DEAD
        } else {
            Level::SICK
        };
        events.push(hosts[0].event(&world, number, &format!("unit:s{number:03}"), level));
    }
    let later = events.split_off(60);
    for events in [events, later] {
        hosts[0].send_events("a", events).await.unwrap();
    }
    let evil = hosts[1].event(&world, 1, "unit:=cmd<script>", Level::SICK);
    hosts[1].send_events("b", vec![evil]).await.unwrap();

    let page = vera.get("/events").await.page();
    assert!(page.contains("=cmd&lt;script&gt;") && !page.contains("=cmd<script>"));
    assert!(page.contains("121 events"), "the strip counts them");
    assert!(page.contains(">unit:s120</a>") && !page.contains(">unit:s005</a>"));
    let older = page.split(r#"rel="next" href=""#).nth(1).unwrap();
    let older = older.split('"').next().unwrap().replace("&amp;", "&");
    let second = vera.get(&older).await.page();
    assert!(second.contains(">unit:s005</a>") && !second.contains(">unit:s120</a>"));
    // What people did stands among them, or by itself, and each has an address.
    assert!(page.contains("done by"));
    let deeds = vera.get("/events?kind=deeds").await.page();
    assert!(deeds.contains("done by") && !deeds.contains(">unit:s120</a>"));
    assert!(deeds.contains("What people did in the last 24 hours"));
    let deed = deeds.split(r#"href="/events?id=deed-"#).nth(1).unwrap();
    let deed = deed.split('"').next().unwrap();
    let deed = vera.get(&format!("/events?id=deed-{deed}")).await.page();
    assert!(deed.contains("Done by ") && deed.contains("/admin/audit?who="));
    let changes = vera.get("/events?kind=changes&host=web1").await.page();
    assert!(
        changes.contains("enrolled") && !changes.contains("done by"),
        "{changes}"
    );
    let change = changes.split(r#"href="/events?id=change-"#).nth(1).unwrap();
    let change = change.split('"').next().unwrap();
    let change = vera
        .get(&format!("/events?id=change-{change}"))
        .await
        .page();
    assert!(change.contains("A change of web1") && change.contains("enrolled"));
    assert_eq!(vera.get("/events?kind=strange").await.status, 400);
    assert_eq!(vera.get("/events?id=deed-1-0").await.status, 404);
    // The last day shows what the filter lets through.
    let one = vera.get("/events?host=web2").await.page();
    assert!(!one.contains("121 events") && (one.contains("1 event") || one.contains("one event")));
    assert!(one.contains("/events?host=web2&amp;since="));

    let dead = vera.get("/events?level=4&host=web1").await.page();
    assert!(dead.contains(">unit:s007</a>") && !dead.contains(">unit:s008</a>"));
    let id = dead.split(r#"href="/events?id="#).nth(1).unwrap();
    let id = id.split('"').next().unwrap();
    let one = vera.get(&format!("/events?id={id}")).await.page();
    assert!(one.contains("unit:s007 of web1") && one.contains("it broke"));
    pages_past::the_board_is_looked_back_at(&world, &vera, &one).await;
    pages_past::views_are_kept_shared_and_forgotten(&world, &vera).await;
    for missing in ["0", "x%27", "zzzz"] {
        assert_eq!(vera.get(&format!("/events?id={missing}")).await.status, 404);
    }
    assert_eq!(vera.get("/events?since=yesterday").await.status, 400);
    assert_eq!(vera.get("/events?level=9").await.status, 400);

    let csv = vera.get("/events.csv?host=web2").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.body.lines().count(), 2);
    assert!(csv.body.contains(",unit:=cmd<script>,"));
    let json = vera.get("/events.json?level=4").await;
    let json: Vec<serde_json::Value> = serde_json::from_str(&json.body).unwrap();
    assert_eq!(
        (json.len(), json[0]["item"].as_str()),
        (1, Some("unit:s007"))
    );
    hosts[0].report("1.0.0", true).await.unwrap();
    pages_past::a_snapshot_is_looked_back_at(&world, &vera).await;
}

#[tokio::test]
async fn runs_are_found_shown_and_told_how_to_go_on() {
    let world = World::start().await;
    let hosts = world.hosts(&["web1", "web2"]).await;
    let olaf = Visitor::sign_in(&world, "olaf", Role::Operator).await;
    assert!(olaf.get("/runs").await.page().contains("No runs yet."));
    let end = stopped(&world, 1);
    let mut begun = end.clone();
    (begun.outcome, begun.reason) = (None, None);
    hosts[0].send_run(&begun).await.unwrap();
    world.driver.advance(std::time::Duration::from_secs(90));
    let mut end = end;
    end.at = world.now();
    end.log = "<script>alert(1)</script>".into();
    hosts[0].send_run(&end).await.unwrap();
    let mut other = stopped(&world, 2);
    (other.outcome, other.reason) = (Some(Outcome::Done), None);
    hosts[1].send_run(&other).await.unwrap();
    let worse = hosts[0].event(&world, 1, "unit:nginx", Level::CRITICAL);
    hosts[0].send_events("a", vec![worse]).await.unwrap();

    let (id, other) = (end.id, other.id);
    let has = async |question: &str| {
        let page = olaf.get(&format!("/runs{question}")).await.page();
        (
            page.contains(&format!("/runs/{id}")),
            page.contains(&format!("/runs/{other}")),
        )
    };
    assert_eq!(has("").await, (true, true));
    assert_eq!(has("?stopped=true").await, (true, false));
    assert_eq!(has("?outcome=done").await, (false, true));
    assert_eq!(has("?outcome=running").await, (false, false));
    assert_eq!(has("?host=web1").await, (true, false));
    assert!(!has(&format!("?before={other}")).await.1);
    assert_eq!(olaf.get("/runs?outcome=strange").await.status, 400);

    let path = format!("/runs/{id}");
    let page = olaf.get(&path).await.page();
    for part in [
        "stopped in pre",
        "10-drain of phase pre failed",
        "The records of the run",
        "90 s",
        "one item worse",
        "&lt;script&gt;alert",
        "lockstep run skip",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<script>alert"));

    let vera = Visitor::sign_in(&world, "vera", Role::Viewer).await;
    assert!(!vera.get(&path).await.page().contains("/retry"));
    assert_eq!(vera.post(&format!("{path}/retry"), &[]).await.status, 403);
    let skip = format!("{path}/skip");
    assert_eq!(olaf.post(&skip, &[("why", " ")]).await.status, 400);
    assert_eq!(
        olaf.post(&skip, &[("why", "by hand")]).await.leads_to(),
        path
    );
    assert!(world.is_noted(": by hand").await);
    let commands = hosts[0].report("1.0.0", true).await.unwrap().commands;
    assert_eq!((commands.len(), commands[0].verb), (1, RunVerb::Skip));
    assert!(
        olaf.get(&path)
            .await
            .page()
            .contains("olaf has said that it shall be given up")
    );
    let run: RunView = world
        .operator
        .get_json(&format!("/api/v1/runs/{id}"))
        .await
        .unwrap();
    assert_eq!(
        run.record.outcome,
        Some(Outcome::Stopped),
        "until the host has heard"
    );
    let done = format!("/runs/{other}/retry");
    assert_eq!(olaf.post(&done, &[]).await.status, 409);
    assert_eq!(olaf.get("/runs/0").await.status, 400);
}
