//! `lockstep lock release`.

use anyhow::Context;
use lockstep_model::{Fence, LockName};

use super::speaker::SpeakerArgs;
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep lock release db\n  lockstep lock release db --fence 7\n\
    Exit 4 if the lock was not held. What somebody else holds is taken away by \"lockstep lock free\"."
)]
pub(crate) struct Args {
    /// The lock
    name: LockName,
    /// Only this grant; nothing changes if another one has followed it
    #[arg(long, value_name = "NUMBER")]
    fence: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    speaker: SpeakerArgs,
}

/// Gives the place back.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let speaker = args.speaker.open()?;
    let lock = &args.name;
    let released = speaker
        .give_back(lock, args.fence.map(Fence))
        .await
        .with_context(|| format!("failed to give the lock {lock} back"))?;
    if args.json {
        out::json(&released)?;
    } else if released.was_held {
        out::line(format_args!("{speaker} has given the lock {lock} back"));
    } else {
        out::line(format_args!("{speaker} did not have the lock {lock}"));
    }
    Ok(match released.was_held {
        true => Exit::Done,
        false => Exit::Nothing,
    })
}
