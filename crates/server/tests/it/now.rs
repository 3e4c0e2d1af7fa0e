//! One item now, and what agents say beside their items. Both are parts of a test that has a server and a stream already.

use std::time::Duration;

use lockstep_model::api::operator::{HostView, ProbeView};
use lockstep_model::api::{
    Ask, ItemNow, Notes, ProcessSeen, ProcessesSeen, ProgramSeen, QueryAnswer,
};
use lockstep_model::{ContentHash, Level, Role, Value};
use lockstep_net::client::{CallError, EventStream};
use tokio::time::timeout;

use crate::health::item;
use crate::history::{answer, asked};
use crate::visitor::Visitor;
use crate::world::{Host, World, refused};

async fn now(world: &World, host: &str, item: &str) -> Result<ItemNow, CallError> {
    let path = format!("/api/v1/hosts/{host}/items/{item}/now");
    world.operator.get_json(&path).await
}

fn said(world: &World, value: f64) -> ItemNow {
    ItemNow {
        item: item("disk_usage:/var"),
        value: Value::Number {
            value,
            unit: "%".into(),
        },
        level: Level::SICK,
        at: world.now(),
        fresh: true,
    }
}

/// One user asks for five items of one host at once, of which four are his share.
async fn a_user_has_a_share_of_what_is_watched(
    world: &World,
    web1: &Host,
    stream: &mut EventStream,
) {
    let wim = Visitor::sign_in(world, "wim", Role::Viewer).await;
    let ask = async |number: usize| {
        let path = format!("/api/v1/hosts/web1/items/listening%3A{number}/now");
        wim.get(&path).await
    };
    let play = async {
        for _ in 0..4 {
            let query = asked(stream).await;
            answer(web1, &query, &QueryAnswer::Refused("it is busy".into())).await;
        }
    };
    let (one, two, three, four, five, ()) =
        tokio::join!(ask(1), ask(2), ask(3), ask(4), ask(5), play);
    let (heard, not): (Vec<_>, Vec<_>) = [one, two, three, four, five]
        .into_iter()
        .partition(|it| it.status == 409);
    assert_eq!((heard.len(), not.len()), (4, 1));
    assert_eq!(
        (not[0].status, not[0].header("retry-after")),
        (429, Some("2"))
    );
    let words = "wim watches 4 items of web1 live already";
    assert!(not[0].body.contains(words), "{}", not[0].body);
}

pub(crate) async fn an_item_is_watched_live(world: &World, web1: &Host, stream: &mut EventStream) {
    let var = "disk_usage%3A%2Fvar";
    let told = ["disk_usage:/var", "users", "uptime", "cpu_load"];
    let ports = [
        "listening:1",
        "listening:2",
        "listening:3",
        "listening:4",
        "listening:5",
    ];
    let told: Vec<_> = told
        .iter()
        .chain(&ports)
        .map(|it| (*it, Level::FINE))
        .collect();
    web1.says(world, &told).await;
    a_user_has_a_share_of_what_is_watched(world, web1, stream).await;
    let vera = Visitor::sign_in(world, "vera", Role::Viewer).await;
    let live = format!("/hosts/web1/items/{var}/live");
    // Three who watch share one question: nobody would answer a second one.
    let play = async {
        let query = asked(stream).await;
        let Ask::Now(ask) = &query.ask else {
            panic!("its value was asked for");
        };
        assert_eq!((&ask.item, &ask.host), (&item("disk_usage:/var"), &None));
        answer(web1, &query, &QueryAnswer::Now(said(world, 82.5))).await;
    };
    let (one, other, page, ()) = tokio::join!(
        now(world, "web1", var),
        now(world, "web1", var),
        vera.get(&live),
        play
    );
    assert_eq!(one.unwrap(), said(world, 82.5));
    assert_eq!(other.unwrap(), said(world, 82.5));
    let page = page.page();
    assert!(page.contains("82.5 %"), "{page}");

    // A host that cannot say is believed.
    let play = async {
        let query = asked(stream).await;
        let no = QueryAnswer::Refused("there is no item users".into());
        answer(web1, &query, &no).await;
    };
    let (no, ()) = tokio::join!(now(world, "web1", "users"), play);
    assert!(
        no.as_ref()
            .unwrap_err()
            .to_string()
            .contains("there is no item users")
    );
    assert_eq!(refused(no), (409, "conflict".into()));

    // What it has not told of it is not asked for.
    let made_up = now(world, "web1", "made_up").await;
    assert_eq!(refused(made_up), (404, "not-found".into()));

    // An agent that is too old says nothing; it is left alone then, whatever is asked.
    assert_eq!(
        refused(now(world, "web1", "uptime").await),
        (503, "busy".into())
    );
    assert!(matches!(asked(stream).await.ask, Ask::Now(_)));
    let again = now(world, "web1", "uptime").await;
    let words = again.as_ref().unwrap_err().to_string();
    assert!(words.contains("too old for the question"), "{words}");
    assert_eq!(refused(again), (503, "busy".into()));
    let other = now(world, "web1", "cpu_load").await;
    assert_eq!(refused(other), (503, "busy".into()));
    let nothing = timeout(Duration::from_millis(50), stream.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");

    // One without a stream cannot be asked, and one that is not there is not found.
    world.enroll("db1").await;
    let away = now(world, "db1", var).await;
    assert_eq!(refused(away), (409, "conflict".into()));
    let page = vera.get(&format!("/hosts/db1/items/{var}/live")).await;
    assert!(page.page().contains("is not connected to this server"));
    let unknown = now(world, "nowhere", var).await;
    assert_eq!(refused(unknown), (404, "not-found".into()));
    // What the board has read of web1 by now is of this second.
    world.pass(1).await;
}

fn notes(world: &World) -> Notes {
    let process = ProcessSeen {
        pid: 4711,
        name: "java".into(),
        user: "shop".into(),
        cpu: 198.5,
        memory: 8_000_000_000,
    };
    let program = ProgramSeen {
        item: item("plugin:check_raid"),
        host: None,
        path: "/usr/lib/nagios/plugins/check_raid".into(),
        hash: Some(ContentHash::of(b"check_raid")),
        exit: Some(2),
        ended: String::new(),
        took_ms: 1500,
        at: world.now(),
    };
    Notes {
        programs: vec![program],
        processes: Some(ProcessesSeen {
            at: world.now(),
            item: item("cpu_load"),
            level: Level::CRITICAL,
            by_cpu: vec![process; 30],
            by_memory: Vec::new(),
        }),
        ..Notes::default()
    }
}

pub(crate) async fn notes_of_agents_are_kept(world: &World, web1: &Host) {
    let of_web1 = "/api/v1/hosts/web1/processes";
    let none = world.operator.get_json::<ProcessesSeen>(of_web1).await;
    assert_eq!(refused(none), (404, "not-found".into()));
    let mut report = web1.report_of("1.0.0", true);
    report.notes = notes(world);
    web1.send(&report).await.unwrap();
    // What went wrong is told once; the next report does not take it away.
    report.notes.processes = None;
    web1.send(&report).await.unwrap();
    let seen: ProcessesSeen = world.operator.get_json(of_web1).await.unwrap();
    assert_eq!(
        (seen.by_cpu.len(), seen.item),
        (ProcessesSeen::MOST, item("cpu_load"))
    );
    assert_eq!(seen.by_cpu[0].name, "java");

    let host: HostView = world.operator.get_json("/api/v1/hosts/web1").await.unwrap();
    assert_eq!(host.programs, notes(world).programs);
    let all: Vec<HostView> = world.operator.get_json("/api/v1/hosts").await.unwrap();
    assert!(all.iter().all(|host| host.programs.is_empty()));
    world.pass(60).await;
    let probes: Vec<ProbeView> = world.operator.get_json("/api/v1/probes").await.unwrap();
    assert_eq!(probes.len(), 1);
    assert_eq!(
        (probes[0].on.as_str(), probes[0].program.exit),
        ("web1", Some(2))
    );
    let of = async |host: &str| {
        let path = format!("/api/v1/probes?host={host}&limit=1");
        world.operator.get_json::<Vec<ProbeView>>(&path).await
    };
    assert_eq!(of("web1").await.unwrap(), probes);
    assert_eq!(of("db1").await.unwrap(), []);
    assert_eq!(refused(of("nowhere").await), (404, "not-found".into()));

    let rita = Visitor::sign_in(world, "rita", Role::Viewer).await;
    let page = rita.get("/hosts/web1").await.page();
    for part in [
        "Processes at the last problem",
        "198.5 %",
        "8 GB",
        "lockstep host processes web1",
        "check_raid",
        "lockstep host probes web1",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let page = rita.get("/admin/probes").await.page();
    assert!(
        page.contains("plugin:check_raid") && page.contains("2 ×1"),
        "{page}"
    );
}
