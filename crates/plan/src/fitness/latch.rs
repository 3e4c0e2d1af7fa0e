//! A rule over time: for how long its test must hold before its level is entered, and for how long the value must
//! be well before it is left.

use lockstep_model::{Condition, Hold, Interval};
use serde::{Deserialize, Serialize};

use super::condition::Says;

/// How a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Latch {
    /// Its level is entered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_on: bool,
    /// Samples in a row that spoke for the other side: that hold while it is off, that are good while it is on.
    #[serde(default, skip_serializing_if = "is_zero")]
    samples: u32,
    /// Time with data for which they did.
    #[serde(default, skip_serializing_if = "is_zero")]
    ms: u64,
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// How far a sample takes the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Time with data since the sample before, in milliseconds.
    pub(super) step_ms: u64,
    /// A time counts as over when it lacks no more than this: samples do not come on the millisecond, and five
    /// minutes of samples a minute apart must not take now five of them and now six.
    pub(super) slack_ms: u64,
}

impl Pace {
    /// A sample that comes one interval after the one before it.
    pub(super) fn on_time(every: Interval) -> Self {
        let every = millis(every);
        Self {
            step_ms: every,
            slack_ms: every / 10,
        }
    }
}

impl Latch {
    /// Takes in what one sample says.
    pub(super) fn take(&mut self, says: Says, condition: &Condition, pace: Pace) {
        match (self.is_on, says) {
            (_, Says::Nothing) => {}
            (true, Says::Good) => {
                self.count(pace);
                if condition.after.is_none_or(|after| self.lasts(after, pace)) {
                    *self = Self::default();
                }
            }
            (false, Says::Bad) => {
                self.count(pace);
                let enough = match condition.hold {
                    Hold::Now => true,
                    Hold::Time(time) => self.lasts(time, pace),
                    Hold::Samples(samples) => self.samples >= samples,
                };
                if enough {
                    self.enter();
                }
            }
            (true, Says::Bad | Says::Between) | (false, Says::Between | Says::Good) => {
                self.forget_count();
            }
        }
    }

    /// Its level is entered, for another reason than that its own time is over.
    pub(super) fn enter(&mut self) {
        *self = Self {
            is_on: true,
            ..Self::default()
        };
    }

    /// At which sample from here it turns if all go on as the newest and come at this pace: at least 1. None if the
    /// newest did not speak for that.
    pub(super) fn samples_left(&self, condition: &Condition, pace: Pace) -> Option<u64> {
        if self.samples == 0 {
            return None;
        }
        let until = |time| {
            let counted = self.ms.saturating_add(pace.slack_ms);
            let left = millis(time).saturating_sub(counted);
            left.div_ceil(pace.step_ms.max(1))
        };
        let left = match (self.is_on, condition.hold) {
            (true, _) => until(condition.after?),
            (false, Hold::Now) => return None,
            (false, Hold::Time(time)) => until(time),
            (false, Hold::Samples(wanted)) => wanted.saturating_sub(self.samples).into(),
        };
        Some(left.max(1))
    }

    /// Begins to count anew.
    pub(super) fn forget_count(&mut self) {
        self.samples = 0;
        self.ms = 0;
    }

    /// The first sample of a row says nothing of the time before it.
    fn count(&mut self, pace: Pace) {
        if self.samples > 0 {
            self.ms = self.ms.saturating_add(pace.step_ms);
        }
        self.samples = self.samples.saturating_add(1);
    }

    fn lasts(&self, time: Interval, pace: Pace) -> bool {
        self.ms.saturating_add(pace.slack_ms) >= millis(time)
    }
}

pub(super) fn millis(time: Interval) -> u64 {
    u64::try_from(time.duration().as_millis()).unwrap_or(u64::MAX)
}
