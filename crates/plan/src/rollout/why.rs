//! Why a rollout stands where it stands, and what was decided over it. Each has one `Display`: the sentence on the
//! command line, in the record and on the page.

use std::fmt;

use jiff::Timestamp;
use lockstep_model::{HostName, Version};

use super::cluster::Cluster;
use super::look::Sample;

/// Why a rollout stands where it stands, with the figures.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// Hosts that were let go have not come to an end yet.
    Waits {
        /// The newest wave that was let go.
        wave: Place,
        /// Hosts of that wave that have proven the release.
        proven: usize,
        /// Hosts of that wave that are in the fleet.
        hosts: usize,
        /// Who is waited for, in all waves.
        waiting_for: Names,
        /// Hosts that are still to be let go, in all waves that are open.
        pending: usize,
        /// Why no more of them are let go now.
        short: Option<Short>,
    },
    /// The next wave opens when a window does.
    Shut {
        /// That wave.
        wave: Place,
        /// When; none if no window opens within a year.
        opens: Option<Timestamp>,
    },
    /// A proven wave is being watched.
    Bakes {
        /// The wave.
        wave: Place,
        /// When the next one opens.
        until: Timestamp,
    },
    /// Too many of the hosts that were let go have failed.
    TooManyFailed {
        /// The newest wave that was let go.
        wave: Place,
        /// Who failed, in all waves.
        failed: Names,
        /// Hosts that were let go.
        hosts: usize,
        /// How many may fail.
        limit: usize,
        /// What those that failed have in common.
        cluster: Option<Cluster>,
    },
    /// Too many of the hosts that were let go are worse than they were.
    TooManyWorse {
        /// The newest wave that was let go.
        wave: Place,
        /// Who is worse.
        worse: Names,
        /// Hosts that were let go.
        hosts: usize,
        /// How many may be worse.
        limit: usize,
        /// What they have in common.
        cluster: Option<Cluster>,
    },
    /// Updated hosts are worse off than others.
    WorseThanOthers {
        /// The newest wave that was let go.
        wave: Place,
        /// By how much.
        verdict: Verdict,
        /// What those that are worse have in common.
        cluster: Option<Cluster>,
    },
    /// Another rollout has found something wanting in the version.
    Suspect {
        /// What.
        why: String,
    },
    /// Too many of the hosts that were let go are silent.
    TooManySilent {
        /// The newest wave that was let go.
        wave: Place,
        /// Who is silent, in all waves.
        silent: Names,
        /// Hosts of the waves that are open.
        hosts: usize,
        /// How many may be silent.
        limit: usize,
    },
    /// All hosts of the rollout have left the fleet. It is not done, for nobody has shown anything.
    NobodyLeft,
    /// A person said wait.
    Paused {
        /// Who.
        by: String,
    },
    /// A person said go on.
    Resumed {
        /// Who.
        by: String,
    },
    /// A person let the next wave go without waiting for the gate.
    Skipped {
        /// The wave whose gate does not count any more.
        wave: Place,
        /// Who.
        by: String,
    },
    /// A person stopped it.
    HaltedBy {
        /// Who.
        by: String,
    },
    /// A person ordered all hosts back.
    OrderedBack {
        /// Who.
        by: String,
        /// To which version.
        to: Version,
    },
    /// A gate ordered all hosts back.
    GateOrderedBack {
        /// What it says.
        why: Box<Why>,
        /// To which version.
        to: Version,
    },
    /// Hosts are on their way back.
    TakesBack {
        /// The version they leave.
        from: Version,
        /// Who still runs it, or has a run in progress.
        still: Names,
        /// Hosts of the rollout.
        hosts: usize,
    },
    /// All hosts are back.
    TakenBack {
        /// The version that nobody runs any more.
        from: Version,
    },
    /// Every host is where it should be.
    Done {
        /// The version.
        version: Version,
        /// Hosts that have proven it.
        proven: usize,
        /// Hosts of the rollout that are in the fleet.
        hosts: usize,
        /// Hosts that failed, no more than allowed.
        failed: usize,
        /// Hosts that are silent, no more than allowed.
        silent: usize,
        /// Hosts that keep themselves out of it.
        kept: usize,
    },
}

/// Why no more hosts of an open wave are let go now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Short {
    /// The strategy's hours are over, or it is a blackout date.
    Shut {
        /// When a window opens; none if none does within a year.
        opens: Option<Timestamp>,
    },
    /// The moment of the next host has not come.
    Moment {
        /// When it comes.
        at: Timestamp,
    },
    /// As many as may be in flight are.
    InFlight {
        /// So many may.
        limit: usize,
    },
    /// No fit host can be spared.
    Fit {
        /// So many must stay fit and at rest.
        demanded: usize,
        /// Of so many.
        hosts: usize,
    },
    /// As many bytes as may be under way to their sites are.
    Sites {
        /// So many may, to one site.
        bytes: u64,
    },
}

/// What a comparison of updated hosts with others says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// No outcome with so few hosts could show anything.
    NotEnoughData {
        /// Updated hosts.
        treated: Sample,
        /// The others.
        control: Sample,
        /// Below this chance it would stop.
        threshold: f64,
    },
    /// Nothing speaks against the release.
    NoWorse {
        /// Updated hosts.
        treated: Sample,
        /// The others.
        control: Sample,
        /// How likely so many worse ones among the updated are, if the release does no harm.
        p: f64,
        /// Below this chance it would stop.
        threshold: f64,
    },
    /// Updated hosts are worse off than the others.
    Worse {
        /// Updated hosts.
        treated: Sample,
        /// The others.
        control: Sample,
        /// How likely so many worse ones among the updated are, if the release does no harm.
        p: f64,
        /// Below this chance it stops.
        threshold: f64,
    },
}

/// One thing that was decided.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// The rollout began.
    Begun {
        /// Hosts that it concerns.
        hosts: usize,
        /// In so many waves.
        waves: usize,
    },
    /// Hosts that could show nothing were replaced by hosts of later waves.
    Replaced {
        /// The wave.
        wave: Place,
        /// Who left it.
        left: Names,
        /// Who came instead.
        came: Names,
    },
    /// A wave was let go.
    Opened {
        /// The wave.
        wave: Place,
        /// Its hosts.
        hosts: Names,
    },
    /// All hosts of a wave have come to a good end.
    Proven {
        /// The wave.
        wave: Place,
        /// Hosts of that wave that have proven the release.
        proven: usize,
        /// Hosts of that wave that are in the fleet.
        hosts: usize,
    },
    /// A gate or a person says wait.
    Held(Why),
    /// Updated hosts were compared with others, and nothing speaks against the release.
    Compared {
        /// The wave.
        wave: Place,
        /// What was found.
        verdict: Verdict,
    },
    /// Hosts joined the group and were taken in.
    Joined {
        /// Into which wave.
        wave: Place,
        /// Who.
        hosts: Names,
    },
    /// The gate agrees again.
    WentOn {
        /// The newest wave that was let go.
        wave: Place,
    },
    /// It was stopped.
    Halted(Why),
    /// A person said go on, let the next wave go, or sent all hosts back.
    Ordered(Why),
    /// It is over.
    Ended(Why),
}

/// Which wave of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

/// Names of hosts for a sentence: the first few, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// The first few in the order of their names.
    pub first: Vec<HostName>,
    /// How many there are in all.
    pub count: usize,
}

impl Names {
    /// Most names in a sentence; more would not be read.
    pub const MOST: usize = 5;

    /// The names of these hosts.
    pub(super) fn of<'a>(hosts: impl IntoIterator<Item = &'a HostName>) -> Self {
        let mut all: Vec<&HostName> = hosts.into_iter().collect();
        all.sort();
        Self {
            first: all
                .iter()
                .take(Self::MOST)
                .map(|&name| name.clone())
                .collect(),
            count: all.len(),
        }
    }

    /// So many hosts, whose names do not matter.
    #[must_use]
    pub fn unnamed(count: usize) -> Self {
        Self {
            first: Vec::new(),
            count,
        }
    }

    /// Adds others.
    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.first.extend_from_slice(&other.first);
        self.first.sort();
        self.first.truncate(Self::MOST);
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wave {} of {}", self.number, self.of)
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first.is_empty() {
            return write!(f, "{} hosts", self.count);
        }
        for (index, name) in self.first.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}")?;
        }
        match self.count.saturating_sub(self.first.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waits {
                wave,
                proven,
                hosts,
                waiting_for,
                pending,
                short,
            } => {
                write!(f, "{wave}: {proven} of {hosts} hosts have proven it")?;
                if waiting_for.count > 0 {
                    write!(f, ", waits for {waiting_for}")?;
                }
                match (pending, short) {
                    (0, _) => Ok(()),
                    (pending, None) => write!(f, "; {pending} are still to be let go"),
                    (pending, Some(short)) => {
                        write!(f, "; {pending} are still to be let go: {short}")
                    }
                }
            }
            Self::Shut {
                wave,
                opens: Some(opens),
            } => write!(f, "{wave} opens with the window at {opens:.0}"),
            Self::Shut { wave, opens: None } => {
                write!(f, "{wave} cannot open: no window opens within a year")
            }
            Self::Bakes { wave, until } => {
                write!(
                    f,
                    "{wave} is proven and watched; the next one opens at {until:.0} if it stays well"
                )
            }
            Self::TooManyFailed {
                wave,
                failed,
                hosts,
                limit,
                cluster,
            } => {
                let count = failed.count;
                write!(
                    f,
                    "{wave}: {count} of {hosts} hosts failed (limit {limit}): {failed}"
                )?;
                common(f, cluster.as_ref())
            }
            Self::TooManyWorse {
                wave,
                worse,
                hosts,
                limit,
                cluster,
            } => {
                let count = worse.count;
                write!(
                    f,
                    "{wave}: {count} of {hosts} hosts are worse than before (limit {limit}): {worse}"
                )?;
                common(f, cluster.as_ref())
            }
            Self::WorseThanOthers {
                wave,
                verdict,
                cluster,
            } => {
                write!(f, "{wave}: {verdict}")?;
                common(f, cluster.as_ref())
            }
            Self::Suspect { why } => write!(f, "holds: the version is suspect: {why}"),
            Self::TooManySilent {
                wave,
                silent,
                hosts,
                limit,
            } => {
                let count = silent.count;
                write!(
                    f,
                    "{wave} holds: {count} of {hosts} hosts silent (limit {limit}): {silent}"
                )
            }
            Self::NobodyLeft => f.write_str(
                "holds: none of its hosts is left in the fleet; promote again to begin anew",
            ),
            Self::Paused { by } => write!(f, "paused by {by}"),
            Self::Resumed { by } => write!(f, "resumed by {by}"),
            Self::Skipped { wave, by } => {
                write!(
                    f,
                    "{wave}: {by} lets the next one go without waiting for it"
                )
            }
            Self::HaltedBy { by } => write!(f, "halted by {by}"),
            Self::OrderedBack { by, to } => write!(f, "{by} ordered all hosts back to {to}"),
            Self::GateOrderedBack { why, to } => write!(f, "{why}; all hosts go back to {to}"),
            Self::TakesBack { from, still, hosts } => {
                write!(
                    f,
                    "{} of {hosts} hosts are still to leave {from}: {still}",
                    still.count
                )
            }
            Self::TakenBack { from } => write!(f, "rolled back: no host runs {from} any more"),
            Self::Done {
                hosts: 0, version, ..
            } => {
                write!(
                    f,
                    "done: there was no host to move; {version} is for those that come"
                )
            }
            Self::Done {
                version,
                proven,
                hosts,
                failed,
                silent,
                kept,
            } => {
                write!(f, "done: {proven} of {hosts} hosts have proven {version}")?;
                if *failed > 0 {
                    write!(f, ", {failed} failed")?;
                }
                if *silent > 0 {
                    write!(f, ", {silent} silent")?;
                }
                if *kept > 0 {
                    write!(f, ", {kept} kept as they are on the host")?;
                }
                Ok(())
            }
        }
    }
}

fn common(f: &mut fmt::Formatter<'_>, cluster: Option<&Cluster>) -> fmt::Result {
    match cluster {
        Some(cluster) => write!(f, "; {cluster}"),
        None => Ok(()),
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shut { opens: Some(opens) } => write!(f, "the window opens at {opens:.0}"),
            Self::Shut { opens: None } => f.write_str("no window opens within a year"),
            Self::Moment { at } => write!(f, "the next one's moment is {at:.0}"),
            Self::InFlight { limit } => write!(f, "at most {limit} are in flight at once"),
            Self::Fit { demanded, hosts } => {
                write!(f, "{demanded} of {hosts} hosts must stay fit and at rest")
            }
            Self::Sites { bytes } => {
                write!(f, "at most {bytes} bytes are under way to one site")
            }
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.worse, self.hosts)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEnoughData {
                treated,
                control,
                threshold,
            } => write!(
                f,
                "not enough data to compare: {} updated hosts and {} others can show nothing at a chance of {}",
                treated.hosts,
                control.hosts,
                chance(*threshold)
            ),
            Self::NoWorse {
                treated,
                control,
                p,
                threshold,
            } => write!(
                f,
                "{treated} updated hosts are worse than before, {control} others (chance {}, stops below {})",
                chance(*p),
                chance(*threshold)
            ),
            Self::Worse {
                treated,
                control,
                p,
                threshold,
            } => write!(
                f,
                "updated hosts are worse off: {treated} of them, {control} others became worse in the same time (chance {}, limit {})",
                chance(*p),
                chance(*threshold)
            ),
        }
    }
}

/// A chance as people read it: two digits that count.
fn chance(p: f64) -> String {
    if p >= 0.1 {
        format!("{:.0} %", p * 100.0)
    } else if p >= 1e-5 {
        let digits = (-(p * 100.0).log10().floor() + 1.0).clamp(0.0, 6.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 6"
        )]
        let digits = digits as usize;
        format!("{:.digits$} %", p * 100.0)
    } else {
        format!("{p:.1e}")
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun { hosts, waves } => write!(f, "begun: hosts {hosts}, waves {waves}"),
            Self::Replaced { wave, left, came } => {
                write!(
                    f,
                    "{wave}: {came} in place of {left}, silent, kept or gone from the fleet"
                )
            }
            Self::Opened { wave, hosts } => write!(f, "{wave} opened: {hosts}"),
            Self::Proven {
                wave,
                proven,
                hosts,
            } => {
                write!(f, "{wave} proven: {proven} of {hosts} hosts")
            }
            Self::Compared { wave, verdict } => write!(f, "{wave} compared: {verdict}"),
            Self::Joined { wave, hosts } => write!(f, "{wave}: {hosts} joined it"),
            Self::WentOn { wave } => write!(f, "{wave} goes on: the gate agrees again"),
            Self::Held(why) | Self::Halted(why) | Self::Ordered(why) | Self::Ended(why) => {
                fmt::Display::fmt(why, f)
            }
        }
    }
}
