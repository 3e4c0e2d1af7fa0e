use std::sync::Arc;

use lockstep_model::api::operator::HostView;
use lockstep_model::{HostName, ItemName, ItemState, Level, Role, Value, Version};

use super::*;
use crate::frame::tests::with_frame;

/// An item that has stood so for an hour.
pub(crate) fn state(item: &str, value: f64, unit: &str, level: Level) -> ItemState {
    ItemState {
        item: ItemName::parse(item).unwrap(),
        value: Value::Number {
            value,
            unit: unit.into(),
        },
        level,
        since: "2026-11-22T11:00:00Z".parse().unwrap(),
        why: String::new(),
        no_data: false,
        flapping: false,
        pending: None,
    }
}

/// A fine host without items.
pub(crate) fn line(name: &str) -> HostLine {
    HostLine {
        view: HostView {
            name: HostName::parse(name).unwrap(),
            enrolled_at: "2026-11-01T00:00:00Z".parse().unwrap(),
            last_seen: Some("2026-11-22T11:58:00Z".parse().unwrap()),
            level: Level::FINE,
            version: Some(Version::parse("1.4.2").unwrap()),
            proven: true,
            desired: Some(Version::parse("1.4.2").unwrap()),
            packages: Vec::new(),
            items: Vec::new(),
            boot_id: "b".into(),
            os: "Debian GNU/Linux 13 (trixie)".into(),
            via: None,
            gateway: None,
            work_refused: None,
            owner: None,
            links: Default::default(),
            programs: Vec::new(),
        },
        silent: false,
        items: Items::default(),
        groups: Vec::new(),
        labels: BTreeMap::new(),
        in_run: None,
        unhandled: 0,
        waves: Vec::new(),
        quiet: None,
        hushed: BTreeMap::new(),
    }
}

/// A made-up fleet, the same for the same seed, by name.
pub(crate) fn fleet(hosts: usize, seed: usize) -> Vec<Arc<HostLine>> {
    let mut random = seed as u64 + 1;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let host = |index: usize| {
        let mut host = line(&format!("web{index:04}.example.org"));
        if next(4) > 0 {
            host.groups = vec![["web", "db", "cache"][next(3) as usize].into()];
        }
        host.labels.insert("rack".into(), format!("r{}", next(9)));
        let units = [
            ("cpu_busy", "%"),
            ("memory_available", "%"),
            ("cpu_load", ""),
            ("uptime", "s"),
        ];
        let mut items: Vec<ItemState> = Vec::new();
        for (item, unit) in units {
            let value = next(10_000) as f64 / 100.0;
            if next(10) > 0 {
                items.push(state(item, value, unit, Level::FINE));
            }
        }
        for (probe, count) in [
            ("disk_usage", 10),
            ("inode_usage", 10),
            ("disk_busy", 8),
            ("network_errors", 6),
            ("temperature", 14),
        ] {
            for at in 0..count {
                let value = next(10_000) as f64 / 100.0;
                items.push(state(
                    &format!("{probe}:/srv/{at}"),
                    value,
                    "%",
                    Level::FINE,
                ));
            }
        }
        for it in &mut items {
            if next(100) == 0 {
                it.level = Level::ALL[1 + next(4) as usize];
                it.why = format!("{} ≥ 80 % for {} min", it.value, next(60));
            }
        }
        host.view.level = items.iter().map(|it| it.level).max().unwrap_or_default();
        host.unhandled = usize::from(host.view.level >= Level::SICK);
        host.items = items.into();
        Arc::new(host)
    };
    (0..hosts).map(host).collect()
}

fn shown(role: Role, hosts: &[Arc<HostLine>], question: &str) -> String {
    let ask = Ask::parse(question).unwrap();
    let hosts = Lines::from(hosts.to_vec());
    with_frame(role, |frame| page(frame, &hosts, &ask, "UTC"))
}

/// How many bytes a browser is sent.
fn sent(page: &str) -> usize {
    zstd::bulk::compress(page.as_bytes(), 3).unwrap().len()
}

#[test]
fn a_new_server_says_how_to_enrol() {
    let page = shown(Role::Admin, &[], "");
    assert!(page.contains("lockstep token create") && page.contains(r#"href="/admin/enrolment""#));
}

#[test]
fn a_filter_that_finds_nothing_can_be_taken_off() {
    let page = shown(Role::Viewer, &fleet(3, 1), "q=nobody&view=matrix");
    assert!(page.contains("None of 3 hosts fits."));
    assert!(page.contains(r#"href="/hosts?view=matrix""#));
}

#[test]
fn no_name_and_no_value_becomes_markup() {
    let evil = "\"><script>alert(1)</script>";
    let mut host = line("web1");
    host.groups = vec![evil.into()];
    host.labels.insert(evil.into(), evil.into());
    host.view.os = evil.into();
    let mut item = state("disk_usage:/", 0.0, "%", Level::SICK);
    item.value = Value::Text(evil.into());
    item.why = evil.into();
    let mut named = item.clone();
    named.item = ItemName::parse(&format!("disk_usage:{evil}")).unwrap();
    host.items = vec![item, named].into();
    let hosts = [Arc::new(host)];
    let hostile = link::ask(
        "",
        &[
            ("q", Some("script")),
            ("group", Some(evil)),
            ("label", Some(&format!("{evil}={evil}"))),
        ],
    );
    for question in [
        "",
        "view=matrix",
        "view=matrix&by=items",
        "group_by=group",
        hostile.trim_start_matches('?'),
    ] {
        let page = shown(Role::Admin, &hosts, question);
        assert!(!page.contains("<script>alert"), "{question}");
        assert!(!page.contains(" style="), "{question}");
    }
}

#[test]
fn who_may_not_act_cannot_tick() {
    let hosts = fleet(3, 1);
    let viewer = shown(Role::Viewer, &hosts, "");
    assert!(!viewer.contains(r#"name="host""#) && !viewer.contains(r#"name="verb""#));
    assert!(!viewer.contains("lockstep ack"));
    let operator = shown(Role::Operator, &hosts, "");
    assert_eq!(operator.matches(r#"name="host""#).count(), 3);
    assert!(
        operator.contains(r#"name="verb" value="silence""#)
            && operator.contains("lockstep ack HOST")
    );
}

#[test]
fn all_that_are_found_are_meant_by_their_number() {
    let hosts = fleet(1_234, 1);
    for question in ["", "view=matrix", "view=matrix&by=items&all=true"] {
        let page = shown(Role::Operator, &hosts, question);
        for part in [
            "With all 1234 hosts of the fleet…",
            r#"type="checkbox" name="count" value="1234" required"#,
            r#"name="filter" value="""#,
            r#"name="verb" value="report""#,
            "lockstep host list --names | xargs -I{} lockstep host report {}",
            "until tomorrow 9:00 UTC",
            r#"name="host" value="web"#,
        ] {
            assert!(page.contains(part), "{question}: {part}");
        }
        assert!(!shown(Role::Viewer, &hosts, question).contains(r#"name="verb""#));
    }
    let some = shown(Role::Operator, &hosts, "q=web00&label=rack%3Dr7&sort=cpu");
    assert!(some.contains(r#"name="filter" value="q=web00&amp;label=rack%3Dr7""#));
    assert!(some.contains("found by this filter, on all pages…"));
}

#[test]
fn all_that_are_found_are_meant_by_their_names_too() {
    let lines: Vec<HostLine> = ["web1", "web2", "web3", "web12"].map(line).into();
    let hash = |which: &[usize]| {
        let found: Vec<&HostLine> = which.iter().map(|index| &lines[*index]).collect();
        names_hash(&found)
    };
    assert_eq!(hash(&[0, 1]), hash(&[1, 0]), "in whatever order they stand");
    let others = [hash(&[0, 2]), hash(&[0]), hash(&[3, 1]), hash(&[])];
    assert!(others.iter().all(|it| *it != hash(&[0, 1])), "{others:?}");
    assert_eq!(hash(&[0]).len(), 32);

    // The form carries that of what is found, on whatever page of the list they are, and in whatever order.
    let hosts = fleet(300, 1);
    let found: Vec<&HostLine> = hosts.iter().map(|it| &**it).collect();
    let field = format!(
        r#"<input type="hidden" name="names" value="{}">"#,
        names_hash(&found)
    );
    for question in ["", "page=2", "sort=cpu&desc=true", "view=matrix"] {
        assert!(
            shown(Role::Operator, &hosts, question).contains(&field),
            "{question}"
        );
    }
    assert!(!shown(Role::Operator, &hosts, "q=web00").contains(&field));
    assert!(!shown(Role::Viewer, &hosts, "").contains(r#"name="names""#));
}

#[test]
fn what_is_quiet_has_a_sign_and_a_cell_says_since_when() {
    let mut sick = line("web1");
    sick.view.level = Level::SICK;
    sick.items = vec![
        state("cpu_busy", 93.0, "%", Level::SICK),
        state("patch_age", 9.0 * 86_400.0, "s", Level::SICK),
    ]
    .into();
    sick.labels.insert("rack".into(), "r7".into());
    let cpu = ItemName::parse("cpu_busy").unwrap();
    sick.hushed.insert(cpu, Hush::Acked("olga".into()));
    sick.quiet = Some(Hushed {
        until: Some("2026-11-22T18:00:00Z".parse().unwrap()),
        why: "moving racks".into(),
    });
    let hosts = [Arc::new(sick)];
    for question in ["", "view=matrix", "view=matrix&by=items"] {
        let page = shown(Role::Viewer, &hosts, question);
        for part in [
            "since 2026-11-22 11:00:00 UTC; olga is on it",
            "moving racks, until 2026-11-22 18:00:00 UTC",
            "☾",
            "✓",
        ] {
            assert!(page.contains(part), "{question}: {part}: {page}");
        }
    }
    let list = shown(Role::Viewer, &hosts, "sort=fix&desc=true");
    assert!(list.contains("Oldest fix") && list.contains(r#"href="/hosts?label=rack%3Dr7""#));
    assert!(list.contains("lockstep host list") && list.contains("with fixes older than 7 days"));
}

#[test]
fn a_filter_has_a_chip_and_the_strip_s_links_work() {
    let mut silent = line("db1");
    silent.silent = true;
    silent.view.level = Level::DEAD;
    let hosts = [Arc::new(silent), Arc::new(line("web1"))];
    for question in ["silent=true", "level=4"] {
        let page = shown(Role::Viewer, &hosts, question);
        assert!(
            page.contains("/hosts/db1") && !page.contains("/hosts/web1\""),
            "{question}"
        );
        assert!(
            page.contains(r#"<a href="/hosts" aria-label="Without the filter"#),
            "{question}"
        );
    }
}

#[test]
fn the_matrix_leaves_out_what_is_fine() {
    let mut sick = line("web1");
    sick.view.level = Level::SICK;
    sick.items = vec![
        state("cpu_load", 3.0, "", Level::SICK),
        state("uptime", 9e6, "s", Level::FINE),
    ]
    .into();
    let mut fine = line("web2");
    fine.items = vec![state("cpu_load", 0.1, "", Level::FINE)].into();
    let hosts = [Arc::new(sick), Arc::new(fine)];
    let page = shown(Role::Viewer, &hosts, "view=matrix");
    assert!(
        page.contains("/hosts/web1/items/cpu_load")
            && page.contains("sick: 3; since 2026-11-22 11:00:00 UTC")
    );
    assert!(!page.contains("/items/uptime") && !page.contains("/hosts/web2"));
    assert!(page.contains("one host, one item"));
    let all = shown(Role::Viewer, &hosts, "view=matrix&by=items&all=true");
    assert!(all.contains("/items/uptime") && all.contains("/hosts/web2"));
}

#[test]
fn a_silent_host_stays_in_the_matrix() {
    let mut silent = line("db1");
    silent.silent = true;
    silent.view.level = Level::DEAD;
    let page = shown(Role::Viewer, &[Arc::new(silent)], "view=matrix");
    assert!(page.contains("/hosts/db1") && page.contains("what it said last"));
}

#[test]
fn a_thousand_hosts_fit_into_a_page() {
    let hosts = fleet(1_000, 7);
    for question in [
        "",
        "group_by=group",
        "view=matrix",
        "view=matrix&all=true",
        "view=matrix&by=items&all=true",
    ] {
        let page = shown(Role::Operator, &hosts, question);
        let bytes = sent(&page);
        println!("{question:?}: {} bytes, {bytes} sent", page.len());
        // Gzip, which browsers are answered with, makes them a fifth larger than this.
        assert!(bytes < 80_000, "{question:?}: {bytes} bytes");
        assert!(page.contains(r#"rel="next""#), "{question:?} has one page");
    }
}
