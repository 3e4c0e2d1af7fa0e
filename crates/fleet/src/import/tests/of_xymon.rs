use super::*;

fn example() -> Imported {
    let options = Xymon {
        hosts: Some("hosts.cfg".into()),
        client_local: Some("client-local.cfg".into()),
        analysis: Some("analysis.cfg".into()),
        without_agent: vec![Glob::parse("switch*").unwrap()],
        ..Xymon::default()
    };
    xymon(&options, &Examples::of("xymon")).unwrap()
}

fn hosts(text: &str) -> Imported {
    let options = Xymon {
        hosts: Some("hosts.cfg".into()),
        watchers: vec![host("w")],
        ..Xymon::default()
    };
    xymon(&options, &Shelf::of(&[("hosts.cfg", text)])).unwrap()
}

/// `hosts.cfg` with three hosts, and another file.
fn with(hosts: &str, local: Option<&str>, analysis: Option<&str>) -> Imported {
    let mut files = vec![("hosts.cfg", hosts)];
    files.extend(local.map(|text| ("client-local.cfg", text)));
    files.extend(analysis.map(|text| ("analysis.cfg", text)));
    let options = Xymon {
        hosts: Some("hosts.cfg".into()),
        client_local: local.map(|_| "client-local.cfg".into()),
        analysis: analysis.map(|_| "analysis.cfg".into()),
        ..Xymon::default()
    };
    xymon(&options, &Shelf::of(&files)).unwrap()
}

const THREE: &str = "1.1.1.1 a.x # noconn CLASS:web\npage p\n1.1.1.2 b.x # noconn CLASS:web\n1.1.1.3 c.x # noconn\n";

#[test]
fn an_installation_becomes_a_fleet_file() {
    let imported = example();
    if std::env::var_os("SHOW").is_some() {
        println!("{}\n{:#?}", imported.text, imported.taken);
    }
    let fleet = parsed(&imported);
    let groups = |name: &str| fleet.groups_of(&host(name)).join(" ");
    assert!(groups("web1.example.org").contains("servers.web servers.web.shop"));
    assert!(groups("db2.example.org").contains("servers.db"));
    assert!(groups("ns1.example.org").contains("network"));
    assert_eq!(
        fleet.watcher_of(&host("switch1")),
        Some(&host("monitor.example.org"))
    );
    assert_eq!(
        fleet.parents_of(&host("db1.example.org")),
        [&host("switch1")].into()
    );
    let labels = fleet.labels_of(&host("web1.example.org"));
    assert_eq!(labels["class"], "web");
    assert_eq!(labels["name"], "Shop 1");
    let address = |name: &str| fleet.address_of(&host(name)).map(str::to_owned);
    assert_eq!(address("web1.example.org"), Some("192.0.2.21".into()));
    assert_eq!(address("web2.example.org"), None);
    assert_eq!(
        fleet.silences()[0].hours.to_string(),
        "Mon-Fri 02:00-03:00 UTC"
    );
    assert_eq!(imported.taken["hosts"], 10);
    assert_commented(&imported);
}

#[test]
fn the_xymon_server_goes_on_looking_at_others() {
    let fleet = parsed(&example());
    let looks = items(&fleet, "monitor.example.org");
    for item in [
        "ping:web1.example.org",
        "ssh:web1.example.org",
        "http:http://web1.example.org/health",
        "certificate_expiry:shop.example.org:443",
        "ssh:192.0.2.31",
        "ssh:db2.example.org:2222",
        "dns:example.org",
        "ntp:ns1.example.org",
        "tls:ns1.example.org:993",
        "tcp:ns1.example.org:25",
    ] {
        assert!(looks.iter().any(|look| look == item), "{item}: {looks:#?}");
    }
    for item in [
        "ping:monitor.example.org",
        "ping:db2.example.org",
        "ssh:notebook.example.org",
        "certificate_expiry:ns1.example.org:993",
    ] {
        assert!(!looks.iter().any(|look| look == item), "{item}");
    }
    let judgement = judged(
        &fleet,
        "monitor.example.org",
        "certificate_expiry:shop.example.org:443",
    );
    assert_eq!(judgement, ["sick < 2592000s", "critical < 604800s"]);
    let work = fleet.work_for(&host("monitor.example.org"));
    let watched: Vec<&str> = work.watched[0]
        .items
        .iter()
        .map(|item| item.name.as_str())
        .collect();
    assert_eq!(
        (work.watched[0].host.as_str(), watched),
        ("switch1", vec!["ping", "ssh"])
    );
    assert_eq!(work.watched[0].address, "192.0.2.1");
}

#[test]
fn the_first_rule_that_matches_counts_and_the_default_last() {
    let fleet = parsed(&example());
    let is = |host: &str, item: &str, expected: &[&str]| {
        assert_eq!(judged(&fleet, host, item), expected, "{host} {item}")
    };
    is(
        "web1.example.org",
        "cpu_load",
        &["sick > 2.5", "critical > 5"],
    );
    is(
        "db1.example.org",
        "cpu_load",
        &["sick > 8", "critical > 16"],
    );
    is(
        "db1.example.org",
        "disk_usage:/db",
        &["sick >= 97%", "critical >= 99%"],
    );
    is(
        "db1.example.org",
        "disk_usage:*",
        &["sick >= 90%", "critical >= 95%"],
    );
    is(
        "db1.example.org",
        "swap_used",
        &["sick >= 20%", "critical >= 40%"],
    );
    is(
        "web1.example.org",
        "swap_used",
        &["sick >= 50%", "critical >= 80%"],
    );
    is(
        "web1.example.org",
        "process:nginx",
        &["sick < 2", "sick > 20"],
    );
    is("web2.example.org", "listening:443", &["critical < 1"]);
    is("intranet.example.org", "process:nginx", &[]);
    is(
        "intranet.example.org",
        "log:/var/log/nginx/error.log",
        &["critical > 0 after 10m"],
    );
    is(
        "db1.example.org",
        "file_age:/var/backups/last",
        &["critical >= 90000s", "critical none"],
    );
    is("db2.example.org", "process:cron", &["critical < 1"]);
    let work = fleet.work_for(&host("web1.example.org"));
    let log = work
        .items
        .iter()
        .find(|item| item.name.as_str().starts_with("log:"))
        .unwrap();
    let pattern = serde_json::to_string(&log.options["pattern"]).unwrap();
    assert_eq!(
        pattern,
        r#""(?:(?i)alert|emerg)|(?:worker process exited)""#
    );
    let counted = work
        .items
        .iter()
        .find(|item| item.name.as_str().starts_with("file_content:"))
        .unwrap();
    assert_eq!(
        counted.options["pattern"],
        lockstep_model::Setting::Text("status=50[0-9]".into())
    );
}

#[test]
fn wanted_versions_become_pins() {
    let fleet = parsed(&example());
    let linux = BTreeMap::from([("platform".to_owned(), "linux-x86_64".to_owned())]);
    let follows = |name: &str| {
        let follows = fleet.follows(&host(name), &linux);
        let pins = follows
            .iter()
            .filter_map(|follow| Some(format!("{} {}", follow.package, follow.pin.as_ref()?)));
        pins.collect::<Vec<_>>()
    };
    assert_eq!(follows("web1.example.org"), ["xymon-client 4.3.31"]);
    assert_eq!(follows("db2.example.org"), ["xymon-client 4.3.30"]);
    assert_eq!(
        follows("db1.example.org"),
        ["dbtools 2.1.0", "xymon-client 4.3.30"]
    );
}

#[test]
fn what_is_left_says_why_and_keeps_passwords() {
    let imported = example();
    let left = left(&imported);
    for (place, part) in [
        (
            "hosts.cfg:10: http://***@intranet.example.org/: ",
            "secrets.toml",
        ),
        ("hosts.cfg:10: httpstatus;", "plain numbers"),
        ("hosts.cfg:14: !telnet: ", "must not answer"),
        ("hosts.cfg:15: rpc=mount: ", "RPC"),
        ("hosts.cfg:22: dialup: ", "may be off"),
        ("hosts.cfg:24: this line is a slip: ", "neither a host"),
        (
            "hosts.d/network.cfg:3: dns=example.org,MX:example.org: ",
            "other options",
        ),
        (
            "client-local.cfg:4: [class=web] ignore favicon: ",
            "left out",
        ),
        ("client-local.cfg:5: [class=web] file:", "hash"),
        ("client-local.cfg:8: [class=web] missing", "one pattern"),
        ("client-local.cfg:13: [db1.example.org] dir:", "directory"),
        (
            "client-local.cfg:17: [linux] log:/var/log/messages:10240: ",
            "no LOG rule",
        ),
        ("client-local.cfg:20: [sunos] log:", "Linux"),
        (
            "analysis.cfg:4: PROC postgres 5 GROUP=dba: ",
            "[alert.NAME]",
        ),
        (
            "analysis.cfg:14: FILE /etc/nginx/nginx.conf size<64 mode=644: ",
            "age",
        ),
        ("analysis.cfg:19: LOAD 8.0 16.0", "hours"),
        ("analysis.cfg:25: DISK    /mnt/backup IGNORE: ", "without"),
        ("analysis.cfg:28: MEMPHYS 100 101: ", "memory_available"),
    ] {
        let found = left.iter().find(|left| left.starts_with(place));
        assert!(
            found.is_some_and(|found| found.contains(part)),
            "{place}: {left:#?}"
        );
    }
    assert!(!imported.text.contains("secret@") && !left.concat().contains("secret@"));
}

#[test]
fn names_from_outside_stay_names() {
    let imported = hosts(
        "page p\" Nice\\\"]\n[x]\ngroup <i>\"]</i> = 1 # x\n1.1.1.1 a.x # \"NAME:x\\ny = ]\" COMMENT:#[group.y] http://a.x/\"\"\n",
    );
    let fleet = parsed(&imported);
    assert_eq!(
        fleet.hosts().map(HostName::as_str).collect::<Vec<_>>(),
        ["a.x", "w"]
    );
    assert_eq!(fleet.labels_of(&host("a.x"))["comment"], "#[group.y]");
    assert!(!fleet.groups().any(|group| group == "y"));
    assert_commented(&imported);
}

#[test]
fn includes_are_followed_within_bounds() {
    let chain: Vec<(String, String)> = (0..12)
        .map(|n| {
            (
                format!("{n}.cfg"),
                format!("include {}.cfg\n1.1.1.{} h{n}.x\n", n + 1, n + 1),
            )
        })
        .collect();
    let mut files: Vec<(&str, &str)> = chain
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    files.push(("hosts.cfg", "include 0.cfg\ninclude hosts.cfg\ninclude /etc/shadow\ninclude gone.cfg\noptional include gone.cfg\ndirectory d\noptional directory e\ninclude\n"));
    files.extend([
        ("d/a.cfg", "1.1.2.1 d.x\n"),
        ("d/a.cfg~", "1.1.2.1 e.x\n"),
        ("d/.b.cfg", "1.1.2.1 f.x\n"),
        ("d/loop.cfg", "directory d\n"),
    ]);
    let options = Xymon {
        hosts: Some("hosts.cfg".into()),
        watchers: vec![host("w")],
        ..Xymon::default()
    };
    let imported = xymon(&options, &Shelf::of(&files)).unwrap();
    let fleet = parsed(&imported);
    assert!(fleet.knows(&host("h7.x")) && fleet.knows(&host("d.x")));
    assert!(
        !fleet.knows(&host("h11.x")) && !fleet.knows(&host("e.x")) && !fleet.knows(&host("f.x"))
    );
    let left = left(&imported);
    for (place, part) in [
        ("7.cfg:1: ", "include each other"),
        ("hosts.cfg:2: ", "includes itself"),
        ("hosts.cfg:3: ", "outside"),
        ("hosts.cfg:4: ", "no such file"),
        ("hosts.cfg:8: ", "names no file"),
        ("d/loop.cfg:1: ", "includes itself"),
    ] {
        assert!(
            left.iter()
                .any(|left| left.starts_with(place) && left.contains(part)),
            "{place}: {left:#?}"
        );
    }
    assert!(
        !left
            .iter()
            .any(|left| left.starts_with("hosts.cfg:5: ") || left.starts_with("hosts.cfg:7: "))
    );
    let missing = xymon(&options, &Shelf::default()).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "hosts.cfg cannot be imported: there is no such file"
    );
}

#[test]
fn hosts_are_dealt_to_those_who_look() {
    let text: String = (0..450)
        .map(|n| format!("10.0.{}.{} h{n}.x\n", n / 250, n % 250))
        .collect();
    let left_over = hosts(&text).left;
    assert_eq!(left_over.len(), 50);
    assert!(left_over[0].why.contains("no room"));
    let options = Xymon {
        hosts: Some("hosts.cfg".into()),
        watchers: vec![host("w"), host("v")],
        without_agent: vec![Glob::parse("h1*").unwrap()],
        ..Xymon::default()
    };
    let imported = xymon(&options, &Shelf::of(&[("hosts.cfg", &text)])).unwrap();
    let fleet = parsed(&imported);
    assert_eq!(fleet.watched_by(&host("w")).len(), 64);
    assert_eq!(fleet.watched_by(&host("v")).len(), 47);
    assert_eq!(imported.left, []);
    let none = with("1.1.1.1 a.x\n", None, None);
    assert!(left(&none)[0].contains("--watcher"));
}

#[test]
fn circles_of_routes_are_left() {
    let imported = hosts(
        "1.1.1.1 a.x # route:b.x,c.x\n1.1.1.2 b.x # route:a.x\n1.1.1.3 c.x # route:c.x,gone.x\n",
    );
    assert_eq!(
        parsed(&imported).parents_of(&host("a.x")),
        [&host("b.x"), &host("c.x")].into()
    );
    let left = left(&imported);
    assert_eq!(
        left.iter().filter(|left| left.contains("circle")).count(),
        2,
        "{left:#?}"
    );
    assert!(
        left.iter()
            .any(|left| left.contains("hosts.cfg does not have"))
    );
}

#[test]
fn rules_speak_of_whom_they_spoke() {
    let imported = with(
        THREE,
        None,
        Some(
            "LOAD 2 4 HOST=%^a CLASS=web\nLOAD 4 6 CLASS=web\nLOAD 6 8 PAGE=p\nLOAD 8 10 HOST=*\nLOAD 10 12 PAGE=/ EXCLASS=web\n\
             LOAD 1 2 HOST=%(\nLOAD 1 2 DISPLAYGROUP=x\nDISK * 50 60 HOST=c.x\nDISK / 70 80 HOST=c.x\nDEFAULT\nLOAD 20 40\n",
        ),
    );
    let fleet = parsed(&imported);
    let is = |host: &str, expected: &[&str]| {
        assert_eq!(
            judged(&fleet, host, "cpu_load"),
            expected,
            "{host}\n{}",
            imported.text
        )
    };
    is("a.x", &["sick > 1", "critical > 2"]);
    is("b.x", &["sick > 2", "critical > 3"]);
    is("c.x", &["sick > 3", "critical > 4"]);
    is("new.x", &["sick > 4", "critical > 5"]);
    assert!(fleet.groups_of(&host("b.x")).contains(&"p"));
    let left: Vec<String> = left(&imported)
        .into_iter()
        .filter(|left| !left.contains("--processors"))
        .collect();
    for (line, part) in [
        (5, "no host"),
        (6, "expression"),
        (7, "no host"),
        (9, "never counts"),
    ] {
        let place = format!("analysis.cfg:{line}: ");
        assert!(
            left.iter()
                .any(|left| left.starts_with(&place) && left.contains(part)),
            "{line}: {left:#?}"
        );
    }
    assert_eq!(left.len(), 4, "{left:#?}");
    assert_commented(&imported);
}

#[test]
fn what_a_selector_names_twice_is_named_once() {
    let imported = with(
        THREE,
        Some("[host=^a|^A]\nclientversion:1.0.0\nfile:/x\n"),
        Some("UP 2h HOST=b.x,B.x,c.x\nUP 3h HOST=%a|A|a\nDISK %^/x|^/x 1 2\n"),
    );
    let fleet = parsed(&imported);
    assert_eq!(judged(&fleet, "b.x", "uptime"), ["sick < 7200s"]);
    assert_eq!(judged(&fleet, "a.x", "uptime"), ["sick < 10800s"]);
    assert!(items(&fleet, "a.x").contains(&"file_age:/x".to_owned()));
    assert_eq!(left(&imported), Vec::<String>::new());
}

#[test]
fn sections_count_in_the_order_of_xymon() {
    let imported = with(
        THREE,
        Some(
            "stray\n[os=^lin]\nclientversion:1.0.0\n[class=web]\nclientversion:2.0.0:https://x/\n[host=^a]\nclientversion:3.0.0\n\
             [c*]\nclientversion:new\n[class=none]\nclientversion:4.0.0\nfile:`ls /x`\n[linux]\nfile:/etc/passwd\nwhat\n",
        ),
        None,
    );
    let fleet = parsed(&imported);
    let linux = BTreeMap::from([("platform".to_owned(), "linux-x86_64".to_owned())]);
    for (name, version) in [
        ("a.x", "3.0.0"),
        ("b.x", "2.0.0"),
        ("c.x", "1.0.0"),
        ("other.x", "1.0.0"),
    ] {
        let follows = fleet.follows(&host(name), &linux);
        let pin = follows
            .iter()
            .find_map(|follow| follow.pin.as_ref())
            .map(ToString::to_string);
        assert_eq!(pin.as_deref(), Some(version), "{name}");
    }
    assert!(items(&fleet, "b.x").contains(&"file_age:/etc/passwd".to_owned()));
    let explained = fleet.explain(
        &host("b.x"),
        &ItemName::parse("file_size:/etc/passwd").unwrap(),
    );
    assert!(!explained.keys.is_empty());
    let left = left(&imported);
    for (line, part) in [
        (1, "before the first"),
        (5, "fetched from"),
        (9, "not a version"),
        (11, "no host"),
        (12, "no host"),
        (15, "no such line"),
    ] {
        let place = format!("client-local.cfg:{line}: ");
        assert!(
            left.iter()
                .any(|left| left.starts_with(&place) && left.contains(part)),
            "{line}: {left:#?}"
        );
    }
    assert_eq!(left.len(), 6, "{left:#?}");
    assert_commented(&imported);
}

/// The page about imports shows what really comes out.
#[test]
fn the_example_of_the_manual_is_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/import.md");
    let page = std::fs::read_to_string(path).unwrap();
    let block = |fence: &str| {
        let (_, rest) = page.split_once(&format!("```{fence}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    // The files stand beside each other there; a blank begins the second column.
    let (mut left, mut right) = (String::new(), String::new());
    for line in block("text").lines() {
        let middle = line.char_indices().nth(64).map_or(line.len(), |(at, _)| at);
        left.push_str(&format!("{}\n", line[..middle].trim_end()));
        right.push_str(&format!("{}\n", line[middle..].trim_end()));
    }
    let (local, analysis) = right.split_once("# analysis.cfg\n").unwrap();
    let analysis = format!("# analysis.cfg\n{analysis}");
    let shelf = Shelf::of(&[
        ("hosts.cfg", &left),
        ("client-local.cfg", local),
        ("analysis.cfg", &analysis),
    ]);
    let options = Xymon {
        hosts: Some("hosts.cfg".into()),
        client_local: Some("client-local.cfg".into()),
        analysis: Some("analysis.cfg".into()),
        without_agent: vec![Glob::parse("switch*").unwrap()],
        ..Xymon::default()
    };
    let imported = xymon(&options, &shelf).unwrap();
    assert_eq!(imported.text, block("toml"));
    for toml in page.split("```toml\n").skip(1) {
        let toml = toml.split("```").next().unwrap();
        assert!(
            Fleet::parse(vec![("manual".into(), toml.into())]).is_ok(),
            "{toml}"
        );
    }
}
