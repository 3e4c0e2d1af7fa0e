//! The gate between two waves, in other words than those of the code.

use super::*;

/// A wave that opened, and the end, had a gate before them; this is the gate in other words.
pub(super) fn check_gates(
    rollout: &Rollout,
    before: &Rollout,
    facts: &[HostFacts],
    now: Timestamp,
) -> Result<(), TestCaseError> {
    let waits = |rollout: &Rollout, wave: usize| {
        rollout
            .waves
            .get(wave)
            .is_none_or(|wave| wave.state == WaveState::Waiting)
    };
    let mut passed: Vec<usize> = (1..rollout.waves.len())
        .filter(|&wave| waits(before, wave) && !waits(rollout, wave))
        .collect();
    if rollout.state == RolloutState::Done && before.state != RolloutState::Done {
        passed.push(rollout.waves.len());
    }
    for wave in passed {
        let let_go: Vec<_> = facts
            .iter()
            .filter(|host| {
                rollout.waves[..wave]
                    .iter()
                    .any(|it| it.hosts.contains(&host.name))
            })
            .collect();
        let failed = let_go.iter().filter(|host| host.failed).count();
        let silent = let_go
            .iter()
            .filter(|host| !host.failed && host.health.silent)
            .count();
        let proven = let_go
            .iter()
            .filter(|host| !host.failed && !host.health.silent && !host.running && host.proven)
            .filter(|host| host.version.as_ref() == Some(&rollout.version))
            .count();
        prop_assert!(failed <= rollout.strategy.failed.limit.of(let_go.len()));
        // Who is silent has perhaps not been let go; for the gate it counts all the same.
        prop_assert!(silent <= rollout.strategy.silent.limit.of(let_go.len()));
        prop_assert_eq!(
            failed + silent + proven,
            let_go.len(),
            "wave {} opened early",
            wave + 1
        );
        if wave < rollout.waves.len() {
            let proven_at = rollout.waves[wave - 1].proven_at.unwrap();
            let bake = rollout.strategy.bake.duration();
            prop_assert!(
                now >= proven_at.checked_add(bake).unwrap(),
                "it was not watched"
            );
        }
    }
    Ok(())
}
