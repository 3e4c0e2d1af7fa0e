//! `lockstep repo-client`: the verifying client behind the command line of the public conformance suite of The Update
//! Framework. Options come before the verb; it ends with 0 or 1 and nothing else, unless it is used wrongly.
//!
//! Repositories are read over plain HTTP: what they hold is signed, and the suite serves it so.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use jiff::Timestamp;
use lockstep_host::fs::{Mode, read_capped, write_durable};
use lockstep_net::Clock;
use lockstep_net::client::{PlainFiles, Timeouts};
use lockstep_trust::{Fetch, MetadataStore, repo_client};

use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lockstep repo-client --metadata-dir trusted init root.json\n  \
    lockstep repo-client --metadata-dir trusted --metadata-url http://localhost:8000/metadata refresh")]
pub(crate) struct Args {
    /// Where trusted metadata is kept
    #[arg(long, value_name = "DIR")]
    metadata_dir: PathBuf,
    /// Where the repository's metadata is
    #[arg(long, value_name = "URL")]
    metadata_url: Option<String>,
    /// Path of a target to download; may be given more than once
    #[arg(long = "target-name", value_name = "PATH")]
    target_names: Vec<String>,
    /// Where the repository's targets are
    #[arg(long, value_name = "URL")]
    target_base_url: Option<String>,
    /// Where downloaded targets are kept
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Begin to trust a root
    Init {
        /// The root's file
        #[arg(value_name = "FILE")]
        root: PathBuf,
    },
    /// Bring the trusted metadata up to date
    Refresh,
    /// Bring the trusted metadata up to date, then download targets
    Download,
}

/// Largest root that is read, in bytes.
const LARGEST_ROOT: u64 = 512_000;
/// Largest file of trusted metadata or of targets that is read back, in bytes.
const LARGEST_KEPT: u64 = 256 << 20;

/// Runs one verb.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    // The suite moves the clock of the whole program; it is read once.
    let clock = Clock::system();
    match verb(&args, &clock, clock.now()).await {
        Ok(()) => Ok(Exit::Done),
        Err(error) => {
            out::note(format_args!("lockstep repo-client: {error:#}"));
            Ok(Exit::Failed)
        }
    }
}

async fn verb(args: &Args, clock: &Clock, now: Timestamp) -> anyhow::Result<()> {
    let metadata = Directory(args.metadata_dir.clone());
    if let Verb::Init { root } = &args.verb {
        let bytes = read_capped(root, LARGEST_ROOT)?;
        let bytes = bytes.with_context(|| format!("there is no file {}", root.display()))?;
        return Ok(repo_client::init(&metadata, &bytes)?);
    }
    let repository = Remote::below(args.metadata_url.as_deref(), "--metadata-url", clock)?;
    match args.verb {
        Verb::Init { .. } | Verb::Refresh => {
            repo_client::refresh(&metadata, &repository, now).await?;
        }
        Verb::Download => {
            let targets =
                Remote::below(args.target_base_url.as_deref(), "--target-base-url", clock)?;
            let files = args.target_dir.clone().context("--target-dir is missing")?;
            let files = Directory(files);
            let names = &args.target_names;
            repo_client::download(&metadata, &repository, &targets, &files, names, now).await?;
        }
    }
    Ok(())
}

/// A directory of files that are written durably.
struct Directory(PathBuf);

impl MetadataStore for Directory {
    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        read_capped(&self.0.join(name), LARGEST_KEPT).map_err(io::Error::other)
    }

    fn store(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        write_durable(&self.0.join(name), bytes, Mode::Public).map_err(io::Error::other)
    }
}

/// One side of a repository.
struct Remote(PlainFiles);

impl Remote {
    fn below(url: Option<&str>, option: &str, clock: &Clock) -> anyhow::Result<Self> {
        let url = url.with_context(|| format!("{option} is missing"))?;
        Ok(Self(PlainFiles::below(url, Timeouts::default(), clock)?))
    }
}

impl Fetch for Remote {
    async fn fetch(
        &self,
        name: &str,
        max: usize,
    ) -> Result<Option<Vec<u8>>, Box<dyn StdError + Send + Sync>> {
        match self.0.get_capped(name, max).await {
            Ok(bytes) => Ok(Some(bytes)),
            // Object stores answer 403 for what they do not have.
            Err(error) if matches!(error.status(), Some(403 | 404)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
