//! The table of a run's steps in `docs/runs-states.md`, written by the machine itself.

use std::fmt::Write as _;

use super::tests::{
    again, at, busy, failed, grant, id, job, later, lock_failed, no_answer, refused, rest,
    script_failed, something, worse,
};
use super::*;
use lockstep_model::{Phase, RunCommand, RunVerb};

const NOW: i64 = 1_800_000_000;

const HEAD: &str = "\
# The steps of a run

A run changes one host, from check to release. This is every step that it can be in, what is done there, and what follows
from what came of it. What is not listed changes nothing. *Waits* means that the same is done again later, and that
`lockstep run show` says what is waited for. Steps with a lock confirm it by its number first.

The table is written by the state machine (`crates/plan/src/run/`), and a test keeps it true: `UPDATE_GOLDEN=1 cargo test
-p lockstep-plan --lib run::table` writes it anew.

| step | lock | does | what follows |
|---|---|---|---|
";

const TAIL: &str = "
A person's `skip` ends as `failed` and gives the lock back. The restart that a run waits for is noticed in any case, also
after it has stopped for want of it, and by whosever hand it came. Without a lock configured there is no `lock` and no
`yield`, and `hold` only if the run holds something still. `fetch` and `commit` are steps of bundles alone. A restart that
was wished for has no `apply`. Before `pre` it is noted that it has begun. Once its end has come, or the machine was
restarted by another hand, or the host does not permit it any more, no restart is ordered for it: what has done nothing ends,
and what has begun goes on at `post`.
";

/// A run in a step of its middle, with its lock.
fn in_step(step: Step) -> RunJournal {
    let begun = !matches!(
        step,
        Step::Check
            | Step::Spread { .. }
            | Step::Fetch
            | Step::Idle
            | Step::Hold { .. }
            | Step::Pre
            | Step::Nothing
    );
    let has_lock = begun || matches!(step, Step::Hold { .. } | Step::Pre);
    RunJournal {
        step,
        begun,
        lock: has_lock.then(|| grant(5)),
        baseline: Some(BTreeMap::new()),
        ..RunJournal::begin(id(1), job(), at(NOW))
    }
}

/// Every step, and those of its cases in which something else follows.
fn rows() -> Vec<(&'static str, RunJournal)> {
    let then = |step| Step::Lock {
        then: Box::new(step),
    };
    let hold = |step| Step::Hold {
        then: Box::new(step),
    };
    let held_again = RunJournal {
        begun: true,
        ..in_step(hold(Step::Apply))
    };
    let rebooting = |ordered_at| Step::Rebooting {
        boot_id: "boot-1".into(),
        ordered_at,
    };
    let verify = || in_step(Step::Verify { well_since: None });
    let too_long = |journal: RunJournal| RunJournal {
        job: Job {
            rules: Rules {
                busy_longest: Some(Duration::ZERO),
                verify_within: Duration::ZERO,
                later_most: 1,
                ..Rules::default()
            },
            ..journal.job.clone()
        },
        ..journal
    };
    let package = |journal: RunJournal| RunJournal {
        job: Job {
            kind: RunKind::Package,
            from: Some(PackageVersion::parse("1.19").unwrap()),
            ..journal.job.clone()
        },
        ..journal
    };
    let bundle = |journal: RunJournal| RunJournal {
        job: Job {
            kind: RunKind::Bundle,
            ..journal.job.clone()
        },
        ..journal
    };
    let wish_of = |journal: RunJournal, left: i64| RunJournal {
        job: Job {
            kind: RunKind::Reboot,
            holds: false,
            wish: Some(Wished {
                number: 1,
                boot_id: "boot-1".into(),
                from: at(NOW - 60),
                until: at(NOW + left),
            }),
            ..journal.job.clone()
        },
        ..journal
    };
    let wish = |journal| wish_of(journal, 60);
    let late = |journal| wish_of(journal, 0);
    let ill_for_long = |journal: RunJournal| RunJournal {
        trial: Some(Trial {
            flips: 0,
            ill_since: Some(at(NOW - 30)),
        }),
        ..bundle(journal)
    };
    let first = RunJournal {
        lock: None,
        begun: false,
        ..in_step(then(hold(Step::Pre)))
    };
    let again = RunJournal {
        lock: None,
        ..in_step(then(Step::Apply))
    };
    let no_verify = RunJournal {
        job: Job {
            rules: Rules {
                verify_for: Duration::ZERO,
                ..Rules::default()
            },
            ..job()
        },
        ..in_step(Step::Post)
    };
    let well = || RunJournal {
        changed_at: at(NOW - 60),
        waiting: Some(Waiting {
            why: Wait::Well { why: "-".into() },
            from: at(NOW - 5),
            until: at(NOW),
        }),
        ..in_step(Step::Verify {
            well_since: Some(at(NOW - 60)),
        })
    };
    let reason = script_failed();
    let done = Step::Release {
        outcome: Outcome::Done,
        reason: None,
    };
    let stopped = |boot_id: Option<&str>, phase| Step::Stopped {
        phase,
        reason: script_failed(),
        boot_id: boot_id.map(Into::into),
    };
    let busy = Some("a backup is under way".to_owned());
    vec![
        ("check", in_step(Step::Check)),
        ("spread", in_step(Step::Spread { until: at(NOW) })),
        (
            "spread, before its moment",
            in_step(Step::Spread {
                until: at(NOW + 60),
            }),
        ),
        ("idle", in_step(Step::Idle)),
        ("idle, busy for too long", too_long(in_step(Step::Idle))),
        ("lock", first.clone()),
        ("lock, lost in the middle", again),
        ("hold", in_step(hold(Step::Pre))),
        ("hold, after a stop", held_again),
        ("yield", in_step(Step::Yield { busy })),
        ("pre", in_step(Step::Pre)),
        ("apply", in_step(Step::Apply)),
        ("apply, put off too often", too_long(in_step(Step::Apply))),
        ("needs-reboot", in_step(Step::NeedsReboot)),
        ("rebooting", in_step(rebooting(None))),
        ("rebooting, ordered", in_step(rebooting(Some(at(NOW))))),
        ("post", in_step(Step::Post)),
        ("post, nothing to verify", no_verify.clone()),
        ("verify", verify()),
        ("verify, well for long enough", well()),
        ("verify, for too long", too_long(verify())),
        (
            "verify, for too long, with a version before",
            package(too_long(verify())),
        ),
        (
            "a bundle: spread",
            bundle(in_step(Step::Spread { until: at(NOW) })),
        ),
        ("a bundle: fetch", bundle(in_step(Step::Fetch))),
        ("a bundle: apply", bundle(in_step(Step::Apply))),
        ("a bundle: post", bundle(in_step(Step::Post))),
        ("a bundle: verify", bundle(verify())),
        ("a bundle: verify, well for long enough", bundle(well())),
        ("a bundle: verify, ill for long", ill_for_long(verify())),
        ("a bundle: commit", bundle(in_step(Step::Commit))),
        (
            "a bundle: stopped on its way back",
            bundle(in_step(stopped(None, Phase::Verify))),
        ),
        (
            "a wish: idle, busy for too long",
            wish(too_long(in_step(Step::Idle))),
        ),
        ("a wish: lock", wish(first.clone())),
        ("a wish: lock, its end has come", late(first)),
        ("a wish: pre", wish(in_step(Step::Pre))),
        (
            "a wish: pre, begun",
            RunJournal {
                begun: true,
                ..wish(in_step(Step::Pre))
            },
        ),
        ("a wish: pre, its end has come", late(in_step(Step::Pre))),
        (
            "a wish: pre, begun before its end",
            RunJournal {
                begun: true,
                ..late(in_step(Step::Pre))
            },
        ),
        ("a wish: rebooting", wish(in_step(rebooting(None)))),
        (
            "a wish: rebooting, its end has come",
            late(in_step(rebooting(None))),
        ),
        (
            "a wish: rebooting, ordered",
            late(in_step(rebooting(Some(at(NOW))))),
        ),
        (
            "a wish: post, nothing to verify, not restarted",
            RunJournal {
                void: Some(script_failed()),
                ..wish(no_verify.clone())
            },
        ),
        ("return", in_step(Step::Return { reason })),
        ("release", in_step(done)),
        ("stopped", in_step(stopped(None, Phase::Apply))),
        (
            "stopped, no restart",
            in_step(stopped(Some("boot-1"), Phase::Reboot)),
        ),
        ("over", {
            let over = Step::Over {
                outcome: Outcome::Done,
                reason: None,
            };
            RunJournal {
                lock: None,
                ..in_step(over)
            }
        }),
        ("nothing", in_step(Step::Nothing)),
    ]
}

fn facts<'a>(boot_id: &'a str, hours: Option<&'a str>) -> Facts<'a> {
    Facts {
        now: at(NOW),
        boot_id,
        lock_is_confirmed: true,
        outside_of_hours: hours,
    }
}

fn name(step: &Step) -> String {
    let json = serde_json::to_value(step).unwrap();
    json["step"].as_str().unwrap().to_owned()
}

fn becomes(before: &RunJournal, then: &RunJournal) -> Option<String> {
    if before == then {
        return None;
    }
    let to = name(&then.step);
    let outcome = match &then.step {
        Step::Over { outcome, .. } | Step::Release { outcome, .. } if to != name(&before.step) => {
            format!(" as {outcome}")
        }
        _ => String::new(),
    };
    Some(match (name(&before.step) == to, &then.waiting) {
        (true, Some(_)) => "waits".into(),
        (false, Some(_)) => format!("{to}{outcome}, waits"),
        (_, None) => format!("{to}{outcome}"),
    })
}

fn follows(journal: &RunJournal) -> Vec<String> {
    let outside = Some("Sat 02:00-05:00 UTC");
    let here = facts("boot-1", None);
    let things = [
        ("nothing to do", Happened::NothingToDo),
        ("something to do", something()),
        ("not now", Happened::NotNow(script_failed())),
        ("at rest", rest()),
        ("busy", busy()),
        ("granted", Happened::LockGranted(grant(6))),
        ("refused", refused(None)),
        ("lock failed", lock_failed()),
        ("succeeded", Happened::Succeeded),
        ("reboot needed", Happened::RebootNeeded),
        ("ordered", Happened::RebootOrdered),
        ("well", Happened::Well),
        ("worse", worse()),
        ("nobody to ask", Happened::NobodyToAsk),
        ("failed", failed()),
        ("another time", later()),
        ("tried again", again()),
        ("given back", Happened::LockReleased),
        ("lock lost", Happened::LockLost),
        ("no answer of the server", no_answer()),
    ];
    let mut lines = Vec::new();
    let mut line = |what: &str, then: &RunJournal| {
        if let Some(then) = becomes(journal, then) {
            lines.push(format!("{what} → {then}"));
        }
    };
    for (what, happened) in things {
        line(what, &after(journal, happened, &here));
    }
    let waited = after(journal, Happened::Waited, &here);
    line("its time has come", &waited);
    let left = after(journal, Happened::Waited, &facts("boot-1", outside));
    if left != waited {
        line("outside of its hours", &left);
    }
    let restarted = facts("boot-2", None);
    if next(journal, &restarted) == Do::GoOn && next(journal, &here) != Do::GoOn
        || matches!(journal.step, Step::Rebooting { .. })
    {
        line("restarted", &after(journal, Happened::Waited, &restarted));
    }
    for (what, verb) in [("retry", RunVerb::Retry), ("skip", RunVerb::Skip)] {
        let said = RunCommand {
            run: id(1),
            verb,
            number: 1,
            by: "ada".into(),
            why: "-".into(),
        };
        line(what, &command(journal, &said, at(NOW)));
    }
    lines
}

fn table() -> String {
    let mut text = HEAD.to_owned();
    for (title, journal) in rows() {
        let lock = match journal.step.needs_lock() {
            true => "yes",
            false => "",
        };
        let does = match next(&journal, &facts("boot-1", None)) {
            Do::Begin => "note that it begins".into(),
            Do::Work(phase) => format!("work ({phase})"),
            Do::Check => "look what is to be done".into(),
            Do::Fetch => "fetch, unpack and check the bundle".into(),
            Do::Commit => "keep the bundle".into(),
            Do::GoOn | Do::Wait { .. } => "wait".into(),
            Do::AskWhetherIdle => "ask whether the host is at rest".into(),
            Do::AcquireLock => "ask for the lock".into(),
            Do::ConfirmLock => "confirm the lock".into(),
            Do::Hold => "look again, and hold still".into(),
            Do::AskWhetherReboot => "ask whether a restart is needed".into(),
            Do::Reboot => "order the restart".into(),
            Do::AskHealth => "look at the host's health".into(),
            Do::Return => "go back to the version before".into(),
            Do::ReleaseLock => "give the lock back".into(),
            Do::AskPerson => "wait for a person".into(),
            Do::End => "".into(),
        };
        let follows = follows(&journal).join("; ");
        writeln!(text, "| {title} | {lock} | {does} | {follows} |").unwrap();
    }
    text + TAIL
}

#[test]
fn the_table_in_the_documentation_is_the_machine() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/runs-states.md");
    let table = table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        #[expect(clippy::disallowed_methods, reason = "a file of the repository")]
        std::fs::write(path, &table).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        table == written,
        "the table differs from {path}; if that is meant, write it anew with UPDATE_GOLDEN=1:\n{table}"
    );
}

#[test]
fn every_step_but_the_last_has_a_way_out() {
    let mut ways_out: BTreeMap<String, bool> = BTreeMap::new();
    for (_, journal) in rows() {
        let leaves = |line: &String| !line.ends_with("→ waits");
        let has_one = follows(&journal).iter().any(leaves);
        *ways_out.entry(name(&journal.step)).or_default() |= has_one;
    }
    let ends = ways_out.iter().filter(|(_, has_one)| !**has_one);
    let ends: Vec<_> = ends.map(|(step, _)| step.as_str()).collect();
    assert_eq!(ends, ["nothing", "over"]);
    assert_eq!(ways_out.len(), 19, "every step has a row");
}
