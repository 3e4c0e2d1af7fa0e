//! The sentences: what stands on the command line, in the record and on the page.

use std::fmt;

use super::super::cluster::Cluster;
use super::super::look::Sample;
use super::{Decision, Names, Place, Short, Verdict, Why};

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
            Self::LeftOut { host, by, why } => write!(f, "{by} left {host} out of it: {why}"),
            Self::TakenIn { host, by } => write!(f, "{by} took {host} in again"),
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
                skipped,
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
                if *skipped > 0 {
                    write!(f, ", {skipped} skipped")?;
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
                    "{wave}: {came} in place of {left}, silent, kept, skipped or gone from the fleet"
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
