//! What tools ask our server, with Debian's `xymon`.

use std::time::Duration;

use jiff::Timestamp;
use lockstep_gateway::seams::{HostSaid, Standing};
use lockstep_model::{HostName, ItemName, ItemState, Level, Value};

use super::world::{Client, Setup};

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn item(name: &str, level: Level, value: &str) -> ItemState {
    ItemState {
        item: ItemName::parse(name).unwrap(),
        value: Value::Text(value.into()),
        level,
        since: Timestamp::UNIX_EPOCH,
        why: String::new(),
        no_data: false,
        flapping: false,
        pending: None,
    }
}

#[tokio::test]
async fn statuses_come_in_and_tools_see_them() {
    let server = Setup::default().start().await;
    let client = Client::new(server.address);
    let xymon = async |message: &str| {
        let (code, text) = client.run("bin/xymon", &["127.0.0.1", message]).await;
        assert_eq!(code, Some(0), "{message}: {text}");
        text
    };
    xymon("status www,example,org.conn green Sat fine | well\nmore").await;
    xymon("status+1m www,example,org.http red Sat down").await;
    let combo = "combo\nstatus www,example,org.a yellow x\n\nstatus www,example,org.b clear y\n";
    xymon(combo).await;
    xymon("data www,example,org.vmstat\n1 2 3").await;
    assert_eq!(
        server.samples("www.example.org"),
        [
            "xymon:conn Sat fine | well fine",
            "xymon:http Sat down critical",
            "xymon:a x soso",
            "xymon:b y fine"
        ]
    );
    // What the server makes of it, as it would.
    server.desk.said.lock().unwrap().push(HostSaid {
        host: host("www.example.org"),
        last_seen: Some(Timestamp::UNIX_EPOCH),
        silent: false,
        items: vec![
            item("disk_usage:/srv/a.b", Level::DEAD, "full"),
            item("xymon:conn", Level::FINE, "Sat fine | well"),
            item("xymon:http", Level::CRITICAL, "Sat down"),
        ],
        installed: Vec::new(),
    });
    assert_eq!(
        xymon("query www,example,org.conn").await,
        "green Sat fine | well\n"
    );
    let fields = "xymondboard host=www fields=hostname,testname,color,line1,ip";
    assert_eq!(
        xymon(fields).await,
        "www.example.org|disk_usage:/srv/a.b|red|red full|127.0.0.1\n\
         www.example.org|conn|green|green Sat fine \\p well|127.0.0.1\n\
         www.example.org|http|red|red Sat down|127.0.0.1\n"
    );
    let default = xymon("xymondboard test=conn").await;
    let fields: Vec<&str> = default.trim_end().split('|').collect();
    assert_eq!((fields.len(), fields[9]), (12, "127.0.0.1"), "{default}");
    assert_eq!(
        xymon("query www.example.org.disk_usage:/srv/a.b").await,
        "red full\n"
    );
    assert!(
        xymon("xymondlog www.example.org.http")
            .await
            .ends_with("\nred Sat down\n")
    );
    assert_eq!(xymon("xymondboard XMH_OS=x").await, "");
    assert_eq!(
        xymon("hostinfo").await,
        "www.example.org|127.0.0.1|CLASS:web\n"
    );
    assert!(xymon("ping").await.starts_with("xymond 4.3.30 lockstep "));
    assert_eq!(
        xymon("config hosts.cfg").await,
        "127.0.0.1 www.example.org # CLASS:web\n"
    );
    assert!(xymon("senderstats").await.starts_with("127.0.0.1 "));
    for refused in [
        "drop www.example.org",
        "disable www,example,org.* 10m x",
        "nonsense",
    ] {
        assert_eq!(xymon(refused).await, "", "{refused}");
    }

    // Half a minute is over: one status holds, the other one's end is told with the host's next word, once.
    *server.desk.now.lock().unwrap() += Duration::from_secs(90);
    assert_eq!(
        xymon("query www.example.org.http").await,
        "purple Sat down\n"
    );
    for _ in 0..2 {
        xymon("client www,example,org.linux linux\n[date]\nx\n").await;
    }
    let samples = server.samples("www.example.org");
    assert_eq!(samples[4..], ["xymon:http none (no status for 1 min) -"]);
}

#[tokio::test]
async fn client_messages_are_kept_and_strangers_are_ghosts() {
    let server = Setup {
        hosts: "127.0.0.1 www.example.org\n10.0.0.1 Native.example.org\n",
        ..Setup::default()
    }
    .start()
    .await;
    server
        .desk
        .standings
        .lock()
        .unwrap()
        .insert(host("native.example.org"), Standing::Native);
    server
        .desk
        .standings
        .lock()
        .unwrap()
        .insert(host("known.example.org"), Standing::Foreign);
    let section = "log:/var/log/messages:10240\n";
    for (name, answer) in [
        ("www,example,org", section),
        ("NATIVE,example,org", section),
        ("known,example,org", section),
        ("ghost", ""),
        ("bad name", ""),
        ("\u{fc}nknown", ""),
    ] {
        let report = format!("client {name}.linux\n[date]\nD\n[ps]\nP\n");
        assert_eq!(server.say(&report).await, answer, "{name}");
    }
    server
        .say("client/vm www,example,org.linux\n[vm]\nV\n")
        .await;
    assert_eq!(
        server.say("clientlog www.example.org section=ps,vm").await,
        "[vm]\nV\n[ps]\nP\n"
    );
    let all = server.say("clientlog WWW.example.org").await;
    assert!(
        all.starts_with(
            "\n[collector:vm]\nclient/vm www,example,org.linux\n[vm]\nV\n\n[collector:]\n"
        ),
        "{all}"
    );
    // What a native host says by this way is neither believed nor kept.
    assert_eq!(server.say("clientlog native.example.org").await, "");
    let heard = server.desk.heard.lock().unwrap().clone();
    let names: Vec<(&str, bool)> = heard
        .iter()
        .map(|(name, _, declared)| (name.as_str(), *declared))
        .collect();
    assert_eq!(
        names,
        [
            ("www.example.org", true),
            ("known.example.org", false),
            ("www.example.org", true)
        ]
    );
    let ghosts = server.say("ghostlist").await;
    let ghosts: Vec<&str> = ghosts
        .lines()
        .filter_map(|it| it.split('|').next())
        .collect();
    assert_eq!(ghosts, ["ghost", "\u{fc}nknown"]);
}

#[tokio::test]
async fn senders_and_readers_are_asked_who_they_are() {
    let server = Setup {
        keys: "readers = [\"192.0.2.0/24\"]",
        ..Setup::default()
    }
    .start()
    .await;
    server.say("status www,example,org.conn green x").await;
    for refused in [
        "xymondboard",
        "hostinfo",
        "clientlog www.example.org",
        "ghostlist",
    ] {
        assert_eq!(server.say(refused).await, "", "{refused}");
    }
    assert!(!server.say("config hosts.cfg").await.is_empty());
}
