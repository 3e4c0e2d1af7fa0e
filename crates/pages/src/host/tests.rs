use lockstep_model::alert::{Ack, Trouble};
use lockstep_model::api::Installed;
use lockstep_model::{
    Change, ChangeKind, Event, EventKind, Fence, Holder, ItemState, Lacks, Level, Lock, LockHolder,
    LockName, LockRule, LockState, Outcome, PackageName, Pending, Phase, Role, RunId, RunKind,
    RunRecord, Value, Version, WishState, WishVerb,
};

use super::*;
use crate::frame::tests::with_frame;
use crate::hosts::tests::{line, state};
use crate::runs::Shift;

const AT: &str = "2026-11-22T11:30:00Z";

fn draw(role: Role, sheet: &HostSheet<'_>) -> String {
    with_frame(role, |frame| page(frame, sheet))
}

/// All there can be, with the same text in each place that has one.
struct Full {
    line: HostLine,
    problems: Vec<ProblemView>,
    rules: BTreeMap<ItemName, Vec<Said>>,
    explained: Vec<Explanation>,
    days: BTreeMap<ItemName, Vec<Option<f64>>>,
    runs: Vec<RunView>,
    verdicts: BTreeMap<RunId, Verdict>,
    events: Vec<StoredEvent>,
    locks: Vec<LockView>,
    wishes: Vec<WishView>,
    text: String,
}

impl Full {
    fn of(text: &str) -> Self {
        let at = AT.parse().unwrap();
        let mut host = line("web1");
        let name = host.view.name.clone();
        let disk = ItemState {
            value: Value::Text(text.into()),
            why: text.into(),
            ..state("disk_usage:/var", 0.0, "%", Level::SICK)
        };
        host.items = vec![state("cpu_load", 0.5, "", Level::FINE), disk.clone()].into();
        host.view.level = Level::SICK;
        host.view.os = text.into();
        host.view.boot_id = text.into();
        host.view.work_refused = Some(text.into());
        host.view.packages = vec![Installed {
            package: PackageName::parse("shop").unwrap(),
            version: Version::parse("2.0.0").unwrap(),
            hash: None,
            previous: Some(Version::parse("1.9.0").unwrap()),
            proven: false,
        }];
        host.groups = vec![text.into()];
        host.labels = [(text.to_owned(), text.to_owned())].into();
        host.unhandled = 1;
        let run = RunId::new(at, [7; 10]);
        let change = Change {
            at,
            kind: ChangeKind::Run,
            what: text.into(),
            run: Some(run),
        };
        let holder = LockHolder {
            holder: Holder::Host(name.clone()),
            fence: Fence(3),
            since: at,
            renewed_at: at,
            reason: text.into(),
            run: Some(run),
            boot_id: None,
            steady_until: None,
        };
        let lock = Lock {
            name: LockName::parse("db").unwrap(),
            rule: LockRule::default(),
            state: LockState {
                holders: vec![holder],
                ..LockState::default()
            },
        };
        Self {
            problems: vec![ProblemView {
                trouble: Trouble {
                    host: name.clone(),
                    item: disk.item.clone(),
                    level: Level::SICK,
                    from: Level::FINE,
                    value: disk.value.clone(),
                    why: text.into(),
                    since: at,
                    no_data: false,
                    flapping: false,
                    seen_at: at,
                },
                ack: None,
                silence: None,
                depends_on: None,
                owner: None,
                changes: vec![change.clone()],
            }],
            rules: [(
                disk.item.clone(),
                vec![Said {
                    key: "sick".into(),
                    value: text.into(),
                    place: Some("fleet.toml:12".into()),
                }],
            )]
            .into(),
            explained: vec![Explanation {
                package: PackageName::lockstep(),
                version: Some(Version::parse("1.4.1").unwrap()),
                proven: true,
                wanted: Some(Version::parse("1.4.2").unwrap()),
                channel: None,
                rule: Some(text.into()),
                gate: "wave".into(),
                words: text.into(),
                opens: Some("2026-11-22T12:10:00Z".parse().unwrap()),
                rollout: None,
            }],
            days: [(
                ItemName::parse("cpu_load").unwrap(),
                vec![Some(0.1), None, Some(0.5)],
            )]
            .into(),
            runs: vec![RunView {
                host: name.clone(),
                record: RunRecord {
                    id: run,
                    kind: RunKind::Bundle,
                    package: PackageName::lockstep(),
                    from: None,
                    to: None,
                    hash: None,
                    generation: 1,
                    by: text.into(),
                    phase: Phase::Apply,
                    waits: None,
                    lock: None,
                    outcome: Some(Outcome::Stopped),
                    reason: None,
                    started_at: at,
                    at,
                    log: text.into(),
                    link: None,
                },
            }],
            verdicts: [(
                run,
                Verdict {
                    worse: vec![Shift {
                        item: disk.item.clone(),
                        before: Level::FINE,
                        after: Level::SICK,
                        at,
                    }],
                    ..Verdict::default()
                },
            )]
            .into(),
            events: vec![StoredEvent {
                id: "1".into(),
                via: None,
                received_at: at,
                event: Event {
                    number: 1,
                    at,
                    host: name,
                    item: disk.item,
                    kind: EventKind::Level,
                    from: Level::FINE,
                    to: Level::SICK,
                    value: disk.value,
                    why: text.into(),
                },
                changes: vec![change],
            }],
            locks: vec![LockView {
                lock,
                places: 1,
                taken: Vec::new(),
                unmet: Vec::new(),
                ghosts: Vec::new(),
            }],
            wishes: vec![super::wishes::tests::wish(
                WishVerb::RestartAgent,
                WishState::NotPermitted,
                text,
            )],
            text: text.into(),
            line: host,
        }
    }

    fn sheet(&self) -> HostSheet<'_> {
        HostSheet {
            line: &self.line,
            kernel: &self.text,
            platform: &self.text,
            address: Some(&self.text),
            zone: "UTC",
            interval: Interval::from_secs(300),
            problems: &self.problems,
            rules: &self.rules,
            explained: &self.explained,
            days: &self.days,
            runs: &self.runs,
            verdicts: &self.verdicts,
            events: &self.events,
            locks: &self.locks,
            processes: None,
            wishes: &self.wishes,
            watches: &[],
            work: Some(&self.text),
        }
    }
}

#[test]
fn a_level_that_comes_is_said_beside_the_one_that_is() {
    let mut full = Full::of("said");
    let mut disk = state("disk_usage:/var", 91.0, "%", Level::SOSO);
    disk.pending = Some(Pending {
        to: Level::SICK,
        lacks: Lacks::Samples(2),
    });
    full.line.items = vec![disk].into();
    assert!(draw(Role::Viewer, &full.sheet()).contains("sick in 2 samples"));
}

#[test]
fn a_host_says_all_that_is_known() {
    let full = Full::of("said");
    let page = draw(Role::Viewer, &full.sheet());
    for part in [
        "sick said (fleet.toml:12)",
        "Nobody is on it.",
        "/hosts/web1/items/disk_usage%3A%2Fvar",
        "/hosts/web1/graphs",
        "retry or skip it",
        "grant 3",
        "Opens ",
        "/releases/shop",
        "/api/v1/hosts/web1/work",
        "<svg",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn no_text_of_a_host_becomes_markup() {
    let full = Full::of("\"><script>alert(1)</script>");
    let page = draw(Role::Admin, &full.sheet());
    assert!(!page.contains("<script>alert") && !page.contains(" style="));
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn actions_are_for_those_who_may() {
    let full = Full::of("said");
    let viewer = draw(Role::Viewer, &full.sheet());
    assert!(!viewer.contains("/hosts/web1/remove") && !viewer.contains("/hosts/web1/ack"));
    let operator = draw(Role::Operator, &full.sheet());
    for twin in [
        "lockstep ack web1 --note",
        "lockstep silence add --host web1 --for 1h",
        "lockstep host report web1",
        "lockstep host remove web1",
    ] {
        assert!(operator.contains(twin), "{twin}");
    }
    assert!(
        operator.contains("Type web1 to say that you mean it")
            && operator.contains("certificates of web1 are revoked")
    );
}

#[test]
fn a_silent_host_says_since_when_and_what_it_means() {
    let mut full = Full::of("said");
    full.line.silent = true;
    let page = draw(Role::Viewer, &full.sheet());
    assert!(
        page.contains("Nothing has been heard of it for") && page.contains("2026-11-22T11:58:00Z")
    );
    assert!(page.contains("three reports are missing"));
}

#[test]
fn a_watched_host_has_no_versions_and_is_not_removed() {
    let mut full = Full::of("said");
    full.line.view.via = Some(HostName::parse("web2").unwrap());
    full.line.view.packages.clear();
    full.explained.clear();
    let page = draw(Role::Admin, &full.sheet());
    assert!(page.contains("runs no packages of ours") && !page.contains("/hosts/web1/remove"));
}

#[test]
fn a_host_without_anything_is_a_page() {
    let host = line("new1");
    let sheet = HostSheet {
        line: &host,
        kernel: "",
        platform: "",
        address: None,
        zone: "UTC",
        interval: Interval::from_secs(300),
        problems: &[],
        rules: &BTreeMap::new(),
        explained: &[],
        days: &BTreeMap::new(),
        runs: &[],
        verdicts: &BTreeMap::new(),
        events: &[],
        locks: &[],
        processes: None,
        wishes: &[],
        watches: &[],
        work: None,
    };
    let page = draw(Role::Operator, &sheet);
    for part in [
        "Nothing has been measured yet.",
        "It follows no package.",
        "It holds none",
        "All of its 0 items",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(
        !page.contains("/hosts/new1/ack"),
        "there is nothing to acknowledge"
    );
}

#[test]
fn who_is_on_it_is_said() {
    let mut full = Full::of("said");
    full.problems[0].ack = Some(Ack {
        host: full.line.view.name.clone(),
        item: full.problems[0].trouble.item.clone(),
        level: Level::SICK,
        by: "bob".into(),
        note: "a larger disk is ordered".into(),
        at: AT.parse().unwrap(),
        until: None,
    });
    let page = draw(Role::Viewer, &full.sheet());
    assert!(page.contains("a larger disk is ordered") && !page.contains("Nobody is on it."));
}

#[test]
fn a_host_that_is_not_there_has_near_names() {
    let page = with_frame(Role::Viewer, |frame| missing(frame, "web<1", ["web1"]));
    assert!(page.contains("web&lt;1") && page.contains(r#"href="/hosts/web1""#));
}

#[test]
fn a_restart_of_the_agent_is_wished_and_taken_back_until_it_is_done() {
    let mut full = Full::of("said");
    full.wishes.clear();
    let page = draw(Role::Operator, &full.sheet());
    assert!(page.contains(r#"action="/hosts/web1/restart-agent""#));
    assert!(page.contains("lockstep host restart-agent web1 --why"));
    let mut said = |state| {
        let verb = WishVerb::RestartAgent;
        full.wishes = vec![super::wishes::tests::wish(verb, state, "said")];
        draw(Role::Operator, &full.sheet())
    };
    let open = said(WishState::NotPermitted);
    assert!(open.contains("not permitted") && open.contains("Void from"));
    assert!(open.contains(r#"action="/hosts/web1/restart-agent/cancel""#));
    assert!(open.contains("lockstep host restart-agent web1 --cancel"));
    let done = said(WishState::Done);
    assert!(done.contains("Restart of the agent: done") && !done.contains("Void from"));
    let viewer = draw(Role::Viewer, &full.sheet());
    assert!(viewer.contains("Restart of the agent: done") && !viewer.contains("/restart-agent\""));
    full.line.view.gateway = Some("xymon".into());
    assert!(!draw(Role::Operator, &full.sheet()).contains("Restart of the agent"));
}

#[test]
fn a_restart_of_the_machine_is_wished_by_typing_its_name_and_taken_back_until_it_is_begun() {
    let mut full = Full::of("said");
    full.wishes.clear();
    let page = draw(Role::Operator, &full.sheet());
    assert!(page.contains("Type web1 to say") && page.contains(r#"action="/hosts/web1/reboot""#));
    assert!(page.contains("lockstep host reboot web1 --why"));
    assert!(page.contains("calls pre_update.d, restarts, calls post_update.d"));
    let mut said = |state| {
        full.wishes = vec![super::wishes::tests::wish(WishVerb::Reboot, state, "said")];
        draw(Role::Operator, &full.sheet())
    };
    let open = said(WishState::NotPermitted);
    assert!(open.contains("not permitted") && open.contains("Void from"));
    assert!(open.contains(r#"action="/hosts/web1/reboot/cancel""#));
    assert!(open.contains("lockstep host reboot web1 --cancel"));
    // What is begun can neither be taken back nor wished once more; its run says how it goes on.
    let begun = said(WishState::Stopped);
    assert!(begun.contains("stopped half-way") && begun.contains("/runs/"));
    assert!(!begun.contains("/hosts/web1/reboot"));
    let done = said(WishState::Done);
    assert!(done.contains("Restart of the machine: done") && !done.contains("Void from"));
    assert!(done.contains(r#"action="/hosts/web1/reboot""#));
    let viewer = draw(Role::Viewer, &full.sheet());
    assert!(viewer.contains("Restart of the machine: done") && !viewer.contains("/reboot\""));
    full.line.view.gateway = Some("xymon".into());
    assert!(!draw(Role::Operator, &full.sheet()).contains("Restart of the machine"));
}
