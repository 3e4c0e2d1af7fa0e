//! Running the tools of a package manager.
//!
//! They get an environment of their own, so that nothing of this process's (secrets, a language, an odd `PATH`) reaches
//! the scripts of packages, and no question is ever asked.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use super::busy::{Locks, PAUSE, Wait};
use super::error::PackageError;
use super::output::Patience;
use crate::error::Result;
use crate::exec::{Exec, Finished, Keep};

/// What `PATH` is: scripts of packages expect the administrator's programs, whatever started this process.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What of this process's environment is passed on: how to reach repositories, and where temporary files go.
const PASSED: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "TMPDIR",
    "HOME",
];
/// What keeps tools and scripts from asking and from translating what they say: debconf(7), apt-listchanges(1),
/// needrestart(1) (`l`: list what should be restarted, restart nothing), ucf(1).
const QUIET: [(&str, &str); 7] = [
    ("LC_ALL", "C"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBIAN_PRIORITY", "critical"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("NEEDRESTART_MODE", "l"),
    ("UCF_FORCE_CONFFOLD", "1"),
    ("PATH", PATH),
];
/// Most of an answer, in bytes: a line for each of a hundred thousand packages.
const MOST_ANSWER: usize = 16 * 1024 * 1024;
/// How much of a tool's last words is kept for people.
const MOST_WORDS: usize = 16 * 1024;
/// How much of that goes into an error.
const MOST_ERROR_LINES: usize = 40;
/// With this, dnf says that another program has its lock (dnf(8), exit codes).
const DNF_LOCKED: i32 = 200;

/// How tools are run below one root.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    /// On top of what all tools get.
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) patience: Patience,
}

/// A change that a tool is to make.
#[derive(Debug)]
pub(super) struct Act<'a> {
    /// As a verb with its object, for errors.
    pub(super) doing: &'a str,
    pub(super) tool: &'static str,
    pub(super) args: Vec<OsString>,
    /// When it is killed, with all that it started.
    pub(super) limit: Duration,
    /// What must be free before.
    pub(super) locks: &'a Locks,
}

impl Tools {
    fn command(&self, tool: &'static str, args: &[OsString], limit: Duration) -> Exec {
        let mut exec = Exec::new(tool, limit).clear_env().args(args).cwd("/");
        for (name, value) in QUIET {
            exec = exec.env(name, value);
        }
        for name in PASSED {
            if let Some(value) = std::env::var_os(name) {
                exec = exec.env(name, value);
            }
        }
        if std::env::var_os("HOME").is_none() {
            exec = exec.env("HOME", "/root");
        }
        exec.env.extend(self.env.iter().cloned());
        exec
    }

    /// Asks a question. The answer's first part is the exit status, one of `allowed`.
    pub(super) async fn ask(
        &self,
        tool: &'static str,
        args: &[OsString],
        allowed: &[i32],
    ) -> Result<(i32, String)> {
        let mut exec = self
            .command(tool, args, self.patience.question)
            .errors_apart()
            .keep(Keep::Beginning);
        exec.output_cap = MOST_ANSWER;
        let finished = exec.run().await?;
        let code = finished.status.code().filter(|_| !finished.timed_out);
        let Some(code) = code.filter(|code| allowed.contains(code)) else {
            // The last argument is what is asked about: a name, a version.
            let question = args.last().map(|arg| arg.to_string_lossy());
            let question = question.unwrap_or_default().into_owned();
            return Err(PackageError::Tool {
                doing: format!("ask about {question:?}"),
                tool,
                how: finished.how(),
                timed_out: finished.timed_out,
                output: last_lines(&finished.errors),
            }
            .into());
        };
        if finished.cut > 0 {
            let why = format!("more than {MOST_ANSWER} bytes");
            return Err(PackageError::Answer { tool, why }.into());
        }
        Ok((code, finished.output))
    }

    /// Runs a tool when the locks are free, and again when another program was faster.
    pub(super) async fn run(&self, act: &Act<'_>) -> Result<Finished> {
        let wait = Wait::begin(self.patience.lock);
        loop {
            act.locks.wait_free(act.doing, &wait).await?;
            let mut exec = self.command(act.tool, &act.args, act.limit);
            exec.output_cap = MOST_WORDS;
            let finished = exec.run().await?;
            if !is_locked_out(&finished) {
                return Ok(finished);
            }
            if wait.is_over() {
                return Err(act.locks.locked_out(act.doing, &wait).into());
            }
            tokio::time::sleep(PAUSE.min(wait.left())).await;
        }
    }

    /// Runs a tool that must succeed.
    pub(super) async fn act(&self, act: &Act<'_>) -> Result<String> {
        let finished = self.run(act).await?;
        if finished.succeeded() {
            return Ok(finished.output);
        }
        Err(failed(act, &finished).into())
    }
}

/// The error of a tool that failed.
pub(super) fn failed(act: &Act<'_>, finished: &Finished) -> PackageError {
    PackageError::Tool {
        doing: act.doing.into(),
        tool: act.tool,
        how: finished.how(),
        timed_out: finished.timed_out,
        output: last_lines(&finished.output),
    }
}

/// True if the tool did nothing because another program has a lock that it needs. dnf says so by its status. apt and
/// dpkg end with the status of all their errors, so their words must do; they are never translated here.
fn is_locked_out(finished: &Finished) -> bool {
    if finished.succeeded() || finished.timed_out {
        return false;
    }
    let said = |words| finished.output.contains(words);
    finished.status.code() == Some(DNF_LOCKED)
        || said("Could not get lock ")
        || said(" locked by another process")
}

/// The last lines of a text, without empty ones and without what was overwritten on a terminal.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.rsplit('\r').next().unwrap_or(line).trim_end())
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(MOST_ERROR_LINES)..].join("\n")
}

/// Arguments of one kind, from texts of several.
pub(super) fn args(texts: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<OsString> {
    texts
        .into_iter()
        .map(|text| text.as_ref().to_owned())
        .collect()
}
