//! Commands: checks and scripts that run for a bounded time and say something.
//!
//! A command gets a process group of its own and `/dev/null` as its input. At its deadline the whole group is
//! killed; so is whatever of the group still holds the output when the command itself has ended. Its output is
//! read all the time, so that it never waits for a reader, and only the end of it is kept.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::process::{Output, Process, Spawn};

mod tail;

use tail::Tail;

/// A command to be run.
#[derive(Debug, Clone)]
pub struct Exec {
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables on top of this process's own.
    pub env: Vec<(OsString, OsString)>,
    /// Its working directory; this process's own if none.
    pub cwd: Option<PathBuf>,
    /// When it is killed.
    pub timeout: Duration,
    /// How many bytes of output are kept: the last ones.
    pub output_cap: usize,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// `exit status: 0`, `signal: 9 (SIGKILL)`.
    pub status: ExitStatus,
    /// The end of what it wrote to standard output and standard error, in the order of writing. Bytes that are
    /// not UTF-8 are replaced by U+FFFD.
    pub output: String,
    /// How many bytes of output came before that and were not kept.
    pub cut: u64,
    /// Whether it was killed at its deadline.
    pub timed_out: bool,
    /// How long it ran.
    pub duration: Duration,
}

impl Finished {
    /// True if it ended by itself and well.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.status.success() && !self.timed_out
    }

    /// How it ended, for people: `exit status: 1`, `killed after 30.0 s`.
    #[must_use]
    pub fn how(&self) -> String {
        if self.timed_out {
            format!("killed after {:.1} s", self.duration.as_secs_f64())
        } else {
            self.status.to_string()
        }
    }
}

/// How long others may hold the output when the command itself has ended. A background process that was just
/// forked needs a moment to send its output elsewhere; one that left the group may hold it for ever.
const LONGEST_HOLD: Duration = Duration::from_secs(1);

impl Exec {
    /// A command with a time limit; 64 KiB of output are kept.
    pub fn new(program: impl Into<PathBuf>, timeout: Duration) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            timeout,
            output_cap: 64 * 1024,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        self.args.extend(args);
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let variable = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.env.push(variable);
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }

    /// Runs the command to its end. An error means that it could not be started or watched, not that it failed.
    /// If this is cancelled, the command's group is killed.
    pub async fn run(self) -> Result<Finished> {
        let started = Instant::now();
        let program = self.program.clone();
        let failed = |source| Error::Start {
            program: program.clone(),
            source,
        };
        let (reader, writer) = io::pipe().map_err(failed)?;
        let mut output = pipe::Receiver::from_owned_fd(reader.into()).map_err(failed)?;
        let mut running = Running(Process::spawn(Spawn {
            program: self.program,
            args: self.args,
            env: self.env,
            cwd: self.cwd,
            output: Output::Pipe(writer),
        })?);
        let process = &mut running.0;
        let mut tail = Tail::new(self.output_cap);

        let end = read_until_end(process, &mut output, &mut tail);
        let timed_out = match tokio::time::timeout(self.timeout, end).await {
            Ok(ended) => {
                ended?;
                false
            }
            Err(_) => true,
        };
        let is_held = timed_out || !closes(&mut output, &mut tail).await;
        let status = if is_held {
            process.kill_group()?;
            // What the group wrote before it died.
            if !closes(&mut output, &mut tail).await {
                tracing::debug!(program = %program.display(), "a process outside of its group holds its output");
            }
            process.kill().await?
        } else {
            process.wait_alone().await?
        };
        let (output, cut) = tail.into_text();
        Ok(Finished {
            status,
            output,
            cut,
            timed_out,
            duration: started.elapsed(),
        })
    }
}

/// A command that is killed when nobody waits for it any more.
struct Running(Process);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Reads until the process itself has ended, whoever else holds the pipe.
async fn read_until_end(
    process: &Process,
    output: &mut pipe::Receiver,
    tail: &mut Tail,
) -> Result<()> {
    let ended = process.ended();
    tokio::pin!(ended);
    tokio::select! {
        ended = &mut ended => ended,
        // All have closed it, or it broke: there is nothing to read and only the end to wait for.
        () = read_all(output, tail) => ended.await,
    }
}

/// Reads until the pipe is closed by all who hold it.
async fn read_all(output: &mut pipe::Receiver, tail: &mut Tail) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = output.read(&mut buffer).await {
        tail.push(&buffer[..read]);
    }
}

/// Reads what is left. False if somebody goes on holding the pipe.
async fn closes(output: &mut pipe::Receiver, tail: &mut Tail) -> bool {
    tokio::time::timeout(LONGEST_HOLD, read_all(output, tail))
        .await
        .is_ok()
}
