//! What a person may say to a rollout.

use lockstep_model::{HostName, Rollout, RolloutId, RolloutState, Version, WaveState};

use super::tick::Step;
use super::why::{Decision, Place, Why};

/// Why a rollout does not do what a person asks of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The rollout is in a state in which this cannot be asked.
    #[error("cannot {command} rollout {id}: it is {state}{}", advice(*.state))]
    WrongState {
        /// What was asked.
        command: &'static str,
        /// Of which rollout.
        id: RolloutId,
        /// Its state.
        state: RolloutState,
    },
    /// It is paused already.
    #[error("rollout {id} is paused already, by {by}")]
    AlreadyPaused {
        /// Which.
        id: RolloutId,
        /// Who did it.
        by: String,
    },
    /// A person paused it: that is ended first.
    #[error("rollout {id} is paused by {by}; resume it first")]
    Paused {
        /// Which.
        id: RolloutId,
        /// Who did it.
        by: String,
    },
    /// The newest wave was skipped already, and the next one has not been opened yet.
    #[error(
        "the newest wave of rollout {id} is let pass already; the next one opens as soon as a window is open"
    )]
    SkippedAlready {
        /// Which.
        id: RolloutId,
    },
    /// Its gate holds it, not a person.
    #[error(
        "rollout {id} was not paused by a person and goes on by itself when its gate agrees, or with skip-wave; {why}"
    )]
    HeldByGate {
        /// Which.
        id: RolloutId,
        /// What the gate says.
        why: String,
    },
    /// A person left this host out of it already.
    #[error("{host} is left out of rollout {id} already, by {by}")]
    HostSkippedAlready {
        /// Which rollout.
        id: RolloutId,
        /// Which host.
        host: HostName,
        /// Who did it.
        by: String,
    },
    /// Nobody left this host out of it.
    #[error("{host} is not left out of rollout {id}; \"rollout show {id} --hosts\" says who is")]
    HostNotSkipped {
        /// Which rollout.
        id: RolloutId,
        /// Which host.
        host: HostName,
    },
    /// It is none of the rollout's hosts.
    #[error(
        "{host} is none of the hosts of rollout {id}; \"rollout show {id} --hosts\" lists them"
    )]
    NotItsHost {
        /// Which rollout.
        id: RolloutId,
        /// Which host.
        host: HostName,
    },
    /// The host has begun, or has the version already.
    #[error(
        "{host} has begun with {version}, and what has begun is finished: it cannot be left out of rollout {id} any more"
    )]
    HostHasBegun {
        /// Which rollout.
        id: RolloutId,
        /// Which host.
        host: HostName,
        /// Its version.
        version: Version,
    },
    /// The host was told to begin, and then nothing was heard of it.
    #[error(
        "nothing is heard of {host} since it was told to run {version}, so it may have begun: it counts as silent and cannot \
         be left out of rollout {id} until it reports"
    )]
    HostMayHaveBegun {
        /// Which rollout.
        id: RolloutId,
        /// Which host.
        host: HostName,
        /// Its version.
        version: Version,
    },
    /// A later rollout of the channel says what its hosts run.
    #[error(
        "{host} cannot be taken into rollout {id} again: rollout {newest} is the channel's newest, and only what that says \
         reaches hosts; nobody is left out of it by what was said of {id}"
    )]
    NotTheNewest {
        /// Which rollout.
        id: RolloutId,
        /// Which host.
        host: HostName,
        /// The newest one of the channel.
        newest: RolloutId,
    },
    /// The host has failed.
    #[error(
        "{host} failed {version} by rollout {id}: it is not ordered to run it again, and its failure counts whoever is left out"
    )]
    HostFailed {
        /// Which rollout.
        id: RolloutId,
        /// Which host.
        host: HostName,
        /// Its version.
        version: Version,
    },
    /// As many hosts as possible are left out of it.
    #[error(
        "{most} hosts are left out of rollout {id}, and more cannot be: the fleet file says which hosts follow a channel",
        most = Rollout::MOST_SKIPPED
    )]
    TooManySkipped {
        /// Which.
        id: RolloutId,
    },
    /// There is no version to go back to.
    #[error(
        "rollout {id} is the first of its channel, there is no version to go back to; promote another one"
    )]
    NothingBefore {
        /// Which.
        id: RolloutId,
    },
}

fn advice(state: RolloutState) -> &'static str {
    match state {
        RolloutState::Halted => "; roll it back, or promote again",
        RolloutState::Done | RolloutState::Cancelled => {
            "; promote the version that the hosts should run"
        }
        _ => "",
    }
}

/// Lets nobody else go until [`resume`]. Hosts that have been let go finish what they began, and too many failures
/// halt the rollout all the same.
pub fn pause(rollout: &Rollout, by: &str) -> Result<Step, Refused> {
    if let Some(earlier) = &rollout.paused_by {
        return Err(Refused::AlreadyPaused {
            id: rollout.id,
            by: earlier.clone(),
        });
    }
    if !matches!(
        rollout.state,
        RolloutState::Planned | RolloutState::Running | RolloutState::Holding
    ) {
        return Err(wrong_state("pause", rollout));
    }
    let mut next = rollout.clone();
    next.paused_by = Some(by.into());
    let why = Why::Paused { by: by.into() };
    Ok(Step::to(
        next,
        RolloutState::Holding,
        &why,
        Decision::Held(why.clone()),
    ))
}

/// Ends a pause. The next tick decides how it goes on.
pub fn resume(rollout: &Rollout, by: &str) -> Result<Step, Refused> {
    if rollout.paused_by.is_none() {
        return Err(match rollout.state {
            RolloutState::Holding => Refused::HeldByGate {
                id: rollout.id,
                why: rollout.why.clone(),
            },
            _ => wrong_state("resume", rollout),
        });
    }
    let mut next = rollout.clone();
    next.paused_by = None;
    let why = Why::Resumed { by: by.into() };
    Ok(Step::to(
        next,
        RolloutState::Running,
        &why,
        Decision::Ordered(why.clone()),
    ))
}

/// Lets the next wave go without waiting for the gate of the newest one, which does not count any more: neither hosts
/// of that wave that are silent, worse or not done, nor its bake time. Of the last wave nothing is waited for any more:
/// the rollout is done. Not while a person has paused it.
pub fn skip_wave(rollout: &Rollout, by: &str) -> Result<Step, Refused> {
    if let Some(earlier) = &rollout.paused_by {
        return Err(Refused::Paused {
            id: rollout.id,
            by: earlier.clone(),
        });
    }
    let newest = rollout
        .waves
        .iter()
        .rposition(|wave| wave.state != WaveState::Waiting);
    let moves = matches!(rollout.state, RolloutState::Running | RolloutState::Holding);
    let Some(newest) = newest.filter(|_| moves) else {
        return Err(wrong_state("skip a wave of", rollout));
    };
    let mut next = rollout.clone();
    let wave = &mut next.waves[newest];
    if wave.skipped_by.is_some() {
        return Err(Refused::SkippedAlready { id: rollout.id });
    }
    wave.skipped_by = Some(by.into());
    wave.state = WaveState::Proven;
    let why = Why::Skipped {
        wave: Place {
            number: newest + 1,
            of: next.waves.len(),
        },
        by: by.into(),
    };
    Ok(Step::to(
        next,
        RolloutState::Running,
        &why,
        Decision::Ordered(why.clone()),
    ))
}

/// Stops the rollout for good: nobody else is let go, and who has not proven the version goes back.
pub fn halt(rollout: &Rollout, by: &str) -> Result<Step, Refused> {
    if !matches!(
        rollout.state,
        RolloutState::Planned | RolloutState::Running | RolloutState::Holding
    ) {
        return Err(wrong_state("halt", rollout));
    }
    let mut next = rollout.clone();
    stop_open_waves(&mut next);
    let why = Why::HaltedBy { by: by.into() };
    Ok(Step::to(
        next,
        RolloutState::Halted,
        &why,
        Decision::Halted(why.clone()),
    ))
}

/// Takes all hosts back to the version before.
pub fn rollback(rollout: &Rollout, by: &str) -> Result<Step, Refused> {
    if rollout.state.is_over() || rollout.state == RolloutState::RollingBack {
        return Err(wrong_state("roll back", rollout));
    }
    let Some(to) = rollout.from.clone() else {
        return Err(Refused::NothingBefore { id: rollout.id });
    };
    let mut next = rollout.clone();
    next.paused_by = None;
    for wave in next
        .waves
        .iter_mut()
        .filter(|wave| wave.state != WaveState::Waiting)
    {
        wave.state = WaveState::Stopped;
    }
    let why = Why::OrderedBack { by: by.into(), to };
    Ok(Step::to(
        next,
        RolloutState::RollingBack,
        &why,
        Decision::Ordered(why.clone()),
    ))
}

/// Marks the waves in which the rollout stops.
pub(super) fn stop_open_waves(rollout: &mut Rollout) {
    rollout.paused_by = None;
    for wave in rollout
        .waves
        .iter_mut()
        .filter(|wave| wave.state == WaveState::Open)
    {
        wave.state = WaveState::Stopped;
    }
}

pub(super) fn wrong_state(command: &'static str, rollout: &Rollout) -> Refused {
    Refused::WrongState {
        command,
        id: rollout.id,
        state: rollout.state,
    }
}
