//! What one host is ordered.

use super::*;
use lockstep_model::WaveState;

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
    assert_eq!(target(&old("b"), &rollouts), None);
    assert_eq!(target(&failed("a"), &rollouts), None);
    assert_eq!(target(&old("a"), &[]), None);
}

#[test]
fn an_order_says_since_when() {
    let (rollout, _) = after(rollout(&[&["a"], &["b"]]), &[(10, &[old("a"), old("b")])]);
    let rollouts = [rollout];
    assert_eq!(target(&old("a"), &rollouts).unwrap().not_before, at(10));
    assert_eq!(target(&old("b"), &rollouts).unwrap().not_before, at(0));
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
    // Once it is let go, the new version it is.
    rollouts[0].waves[1].state = WaveState::Open;
    rollouts[0].waves[1].let_go = 3;
    assert_eq!(wants(&proven("a"), &rollouts).unwrap(), "3.0.0");
    rollouts[0].waves[1].state = WaveState::Waiting;
    // A wave in which the interrupted rollout was stopped counts for nothing.
    rollouts[1].waves[0].state = WaveState::Stopped;
    assert_eq!(wants(&proven("a"), &rollouts).unwrap(), "1.0.0");
}
