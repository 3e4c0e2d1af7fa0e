//! `lockstep release stamp`.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use lockstep_host::fs::Replacement;
use lockstep_model::Version;
use lockstep_trust::bundle;

use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep release stamp lockstep-1.4.0.tar.zst --version 1.4.1-test -o test.tar.zst\n\
    Only the version in bundle.toml changes; an update to it and back shows whether updating works."
)]
pub(crate) struct Args {
    /// The bundle to copy
    file: PathBuf,
    /// The version of the copy
    #[arg(long)]
    version: Version,
    /// The bundle to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Copies the bundle.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let file = File::open(&args.file)
        .with_context(|| format!("failed to open {}", args.file.display()))?;
    let mut output = Replacement::begin(&args.output)?;
    let built = bundle::stamp(file, &args.version, output.file())?;
    output.finish()?;
    let details = &built.details;
    out::line(format_args!(
        "{}: {} {}, {} bytes, sha256 {}",
        args.output.display(),
        details.package,
        details.version,
        built.length,
        built.hash
    ));
    Ok(Exit::Done)
}
