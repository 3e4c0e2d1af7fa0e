//! `lockstep release behind`.

use lockstep_model::PackageName;
use lockstep_model::api::operator::ChannelBehind;

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs, question};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep release behind\n  lockstep release behind web --json\n\
    Why a host is behind, in full: lockstep explain HOST"
)]
pub(crate) struct Args {
    /// Of this package alone
    package: Option<PackageName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows which hosts do not run what their channel says.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let path = question(
        "releases/behind",
        [("package", args.package.as_ref().map(ToString::to_string))],
    );
    let channels: Vec<ChannelBehind> = Operator::open(&args.operator)?.list(&path, MOST).await?;
    if args.json {
        out::json(&channels)?;
        return Ok(Exit::Done);
    }
    if channels.is_empty() {
        let of = args.package.map_or(String::new(), |it| format!(" of {it}"));
        out::line(format_args!(
            "no channel says anything{of}; \"lockstep release promote\" points one at a version"
        ));
        return Ok(Exit::Done);
    }
    for (index, it) in channels.iter().enumerate() {
        if index > 0 {
            out::line("");
        }
        out::line(format_args!(
            "{} {} -> {}: {} of {} hosts behind",
            it.package, it.channel, it.version, it.behind, it.followers
        ));
        let rows = it.hosts.iter().map(|host| {
            vec![
                host.host.to_string(),
                out::or_dash(host.version.as_ref().map(ToString::to_string)),
                host.why.words().to_owned(),
            ]
        });
        if it.behind > 0 {
            out::table(&["host", "runs", "in the way"], rows.collect(), "");
        }
        let more = it.behind.saturating_sub(it.hosts.len() as u64);
        if more > 0 {
            out::note(format_args!("and {more} more"));
        }
    }
    Ok(Exit::Done)
}
