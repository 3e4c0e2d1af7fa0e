//! What one host should run.

use std::collections::HashMap;

use jiff::Timestamp;
use lockstep_model::{HostName, Rollout, RolloutState, Version, WaveState};

/// The order for one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The version.
    pub version: Version,
    /// The generation of the order: always that of the newest rollout, whatever version it is. A host that has seen
    /// a rollout refuses every order that is older, so the order to go back must not be.
    pub generation: u64,
    /// Not to be begun before.
    pub not_before: Timestamp,
}

/// A host that asks what it should run.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Its name.
    pub name: &'a HostName,
    /// The version of the package that it runs.
    pub version: Option<&'a Version>,
    /// True if that version has proven itself on the host.
    pub proven: bool,
    /// True if it failed the newest rollout's version, by that rollout's order.
    pub failed: bool,
    /// True if a run that changes the package is in progress on it.
    pub running: bool,
}

/// A rollout, and where its hosts are.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// The rollout.
    pub rollout: Rollout,
    /// True if its version was found wanting, and nobody has said that it is to be rolled out all the same.
    pub suspect: bool,
    seats: HashMap<HostName, Seat>,
}

/// Where a host is in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// In which wave, counted from 0.
    pub wave: usize,
    /// Whether it has been let go.
    pub let_go: bool,
}

impl Ordered {
    /// Looks up where the hosts of a rollout are.
    #[must_use]
    pub fn new(rollout: Rollout, suspect: bool) -> Self {
        let mut seats = HashMap::new();
        for (wave, hosts) in rollout.waves.iter().enumerate() {
            let (let_go, waiting) = hosts.split();
            for (hosts, let_go) in [(let_go, true), (waiting, false)] {
                seats.extend(
                    hosts
                        .iter()
                        .map(|host| (host.clone(), Seat { wave, let_go })),
                );
            }
        }
        Self {
            rollout,
            suspect,
            seats,
        }
    }

    /// Where a host is; none if it is not among the rollout's hosts.
    #[must_use]
    pub fn seat(&self, host: &HostName) -> Option<Seat> {
        self.seats.get(host).copied()
    }

    fn wave_of(&self, host: &HostName) -> Option<WaveState> {
        let seat = self.seat(host)?;
        self.rollout.waves.get(seat.wave).map(|wave| wave.state)
    }
}

impl Asker<'_> {
    fn has_proven(&self, version: &Version) -> bool {
        self.proven && self.version == Some(version)
    }
}

/// What a host should run, from the rollouts of one package and channel, the newest first. None is no order: the host
/// stays as it is.
///
/// A host that has been let go should run the new version, unless it failed it, or the rollout halted before the
/// host had proven it, or the strategy's hours are over and it has not begun. When the rollout is done every host
/// should, within those hours, those that joined meanwhile as well, if the version was not found wanting since. Everybody else should run
/// what came before: the version of the last rollout that was done, or that of a rollout cut short by this one, where
/// it has proven itself on this very host. A host that a person left out of the newest rollout counts as one whose turn has
/// not come, unless it has begun. To take such a host back first, only to let it go again later, would be two
/// changes instead of one, and the first of them behind no gate.
#[must_use]
pub fn desired_version(host: &Asker<'_>, rollouts: &[Ordered], now: Timestamp) -> Option<Target> {
    let (newest, older) = rollouts.split_first()?;
    let rollout = &newest.rollout;
    let order = |version: &Version, not_before| {
        Some(Target {
            version: version.clone(),
            generation: rollout.id.0,
            not_before,
        })
    };
    if rollout.skipped.contains_key(host.name) && !has_begun(rollout, host) {
        return order(before(newest, older, host)?, rollout.created_at);
    }
    let has_proven = host.has_proven(&rollout.version);
    if rollout.state == RolloutState::Done && !host.failed && (has_proven || !newest.suspect) {
        // Who comes late is not disturbed outside of the hours either.
        return match has_proven || may_begin(rollout, host, now) {
            true => order(&rollout.version, rollout.created_at),
            false => None,
        };
    }
    if may_run(newest, host, now)
        && let Some(seat) = newest.seat(host.name).filter(|seat| seat.let_go)
    {
        let opened_at = rollout.waves[seat.wave].opened_at;
        return order(&rollout.version, opened_at.unwrap_or(rollout.created_at));
    }
    order(before(newest, older, host)?, rollout.created_at)
}

/// Whether a host that was let go should run the rollout's version.
fn may_run(newest: &Ordered, host: &Asker<'_>, now: Timestamp) -> bool {
    let rollout = &newest.rollout;
    let has_proven = host.has_proven(&rollout.version);
    match rollout.state {
        RolloutState::Running | RolloutState::Holding if host.failed => false,
        RolloutState::Running | RolloutState::Holding => may_begin(rollout, host, now),
        RolloutState::Halted => {
            let taken_back = newest.wave_of(host.name) == Some(WaveState::TakenBack);
            !host.failed && has_proven && !taken_back
        }
        _ => false,
    }
}

/// Whether a host may begin with the version now; who has begun goes on when the hours are over.
fn may_begin(rollout: &Rollout, host: &Asker<'_>, now: Timestamp) -> bool {
    has_begun(rollout, host) || rollout.strategy.windows.is_open(now)
}

/// Whether a host has begun with the version, or has it.
fn has_begun(rollout: &Rollout, host: &Asker<'_>) -> bool {
    host.running || host.version == Some(&rollout.version)
}

/// What the host should run while the newest rollout does not concern it.
fn before<'a>(newest: &'a Ordered, older: &'a [Ordered], host: &Asker<'_>) -> Option<&'a Version> {
    older
        .iter()
        .take_while(|older| older.rollout.state == RolloutState::Cancelled)
        .find(|older| {
            // A wave in which that rollout stopped was in trouble, or is to be taken back: it does not count.
            let passed = |wave: &WaveState| matches!(wave, WaveState::Open | WaveState::Proven);
            host.has_proven(&older.rollout.version)
                && older.wave_of(host.name).as_ref().is_some_and(passed)
        })
        .map(|older| &older.rollout.version)
        .or(newest.rollout.from.as_ref())
}
