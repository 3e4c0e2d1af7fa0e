//! The one thing that keeps a host from a version, and its sentence.

use std::fmt;

use jiff::Timestamp;
use lockstep_model::{ChannelName, Late, PackageVersion, Phase, RolloutId, Version};

use crate::rollout::{NoWay, Place, Short};

/// What keeps a host from the version that it is wanted to run. One `Display` sentence each, with the figures.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gate {
    /// Nothing: the host runs it, proven.
    None {
        /// The version.
        version: Version,
    },
    /// The host follows no channel of the package.
    NotFollowed,
    /// Nothing was ever promoted to the channel.
    NothingPromoted {
        /// The channel.
        channel: ChannelName,
    },
    /// The fleet file holds the host at another version than the channel says, and it runs that one.
    Pinned {
        /// At which.
        at: Version,
        /// The rule of the fleet file that says so.
        rule: Option<String>,
    },
    /// The version is listed, but not for the host's platform.
    NoRelease {
        /// The version.
        version: Version,
        /// What the host is; none if it has not said.
        platform: Option<String>,
    },
    /// The version is not listed any more.
    Withdrawn {
        /// The version.
        version: Version,
    },
    /// No way leads from the version in force to the one wanted.
    NoWay(NoWay),
    /// An operator switched updates off for all hosts.
    UpdatesOff,
    /// The host keeps itself as it is: updates are switched off there, a person holds a version, or it does not permit
    /// the package, now or for a time.
    Kept {
        /// The host's own words.
        words: String,
        /// When it looks again, where that is known.
        until: Option<Timestamp>,
    },
    /// The host tried the version by this order, and the version was to blame that it failed.
    Failed {
        /// The order.
        rollout: RolloutId,
        /// What the run says.
        reason: String,
    },
    /// A person left the host out of the rollout.
    Skipped {
        /// Which rollout.
        rollout: RolloutId,
        /// Who.
        by: String,
        /// Why, in that person's words.
        why: String,
    },
    /// The version was found wanting, and nobody has said that it is to be rolled out all the same.
    Suspect {
        /// What was found.
        why: String,
    },
    /// The rollout has not begun.
    Planned {
        /// Which.
        rollout: RolloutId,
        /// When its window opens; none if one is open, or none opens within a year.
        opens: Option<Timestamp>,
    },
    /// A person says wait.
    Paused {
        /// Which rollout.
        rollout: RolloutId,
        /// Who.
        by: String,
    },
    /// A gate of the rollout says wait.
    Holding {
        /// Which rollout.
        rollout: RolloutId,
        /// What the gate says.
        why: String,
    },
    /// The rollout was stopped before the host had proven the version.
    Halted {
        /// Which rollout.
        rollout: RolloutId,
        /// Why.
        why: String,
    },
    /// The host is told to go back to the version before, and has not come there yet.
    RollingBack {
        /// Which rollout.
        rollout: RolloutId,
        /// The version it is to go back to.
        to: Version,
        /// Why.
        why: String,
    },
    /// The host joined after the waves were drawn.
    LateJoiner {
        /// Which rollout.
        rollout: RolloutId,
        /// What the strategy says of such hosts.
        rule: Late,
    },
    /// The host's wave has not been opened.
    Wave {
        /// Its wave.
        wave: Place,
        /// What must be before.
        after: After,
    },
    /// The host's wave is open, and the host has not been let go.
    InWave {
        /// Its wave.
        wave: Place,
        /// Why; none if it goes at the server's next look.
        short: Option<Short>,
    },
    /// The host was let go, and the strategy's hours were over before it had begun.
    Shut {
        /// When a window opens; none if none does within a year.
        opens: Option<Timestamp>,
    },
    /// Nothing has been heard of the host for too long.
    Silent {
        /// When it was heard of last.
        last_seen: Option<Timestamp>,
    },
    /// A run is in progress on the host.
    OnItsWay {
        /// To which version, if that is known.
        to: Option<PackageVersion>,
        /// Where it is, if that is known.
        phase: Option<Phase>,
        /// What it waits for, in words, if it waits.
        waits: Option<String>,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// The host must pass through another version first.
    Hop {
        /// Through which.
        through: Version,
        /// On its way to which.
        to: Version,
    },
    /// The host is told with its next report.
    Told {
        /// The version.
        version: Version,
        /// When that report is expected at the latest.
        by: Option<Timestamp>,
    },
}

/// What must be before a wave is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum After {
    /// Nothing: it opens at the server's next look.
    NextLook,
    /// An earlier wave must prove the version.
    Proof {
        /// The one that is next.
        wave: Place,
        /// Its hosts that have proven the version.
        proven: usize,
        /// Its hosts that are in the fleet.
        hosts: usize,
    },
    /// An earlier wave is watched.
    Bake {
        /// Which wave.
        wave: Place,
        /// Until when.
        until: Timestamp,
        /// When the host's own wave can open, if that is the next one and a window opens within a year.
        opens: Option<Timestamp>,
    },
    /// The strategy's hours are over, or it is a blackout date.
    Window {
        /// When one opens; none if none does within a year.
        opens: Option<Timestamp>,
    },
}

impl Gate {
    /// A stable code of low cardinality. `none` is said of a host that runs what it should.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::None { .. } => "none",
            Self::NotFollowed => "not-followed",
            Self::NothingPromoted { .. } => "nothing-promoted",
            Self::Pinned { .. } => "pinned",
            Self::NoRelease { .. } => "no-release",
            Self::Withdrawn { .. } => "withdrawn",
            Self::NoWay(_) => "no-way",
            Self::UpdatesOff => "updates-off",
            Self::Kept { .. } => "kept",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
            Self::Suspect { .. } => "suspect",
            Self::Planned { .. } => "planned",
            Self::Paused { .. } => "paused",
            Self::Holding { .. } => "holding",
            Self::Halted { .. } => "halted",
            Self::RollingBack { .. } => "rolling-back",
            Self::LateJoiner { .. } => "late-joiner",
            Self::Wave { .. } => "wave",
            Self::InWave { short, .. } => match short {
                None => "next-look",
                Some(Short::Shut { .. }) => "window",
                Some(Short::Moment { .. }) => "moment",
                Some(Short::InFlight { .. }) => "in-flight",
                Some(Short::Fit { .. }) => "fit",
                Some(Short::Sites { .. }) => "site",
            },
            Self::Shut { .. } => "window",
            Self::Silent { .. } => "silent",
            Self::OnItsWay { .. } => "on-its-way",
            Self::Hop { .. } => "hop",
            Self::Told { .. } => "told",
        }
    }

    /// When it can open, where that is known. It may stay shut then for another reason.
    #[must_use]
    pub fn opens(&self) -> Option<Timestamp> {
        match self {
            Self::Kept { until, .. } => *until,
            Self::Planned { opens, .. } => *opens,
            Self::Told { by, .. } => *by,
            Self::Shut { opens } => *opens,
            Self::Wave { after, .. } => match after {
                After::Bake { opens, .. } | After::Window { opens } => *opens,
                After::NextLook | After::Proof { .. } => None,
            },
            Self::InWave { short, .. } => match short {
                Some(Short::Shut { opens }) => *opens,
                Some(Short::Moment { at }) => Some(*at),
                _ => None,
            },
            _ => None,
        }
    }

    /// True if nothing keeps the host from the version.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None { .. })
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None { version } => write!(f, "it runs {version}, proven"),
            Self::NotFollowed => f.write_str("it follows no channel of the package"),
            Self::NothingPromoted { channel } => {
                write!(f, "nothing is promoted to {channel}")
            }
            Self::Pinned { at, rule } => {
                write!(f, "it is held at {at}")?;
                match rule {
                    Some(rule) => write!(f, " by {rule} of the fleet file"),
                    None => f.write_str(" by the fleet file"),
                }
            }
            Self::NoRelease { version, platform } => match platform {
                Some(platform) => write!(f, "there is no {version} for {platform}"),
                None => write!(
                    f,
                    "the host has not said what platform it is, so no {version} fits it"
                ),
            },
            Self::Withdrawn { version } => write!(f, "{version} was withdrawn"),
            Self::NoWay(no_way) => fmt::Display::fmt(no_way, f),
            Self::UpdatesOff => f.write_str("updates are switched off on the server"),
            Self::Kept { words, until } => {
                write!(f, "the host keeps it as it is: {words}")?;
                match until {
                    Some(until) => write!(f, "; it looks again at {until:.0}"),
                    None => Ok(()),
                }
            }
            Self::Failed { rollout, reason } => write!(
                f,
                "it failed here by rollout {rollout}: {reason}; it is tried again by a new order"
            ),
            Self::Skipped { rollout, by, why } => {
                write!(f, "{by} left it out of rollout {rollout}: {why}")
            }
            Self::Suspect { why } => write!(f, "the version is suspect: {why}"),
            Self::Planned { rollout, opens } => {
                write!(f, "rollout {rollout} has not begun")?;
                match opens {
                    Some(opens) => write!(f, ", its window opens at {opens:.0}"),
                    None => f.write_str(", its waves are drawn at the server's next look"),
                }
            }
            Self::Paused { rollout, by } => write!(f, "rollout {rollout} is paused by {by}"),
            Self::Holding { rollout, why } => write!(f, "rollout {rollout} holds: {why}"),
            Self::Halted { rollout, why } => write!(f, "rollout {rollout} was halted: {why}"),
            Self::RollingBack { rollout, to, why } => {
                write!(f, "rollout {rollout} sends it back to {to}: {why}")
            }
            Self::LateJoiner { rollout, rule } => {
                write!(f, "it joined while rollout {rollout} was under way, and ")?;
                f.write_str(match rule {
                    Late::After => "gets the version when that is done (late = \"after\")",
                    Late::Join => {
                        "joins its last wave, or gets the version when it is done (late = \"join\")"
                    }
                    Late::AtOnce => {
                        "joins the open wave as soon as the first one is proven (late = \"at-once\")"
                    }
                })
            }
            Self::Wave { wave, after } => write!(f, "it is in {wave}, {after}"),
            Self::InWave { wave, short } => {
                write!(
                    f,
                    "it is in {wave}, which is open, and has not been let go: "
                )?;
                match short {
                    Some(Short::Moment { at }) => write!(f, "its moment is {at:.0}"),
                    Some(short) => fmt::Display::fmt(short, f),
                    None => f.write_str("it goes at the server's next look"),
                }
            }
            Self::Shut { opens } => {
                f.write_str("it was let go and had not begun when the hours were over; ")?;
                shut(f, *opens)
            }
            Self::Silent { last_seen } => match last_seen {
                Some(seen) => write!(f, "nothing has been heard of it since {seen:.0}"),
                None => f.write_str("it has never reported"),
            },
            Self::OnItsWay {
                to,
                phase,
                waits,
                since,
            } => {
                f.write_str("it is on its way")?;
                if let Some(to) = to {
                    write!(f, " to {to}")?;
                }
                if let Some(phase) = phase {
                    write!(f, ": phase {phase}")?;
                }
                if let Some(since) = since {
                    write!(f, " since {since:.0}")?;
                }
                match waits {
                    Some(waits) => write!(f, "; it waits: {waits}"),
                    None => Ok(()),
                }
            }
            Self::Hop { through, to } => {
                write!(
                    f,
                    "it must pass through {through} before {to}, and is told so"
                )
            }
            Self::Told { version, by } => {
                write!(f, "it is let go and told {version} with its next report")?;
                match by {
                    Some(by) => write!(f, ", by {by:.0}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NextLook => f.write_str("which opens at the server's next look"),
            Self::Proof {
                wave,
                proven,
                hosts,
            } => write!(
                f,
                "and {wave} comes first: {proven} of its {hosts} hosts have proven it"
            ),
            Self::Bake { wave, until, opens } => {
                write!(f, "and {wave} is proven and watched until {until:.0}")?;
                match opens {
                    Some(opens) if opens > until => {
                        write!(f, "; the window opens at {opens:.0}")
                    }
                    _ => Ok(()),
                }
            }
            Self::Window { opens } => {
                f.write_str("which waits for its hours: ")?;
                shut(f, *opens)
            }
        }
    }
}

fn shut(f: &mut fmt::Formatter<'_>, opens: Option<Timestamp>) -> fmt::Result {
    fmt::Display::fmt(&Short::Shut { opens }, f)
}
