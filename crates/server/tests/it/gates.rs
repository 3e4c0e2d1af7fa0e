//! What gates are told that ask a Prometheus for its alerts before a machine restarts. The one that asks here is
//! promtool, with the client that kured has.

use std::process::Stdio;

use lockstep_model::api::operator::{NewAck, NewSilence};
use lockstep_model::{Glob, Interval, Level};
use lockstep_net::Clock;
use lockstep_net::client::{ClientSettings, HttpClient, Roots};
use serde_json::Value;

use crate::health::{item, write};
use crate::world::{World, host, refused};

const MANY: usize = 1 << 20;
const FLEET: &str = "[group.web]\nhosts = [\"web*\"]\n[group.db]\nhosts = [\"db*\"]\n";

/// web1 is critical and soso, db1 is sick and silenced. The clock stands at the present, because promtool reads the
/// system's.
async fn sick_world() -> World {
    let world = World::at(Clock::system().now(), |_| {}).await;
    world.fleet(FLEET).await;
    let web1 = world.enroll("web1").await;
    let said = [("disk_usage:/", Level::CRITICAL), ("users", Level::SOSO)];
    web1.says(&world, &said).await;
    let db1 = world.enroll("db1").await;
    db1.says(&world, &[("unit:postgres", Level::SICK)]).await;
    let silence = NewSilence {
        hosts: vec![Glob::parse("db1").unwrap()],
        groups: Vec::new(),
        items: Vec::new(),
        starts_at: None,
        lasts: Interval::from_secs(3_600),
        reason: "it moves".into(),
    };
    let _: Value = world
        .operator
        .post_json("/api/v1/silences", &silence)
        .await
        .unwrap();
    world
}

/// What `promtool query instant` says. It has the token as kured has it: as the password of the address. The server's
/// authority it finds where Go's programs look for it.
async fn promtool(world: &World, query: &[&str]) -> Result<String, String> {
    let ca = world.dir.path().join("ca.pem");
    write(&ca, &world.running.ca_pem);
    let password = format!("https://kured:{}@", world.operator_file.token);
    let url = world.running.operator_url();
    #[expect(clippy::disallowed_methods, reason = "a test waits for the real tool")]
    let output = tokio::process::Command::new("promtool")
        .args(["query", "instant"])
        .arg(url.replace("https://", &password))
        .args(query)
        .env("SSL_CERT_FILE", ca)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("promtool is installed by scripts/parts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

#[tokio::test]
async fn promtool_finds_what_fires_and_not_what_is_silenced() {
    let world = sick_world().await;
    let all = promtool(&world, &["ALERTS"]).await.unwrap();
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), 2, "{all}");
    assert!(
        lines[0].starts_with(
            "ALERTS{alertname=\"disk_usage\", alertstate=\"firing\", group=\"web\", host=\"web1\", \
             instance=\"web1\", item=\"disk_usage:/\", severity=\"critical\"} => 1 @["
        ),
        "{all}"
    );
    assert!(lines[1].contains("alertstate=\"pending\""), "{all}");

    let query = "ALERTS{alertstate=\"firing\",alertname!~\"reboot.*\",host=~\"web.+\"}";
    let firing = promtool(&world, &[query]).await.unwrap();
    assert_eq!(firing.lines().count(), 1, "{firing}");
    let none = promtool(&world, &["ALERTS{host=\"db1\"}"]).await;
    assert_eq!(none.as_deref(), Ok("\n"));

    let other = promtool(&world, &["up"]).await.unwrap_err();
    assert!(
        other.contains("bad_data") && other.contains("no Prometheus"),
        "{other}"
    );
    let past = ["--time=1700000000", "ALERTS"];
    let past = promtool(&world, &past).await.unwrap_err();
    assert!(past.contains("only what is now"), "{past}");
}

#[tokio::test]
async fn alerts_have_the_shape_of_prometheus_and_typing_mistakes_are_no_silence() {
    let world = sick_world().await;
    let ack = NewAck {
        host: host("web1"),
        item: Some(item("disk_usage:/")),
        note: "I delete old logs".into(),
        lasts: None,
    };
    let _: Value = world
        .operator
        .post_json("/api/v1/acks", &ack)
        .await
        .unwrap();
    let ask = async |question: &str| {
        let path = format!("/api/v1/alerts{question}");
        world.operator.get_json::<Value>(&path).await
    };
    let answer = ask("?host=web1&level=critical").await.unwrap();
    assert_eq!(answer["status"], "success");
    let alert = &answer["data"]["alerts"][0];
    let since = world.problems().await;
    let since = since
        .iter()
        .find(|it| it.trouble.item == item("disk_usage:/"));
    assert_eq!(alert["activeAt"], since.unwrap().trouble.since.to_string());
    assert_eq!(
        alert["state"], "firing",
        "somebody is on it, and it is there"
    );
    assert_eq!(alert["value"], "1e+00");
    let annotations = &alert["annotations"];
    assert_eq!(annotations["ack"], "admin: I delete old logs");
    assert_eq!(
        annotations["summary"],
        "[critical] web1 disk_usage:/: 96.0 %"
    );
    assert_eq!(annotations["why"], "96 % is above 95 %");
    assert!(annotations["change"].as_str().unwrap().contains(" at "));

    for (question, expected) in [
        ("", 2),
        ("?level=2", 1),
        ("?silenced=true", 3),
        ("?host=db1", 0),
        ("?group=db&silenced=true", 1),
        ("?group=web&level=sick", 1),
    ] {
        let answer = ask(question).await.unwrap();
        let alerts = answer["data"]["alerts"].as_array().unwrap();
        assert_eq!(alerts.len(), expected, "{question}: {answer}");
    }
    for (question, status) in [
        ("?host=web2", 404),
        ("?group=wbe", 404),
        ("?level=bad", 400),
        ("?hots=web1", 400),
    ] {
        let error = ask(question).await.unwrap_err();
        assert_eq!(error.status(), Some(status), "{question}");
    }
    let large = serde_json::json!({"query": "ALERTS"});
    let json: Result<Value, _> = world.operator.post_json("/api/v1/query", &large).await;
    assert_eq!(json.unwrap_err().status(), Some(400), "a form is expected");

    let roots = Roots::Ca(world.running.ca_pem.clone());
    let settings = ClientSettings::new(world.running.operator_url(), roots);
    let stranger = HttpClient::new(settings, &world.clock).unwrap();
    for path in ["/api/v1/alerts", "/api/v1/query?query=ALERTS"] {
        let answer = stranger.get_capped(path, MANY).await;
        assert_eq!(refused(answer), (401, "not-authenticated".into()), "{path}");
    }
}
