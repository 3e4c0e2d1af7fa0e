//! `lockstep release build`.

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use lockstep_host::fs::Replacement;
use lockstep_model::{BundleManifest, PackageName, Platform, Version};
use lockstep_trust::bundle;

use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep release build tree --package lockstep --version 1.4.0 -o lockstep-1.4.0.tar.zst\n\
    The same tree gives the same bytes, whoever builds it and when. A bundle.toml in the tree may say more than the\n\
    options (requires, preserve, purge, service, check); options win over it."
)]
pub(crate) struct Args {
    /// The tree to pack
    dir: PathBuf,
    /// The package
    #[arg(long)]
    package: Option<PackageName>,
    /// The version
    #[arg(long)]
    version: Option<Version>,
    /// What it runs on: linux-x86_64, any, … [default: this machine]
    #[arg(long)]
    platform: Option<Platform>,
    /// The bundle to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Makes the bundle.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let manifest = manifest(args)?;
    let mut output = Replacement::begin(&args.output)?;
    let built = bundle::build(&args.dir, &manifest, output.file())?;
    output.finish()?;
    if args.json {
        out::json(&built.details)?;
    } else {
        let details = &built.details;
        out::line(format_args!(
            "{}: {} {} for {}, {} bytes, {} unpacked in {} entries, sha256 {}",
            args.output.display(),
            details.package,
            details.version,
            details.platform,
            built.length,
            details.unpacked_bytes,
            details.entries,
            built.hash
        ));
    }
    Ok(Exit::Done)
}

fn manifest(args: &Args) -> anyhow::Result<BundleManifest> {
    let path = args.dir.join(BundleManifest::FILE);
    let mut table = match File::open(&path) {
        Ok(file) => {
            let text =
                std::io::read_to_string(std::io::Read::take(file, BundleManifest::MAX_BYTES))?;
            text.parse::<toml::Table>()
                .with_context(|| format!("failed to read {}", path.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => toml::Table::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("failed to read {}", path.display()));
        }
    };
    let mut set = |key: &str, value: Option<String>| {
        value.map(|value| table.insert(key.into(), value.into()))
    };
    set("package", args.package.as_ref().map(ToString::to_string));
    set("version", args.version.as_ref().map(ToString::to_string));
    set("platform", args.platform.as_ref().map(ToString::to_string));
    for key in ["package", "version"] {
        ensure!(
            table.contains_key(key),
            "the bundle needs a {key}: give --{key}, or write it into {}",
            path.display()
        );
    }
    table
        .entry("platform")
        .or_insert_with(|| Platform::of_this_program().to_string().into());
    BundleManifest::parse(&table.to_string())
        .map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))
}
