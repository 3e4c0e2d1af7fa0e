//! `lockstep host processes`.

use lockstep_model::HostName;
use lockstep_model::api::{ProcessSeen, ProcessesSeen};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep host processes web1.example.org\nThe agent notes them when an item of its processors, memory, swap or processes becomes sick or worse. CPU is in per cent of one processor. Arguments are not told, for they hold secrets."
)]
pub(crate) struct Args {
    /// The host
    name: HostName,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows who was at work at a host's last problem.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let path = format!("hosts/{}/processes", args.name);
    let seen: ProcessesSeen = Operator::open(&args.operator)?.get(&path).await?;
    if args.json {
        out::json(&seen)?;
        return Ok(Exit::Done);
    }
    let level = out::level(seen.level, false, false);
    out::line(format_args!("{:.0}: {} became {level}", seen.at, seen.item));
    for (words, list) in [
        ("Most of the processors:", &seen.by_cpu),
        ("Most memory:", &seen.by_memory),
    ] {
        out::line("");
        out::line(words);
        let rows = list.iter().map(row).collect();
        out::table(&["process", "pid", "user", "cpu", "memory"], rows, "none");
    }
    Ok(Exit::Done)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "one digit behind the point is shown"
)]
fn row(process: &ProcessSeen) -> Vec<String> {
    vec![
        process.name.clone(),
        process.pid.to_string(),
        process.user.clone(),
        format!("{:.1} %", process.cpu),
        format!("{:.1} MB", process.memory as f64 / 1e6),
    ]
}
