//! What people read.

use std::time::Duration;

use super::*;

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
    let state = |index: usize, facts: &HostFacts| {
        host_state(&rollout, &rollout.waves[index], index == 0, facts)
    };
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
    assert_eq!(state(0, &kept(old("a"))), "kept");
    assert_eq!(state(1, &kept(old("b"))), "kept");
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
