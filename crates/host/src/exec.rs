//! Commands: checks and scripts that run for a bounded time and say something.
//!
//! A command gets a process group of its own and `/dev/null` as its input. At its deadline the whole group is
//! killed; so is whatever of the group still holds the output when the command itself has ended. Its output is
//! read all the time, so that it never waits for a reader, and only the end of it is kept, or the beginning.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::process::{Output, Process, Spawn, User};

mod environment;
mod kept;
mod note;
mod tail;
mod tee;

use kept::Kept;
use note::Note;
pub(crate) use note::end_noted;
pub use tee::Tee;
use tee::Teed;

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
    /// How many bytes of output are kept.
    pub output_cap: usize,
    /// Which bytes of output are kept, if there are more.
    pub keep: Keep,
    /// Whether standard error is kept apart, in [`Finished::errors`]; otherwise it is part of the output.
    pub errors_apart: bool,
    /// Whether it starts with no variables but [`env`](Self::env), not even a `PATH`.
    pub clear_env: bool,
    /// As whom it runs; as this process's own user if none.
    pub user: Option<User>,
    /// Where the output goes as well, while it is being written. Standard error that is kept
    /// [apart](Self::errors_apart) does not.
    pub tee: Option<Tee>,
    /// A file that names the process while it runs, so that the next program can end it if this one is killed.
    pub(crate) note: Option<PathBuf>,
}

/// Which part of a long output is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The last bytes: why a long job failed.
    End,
    /// The first bytes: the answer of a program that says the most important thing first.
    Beginning,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// `exit status: 0`, `signal: 9 (SIGKILL)`.
    pub status: ExitStatus,
    /// The end of what it wrote to standard output and standard error, in the order of writing, or the
    /// [beginning](Keep::Beginning). Bytes that are not UTF-8 are replaced by U+FFFD.
    pub output: String,
    /// What it wrote to standard error, if that was kept [apart](Exec::errors_apart); at most 4 KiB.
    pub errors: String,
    /// How many bytes of output came before that, or after it, and were not kept.
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
            keep: Keep::End,
            errors_apart: false,
            clear_env: false,
            user: None,
            tee: None,
            note: None,
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

    /// Passes on none of this process's own environment variables, not even `PATH`.
    #[must_use]
    pub fn clear_env(mut self) -> Self {
        self.clear_env = true;
        self
    }

    /// Runs it as another user, without any of this process's groups. Only root can do that; for all others the
    /// command does not start.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.user = Some(user);
        self
    }

    /// Says which part of a long output is kept.
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// Keeps standard error apart from the output.
    #[must_use]
    pub fn errors_apart(mut self) -> Self {
        self.errors_apart = true;
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
        let (mut heard, output) =
            Heard::listen(self.keep, self.output_cap, self.errors_apart).map_err(failed)?;
        heard.output.tee = self.tee.as_ref().map(Teed::open).transpose()?;
        let mut running = Running(Process::spawn(Spawn {
            program: self.program,
            args: self.args,
            env: self.env,
            cwd: self.cwd,
            output,
            clear_env: self.clear_env,
            user: self.user,
        })?);
        let process = &mut running.0;
        let _note = self.note.map(|path| Note::write(&path, process.pid()));

        let end = read_until_end(process, &mut heard);
        let timed_out = match tokio::time::timeout(self.timeout, end).await {
            Ok(ended) => {
                ended?;
                false
            }
            Err(_) => true,
        };
        let is_held = timed_out || !closes(&mut heard).await;
        let status = if is_held {
            process.kill_group()?;
            // What the group wrote before it died.
            if !closes(&mut heard).await {
                tracing::debug!(program = %program.display(), "a process outside of its group holds its output");
            }
            process.kill().await?
        } else {
            process.wait_alone().await?
        };
        let (output, cut) = heard.output.kept.into_text();
        let errors = heard
            .errors
            .map_or_else(String::new, |errors| errors.kept.into_text().0);
        Ok(Finished {
            status,
            output,
            errors,
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

/// Most of standard error that is kept apart.
const MOST_ERRORS: usize = 4 * 1024;

/// What a command says, on one pipe or on two.
struct Heard {
    output: Stream,
    errors: Option<Stream>,
}

struct Stream {
    pipe: pipe::Receiver,
    kept: Kept,
    tee: Option<Teed>,
}

impl Heard {
    /// The ears, and what the command shall speak into.
    fn listen(keep: Keep, cap: usize, errors_apart: bool) -> io::Result<(Self, Output)> {
        let stream = |cap| -> io::Result<(Stream, io::PipeWriter)> {
            let (reader, writer) = io::pipe()?;
            let pipe = pipe::Receiver::from_owned_fd(reader.into())?;
            let kept = Kept::new(keep, cap);
            let tee = None;
            Ok((Stream { pipe, kept, tee }, writer))
        };
        let (output, writer) = stream(cap)?;
        if !errors_apart {
            let errors = None;
            return Ok((Self { output, errors }, Output::Pipe(writer)));
        }
        let (errors, errors_writer) = stream(MOST_ERRORS)?;
        let heard = Self {
            output,
            errors: Some(errors),
        };
        let speak = Output::Pipes {
            output: writer,
            errors: errors_writer,
        };
        Ok((heard, speak))
    }

    /// Reads until all pipes are closed by all who hold them.
    async fn read_all(&mut self) {
        match &mut self.errors {
            None => self.output.read_all().await,
            Some(errors) => {
                tokio::join!(self.output.read_all(), errors.read_all());
            }
        }
    }
}

impl Stream {
    async fn read_all(&mut self) {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = self.pipe.read(&mut buffer).await {
            self.kept.push(&buffer[..read]);
            if let Some(tee) = &mut self.tee {
                tee.push(&buffer[..read]);
            }
        }
    }
}

/// Reads until the process itself has ended, whoever else holds the pipe.
async fn read_until_end(process: &Process, heard: &mut Heard) -> Result<()> {
    let ended = process.ended();
    tokio::pin!(ended);
    tokio::select! {
        ended = &mut ended => ended,
        // All have closed it, or it broke: there is nothing to read and only the end to wait for.
        () = heard.read_all() => ended.await,
    }
}

/// Reads what is left. False if somebody goes on holding the pipe.
async fn closes(heard: &mut Heard) -> bool {
    tokio::time::timeout(LONGEST_HOLD, heard.read_all())
        .await
        .is_ok()
}
