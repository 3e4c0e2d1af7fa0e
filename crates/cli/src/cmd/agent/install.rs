//! `lockstep agent install`.

use std::path::PathBuf;

use lockstep_host::Layout;
use lockstep_net::Clock;

use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep agent install --bundle lockstep-1.4.0-linux-x86_64.tar.zst\n\
    The bundle holds the program that understands this command: tar --zstd -xf BUNDLE bin/lockstep"
)]
pub(crate) struct Args {
    /// The agent's bundle
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// The root below which the agent will keep everything
    #[arg(long, value_name = "DIR", default_value = "/")]
    prefix: PathBuf,
}

/// Provisions a host.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let layout = Layout::below(std::path::absolute(&args.prefix)?);
    let installed = lockstep_agent::install(&layout, &args.bundle, Clock::system().now())?;
    let root = layout.root().display();
    out::line(format_args!(
        "installed {} as {}",
        installed.version,
        installed.program.display()
    ));
    out::line(format_args!("wrote {}", installed.unit.display()));
    out::line(format_args!(
        "next: {} agent enroll URL --token TOKEN --root {root}",
        installed.program.display()
    ));
    Ok(Exit::Done)
}
