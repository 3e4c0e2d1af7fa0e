//! `lockstep silence list`.

use lockstep_model::Glob;
use lockstep_model::alert::Silence;
use lockstep_model::api::operator::SilenceView;

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep silence list")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows the silences in force and to come.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let views: Vec<SilenceView> = Operator::open(&args.operator)?
        .list("silences", MOST)
        .await?;
    if args.json {
        out::json(&views)?;
        return Ok(Exit::Done);
    }
    let rows = views.iter().map(|view| {
        let silence = &view.silence;
        vec![
            silence.id.clone(),
            format!("{:.0}", silence.starts_at),
            format!("{:.0}", silence.ends_at),
            whom(silence),
            joined(&silence.items, "all"),
            view.holds_back.to_string(),
            silence.owner.clone(),
            silence.reason.clone(),
        ]
    });
    let header = [
        "id",
        "from",
        "until",
        "hosts",
        "items",
        "holds back",
        "by",
        "why",
    ];
    out::table(&header, rows.collect(), "nothing is silenced");
    Ok(Exit::Done)
}

fn whom(silence: &Silence) -> String {
    if silence.groups.is_empty() {
        return joined(&silence.hosts, "all");
    }
    let groups = silence.groups.iter().map(|group| format!("group {group}"));
    let hosts = silence.hosts.iter().map(ToString::to_string);
    groups.chain(hosts).collect::<Vec<_>>().join(", ")
}

fn joined(patterns: &[Glob], empty: &str) -> String {
    if patterns.is_empty() {
        return empty.into();
    }
    let patterns: Vec<&str> = patterns.iter().map(Glob::as_str).collect();
    patterns.join(", ")
}
