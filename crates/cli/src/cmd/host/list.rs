//! `lockstep host list`.

use lockstep_model::api::operator::HostView;
use lockstep_net::Clock;

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep host list")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows all hosts.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let hosts: Vec<HostView> = Operator::open(&args.operator)?.list("hosts", MOST).await?;
    if args.json {
        out::json(&hosts)?;
        return Ok(Exit::Done);
    }
    let now = Clock::system().now();
    let rows = hosts.iter().map(|host| {
        let version = out::or_dash(host.version.as_ref());
        vec![
            host.level.to_string(),
            host.name.to_string(),
            if let Some(via) = &host.via {
                format!("(watched by {via})")
            } else if let Some(gateway) = &host.gateway {
                format!("(by {gateway})")
            } else if host.proven || host.version.is_none() {
                version
            } else {
                format!("{version} (on probation)")
            },
            out::or_dash(host.desired.as_ref()),
            host.last_seen
                .map_or("never".into(), |at| out::ago(at, now)),
        ]
    });
    let empty = "no hosts; \"lockstep token create\" prints the command that enrols one";
    out::table(
        &["level", "host", "version", "wanted", "last seen"],
        rows.collect(),
        empty,
    );
    Ok(Exit::Done)
}
