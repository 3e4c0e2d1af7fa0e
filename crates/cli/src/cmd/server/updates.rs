//! `lockstep server updates`.

use clap::ValueEnum;
use lockstep_model::api::Updates;
use lockstep_model::api::operator::SetUpdates;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep server updates off\nIt holds for all servers over one database. Runs under way come to their end."
)]
pub(crate) struct Args {
    /// On or off
    switch: Switch,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// Hosts may change their versions
    On,
    /// No host changes its version by the server's order
    Off,
}

/// Sets the switch.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let updates = if args.switch == Switch::On {
        Updates::On
    } else {
        Updates::Off
    };
    Operator::open(&args.operator)?
        .put::<serde_json::Value>("settings/updates", &SetUpdates { updates })
        .await?;
    out::line(format_args!(
        "updates are {} for the whole fleet",
        if args.switch == Switch::On {
            "on"
        } else {
            "off"
        }
    ));
    Ok(Exit::Done)
}
