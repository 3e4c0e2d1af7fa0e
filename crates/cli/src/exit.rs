//! Exit codes: a contract with scripts.

use std::process::ExitCode;

use lockstep_host::Error as HostError;
use lockstep_net::client::CallError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: it was done.
    Done,
    /// 1: it failed.
    Failed,
    /// 2: it was used wrongly. Most of that the parser of the command line finds, and ends with this code by itself.
    #[cfg(feature = "server")]
    Wrong,
    /// 3: it was refused, or is held by someone else.
    Refused,
    /// The exit code of a Nagios plugin: 0 fine, 1 warning, 2 critical, 3 unknown.
    #[cfg(feature = "server")]
    Plugin(u8),
    /// 4: there was nothing to do, where that matters to scripts.
    Nothing,
    /// The exit code of a command that was run for somebody.
    Command(u8),
    /// 78: a worker tells its supervisor that this host cannot be used as it is.
    #[cfg(feature = "agent")]
    UnusableHost,
    /// 90: a worker tells its supervisor that it ends in order to be started again.
    #[cfg(feature = "agent")]
    Restart,
}

/// Options that the parser lets pass, and that do not go together for what stands in them.
#[cfg(feature = "server")]
#[derive(Debug)]
pub(crate) struct UsedWrongly(pub(crate) String);

#[cfg(feature = "server")]
impl std::fmt::Display for UsedWrongly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(feature = "server")]
impl std::error::Error for UsedWrongly {}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            #[cfg(feature = "server")]
            Exit::Wrong => 2,
            Exit::Refused => 3,
            #[cfg(feature = "server")]
            Exit::Plugin(code) => code,
            Exit::Nothing => 4,
            Exit::Command(code) => code,
            #[cfg(feature = "agent")]
            Exit::UnusableHost => lockstep_agent::worker::EXIT_UNUSABLE_HOST,
            #[cfg(feature = "agent")]
            Exit::Restart => lockstep_agent::worker::EXIT_RESTART,
        })
    }
}

impl Exit {
    /// Ended by a signal: 128 and its number, as shells have it.
    pub(crate) fn signal(number: i32) -> Self {
        Self::Command(u8::try_from(number).map_or(u8::MAX, |number| number.saturating_add(128)))
    }

    /// The code for an error: refused where somebody said no, failed otherwise.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        #[cfg(feature = "server")]
        if error.is::<UsedWrongly>() {
            return Self::Wrong;
        }
        if error.chain().any(is_refusal) {
            Self::Refused
        } else {
            Self::Failed
        }
    }
}

fn is_refusal(cause: &(dyn std::error::Error + 'static)) -> bool {
    #[cfg(feature = "agent")]
    if let Some(error) = cause.downcast_ref::<lockstep_agent::Error>() {
        use lockstep_agent::Error;
        return match error {
            Error::Refused(_) => true,
            // These show themselves through it, so they are no causes of their own.
            Error::Host(host) => is_refusal(host),
            Error::Call(call) => is_refusal(call),
            _ => false,
        };
    }
    #[cfg(feature = "server")]
    if let Some(error) = cause.downcast_ref::<lockstep_server::Error>() {
        return matches!(error, lockstep_server::Error::InUse { .. });
    }
    if let Some(error) = cause.downcast_ref::<HostError>() {
        return matches!(error, HostError::LockHeld { .. });
    }
    let call = cause.downcast_ref::<CallError>();
    call.is_some_and(|call| matches!(call.status(), Some(401 | 403 | 409 | 423)))
}
