//! `lockstep event list`.

use jiff::Timestamp;
use lockstep_model::api::StoredEvent;
use lockstep_model::{Glob, HostName, LevelNames};

use crate::cmd::problems::past::moment;
use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs, question};
use crate::out;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep event list --since 1d\n  lockstep event list --host web1 --item 'disk_usage:*' --level sick\n  lockstep event list --group web --since 6h\n  \
    lockstep event list --since 2026-11-22T01:00:00Z --until 2026-11-22T02:00:00Z"
)]
pub(crate) struct Args {
    /// Of this host alone
    #[arg(long, value_name = "HOST")]
    host: Option<HostName>,
    /// Of hosts of this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Of items that match
    #[arg(long, value_name = "ITEM", value_parser = Glob::parse)]
    item: Option<Glob>,
    /// That led to this level, or a worse one
    #[arg(long, value_name = "LEVEL", value_parser = rank)]
    level: Option<u8>,
    /// From when on: a moment, or how long ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Before when: a moment, or how long ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Shows what happened.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let path = question(
        "events",
        [
            ("host", args.host.map(|host| host.to_string())),
            ("group", args.group),
            ("item", args.item.map(|item| item.to_string())),
            ("level", args.level.map(|rank| rank.to_string())),
            ("since", args.since.map(|since| since.to_string())),
            ("until", args.until.map(|until| until.to_string())),
            ("limit", Some(args.limit.to_string())),
        ],
    );
    let most = usize::try_from(args.limit)?;
    let events: Vec<StoredEvent> = Operator::open(&args.operator)?.take(&path, most).await?;
    if args.json {
        out::json(&events)?;
        return Ok(Exit::Done);
    }
    let rows = events.iter().map(|stored| {
        let event = &stored.event;
        let change = stored.changes.first();
        vec![
            format!("{:.0}", event.at),
            event.host.to_string(),
            event.item.to_string(),
            match event.kind {
                lockstep_model::EventKind::Level => format!("{} → {}", event.from, event.to),
                kind => format!("{kind} ({})", event.to),
            },
            out::value(&event.value),
            event.why.clone(),
            change.map_or(String::new(), |change| {
                format!("{}, {}", change.what, out::ago(change.at, event.at))
            }),
        ]
    });
    let header = [
        "at",
        "host",
        "item",
        "what",
        "value",
        "why",
        "changed before",
    ];
    out::table(&header, rows.collect(), "nothing happened");
    Ok(Exit::Done)
}

/// A level by its usual name, or by its rank where the fleet file names levels otherwise.
///
/// # Errors
/// In words, if it is neither.
pub(in crate::cmd) fn rank(text: &str) -> Result<u8, String> {
    let named = LevelNames::default().level(text).map(|level| level.rank());
    named
        .or_else(|| text.parse().ok().filter(|rank| *rank <= 4))
        .ok_or_else(|| {
            format!("{text:?} is not a level: fine, soso, sick, critical, dead, or 0 to 4")
        })
}
