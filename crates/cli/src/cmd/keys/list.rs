//! `lockstep keys list`.

use std::path::PathBuf;

use anyhow::Context;
use lockstep_trust::author::RootPlan;
use serde_json::json;

use crate::exit::Exit;
use crate::passphrase::PassphraseArgs;
use crate::publisher::Publisher;
use crate::{out, publisher};

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep keys list ~/lockstep-keys")]
pub(crate) struct Args {
    /// The key directory
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Shows each key with the role that the root gives it.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let root = publisher::root_in(&args.dir)?
        .with_context(|| format!("no root.json in {}", args.dir.display()))?;
    let plan = RootPlan::of(&root)?;
    let publisher = Publisher::open(std::slice::from_ref(&args.dir), &args.passphrase.of_keys()?)?;
    let rows: Vec<(String, String, String)> = publisher
        .keys()
        .map(|named| {
            let id = named.key.id();
            let role = if plan.root_keys.iter().any(|key| key.id() == id) {
                format!(
                    "root ({} of {} must sign)",
                    plan.root_threshold,
                    plan.root_keys.len()
                )
            } else if plan.targets_keys.iter().any(|key| key.id() == id) {
                format!(
                    "targets ({} of {} must sign)",
                    plan.targets_threshold,
                    plan.targets_keys.len()
                )
            } else {
                "none: it was replaced".into()
            };
            (named.path.display().to_string(), role, id.to_owned())
        })
        .collect();
    if args.json {
        let keys: Vec<_> = rows
            .iter()
            .map(|(file, role, id)| json!({ "file": file, "role": role, "id": id }))
            .collect();
        out::json(&json!({ "expires": plan.expires, "keys": keys }))?;
        return Ok(Exit::Done);
    }
    let rows = rows
        .into_iter()
        .map(|(file, role, id)| vec![file, role, id])
        .collect();
    out::table(&["file", "role", "key id"], rows, "no keys");
    out::line(format_args!("the root is valid until {:.0}", plan.expires));
    Ok(Exit::Done)
}
