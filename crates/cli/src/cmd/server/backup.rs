//! `lockstep server backup` and `lockstep server restore`.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use lockstep_host::fs::Replacement;
use lockstep_server::backup;

use super::{ConfigArgs, ListenArgs};
use crate::exit::Exit;
use crate::out;

/// Options of `backup`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep server backup /backup/lockstep.tar.zst --data /srv/lockstep\n\
    The server may run meanwhile. The file holds the fleet's private keys: keep it as safe as the server itself.")]
pub struct Args {
    /// The file to write
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Options of `restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep server restore /backup/lockstep.tar.zst --data /srv/lockstep\n\
    A backup of SQLite can be restored into PostgreSQL and the other way round.")]
pub struct RestoreArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Writes the backup.
pub async fn run(args: Args) -> anyhow::Result<Exit> {
    let config = args.config.load(&ListenArgs::default())?;
    let mut output = Replacement::begin(&args.file)?;
    backup::backup(&config, output.file()).await?;
    output.finish()?;
    out::line(format_args!("wrote {}", args.file.display()));
    Ok(Exit::Done)
}

/// Restores the backup.
pub async fn restore(args: RestoreArgs) -> anyhow::Result<Exit> {
    let config = args.config.load(&ListenArgs::default())?;
    let file = File::open(&args.file).with_context(|| format!("failed to open {}", args.file.display()))?;
    backup::restore(&config, file).await?;
    out::line(format_args!("restored into {}; next: lockstep server run", config.data.display()));
    Ok(Exit::Done)
}
