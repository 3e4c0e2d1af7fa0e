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
    /// 3: it was refused, or is held by someone else. (2, used wrongly, comes from the parser of the command line.)
    Refused,
    /// 4: there was nothing to do, where that matters to scripts.
    Nothing,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Refused => 3,
            Exit::Nothing => 4,
        })
    }
}

impl Exit {
    /// The code for an error: refused where somebody said no, failed otherwise.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        use lockstep_agent::Error as Agent;
        let refused = error.chain().any(|cause| {
            let agent = cause.downcast_ref::<Agent>();
            let host = cause.downcast_ref::<HostError>();
            let call = cause.downcast_ref::<CallError>();
            matches!(agent, Some(Agent::Refused(_)))
                || matches!(host, Some(HostError::LockHeld { .. }))
                || matches!(
                    call,
                    Some(CallError::Refused {
                        status: 401 | 403 | 409 | 423,
                        ..
                    })
                )
        });
        if refused { Self::Refused } else { Self::Failed }
    }
}
