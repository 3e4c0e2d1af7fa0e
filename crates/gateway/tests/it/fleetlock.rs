//! FleetLock in the words of Zincati (src/fleet_lock/mod.rs): a POST with pretty JSON and one header, everything but 2xx
//! is a failure, and a failure's `kind` and `value` are read if they can be.

use std::sync::Arc;
use std::time::Duration;

use lockstep_gateway::config::Fleetlock;
use lockstep_gateway::fleetlock::routes;
use lockstep_gateway::seams::{Standing, Trouble};
use lockstep_model::HostName;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::desk::Desk;
use crate::web::{Answer, Web};

/// A machine that runs Zincati.
struct Zincati<'a> {
    web: &'a Web,
    from: &'a str,
    id: &'a str,
    group: &'a str,
}

impl Zincati<'_> {
    async fn post(&self, path: &str) -> Result<(), (u16, String, String)> {
        let params = json!({ "client_params": { "id": self.id, "group": self.group } });
        let body = serde_json::to_string_pretty(&params).unwrap();
        let answer = post(
            self.web,
            self.from,
            path,
            "fleet-lock-protocol: true\r\n",
            &body,
        )
        .await;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        let word = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        let (kind, value) = (word("kind"), word("value"));
        assert!(!kind.is_empty() && !value.is_empty(), "{answer:?}");
        Err((answer.status, kind, value))
    }

    async fn pre_reboot(&self) -> Result<(), (u16, String, String)> {
        self.post("/v1/pre-reboot").await
    }

    async fn steady_state(&self) -> Result<(), (u16, String, String)> {
        self.post("/v1/steady-state").await
    }
}

async fn post(web: &Web, from: &str, path: &str, more: &str, body: &str) -> Answer {
    let more = format!("accept: */*\r\nContent-Length: {}\r\n{more}", body.len());
    let mut stream = web.begin(from, &format!("POST {path}"), &more).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    Answer::parse(&bytes)
}

const ID: &str = "c988d2509fdf4cdcbed39037c56406fb";

async fn served() -> (Arc<Desk>, Web) {
    let text = format!(
        "listen = '127.0.0.1:0'\ngroups = {{ Workers = 'nodes' }}\nids = {{ {ID} = 'core9' }}"
    );
    let config: Fleetlock = toml::from_str(&text).unwrap();
    let desk = Desk::new();
    desk.declare("core2", "127.0.0.2");
    desk.declare("core3", "127.0.0.3");
    let native = HostName::parse("core9").unwrap();
    desk.standings
        .lock()
        .unwrap()
        .insert(native, Standing::Native);
    let web = Web::serve(routes(config, Arc::clone(&desk))).await;
    (desk, web)
}

#[tokio::test]
async fn machines_restart_one_after_the_other() {
    let (desk, web) = served().await;
    let machine = |from, id| Zincati {
        web: &web,
        from,
        id,
        group: "default",
    };
    // Known by its address, by its id, and by its name from elsewhere.
    let two = machine("127.0.0.2", "e0f3745b108f471cbd4883c6fbed8cdd");
    let (nine, three) = (machine("127.0.0.1", ID), machine("127.0.0.1", "core3"));
    for one in [&two, &nine, &three] {
        // At each start, whether it had a place or not, and before anybody has heard of the group.
        one.steady_state().await.unwrap();
    }
    two.pre_reboot().await.unwrap();
    two.pre_reboot().await.unwrap();
    let (status, kind, value) = nine.pre_reboot().await.unwrap_err();
    assert_eq!((status, kind.as_str()), (409, "failed_lock_semaphore_full"));
    assert_eq!(value, "default is held by core2");
    nine.steady_state().await.unwrap();
    assert_eq!(desk.holders("default"), ["core2"]);

    two.steady_state().await.unwrap();
    nine.pre_reboot().await.unwrap();
    nine.steady_state().await.unwrap();
    three.pre_reboot().await.unwrap();
    assert_eq!(
        desk.done(),
        [
            "acquire default core2",
            "release default core2",
            "acquire default core9",
            "release default core9",
            "acquire default core3",
        ]
    );
}

#[tokio::test]
async fn a_machine_that_is_not_fine_keeps_its_place() {
    let (desk, web) = served().await;
    let two = Zincati {
        web: &web,
        from: "127.0.0.2",
        id: "a",
        group: "Workers",
    };
    let three = Zincati {
        from: "127.0.0.3",
        ..two
    };
    two.pre_reboot().await.unwrap();
    let name = HostName::parse("core2").unwrap();
    desk.locks.lock().unwrap().sick.insert(name);
    two.steady_state().await.unwrap();
    three.pre_reboot().await.unwrap_err();
    assert_eq!(desk.holders("nodes"), ["core2"]);
    desk.locks.lock().unwrap().sick.clear();
    two.steady_state().await.unwrap();
    three.pre_reboot().await.unwrap();

    let why = "os 42: its wave is not open yet";
    desk.locks.lock().unwrap().refusal = Some(("not-let-go", why.into()));
    let refused = two.pre_reboot().await.unwrap_err();
    assert_eq!(refused, (409, "failed_lock_not_let_go".into(), why.into()));
}

#[tokio::test]
async fn what_is_not_fleetlock_is_refused_in_its_words() {
    let (desk, web) = served().await;
    let good = r#"{"client_params":{"id":"core2","group":"default"}}"#;
    let header = "fleet-lock-protocol: true\r\n";
    let long = " ".repeat(9_000);
    for (path, more, body, status, kind) in [
        ("/v1/pre-reboot", "", good, 400, "no_protocol_header"),
        (
            "/v1/pre-reboot",
            "fleet-lock-protocol: yes\r\n",
            good,
            400,
            "no_protocol_header",
        ),
        ("/v1/pre-reboot", header, "", 400, "bad_request"),
        ("/v1/pre-reboot", header, &long, 413, "bad_request"),
        (
            "/v1/pre-reboot",
            header,
            r#"{"client_params":{"id":"core2","group":"Default"}}"#,
            400,
            "bad_group",
        ),
        (
            "/v1/steady-state",
            header,
            r#"{"client_params":{"id":"nobody","group":"default"}}"#,
            403,
            "unknown_id",
        ),
        ("/v1/other", header, good, 404, "not_found"),
        ("/", header, good, 404, "not_found"),
    ] {
        let answer = post(&web, "127.0.0.1", path, more, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        assert_eq!(answer.json()["kind"], kind, "{path} {body}");
    }
    let get = web.get("/v1/pre-reboot").await;
    assert_eq!((get.status, get.header("allow")), (405, "POST"));
    let outside = web.ask("127.0.0.1", "GET /v1/pre-reboot", "").await;
    assert_eq!(outside.json()["kind"], "bad_request");

    let zincati = Zincati {
        web: &web,
        from: "127.0.0.2",
        id: "a",
        group: "default",
    };
    for (trouble, status, kind) in [
        (Trouble::Internal, 500, "failed"),
        (Trouble::Refused("no".into()), 409, "refused"),
        (Trouble::Off("off".into()), 503, "off"),
        (
            Trouble::Busy {
                why: "later".into(),
                retry_after: Duration::from_secs(3),
            },
            503,
            "busy",
        ),
    ] {
        desk.locks.lock().unwrap().trouble = Some(trouble);
        for said in [zincati.pre_reboot().await, zincati.steady_state().await] {
            let (said, of_kind, _) = said.unwrap_err();
            assert_eq!((said, of_kind.as_str()), (status, kind));
        }
    }
    assert!(desk.done().is_empty());
}
