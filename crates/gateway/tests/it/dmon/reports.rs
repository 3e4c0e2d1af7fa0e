use std::time::{Duration, UNIX_EPOCH};

use lockstep_gateway::seams::{Hosts as _, Standing};
use lockstep_model::{HostName, Level, Value};

use super::Port;
use crate::desk::Desk;

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

#[tokio::test]
async fn a_host_reports_itself_and_the_dumb_hosts_that_it_watches() {
    let desk = Desk::new();
    desk.declare("web1", "127.0.0.2");
    desk.declare("other", "127.0.0.3");
    desk.declare("ups", "127.0.0.4");
    desk.watched
        .lock()
        .unwrap()
        .insert(host("web1"), vec![host("ups")]);
    let works = tempfile::tempdir().unwrap();
    let path = works.path().join("client/web1.txt");
    std::fs::create_dir(works.path().join("client")).unwrap();
    let touch = |seconds| {
        let file = std::fs::File::create(&path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    };
    touch(1_700_000_000);
    let port = Port::open(&desk, &format!("works = {:?}", works.path())).await;
    let at = desk.now().as_second() - 30;
    let report = format!(
        r#"REPORT {{"Web1":{{"load":{{"value":9.5,"level":"sick","time":{at},"text":"too high"}}}},"ups":{{"battery":{{"value":"ok","level":0}}}}}}"#
    );
    let answer = port.json("127.0.0.2", &report).await;
    assert_eq!(
        answer,
        serde_json::json!({ "resp": "ok report from [web1] for web1 ups", "work": 1_700_000_000 })
    );
    {
        let heard = desk.heard.lock().unwrap();
        let [(first, web, false), (second, ups, false)] = &heard[..] else {
            panic!("{heard:?}");
        };
        assert_eq!((first.as_str(), second.as_str()), ("web1", "ups"));
        assert_eq!(ups.samples[0].value, Value::Text("ok".into()));
        let load = &web.samples[0];
        assert_eq!((load.item.as_str(), load.at.as_second()), ("load", at));
        let verdict = load.verdict.as_ref().unwrap();
        assert_eq!(
            (verdict.level, verdict.why.as_str()),
            (Level::SICK, "too high")
        );
        assert!(load.host.is_none() && web.installed.is_empty());
    }
    // The file's time is its version: whoever touches it is noticed with the next report.
    touch(1_700_000_777);
    let answer = port
        .json("127.0.0.2", r#"REPORT {"web1":{"load":1}}"#)
        .await;
    assert_eq!(answer["work"], 1_700_000_777);

    let before = desk.heard.lock().unwrap().len();
    for (from, report, why) in [
        (
            "127.0.0.3",
            r#"{"web1":{"load":1}}"#,
            "other does not watch it",
        ),
        (
            "127.0.0.3",
            r#"{"ups":{"load":1}}"#,
            "other does not watch it",
        ),
        (
            "127.0.0.1",
            r#"{"stranger":{"load":1}}"#,
            "nobody knows a host",
        ),
        ("127.0.0.2", "{}", "no host is in it"),
        ("127.0.0.2", "not json", "it is not JSON"),
    ] {
        let answer = port.json(from, &format!("REPORT {report}")).await;
        let resp = answer["resp"].as_str().unwrap();
        assert!(
            resp.starts_with("refused: ") && resp.contains(why),
            "{report}: {resp}"
        );
    }
    assert_eq!(
        desk.heard.lock().unwrap().len(),
        before,
        "nothing was taken"
    );
    // One that is good does not fall with one that is not.
    let both = port
        .json(
            "127.0.0.2",
            r#"REPORT {"web1":{"load":1},"other":{"load":1}}"#,
        )
        .await;
    let resp = both["resp"].as_str().unwrap();
    assert!(
        resp.starts_with("ok report from [web1] for web1; refused: other: "),
        "{resp}"
    );
}

#[tokio::test]
async fn a_host_with_our_agent_speaks_for_itself() {
    let desk = Desk::new();
    desk.declare("web1", "127.0.0.2");
    desk.standings
        .lock()
        .unwrap()
        .insert(host("web1"), Standing::Native);
    let port = Port::open(&desk, "").await;
    for line in [
        r#"REPORT {"web1":{"load":1}}"#,
        r#"EVENTS [[1,"web1","load",4,0,"x"]]"#,
    ] {
        let answer = port.json("127.0.0.2", line).await;
        let resp = answer["resp"].as_str().unwrap();
        assert!(resp.contains("it runs Lockstep's agent"), "{resp}");
    }
    assert!(desk.heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn events_become_samples_with_verdicts() {
    let desk = Desk::new();
    desk.declare("web1", "127.0.0.2");
    let port = Port::open(&desk, "").await;
    let at = desk.now().as_second();
    let events = format!(
        r#"EVENTS [[{at},"web1","load","fine","crit",0.5],[{},"web1","load","crit","fine",99]]"#,
        at - 60
    );
    let answer = port.json("127.0.0.2", &events).await;
    assert_eq!(answer["resp"], "ok 2 events from [web1] for web1");
    let heard = desk.heard.lock().unwrap();
    let samples = &heard[0].1.samples;
    let said: Vec<_> = samples
        .iter()
        .map(|it| (it.at.as_second() - at, it.verdict.as_ref().unwrap().level))
        .collect();
    assert_eq!(said, [(-60, Level::CRITICAL), (0, Level::FINE)]);
}
