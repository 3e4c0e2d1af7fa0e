//! `lockstep server backup` and `lockstep server restore`.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use lockstep_host::fs::{Mode, Replacement};
use lockstep_net::Clock;
use lockstep_server::backup;

use super::{ConfigArgs, ListenArgs};
use crate::exit::Exit;
use crate::out;

/// Options of `backup`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep server backup /backup/lockstep.tar.zst --data /srv/lockstep\n\
    The server may run meanwhile. The file holds the fleet's private keys: keep it as safe as the server itself."
)]
pub(crate) struct Args {
    /// The file to write
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Options of `restore`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep server restore /backup/lockstep.tar.zst --data /srv/lockstep\n\
    A backup of SQLite can be restored into PostgreSQL and the other way round."
)]
pub(crate) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

/// The backup's file, which takes its name only once the whole backup is in it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Replacement>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .file()
            .write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .file()
            .flush()
    }
}

/// Writes the backup.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let config = args.config.load(&ListenArgs::default())?;
    let output = Shared(Arc::new(Mutex::new(Replacement::begin_as(
        &args.file,
        Mode::Private,
    )?)));
    let contents = backup::backup(&config, output.clone(), Clock::system().now()).await?;
    let Some(output) = Arc::into_inner(output.0).and_then(|output| output.into_inner().ok()) else {
        bail!("the backup is still being written");
    };
    output.finish()?;
    // The backup is good whether or not the server comes to know of it.
    if let Err(error) = backup::note(&config, contents.made_at).await {
        out::note(format_args!(
            "the server does not know of this backup: {error}"
        ));
    }
    out::line(format_args!(
        "wrote {} with {} bundles",
        args.file.display(),
        contents.artifacts
    ));
    Ok(Exit::Done)
}

/// Restores the backup.
pub(crate) async fn restore(args: RestoreArgs) -> anyhow::Result<Exit> {
    let config = args.config.load(&ListenArgs::default())?;
    let file = File::open(&args.file)
        .with_context(|| format!("failed to open {}", args.file.display()))?;
    backup::restore(&config, file).await?;
    out::line(format_args!(
        "everybody signs in again, and wishes of hosts are over; API and kiosk tokens that were revoked since the backup \
         are good again: revoke them once more"
    ));
    out::line(format_args!(
        "restored; next: lockstep server run --data {}",
        config.data.display()
    ));
    Ok(Exit::Done)
}
