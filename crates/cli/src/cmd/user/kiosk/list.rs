//! `lockstep user kiosk list`.

use lockstep_model::api::operator::KioskView;

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep user kiosk list")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows kiosk tokens.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let kiosks: Vec<KioskView> = Operator::open(&args.operator)?.list("kiosks", MOST).await?;
    if args.json {
        out::json(&kiosks)?;
        return Ok(Exit::Done);
    }
    let rows = kiosks.iter().map(|kiosk| {
        vec![
            kiosk.id.clone(),
            kiosk.made_by.clone(),
            format!("{:.0}", kiosk.created_at),
            out::or_dash(kiosk.used_at.map(|at| format!("{at:.0}"))),
            out::or_dash(Some(kiosk.used_from.clone()).filter(|from| !from.is_empty())),
            out::or_dash(kiosk.expires_at.map(|at| format!("{at:.0}"))),
            kiosk.label.clone(),
        ]
    });
    let header = ["id", "made by", "made", "used", "from", "ends", "for"];
    out::table(&header, rows.collect(), "there are no kiosk tokens");
    Ok(Exit::Done)
}
