use super::*;

fn example() -> Imported {
    let files = Dmon {
        conf: Some("conf".into()),
        work: Some("work".into()),
    };
    dmon(&files, &Examples::of("dmon")).unwrap()
}

#[test]
fn an_installation_becomes_a_fleet_file() {
    let imported = example();
    let fleet = parsed(&imported);
    assert_eq!(
        *fleet.levels().all(),
        ["gut", "naja", "krank", "kritisch", "tot"]
    );
    assert_eq!(fleet.groups().collect::<Vec<_>>(), ["db", "web"]);
    let work = fleet.work_for(&host("web1.example.org"));
    assert_eq!(
        (work.sample.to_string(), work.report.to_string()),
        ("30s".into(), "4m".into())
    );
    assert!(items(&fleet, "web2.example.org").contains(&"unit:nginx".to_owned()));
    assert!(!items(&fleet, "db1.example.org").contains(&"unit:nginx".to_owned()));
    assert_eq!(imported.taken["hosts"], 3);
    assert_commented(&imported);
}

#[test]
fn what_is_left_says_where_it_belongs_now() {
    let left = left(&example());
    for (place, part) in [
        ("conf:2: server  ", "agent.toml"),
        (
            "conf:5: PORT  ",
            "[gateway.dmon] listen = \"0.0.0.0:22007\"",
        ),
        ("conf:6: rotate  ", "LOCKSTEP_LOG_DIR"),
        ("conf:8: plot_url", "history"),
        ("work:5: pmaker web: ", "page makers"),
        ("work:13: get web httpd_requests: ", "docs/monitoring.md"),
        ("work:16: get old cpu_load: ", "no host has this tag"),
        ("work:17: user ann", "[user.NAME]"),
    ] {
        let found = left.iter().find(|left| left.starts_with(place));
        assert!(
            found.is_some_and(|found| found.contains(part)),
            "{place}: {left:#?}"
        );
    }
    assert_eq!(left.len(), 8, "{left:#?}");
}

#[test]
fn levels_are_renamed_together_or_not_at_all() {
    let import = |text: &str| {
        let files = Dmon {
            conf: None,
            work: Some("work".into()),
        };
        dmon(&files, &Shelf::of(&[("work", text)])).unwrap()
    };
    assert_eq!(
        parsed(&import("fit_level soso sick\nfit_level sick krank\n"))
            .levels()
            .all()[1..3],
        ["sick", "krank"]
    );
    for (text, part) in [
        ("fit_level soso sick\n", "names two levels"),
        ("fit_level soso clear\n", "word of fitness"),
        ("fit_level bad x\n", "the levels are"),
        ("fit_level soso a\nfit_level soso b\n", "twice"),
        ("fit_level soso a b\n", "one word"),
    ] {
        let imported = import(text);
        let left = left(&imported);
        assert!(
            left.len() == 1 && left[0].contains(part),
            "{text}: {left:?}"
        );
        assert_commented(&imported);
    }
}

#[test]
fn intervals_outside_of_what_a_fleet_file_takes_are_left() {
    let import = |text: &str| {
        let files = Dmon {
            conf: Some("conf".into()),
            work: None,
        };
        left(&dmon(&files, &Shelf::of(&[("conf", text)])).unwrap()).join("")
    };
    assert_eq!(import("ival_make_state 60\n"), "");
    assert!(import("ival_make_state 2h\n").contains("not between 1s and 1h"));
    assert!(import("ival_make_state soon\n").contains("is not an interval"));
    assert!(import("ival_send_report 1m\nival_send_report 2m\n").contains("twice"));
    assert!(import("what is this\n").contains("no such setting"));
    assert!(import("PORT x\n").contains("a port is expected"));
}
