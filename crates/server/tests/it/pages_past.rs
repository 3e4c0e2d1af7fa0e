//! The board at a moment that is over, and saved views: what the tests of other pages look at by the way.

use std::time::Duration;

use lockstep_model::Role;
use lockstep_model::api::operator::{BoardThen, SavedView, ToldBy};

use crate::visitor::Visitor;
use crate::world::World;

/// Asks the API.
async fn board(world: &World, question: &str) -> BoardThen {
    let path = format!("/api/v1/board?{question}");
    world.operator.get_json(&path).await.unwrap()
}

/// Looks at the board of a fleet of two, of which one has told of 120 items by events that are not fine; `event` is the page of
/// one of them.
pub(crate) async fn the_board_is_looked_back_at(world: &World, vera: &Visitor<'_>, event: &str) {
    let link = event.split(r#"href="/board?"#).nth(1).unwrap();
    let question = link.split('"').next().unwrap();
    let page = vera.get(&format!("/board?{question}")).await.page();
    assert!(page.contains("This is the past"), "{page}");
    assert!(page.contains(">unit:s007</a>"), "{question}: {page}");
    assert!(page.contains("2 hosts by a snapshot") && page.contains("event before"));
    let then = board(world, question).await;
    assert_eq!(
        (then.by, then.snapshots, then.by_events),
        (ToldBy::Snapshots, 2, 0)
    );
    assert_eq!((then.levels, then.items.len()), ([0, 0, 1, 0, 1], 121));
    assert_eq!(
        then.items[0].item.as_str(),
        "unit:s007",
        "the worst comes first"
    );
    let one = board(world, &format!("{question}&host=web2")).await;
    assert_eq!(one.items.len(), 1);

    // Before they were enrolled, before what is kept, ahead, and no time at all.
    let before = vera.get("/board?at=6h").await.page();
    assert!(before.contains("2 hosts enrolled later"));
    for strange in [
        "at=2000-01-01T00:00:00Z",
        "at=2999-01-01T00:00:00Z",
        "at=yesterday",
        "host=%00",
    ] {
        let answer = vera.get(&format!("/board?{strange}")).await;
        assert_eq!(answer.status, 400, "{strange}");
    }
    assert_eq!(vera.get("/board?host=nobody").await.status, 404);
}

/// A host has reported: there is a snapshot of it, and its events from before are still believed.
pub(crate) async fn a_snapshot_is_looked_back_at(world: &World, vera: &Visitor<'_>) {
    let at = world.clock.now();
    world.driver.advance(Duration::from_secs(60));
    let then = board(world, &format!("at={at}")).await;
    assert_eq!((then.snapshots, then.by_events), (2, 0));
    assert!(then.taken.is_some());
    let page = vera.get(&format!("/board?at={at}")).await.page();
    assert!(page.contains("2 hosts by a snapshot"));
}

/// What leads elsewhere is no view.
const ELSEWHERE: [&str; 7] = [
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "/sign-out",
    "/hosts/../admin",
    "/hosts?q=\r\nlocation: https://evil.example",
    "",
];

/// Keeps the filters of the page of events, shares them, and forgets them.
pub(crate) async fn views_are_kept_shared_and_forgotten(world: &World, vera: &Visitor<'_>) {
    for address in ELSEWHERE {
        let answer = vera
            .post("/views", &[("name", "x"), ("address", address)])
            .await;
        assert_eq!(answer.status, 400, "{address:?}");
    }
    let address = "/events?level=4&before=x";
    let nameless = [("name", " "), ("address", address)];
    assert_eq!(vera.post("/views", &nameless).await.status, 400);
    let keep = [
        ("name", "dead <ones>"),
        ("address", address),
        ("shared", "true"),
    ];
    let answer = vera.post("/views", &keep).await;
    assert_eq!(
        answer.leads_to(),
        "/events?level=4",
        "of a list from its beginning"
    );
    let own = [("name", "mine"), ("address", "/hosts")];
    assert_eq!(vera.post("/views", &own).await.leads_to(), "/hosts");

    let olga = Visitor::sign_in(world, "olga", Role::Operator).await;
    let page = olga.get("/events").await.page();
    assert!(page.contains(r#"<a href="/events?level=4">dead &lt;ones&gt;</a> by vera"#));
    assert!(!olga.get("/hosts").await.page().contains(">mine</a>"));
    assert!(vera.get("/hosts").await.page().contains(">mine</a>"));

    let views: Vec<SavedView> = world.operator.get_json("/api/v1/views").await.unwrap();
    assert_eq!(views.len(), 1, "admins see what is shared, and no more");
    let forget = format!("/views/{}/forget", views[0].id);
    let elsewhere = [("page", "//evil.example")];
    assert_eq!(
        olga.post(&forget, &elsewhere).await.status,
        404,
        "it is vera's"
    );
    assert_eq!(vera.post(&forget, &elsewhere).await.leads_to(), "/");
    let views: Vec<SavedView> = world.operator.get_json("/api/v1/views").await.unwrap();
    assert!(views.is_empty());
}
