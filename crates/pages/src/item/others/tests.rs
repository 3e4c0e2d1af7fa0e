use lockstep_model::{Level, Role, RolloutState, Span, Strategy, View, Wave};

use super::*;
use crate::frame::tests::with_frame;
use crate::hosts::tests::{line, state};
use crate::item::Beside;

const ITEM: &str = "cpu_load";

fn item() -> ItemName {
    ItemName::parse(ITEM).unwrap()
}

fn name(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

/// A host that has the item.
fn host(name: &str, groups: &[&str]) -> HostLine {
    HostLine {
        items: vec![state(ITEM, 1.0, "", Level::FINE)].into(),
        groups: groups.iter().map(ToString::to_string).collect(),
        ..line(name)
    }
}

fn fleet(hosts: Vec<HostLine>) -> Vec<Arc<HostLine>> {
    hosts.into_iter().map(Arc::new).collect()
}

fn found(crowd: Option<Crowd>) -> (String, Vec<String>) {
    let crowd = crowd.unwrap();
    let hosts = crowd.hosts.iter().map(ToString::to_string).collect();
    (crowd.says(), hosts)
}

fn at(minute: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    noon + SignedDuration::from_mins(minute)
}

fn shown(from: i64, to: i64) -> Series {
    Series {
        item: item(),
        unit: "%".into(),
        from: at(from),
        to: at(to),
        bucket_ms: 60_000,
        buckets: Vec::new(),
    }
}

#[test]
fn the_same_groups_count_first() {
    let mut hosts = vec![
        host("web1", &["web", "berlin"]),
        host("web2", &["berlin", "web"]),
        host("web3", &["web", "berlin"]),
        host("db1", &["db", "berlin"]),
        host("lonely", &[]),
    ];
    hosts.push(HostLine {
        items: Vec::new().into(),
        ..host("web9", &["web", "berlin"])
    });
    let few = fleet(hosts.clone());
    let (words, names) = found(others(&few, &name("web1"), &item()));
    assert_eq!(words, "3 other hosts of one of the groups berlin, web");
    assert_eq!(names, ["db1", "web2", "web3"], "web9 does not have it");
    hosts.push(host("web4", &["web", "berlin"]));
    let enough = fleet(hosts.clone());
    let (words, names) = found(others(&enough, &name("web1"), &item()));
    assert_eq!(words, "3 other hosts of the same groups: berlin, web");
    assert_eq!(names, ["web2", "web3", "web4"]);
    assert_eq!(others(&enough, &name("lonely"), &item()), None);
    hosts.push(host("alone", &[]));
    let (words, names) = found(others(&fleet(hosts), &name("lonely"), &item()));
    assert_eq!(words, "one other host without a group, too");
    assert_eq!(names, ["alone"]);
    assert_eq!(others(&enough, &name("nobody"), &item()), None);
}

#[test]
fn of_many_some_are_picked_evenly() {
    let many = (0..1_000)
        .map(|it| host(&format!("web{it:04}"), &["web"]))
        .collect();
    let crowd = others(&fleet(many), &name("web0500"), &item()).unwrap();
    assert_eq!((crowd.all, crowd.hosts.len()), (999, MOST_OTHERS));
    assert_eq!(crowd.hosts.first(), Some(&name("web0000")));
    assert!(crowd.hosts.last() > Some(&name("web0950")));
    let distinct: BTreeSet<&HostName> = crowd.hosts.iter().collect();
    assert_eq!(distinct.len(), MOST_OTHERS);
}

fn rollout(state: RolloutState, hosts: &[&str]) -> Rollout {
    Rollout {
        strategy: Strategy::default(),
        ..serde_json::from_value(serde_json::json!({
            "id": 3, "package": "lockstep", "version": "2.0.0", "from": "1.4.2", "channel": "stable",
            "strategy": Strategy::default(), "state": state.as_str(), "why": "", "created_at": "2026-11-22T11:00:00Z",
            "waves": [Wave::waiting(hosts.iter().map(|it| name(it)).collect())],
        }))
        .unwrap()
    }
}

#[test]
fn the_control_cohort_has_the_old_version() {
    let mut hosts: Vec<HostLine> = (1..=6)
        .map(|it| host(&format!("web{it}"), &["web"]))
        .collect();
    hosts.push(host("db1", &["db"]));
    hosts.push(host("stranger", &["web"]));
    for new in [0, 1] {
        hosts[new].view.version = Some(Version::parse("2.0.0").unwrap());
    }
    hosts[5].view.version = None;
    let hosts = fleet(hosts);
    let members = ["web1", "web2", "web3", "web4", "web5", "web6", "db1"];
    let running = [rollout(RolloutState::Running, &members)];
    let (words, names) = found(old_version(&hosts, &name("web1"), &item(), &running));
    assert_eq!(
        words,
        "3 other hosts of its groups, still without lockstep 2.0.0"
    );
    assert_eq!(
        names,
        ["web3", "web4", "web5"],
        "no word of web6, and others are not its"
    );
    let smaller = [rollout(RolloutState::Running, &["web1", "web3", "db1"])];
    let (words, names) = found(old_version(&hosts, &name("web1"), &item(), &smaller));
    assert_eq!(words, "2 other hosts still without lockstep 2.0.0");
    assert_eq!(names, ["db1", "web3"]);
    // Who has not got it yet is not compared, and neither is anybody when it is over.
    assert_eq!(old_version(&hosts, &name("web3"), &item(), &running), None);
    let over = [rollout(RolloutState::Done, &members)];
    assert_eq!(old_version(&hosts, &name("web1"), &item(), &over), None);
}

#[test]
fn their_course_is_the_median_and_the_middle() {
    let eleven = (0..=10).map(|it| (at(-15), f64::from(it * 10)));
    let two = [(at(-5), 4.0), (at(-3), 2.0)];
    let nonsense = [(at(-5), f64::NAN), (at(-500), 1e9), (at(1), 1e9)];
    let course = course(&shown(-18, 0), eleven.chain(two).chain(nonsense));
    let figures: Vec<_> = course
        .buckets
        .iter()
        .map(|it| (it.at, it.count, it.min, it.mean, it.max))
        .collect();
    // The first slot began at 20 to, before the drawing.
    assert_eq!(figures.len(), 2);
    assert_eq!(figures[0], (at(-18), 11, 10.0, 50.0, 90.0));
    assert_eq!(
        (figures[1].0, figures[1].1, figures[1].3),
        (at(-10), 2, 3.0)
    );
    assert!((figures[1].2 - 2.2).abs() < 1e-9 && (figures[1].4 - 3.8).abs() < 1e-9);
    assert_eq!((course.bucket_ms, course.unit.as_str()), (600_000, "%"));
}

#[test]
fn the_note_is_honest_about_what_is_known() {
    let said = |others: &Others, beside| {
        let range = Range {
            span: Span::View(View::Week),
            beside: Some(beside),
        };
        with_frame(Role::Viewer, |frame| note(others, &range, frame.now)).into_string()
    };
    let crowd = Crowd {
        words: "of the group web".into(),
        hosts: vec![name("web2")],
        all: 50,
    };
    let week = shown(-7 * 24 * 60, 0);
    let of_week = Others {
        crowd: Some(crowd.clone()),
        series: course(&week, [(at(-5), 1.0)]),
    };
    let long = said(&of_week, Beside::Others);
    assert!(
        long.contains("50 other hosts of the group web, of which 1 are read"),
        "{long}"
    );
    assert!(long.contains("what was before <time datetime=\"2026-11-21T12:00:00Z\""));
    let of_hour = Others {
        crowd: Some(crowd.clone()),
        series: course(&shown(-60, 0), [(at(-5), 1.0)]),
    };
    assert!(!said(&of_hour, Beside::Others).contains("nothing to compare"));
    let none = Others {
        crowd: Some(crowd),
        series: course(&week, []),
    };
    assert!(said(&none, Beside::Others).contains("It has none of this time."));
    let nobody = Others::nobody(&week);
    assert!(said(&nobody, Beside::Others).contains("no other host of its groups"));
    assert!(said(&nobody, Beside::OldVersion).contains("no rollout is in motion"));
}
