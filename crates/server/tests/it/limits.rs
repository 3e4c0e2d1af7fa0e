//! What hosts may say at most, and what is shown of it.

use std::io::Write as _;
use std::process::Stdio;

use lockstep_model::api::{Report, WatchedReport};
use lockstep_model::{ItemState, Level, Value};
use lockstep_net::client::{ClientSettings, HttpClient, Roots};

use crate::health::{item, state, told_world};
use crate::world::{World, host, refusal, refused};

const MANY: usize = 1 << 20;

/// What `promtool check metrics` finds.
#[expect(clippy::disallowed_methods, reason = "a test waits for the real tool")]
pub(crate) fn promtool(text: &[u8]) -> String {
    let mut child = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed by scripts/parts");
    child.stdin.take().unwrap().write_all(text).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    format!("{}{}", output.status, String::from_utf8_lossy(&said))
}

#[tokio::test]
async fn strangers_learn_that_the_server_lives_and_nothing_else() {
    let world = World::start().await;
    let roots = Roots::Ca(world.running.ca_pem.clone());
    let settings = ClientSettings::new(world.running.operator_url(), roots);
    let stranger = HttpClient::new(settings, &world.clock).unwrap();
    let answer = stranger.get_capped("/healthz", 100).await.unwrap();
    assert_eq!(answer, b"ok\n");
    for path in ["/metrics", "/api/v1/problems", "/api/v1/fleet"] {
        let answer = stranger.get_capped(path, MANY).await;
        assert_eq!(answer.unwrap_err().status(), Some(401), "{path}");
    }
    let text = world.operator.get_capped("/metrics", MANY).await.unwrap();
    assert_eq!(promtool(&text), "exit status: 0");
}

#[tokio::test]
async fn a_report_of_too_much_is_refused_whole() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let watched: String = (0..64)
        .map(|number| format!("[host.ups{number}]\nvia = \"web1\"\nitems = [\"ping\"]\n"))
        .collect();
    world.fleet(&format!("[host.web1]\n{watched}")).await;
    let states = |count: usize| -> Vec<ItemState> {
        (0..count)
            .map(|number| state(&world, &format!("unit:{number}"), Level::SICK))
            .collect()
    };
    let mut report = web1.report_of("1.0.0", true);
    report.items = states(Report::MOST_ITEMS + 1);
    assert!(refusal(web1.send(&report).await).contains("at most 500 items"));
    assert!(world.problems().await.is_empty());
    assert_eq!(world.view("web1").await.last_seen, None);

    report.items = states(Report::MOST_ITEMS - Report::MOST_WATCHED);
    let of = |number: usize| WatchedReport {
        host: host(&format!("ups{number}")),
        items: states(1),
    };
    report.watched = (0..Report::MOST_WATCHED).map(of).collect();
    web1.send(&report).await.unwrap();
    assert_eq!(world.problems().await.len(), Report::MOST_ITEMS);
    report.watched.push(of(1));
    report.items.truncate(1);
    assert!(refusal(web1.send(&report).await).contains("64 watched hosts"));
    let text = world.operator.get_capped("/metrics", MANY).await.unwrap();
    assert_eq!(promtool(&text), "exit status: 0");
}

#[tokio::test]
async fn hostile_words_break_neither_lists_nor_figures_nor_messages() {
    let (world, web1, inbox) = told_world().await;
    let names = [
        "plugin:</td><script>alert(1)</script>",
        "plugin:\"} 1\\",
        "plugin:a'b\u{202e}c\u{1f4a9}",
        &format!("plugin:{}", "é".repeat(96)),
    ];
    let words = "\u{0}\u{7}\u{1b}[2J\r\n# HELP x\n<script>\"\\{}${HOME}`id`$(id)".repeat(20);
    let mut report = web1.report_of("1.0.0", true);
    let hostile = |name: &&str| {
        let mut item = state(&world, name, Level::CRITICAL);
        item.value = Value::Text(words.clone());
        item.why.clone_from(&words);
        item
    };
    report.items = names.iter().map(hostile).collect();
    let number = |value, unit: &str| Value::Number {
        value,
        unit: unit.into(),
    };
    let mut odd = state(&world, "users", Level::SICK);
    odd.value = number(f64::MAX, &words);
    report.items.push(odd);
    web1.send(&report).await.unwrap();
    let mut events: Vec<_> = (1_u64..)
        .zip(names)
        .map(|(number, name)| web1.event(&world, number, name, Level::DEAD))
        .collect();
    // An event must not be refused for its length, or its host would offer it for ever.
    events[0].why = "x".repeat(100_000);
    events[1].value = Value::None(words.clone());
    assert_eq!(web1.send_events("s", events).await.unwrap(), 4);

    let problems = world.problems().await;
    assert_eq!(problems.len(), 5);
    assert!(problems.iter().any(|it| it.trouble.item == item(names[2])));
    let events = world.events("host=web1").await;
    assert_eq!(events.len(), 4);
    assert!(
        events
            .iter()
            .all(|it| it.event.why.len() <= Value::LONGEST_TEXT + 16)
    );
    let found = world.events("item=plugin:*script*").await;
    assert_eq!(found.len(), 1);
    assert_eq!(world.view("web1").await.items.len(), 5);
    let text = world.operator.get_capped("/metrics", MANY).await.unwrap();
    assert_eq!(promtool(&text), "exit status: 0");
    world.pass(1).await;
    world.pass(10).await;
    let told = inbox.told();
    assert_eq!((told.len(), told[0].entries.len()), (1, 5));

    // Names that are none are refused where they come in.
    for name in ["a b", "", "x\ny", &"n".repeat(201)] {
        let mut bad = serde_json::to_value(&report).unwrap();
        bad["items"][0]["item"] = name.into();
        let answer = web1
            .client
            .post_json::<_, serde_json::Value>("/agent/v1/report", &bad)
            .await;
        assert_eq!(refused(answer), (400, "bad-request".into()), "{name:?}");
        let batch = serde_json::json!({"series": "s", "events": [{"number": 9, "item": name}]});
        let answer = web1
            .client
            .post_json::<_, serde_json::Value>("/agent/v1/events", &batch)
            .await;
        assert_eq!(refused(answer).0, 400);
    }
    let history = format!("/api/v1/hosts/web1/history?item={}", "n".repeat(201));
    let answer = world.operator.get_json::<serde_json::Value>(&history).await;
    assert_eq!(refused(answer).0, 400);
}

#[tokio::test]
async fn a_host_that_says_much_of_each_item_is_still_heard() {
    let world = World::start().await;
    let web1 = world.enroll("web1").await;
    let mut report = web1.report_of("1.0.0", true);
    let wordy = |number: usize| state(&world, &format!("plugin:{number}"), Level::SICK);
    report.items = (0..Report::MOST_ITEMS).map(wordy).collect();
    // What some plugins say, and what nobody should say.
    for (text, kept) in [("w".repeat(400), 257), ("\u{7}ä".repeat(100), 64)] {
        for state in &mut report.items {
            state.value = Value::Text(text.clone());
            state.why.clone_from(&text);
        }
        web1.send(&report).await.unwrap();
        let items = world.view("web1").await.items;
        assert_eq!((items.len(), items[0].level), (500, Level::SICK));
        assert!(
            items[0].why.len() <= kept + 3 && items[0].why.ends_with('…'),
            "{}",
            items[0].why
        );
        assert!(text.starts_with(items[0].why.trim_end_matches('…')));
    }
    // A few long texts among short ones stay as they are.
    report.items.truncate(20);
    web1.send(&report).await.unwrap();
    assert_eq!(world.view("web1").await.items, report.items);
}
