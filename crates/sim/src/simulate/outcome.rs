//! What came out of one simulation.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::RolloutState;
use lockstep_plan::rollout::{Decision, Lane, Short, Why};

use super::curve::Curve;
use super::downloads::Load;

/// What came out.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The last sentence about it.
    pub why: String,
    /// The waves, in their order.
    pub waves: Vec<WaveOutcome>,
    /// Hosts that were let go.
    pub let_go: usize,
    /// When hosts had proven the release, after the start, in their order.
    pub proven: Vec<Duration>,
    /// Hosts that tried it and failed.
    pub failed: usize,
    /// What the server had to bear.
    pub load: Load,
    /// Most reports within a second: those that come anyway, and those that the rollout brought about.
    pub reports: f64,
    /// Most hosts in flight.
    pub in_flight: usize,
    /// Fewest hosts that were fit and at rest.
    pub fewest_fit: usize,
    /// Hosts that were let go, over time.
    pub going: Curve,
    /// Hosts that had proven the release, over time.
    pub done: Curve,
    /// How often it was looked at.
    pub looks: u64,
    /// What was decided; the first thousand.
    pub decisions: Vec<(Timestamp, Decision)>,
}

/// How a simulation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The rollout was done.
    Done,
    /// A gate stopped it for good.
    Stopped,
    /// Nothing would move it any more.
    Stuck,
}

/// A wave, as it went.
#[derive(Debug, Clone, PartialEq)]
pub struct WaveOutcome {
    /// Its hosts.
    pub hosts: usize,
    /// When it was opened, if it was.
    pub opened_at: Option<Timestamp>,
    /// When the last of its hosts was let go.
    pub let_go_at: Option<Timestamp>,
    /// When all of its hosts had come to a good end.
    pub proven_at: Option<Timestamp>,
    /// For how long what was waited for while it was the newest one, in the order of [`Cause::ALL`].
    pub waited: [Duration; Cause::ALL.len()],
}

/// What a rollout waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A window.
    Window,
    /// The bake time.
    Bake,
    /// The moments of hosts.
    Spread,
    /// As many hosts as may be in flight are.
    InFlight,
    /// No fit host can be spared.
    Fit,
    /// The line to a site.
    Site,
    /// Hosts that were let go and have not come to an end.
    Hosts,
    /// A gate that says wait.
    Gate,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Window,
        Self::Bake,
        Self::Spread,
        Self::InFlight,
        Self::Fit,
        Self::Site,
        Self::Hosts,
        Self::Gate,
    ];

    /// What a rollout waits for that says this of itself.
    pub(super) fn of(state: RolloutState, why: &Why) -> Self {
        match why {
            _ if state == RolloutState::Holding => Self::Gate,
            Why::Shut { .. } => Self::Window,
            Why::Bakes { .. } => Self::Bake,
            Why::Waits {
                short: Some(short), ..
            } => match short {
                Short::Shut { .. } => Self::Window,
                Short::Moment { .. } => Self::Spread,
                Short::InFlight { .. } => Self::InFlight,
                Short::Fit { .. } => Self::Fit,
                Short::Sites { .. } => Self::Site,
                _ => Self::Hosts,
            },
            _ => Self::Hosts,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Window => "window",
            Self::Bake => "bake",
            Self::Spread => "spread",
            Self::InFlight => "in flight",
            Self::Fit => "fit hosts",
            Self::Site => "site",
            Self::Hosts => "hosts",
            Self::Gate => "gate",
        })
    }
}

impl WaveOutcome {
    pub(super) fn new(hosts: usize) -> Self {
        Self {
            hosts,
            opened_at: None,
            let_go_at: None,
            proven_at: None,
            waited: [Duration::ZERO; Cause::ALL.len()],
        }
    }

    pub(super) fn take_over(&mut self, lane: &Lane) {
        self.opened_at = lane.opened_at;
        self.proven_at = lane.proven_at;
    }

    /// What was waited for, with the longest time first; what took less than a second, and a hundredth of all, is left
    /// out.
    #[must_use]
    pub fn causes(&self) -> Vec<(Cause, Duration)> {
        let all: Duration = self.waited.iter().sum();
        let least = Duration::from_secs(1).max(all / 100);
        let causes = Cause::ALL.into_iter().zip(self.waited);
        let mut causes: Vec<_> = causes.filter(|(_, time)| *time >= least).collect();
        causes.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        causes
    }
}

impl Outcome {
    /// After how long this share of those that have proven the release in the end had done so; none if nobody has.
    #[must_use]
    pub fn share_done(&self, share: f64) -> Option<Duration> {
        let last = self.proven.len().checked_sub(1)?;
        let rank = (self.proven.len() as f64 * share).ceil() as usize;
        self.proven.get(rank.saturating_sub(1).min(last)).copied()
    }

    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.ended_at.duration_since(self.start).unsigned_abs()
    }
}
