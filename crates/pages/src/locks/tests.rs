use jiff::Timestamp;
use lockstep_model::api::operator::GhostView;
use lockstep_model::{
    Counted, Disabled, Fence, Ghost, Holder, HostName, Lock, LockName, LockRefusal, LockRule,
    LockState, Role, RunId,
};

use super::*;
use crate::frame::tests::with_frame;

fn at(text: &str) -> Timestamp {
    format!("2026-11-22T{text}:00Z").parse().unwrap()
}

fn web1() -> Holder {
    Holder::Host(HostName::parse("web1").unwrap())
}

fn run() -> RunId {
    RunId::new(at("10:00"), [7; 10])
}

fn held() -> LockView {
    let grant = LockHolder {
        holder: web1(),
        fence: Fence(41),
        since: at("11:00"),
        renewed_at: at("11:58"),
        reason: "upgrade <os>".into(),
        run: Some(run()),
        boot_id: None,
        steady_until: None,
    };
    let waiter = |name: &str, since| LockWaiter {
        holder: Holder::Operator(name.into()),
        since,
        asked_at: at("11:59"),
        reason: String::new(),
        run: None,
    };
    LockView {
        places: 1,
        taken: vec![Taken {
            by: web1(),
            counted: Counted::Holds,
        }],
        unmet: Vec::new(),
        ghosts: Vec::new(),
        lock: Lock {
            name: LockName::parse("db").unwrap(),
            rule: LockRule::default(),
            state: LockState {
                fence: Fence(41),
                holders: vec![grant],
                waiters: vec![waiter("<ann>", at("11:30")), waiter("bob", at("11:40"))],
                disabled: None,
            },
        },
    }
}

fn draw(role: Role, locks: &[LockView]) -> String {
    with_frame(role, |frame| page(frame, locks))
}

#[test]
fn a_lock_says_who_has_it_since_when_and_why_and_who_is_next() {
    let page = draw(Role::Operator, &[held()]);
    assert!(page.contains("<b>1</b> of <b>1</b> place taken, <b>2</b> waiting"));
    assert!(page.contains("fence 41") && page.contains("60 min"));
    assert!(page.contains("upgrade &lt;os&gt;") && !page.contains("<os>"));
    assert!(page.contains(&format!(r#"href="/runs/{}""#, run())));
    let first = page.find("operator &lt;ann&gt;").unwrap();
    assert!(first < page.find("operator bob").unwrap());
    assert!(page.contains("●</span> full"));
    assert!(page.contains("lockstep lock acquire db --why WHY"));
    assert!(page.contains(r#"action="/locks/db/disable""#));
    assert!(!page.contains("/locks/db/free"), "nobody is a ghost");
}

#[test]
fn a_host_that_counts_without_a_grant_is_named() {
    let mut lock = held();
    lock.taken.push(Taken {
        by: Holder::Host(HostName::parse("web2").unwrap()),
        counted: Counted::Silent,
    });
    lock.unmet.push(LockRefusal::Disabled { why: "<x>".into() });
    let page = draw(Role::Viewer, &[lock]);
    assert!(page.contains(r#"href="/hosts/web2""#) && page.contains("counts: it is silent"));
    assert!(page.contains("Not now: it is disabled: &lt;x&gt;"));
    assert!(!page.contains("/locks/db/"), "a viewer is offered nothing");
}

#[test]
fn each_ghost_has_its_evidence_and_the_one_safe_action() {
    let of = |ghost: Ghost| {
        let ghost = GhostView {
            holder: web1(),
            action: ghost.action(),
            ghost,
        };
        let lock = LockView {
            ghosts: vec![ghost],
            ..held()
        };
        draw(Role::Operator, &[lock])
    };
    let gone = of(Ghost::Decommissioned);
    assert!(gone.contains("no such host is enrolled any more"));
    assert!(gone.contains(r#"action="/locks/db/free""#));
    assert!(gone.contains(r#"name="holder" value="web1""#));
    assert!(gone.contains("lockstep lock free db --holder web1 --why WHY"));
    assert!(gone.contains("⚠</span> held by a ghost"));
    let stopped = of(Ghost::Stopped {
        run: run(),
        why: "<b>".into(),
    });
    assert!(stopped.contains("has stopped: &lt;b&gt;"));
    assert!(!stopped.contains("/locks/db/free"), "its run decides");
    let silent = of(Ghost::Unreachable { since: at("09:00") });
    assert!(silent.contains("Find out first") && silent.contains("Only if the machine is off"));
    let rebooting = of(Ghost::NeverRebooted { since: at("09:00") });
    assert!(rebooting.contains("Restart the machine") && !rebooting.contains("/locks/db/free"));
}

#[test]
fn a_disabled_lock_says_why_and_can_be_enabled() {
    let mut lock = held();
    lock.lock.state.disabled = Some(Disabled {
        why: "audit <now>".into(),
        by: "bob".into(),
        at: at("11:00"),
    });
    let page = draw(Role::Operator, &[lock]);
    assert!(page.contains("audit &lt;now&gt; (by bob, 2026-11-22 11:00:00 UTC)"));
    assert!(page.contains(r#"action="/locks/db/enable""#) && !page.contains("/locks/db/disable"));
    assert!(page.contains("lockstep lock enable db"));
}

#[test]
fn an_empty_board_says_how_a_lock_begins() {
    let page = draw(Role::Viewer, &[]);
    assert!(page.contains("No lock is named") && page.contains("[lock.db]"));
}
