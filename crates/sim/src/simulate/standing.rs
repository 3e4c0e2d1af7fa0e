//! What is known of one host, in two bytes, and what it counts for.

use lockstep_plan::rollout::{Sample, Strength, Tally};

/// A host, as far as a rollout is concerned. The names are those of `plan::rollout::HostFacts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Standing {
    pub(super) now: u8,
    before: u8,
}

impl Standing {
    /// It has been let go.
    pub(super) const LET_GO: u8 = 1;
    /// Nothing is heard of it.
    pub(super) const SILENT: u8 = 2;
    /// One of its items is sick.
    pub(super) const AILING: u8 = 4;
    /// It runs the version, proven.
    pub(super) const PROVEN: u8 = 8;
    /// It tried the version and failed.
    pub(super) const FAILED: u8 = 16;
    /// A run is in progress.
    pub(super) const RUNNING: u8 = 32;

    /// It will not pass its probation.
    pub(super) const DOOMED: u8 = 64;
    /// The release made it sick for good.
    pub(super) const BROKEN: u8 = 128;

    /// It was written down how it stood before; the bits beside say how.
    const KNOWN: u8 = 1;

    pub(super) fn is(self, flag: u8) -> bool {
        self.now & flag != 0
    }

    pub(super) fn was(self, flag: u8) -> Option<bool> {
        (self.before & Self::KNOWN != 0).then_some(self.before & flag != 0)
    }

    pub(super) fn with(self, on: u8, off: u8) -> Self {
        Self {
            now: self.now & !off | on,
            ..self
        }
    }

    /// Writes down how it stands.
    pub(super) fn noted(self) -> Self {
        Self {
            before: Self::KNOWN | self.now & (Self::SILENT | Self::AILING),
            ..self
        }
    }

    pub(super) fn is_fit(self) -> bool {
        !self.is(Self::SILENT | Self::AILING)
    }

    /// True if it would be let go, given that its moment has come.
    pub(super) fn may_go(self) -> bool {
        !self.is(Self::LET_GO | Self::SILENT | Self::FAILED)
    }

    pub(super) fn is_in_flight(self) -> bool {
        self.is(Self::LET_GO) && !self.is(Self::FAILED | Self::PROVEN)
    }

    fn is_worse(self) -> bool {
        let worse = |flag| self.is(flag) && self.was(flag) == Some(false);
        worse(Self::SILENT) || worse(Self::AILING)
    }

    /// Adds the host to the numbers of its wave, or takes it away.
    pub(super) fn count(self, tally: &mut Tally, by: Step) {
        let let_go = self.is(Self::LET_GO);
        by.apply(&mut tally.hosts);
        if let_go {
            by.apply(&mut tally.let_go);
        }
        by.apply(if self.is(Self::FAILED) {
            &mut tally.failed.count
        } else if self.is(Self::SILENT) {
            &mut tally.silent.count
        } else if self.is(Self::PROVEN) {
            &mut tally.proven
        } else if let_go {
            &mut tally.unsettled.count
        } else {
            &mut tally.pending.count
        });
        if let_go && !self.is(Self::FAILED | Self::SILENT) && self.is_worse() {
            by.apply(&mut tally.worse.count);
        }
    }

    /// Adds the host to what limits look at, or takes it away.
    pub(super) fn weigh(self, strength: &mut Strength, by: Step) {
        by.apply(&mut strength.hosts);
        if self.is_in_flight() {
            by.apply(&mut strength.in_flight);
        } else if self.is_fit() {
            by.apply(&mut strength.fit);
        }
    }

    /// Adds the host to the side of the comparison on which it stands, or takes it away.
    pub(super) fn compare(
        self,
        newest: bool,
        treated: &mut Sample,
        control: &mut Sample,
        by: Step,
    ) {
        if self.is(Self::FAILED) || self.was(Self::SILENT) != Some(false) {
            return;
        }
        let sample = if !self.is(Self::LET_GO) {
            control
        } else if newest {
            treated
        } else {
            return;
        };
        by.apply(&mut sample.hosts);
        if self.is_worse() {
            by.apply(&mut sample.worse);
        }
    }
}

/// One more, or one less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    More,
    Less,
}

impl Step {
    fn apply(self, number: &mut usize) {
        match self {
            Self::More => *number += 1,
            Self::Less => *number = number.saturating_sub(1),
        }
    }
}
