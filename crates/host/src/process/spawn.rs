//! How a process is started.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Pid;

use super::to_pid;

/// How to start a process. Its standard input is always `/dev/null`.
#[derive(Debug)]
pub struct Spawn {
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables on top of this process's own.
    pub env: Vec<(OsString, OsString)>,
    /// Its working directory; this process's own if none.
    pub cwd: Option<PathBuf>,
    /// Where standard output and standard error go.
    pub output: Output,
    /// Whether it starts with no variables but [`env`](Self::env), not even a `PATH`.
    pub clear_env: bool,
    /// As whom it runs; as this process's own user if none.
    pub user: Option<User>,
}

/// As whom a process runs. Groups of this process are not passed on to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub uid: u32,
    /// The id of the one group.
    pub gid: u32,
}

/// Where a process's standard output and standard error go.
#[derive(Debug)]
pub enum Output {
    /// Where this process's own go.
    Inherit,
    /// Both into a file, in the order of their writing. Open it for appending.
    File(File),
    /// Standard error into a file; standard output where this process's own standard error goes.
    ErrorsInto(File),
    /// Both into the write end of a pipe.
    Pipe(io::PipeWriter),
    /// Standard output into one pipe, standard error into another.
    Pipes {
        /// The write end for standard output.
        output: io::PipeWriter,
        /// The write end for standard error.
        errors: io::PipeWriter,
    },
}

impl Spawn {
    /// A program without arguments, whose output goes where this process's goes.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            output: Output::Inherit,
            clear_env: false,
            user: None,
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

    /// Sends the output somewhere.
    #[must_use]
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }
}

/// A program may be busy for the moment in which another thread's child still holds it open for writing, between
/// its fork and its exec. So soon after an unpack that is likely enough to be waited out.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Starts a process in a group of its own.
pub(super) fn start(spawn: Spawn) -> io::Result<Pid> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place where processes are started"
    )]
    let mut command = std::process::Command::new(&spawn.program);
    if spawn.clear_env {
        command.env_clear();
    }
    command.args(spawn.args).envs(spawn.env).process_group(0);
    if let Some(user) = spawn.user {
        // With `uid`, the standard library also drops the supplementary groups, if it runs as root; if it does not,
        // changing to another user fails, and with it the start.
        command.gid(user.gid).uid(user.uid);
    }
    if let Some(cwd) = &spawn.cwd {
        command.current_dir(cwd);
    }
    command.stdin(Stdio::null());
    match spawn.output {
        Output::Inherit => {}
        Output::File(file) => {
            command.stdout(file.try_clone()?).stderr(file);
        }
        Output::ErrorsInto(file) => {
            let errors = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 0)?;
            command.stdout(errors).stderr(file);
        }
        Output::Pipe(pipe) => {
            command.stdout(pipe.try_clone()?).stderr(pipe);
        }
        Output::Pipes { output, errors } => {
            command.stdout(output).stderr(errors);
        }
    }
    let mut tries = 0;
    let child = loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES =>
            {
                tries += 1;
                std::thread::sleep(BUSY_PAUSE);
            }
            other => break other?,
        }
    };
    to_pid(child.id()).ok_or_else(|| io::Error::other("the kernel gave the process no id"))
}

/// The kernel says the same of a missing program and of a script whose interpreter is missing.
pub(super) fn explain(program: &Path, error: io::Error) -> io::Error {
    let exists = program.components().count() > 1 && program.exists();
    if error.kind() == io::ErrorKind::NotFound && exists {
        return io::Error::new(
            io::ErrorKind::NotFound,
            "the program exists, but its interpreter, its loader or the working directory does not",
        );
    }
    if Errno::from_io_error(&error) == Some(Errno::NOEXEC) {
        return io::Error::new(
            error.kind(),
            "it is neither a program for this machine nor a script: a script begins with #! and the path of its interpreter",
        );
    }
    error
}
