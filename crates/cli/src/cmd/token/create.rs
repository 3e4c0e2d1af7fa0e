//! `lockstep token create`.

use lockstep_model::api::operator::{CreatedToken, NewToken};
use lockstep_model::{HostName, Interval};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep token create\n  lockstep token create --uses 20 --valid 7d\n  \
    lockstep token create --host web1.example.org   also in place of an enrolled host of that name"
)]
pub(crate) struct Args {
    /// How many hosts may enrol with it
    #[arg(long, default_value_t = 1)]
    uses: u32,
    /// How long it is valid
    #[arg(long, default_value = "1d")]
    valid: Interval,
    /// The one host that may enrol with it
    #[arg(long)]
    host: Option<HostName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Makes a token.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let token = NewToken {
        uses: args.uses,
        valid_for: args.valid,
        host: args.host,
    };
    let created: CreatedToken = operator.post("tokens", &token).await?;
    if args.json {
        out::json(&created)?;
    } else {
        out::line(&created.command);
        out::note(format_args!(
            "valid until {:.0}; this is the only time the token is shown",
            created.expires_at
        ));
    }
    Ok(Exit::Done)
}
