//! Why runs end otherwise than well.

use serde::{Deserialize, Serialize};

use crate::{ItemName, Level, LockName, Phase};

/// Why a run ended otherwise than well. The code is stable and of low cardinality; the sentence is for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum RunReason {
    /// The candidate's process ended by itself.
    #[error("the new worker ended by itself ({status}) {after_s:.1} s after its start")]
    WorkerExited {
        /// `exit status: 1`, `signal: 9 (SIGKILL)`.
        status: String,
        /// Seconds since its start.
        after_s: f64,
    },
    /// The candidate could not be started.
    #[error("the new worker could not be started: {why}")]
    CannotStart {
        /// The operating system's words.
        why: String,
    },
    /// The candidate lives but gives no sign of life.
    #[error("the new worker gave no sign of life for {silent_s:.1} s")]
    Hung {
        /// Seconds without a sign.
        silent_s: f64,
    },
    /// The candidate did not reach the server although the old version does.
    #[error(
        "the new worker did not check in within {waited_s:.1} s ({link}), but the version before reaches the server"
    )]
    NoCheckIn {
        /// Seconds waited.
        waited_s: f64,
        /// What the candidate says of its link.
        link: String,
    },
    /// A gated item is worse than before.
    #[error("{item} is {now} since the update, {before} before it")]
    ItemWorse {
        /// The item.
        item: ItemName,
        /// Its level before.
        before: Level,
        /// Its level now.
        now: Level,
    },
    /// The candidate changes between well and ill.
    #[error("the new version changed between well and ill {flips} times")]
    Unsteady {
        /// How often it became ill.
        flips: u32,
    },
    /// The candidate was neither well for long enough nor clearly ill.
    #[error("the new version was not well for {window_s:.0} s in a row within {waited_s:.0} s")]
    NeverSettled {
        /// How long it should have been well.
        window_s: f64,
        /// How long it was watched.
        waited_s: f64,
    },
    /// The host went down in the middle of probation, more than once.
    #[error("the host or the agent was cut off {times} times while it tried the new version")]
    Interrupted {
        /// How often.
        times: u32,
    },
    /// Neither version reached the server for too long; nothing is held against the release.
    #[error(
        "the server was out of reach for both versions for {waited_s:.0} s; the new one could not prove itself"
    )]
    SurroundingsFailed {
        /// Seconds waited.
        waited_s: f64,
    },
    /// The check command of the new slot failed.
    #[error("the check in the new slot failed: {why}")]
    PreflightFailed {
        /// Exit status and the end of its output.
        why: String,
    },
    /// The repository's metadata or the bundle's bytes do not verify.
    #[error("the release does not verify: {why}")]
    NotVerified {
        /// What was wrong.
        why: String,
    },
    /// The bundle does what no bundle may do.
    #[error("the bundle was refused: {why}")]
    BundleRefused {
        /// What was wrong.
        why: String,
    },
    /// The machine did not do what the agent asked of it.
    #[error("this host could not make the change: {why}")]
    HostFailed {
        /// What was wrong.
        why: String,
    },
    /// The version was proven but then died again and again.
    #[error("died {times} times in a row soon after its start")]
    CrashLoop {
        /// How often.
        times: u32,
    },
    /// A person on the host asked for the version before.
    #[error("rolled back by hand on the host")]
    ByHand,
    /// A script said no.
    #[error("{script} of phase {phase} failed: {how}")]
    ScriptFailed {
        /// The phase.
        phase: Phase,
        /// The script's file name.
        script: String,
        /// `exit status: 1`, `killed after 3600.0 s`, or why it could not be started.
        how: String,
    },
    /// A script asked for another time again and again.
    #[error("{script} of phase {phase} asked for another time {times} times")]
    LaterTooOften {
        /// The phase.
        phase: Phase,
        /// The script's file name.
        script: String,
        /// How often.
        times: u32,
    },
    /// The host's work did not let go of it in time.
    #[error("this host was busy for {waited_s:.0} s: {why}")]
    Busy {
        /// Seconds waited.
        waited_s: f64,
        /// What kept it: a lock file, a script.
        why: String,
    },
    /// The lock server could not be asked, or gave an answer that is none.
    #[error("the lock {lock} could not be acquired: {why}")]
    LockFailed {
        /// The lock.
        lock: LockName,
        /// What went wrong.
        why: String,
    },
    /// The host came back from the change, and was not well.
    #[error("the host was not well when it came back: {why}")]
    Unwell {
        /// What was wrong with it.
        why: String,
    },
    /// The package manager, or what it was asked for, failed.
    #[error("the package manager failed: {why}")]
    PackagesFailed {
        /// What was attempted, and the end of its output.
        why: String,
    },
    /// The repository does not have the version that was published.
    #[error("version {published} was published, but the repository has {offered}")]
    RepositoryBehind {
        /// The version that was published.
        published: String,
        /// What the repository offers.
        offered: String,
    },
    /// The service that the package brings could not be stopped or started.
    #[error("the service {unit} could not be brought to where it was: {why}")]
    ServiceFailed {
        /// The service.
        unit: String,
        /// What was attempted, and how it failed.
        why: String,
    },
    /// The command that restarts the machine failed.
    #[error("the command that restarts the machine failed: {how}")]
    RebootFailed {
        /// How it ended, with the end of its output.
        how: String,
    },
    /// The command that restarts the machine ended well, and the machine was not restarted.
    #[error("the machine was told to restart {waited_s:.0} s ago, and has not")]
    RebootNeverCame {
        /// Seconds waited.
        waited_s: f64,
    },
    /// After the change nobody could say how the host is.
    #[error("the agent of this host did not say how it is for {waited_s:.0} s after the change")]
    NobodyToVerify {
        /// Seconds waited.
        waited_s: f64,
    },
    /// The bundle could not be fetched now.
    #[error("the bundle could not be fetched: {why}")]
    FetchFailed {
        /// What was attempted, and what went wrong.
        why: String,
    },
    /// Another version is wanted by now, or none.
    #[error("{why}")]
    OrderChanged {
        /// `the order was taken back`, `version 1.4.0 is wanted by now`.
        why: String,
    },
    /// A wish came to its end before it was done.
    #[error("the wish was for the time until {until:.0}, and nothing is restarted for it any more")]
    WishOver {
        /// Its end, by the host's clock.
        until: jiff::Timestamp,
    },
    /// An operator took the wish back before it was begun.
    #[error("the wish was taken back")]
    WishTakenBack,
    /// A file of the host does not permit it.
    #[error("{why}")]
    NotPermitted {
        /// Which file, and which line is missing there.
        why: String,
    },
    /// The service of the new version does not run, or was restarted.
    #[error("the service {unit} does not run as it should: {why}")]
    ServiceDown {
        /// The service.
        unit: String,
        /// How it is.
        why: String,
    },
    /// The unit that the bundle brings is there already, and somebody else's.
    #[error("the unit {unit} was not installed: {why}")]
    UnitRefused {
        /// The unit.
        unit: String,
        /// What is in its way, and what to do.
        why: String,
    },
    /// A person said that what failed shall be left as it is.
    #[error("skipped by {by}: {why}")]
    Skipped {
        /// Who.
        by: String,
        /// The person's reason.
        why: String,
    },
}
