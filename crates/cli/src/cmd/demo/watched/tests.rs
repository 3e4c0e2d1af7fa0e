use lockstep_fleet::Fleet;
use lockstep_model::alert::{Notice, NoticeEntry};
use lockstep_model::{HostName, ItemName, LevelNames, Value};

use super::*;

fn run(number: u8) -> RunId {
    RunId::new(Timestamp::UNIX_EPOCH, [number; 10])
}

/// A message about one item, from one run or from none.
fn message(id: &str, kind: NoticeKind, run: Option<RunId>) -> DeliveryView {
    let at = Timestamp::UNIX_EPOCH;
    let entry = NoticeEntry {
        kind,
        host: HostName::parse("host1").unwrap(),
        item: ItemName::parse("agent_memory").unwrap(),
        level: Level::SICK,
        told: Level::FINE,
        value: Value::Text("much".into()),
        why: String::new(),
        since: at,
        ended: None,
        changes: Vec::new(),
        run,
        note: String::new(),
        groups: Vec::new(),
    };
    let notice = Notice {
        id: id.into(),
        receiver: "file".into(),
        route: "everything".into(),
        thread: id.into(),
        at,
        entries: vec![entry],
        more: 0,
        cause: None,
        levels: LevelNames::default(),
        server_url: None,
    };
    DeliveryView {
        id: id.into(),
        notice,
        state: "delivered".into(),
        attempts: 1,
        error: None,
        created_at: at,
        at,
    }
}

#[test]
fn the_fleet_file_has_no_mistake_wherever_the_demo_lies() {
    for dir in ["/tmp/demo", "/tmp/a \"quoted\" place", "/tmp/back\\slash"] {
        let item = format!("file_size:{dir}/queue");
        let program = ["/bin/sh".into(), format!("{dir}/tell.sh")];
        let text = fleet_file(&item, &program);
        let fleet = Fleet::parse(vec![("fleet.toml".into(), text)]).unwrap();
        let host = |name| HostName::parse(name).unwrap();
        let watches = |name| {
            let items = fleet.work_for(&host(name)).items;
            items.iter().any(|it| it.name.as_str() == item)
        };
        assert!(watches(HOST) && !watches("host2"), "{dir}");
    }
}

#[test]
fn a_problem_without_a_run_blames_nobody() {
    let runs = [run(1), run(2)];
    let blamed = message("a", NoticeKind::Problem, Some(run(2)));
    let closing = message("b", NoticeKind::Recovered, None);
    assert!(blame(&[], &runs));
    assert!(blame(&[&blamed, &closing], &runs));
    for run in [None, Some(run(3))] {
        assert!(!blame(
            &[&blamed, &message("c", NoticeKind::Problem, run)],
            &runs
        ));
    }
}
