//! Hosts that are left out: they do not begin, and nobody else is worse off or better judged for it.

use super::*;
use lockstep_model::SkippedHost;

/// A moment of a world: the rollout, what is known of the hosts, and the time.
type Moment = (Rollout, Vec<HostFacts>, Timestamp);

/// Plays a world with a decider that looks in each round; `look` sees each round before the decider does, and may say
/// something to the rollout.
fn play(
    world: &World,
    mut look: impl FnMut(usize, &mut Rollout, &[HostFacts], Timestamp) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let hosts = world.hosts.iter().enumerate();
    let mut agents: Vec<Agent> = hosts.map(|(n, host)| Agent::new(n, host)).collect();
    let (mut rollout, mut now) = (planned(&world.plan), at(0));
    for (round, &(_, seconds, reports)) in world.rounds.iter().enumerate() {
        now = now
            .checked_add(SignedDuration::from_secs(i64::from(seconds)))
            .unwrap();
        for (bit, agent) in agents.iter_mut().enumerate() {
            agent.facts.health.silent = agent.is_silent(round);
            let reports = reports >> (bit % 32) & 1 == 1;
            if agent.is_member(round) && !agent.facts.health.silent && reports {
                agent.report(&rollout, now);
            }
        }
        let members = agents.iter().filter(|agent| agent.is_member(round));
        let facts: Vec<HostFacts> = members.map(|agent| agent.facts.clone()).collect();
        look(round, &mut rollout, &facts, now)?;
        if let Some(step) = tick(&rollout, &facts, None, now) {
            rollout = step.rollout;
        }
    }
    Ok(())
}

fn has_begun(host: &HostFacts, rollout: &Rollout) -> bool {
    host.running || host.version.as_ref() == Some(&rollout.version)
}

fn skipped(
    rollout: &Rollout,
    facts: &[HostFacts],
    which: usize,
    now: Timestamp,
) -> Option<(HostName, Rollout)> {
    let known = facts.get(which % facts.len().max(1))?;
    let step = skip_host(rollout, &known.name, Some(known), "ann", "its disk", now).ok()?;
    Some((known.name.clone(), step.rollout))
}

fn ticked((rollout, facts, now): &Moment) -> Rollout {
    tick(rollout, facts, None, *now).map_or_else(|| rollout.clone(), |step| step.rollout)
}

fn let_go(rollout: &Rollout) -> BTreeSet<HostName> {
    let hosts = rollout.waves.iter().flat_map(|wave| wave.split().0);
    hosts.cloned().collect()
}

proptest! {
    #[test]
    fn who_is_left_out_never_begins(
        world in world(),
        said in proptest::collection::vec((0usize..60, 0usize..12), 1..6),
    ) {
        let mut left_out: BTreeSet<HostName> = BTreeSet::new();
        play(&world, |round, rollout, facts, now| {
            for host in facts.iter().filter(|it| left_out.contains(&it.name)) {
                prop_assert!(!has_begun(host, rollout), "{} has begun", host.name);
                // What it had it keeps.
                let ordered = order(host, rollout).map(|it| it.version);
                prop_assert_eq!(ordered, rollout.from.clone());
            }
            for (_, which) in said.iter().filter(|(at, _)| *at == round) {
                if let Some((host, next)) = skipped(rollout, facts, *which, now) {
                    left_out.insert(host);
                    *rollout = next;
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_failure_counts_whoever_is_left_out(world in world(), mask: u32) {
        play(&world, |_, rollout, facts, now| {
            let moment = (rollout.clone(), facts.to_vec(), now);
            let without = ticked(&moment);
            let mut other = moment;
            // Any hosts, those too that could not be left out by a word.
            let which = facts.iter().enumerate().filter(|(n, _)| mask >> n & 1 == 1);
            other.0.skipped = which
                .map(|(_, host)| {
                    let skipped = SkippedHost { by: "ann".into(), why: "its disk".into(), since: now, told: false };
                    (host.name.clone(), skipped)
                })
                .collect();
            let with = ticked(&other);
            if without.state == RolloutState::Halted {
                prop_assert_eq!(with.state, RolloutState::Halted, "{} / {}", without.why, with.why);
            }
            // A wave that was opened, or the end, had a gate before it that saw all failures.
            let waits = |rollout: &Rollout| rollout.waves.iter().filter(|it| it.state == WaveState::Waiting).count();
            let passed = waits(&with) < waits(&other.0) || with.state == RolloutState::Done;
            if passed && !other.0.waves.is_empty() && other.0.state != RolloutState::Done {
                let opened = with.waves.iter().filter(|it| it.state != WaveState::Waiting);
                let hosts: BTreeSet<&HostName> = opened.flat_map(|wave| &wave.hosts).collect();
                let failed = facts.iter().filter(|it| it.failed && hosts.contains(&it.name)).count();
                prop_assert!(failed <= with.strategy.failed.limit.of(hosts.len()), "{}", with.why);
            }
            Ok(())
        })?;
    }

    #[test]
    fn nobody_else_is_let_go_less_for_it(world in world(), which in 0usize..12) {
        play(&world, |_, rollout, facts, now| {
            let Some((left_out, next)) = skipped(rollout, facts, which, now) else {
                return Ok(());
            };
            for host in facts.iter().filter(|it| it.name != left_out) {
                prop_assert_eq!(order(host, rollout), order(host, &next), "{} is ordered otherwise", host.name);
            }
            let others = |rollout: &Rollout| -> BTreeSet<HostName> {
                let mut hosts = let_go(rollout);
                // Who has left the fleet is replaced once nobody of the wave is left.
                hosts.retain(|host| *host != left_out && facts.iter().any(|it| it.name == *host));
                hosts
            };
            let without = ticked(&(rollout.clone(), facts.to_vec(), now));
            let with = ticked(&(next.clone(), facts.to_vec(), now));
            // Before the draw somebody else comes into the first wave in its place, and gates may find fault with that one.
            let is_drawn = !rollout.waves.is_empty();
            prop_assert!(
                !is_drawn || others(&without).is_subset(&others(&with)),
                "{:?} without, {:?} with: {}", others(&without), others(&with), with.why
            );
            // Taken in again it is as if nothing had been said.
            let again = take_back(&next, &left_out, "ann", next.id).unwrap().rollout;
            prop_assert_eq!(&again, &*rollout);
            Ok(())
        })?;
    }
}
