//! `lockstep alert test`.

use lockstep_model::api::operator::{AlertTest, AlertTested};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep alert test ann\nEnds with 1 if a way failed.")]
pub(crate) struct Args {
    /// A user or receiver of the fleet file
    receiver: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Sends a test.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let test = AlertTest {
        receiver: args.receiver,
    };
    let tested: AlertTested = Operator::open(&args.operator)?
        .post("alert-test", &test)
        .await?;
    if args.json {
        out::json(&tested)?;
    } else {
        for way in &tested.ways {
            match &way.error {
                None => out::line(format_args!("{}: delivered", way.way)),
                Some(error) => out::line(format_args!("{}: failed: {error}", way.way)),
            }
        }
    }
    let failed = tested.ways.iter().any(|way| way.error.is_some());
    Ok(if failed { Exit::Failed } else { Exit::Done })
}
