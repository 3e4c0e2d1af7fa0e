use std::time::Duration;

use super::*;
use jiff::Timestamp;
use lockstep_model::{
    ChannelName, HostName, Interval, PackageName, Rollout, RolloutId, RolloutState, Strategy,
    Version, Wave, WaveState,
};

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn wave(names: &[&str]) -> Wave {
    let hosts = names.iter().map(|name| host(name)).collect();
    Wave {
        hosts,
        state: WaveState::Waiting,
        opened_at: None,
        proven_at: None,
    }
}

/// A rollout from 1.0.0 to 2.0.0 that has not begun, with a bake time of a minute and no tolerance.
fn rollout(waves: &[&[&str]]) -> Rollout {
    Rollout {
        id: RolloutId(7),
        package: PackageName::lockstep(),
        version: version("2.0.0"),
        from: Some(version("1.0.0")),
        channel: ChannelName::stable(),
        strategy: Strategy {
            canaries: 1,
            bake: Interval::from_secs(60),
            max_failed: 0,
            max_silent: 0,
        },
        state: RolloutState::Planned,
        why: "planned".into(),
        paused_by: None,
        waves: waves.iter().map(|names| wave(names)).collect(),
        created_at: at(0),
    }
}

/// A host that runs the version before.
fn old(name: &str) -> HostFacts {
    HostFacts {
        name: host(name),
        version: Some(version("1.0.0")),
        proven: true,
        failed: false,
        silent: false,
        running: false,
    }
}
fn proven(name: &str) -> HostFacts {
    HostFacts {
        version: Some(version("2.0.0")),
        ..old(name)
    }
}
fn on_probation(name: &str) -> HostFacts {
    HostFacts {
        proven: false,
        running: true,
        ..proven(name)
    }
}
fn failed(name: &str) -> HostFacts {
    HostFacts {
        failed: true,
        ..old(name)
    }
}
fn silent(facts: HostFacts) -> HostFacts {
    HostFacts {
        silent: true,
        ..facts
    }
}

/// Ticks at each second with each set of facts, and returns the rollout and all decisions.
fn after(mut rollout: Rollout, ticks: &[(i64, &[HostFacts])]) -> (Rollout, Vec<String>) {
    let mut decisions = Vec::new();
    for (second, facts) in ticks {
        if let Some(step) = tick(&rollout, facts, at(*second)) {
            decisions.extend(step.decisions);
            rollout = step.rollout;
        }
        assert_eq!(
            tick(&rollout, facts, at(*second)),
            None,
            "a second tick changed something"
        );
    }
    (rollout, decisions)
}

fn wants(facts: &HostFacts, rollouts: &[Rollout]) -> Option<String> {
    let target = desired_version(facts, rollouts)?;
    assert_eq!(target.generation, rollouts[0].id.0);
    Some(target.version.to_string())
}

#[test]
fn a_healthy_rollout_from_beginning_to_end() {
    let (done, decisions) = after(
        rollout(&[&["web1"], &["db1", "web2"]]),
        &[
            (10, &[old("web1"), old("web2"), old("db1")]),
            (20, &[on_probation("web1"), old("web2"), old("db1")]),
            (30, &[proven("web1"), old("web2"), old("db1")]),
            (89, &[proven("web1"), old("web2"), old("db1")]),
            (90, &[proven("web1"), old("web2"), old("db1")]),
            (95, &[proven("web1"), proven("web2"), old("db1")]),
            (99, &[proven("web1"), proven("web2"), proven("db1")]),
        ],
    );
    assert_eq!(
        decisions,
        [
            "begun: hosts 3, waves 2",
            "wave 1 of 2 opened: web1",
            "wave 1 of 2 proven: 1 of 1 hosts",
            "wave 2 of 2 opened: db1, web2",
            "wave 2 of 2 proven: 2 of 2 hosts",
            "done: 3 of 3 hosts have proven 2.0.0",
        ]
    );
    assert_eq!(
        (done.state, done.waves[1].opened_at),
        (RolloutState::Done, Some(at(90)))
    );
}

#[test]
fn each_wait_has_its_figures() {
    let fleet = || rollout(&[&["web1"], &["db1", "web2"]]);
    let why = |ticks: &[(i64, &[HostFacts])]| after(fleet(), ticks).0.why;
    let begun: &[HostFacts] = &[old("web1"), old("web2"), old("db1")];
    assert_eq!(
        why(&[(10, begun)]),
        "wave 1 of 2: 0 of 1 hosts have proven it, waits for web1"
    );
    let one: &[HostFacts] = &[proven("web1"), old("web2"), old("db1")];
    assert_eq!(
        why(&[(10, one)]),
        "wave 1 of 2 is proven and watched; the next one opens at 1970-01-01T00:01:10Z if it stays well"
    );
    let two: &[HostFacts] = &[proven("web1"), proven("web2"), old("db1")];
    assert_eq!(
        why(&[(10, one), (70, two)]),
        "wave 2 of 2: 1 of 2 hosts have proven it, waits for db1"
    );
}

#[test]
fn a_failed_canary_halts_and_nobody_else_is_let_go() {
    let (halted, decisions) = after(
        rollout(&[&["web1"], &["web2"]]),
        &[
            (10, &[old("web1"), old("web2")]),
            (20, &[failed("web1"), old("web2")]),
            (999, &[proven("web1"), old("web2")]),
        ],
    );
    assert_eq!(halted.state, RolloutState::Halted);
    assert_eq!(
        halted.why,
        "wave 1 of 2 halted: 1 of 1 hosts failed (limit 0): web1"
    );
    assert_eq!(decisions.last(), Some(&halted.why));
    assert_eq!(halted.waves[0].state, WaveState::Stopped);
    let rollouts = [halted];
    assert_eq!(wants(&failed("web1"), &rollouts).unwrap(), "1.0.0");
    assert_eq!(wants(&old("web2"), &rollouts).unwrap(), "1.0.0");
    // It may have proven the version after all, before it heard of the halt.
    assert_eq!(wants(&proven("web1"), &rollouts).unwrap(), "2.0.0");
    assert_eq!(wants(&on_probation("web1"), &rollouts).unwrap(), "1.0.0");
}

#[test]
fn a_proven_canary_that_fails_while_it_is_watched_halts_too() {
    let (halted, _) = after(
        rollout(&[&["web1"], &["web2"]]),
        &[
            (10, &[proven("web1"), old("web2")]),
            (40, &[failed("web1"), old("web2")]),
        ],
    );
    assert_eq!(halted.state, RolloutState::Halted);
    assert_eq!(halted.waves[1].state, WaveState::Waiting);
}

#[test]
fn silence_holds_until_it_ends() {
    let (rollout, decisions) = after(
        rollout(&[&["web1"], &["web2"]]),
        &[
            (10, &[proven("web1"), old("web2")]),
            (40, &[silent(proven("web1")), old("web2")]),
            (900, &[silent(proven("web1")), old("web2")]),
            (990, &[proven("web1"), old("web2")]),
        ],
    );
    assert_eq!(
        decisions[3..],
        [
            "wave 1 of 2 holds: 1 of 1 hosts silent (limit 0): web1",
            "wave 1 of 2 goes on: the gate agrees again",
            "wave 2 of 2 opened: web2",
        ]
    );
    assert_eq!(rollout.state, RolloutState::Running);
}

#[test]
fn limits_allow_what_they_say_and_no_more() {
    let tolerant = |failed, silent| {
        let mut rollout = rollout(&[&["a", "b", "c", "d"]]);
        rollout.strategy.max_failed = failed;
        rollout.strategy.max_silent = silent;
        rollout
    };
    let facts: &[HostFacts] = &[proven("a"), proven("b"), failed("c"), silent(old("d"))];
    let (done, _) = after(tolerant(1, 1), &[(10, facts)]);
    assert_eq!(
        done.why,
        "done: 2 of 4 hosts have proven 2.0.0, 1 failed, 1 silent"
    );
    assert_eq!(
        wants(&failed("c"), std::slice::from_ref(&done)).unwrap(),
        "1.0.0"
    );
    assert_eq!(wants(&silent(old("d")), &[done]).unwrap(), "2.0.0");
    assert_eq!(
        after(tolerant(0, 1), &[(10, facts)]).0.state,
        RolloutState::Halted
    );
    assert_eq!(
        after(tolerant(1, 0), &[(10, facts)]).0.state,
        RolloutState::Holding
    );
}

#[test]
fn a_hold_ends_in_a_halt_when_hosts_fail() {
    let (halted, _) = after(
        rollout(&[&["a", "b"]]),
        &[
            (10, &[silent(old("a")), old("b")]),
            (20, &[silent(old("a")), failed("b")]),
        ],
    );
    assert_eq!(
        halted.why,
        "wave 1 of 1 halted: 1 of 2 hosts failed (limit 0): b"
    );
}

#[test]
fn hosts_that_leave_the_fleet_are_not_waited_for() {
    let (done, _) = after(
        rollout(&[&["a"], &["b", "c"]]),
        &[
            (10, &[proven("a"), old("b"), old("c")]),
            (70, &[proven("a"), old("b"), old("c")]),
            (80, &[proven("a"), proven("b")]),
        ],
    );
    assert_eq!(done.why, "done: 2 of 2 hosts have proven 2.0.0");
}

#[test]
fn a_canary_that_left_the_fleet_is_replaced() {
    let (rollout, decisions) = after(
        rollout(&[&["a"], &["b", "c"]]),
        &[
            (10, &[old("a"), old("b"), old("c")]),
            (20, &[old("b"), old("c")]),
        ],
    );
    let canary = rollout.waves[0].hosts[0].clone();
    assert_ne!(canary, host("a"));
    assert_eq!(
        decisions[2],
        format!("wave 1 of 2: {canary} in place of a, silent or gone from the fleet")
    );
    assert_eq!(rollout.waves[0].hosts.len(), 1);
    assert!(rollout.waves[1].hosts.contains(&host("a")));
    assert_eq!(
        rollout.why,
        format!("wave 1 of 2: 0 of 1 hosts have proven it, waits for {canary}")
    );
}

#[test]
fn a_host_that_is_silent_already_is_no_canary() {
    let facts: &[HostFacts] = &[silent(old("a")), silent(old("b")), old("c")];
    let (rollout, _) = after(rollout(&[&["a"], &["b", "c"]]), &[(10, facts)]);
    assert_eq!(rollout.waves[0].hosts, [host("c")]);
    assert_eq!(rollout.waves[1].hosts, [host("a"), host("b")]);
    assert_eq!(rollout.state, RolloutState::Running);
}

#[test]
fn a_silent_host_stands_in_for_nobody_but_the_gone() {
    let waves: &[&[&str]] = &[&["a"], &["b"]];
    let both_silent: &[HostFacts] = &[silent(old("a")), silent(old("b"))];
    let (held, decisions) = after(rollout(waves), &[(10, both_silent)]);
    assert_eq!(held.waves[0].hosts, [host("a")]);
    assert_eq!(decisions.len(), 3, "{decisions:?}");
    // Without a canary the wave would pass by itself, so the silent host it is, and the rollout holds.
    let (held, _) = after(rollout(waves), &[(10, &[silent(old("b"))])]);
    assert_eq!(held.waves[0].hosts, [host("b")]);
    assert_eq!(held.state, RolloutState::Holding);
}

#[test]
fn a_fleet_of_one_silent_host_holds() {
    let (rollout, _) = after(rollout(&[&["a"]]), &[(10, &[silent(old("a"))])]);
    assert_eq!(
        rollout.why,
        "wave 1 of 1 holds: 1 of 1 hosts silent (limit 0): a"
    );
}

#[test]
fn an_empty_fleet_does_not_prove_anything() {
    let (rollout, _) = after(
        rollout(&[&["a"], &["b"]]),
        &[(10, &[old("a"), old("b")]), (999, &[]), (1999, &[])],
    );
    assert_eq!(rollout.state, RolloutState::Holding);
    assert_eq!(
        rollout.why,
        "holds: none of its 2 hosts is left in the fleet; promote again to begin anew"
    );
    assert_eq!(wants(&old("late"), &[rollout]).unwrap(), "1.0.0");
}

#[test]
fn a_rollout_without_waves_draws_them_at_its_first_tick() {
    let (begun, decisions) = after(rollout(&[]), &[(10, &[old("a"), old("b"), old("c")])]);
    assert_eq!(begun.waves, {
        let mut waves = start(&begun.strategy, &["a", "b", "c"].map(host), begun.id);
        waves[0].state = WaveState::Open;
        waves[0].opened_at = Some(at(10));
        waves
    });
    assert_eq!(decisions[0], "begun: hosts 3, waves 2");
    let (done, _) = after(rollout(&[]), &[(10, &[])]);
    assert_eq!(
        done.why,
        "done: there was no host to move; 2.0.0 is for those that come"
    );
}

#[test]
fn who_joins_late_waits_for_the_end() {
    let mut rollout = rollout(&[&["a"]]);
    for (state, wanted) in [
        (RolloutState::Planned, "1.0.0"),
        (RolloutState::Running, "1.0.0"),
        (RolloutState::Holding, "1.0.0"),
        (RolloutState::Halted, "1.0.0"),
        (RolloutState::RollingBack, "1.0.0"),
        (RolloutState::Done, "2.0.0"),
        (RolloutState::Cancelled, "1.0.0"),
    ] {
        rollout.state = state;
        assert_eq!(
            wants(&old("late"), std::slice::from_ref(&rollout)).unwrap(),
            wanted,
            "{state}"
        );
    }
}

#[test]
fn the_first_rollout_of_a_channel_orders_nobody_whose_turn_has_not_come() {
    let mut first = rollout(&[&["a"], &["b"]]);
    first.from = None;
    let (first, _) = after(first, &[(10, &[old("a"), old("b")])]);
    let rollouts = [first];
    assert_eq!(wants(&old("a"), &rollouts).unwrap(), "2.0.0");
    assert_eq!(desired_version(&old("b"), &rollouts), None);
    assert_eq!(desired_version(&failed("a"), &rollouts), None);
    assert_eq!(desired_version(&old("a"), &[]), None);
}

#[test]
fn an_order_says_since_when() {
    let (rollout, _) = after(rollout(&[&["a"], &["b"]]), &[(10, &[old("a"), old("b")])]);
    let rollouts = [rollout];
    assert_eq!(
        desired_version(&old("a"), &rollouts).unwrap().not_before,
        at(10)
    );
    assert_eq!(
        desired_version(&old("b"), &rollouts).unwrap().not_before,
        at(0)
    );
}

#[test]
fn what_an_interrupted_rollout_proved_stays_until_the_turn_comes() {
    // 2.0.0 was cut short by 3.0.0. `a` had proven it, `b` had not, and `c` failed it.
    let (mut cut_short, _) = after(
        rollout(&[&["a", "b", "c"]]),
        &[(10, &[proven("a"), old("b"), old("c")])],
    );
    cut_short.state = RolloutState::Cancelled;
    let mut newer = rollout(&[&["z"], &["a", "b", "c"]]);
    newer.id = RolloutId(8);
    newer.version = version("3.0.0");
    newer.state = RolloutState::Running;
    let mut rollouts = [newer, cut_short];
    assert_eq!(wants(&proven("a"), &rollouts).unwrap(), "2.0.0");
    assert_eq!(wants(&old("b"), &rollouts).unwrap(), "1.0.0");
    assert_eq!(wants(&on_probation("b"), &rollouts).unwrap(), "1.0.0");
    // Once the wave is open, the new version it is.
    rollouts[0].waves[1].state = WaveState::Open;
    assert_eq!(wants(&proven("a"), &rollouts).unwrap(), "3.0.0");
    rollouts[0].waves[1].state = WaveState::Waiting;
    // A wave in which the interrupted rollout was stopped counts for nothing.
    rollouts[1].waves[0].state = WaveState::Stopped;
    assert_eq!(wants(&proven("a"), &rollouts).unwrap(), "1.0.0");
}

#[test]
fn a_pause_waits_for_its_person() {
    let fleet: &[HostFacts] = &[proven("a"), old("b")];
    let (running, _) = after(rollout(&[&["a"], &["b"]]), &[(10, fleet)]);
    let paused = pause(&running, "ann").unwrap();
    assert_eq!(paused.decisions, ["paused by ann"]);
    let (paused, _) = after(
        paused.rollout,
        &[
            (999, fleet),
            (1999, &[silent(proven("a")), old("b")]),
            (2999, fleet),
        ],
    );
    assert_eq!(
        (paused.state, paused.why.as_str()),
        (RolloutState::Holding, "paused by ann")
    );
    assert_eq!(paused.waves[1].state, WaveState::Waiting);
    assert_eq!(
        wants(&old("b"), std::slice::from_ref(&paused)).unwrap(),
        "1.0.0"
    );
    assert_eq!(
        pause(&paused, "bob").unwrap_err().to_string(),
        "rollout 7 is paused already, by ann"
    );
    let resumed = resume(&paused, "bob").unwrap();
    assert_eq!(resumed.rollout.why, "resumed by bob");
    let (running, decisions) = after(resumed.rollout, &[(3000, fleet)]);
    assert_eq!(
        (running.state, decisions.as_slice()),
        (
            RolloutState::Running,
            &["wave 2 of 2 opened: b".to_owned()][..]
        )
    );
}

#[test]
fn a_pause_before_the_beginning_and_one_at_the_end() {
    let fleet: &[HostFacts] = &[proven("a")];
    for waves in [&[][..], &[&["a"][..]][..]] {
        let paused = pause(&rollout(waves), "ann").unwrap().rollout;
        let (paused, decisions) = after(paused, &[(10, fleet)]);
        assert_eq!((paused.state, decisions.len()), (RolloutState::Holding, 0));
        let (done, _) = after(resume(&paused, "ann").unwrap().rollout, &[(20, fleet)]);
        assert_eq!(done.state, RolloutState::Done);
    }
    let (open, _) = after(rollout(&[&["a"]]), &[(10, &[old("a")])]);
    let (paused, _) = after(pause(&open, "ann").unwrap().rollout, &[(20, fleet)]);
    assert_eq!(
        paused.state,
        RolloutState::Holding,
        "a rollout was done although it was paused"
    );
}

#[test]
fn failures_halt_a_paused_rollout() {
    let (open, _) = after(rollout(&[&["a"], &["b"]]), &[(10, &[old("a"), old("b")])]);
    let (halted, _) = after(
        pause(&open, "ann").unwrap().rollout,
        &[(20, &[failed("a"), old("b")])],
    );
    assert_eq!(
        (halted.state, halted.paused_by),
        (RolloutState::Halted, None)
    );
}

#[test]
fn a_rollback_takes_everybody_back() {
    let (running, _) = after(
        rollout(&[&["a"], &["b"]]),
        &[(10, &[proven("a"), old("b")])],
    );
    let back = rollback(&running, "ann").unwrap();
    assert_eq!(back.decisions, ["ann ordered all hosts back to 1.0.0"]);
    assert_eq!(
        wants(&proven("a"), std::slice::from_ref(&back.rollout)).unwrap(),
        "1.0.0"
    );
    let (under_way, _) = after(back.rollout, &[(20, &[proven("a"), old("b")])]);
    assert_eq!(under_way.why, "1 of 2 hosts are still to leave 2.0.0: a");
    let (over, decisions) = after(under_way, &[(30, &[old("a"), old("b")])]);
    assert_eq!(over.state, RolloutState::Cancelled);
    assert_eq!(decisions, ["rolled back: no host runs 2.0.0 any more"]);
    assert_eq!(
        wants(&proven("b"), &[over]).unwrap(),
        "1.0.0",
        "who comes back late is taken back too"
    );
}

#[test]
fn illegal_commands_say_what_to_do() {
    let mut rollout = rollout(&[&["a"]]);
    let words = |result: Result<Step, Refused>| result.unwrap_err().to_string();
    assert_eq!(
        words(resume(&rollout, "ann")),
        "cannot resume rollout 7: it is planned"
    );
    rollout.state = RolloutState::Halted;
    for (result, command) in [
        (pause(&rollout, "ann"), "pause"),
        (resume(&rollout, "ann"), "resume"),
        (halt(&rollout, "ann"), "halt"),
    ] {
        assert_eq!(
            words(result),
            format!("cannot {command} rollout 7: it is halted; roll it back, or promote again")
        );
    }
    rollout.state = RolloutState::Holding;
    rollout.why = "wave 1 holds".into();
    assert!(words(resume(&rollout, "ann")).ends_with("when its gate agrees; wave 1 holds"));
    for state in [RolloutState::Done, RolloutState::Cancelled] {
        rollout.state = state;
        assert!(words(rollback(&rollout, "ann")).contains("promote the version"));
    }
    rollout.state = RolloutState::Running;
    rollout.from = None;
    assert!(words(rollback(&rollout, "ann")).contains("no version to go back to"));
}

#[test]
fn the_draw_is_stable() {
    let names: Vec<HostName> = (1..=8).map(|n| host(&format!("web{n}"))).collect();
    let strategy = Strategy {
        canaries: 2,
        ..Strategy::default()
    };
    let canaries = |id| {
        start(&strategy, &names, RolloutId(id))[0]
            .hosts
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    // For ever: a server of another version must come to the same draw.
    assert_eq!(canaries(1), GOLDEN[0]);
    assert_eq!(canaries(2), GOLDEN[1]);
    let mut turned = names.clone();
    turned.reverse();
    turned.push(names[3].clone());
    assert_eq!(
        start(&strategy, &names, RolloutId(1)),
        start(&strategy, &turned, RolloutId(1))
    );
}
const GOLDEN: [[&str; 2]; 2] = [["web3", "web6"], ["web1", "web7"]];

#[test]
fn every_host_is_the_canary_at_some_time() {
    let names: Vec<HostName> = (1..=8).map(|n| host(&format!("web{n}"))).collect();
    let first = |id| start(&Strategy::default(), &names, RolloutId(id))[0].hosts[0].clone();
    let canaries: std::collections::BTreeSet<_> = (1..=80).map(first).collect();
    assert_eq!(canaries.len(), names.len());
}

#[test]
fn no_wave_is_empty() {
    let names = ["a", "b"].map(host);
    let waves = |canaries, names: &[HostName]| {
        let waves = start(
            &Strategy {
                canaries,
                ..Strategy::default()
            },
            names,
            RolloutId(1),
        );
        waves
            .iter()
            .map(|wave| wave.hosts.len())
            .collect::<Vec<_>>()
    };
    assert_eq!(waves(1, &names), [1, 1]);
    assert_eq!(waves(0, &names), [2]);
    assert_eq!(waves(9, &names), [2]);
    assert_eq!(waves(1, &[]), [0usize; 0]);
}

#[test]
fn a_host_is_silent_after_three_missed_reports_that_the_server_could_have_heard() {
    let minute = Duration::from_secs(60);
    let silent =
        |seen: Option<i64>, listening, now| is_silent(seen.map(at), at(listening), minute, at(now));
    assert!(!silent(Some(0), 0, 180));
    assert!(silent(Some(0), 0, 181));
    assert!(
        !silent(Some(0), 100, 181),
        "the server itself was away until 100"
    );
    assert!(!silent(None, 100, 280));
    assert!(silent(None, 100, 281));
    assert!(
        !silent(Some(500), 0, 100),
        "a clock that was set back makes nobody silent"
    );
}

#[test]
fn the_states_of_hosts_for_people() {
    let (rollout, _) = after(rollout(&[&["a"], &["b"]]), &[(10, &[old("a"), old("b")])]);
    let state =
        |index: usize, facts: &HostFacts| host_state(&rollout, &rollout.waves[index], facts);
    assert_eq!(state(0, &old("a")), "ordered");
    assert_eq!(
        state(
            0,
            &HostFacts {
                running: true,
                ..old("a")
            }
        ),
        "running"
    );
    assert_eq!(state(0, &on_probation("a")), "running");
    assert_eq!(state(0, &proven("a")), "proven");
    assert_eq!(state(0, &failed("a")), "failed");
    assert_eq!(state(0, &silent(proven("a"))), "silent");
    assert_eq!(state(1, &silent(old("b"))), "waiting");
    assert_eq!(state(1, &proven("b")), "proven");
}

#[test]
fn a_sentence_names_the_first_few_hosts() {
    let hosts: Vec<HostName> = (1..=8).rev().map(|n| host(&format!("web{n}"))).collect();
    assert_eq!(
        Names::of(&hosts).to_string(),
        "web1, web2, web3, web4, web5 and 3 more"
    );
    assert_eq!(Names::of(&hosts[..1]).to_string(), "web8");
}
