//! Who goes first: sizes of waves, and failure domains.

use super::*;

/// Hosts `web1` and so on, without failure domains.
fn hosts(count: usize) -> Vec<(HostName, &'static str)> {
    let names = (1..=count).map(|n| host(&format!("web{n}")));
    names.map(|name| (name, "")).collect()
}

fn sizes(waves: &[WaveSize], hosts: &[(HostName, &str)]) -> Vec<usize> {
    let strategy = Strategy {
        waves: waves.to_vec(),
        ..Strategy::default()
    };
    let waves = start(&strategy, hosts, RolloutId(1));
    waves.iter().map(|wave| wave.hosts.len()).collect()
}

#[test]
fn the_draw_is_stable() {
    let names = hosts(8);
    let strategy = Strategy {
        waves: vec![WaveSize::Count(2), WaveSize::ALL],
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
    let names = hosts(8);
    let first = |id| start(&Strategy::default(), &names, RolloutId(id))[0].hosts[0].clone();
    let canaries: std::collections::BTreeSet<_> = (1..=80).map(first).collect();
    assert_eq!(canaries.len(), names.len());
}

#[test]
fn no_wave_is_empty() {
    let canaries = |count| [WaveSize::Count(count), WaveSize::ALL];
    assert_eq!(sizes(&canaries(1), &hosts(2)), [1, 1]);
    // As many as there are, or more: there is no second wave.
    assert_eq!(sizes(&canaries(2), &hosts(2)), [2]);
    assert_eq!(sizes(&canaries(9), &hosts(2)), [2]);
    assert_eq!(sizes(&canaries(1), &[]), [0usize; 0]);
}

#[test]
fn waves_count_the_earlier_ones_in() {
    let waves = Strategy::default().waves;
    assert_eq!(sizes(&waves, &hosts(1000)), [1, 9, 90, 400, 500]);
    // One percent of 60 hosts is one host, rounded up, and that is the canary.
    assert_eq!(sizes(&waves, &hosts(60)), [1, 5, 24, 30]);
    assert_eq!(sizes(&waves, &hosts(2)), [1, 1]);
    assert_eq!(sizes(&waves, &hosts(1)), [1]);
}

#[test]
fn each_wave_has_its_share_of_each_failure_domain() {
    let racks = ["rack1", "rack2", "rack3", ""];
    let hosts: Vec<(HostName, &str)> = (0..200)
        .map(|n| (host(&format!("web{n}")), racks[n % 4]))
        .collect();
    let strategy = Strategy {
        waves: vec![WaveSize::Count(8), WaveSize::share(50), WaveSize::ALL],
        ..Strategy::default()
    };
    for id in 1..50 {
        let waves = start(&strategy, &hosts, RolloutId(id));
        for wave in &waves {
            for rack in racks {
                let of_rack = hosts.iter().filter(|(_, domain)| *domain == rack);
                let there = of_rack
                    .filter(|(name, _)| wave.hosts.contains(name))
                    .count();
                let share = wave.hosts.len() / 4;
                assert!(
                    there.abs_diff(share) <= 1,
                    "{there} of {rack:?}, not {share}"
                );
            }
        }
    }
}

#[test]
fn the_label_of_the_strategy_names_the_failure_domain() {
    let facts: Vec<HostFacts> = (0..10)
        .map(|n| {
            let rack = if n < 5 { "one" } else { "two" };
            labelled(old(&format!("{rack}{n}")), &[("rack", rack), ("zone", "x")])
        })
        .collect();
    let two_of_a_rack = |label: &str, id| {
        let mut rollout = by(&[], |it| {
            it.domain = Some(label.into());
            it.waves = vec![WaveSize::Count(2), WaveSize::ALL];
        });
        rollout.id = RolloutId(id);
        let begun = step(&rollout, &facts, 10).unwrap().rollout;
        let canaries = &begun.waves[0].hosts;
        canaries[0].as_str()[..3] == canaries[1].as_str()[..3]
    };
    assert!((1..40).all(|id| !two_of_a_rack("rack", id)));
    assert!((1..40).any(|id| two_of_a_rack("zone", id)));
    assert!(
        (1..40).any(|id| two_of_a_rack("floor", id)),
        "nobody has that label"
    );
}

#[test]
fn hosts_of_a_wave_stand_by_their_turns() {
    let id = RolloutId(1);
    for wave in start(&Strategy::default(), &hosts(100), id) {
        assert!(wave.hosts.is_sorted_by_key(|name| turn(id, name)));
        assert_eq!(
            (wave.state, wave.let_go),
            (lockstep_model::WaveState::Waiting, 0)
        );
    }
}
