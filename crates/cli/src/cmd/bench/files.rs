//! Room for the connections: each is one open file of this process.

use anyhow::{Context, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files beside the connections.
const BESIDE: u64 = 100;

/// Raises the number of files that this process may open as far as it may be raised. Returns a warning if some of the
/// agents will have none to spare when connections are made anew.
pub(super) fn make_room(agents: u32) -> anyhow::Result<Option<String>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised)
            .context("failed to raise the number of files that may be open")?;
    }
    judge(agents, limit.maximum)
}

/// `most` is what the system allows; none for no limit.
fn judge(agents: u32, most: Option<u64>) -> anyhow::Result<Option<String>> {
    let Some(most) = most else { return Ok(None) };
    let needed = u64::from(agents) + BESIDE;
    ensure!(
        needed <= most,
        "{agents} agents need {needed} open files, and this process may have {most}; raise the hard limit \
         (ulimit -Hn {needed} as root, or LimitNOFILE={needed} of its unit), or take fewer agents"
    );
    let close = needed > most / 10 * 9;
    Ok(close.then(|| {
        format!("{agents} agents need {needed} open files, and this process may have {most}: that is close")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_files_are_said_before_the_first_connection() {
        assert!(judge(10_000, None).unwrap().is_none());
        assert!(judge(10_000, Some(20_000)).unwrap().is_none());
        assert!(judge(10_000, Some(10_500)).unwrap().is_some());
        let error = judge(10_000, Some(1024)).unwrap_err().to_string();
        assert!(error.contains("10100") && error.contains("1024"), "{error}");
    }
}
