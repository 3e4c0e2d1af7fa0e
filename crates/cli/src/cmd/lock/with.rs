//! `lockstep lock with`.

mod keep;

use std::ffi::OsString;
use std::path::Path;
use std::pin::pin;
use std::process::ExitStatus;

use lockstep_host::foreground::{Signals, foreground};
use lockstep_model::api::LockRequest;
use lockstep_model::{Interval, LockName};

use super::acquire::reason;
use super::queue::{self, End, Wait};
use super::speaker::SpeakerArgs;
use crate::exit::Exit;
use crate::out;
use keep::{Keeper, Kept};

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep lock with db -- systemctl restart postgresql\n  \
    lockstep lock with db --wait 10m --why 'new disks' -- ./move.sh /dev/sdb\n\
    The exit code is the command's own; 128 and the signal's number if a signal killed it. 3 if the lock was refused: the \
    command was not run then. 1 if the lock was lost while the command ran, or could not be given back.\n\
    The lock is given back however the command ends. One that was held before stays held. A lock is the host's (or the \
    operator's), not the command's: a second command of the same host runs beside the first. The command finds the lock's \
    name in LOCKSTEP_LOCK and the number of the grant in LOCKSTEP_FENCE. If the lock is lost in the middle the command is \
    not stopped: standard error says so at once, and the exit code at the end."
)]
pub(crate) struct Args {
    /// The lock
    name: LockName,
    /// What for; everybody sees it [default: the command's name]
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    why: Option<String>,
    /// Wait in the queue for this long [default: until the lock is there]
    #[arg(long, value_name = "DURATION", conflicts_with = "no_wait")]
    wait: Option<Interval>,
    /// Do not wait
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    speaker: SpeakerArgs,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the command under the lock.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    // Caught from the beginning: whatever comes, what was taken is given back.
    let mut signals = Signals::catch()?;
    let speaker = args.speaker.open()?;
    let lock = &args.name;
    let Some((program, arguments)) = args.command.split_first() else {
        anyhow::bail!("a command is needed behind \"--\"");
    };
    let wait = match (args.no_wait, args.wait) {
        (true, _) => Wait::No,
        (false, Some(time)) => Wait::For(time),
        (false, None) => Wait::Forever,
    };
    let why = args.why.unwrap_or_else(|| name_of(program));
    let grant = match queue::acquire(&speaker, lock, &why, wait, &mut signals).await? {
        End::Granted(grant) => grant,
        End::Refused(why) => {
            out::note(format_args!(
                "the lock {lock} was refused, and nothing was run: {why}"
            ));
            return Ok(Exit::Refused);
        }
        End::Interrupted(signal) => {
            out::note("interrupted; nothing was run");
            return Ok(Exit::signal(signal.as_raw()));
        }
    };
    if !grant.ours {
        out::note(format_args!(
            "{speaker} has the lock {lock} since {:.0} already; it will not be given back at the end",
            grant.since
        ));
    }
    let env = [
        ("LOCKSTEP_LOCK", lock.to_string()),
        ("LOCKSTEP_FENCE", grant.fence.to_string()),
    ];
    let keeper = Keeper::new(&speaker, lock, &why, grant);
    let ended = {
        let mut keeping = pin!(keeper.keep());
        let ended = foreground(program, arguments, &env, &mut signals, keeping.as_mut()).await;
        // A request that is under way is heard to its end; it may have brought a new grant.
        keeper.stop();
        keeping.await;
        ended
    };
    let kept = keeper.end(&mut signals).await;
    let status = ended?;
    Ok(match kept {
        Kept::All => exit_of(status),
        Kept::Lost | Kept::NotGivenBack => {
            out::note(format_args!("the command itself ended with {status}"));
            Exit::Failed
        }
    })
}

/// What a person sees of the command. Its arguments may hold what is for nobody else.
fn name_of(program: &OsString) -> String {
    let path = Path::new(program);
    let name = path.file_name().unwrap_or(program).to_string_lossy();
    let mut name: String = name.into_owned();
    while name.len() > LockRequest::LONGEST_REASON {
        name.pop();
    }
    name
}

fn exit_of(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Command(u8::try_from(code & 0xff).unwrap_or(1)),
        (None, Some(signal)) => Exit::signal(signal),
        (None, None) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn the_exit_code_is_the_commands_or_that_of_a_shell() {
        let exit = |raw| exit_of(ExitStatus::from_raw(raw));
        assert_eq!(exit(0), Exit::Command(0));
        assert_eq!(exit(23 << 8), Exit::Command(23));
        assert_eq!(exit(9), Exit::Command(137));
    }

    #[test]
    fn others_see_the_commands_name_alone() {
        assert_eq!(name_of(&"/usr/bin/pg_upgrade".into()), "pg_upgrade");
        assert_eq!(name_of(&"x".repeat(500).into()).len(), 200);
        assert_eq!(name_of(&"ü".repeat(300).into()).len(), 200);
    }
}
