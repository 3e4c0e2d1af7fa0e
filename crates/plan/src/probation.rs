//! Probation: has a new version of the agent proven itself on this host?
//!
//! The old supervisor watches the new worker and asks this machine after every observation. It knows three things
//! that other updaters confuse:
//!
//! * **the candidate is broken**: it ended, gives no sign of life, made a gated item worse, or cannot check in
//!   although the version before can (a *witness*, one call made by the old program, says so twice);
//! * **the surroundings are broken**: the server is overloaded (429, 503) or neither version reaches it. Then the
//!   candidate waits, and if that takes longer than the patience allows, the old version returns with nothing held
//!   against the new one. A version that was brought as a file to a host without a network is judged without one,
//!   as long as the old version would not reach the server either;
//! * **nobody can tell yet**: then it waits, and says why.
//!
//! All times are counted from the beginning of the probation, by a clock that no administrator can turn.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use lockstep_model::{ItemName, Level, Outcome, RunReason};
use serde::{Deserialize, Serialize};

/// How long is waited for what.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The candidate must be well for this long in a row.
    pub window: Duration,
    /// It must give a sign of life at least this often.
    pub silence: Duration,
    /// It must check in within this time of its start, or of the server's return.
    pub check_in: Duration,
    /// A gated item may be worse for this long before that counts as the candidate's doing.
    pub worse_for: Duration,
    /// It may become ill this often.
    pub max_flips: u32,
    /// Time between two calls of the witness.
    pub witness_every: Duration,
    /// After this time the probation ends, one way or the other.
    pub patience: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            window: seconds(120),
            silence: seconds(30),
            check_in: seconds(60),
            worse_for: seconds(30),
            max_flips: 3,
            witness_every: seconds(10),
            patience: seconds(1800),
        }
    }
}

/// What the candidate says of its way to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "link", rename_all = "kebab-case")]
pub enum Link {
    /// It has not asked yet.
    Unknown,
    /// Its last report was accepted.
    Up,
    /// The server said that it has too much to do.
    Busy {
        /// 429 or 503.
        status: u16,
    },
    /// The server refused the report for another reason.
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// There was no answer.
    Unreachable {
        /// What the network said.
        why: String,
    },
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("it has not asked the server yet"),
            Self::Up => f.write_str("the server accepts its reports"),
            Self::Busy { status } => write!(f, "the server is busy, status {status}"),
            Self::Refused { status } => {
                write!(f, "the server refuses its reports, status {status}")
            }
            Self::Unreachable { why } => write!(f, "no answer: {why}"),
        }
    }
}

/// A sign of life of the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sign {
    /// How its last report went.
    #[serde(flatten)]
    pub link: Link,
    /// The levels of all items; none before the first samples were taken.
    pub levels: Option<BTreeMap<ItemName, Level>>,
}

/// What the witness, a call made by the program that is still current, found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// The server answered the old version.
    Reached,
    /// It did not, or said that it has too much to do.
    NotReached,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// The candidate gave a sign of life.
    Sign(Sign),
    /// Its process ended.
    Exited {
        /// How, in the operating system's words.
        status: String,
    },
    /// The witness came back.
    Witness(Witness),
    /// Time has passed.
    Tick,
}

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing is certain yet.
    Wait(Why),
    /// Nothing is certain, and the witness must be asked.
    AskWitness,
    /// The candidate has proven itself.
    Proven,
    /// It has not; the old version returns.
    Return {
        /// [`Outcome::RolledBack`], or [`Outcome::Postponed`] when the surroundings were at fault.
        outcome: Outcome,
        /// Why.
        reason: RunReason,
    },
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "wait", rename_all = "kebab-case")]
pub enum Why {
    /// The first sign of life.
    FirstSign,
    /// The first accepted report.
    CheckIn {
        /// How its last report went.
        #[serde(flatten)]
        link: Link,
    },
    /// The server or the network.
    Surroundings {
        /// How its last report went.
        #[serde(flatten)]
        link: Link,
    },
    /// The first samples.
    Samples,
    /// A gated item to get better.
    Recovery {
        /// The item.
        item: ItemName,
        /// Its level before the update.
        before: Level,
        /// Its level now; none when it is not reported any more.
        now: Option<Level>,
    },
    /// The rest of the time for which the candidate must be well.
    Window {
        /// Seconds for which it has been well.
        well_s: u64,
        /// Seconds for which it must be well.
        window_s: u64,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstSign => f.write_str("waits for the first sign of life"),
            Self::CheckIn { link } => write!(f, "waits for the first accepted report: {link}"),
            Self::Surroundings { link } => write!(f, "waits for the server or the network: {link}"),
            Self::Samples => f.write_str("waits for the first samples"),
            Self::Recovery {
                item,
                before,
                now: Some(now),
            } => {
                write!(f, "{item} is {now}, was {before} before the update")
            }
            Self::Recovery {
                item,
                before,
                now: None,
            } => {
                write!(
                    f,
                    "{item} is not reported any more, was {before} before the update"
                )
            }
            Self::Window { well_s, window_s } => {
                write!(f, "has been well for {well_s} of {window_s} s")
            }
        }
    }
}

/// A probation under way. It lives in the supervisor's memory alone: one that was cut off begins again.
#[derive(Debug, Clone)]
pub struct Probation {
    rules: Rules,
    /// True if the host did not reach its server before either, and nobody asked it to.
    alone: bool,
    /// The gated items and their levels before the update.
    baseline: BTreeMap<ItemName, Level>,
    sign: Option<Sign>,
    last_sign: Duration,
    ever_up: bool,
    /// Since when the link has not been up: the time to check in counts from here.
    link_down_since: Duration,
    /// Calls of the witness, in a row, that reached the server while the candidate did not.
    witness_reached: u32,
    last_witness: Option<(Duration, Witness)>,
    witness_is_out: bool,
    well_since: Option<Duration>,
    worse_since: Option<Duration>,
    flips: u32,
}

/// The witness must reach the server this often in a row, [`Rules::witness_every`] apart, before a candidate that
/// does not is to blame: a server that came back this instant deserves a second look.
const WITNESS_PROOF: u32 = 2;

impl Probation {
    /// Begins a probation; `baseline` holds the gated items with their levels before the update.
    #[must_use]
    pub fn begin(rules: Rules, baseline: BTreeMap<ItemName, Level>) -> Self {
        Self {
            rules,
            alone: false,
            baseline,
            sign: None,
            last_sign: Duration::ZERO,
            ever_up: false,
            link_down_since: Duration::ZERO,
            witness_reached: 0,
            last_witness: None,
            witness_is_out: false,
            well_since: None,
            worse_since: None,
            flips: 0,
        }
    }

    /// With `true`: the host did not reach its server before the update either. The candidate then counts as well without
    /// a server from the moment at which the witness does not reach it, until one does.
    #[must_use]
    pub fn alone(self, alone: bool) -> Self {
        Self { alone, ..self }
    }

    /// Takes in what happened at `at` (counted from the beginning) and says what follows. After
    /// [`Verdict::AskWitness`] the caller must come back with an [`Observation::Witness`].
    pub fn observe(&mut self, at: Duration, observation: Observation) -> Verdict {
        match observation {
            Observation::Exited { status } => {
                return roll_back(RunReason::WorkerExited {
                    status,
                    after_s: at.as_secs_f64(),
                });
            }
            Observation::Sign(sign) => self.take_sign(at, sign),
            Observation::Witness(saw) => self.take_witness(at, saw),
            Observation::Tick => {}
        }
        self.judge(at)
    }

    /// True if the candidate's last report was accepted.
    #[must_use]
    pub fn has_checked_in(&self) -> bool {
        self.ever_up
    }

    fn take_sign(&mut self, at: Duration, sign: Sign) {
        self.last_sign = at;
        let was_up = self.link_is_up();
        let was_well = self.well_since.is_some();
        self.sign = Some(sign);
        if self.link_is_up() {
            self.ever_up = true;
            self.witness_reached = 0;
            self.last_witness = None;
        } else if was_up {
            self.link_down_since = at;
        }
        let worse = self.first_worse().is_some();
        if !worse {
            self.worse_since = None;
        } else if self.worse_since.is_none() {
            self.worse_since = Some(at);
            if was_well {
                self.flips += 1;
            }
        }
        self.reckon(at);
    }

    /// Since when the candidate is well, if it is.
    fn reckon(&mut self, at: Duration) {
        let is_linked = self.link_is_up() || self.needs_no_server();
        let well = is_linked && self.samples_taken() && self.first_worse().is_none();
        self.well_since = if well {
            self.well_since.or(Some(at))
        } else {
            None
        };
    }

    /// A host that was alone before, and is so still, by the word of the old version.
    fn needs_no_server(&self) -> bool {
        let witness = self.last_witness.map(|(_, saw)| saw);
        self.alone && !self.server_is_busy() && witness == Some(Witness::NotReached)
    }

    fn take_witness(&mut self, at: Duration, saw: Witness) {
        self.witness_is_out = false;
        self.last_witness = Some((at, saw));
        self.witness_reached = match saw {
            Witness::Reached => self.witness_reached + 1,
            Witness::NotReached => 0,
        };
        self.reckon(at);
    }

    fn judge(&mut self, at: Duration) -> Verdict {
        let rules = &self.rules;
        let silent = at.saturating_sub(self.last_sign);
        if silent > rules.silence {
            return roll_back(RunReason::Hung {
                silent_s: silent.as_secs_f64(),
            });
        }
        if self.flips > rules.max_flips {
            return roll_back(RunReason::Unsteady { flips: self.flips });
        }
        if let (Some(since), Some((item, before, now))) = (self.worse_since, self.first_worse())
            && at.saturating_sub(since) >= rules.worse_for
        {
            let now = now.unwrap_or(Level::DEAD);
            return roll_back(RunReason::ItemWorse { item, before, now });
        }
        // Counted up to the last sign: silence proves nothing.
        if self
            .well_since
            .is_some_and(|since| self.last_sign.saturating_sub(since) >= rules.window)
        {
            return Verdict::Proven;
        }
        let link_is_late =
            !self.link_is_up() && at.saturating_sub(self.link_down_since) >= rules.check_in;
        if at >= rules.patience {
            return self.out_of_patience(at);
        }
        if link_is_late && !self.server_is_busy() {
            if self.witness_reached >= WITNESS_PROOF {
                let waited_s = at.saturating_sub(self.link_down_since).as_secs_f64();
                let link = self.link().to_string();
                return roll_back(RunReason::NoCheckIn { waited_s, link });
            }
            let due = self
                .last_witness
                .is_none_or(|(asked, _)| at.saturating_sub(asked) >= rules.witness_every);
            if due && !self.witness_is_out {
                self.witness_is_out = true;
                return Verdict::AskWitness;
            }
        }
        Verdict::Wait(self.why(at, link_is_late))
    }

    /// A candidate that is ill, or that never showed its samples, had its chance. One that merely was not connected
    /// for long enough had none: had the old version been connected meanwhile, the witness would have said so.
    fn out_of_patience(&self, at: Duration) -> Verdict {
        let waited_s = at.as_secs_f64();
        let ill = self.flips > 0 || self.worse_since.is_some() || !self.samples_taken();
        if !ill {
            let reason = RunReason::SurroundingsFailed { waited_s };
            return Verdict::Return {
                outcome: Outcome::Postponed,
                reason,
            };
        }
        roll_back(RunReason::NeverSettled {
            window_s: self.rules.window.as_secs_f64(),
            waited_s,
        })
    }

    fn why(&self, at: Duration, link_is_late: bool) -> Why {
        let Some(sign) = &self.sign else {
            return Why::FirstSign;
        };
        if !self.link_is_up() && !self.needs_no_server() {
            let link = sign.link.clone();
            let surroundings = self.server_is_busy() || link_is_late;
            return if surroundings {
                Why::Surroundings { link }
            } else {
                Why::CheckIn { link }
            };
        }
        if !self.samples_taken() {
            return Why::Samples;
        }
        if let Some((item, before, now)) = self.first_worse() {
            return Why::Recovery { item, before, now };
        }
        let well = self
            .well_since
            .map_or(Duration::ZERO, |since| at.saturating_sub(since));
        Why::Window {
            well_s: well.as_secs(),
            window_s: self.rules.window.as_secs(),
        }
    }

    fn link(&self) -> &Link {
        self.sign.as_ref().map_or(&Link::Unknown, |sign| &sign.link)
    }

    fn link_is_up(&self) -> bool {
        *self.link() == Link::Up
    }

    /// Being told to come back later takes a working candidate: the old version would be told the same.
    fn server_is_busy(&self) -> bool {
        matches!(self.link(), Link::Busy { .. })
    }

    fn samples_taken(&self) -> bool {
        self.sign.as_ref().is_some_and(|sign| sign.levels.is_some())
    }

    /// The first gated item that is worse than before, or that the candidate does not report any more.
    fn first_worse(&self) -> Option<(ItemName, Level, Option<Level>)> {
        let levels = self.sign.as_ref()?.levels.as_ref()?;
        self.baseline.iter().find_map(|(item, &before)| {
            let now = levels.get(item).copied();
            let worse = now.is_none_or(|now| now.is_worse_than(before));
            worse.then(|| (item.clone(), before, now))
        })
    }
}

fn roll_back(reason: RunReason) -> Verdict {
    Verdict::Return {
        outcome: Outcome::RolledBack,
        reason,
    }
}

#[cfg(test)]
mod tests;
