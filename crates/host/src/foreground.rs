//! A command in the foreground: with this process's terminal, input and output, for as long as it likes.
//!
//! The command stays in the process group of this program. So whoever presses Ctrl-Z stops both, and a shell that started
//! this program takes both for one. The price is that a terminal sends its signals to the command by itself; those are
//! not sent a second time, because many programs take a second Ctrl-C for more than the first.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::future::Future;
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::task::Poll;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use crate::error::{Error, Result};
use crate::process::{Process, Signal};

/// The signals by which people and service managers end a program: INT, TERM, HUP and QUIT. From
/// [`catch`](Self::catch) on they do not end this program any more; whoever caught them ends it in order.
#[derive(Debug)]
pub struct Signals {
    streams: [(Signal, Stream); 4],
}

impl Signals {
    /// Catches them from now on, until this program ends. Must be called within a tokio runtime.
    pub fn catch() -> Result<Self> {
        let listen = |which: Signal| -> Result<(Signal, Stream)> {
            let stream =
                signal(SignalKind::from_raw(which.as_raw())).map_err(|source| Error::Process {
                    attempt: "catch the signals of",
                    pid: std::process::id(),
                    source,
                })?;
            Ok((which, stream))
        };
        Ok(Self {
            streams: [
                listen(Signal::INT)?,
                listen(Signal::TERM)?,
                listen(Signal::HUP)?,
                listen(Signal::QUIT)?,
            ],
        })
    }

    /// The next one that comes. Cancellation loses none.
    pub async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            for (which, stream) in &mut self.streams {
                if stream.poll_recv(context).is_ready() {
                    return Poll::Ready(*which);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Runs a command to its end, however long that takes, with this process's terminal, input, output and environment, and
/// with `env` on top of it. Signals of `signals` are sent on to the command, but for Ctrl-C and Ctrl-\ of a terminal, which
/// it gets by itself.
///
/// `meanwhile` is asked along with it and its end is not waited for; it is dropped when the command has ended.
///
/// An error means that the command could not be started or watched. If this is cancelled, the command lives on.
pub async fn foreground(
    program: &OsStr,
    args: &[OsString],
    env: &[(&str, String)],
    signals: &mut Signals,
    meanwhile: impl Future<Output = ()>,
) -> Result<ExitStatus> {
    let mut process = start(program, args, env)?;
    let mut meanwhile = std::pin::pin!(meanwhile);
    let mut meanwhile_over = false;
    loop {
        tokio::select! {
            ended = process.wait() => return ended,
            signal = signals.next() => {
                let from_terminal = matches!(signal, Signal::INT | Signal::QUIT);
                if !(from_terminal && is_in_foreground()) {
                    process.signal(signal)?;
                }
            }
            () = &mut meanwhile, if !meanwhile_over => meanwhile_over = true,
        }
    }
}

fn start(program: &OsStr, args: &[OsString], env: &[(&str, String)]) -> Result<Process> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this room starts processes; this one has no deadline, because a person gave it"
    )]
    let mut command = std::process::Command::new(program);
    command
        .args(args)
        .envs(env.iter().map(|(name, value)| (name, value)));
    let child = command.spawn().map_err(|source| Error::Start {
        program: Path::new(program).into(),
        source: plainly(Path::new(program), source),
    })?;
    Process::adopt(child.id())
}

/// The kernel says the same of a missing program and of a script whose interpreter is missing.
fn plainly(program: &Path, error: io::Error) -> io::Error {
    let words = match error.kind() {
        io::ErrorKind::NotFound if program.exists() => {
            "the program exists, but its interpreter or its loader does not"
        }
        io::ErrorKind::NotFound => "there is no such command",
        _ => return error,
    };
    io::Error::new(error.kind(), words)
}

/// True if this program has a terminal, and what is typed there goes to its process group.
fn is_in_foreground() -> bool {
    let Ok(terminal) = File::open("/dev/tty") else {
        return false;
    };
    rustix::termios::tcgetpgrp(&terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(Into::into).collect()
    }

    #[tokio::test]
    async fn the_exit_code_and_the_environment_are_passed_on() {
        let mut signals = Signals::catch().unwrap();
        let args = words(&["-c", "exit $LOCKSTEP_TEST_CODE"]);
        let env = [("LOCKSTEP_TEST_CODE", "23".to_owned())];
        // What goes on meanwhile may end before the command does.
        let status = foreground("sh".as_ref(), &args, &env, &mut signals, async {})
            .await
            .unwrap();
        assert_eq!(status.code(), Some(23));
    }

    #[tokio::test]
    async fn a_command_that_was_killed_says_so() {
        let mut signals = Signals::catch().unwrap();
        let args = words(&["-c", "kill -KILL $$"]);
        let status = foreground(
            "sh".as_ref(),
            &args,
            &[],
            &mut signals,
            std::future::pending(),
        )
        .await
        .unwrap();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
    }

    #[tokio::test]
    async fn a_command_that_does_not_exist_is_named() {
        let mut signals = Signals::catch().unwrap();
        let error = foreground("/nowhere/at-all".as_ref(), &[], &[], &mut signals, async {})
            .await
            .unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let words = format!("{error} {}", cause.unwrap_or_default());
        assert!(
            words.contains("/nowhere/at-all") && words.contains("no such command"),
            "{words}"
        );
    }
}
