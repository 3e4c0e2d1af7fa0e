use lockstep_model::api::operator::WaveView;
use lockstep_model::{ChannelName, PackageName, Version, WaveState};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn decision(second: i64, words: &str) -> DecisionView {
    DecisionView {
        at: at(second),
        words: words.into(),
    }
}

fn rollout(proven: usize, waiting: usize) -> RolloutView {
    RolloutView {
        id: RolloutId(7),
        package: PackageName::lockstep(),
        version: Version::parse("2.0.0").unwrap(),
        from: None,
        channel: ChannelName::stable(),
        state: RolloutState::Running,
        why: "why".into(),
        created_at: at(0),
        at: at(100),
        urgent: false,
        generation: 7,
        paused_by: None,
        strategy: None,
        gates: Vec::new(),
        suspect: None,
        cluster: None,
        expected_end: None,
        waves: vec![WaveView {
            state: WaveState::Open,
            figures: WaveFigures {
                hosts: proven + waiting,
                proven,
                waiting,
                ..WaveFigures::default()
            },
            opened_at: None,
            proven_at: None,
            bakes_until: None,
            skipped_by: None,
            hosts: Vec::new(),
        }],
        decisions: vec![decision(1, "begun")],
    }
}

#[test]
fn only_what_is_new_is_told() {
    let first = rollout(0, 4);
    assert_eq!(
        changes(None, &first),
        [
            "rollout 7 · lockstep - → 2.0.0 · stable",
            "2027-01-15T08:00:01Z  begun",
            "2027-01-15T08:01:40Z  running · why",
        ]
    );
    let mut second = rollout(0, 4);
    second.at = at(200);
    assert_eq!(changes(Some(&first), &second), [""; 0]);
    assert!(!differ(&first, &second), "time alone is no change");
    let mut third = rollout(1, 3);
    third.decisions.push(decision(50, "wave 1 of 1 opened: a"));
    third.state = RolloutState::Holding;
    assert_eq!(
        changes(Some(&second), &third),
        [
            "2027-01-15T08:00:50Z  wave 1 of 1 opened: a",
            "2027-01-15T08:01:40Z  wave 1 of 1 is open: 1 of 4 hosts have proven it",
            "2027-01-15T08:01:40Z  holding · why",
        ]
    );
    assert!(differ(&second, &third));
}

#[test]
fn decisions_are_told_once_also_when_the_list_has_lost_its_beginning() {
    let told = [decision(1, "a"), decision(2, "b")];
    let all = [decision(2, "b"), decision(3, "c")];
    let new: Vec<&str> = new_decisions(&told, &all)
        .iter()
        .map(|it| it.words.as_str())
        .collect();
    assert_eq!(new, ["c"]);
    assert_eq!(new_decisions(&[], &all).len(), 2);
    assert_eq!(new_decisions(&all, &all).len(), 0);
}

#[test]
fn the_end_of_a_rollout_is_the_end_of_watching() {
    assert_eq!(end(RolloutState::Done), Some(Exit::Done));
    assert_eq!(end(RolloutState::Halted), Some(Exit::Failed));
    assert_eq!(end(RolloutState::Cancelled), Some(Exit::Failed));
    assert_eq!(end(RolloutState::RollingBack), None);
    assert_eq!(end(RolloutState::Holding), None);
}

#[test]
fn a_server_that_is_away_is_waited_for_and_one_that_refuses_is_not() {
    let away = CallError::Unreachable {
        url: "https://server".into(),
        why: "refused".into(),
    };
    assert!(passes(&anyhow::Error::from(away)));
    assert!(!passes(&anyhow::anyhow!("something else")));
}
