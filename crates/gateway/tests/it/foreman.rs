//! Foreman's locks, byte by byte.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use lockstep_gateway::config::ForemanDlm;
use lockstep_gateway::foreman::routes;
use lockstep_gateway::seams::{Standing, Trouble};
use lockstep_model::{HostName, Interval};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::tls::{Authority, Secure};
use crate::web::{Answer, Web};

const JSON: &str = "Content-Type: application/json\r\nAccept: */*\r\nContent-Length: 0\r\n";
const SENTENCE: &str = "Precondition failed. Lock is in invalid state for this operation.";

pub(crate) fn config() -> ForemanDlm {
    let text = "listen = '127.0.0.1:0'\ncert = 'c'\nkey = 'k'\nclient_ca = 'a'\nlocks = { 'Test Lock' = 'test' }";
    toml::from_str(text).unwrap()
}

/// Three hosts are known, in each way that there is.
pub(crate) fn server() -> (Arc<Desk>, Router) {
    let desk = Desk::new();
    for (host, standing) in [
        ("host1.example.com", Standing::Native),
        ("host2.example.com", Standing::Foreign),
        ("host3.example.com", Standing::Declared),
    ] {
        let host = HostName::parse(host).unwrap();
        desk.standings.lock().unwrap().insert(host, standing);
    }
    let routes = routes(config(), Arc::clone(&desk));
    (desk, routes)
}

pub(crate) async fn served() -> (Arc<Desk>, Secure) {
    let (desk, routes) = server();
    (desk, Secure::serve(routes).await)
}

/// The JSON of an answer with a status, and with what all of Foreman's have.
#[track_caller]
fn is(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(!answer.header("foreman_version").is_empty());
    assert_eq!(answer.header("foreman_api_version"), "2");
    answer.json()
}

#[track_caller]
fn message(answer: &Answer, status: u16) -> String {
    is(answer, status)["error"]["message"]
        .as_str()
        .unwrap()
        .into()
}

#[tokio::test]
async fn a_lock_comes_into_being_is_held_and_is_free_again() {
    let (desk, secure) = served().await;
    let one = secure.ca.host("host1.example.com");
    let two = secure.ca.host("HOST2.example.com");
    let (mut one, mut two) = (
        secure.connect(Some(&one)).await,
        secure.connect(Some(&two)).await,
    );
    let lock = "/api/dlmlocks/db/lock";

    let missing = one.ask(&format!("GET {lock}"), "").await;
    assert_eq!(
        message(&missing, 404),
        "Resource dlmlock not found by id 'db'"
    );
    let made = is(&one.ask(&format!("DELETE {lock}"), JSON).await, 200);
    assert_eq!(made["name"], "db");
    assert!(made["host"].is_null() && made["host_id"].is_null() && made["enabled"] == true);

    let first = is(&one.ask(&format!("PUT {lock}"), JSON).await, 200);
    assert_eq!(first["type"], "ForemanDlm::Dlmlock::Update");
    assert_eq!(
        first["host"],
        json!({ "name": "host1.example.com", "self": true })
    );
    assert_eq!(first["updated_at"], "2026-11-01 12:00:00 UTC");
    *desk.now.lock().unwrap() += Duration::from_secs(90);
    let again = is(&one.ask(&format!("PUT {lock}"), JSON).await, 200);
    assert_eq!(again["updated_at"], "2026-11-01 12:01:30 UTC");
    assert_eq!(desk.done(), ["acquire db host1.example.com"]);

    let held = message(&two.ask(&format!("PUT {lock}"), JSON).await, 412);
    assert_eq!(held, format!("{SENTENCE} db is held by host1.example.com"));
    let foreign = two.ask(&format!("DELETE {lock}"), JSON).await;
    assert!(message(&foreign, 412).contains("not by host2.example.com"));
    assert_eq!(is(&foreign, 412)["error"]["id"], first["id"]);
    let seen = is(&two.ask("GET /api/v2/dlmlocks/db", "").await, 200);
    assert_eq!(
        seen["host"],
        json!({ "name": "host1.example.com", "self": false })
    );
    let by_id = format!("GET /api/dlmlocks/{}", first["id"]);
    assert_eq!(is(&two.ask(&by_id, "").await, 200), seen);
    let events = is(
        &two.ask("GET /api/dlmlocks/db/dlmlock_events", "").await,
        200,
    );
    assert_eq!(
        (&events["total"], &events["results"][0]["event_type"]),
        (&json!(1), &json!("acquire"))
    );

    let free = is(&one.ask(&format!("DELETE {lock}"), JSON).await, 200);
    assert!(free["host"].is_null());
    is(&two.ask(&format!("DELETE {lock}"), JSON).await, 200);
    is(&two.ask(&format!("PUT {lock}"), JSON).await, 200);
    assert_eq!(desk.holders("db"), ["host2.example.com"]);

    desk.enable("db", false);
    for line in [&mut one, &mut two] {
        for method in ["PUT", "DELETE"] {
            let refused = line.ask(&format!("{method} {lock}"), JSON).await;
            let message = message(&refused, 412);
            assert!(message.contains("disabled"), "{message}");
        }
    }
    assert_eq!(desk.holders("db"), ["host2.example.com"]);
}

#[tokio::test]
async fn names_are_escaped_mapped_or_refused() {
    let (desk, secure) = served().await;
    let host = secure.ca.host("host3.example.com");
    let mut line = secure.connect(Some(&host)).await;
    for path in [
        "//api/dlmlocks/we%62/lock",
        "/api//v2/dlmlocks/web/lock/",
        "/api/dlmlocks/Test%20Lock/lock",
    ] {
        is(&line.ask(&format!("PUT {path}"), JSON).await, 200);
    }
    assert_eq!(
        desk.done(),
        [
            "acquire web host3.example.com",
            "acquire test host3.example.com"
        ]
    );
    let shown = is(&line.ask("GET /api/dlmlocks/Test%20Lock", "").await, 200);
    assert_eq!(shown["name"], "Test Lock");
    let refused = line.ask("PUT /api/dlmlocks/No%20Lock/lock", JSON).await;
    assert!(message(&refused, 422).contains("[gateway.foreman-dlm] locks"));
    is(&line.ask("GET /api/dlmlocks/No%20Lock", "").await, 404);

    let all = is(
        &line.ask("GET /api/dlmlocks?per_page=1&page=2", "").await,
        200,
    );
    assert_eq!((&all["total"], &all["page"]), (&json!(2), &json!(2)));
    assert_eq!(all["results"][0]["name"], "web");
    let found = is(
        &line
            .ask("GET /api/v2/dlmlocks?search=name+%3D+web", "")
            .await,
        200,
    );
    assert_eq!(
        (&found["subtotal"], &found["total"]),
        (&json!(1), &json!(2))
    );
    is(&line.ask("GET /api/dlmlocks?order=id+DESC", "").await, 400);
}

#[tokio::test]
async fn whatever_is_asked_the_answer_is_json_and_no_redirect() {
    let (desk, secure) = served().await;
    let host = secure.ca.host("host1.example.com");
    let mut line = secure.connect(Some(&host)).await;
    for (request, more, status) in [
        ("GET /", "", 404),
        ("GET /api", "", 404),
        ("PUT /api/dlmlocks//lock", JSON, 403),
        ("PUT /api/dlmlocks/db/lock/more", JSON, 404),
        ("PUT /api/dlmlocks/%zz/lock", JSON, 404),
        ("POST /api/dlmlocks/db/lock", JSON, 405),
        ("OPTIONS /api/dlmlocks", "", 405),
        ("PUT /api/dlmlocks/db/lock", "", 415),
        (
            "PUT /api/dlmlocks/db/lock",
            "Content-Type: text/json\r\n",
            415,
        ),
        ("POST /api/dlmlocks", JSON, 403),
        ("PUT /api/dlmlocks/db", JSON, 403),
        ("DELETE /api/v2/dlmlocks/db", "", 403),
    ] {
        let answer = line.ask(request, more).await;
        assert!(!message(&answer, status).is_empty(), "{request}");
        assert_eq!(answer.header("location"), "");
    }
    let elsewhere = line.ask("POST /api/dlmlocks", JSON).await;
    assert!(message(&elsewhere, 403).contains("lockstep lock disable"));
    let other = line.ask(
        "POST /api/dlmlocks",
        "Content-Type: Application/JSON; charset=utf-8\r\n",
    );
    is(&other.await, 403);
    assert_eq!(
        line.ask("PUT /api/dlmlocks", JSON).await.header("allow"),
        "GET, POST"
    );

    for (trouble, status) in [
        (Trouble::Internal, 500),
        (Trouble::Off("switched off".into()), 503),
        (Trouble::Refused("there are too many locks".into()), 422),
        (
            Trouble::Busy {
                why: "another server is newer".into(),
                retry_after: Duration::from_secs(7),
            },
            503,
        ),
    ] {
        desk.locks.lock().unwrap().trouble = Some(trouble);
        let answer = line.ask("PUT /api/dlmlocks/db/lock", JSON).await;
        assert!(!message(&answer, status).is_empty());
    }
    let later = line.ask("PUT /api/dlmlocks/db/lock", JSON).await;
    assert_eq!(later.header("retry-after"), "7");
    assert!(desk.done().is_empty());
}

#[tokio::test]
async fn who_shows_no_good_certificate_hears_401() {
    let (desk, secure) = served().await;
    let stranger = secure.ca.host("host9.example.com");
    let other = Authority::new("another authority").host("host1.example.com");
    let nameless = secure.ca.host("not a host");
    for (leaf, user, why) in [
        (None, "", "no client certificate"),
        (
            Some(&stranger),
            "host9.example.com",
            "name it in the fleet file",
        ),
        (Some(&other), "host1.example.com", "not valid here"),
        (Some(&nameless), "not a host", "does not name one host"),
    ] {
        for request in [
            "PUT /api/dlmlocks/db/lock",
            "DELETE /api/dlmlocks/db/lock",
            "GET /api/dlmlocks/db",
            "GET /api/dlmlocks",
            "POST /api/dlmlocks",
        ] {
            let answer = secure.ask(leaf, request, JSON).await;
            assert_eq!(
                message(&answer, 401),
                format!("Unable to authenticate user {user}")
            );
            let details = answer.json()["error"]["details"].to_string();
            assert!(details.contains(why), "{details}");
        }
    }
    assert!(desk.done().is_empty());

    // In plain HTTP nobody is anybody, and who is not among the senders hears that in JSON, too.
    let (_, routes) = server();
    let web = Web::serve(routes).await;
    is(
        &web.ask("127.0.0.1", "PUT /api/dlmlocks/db/lock", JSON)
            .await,
        401,
    );
    let mut narrow = config();
    narrow.senders = lockstep_gateway::Senders::parse(["127.0.0.2"]).unwrap();
    let web = Web::serve(lockstep_gateway::foreman::routes(narrow, desk)).await;
    let refused = web
        .ask("127.0.0.1", "PUT /api/dlmlocks/db/lock", JSON)
        .await;
    assert_eq!(message(&refused, 403), "forbidden");
}

#[tokio::test]
async fn our_reasons_are_said_and_a_sick_host_keeps_its_place() {
    let desk = server().0;
    let mut config = config();
    config.green_within = Some(Interval::from_secs(600));
    let secure = Secure::serve(routes(config, Arc::clone(&desk))).await;
    let host = secure.ca.host("host1.example.com");
    let mut line = secure.connect(Some(&host)).await;
    let why = "os 42: wave 2 is not open yet";
    desk.locks.lock().unwrap().refusal = Some(("not-let-go", why.into()));
    let refused = line.ask("PUT /api/dlmlocks/db/lock", JSON).await;
    assert_eq!(message(&refused, 412), format!("{SENTENCE} {why}"));

    desk.locks.lock().unwrap().refusal = None;
    is(&line.ask("PUT /api/dlmlocks/db/lock", JSON).await, 200);
    let name = HostName::parse("host1.example.com").unwrap();
    desk.locks.lock().unwrap().sick.insert(name.clone());
    is(&line.ask("DELETE /api/dlmlocks/db/lock", JSON).await, 200);
    assert_eq!(desk.holders("db"), ["host1.example.com"]);
    desk.locks.lock().unwrap().sick.clear();
    is(&line.ask("DELETE /api/dlmlocks/db/lock", JSON).await, 200);
    assert!(desk.holders("db").is_empty());
}

#[tokio::test]
async fn of_twenty_that_ask_at_once_one_has_the_lock() {
    const CLIENTS: usize = 20;
    const ROUNDS: usize = 100;
    let (desk, secure) = served().await;
    let mut lines = Vec::new();
    for number in 0..CLIENTS {
        let name = format!("c{number}.example.com");
        let host = HostName::parse(&name).unwrap();
        desk.standings
            .lock()
            .unwrap()
            .insert(host, Standing::Foreign);
        lines.push(secure.connect(Some(&secure.ca.host(&name))).await);
    }
    for round in 0..ROUNDS {
        let asked = lines
            .iter_mut()
            .map(|line| line.ask("PUT /api/dlmlocks/db/lock", JSON));
        let answers = futures_util::future::join_all(asked).await;
        let count = |status| answers.iter().filter(|it| it.status == status).count();
        assert_eq!((count(200), count(412)), (1, CLIENTS - 1), "round {round}");
        let winner = answers.iter().position(|it| it.status == 200).unwrap();
        let freed = lines[winner]
            .ask("DELETE /api/dlmlocks/db/lock", JSON)
            .await;
        assert_eq!(freed.status, 200);
    }
    assert_eq!(desk.done().len(), 2 * ROUNDS);
}
