//! `lockstep fleet versions`.

use lockstep_model::api::operator::{FleetCompared, FleetVersion, FleetVersionText};

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep fleet versions\n  lockstep fleet versions 7\n  lockstep fleet versions 6 7\n\
    Without a number all are listed that the server keeps, with one its text is shown, with two what of the text is another."
)]
pub(crate) struct Args {
    /// The fleet file of this number
    number: Option<u64>,
    /// What is another in the one of this number
    other: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows fleet files that were in force before.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    match (args.number, args.other) {
        (Some(before), Some(after)) => {
            let path = format!("fleet/compare?before={before}&after={after}");
            let compared: FleetCompared = operator.get(&path).await?;
            if args.json {
                out::json(&compared)?;
                return Ok(Exit::Done);
            }
            for file in &compared.files {
                out::line(format_args!("--- {} {before}", file.name));
                out::line(format_args!("+++ {} {after}", file.name));
                out::line(file.diff.trim_end());
            }
            if compared.files.is_empty() {
                out::note("they say the same");
            }
        }
        (Some(number), None) => {
            let file: FleetVersionText = operator.get(&format!("fleet/versions/{number}")).await?;
            if args.json {
                out::json(&file)?;
                return Ok(Exit::Done);
            }
            for text in &file.files {
                out::line(format_args!("# {}", text.name));
                out::line(text.text.trim_end());
            }
        }
        (None, _) => {
            let versions: Vec<FleetVersion> = operator.list("fleet/versions", MOST).await?;
            if args.json {
                out::json(&versions)?;
                return Ok(Exit::Done);
            }
            let rows = versions.iter().map(|it| {
                vec![
                    it.version.to_string(),
                    format!("{:.0}", it.accepted_at),
                    it.accepted_by.clone(),
                    it.hash.short().to_string(),
                ]
            });
            let header = ["number", "accepted", "by", "hash"];
            out::table(&header, rows.collect(), "there never was a fleet file");
        }
    }
    Ok(Exit::Done)
}
