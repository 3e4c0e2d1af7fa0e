//! `lockstep token list`.

use lockstep_model::api::operator::TokenView;

use crate::exit::Exit;
use crate::operator::{MOST, Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep token list")]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows enrolment tokens.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let tokens: Vec<TokenView> = Operator::open(&args.operator)?.list("tokens", MOST).await?;
    if args.json {
        out::json(&tokens)?;
        return Ok(Exit::Done);
    }
    let rows = tokens.iter().map(|token| {
        vec![
            token.id.clone(),
            format!("{} of {}", token.used, token.uses),
            out::or_dash(token.host.as_ref()),
            match token.revoked {
                true => "revoked".into(),
                false => format!("{:.0}", token.expires_at),
            },
            token.created_by.clone(),
        ]
    });
    let header = ["id", "used", "only for", "expires", "made by"];
    let empty = "there are no enrolment tokens; make one with: lockstep token create";
    out::table(&header, rows.collect(), empty);
    Ok(Exit::Done)
}
