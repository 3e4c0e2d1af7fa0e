//! `lockstep host show`.

use lockstep_model::HostName;
use lockstep_model::api::operator::{HostView, WishView};
use lockstep_net::Clock;
use lockstep_net::client::CallError;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep host show web1.example.org")]
pub(crate) struct Args {
    /// The host
    name: HostName,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows one host.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let host: HostView = operator.get(&format!("hosts/{}", args.name)).await?;
    if args.json {
        out::json(&host)?;
        return Ok(Exit::Done);
    }
    let wishes = match &host.gateway {
        None if host.via.is_none() => wishes(&operator, &args.name).await?,
        _ => Vec::new(),
    };
    let seen = host
        .last_seen
        .map_or("never".into(), |at| out::ago(at, Clock::system().now()));
    if let Some(via) = &host.via {
        out::line(format_args!("host       {} ({})", host.name, host.level));
        out::line(format_args!("watched by {via}"));
        about(&host);
        out::line(format_args!("last seen  {seen}"));
        out::line("");
        out::items(&host.items, "nothing has been measured yet");
        return Ok(Exit::Done);
    }
    let probation = if host.proven { "" } else { ", on probation" };
    out::line(format_args!("host       {} ({})", host.name, host.level));
    out::line(format_args!("system     {}", out::printable(&host.os)));
    about(&host);
    if let Some(gateway) = &host.gateway {
        out::line(format_args!("speaks by  {gateway}"));
    } else {
        out::line(format_args!(
            "version    {}{probation}",
            out::or_dash(host.version.as_ref())
        ));
        out::line(format_args!(
            "wanted     {}",
            out::or_dash(host.desired.as_ref())
        ));
    }
    for installed in &host.packages {
        let probation = if installed.proven {
            ""
        } else {
            ", on probation"
        };
        out::line(format_args!(
            "package    {} {}{probation}",
            installed.package, installed.version
        ));
    }
    out::line(format_args!("enrolled   {:.0}", host.enrolled_at));
    out::line(format_args!("last seen  {seen}"));
    if let Some(why) = &host.work_refused {
        let why = out::printable(why);
        out::line(format_args!("refuses    {why}"));
    }
    for wish in &wishes {
        out::line(format_args!("wish       {}", super::wish::sentence(wish)));
    }
    out::line("");
    out::items(&host.items, "it has not reported yet");
    Ok(Exit::Done)
}

/// What is wished of it; nothing by a server that is too old to know of wishes.
async fn wishes(operator: &Operator, host: &HostName) -> anyhow::Result<Vec<WishView>> {
    let found = operator.get(&format!("hosts/{host}/wishes")).await;
    match found {
        Err(error) if is_missing(&error) => Ok(Vec::new()),
        found => found,
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    let call = error.downcast_ref::<CallError>();
    call.and_then(CallError::status) == Some(404)
}

/// Whose it is, and what there is to read.
fn about(host: &HostView) {
    if let Some(owner) = &host.owner {
        out::line(format_args!("owner      {owner}"));
    }
    for (name, to) in &host.links {
        out::line(format_args!("{name:10} {to}"));
    }
}
