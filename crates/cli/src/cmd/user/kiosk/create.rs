//! `lockstep user kiosk create`.

use lockstep_model::Interval;
use lockstep_model::api::operator::{CreatedKiosk, NewKiosk};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep user kiosk create --label 'the wall in the office'\n  \
    lockstep user kiosk create --label 'the fair in May' --valid-for 7d\n\
    The screen opens the address that is printed. Only admins make kiosk tokens."
)]
pub(crate) struct Args {
    /// Which screen it is for, in words
    #[arg(long)]
    label: String,
    /// For how long, for example 90d; without an end if left out
    #[arg(long, value_name = "INTERVAL")]
    valid_for: Option<Interval>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Makes a kiosk token.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let new = NewKiosk {
        label: args.label,
        valid_for: args.valid_for,
    };
    let created: CreatedKiosk = Operator::open(&args.operator)?.post("kiosks", &new).await?;
    if args.json {
        out::json(&created)?;
    } else {
        out::line(&created.address);
        out::note(format_args!(
            "open this on the screen; it is the only time that the token is shown. To make it worthless: \
             lockstep user kiosk revoke {}",
            created.id
        ));
    }
    Ok(Exit::Done)
}
