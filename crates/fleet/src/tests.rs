use std::collections::BTreeMap;

use lockstep_model::{HostName, ItemName, Setting, Work, WorkItem};

use super::*;

mod changes;
mod faults;
mod faults_of_changes;
mod faults_of_rollouts;
mod follows;
mod precedence;
mod properties;

fn fleet(text: &str) -> Fleet {
    Fleet::parse(vec![("fleet.toml".into(), text.into())])
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn names(work: &Work) -> Vec<&str> {
    work.items.iter().map(|item| item.name.as_str()).collect()
}

fn entry<'a>(work: &'a Work, name: &str) -> &'a WorkItem {
    let found = work.items.iter().find(|item| item.name.as_str() == name);
    found.unwrap_or_else(|| panic!("{name} is not among {:?}", names(work)))
}

fn conditions(item: &WorkItem) -> Vec<String> {
    let rules = &item.fitness.as_ref().unwrap().rules;
    rules
        .iter()
        .map(|rule| format!("{} {}", rule.level, rule.when))
        .collect()
}

#[test]
fn an_empty_file_is_a_fleet_with_the_defaults() {
    assert_eq!(fleet("").work_for(&host("any")), Work::default());
    fn is_shared<T: Send + Sync>(_: &T) {}
    is_shared(&fleet(""));
}

#[test]
fn the_more_particular_place_counts_for_each_key() {
    let fleet = fleet(
        r#"
        [defaults]
        timeout = "9s"
        items = ["disk_usage:*", "cpu_load"]
        [fitness.disk_usage]
        sick = ">= 50%"
        [item."disk_*:*"]
        every = "2m"
        [item."disk_usage:*"]
        every = "3m"
        timeout = "8s"
        [group.web]
        hosts = ["web*"]
        [group.web.item."disk_usage:*"]
        timeout = "7s"
        [host.web1.item."*"]
        timeout = "6s"
        fitness = { dead = "none" }
        "#,
    );
    let told = |name: &str| {
        let work = fleet.work_for(&host(name));
        let item = entry(&work, "disk_usage:*").clone();
        (
            item.every.unwrap().to_string(),
            item.timeout.unwrap().to_string(),
            conditions(&item),
        )
    };
    let is = |name: &str, every: &str, timeout: &str, level: &str| {
        assert_eq!(
            told(name),
            (every.into(), timeout.into(), vec![level.into()]),
            "{name}"
        );
    };
    is("db1", "3m", "8s", "sick >= 50%");
    is("web2", "3m", "7s", "sick >= 50%");
    is("web1", "3m", "6s", "dead none");
    let work = fleet.work_for(&host("db1"));
    assert_eq!(entry(&work, "cpu_load").timeout.unwrap().to_string(), "9s");
    assert_eq!(entry(&work, "cpu_load").fitness, None);
}

#[test]
fn groups_and_hosts_add_and_take_away() {
    let fleet = fleet(
        r#"
        [defaults]
        items = ["cpu_load", "users", "temperature:*"]
        [group.vm]
        hosts = ["role=vm", "vm*"]
        without = ["temp*", "users"]
        items = ["cpu_steal"]
        [host.vm1]
        labels = { role = "vm" }
        items = ["users"]
        [host.a1]
        labels = { role = "vm" }
        without = ["cpu_steal"]
        "#,
    );
    let watched = |name: &str| names(&fleet.work_for(&host(name))).join(" ");
    assert_eq!(watched("b1"), "cpu_load temperature:* users");
    assert_eq!(watched("vm2"), "cpu_load cpu_steal");
    assert_eq!(watched("vm1"), "cpu_load cpu_steal users");
    assert_eq!(watched("a1"), "cpu_load");
    assert_eq!(fleet.groups_of(&host("a1")), ["vm"]);
    assert_eq!(fleet.groups_of(&host("b1")), [""; 0]);
    assert_eq!(fleet.labels_of(&host("a1"))["role"], "vm");
}

#[test]
fn of_two_groups_the_one_with_priority_counts() {
    let text = r#"
        [group.all]
        hosts = ["*"]
        sample = "2m"
        item."cpu_load".every = "40s"
        [group.web]
        hosts = ["web*"]
        priority = 5
        sample = "30s"
        report = "1m"
        item."*".every = "50s"
        "#;
    let fleet = fleet(text);
    let work = fleet.work_for(&host("web1"));
    assert_eq!(
        (work.sample.to_string(), work.report.to_string()),
        ("30s".into(), "1m".into())
    );
    assert_eq!(entry(&work, "cpu_load").every.unwrap().to_string(), "50s");
    assert_eq!(fleet.work_for(&host("db1")).sample.to_string(), "2m");
    let errors = Fleet::parse(vec![("f".into(), text.replace("priority = 5", ""))]).unwrap_err();
    assert_eq!(errors.shown.len(), 1, "{errors}");
}

#[test]
fn a_rule_for_a_part_of_a_pattern_becomes_an_entry() {
    let fleet = fleet(
        r#"
        [defaults]
        items = ["disk_usage:*", "cpu_load"]
        [item."disk_usage:/mnt/*"]
        every = "1h"
        [item."disk_us*:/var"]
        timeout = "5s"
        [item."disk_usage:*"]
        timeout = "4s"
        "#,
    );
    let work = fleet.work_for(&host("a"));
    assert_eq!(
        names(&work),
        [
            "cpu_load",
            "disk_usage:*",
            "disk_usage:/mnt/*",
            "disk_usage:/var"
        ]
    );
    // What the pattern says holds for the part as well, where the part is silent.
    assert_eq!(
        entry(&work, "disk_usage:/mnt/*")
            .timeout
            .unwrap()
            .to_string(),
        "4s"
    );
    let counts = |item| work.entry(item).unwrap().timeout.unwrap().to_string();
    assert_eq!(
        (counts("disk_usage:/var"), counts("disk_usage:/")),
        ("5s".into(), "4s".into())
    );
}

#[test]
fn what_holds_for_all_comparisons_is_put_into_each() {
    let fleet = fleet(
        r#"
        [fitness.disk_usage]
        soso = ">= 80%"
        sick = [">= 90% for 5m", "none for 3"]
        critical = ">= 95% and disk_free < 5GB clear 91%"
        clear = "2%"
        after = "15m"
        mean = "10m"
        [fitness.memory_available]
        sick = "<= 10.1%"
        clear = "0.2%"
        for = 3
        "#,
    );
    let work = fleet.work_for(&host("a"));
    let disk = entry(&work, "disk_usage:*");
    assert_eq!(
        conditions(disk),
        [
            "soso >= 80% clear 78% after 15m",
            "sick >= 90% for 5m clear 88% after 15m",
            "sick none for 3",
            "critical >= 95% and disk_free < 5000000000bytes clear 91% after 15m"
        ]
    );
    assert_eq!(
        disk.fitness.as_ref().unwrap().mean.unwrap().to_string(),
        "10m"
    );
    assert_eq!(
        conditions(entry(&work, "memory_available")),
        ["sick <= 10.1% for 3 clear 10.3%"]
    );
}

#[test]
fn options_reach_the_probes_that_know_them() {
    let fleet = fleet(
        r#"
        [group.web]
        hosts = ["web1"]
        items = ["http:https://localhost/", "tcp:localhost:22", "cpu_load"]
        [item."*"]
        expect = "SSH"
        [item."http:*"]
        status = [200, "204"]
        insecure = true
        "#
        .replace("[200, \"204\"]", "200")
        .as_str(),
    );
    let work = fleet.work_for(&host("web1"));
    let options = |name: &str| entry(&work, name).options.clone();
    assert_eq!(
        options("http:https://localhost/"),
        BTreeMap::from([
            ("insecure".into(), Setting::Flag(true)),
            ("status".into(), Setting::Number(200.0))
        ])
    );
    assert_eq!(
        options("tcp:localhost:22"),
        BTreeMap::from([("expect".into(), Setting::Text("SSH".into()))])
    );
    assert!(options("cpu_load").is_empty());
}

const DUMB: &str = r#"
    [group.rack]
    hosts = ["web1", "ups1", "switch1"]
    depends = ["switch1"]
    [group.all]
    hosts = ["*"]
    items = ["processes", "ping"]
    [host.switch1]
    [host.ups1]
    via = "web1"
    address = "192.0.2.7"
    snmp = { version = "2c", secret = "ups" }
    items = ["snmp:1.3.6.1.2.1.33.1.2.4.0"]
    sample = "2m"
    [host.ups1.item."ping"]
    every = "30s"
"#;

#[test]
fn a_host_without_an_agent_is_watched_by_another() {
    let fleet = fleet(DUMB);
    let work = fleet.work_for(&host("web1"));
    let [watched] = work.watched.as_slice() else {
        panic!("{:?}", work.watched)
    };
    assert_eq!(
        (watched.host.as_str(), watched.address.as_str()),
        ("ups1", "192.0.2.7")
    );
    assert_eq!(watched.snmp.as_ref().unwrap().secret, "ups");
    // What can only be read on the host itself is left out.
    let items: Vec<_> = watched
        .items
        .iter()
        .map(|item| (item.name.as_str(), item.every.unwrap().to_string()))
        .collect();
    assert_eq!(
        items,
        [
            ("ping", "30s".into()),
            ("snmp:1.3.6.1.2.1.33.1.2.4.0", "2m".into())
        ]
    );
    assert_eq!(fleet.watched_by(&host("web1")), [host("ups1")]);
    assert_eq!(fleet.watcher_of(&host("ups1")), Some(&host("web1")));
    assert!(fleet.watched_by(&host("web2")).is_empty());
    let parents = |name: &str| {
        let parents = fleet.parents_of(&host(name));
        parents
            .into_iter()
            .map(HostName::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(parents("ups1"), "switch1 web1");
    assert_eq!(parents("web1"), "switch1");
    assert_eq!(parents("switch1"), "");
    let hosts: Vec<&str> = fleet.hosts().map(HostName::as_str).collect();
    assert_eq!(hosts, ["switch1", "ups1", "web1"]);
}

#[test]
fn alerts_and_silences_are_compiled() {
    let fleet = fleet(
        r#"
        levels = ["gut", "naja", "krank", "schlimm", "tot"]
        [defaults]
        timezone = "Europe/Zurich"
        [group.web]
        hosts = ["web*"]
        [user.ann]
        mail = "ann@example.org"
        ntfy = "https://ntfy.example.org/ann"
        token_file = "/etc/lockstep/ntfy"
        fallback = "pager"
        [receiver.pager]
        exec = ["/usr/local/bin/page", "--now", "--now"]
        template = { url = "https://x.example.org", body = "{{text}}", headers = { Accept = "*/*" } }
        [alert.on-call]
        to = ["ann", "webhook:https://hooks.example.org/x"]
        when = { group = "web", items = ["http:*"], level = ">= krank", hours = "Mon-Fri 08:00-18:00" }
        escalate = [{ after = "30m", to = ["pager"] }]
        repeat = "2h"
        [alert.all]
        to = "mail:ops@example.org"
        [alerts]
        wait = "30s"
        most = 20
        [silence.backup]
        groups = ["web"]
        items = ["disk_busy:*"]
        hours = "Sun 02:00-04:00"
        reason = "backups are written"
        "#,
    );
    let rules = fleet.alert_rules();
    let receivers: Vec<(&str, usize)> = rules
        .receivers
        .iter()
        .map(|(name, receiver)| (name.as_str(), receiver.ways.len()))
        .collect();
    assert_eq!(
        receivers,
        [
            ("ann", 2),
            ("mail:ops@example.org", 1),
            ("pager", 2),
            ("webhook:hooks.example.org#7d060140", 1)
        ]
    );
    let [on_call, all] = rules.routes.as_slice() else {
        panic!("{:?}", rules.routes)
    };
    assert_eq!(
        (on_call.name.as_str(), all.name.as_str()),
        ("on-call", "all")
    );
    assert_eq!(on_call.when.groups, ["web"]);
    assert_eq!(
        on_call.when.level.unwrap().level,
        lockstep_model::Level::SICK
    );
    assert_eq!(on_call.escalate[0].to, ["pager"]);
    assert_eq!(
        (rules.pace.wait.to_string(), rules.pace.most),
        ("30s".into(), 20)
    );
    assert_eq!(rules.levels.all()[2], "krank");
    let [silence] = fleet.silences() else {
        panic!("{:?}", fleet.silences())
    };
    assert!(silence.is_in_force("2026-11-22T01:00:00Z".parse().unwrap()));
    assert!(!silence.is_in_force("2026-11-22T03:00:00Z".parse().unwrap()));
}

#[test]
fn an_explanation_names_the_line_of_each_key() {
    let text = r#"[defaults]
timeout = "9s"
[group.web]
hosts = ["web1"]
items = ["http:https://localhost/"]
sample = "30s"
[group.web.item."http:*"]
status = 200
[item."http:*"]
fitness = "slow"
[fitness.slow]
soso = "> 300ms"
mean = "5m"
"#;
    let fleet = fleet(text);
    let item = ItemName::parse("http:https://localhost/").unwrap();
    assert_eq!(
        fleet.explain(&host("web1"), &item).to_string(),
        "http:https://localhost/ on web1, which is in group web\n  \
         watched  http:https://localhost/  fleet.toml:5:10\n  \
         every    30s                      fleet.toml:6:10\n  \
         timeout  9s                       fleet.toml:2:11\n  \
         mean     5m                       fleet.toml:13:8\n  \
         soso     > 0.3s                   fleet.toml:12:8\n  \
         status   200                      fleet.toml:8:10"
    );
    let item = ItemName::parse("disk_usage:/var").unwrap();
    let explained = fleet.explain(&host("db1"), &item);
    assert!(explained.watched && explained.keys[0].value == "disk_usage:*");
    let built_in = explained.keys.iter().find(|key| key.key == "sick").unwrap();
    assert!(built_in.place.is_none(), "{explained}");
    let item = ItemName::parse("ping:x").unwrap();
    let explained = fleet.explain(&host("db1"), &item);
    assert!(
        explained.to_string().contains("is not watched"),
        "{explained}"
    );
    let json =
        serde_json::to_value(fleet.explain(&host("web1"), &ItemName::parse("cpu_load").unwrap()))
            .unwrap();
    assert_eq!(json["keys"][1]["place"]["line"], 6);
}

#[test]
fn an_explanation_says_what_the_work_document_says() {
    let fleet = fleet(DUMB);
    for name in ["web1", "ups1", "other"] {
        let work = fleet.work_for(&host(name));
        for item in &work.items {
            let item_name = ItemName::parse(&item.name.as_str().replace('*', "x")).unwrap();
            let explained = fleet.explain(&host(name), &item_name);
            let every = explained
                .keys
                .iter()
                .find(|key| key.key == "every")
                .unwrap();
            assert_eq!(
                every.value,
                item.every.unwrap_or(work.sample).to_string(),
                "{name} {item_name}"
            );
        }
    }
}

#[test]
fn a_difference_names_hosts_items_and_alerts() {
    let old = fleet(
        "[group.web]\nhosts = [\"web1\", \"web2\"]\nitems = [\"listening\"]\n[user.ann]\nmail = \"a@b\"\n",
    );
    let new = fleet(
        "[group.web]\nhosts = [\"web1\", \"web2\"]\nsample = \"30s\"\nwithout = [\"users\"]\n\
         [fitness.cpu_load]\nsick = \"> 4\"\n[host.web3]\n[host.web3.item.uptime]\nevery = \"5m\"\n\
         [user.ann]\nmail = \"a@c\"\n",
    );
    let hosts: Vec<HostName> = ["web1", "web2", "web3"].map(host).into();
    let diff = old.diff(&new, &hosts);
    assert_eq!(
        diff.to_string(),
        "web1, web2:\n  - listening\n  - users\n  ~ sample: 1m -> 30s\n  ~ cpu_load sick: nothing -> > 4\n\n\
         web3:\n  ~ cpu_load sick: nothing -> > 4\n  ~ uptime every: nothing -> 5m\n\n\
         hosts that the file does not name:\n  ~ cpu_load sick: nothing -> > 4\n\n\
         alerts:\n  ~ receiver ann: {\"ways\":[{\"way\":\"mail\",\"to\":\"a@b\"}]} -> {\"ways\":[{\"way\":\"mail\",\"to\":\"a@c\"}]}"
    );
    assert!(old.diff(&old, &hosts).is_empty());
    assert!(
        new.diff(&old, &hosts).hosts[&host("web1")]
            .added
            .contains(&"listening".into())
    );
}

#[test]
fn a_fleet_is_loaded_from_a_file_and_its_fragments() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        use std::io::Write;
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path)
            .unwrap()
            .write_all(bytes)
            .unwrap();
    };
    put("fleet.toml", b"[defaults]\nsample = \"2m\"\n");
    let path = dir.path().join("fleet.toml");
    let alone = Fleet::load(&path).unwrap();
    put("fleet.d/20-web.toml", b"[group.web]\nhosts = [\"web*\"]\n");
    put(
        "fleet.d/10-defaults.toml",
        b"[defaults]\nreport = \"10m\"\n",
    );
    put("fleet.d/notes.txt", b"not a fragment");
    put("fleet.d/.hidden.toml", b"[nonsense]");
    let fleet = Fleet::load(&path).unwrap();
    let texts: Vec<&str> = fleet.texts().map(|(name, _)| name).collect();
    assert_eq!(
        texts,
        [
            "fleet.toml",
            "fleet.d/10-defaults.toml",
            "fleet.d/20-web.toml"
        ]
    );
    let work = fleet.work_for(&host("web1"));
    assert_eq!(
        (work.sample.to_string(), work.report.to_string()),
        ("2m".into(), "10m".into())
    );
    assert_ne!(alone.fingerprint(), fleet.fingerprint());
    assert_eq!(
        fleet.fingerprint(),
        Fleet::load(&path).unwrap().fingerprint()
    );
    let again = Fleet::parse(
        fleet
            .texts()
            .map(|(n, t)| (n.to_owned(), t.to_owned()))
            .collect(),
    )
    .unwrap();
    assert_eq!(again.fingerprint(), fleet.fingerprint());

    put("fleet.d/30-latin.toml", b"# ok\n# caf\xe9\n");
    put(
        "fleet.d/40-large.toml",
        &vec![b'#'; Fleet::LARGEST_FILE + 1],
    );
    put("fleet.d/50-wrong.toml", b"[group.web]\nhosts = [\"x\"]\n");
    let errors = Fleet::load(&path).unwrap_err().to_string();
    assert!(
        errors.contains("fleet.d/30-latin.toml: it is not UTF-8; see line 2"),
        "{errors}"
    );
    assert!(
        errors.contains("fleet.d/40-large.toml: it is larger than"),
        "{errors}"
    );
    assert!(errors.contains("fleet.d/50-wrong.toml:1:8: group \"web\" is defined twice; first at fleet.d/20-web.toml:1:8"), "{errors}");
    let errors = Fleet::load(&dir.path().join("absent.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        errors.contains("absent.toml: it cannot be read"),
        "{errors}"
    );
}

#[test]
fn the_examples_of_the_manual_are_fleet_files() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/fleet.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() > 5);
    for block in blocks {
        let key = ("key_file:keys/driveclient.asc", crate::keys::tests::KEY);
        let texts = [("fleet.md", block), key].map(|(name, text)| (name.into(), text.into()));
        if let Err(errors) = Fleet::parse(texts.into()) {
            panic!("{block}\n{errors}");
        }
    }
    // Every key of a strategy and of a rule has a row.
    let keys = crate::parse::strategy::keys().chain(crate::parse::follow::KEYS);
    for key in keys {
        let first = |row: &str| row.split(" | ").next().unwrap_or_default().to_owned();
        let mut rows = text.lines().filter(|line| line.starts_with("| `"));
        assert!(
            rows.any(|row| first(row).contains(&format!("`{key}`"))),
            "{key} is not documented"
        );
    }
    // Every probe, and every option, is named there.
    for probe in crate::probes::PROBES {
        assert!(text.contains(&format!("`{}", probe.name)), "{}", probe.name);
        for option in probe.options {
            assert!(
                text.contains(&format!("`{}`", option.name)),
                "{}",
                option.name
            );
        }
    }
}

#[test]
fn ten_thousand_hosts_are_no_burden() {
    use std::fmt::Write;
    let mut text = String::from("[item.\"disk_usage:/var*\"]\nevery = \"5m\"\n");
    for group in 0..100 {
        write!(
            text,
            "[group.g{group}]\nhosts = [\"h*{group:02}\", \"role=r{group}\"]\nitems = [\"unit:u{group}\"]\n\
             [group.g{group}.item.\"unit:u{group}\"]\nevery = \"2m\"\n"
        )
        .unwrap();
    }
    let mut fragments = vec![("fleet.toml".to_owned(), text)];
    for part in 0..10 {
        let mut text = String::new();
        for host in 0..1000 {
            writeln!(
                text,
                "[host.h{}]\nlabels = {{ role = \"r{}\" }}",
                part * 1000 + host,
                host % 100
            )
            .unwrap();
        }
        fragments.push((format!("fleet.d/{part}.toml"), text));
    }
    let fleet = Fleet::parse(fragments).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(fleet.hosts().count(), 10_000);
    let work = fleet.work_for(&host("h4242"));
    assert!(entry(&work, "unit:u42").every.is_some());
    assert!(serde_json::to_vec(&work).unwrap().len() < 4_000);
}

#[test]
fn whose_a_host_is_and_what_there_is_to_read() {
    let fleet = fleet(
        "[group.all]\nhosts = [\"*\"]\nowner = \"operations\"\nlinks = { wiki = \"https://wiki/\", runbook = \"https://all/\" }\n\
         [group.db]\nhosts = [\"db*\"]\npriority = 1\nowner = \"dba team\"\nlinks = { runbook = \"https://db/\" }\n\
         [host.db2]\nowner = \"ann\"\n",
    );
    let owner = |name: &str| {
        fleet
            .owner_of(&HostName::parse(name).unwrap())
            .map(str::to_owned)
    };
    assert_eq!(owner("web1").as_deref(), Some("operations"));
    assert_eq!(owner("db1").as_deref(), Some("dba team"));
    assert_eq!(owner("db2").as_deref(), Some("ann"));
    let links = fleet.links_of(&HostName::parse("db2").unwrap());
    let links: Vec<_> = links.into_iter().collect();
    assert_eq!(
        links,
        [("runbook", "https://db/"), ("wiki", "https://wiki/")]
    );
    let parse = |text: &str| Fleet::parse(vec![("fleet.toml".into(), text.into())]);
    let bad =
        parse("[group.x]\nhosts = [\"*\"]\nlinks = { a = \"javascript:alert(1)\" }\n").unwrap_err();
    assert!(bad.to_string().contains("fleet.toml:3"), "{bad}");
}
