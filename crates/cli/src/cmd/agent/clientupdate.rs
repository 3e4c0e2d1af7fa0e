//! `lockstep agent clientupdate`: what stands in for Xymon's `clientupdate` in a client's directory.
//!
//! ```sh
//! #!/bin/sh
//! exec lockstep agent clientupdate --home "$XYMONHOME" "$@"
//! ```

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use lockstep_agent::config::AgentConfig;
use lockstep_agent::xymon::{Home, Limits, Recipient, update};

use super::RootArgs;
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep agent clientupdate --home /opt/xymon-client --level\n\nWhat comes from a Xymon server is not signed, and comes in plain text. Exit codes are those of Xymon's own program:\n0 done, 1 not done; then the directory is as it was."
)]
pub(crate) struct Args {
    /// Print the installed version, or an empty line
    #[arg(long, conflicts_with = "update")]
    level: bool,
    /// Install this version, also if it is the installed one
    #[arg(long, value_name = "NEWVERSION")]
    update: Option<String>,
    /// The client's directory; left out: report.xymon.home of agent.toml
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The Xymon server, HOST or HOST:PORT; left out: report.xymon.server of agent.toml
    #[arg(long, value_name = "SERVER")]
    server: Option<Recipient>,
    /// Accepted, as Xymon's scripts say so; nothing has to step aside
    #[arg(long, hide = true)]
    reexec: bool,
    /// The same
    #[arg(long, hide = true)]
    remove_self: bool,
    /// The same
    #[arg(long, hide = true)]
    suid_setup: bool,
    #[command(flatten)]
    root: RootArgs,
}

/// Shows or changes the version.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    // Xymon's scripts know no other codes than 0 and 1, so an error keeps its words and loses its kind.
    let done = done(args).await.map(|()| Exit::Done);
    done.map_err(|error| anyhow!("{error:#}"))
}

async fn done(args: Args) -> anyhow::Result<()> {
    if args.suid_setup && args.update.is_none() {
        return Ok(());
    }
    let layout = args.root.layout()?;
    let configured = || -> anyhow::Result<_> {
        let config = AgentConfig::load(&layout.config())?;
        Ok(config.report.xymon)
    };
    let home = match args.home {
        Some(home) => home,
        None => configured()?
            .and_then(|xymon| xymon.home)
            .context("which directory? --home DIR says it, or report.xymon.home in agent.toml")?,
    };
    let home = Home::open(&home, &layout)?;
    if args.level {
        out::line(home.version()?.unwrap_or_default());
        return Ok(());
    }
    let Some(version) = args.update else {
        bail!("No new version string!");
    };
    let server = match args.server {
        Some(server) => server,
        None => configured()?
            .context(
                "which server? --server HOST:PORT says it, or report.xymon.server in agent.toml",
            )?
            .server,
    };
    update(&home, &server, &version, &Limits::DOWNLOAD)
        .await
        .with_context(|| format!("{} stays as it is", home.path().display()))?;
    Ok(())
}
