//! `lockstep release inspect`.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Context;
use lockstep_trust::bundle;
use serde_json::json;

use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep release inspect lockstep-1.4.0.tar.zst")]
pub(crate) struct Args {
    /// The bundle
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Checks the whole bundle, and shows its manifest and its figures.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let file = File::open(&args.file)
        .with_context(|| format!("failed to open {}", args.file.display()))?;
    let inspected = bundle::inspect(file)?;
    if args.json {
        out::json(&json!({
            "manifest": inspected.manifest,
            "length": inspected.length,
            "hash": inspected.hash,
            "unpacked_bytes": inspected.unpacked_bytes,
            "entries": inspected.entries,
            "content": inspected.content,
        }))?;
        return Ok(Exit::Done);
    }
    let manifest = inspected.manifest.to_toml().map_err(anyhow::Error::msg)?;
    out::line(manifest.trim_end());
    out::line("");
    out::line(format_args!("sha256   {}", inspected.hash));
    out::line(format_args!("length   {} bytes", inspected.length));
    out::line(format_args!(
        "holds    {} bytes in {} entries",
        inspected.unpacked_bytes, inspected.entries
    ));
    out::line(format_args!(
        "archive  {} bytes, sha256 {}",
        inspected.content.length, inspected.content.hash
    ));
    Ok(Exit::Done)
}
