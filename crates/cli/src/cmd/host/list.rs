//! `lockstep host list`.

use lockstep_model::api::operator::HostView;
use lockstep_net::Clock;

use super::filter::Filter;
use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep host list\n  lockstep host list --group web --security --patch-age 7d\n  \
    lockstep host list --search debian --level sick --names | xargs -n 1 lockstep host report\n\
    What a filter finds is what the page /hosts finds by the same one, a moment old."
)]
pub(crate) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// Print their names alone, one to a line
    #[arg(long, conflicts_with = "json")]
    names: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows all hosts.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let path = args.filter.path();
    let hosts: Vec<HostView> = Operator::open(&args.operator)?.list(&path, MOST).await?;
    if args.json {
        out::json(&hosts)?;
        return Ok(Exit::Done);
    }
    if args.names {
        for host in &hosts {
            out::line(format_args!("{}", host.name));
        }
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
    let empty = match path.as_str() {
        "hosts" => "no hosts; \"lockstep token create\" prints the command that enrols one",
        _ => "no host is so; \"lockstep host list\" shows all",
    };
    out::table(
        &["level", "host", "version", "wanted", "last seen"],
        rows.collect(),
        empty,
    );
    Ok(Exit::Done)
}
