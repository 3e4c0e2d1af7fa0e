//! Running the trial program (`trial.rs`) and listening to it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use lockstep_host::exec::{Exec, Finished};
use tempfile::TempDir;

/// The trial program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_host-trial");

/// Every trial ends by itself in far less; this is for the day when one does not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory that is gone after the test: in memory where there is some, since nothing here needs a real disk
/// and thousands of syncs do take their time on one.
pub(crate) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        return tempfile::tempdir_in(memory).unwrap();
    }
    tempfile::tempdir().unwrap()
}

/// Runs a trial to its end.
pub(crate) fn run(args: &[&str], env: &[(&str, &str)]) -> Finished {
    let mut exec = Exec::new(PROGRAM, PATIENCE).args(args);
    for (name, value) in env {
        exec = exec.env(name, value);
    }
    let finished = block_on(exec.run()).unwrap();
    assert!(!finished.timed_out, "{args:?} {env:?}: {}", finished.output);
    finished
}

/// Waits for something in a runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// A trial that lives until it is killed, and what it says.
pub(crate) struct Trial {
    pub(crate) child: Child,
    lines: BufReader<ChildStdout>,
}

impl Trial {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is talked to while it runs, which commands are not"
    )]
    pub(crate) fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = std::process::Command::new(PROGRAM)
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line; empty if all who could say one have ended.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a file for a test, with its directories.
pub(crate) fn put(path: impl Into<PathBuf>, bytes: impl AsRef<[u8]>) {
    use lockstep_host::fs::{Mode, write_durable};
    write_durable(&path.into(), bytes.as_ref(), Mode::Public).unwrap();
}

/// A fifo: who reads it waits until somebody writes, so nobody waits for a while.
pub(crate) fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
}
