//! `lockstep lock acquire`.

use lockstep_host::foreground::Signals;
use lockstep_model::api::LockRequest;
use lockstep_model::{Interval, LockName};
use serde_json::json;

use super::queue::{self, End, Wait};
use super::speaker::SpeakerArgs;
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep lock acquire db --why 'moving the disks' --wait 1h\n  lockstep lock release db\n\
    Exit 0 with the lock, also if it was there before; 3 without it. The lock stays until it is given back, also over a \
    restart, unless it has a lease."
)]
pub(crate) struct Args {
    /// The lock
    name: LockName,
    /// What for; everybody sees it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = reason)]
    why: String,
    /// Wait in the queue for this long; without it the answer is taken as it is
    #[arg(long, value_name = "DURATION")]
    wait: Option<Interval>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    speaker: SpeakerArgs,
}

/// A text that fits into a request.
pub(super) fn reason(text: &str) -> Result<String, String> {
    let most = LockRequest::LONGEST_REASON;
    match text.len() {
        length if length > most => Err(format!("it has {length} bytes; {most} are allowed")),
        _ => Ok(text.into()),
    }
}

/// Takes a place.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let mut signals = Signals::catch()?;
    let speaker = args.speaker.open()?;
    let lock = &args.name;
    let wait = args.wait.map_or(Wait::No, Wait::For);
    match queue::acquire(&speaker, lock, &args.why, wait, &mut signals).await? {
        End::Granted(grant) => {
            let lease = grant.lease_until;
            if args.json {
                out::json(&json!({
                    "lock": lock,
                    "fence": grant.fence,
                    "since": grant.since,
                    "lease_until": lease,
                    "again": !grant.ours,
                }))?;
                return Ok(Exit::Done);
            }
            let already = if grant.ours { "" } else { " already" };
            out::line(format_args!(
                "{speaker} has the lock {lock}{already} since {:.0} (grant {}); give it back with: lockstep lock release {lock}",
                grant.since, grant.fence
            ));
            if let Some(until) = lease {
                out::line(format_args!(
                    "it is over at {until:.0} unless it is acquired again before"
                ));
            }
            Ok(Exit::Done)
        }
        End::Refused(why) => {
            if args.json {
                out::json(&json!({ "lock": lock, "refused": why }))?;
            }
            out::note(format_args!("the lock {lock} was refused: {why}"));
            Ok(Exit::Refused)
        }
        End::Interrupted(signal) => {
            out::note(format_args!(
                "interrupted; {speaker} does not wait any more"
            ));
            Ok(Exit::signal(signal.as_raw()))
        }
    }
}
