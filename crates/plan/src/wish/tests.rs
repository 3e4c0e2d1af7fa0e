//! Where wishes stand, by what server and host know.

use super::*;
use lockstep_model::{PackageName, RunKind, RunReason};

use crate::run::{Job, Rules};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn wish() -> HostWish {
    HostWish {
        verb: WishVerb::Reboot,
        number: 7,
        boot_id: "boot-1".into(),
        by: "ann".into(),
        why: "a new kernel".into(),
        at: at(0),
        until: at(3_600),
    }
}

fn seen(state: WishState) -> WishSeen {
    WishSeen {
        verb: WishVerb::Reboot,
        number: 7,
        state,
        run: None,
        words: "what the host says".into(),
    }
}

fn wished(number: u64) -> Wished {
    Wished {
        number,
        boot_id: "boot-1".into(),
        from: at(0),
        until: at(3_600),
    }
}

fn journal(number: u64, step: Step, begun: bool) -> RunJournal {
    let job = Job {
        kind: RunKind::Reboot,
        package: PackageName::reboot(),
        from: None,
        to: None,
        by: "ann".into(),
        lock: None,
        holds: false,
        order: None,
        wish: Some(wished(number)),
        rules: Rules::default(),
    };
    let run = RunId::new(at(1), [1; 10]);
    RunJournal {
        step,
        begun,
        ..RunJournal::begin(run, job, at(1))
    }
}

fn over(outcome: Outcome) -> Step {
    let reason = match outcome {
        Outcome::Done => None,
        _ => Some(RunReason::WishTakenBack),
    };
    Step::Over { outcome, reason }
}

#[test]
fn the_hosts_word_on_what_it_has_begun_counts_most() {
    let state = |back: bool, seen: &[WishSeen], second| {
        let closed = back.then_some(WishState::TakenBack);
        standing(&wish(), closed, seen, at(second)).state
    };
    assert_eq!(state(false, &[], 10), WishState::Unheard);
    assert_eq!(state(true, &[], 10), WishState::TakenBack);
    assert_eq!(state(false, &[], 3_600), WishState::Void);
    // Of another number, or another verb, nothing is known.
    let other = WishSeen {
        number: 6,
        ..seen(WishState::Done)
    };
    let verb = WishSeen {
        verb: WishVerb::RestartAgent,
        ..seen(WishState::Done)
    };
    assert_eq!(state(false, &[other, verb], 10), WishState::Unheard);
    for open in [WishState::NotPermitted, WishState::Waits] {
        let said = [seen(open)];
        assert_eq!(state(false, &said, 10), open);
        assert_eq!(state(true, &said, 10), WishState::TakenBack);
        assert_eq!(state(false, &said, 4_000), WishState::Void);
        let stands = standing(&wish(), None, &said, at(10));
        assert!(stands.words.contains("host says"));
    }
    // What a newer host says is not the end of it, and its words are shown.
    let said = [seen(WishState::Unknown)];
    assert!(state(false, &said, 10).is_open());
    assert_eq!(state(true, &said, 10), WishState::TakenBack);
    assert_eq!(state(false, &said, 4_000), WishState::Void);
    let stands = standing(&wish(), None, &said, at(10));
    assert!(stands.words.contains("host says"));
    for acted in [
        WishState::Begun,
        WishState::Stopped,
        WishState::Done,
        WishState::Failed,
        WishState::Void,
    ] {
        let said = [seen(acted)];
        assert_eq!(state(true, &said, 10), acted);
        assert_eq!(state(false, &said, 4_000), acted);
        assert!(!acted.is_open());
    }
}

#[test]
fn a_run_is_begun_once_in_time_in_its_boot_and_with_a_permit() {
    let wish = wished(7);
    let heard = |refused, boot_id| Heard {
        wish: &wish,
        refused,
        hindered: None,
        boot_id,
    };
    let permitted = heard(None, "boot-1");
    let begins = |heard: &Heard<'_>, last: Option<&RunJournal>, second| {
        begins_reboot(heard, last, at(second))
    };
    assert!(begins(&permitted, None, 10));
    assert!(!begins(&heard(Some("no"), "boot-1"), None, 10));
    let hindered = Heard {
        hindered: Some("update.toml is not understood"),
        ..permitted.clone()
    };
    assert!(!begins(&hindered, None, 10));
    assert!(!begins(&heard(None, "boot-2"), None, 10));
    assert!(!begins(&heard(None, ""), None, 10));
    assert!(!begins(&permitted, None, 3_600));
    // The clock was set back to before the host has heard of it.
    assert!(!begins(&permitted, None, -1));
    let last = |number, step, begun| Some(journal(number, step, begun));
    for (last, expected) in [
        (last(6, over(Outcome::Done), false), true),
        (last(6, Step::Pre, true), false),
        (last(7, Step::Idle, false), false),
        (last(7, over(Outcome::Done), true), false),
        (last(7, over(Outcome::Failed), true), false),
        (last(7, over(Outcome::Postponed), true), false),
        (last(7, over(Outcome::Postponed), false), true),
        (last(7, Step::Nothing, false), false),
        (last(8, over(Outcome::Postponed), false), false),
    ] {
        assert_eq!(begins(&permitted, last.as_ref(), 10), expected, "{last:?}");
    }
    // A server that wishes without end leaves time to get at the machine.
    let earlier = last(6, over(Outcome::Done), true);
    for (second, expected) in [(10, false), (600, false), (601, true)] {
        assert_eq!(begins(&permitted, earlier.as_ref(), second), expected);
    }
    // What has seen the end has seen it for good, though the clock be right again.
    let reason = Some(RunReason::WishOver { until: at(3_600) });
    let step = Step::Over {
        outcome: Outcome::Postponed,
        reason,
    };
    let late = last(7, step, false);
    assert!(!begins(&permitted, late.as_ref(), 10));
    let says = seen_reboot(Some(&permitted), late.as_ref(), at(10)).unwrap();
    assert_eq!((says.number, says.state), (7, WishState::Void));
}

#[test]
fn what_an_agent_says_of_a_wish() {
    let wish = wished(7);
    let permitted = Heard {
        wish: &wish,
        refused: None,
        hindered: None,
        boot_id: "boot-1",
    };
    let refused = Heard {
        refused: Some("no permit"),
        ..permitted.clone()
    };
    let elsewhere = Heard {
        boot_id: "boot-2",
        ..permitted.clone()
    };
    let says = |heard, last: Option<RunJournal>, second| {
        let seen: Option<WishSeen> = seen_reboot(heard, last.as_ref(), at(second));
        seen.map(|it| (it.number, it.state))
    };
    assert_eq!(says(None, None, 10), None);
    assert_eq!(
        says(Some(&permitted), None, 10),
        Some((7, WishState::Waits))
    );
    assert_eq!(
        says(Some(&refused), None, 10),
        Some((7, WishState::NotPermitted))
    );
    assert_eq!(says(Some(&elsewhere), None, 10), Some((7, WishState::Done)));
    assert_eq!(
        says(Some(&permitted), None, 4_000),
        Some((7, WishState::Void))
    );
    let earlier = journal(6, over(Outcome::Done), true);
    assert_eq!(
        says(None, Some(earlier.clone()), 10),
        Some((6, WishState::Done))
    );
    assert_eq!(
        says(Some(&permitted), Some(earlier), 10),
        Some((7, WishState::Waits))
    );
    for (step, begun, expected) in [
        (Step::Idle, false, WishState::Waits),
        // The server tells on, and the wish can be taken back, until it is noted that something may be done.
        (Step::Pre, false, WishState::Waits),
        (Step::Pre, true, WishState::Begun),
        (Step::Verify { well_since: None }, true, WishState::Begun),
        (over(Outcome::Done), true, WishState::Done),
        (over(Outcome::Failed), true, WishState::Failed),
        (over(Outcome::Postponed), true, WishState::Void),
        (over(Outcome::Postponed), false, WishState::Waits),
    ] {
        let last = Some(journal(7, step, begun));
        assert_eq!(says(Some(&permitted), last, 10), Some((7, expected)));
    }
    let idle = Some(journal(7, over(Outcome::Postponed), false));
    assert_eq!(
        says(Some(&refused), idle, 10),
        Some((7, WishState::NotPermitted))
    );
}

#[test]
fn what_keeps_a_host_from_beginning_is_said() {
    let wish = wished(7);
    let why = "update.toml is not understood: line 3";
    let hindered = Heard {
        wish: &wish,
        refused: None,
        hindered: Some(why),
        boot_id: "boot-1",
    };
    let refused = Heard {
        refused: Some("no permit"),
        ..hindered.clone()
    };
    let says = |heard, last: Option<&RunJournal>, second| {
        let seen: WishSeen = seen_reboot(Some(heard), last, at(second)).unwrap();
        (seen.state, seen.words)
    };
    let waits = (WishState::Waits, why.to_owned());
    assert_eq!(says(&hindered, None, 10), waits);
    // Also after an attempt that could do nothing, and behind an earlier wish.
    let attempt = journal(7, over(Outcome::Postponed), false);
    assert_eq!(says(&hindered, Some(&attempt), 10), waits);
    let earlier = journal(6, over(Outcome::Done), true);
    assert_eq!(says(&hindered, Some(&earlier), 10), waits);
    // The permit comes first, and the end is the end.
    assert_eq!(says(&refused, None, 10).0, WishState::NotPermitted);
    assert_eq!(says(&hindered, None, 4_000).0, WishState::Void);
    // What is under way says where it is.
    let begun = journal(7, Step::Post, true);
    assert_eq!(says(&hindered, Some(&begun), 10).0, WishState::Begun);
}
