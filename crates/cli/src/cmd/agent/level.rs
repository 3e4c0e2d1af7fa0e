//! `lockstep agent level`: installed versions, read from the slots, whether an agent runs or not.

use lockstep_host::slots::Slots;
use serde_json::json;

use super::RootArgs;
use crate::exit::Exit;
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: lockstep agent level")]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints every slot, and which one is current.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let slots = Slots::new(args.root.layout()?);
    let current = slots.current()?.map(|slot| slot.dir);
    let previous = slots.previous()?.map(|slot| slot.dir);
    let active: Vec<_> = slots.all_active()?.into_iter().map(|it| it.dir).collect();
    let mut rows = Vec::new();
    for slot in slots.list()? {
        // A package of others has one link, and what is behind it is current.
        let place = if Some(&slot.dir) == current.as_ref() || active.contains(&slot.dir) {
            "current"
        } else if Some(&slot.dir) == previous.as_ref() {
            "previous"
        } else {
            "kept"
        };
        rows.push((slot, place));
    }
    if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(slot, place)| {
                json!({ "package": slot.manifest.package, "version": slot.manifest.version, "place": place, "hash": slot.hash })
            })
            .collect();
        out::json(&rows)?;
        return Ok(Exit::Done);
    }
    let rows = rows.iter().map(|(slot, place)| {
        let hash = slot.hash.map(|hash| hash.short());
        vec![
            slot.manifest.package.to_string(),
            slot.manifest.version.to_string(),
            (*place).into(),
            out::or_dash(hash),
        ]
    });
    let empty = "nothing is installed; \"lockstep agent install --bundle FILE\" installs the agent";
    out::table(
        &["package", "version", "place", "hash"],
        rows.collect(),
        empty,
    );
    Ok(Exit::Done)
}
