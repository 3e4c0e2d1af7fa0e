//! `lockstep agent enroll`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use lockstep_model::HostName;
use lockstep_net::Clock;
use lockstep_trust::identity::EnrollmentToken;

use super::RootArgs;
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep agent enroll https://lockstep.example.org:7440 --token-file token.txt\n\
    The server prints the whole command at its first start, and for each \"lockstep token create\"."
)]
pub(crate) struct Args {
    /// Address of the server's agent API
    url: String,
    /// The enrolment token. Other users of this machine can see it in the list of processes while the command runs
    #[arg(
        long,
        required_unless_present = "token_file",
        conflicts_with = "token_file"
    )]
    token: Option<String>,
    /// A file whose first line is the token; "-" is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The name to enrol as [default: the machine's own]
    #[arg(long)]
    name: Option<HostName>,
    #[command(flatten)]
    root: RootArgs,
}

/// Enrols this host.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let text = match (&args.token, &args.token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(path)) if path.as_os_str() == "-" => std::io::read_to_string(std::io::stdin())
            .context("failed to read the token from standard input")?,
        (None, Some(path)) => std::fs::read_to_string(path)
            .with_context(|| format!("failed to read {}", path.display()))?,
        (None, None) => bail!("a token is needed: --token or --token-file"),
    };
    let token = EnrollmentToken::parse(text.lines().next().unwrap_or_default().trim())?;
    let layout = args.root.layout()?;
    let identity =
        lockstep_agent::enroll(&layout, &args.url, &token, args.name, &Clock::system()).await?;
    out::line(format_args!(
        "enrolled as {}; the certificate is valid until {:.0}",
        identity.host, identity.not_after
    ));
    out::line(format_args!(
        "next: lockstep agent run --root {}",
        layout.root().display()
    ));
    Ok(Exit::Done)
}
