//! `lockstep explain`.

mod package;

use std::path::PathBuf;

use anyhow::anyhow;
use lockstep_model::api::operator::HostView;
use lockstep_model::{HostName, ItemName, ItemState, PackageName};
use serde_json::json;

use super::fleet::load_or_ask;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep explain web1.example.org\n  lockstep explain web1.example.org lockstep\n  lockstep explain web1.example.org disk_usage:/var\n  lockstep explain web1.example.org disk_usage:/var --fleet fleet.toml"
)]
pub(crate) struct Args {
    /// The host
    host: HostName,
    /// A package: what keeps the host from the version that it is wanted to run; or an item: which line of the fleet
    /// file makes it what it is. All packages of the host if left out
    what: Option<String>,
    /// The fleet file, for an item; the one in force on the server if left out
    #[arg(long, value_name = "FILE", requires = "what")]
    fleet: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// What is to be explained.
enum What {
    Package(PackageName),
    Item(ItemName, Option<Box<HostView>>),
}

/// Explains a package or an item of a host.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let Some(word) = &args.what else {
        let operator = Operator::open(&args.operator)?;
        let explained = package::ask(&operator, &args.host, None).await?;
        match args.json {
            true => out::json(&explained)?,
            false => package::list(&explained),
        }
        return Ok(Exit::Done);
    };
    match what(&args, word).await? {
        What::Package(name) => {
            let operator = Operator::open(&args.operator)?;
            let explained = package::ask(&operator, &args.host, Some(&name)).await?;
            match args.json {
                true => out::json(&explained)?,
                false => package::show(&explained),
            }
            Ok(Exit::Done)
        }
        What::Item(item, host) => explain_item(&args, &item, host).await,
    }
}

/// A word that names a package which the host follows is that package. Otherwise one that the host reports as an item
/// is that item, and one that can only be the one or the other is what it can be. A file at hand knows items alone.
async fn what(args: &Args, word: &str) -> anyhow::Result<What> {
    let (item, package) = (ItemName::parse(word), PackageName::parse(word));
    if args.fleet.is_some() {
        let item = item.map_err(|why| anyhow!(why))?;
        return Ok(What::Item(item, None));
    }
    let operator = Operator::open(&args.operator)?;
    let package = match package {
        Ok(package) if package::is_followed(&operator, &args.host, &package).await? => {
            return Ok(What::Package(package));
        }
        package => package,
    };
    match (item, package) {
        (Ok(item), package) => {
            let host: HostView = operator.get(&format!("hosts/{}", args.host)).await?;
            let is_item = host.items.iter().any(|state| state.item == item);
            match package {
                Ok(package) if !is_item && !could_be_item(&item) => Ok(What::Package(package)),
                _ => Ok(What::Item(item, Some(Box::new(host)))),
            }
        }
        (Err(_), Ok(package)) => Ok(What::Package(package)),
        (Err(item), Err(package)) => Err(anyhow!(
            "{word:?} names neither an item nor a package: {item}; {package}"
        )),
    }
}

/// True if the name is one that probes give: those of most have an argument or an underscore, which packages rarely do.
fn could_be_item(item: &ItemName) -> bool {
    item.as_str().contains([':', '_'])
}

/// Shows which line of the fleet file made the item what it is on the host, and how it stands there.
async fn explain_item(
    args: &Args,
    item: &ItemName,
    host: Option<Box<HostView>>,
) -> anyhow::Result<Exit> {
    let fleet = match load_or_ask(args.fleet.as_deref(), &args.operator).await? {
        Ok(fleet) => fleet,
        Err(exit) => return Ok(exit),
    };
    let explanation = fleet.explain(&args.host, item);
    // A file at hand is about what would be; only the server knows what is.
    let state = host.and_then(|host| state(*host, item));
    if args.json {
        out::json(&json!({ "rules": explanation, "state": state }))?;
        return Ok(Exit::Done);
    }
    if let Some(state) = state {
        let level = out::level(state.level, state.no_data, state.flapping);
        let value = out::printable(&state.value.to_string());
        out::line(format_args!("{}: {level}, {value}", state.item));
        if !state.why.is_empty() {
            out::line(format_args!("  because {}", out::printable(&state.why)));
        }
        out::line(format_args!("  since {:.0}", state.since));
        out::line("");
    }
    out::line(explanation);
    Ok(Exit::Done)
}

/// How the item stands, by the host's last report.
fn state(host: HostView, item: &ItemName) -> Option<ItemState> {
    host.items.into_iter().find(|state| state.item == *item)
}
