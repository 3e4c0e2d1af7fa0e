use std::collections::BTreeMap;

use lockstep_model::alert::Silence;
use lockstep_model::{HostName, Role};

use super::testing::{ack, change, minutes, problem};
use super::*;
use crate::frame::tests::with_frame;
use crate::silences::Quiet;

fn now<'a>(problems: &'a [&'a ProblemView], groups: &'a [Group<'a>], parts: &'a Parts) -> Now<'a> {
    Now {
        ask: &parts.ask,
        host_groups: &parts.host_groups,
        limits: &parts.limits,
        oldest: parts.oldest.as_ref().map(|(host, at)| (host, *at)),
        planned: &parts.planned,
        problems,
        groups,
        sparks: &parts.sparks,
        silent: &parts.silent,
        rollouts: &parts.rollouts,
        in_run: &parts.in_run,
        quiet: &parts.quiet,
        events: &[],
        at: minutes(0),
        zone: "UTC",
    }
}

#[derive(Default)]
struct Parts {
    sparks: Sparks,
    silent: BTreeMap<HostName, Option<jiff::Timestamp>>,
    rollouts: Vec<RolloutView>,
    in_run: Vec<(HostName, Phase)>,
    quiet: Vec<Quiet>,
    ask: Ask,
    host_groups: Vec<String>,
    limits: Limits,
    oldest: Option<(HostName, jiff::Timestamp)>,
    planned: Vec<Planned>,
}

/// The page, of a fleet with two hosts.
fn page(role: Role, problems: &[ProblemView], parts: &Parts) -> String {
    let groups = parts
        .ask
        .narrow(unhandled(problems, |_| Vec::new()), |_| Vec::new());
    let asked = parts
        .ask
        .of(problems, &groups, |_| Vec::new(), |_| Vec::new());
    let now = now(&asked, &groups, parts);
    with_frame(role, |frame| {
        let mut strip = frame.strip.clone();
        strip.levels[0] = 2;
        strip.levels[2] = usize::from(!problems.is_empty());
        strip.newest_report = Some(minutes(1));
        now.draw(&Frame {
            strip: &strip,
            ..*frame
        })
    })
}

fn rollout(state: &str) -> RolloutView {
    serde_json::from_value(serde_json::json!({
        "id": 3, "package": "lockstep", "version": "1.4.2", "from": "1.4.1", "channel": "stable",
        "state": state, "why": "wave 1 is open", "created_at": "2026-11-22T11:00:00Z",
        "waves": [{"state": "open", "figures": {"hosts": 4, "proven": 1, "failed": 1}}, {"state": "waiting", "figures": {"hosts": 6}}],
    }))
    .unwrap()
}

#[test]
fn a_problem_says_what_where_since_when_and_what_was_changed() {
    let mut bad = problem("web1", "disk_usage:/", 3, 5);
    bad.changes = vec![change("lockstep 1.4.1 → 1.4.2", 8)];
    let mut parts = Parts {
        rollouts: vec![rollout("running")],
        ..Parts::default()
    };
    let key = (bad.trouble.host.clone(), bad.trouble.item.clone());
    parts
        .sparks
        .insert(key.clone(), vec![Some(80.0), None, Some(97.0), Some(97.2)]);
    parts.limits.insert(key, ">= 50000bytes".into());
    let shown = page(Role::Operator, &[bad], &parts);
    for part in [
        "97.2 %",
        "above 95 %",
        "critical",
        "/hosts/web1/items/disk_usage%3A%2F",
        "lockstep 1.4.1 → 1.4.2",
        ">3 min before<",
        "class=\"chart spark\"",
        "action=\"/problems/ack\"",
        "lockstep ack web1 disk_usage:/ --note NOTE</code>",
        "<option value=\"end\">",
        "lockstep silence add --host web1 --item disk_usage:/ --for 1h",
        "lockstep ack HOST ITEM --note NOTE --for 1h</code>",
        "action=\"/rollouts/3/pause\"",
        "lockstep rollout pause 3",
        "name=\"p\" value=\"release lockstep 1.4.2\"",
        "href=\"/?cause=release+lockstep+1.4.2\"",
        "<td>&gt;= 50 kB</td>",
        "wave 1 of 2, 1 of 10 hosts proven",
    ] {
        assert!(shown.contains(part), "{part}");
    }
    // Without a rollout in motion there is nothing to pause.
    parts.rollouts = vec![rollout("halted")];
    let mut bad = problem("web1", "disk_usage:/", 3, 5);
    bad.changes = vec![change("lockstep 1.4.1 → 1.4.2", 8)];
    assert!(!page(Role::Operator, &[bad], &parts).contains("/rollouts/3/pause"));
}

#[test]
fn a_viewer_and_a_wall_are_offered_nothing() {
    let problems = [problem("web1", "cpu_load", 2, 5)];
    let viewed = page(Role::Viewer, &problems, &Parts::default());
    assert!(
        viewed.contains("web1")
            && !viewed.contains("/problems/")
            && !viewed.contains(r#"form="bulk""#),
        "{viewed}"
    );
    let groups = unhandled(&problems, |_| Vec::new());
    let parts = Parts::default();
    let all: Vec<&ProblemView> = problems.iter().collect();
    let wall = with_frame(Role::Admin, |frame| {
        kiosk(&now(&all, &groups, &parts), frame)
    });
    assert!(
        wall.contains("class=\"kiosk\"") && wall.contains("web1") && !wall.contains("/problems/")
    );
}

#[test]
fn hostile_texts_stay_texts() {
    let mut bad = problem("web1", "unit:<script>alert(1)</script>\"'&", 3, 5);
    bad.trouble.why = "<img src=x onerror=alert(1)>".into();
    bad.trouble.value = Value::Text("\"><b id=x>".into());
    bad.changes = vec![change("os\" onmouseover=\"x", 6)];
    let mut taken = problem("web2", "cpu_load", 2, 5);
    taken.ack = Some(ack(&taken, "</td><script>x</script>"));
    let page = page(Role::Admin, &[bad, taken], &Parts::default());
    for hostile in [
        "<script>alert",
        "<img src=x",
        "<b id=x",
        "<script>x",
        "\" onmouseover=\"",
    ] {
        assert!(!page.contains(hostile), "{hostile}");
    }
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn what_is_handled_says_by_whom_and_can_be_taken_back() {
    let mut taken = problem("web1", "cpu_load", 2, 5);
    taken.ack = Some(ack(&taken, "on my way"));
    let mut quiet = problem("web2", "cpu_load", 2, 5);
    quiet.silence = Some("racks until 2026-11-22T13:00:00Z".into());
    let mut behind = problem("web3", "ping", 4, 5);
    behind.depends_on = Some(HostName::parse("sw1").unwrap());
    let parts = Parts {
        quiet: vec![Quiet {
            silence: Silence {
                id: "1".into(),
                hosts: Vec::new(),
                groups: Vec::new(),
                items: Vec::new(),
                starts_at: minutes(60),
                ends_at: minutes(-60),
                owner: "bob".into(),
                reason: "racks".into(),
                run: None,
            },
            holds_back: 1,
            hosts: 1,
            oldest: None,
            worst: Vec::new(),
        }],
        ..Parts::default()
    };
    let problems = [taken, quiet, behind];
    let page = page(Role::Operator, &problems, &parts);
    for part in [
        "Nothing waits for anybody",
        "bob</b> is on it",
        "on my way",
        "lockstep ack web1 cpu_load --take-back",
        ">Silenced</a>: racks",
        "sw1</a> is down",
        "one problem by bob: racks",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_silent_host_says_since_when() {
    let problems = [problem("web1", "agent_silence", 4, 5)];
    let mut parts = Parts::default();
    parts
        .silent
        .insert(HostName::parse("web1").unwrap(), Some(minutes(20)));
    let page = page(Role::Viewer, &problems, &parts);
    assert!(
        page.contains("silent, heard of last")
            && page.contains("20 min ago")
            && page.contains("its levels are from then")
    );
}

#[test]
fn all_fine_is_calm_and_no_hosts_say_how_to_begin() {
    let calm = page(Role::Viewer, &[], &Parts::default());
    assert!(
        calm.contains("2 hosts fine") && calm.contains("1 min ago") || calm.contains("60 s ago")
    );
    assert!(calm.contains("No change is planned."));
    let parts = Parts::default();
    let none = with_frame(Role::Admin, |frame| now(&[], &[], &parts).draw(frame));
    assert!(none.contains("/admin/enrolment") && none.contains("lockstep token create"));
}

#[test]
fn the_next_change_is_the_end_of_a_bake() {
    let mut moving = rollout("running");
    moving.waves[0].bakes_until = Some(minutes(-20));
    let rollouts = [moving];
    let next = calm::next_change(&rollouts, minutes(0)).unwrap();
    assert_eq!(next.1, minutes(-20));
    assert!(calm::next_change(&rollouts, minutes(-30)).is_none());
}

#[test]
fn calm_says_what_comes_next_and_whose_report_is_the_oldest() {
    let mut moving = rollout("running");
    moving.waves[0].bakes_until = Some(minutes(-20));
    let window = |at: i64, what: &str| Planned {
        at: minutes(at),
        what: what.into(),
        href: "/silences#maintenance".into(),
    };
    let parts = Parts {
        rollouts: vec![moving],
        oldest: Some((HostName::parse("web2").unwrap(), minutes(4))),
        planned: vec![
            window(1, "what was before"),
            window(-10, "maintenance backup"),
        ],
        ..Parts::default()
    };
    let calm = page(Role::Viewer, &[], &parts);
    assert!(calm.contains("the oldest is from ") && calm.contains("4 min ago"));
    let place = |words: &str| {
        calm.find(words)
            .unwrap_or_else(|| panic!("{words}: {calm}"))
    };
    assert!(place("maintenance backup") < place("lockstep 1.4.2, the next wave"));
    assert!(!calm.contains("what was before"));
}

#[test]
fn a_filter_is_carried_by_what_is_done_and_an_old_address_says_that_it_is_over() {
    let problems = [
        problem("web1", "cpu_load", 2, 5),
        problem("db1", "swap", 3, 5),
    ];
    let asked = |question: &str| Parts {
        ask: Ask::parse(question).unwrap(),
        host_groups: vec!["web".into(), "db".into()],
        ..Parts::default()
    };
    let page_of = |question: &str| page(Role::Operator, &problems, &asked(question));
    let one = page_of("host=web*");
    assert!(one.contains("cpu_load") && !one.contains("problem db1 swap"));
    assert!(one.contains(r#"name="only" value="host=web*""#) && one.contains("1 of "));
    assert!(
        one.contains("lockstep problems --host 'web*'") || one.contains("--host &#39;web*&#39;")
    );
    assert!(
        one.contains(r#"<details class="filter" id="filter" open>"#),
        "{one}"
    );
    let over = page_of("cause=problem+web9+x");
    assert!(over.contains("What this address was for is over.") && over.contains("All problems"));
    let hostile = page_of("cause=%22%3E%3Cscript%3Ealert&host=%22%3E%3Cb+id=x%3E");
    assert!(!hostile.contains("<script>alert") && !hostile.contains("<b id=x"));
}

#[test]
fn a_fleet_in_flames_is_a_page_that_can_be_loaded() {
    let problems: Vec<ProblemView> = (0..1_000)
        .flat_map(|host| (0..2).map(move |item| (host, item)))
        .map(|(host, item)| {
            // Every item of its own, so that nothing can be put together.
            let mut problem = problem(
                &format!("web{host}.example.org"),
                &format!("unit:s{host}-{item}"),
                2,
                host,
            );
            problem.trouble.why = format!("the unit s{host}-{item} is failed since a while ago");
            problem
        })
        .collect();
    let page = page(Role::Operator, &problems, &Parts::default());
    assert!(page.contains("1900 more rows are not shown"));
    let wire = zstd::bulk::compress(page.as_bytes(), 3).unwrap().len();
    assert!(wire < 60_000, "{wire} of {}", page.len());
}
