//! `lockstep fleet import-xymon`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use lockstep_fleet::import::{Xymon, xymon};
use lockstep_model::{Glob, HostName};

use super::import::{Disk, OutArgs, hand_out};
use crate::exit::Exit;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep fleet import-xymon --home /etc/xymon --without-agent 'switch*' --out fleet.toml\n\
    What could not be taken over is listed on standard error, and stands in the fleet file as comments. Files that are\n\
    included are read if they lie below the same directory."
)]
pub(crate) struct Args {
    /// The directory with hosts.cfg, client-local.cfg and analysis.cfg, or the one above it
    #[arg(long, value_name = "DIR", required_unless_present_any = ["hosts", "client_local", "analysis"])]
    home: Option<PathBuf>,
    /// hosts.cfg: hosts, pages, tests over the network
    #[arg(long, value_name = "FILE", conflicts_with = "home")]
    hosts: Option<PathBuf>,
    /// client-local.cfg: files, logs and versions of clients
    #[arg(long, value_name = "FILE", conflicts_with = "home")]
    client_local: Option<PathBuf>,
    /// analysis.cfg: how what clients send is judged
    #[arg(long, value_name = "FILE", conflicts_with = "home")]
    analysis: Option<PathBuf>,
    /// A host with an agent that looks at the others over the network; may be given several times. Left out, it is the
    /// one with the tag bbd
    #[arg(long, value_name = "HOST")]
    watcher: Vec<HostName>,
    /// Hosts that never have an agent, such as switches: a name or a pattern; may be given several times
    #[arg(long, value_name = "PATTERN", value_parser = Glob::parse)]
    without_agent: Vec<Glob>,
    /// How many processors a host has: LOAD is of the whole machine, and cpu_load of each of them
    #[arg(long, value_name = "N", default_value_t = Xymon::PROCESSORS, value_parser = clap::value_parser!(u32).range(1..=4096))]
    processors: u32,
    #[command(flatten)]
    out: OutArgs,
}

/// Makes a fleet file of a Xymon server's configuration.
pub(crate) fn run(args: Args) -> anyhow::Result<Exit> {
    let mut disk = Disk::default();
    let mut options = Xymon {
        watchers: args.watcher,
        without_agent: args.without_agent,
        processors: args.processors,
        ..Xymon::default()
    };
    let mut files = [args.hosts, args.client_local, args.analysis];
    if let Some(home) = &args.home {
        files = found(home)?;
    }
    let mut names = files
        .iter()
        .map(|path| path.as_deref().map(|path| disk.name(path)).transpose());
    options.hosts = names.next().transpose()?.flatten();
    options.client_local = names.next().transpose()?.flatten();
    options.analysis = names.next().transpose()?.flatten();
    drop(names);
    hand_out(&xymon(&options, &disk)?, &args.out)
}

/// The three files of a server: in its directory `etc`, or where that is named itself.
fn found(home: &Path) -> anyhow::Result<[Option<PathBuf>; 3]> {
    let etc = home.join("etc");
    let directory = match etc.join("hosts.cfg").is_file() {
        true => etc,
        false => home.to_owned(),
    };
    let files = ["hosts.cfg", "client-local.cfg", "analysis.cfg"]
        .map(|name| Some(directory.join(name)).filter(|path| path.is_file()));
    if files.iter().all(Option::is_none) {
        bail!(
            "there is no hosts.cfg, client-local.cfg or analysis.cfg in {}; name the files by --hosts, --client-local and --analysis",
            home.display()
        );
    }
    Ok(files)
}
