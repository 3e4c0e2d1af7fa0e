//! `lockstep server status`.

use lockstep_model::api::Updates;
use lockstep_model::api::operator::ServerStatus;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep server status --json")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows how a server stands.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let status: ServerStatus = Operator::open(&args.operator)?.get("status").await?;
    if args.json {
        out::json(&status)?;
        return Ok(Exit::Done);
    }
    out::line(format_args!(
        "version    {} on {}",
        status.version, status.database
    ));
    out::line(format_args!(
        "hosts      {}, {} of them silent",
        status.hosts, status.silent
    ));
    out::line(format_args!(
        "rollouts   {} under way",
        status.active_rollouts
    ));
    out::line(format_args!(
        "updates    {}",
        if status.updates == Updates::On {
            "on"
        } else {
            "off"
        }
    ));
    if !status.fleet_refused.is_empty() {
        out::line(format_args!(
            "fleet      the file has {} mistakes and is not in force: lockstep fleet reload shows them",
            status.fleet_refused.len()
        ));
    }
    let levels = status.levels.iter().filter(|(_, count)| **count > 0);
    let levels: Vec<String> = levels
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    out::line(format_args!(
        "levels     {}",
        out::or_dash((!levels.is_empty()).then(|| levels.join(", ")))
    ));
    out::line(format_args!(
        "problems   {} unhandled, {} hosts in change",
        status.unhandled, status.in_change
    ));
    for part in &status.health {
        out::line(format_args!(
            "{:10} {}: {}",
            part.part,
            part.level.name(),
            part.words
        ));
    }
    match status.backup_at {
        Some(at) => out::line(format_args!("backed up  {at:.0}")),
        None => out::line("backed up  never"),
    }
    match status.targets_version {
        Some(version) => out::line(format_args!("releases   list version {version}")),
        None => {
            out::line("releases   none yet; \"lockstep keys init DIR\" makes the publisher's keys")
        }
    }
    Ok(Exit::Done)
}
