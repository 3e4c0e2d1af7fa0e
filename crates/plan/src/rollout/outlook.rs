//! What is shown of a rollout beside its state: what its gates see now, and when it will be done.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::{Rollout, RolloutState, Then, Wave, WaveState};

use super::compare::compare;
use super::look::{Look, Tally};
use super::why::Verdict;

/// What one gate sees now. Its `Display` says it in words.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum GateFigures {
    /// A limit on hosts.
    Limit {
        /// What is counted: `failed`, `worse` or `silent`.
        what: &'static str,
        /// So many hosts are.
        count: usize,
        /// Of so many.
        of: usize,
        /// So many may be.
        limit: usize,
        /// What happens when more are.
        then: Then,
    },
    /// Updated hosts are held against others.
    Compared {
        /// What that says.
        verdict: Verdict,
        /// What happens when updated hosts are worse off.
        then: Then,
    },
}

/// What the gates of a rollout see, in the order in which they are asked.
#[must_use]
pub fn gates(rollout: &Rollout, look: &Look) -> Vec<GateFigures> {
    let strategy = &rollout.strategy;
    let is_gated = |wave: &Wave| wave.state != WaveState::Waiting && wave.skipped_by.is_none();
    let gated = rollout.waves.iter().zip(&look.waves);
    let gated: Vec<&Tally> = gated
        .filter(|(wave, _)| is_gated(wave))
        .map(|(_, tally)| tally)
        .collect();
    let sum = |count: fn(&Tally) -> usize| gated.iter().map(|&tally| count(tally)).sum::<usize>();
    let (hosts, failed) = (sum(|it| it.hosts), sum(|it| it.failed.count));
    let let_go = sum(|it| it.let_go).max(failed);
    let limits = [
        ("failed", failed, let_go, strategy.failed),
        ("worse", sum(|it| it.worse.count), let_go, strategy.worse),
        ("silent", sum(|it| it.silent.count), hosts, strategy.silent),
    ];
    let mut gates: Vec<GateFigures> = limits
        .into_iter()
        .map(|(what, count, of, gate)| GateFigures::Limit {
            what,
            count,
            of,
            limit: gate.limit.of(of),
            then: gate.then,
        })
        .collect();
    if let Some(asked) = strategy.compare {
        gates.push(GateFigures::Compared {
            verdict: compare(asked, rollout.waves.len(), look.treated, look.control),
            then: asked.then,
        });
    }
    gates
}

impl fmt::Display for GateFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit {
                what,
                count,
                of,
                limit,
                then,
            } => write!(
                f,
                "{what}: {count} of {of} hosts, at most {limit}, else {then}"
            ),
            Self::Compared { verdict, then } => {
                write!(f, "compared: {verdict}, else {then}")
            }
        }
    }
}

/// When a rollout will be done if its waves take as long as those that it has behind it took on average. None where
/// nothing can be said: it does not move, no wave is proven yet, or no window opens.
#[must_use]
pub fn expected_end(rollout: &Rollout, now: Timestamp) -> Option<Timestamp> {
    let is_held = rollout.paused_by.is_some() || rollout.state != RolloutState::Running;
    if is_held {
        return None;
    }
    let took: Vec<SignedDuration> = rollout
        .waves
        .iter()
        .filter_map(|wave| Some(wave.proven_at?.duration_since(wave.opened_at?)))
        .collect();
    let waves = i32::try_from(took.len()).ok().filter(|waves| *waves > 0)?;
    let took = took.into_iter().sum::<SignedDuration>() / waves;
    let strategy = &rollout.strategy;
    let mut at = now;
    let last = rollout.waves.len().checked_sub(1)?;
    for (index, wave) in rollout.waves.iter().enumerate() {
        let is_watched = index < last && wave.skipped_by.is_none();
        let proven_at = match wave.state {
            WaveState::Proven => match wave.proven_at {
                Some(proven_at) => proven_at,
                None => continue,
            },
            WaveState::Open => wave.opened_at?.checked_add(took).ok()?.max(now),
            WaveState::Waiting => strategy.windows.opens(at)?.checked_add(took).ok()?,
            WaveState::Stopped | WaveState::TakenBack => return None,
        };
        let watched = if is_watched {
            strategy.bake.duration()
        } else {
            std::time::Duration::ZERO
        };
        at = proven_at.checked_add(watched).ok()?.max(now);
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use lockstep_model::{
        ChannelName, HostName, Interval, PackageName, RolloutId, Strategy, Version, WaveSize,
    };

    use super::*;
    use crate::rollout::Names;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Four waves with a minute between them; the first took ten seconds, the second twenty.
    fn rollout() -> Rollout {
        let wave = |name: &str, state, opened: Option<i64>, proven: Option<i64>| Wave {
            state,
            opened_at: opened.map(at),
            proven_at: proven.map(at),
            let_go: 1,
            ..Wave::waiting(vec![HostName::parse(name).unwrap()])
        };
        Rollout {
            id: RolloutId(7),
            package: PackageName::lockstep(),
            version: Version::parse("2.0.0").unwrap(),
            from: None,
            channel: ChannelName::stable(),
            strategy: Strategy {
                waves: vec![WaveSize::ALL],
                bake: Interval::from_secs(60),
                ..Strategy::default()
            },
            urgent: false,
            state: RolloutState::Running,
            why: String::new(),
            paused_by: None,
            skipped: std::collections::BTreeMap::new(),
            waves: vec![
                wave("a", WaveState::Proven, Some(0), Some(10)),
                wave("b", WaveState::Proven, Some(70), Some(90)),
                wave("c", WaveState::Waiting, None, None),
                wave("d", WaveState::Waiting, None, None),
            ],
            created_at: at(0),
        }
    }

    #[test]
    fn the_end_is_expected_from_what_waves_took_so_far() {
        let mut rollout = rollout();
        // Wave 3 opens at 150 and is proven at 165; wave 4 opens at 225 and is proven at 240.
        assert_eq!(expected_end(&rollout, at(100)), Some(at(240)));
        // It opens late.
        assert_eq!(expected_end(&rollout, at(170)), Some(at(260)));
        rollout.waves[2].state = WaveState::Open;
        rollout.waves[2].opened_at = Some(at(150));
        assert_eq!(expected_end(&rollout, at(155)), Some(at(240)));
        // It takes longer than the others did.
        assert_eq!(expected_end(&rollout, at(200)), Some(at(275)));
        rollout.paused_by = Some("ann".into());
        assert_eq!(expected_end(&rollout, at(155)), None);
        rollout.paused_by = None;
        rollout.waves[0].proven_at = None;
        rollout.waves[1].proven_at = None;
        assert_eq!(expected_end(&rollout, at(155)), None, "nothing is known");
    }

    #[test]
    fn gates_say_what_they_see() {
        let mut rollout = rollout();
        rollout.waves[0].skipped_by = Some("ann".into());
        let tally = |failed: usize| Tally {
            hosts: 10,
            let_go: 5,
            failed: Names::unnamed(failed),
            silent: Names::unnamed(1),
            ..Tally::default()
        };
        let look = Look {
            waves: vec![tally(5), tally(2), tally(0), tally(0)],
            ..Look::default()
        };
        let words: Vec<String> = gates(&rollout, &look)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            words[..3],
            [
                "failed: 2 of 5 hosts, at most 0, else halt",
                "worse: 0 of 5 hosts, at most 0, else hold",
                "silent: 1 of 10 hosts, at most 0, else hold",
            ]
        );
        assert!(
            words[3].starts_with("compared: not enough data"),
            "{words:?}"
        );
    }
}
