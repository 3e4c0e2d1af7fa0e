//! `lockstep fleet check`.

use std::path::PathBuf;

use super::{FILE, load};
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep fleet check fleet.toml\n\
    The fragments fleet.d/*.toml beside the file belong to it. Exit 1 if there is a mistake.")]
pub(crate) struct Args {
    /// The fleet file
    #[arg(default_value = FILE)]
    file: PathBuf,
}

/// Checks the file, and counts what is in it.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let fleet = match load(&args.file) {
        Ok(fleet) => fleet,
        Err(exit) => return Ok(exit),
    };
    let rules = fleet.alert_rules();
    let counts = [
        (fleet.texts().count(), "file"),
        (fleet.hosts().count(), "host"),
        (fleet.groups().count(), "group"),
        (fleet.lock_names().len(), "lock"),
        (fleet.package_names().len(), "package"),
        (fleet.strategies().count(), "strategy"),
        (rules.routes.len(), "alert"),
        (rules.receivers.len(), "receiver"),
        (fleet.silences().len(), "silence"),
    ];
    let counts = counts.map(|(count, what)| match (count, what) {
        (1, what) => format!("1 {what}"),
        (count, "strategy") => format!("{count} strategies"),
        (count, what) => format!("{count} {what}s"),
    });
    out::line(format_args!("no mistakes: {}", counts.join(", ")));
    Ok(Exit::Done)
}
