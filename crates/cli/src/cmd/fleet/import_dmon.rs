//! `lockstep fleet import-dmon`.

use std::path::PathBuf;

use lockstep_fleet::import::{Dmon, dmon};

use super::import::{Disk, OutArgs, hand_out};
use crate::exit::Exit;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep fleet import-dmon --conf /etc/dmon/conf --work /etc/dmon/work --out fleet.toml\n\
    What could not be taken over is listed on standard error, and stands in the fleet file as comments."
)]
pub(crate) struct Args {
    /// The configuration that each daemon reads
    #[arg(long, value_name = "FILE", required_unless_present = "work")]
    conf: Option<PathBuf>,
    /// The work configuration of the server
    #[arg(long, value_name = "FILE")]
    work: Option<PathBuf>,
    #[command(flatten)]
    out: OutArgs,
}

/// Makes a fleet file of the configuration of dmon.
pub(crate) fn run(args: Args) -> anyhow::Result<Exit> {
    let mut disk = Disk::default();
    let options = Dmon {
        conf: args.conf.map(|path| disk.name(&path)).transpose()?,
        work: args.work.map(|path| disk.name(&path)).transpose()?,
    };
    hand_out(&dmon(&options, &disk)?, &args.out)
}
