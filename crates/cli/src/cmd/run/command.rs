//! `lockstep run retry | skip`.

use lockstep_model::api::operator::CommandRun;
use lockstep_model::{RunCommand, RunId, RunVerb};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options of `retry`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep run retry 019b0a5c-2d00-7abc-8def-0123456789ab --why 'made room in /var'\n\
    Exit 3 if the run has not stopped. The host is told with its next report."
)]
pub(crate) struct RetryArgs {
    /// The run
    id: RunId,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = short)]
    why: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Options of `skip`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep run skip 019b0a5c-2d00-7abc-8def-0123456789ab --why 'mended by hand'\n\
    Exit 3 if the run has not stopped. The host is told with its next report; then it frees the lock."
)]
pub(crate) struct SkipArgs {
    /// The run
    id: RunId,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = said)]
    why: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// A text that is not too long.
fn short(text: &str) -> Result<String, String> {
    let text = text.trim();
    let most = RunCommand::LONGEST_WHY;
    match text.len() {
        length if length > most => Err(format!("it has {length} bytes; {most} are allowed")),
        _ => Ok(text.into()),
    }
}

/// The same, and not empty.
fn said(text: &str) -> Result<String, String> {
    match short(text)? {
        text if text.is_empty() => Err("a reason is needed".into()),
        text => Ok(text),
    }
}

/// Lets the run go on.
pub(crate) async fn retry(args: RetryArgs) -> anyhow::Result<Exit> {
    give(&args.operator, args.id, RunVerb::Retry, args.why, args.json).await
}

/// Gives the run up.
pub(crate) async fn skip(args: SkipArgs) -> anyhow::Result<Exit> {
    give(&args.operator, args.id, RunVerb::Skip, args.why, args.json).await
}

async fn give(
    operator: &OperatorArgs,
    id: RunId,
    verb: RunVerb,
    why: String,
    json: bool,
) -> anyhow::Result<Exit> {
    let (word, becomes) = match verb {
        RunVerb::Retry => ("retry", "enters the phase that failed once more"),
        RunVerb::Skip => ("skip", "is given up, and frees its lock,"),
    };
    let command: RunCommand = Operator::open(operator)?
        .post(&format!("runs/{id}/{word}"), &CommandRun { why })
        .await?;
    if json {
        out::json(&command)?;
    } else {
        out::line(format_args!(
            "run {id} {becomes} as soon as its host hears of it; to see it: lockstep run show {id}"
        ));
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_give_up_needs_a_reason() {
        assert_eq!(short("  "), Ok(String::new()));
        assert!(said("  ").is_err());
        assert_eq!(said(" mended "), Ok("mended".into()));
        assert!(short(&"x".repeat(501)).is_err());
    }
}
