//! What is known of a host, as far as one rollout is concerned.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::{Health, HostName, Rollout, Version, Wave, WaveState};

/// A host is silent when it has missed this many reports.
pub const SILENT_AFTER_REPORTS: u32 = 3;

/// So long after a person has left a host out every server knows of it: orders are shared for a second, and the clocks of
/// servers are not the same. Whoever reports before may still be told to begin.
pub const SKIP_KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// Labels of a host: those that the fleet file gives it, and those that it says of itself.
pub type Labels = BTreeMap<String, String>;

/// How a host stands towards one rollout. A host without facts has left the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// The host.
    pub name: HostName,
    /// The version of the rollout's package that it runs, as far as its last report says.
    pub version: Option<Version>,
    /// True if that version has proven itself on the host; false while it is on probation.
    pub proven: bool,
    /// True if the host tried the rollout's version by this very order, and the release was to blame that it failed.
    /// An older order of the same version, or the way back to another one, says nothing about this rollout.
    pub failed: bool,
    /// True if a run that changes the package is in progress on it.
    pub running: bool,
    /// True if the host keeps itself out of it: updates are switched off there, or a person holds a version there.
    pub kept: bool,
    /// When it reported last.
    pub last_seen: Option<Timestamp>,
    /// How well it is now.
    pub health: Health,
    /// How well it was when it was let go; for a host that was not, when the newest wave was opened. None where
    /// nothing was written down.
    pub before: Option<Health>,
    /// Its labels.
    pub labels: Arc<Labels>,
    /// What it would fetch, in bytes.
    pub bytes: u64,
}

/// Whether a host that reports every `interval` is silent. A server that was away itself since before
/// `listening_since` has not missed any report until then.
#[must_use]
pub fn is_silent(
    last_seen: Option<Timestamp>,
    listening_since: Timestamp,
    interval: Duration,
    now: Timestamp,
) -> bool {
    let heard = last_seen.map_or(listening_since, |seen| seen.max(listening_since));
    now > heard
        && now.duration_since(heard).unsigned_abs() > interval.saturating_mul(SILENT_AFTER_REPORTS)
}

impl HostFacts {
    /// True if the host runs `version`, proven.
    pub(super) fn has_proven(&self, version: &Version) -> bool {
        self.proven && self.version.as_ref() == Some(version)
    }

    /// True if it has begun with the version, or has it already, as far as its last report says.
    pub(super) fn has_begun(&self, version: &Version) -> bool {
        self.running || self.version.as_ref() == Some(version)
    }

    /// True if a person left it out of the rollout and it is known that it has not begun. What a host has begun it finishes,
    /// and a failure speaks against the release whoever was left out since: nobody talks a failure away.
    pub(super) fn is_left_out(&self, rollout: &Rollout) -> bool {
        rollout.skipped.contains_key(&self.name)
            && !self.failed
            && !self.has_begun(&rollout.version)
            && !self.may_have_begun(rollout)
    }

    /// True if a person left it out after it had been told to begin, and it has not reported since it can have heard of that.
    /// What it begins it says with its next report only, so it may be at it, and if it falls silent the release may have
    /// killed it: until it reports it counts as if nobody had left it out.
    ///
    /// Whether it was told is looked up now: it may have been while the person's word was on its way.
    fn may_have_begun(&self, rollout: &Rollout) -> bool {
        let Some(skipped) = rollout.skipped.get(&self.name) else {
            return false;
        };
        let known = skipped.since.checked_add(SKIP_KNOWN_WITHIN);
        let known = known.unwrap_or(Timestamp::MAX);
        let has_heard = self.last_seen.is_some_and(|seen| seen > known);
        !has_heard && (skipped.told || self.was_told(rollout))
    }

    /// True if it has been let go, and has reported since: then it was told to begin.
    pub(super) fn was_told(&self, rollout: &Rollout) -> bool {
        let is_let_go = |wave: &&Wave| wave.split().0.contains(&self.name);
        let wave = rollout.waves.iter().find(is_let_go);
        let opened_at = wave.and_then(|wave| wave.opened_at);
        opened_at.is_some_and(|opened_at| self.last_seen.is_some_and(|seen| seen >= opened_at))
    }

    /// Where a host stands. What speaks against the release goes first: a host that failed and then fell silent has
    /// failed, and one that proved the release before it fell silent is silent.
    pub(super) fn standing(&self, rollout: &Rollout) -> Standing {
        let version = &rollout.version;
        if self.failed {
            return Standing::Failed;
        }
        if self.is_left_out(rollout) {
            return Standing::Skipped;
        }
        if self.health.silent {
            return Standing::Silent;
        }
        let on_probation = self.version.as_ref() == Some(version) && !self.proven;
        if self.running || on_probation {
            return Standing::Running;
        }
        if self.has_proven(version) {
            Standing::Proven
        } else if self.kept {
            Standing::Kept
        } else {
            Standing::Ordered
        }
    }

    /// True if a host that was let go may still be on its way, there or back.
    pub(super) fn is_in_flight(&self, rollout: &Rollout) -> bool {
        let version = &rollout.version;
        match self.standing(rollout) {
            Standing::Ordered | Standing::Running => true,
            Standing::Silent => !self.has_proven(version),
            Standing::Failed => self.running || self.version.as_ref() == Some(version),
            Standing::Proven | Standing::Kept | Standing::Skipped => false,
        }
    }

    /// True if it is worse than it was before, as far as that was written down.
    pub(super) fn is_worse(&self) -> bool {
        self.before
            .as_ref()
            .is_some_and(|before| self.health.is_worse_than(before))
    }
}

/// Where a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has been told, if it was let go, and has not begun.
    Ordered,
    /// A run is in progress, or the version is on probation.
    Running,
    Proven,
    Failed,
    Silent,
    /// It keeps itself out of it.
    Kept,
    /// A person left it out of it, and it has not begun. One that was told to begin and has not reported since is not here.
    Skipped,
}

/// The state of a host of a wave, in the words of the operator API: `waiting`, `ordered`, `running`, `proven`,
/// `failed`, `silent`, `kept` or `skipped`.
#[must_use]
pub fn host_state(rollout: &Rollout, wave: &Wave, let_go: bool, host: &HostFacts) -> &'static str {
    let standing = host.standing(rollout);
    let waits = wave.state == WaveState::Waiting || !let_go;
    match standing {
        Standing::Proven => "proven",
        Standing::Kept => "kept",
        Standing::Skipped => "skipped",
        Standing::Silent if !waits => "silent",
        _ if waits => "waiting",
        Standing::Ordered => "ordered",
        Standing::Running => "running",
        Standing::Failed => "failed",
        Standing::Silent => "silent",
    }
}

/// True if a host that was let go counts as worse than before: it is neither failed nor silent, which say more, and it was
/// not left out.
#[must_use]
pub fn is_worse(rollout: &Rollout, host: &HostFacts) -> bool {
    let says_more = host.failed || host.health.silent || host.is_left_out(rollout);
    !says_more && host.is_worse()
}
