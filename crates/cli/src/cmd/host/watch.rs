//! `lockstep host watch`.

use std::time::Duration;

use lockstep_model::api::ItemNow;
use lockstep_model::{HostName, ItemName, LevelNames};

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs};
use crate::out;

/// Time between two questions: the host measures once a second at most.
const PACE: Duration = Duration::from_secs(1);

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: lockstep host watch web1.example.org cpu_busy\nThe host measures what costs next to nothing anew; of other items it says what their own interval brought last. It ends with Ctrl-C, or when the host gives no value."
)]
pub(crate) struct Args {
    /// The host
    host: HostName,
    /// The item
    item: ItemName,
    /// End after so many values
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Print each value as JSON, one in a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Asks for an item's value each second.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let operator = Operator::open(&args.operator)?;
    let path = path(&args.host, &args.item);
    let mut left = args.count;
    loop {
        let now: ItemNow = operator.get(&path).await?;
        if args.json {
            out::line(serde_json::to_string(&now)?);
        } else {
            out::line(words(&now));
        }
        left = left.map(|left| left - 1);
        if left == Some(0) {
            return Ok(Exit::Done);
        }
        tokio::time::sleep(PACE).await;
    }
}

/// The address of an item now, below the API's; names of items have slashes.
fn path(host: &HostName, item: &ItemName) -> String {
    let escaped: String = form_urlencoded::byte_serialize(item.as_str().as_bytes()).collect();
    // What forms write for a blank is a plus sign in a path; a plus sign of the name is escaped by now.
    let escaped = escaped.replace('+', "%20");
    format!("hosts/{host}/items/{escaped}/now")
}

fn words(now: &ItemNow) -> String {
    let level = LevelNames::default();
    let old = if now.fresh {
        ""
    } else {
        "  (not measured anew)"
    };
    let value = out::printable(&out::value(&now.value));
    format!("{:.0}  {}  {value}{old}", now.at, level.name(now.level))
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Level, Value};

    use super::*;

    #[test]
    fn an_item_stays_one_part_of_the_address() {
        let path = path(
            &HostName::parse("web1").unwrap(),
            &ItemName::parse("http:https://x/?a").unwrap(),
        );
        assert_eq!(path, "hosts/web1/items/http%3Ahttps%3A%2F%2Fx%2F%3Fa/now");
        let path = super::path(
            &HostName::parse("web1").unwrap(),
            &ItemName::parse("process:a b+c%").unwrap(),
        );
        assert_eq!(path, "hosts/web1/items/process%3Aa%20b%2Bc%25/now");
    }

    #[test]
    fn a_value_is_one_line() {
        let now = ItemNow {
            item: ItemName::parse("x").unwrap(),
            value: Value::Text("a\u{1b}[2J".into()),
            level: Level::FINE,
            at: "2026-11-22T12:00:05Z".parse().unwrap(),
            fresh: false,
        };
        let line = words(&now);
        assert!(
            line.starts_with("2026-11-22T12:00:05Z  ") && line.ends_with("(not measured anew)"),
            "{line}"
        );
        assert!(!line.contains('\u{1b}'));
    }
}
