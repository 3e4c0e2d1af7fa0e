//! `lockstep agent history`.

use anyhow::bail;
use jiff::{SignedDuration, Timestamp};
use lockstep_agent::local::{WorkerAnswer, WorkerRequest};
use lockstep_model::{HistoryQuery, HostName, Interval, ItemName, Span, View};
use lockstep_net::Clock;

use super::{RootArgs, local};
use crate::exit::Exit;
use crate::{out, series};

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  lockstep agent history cpu_load --view week\n  lockstep agent history disk_usage:/ --from 12h --points 50 --json\n  lockstep agent history ping:gateway --from 2026-11-20T08:00:00Z --to 2026-11-20T09:00:00Z --plot"
)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArgs,
    /// Which item
    item: ItemName,
    /// Of this host, which this one watches
    #[arg(long, value_name = "HOST")]
    host: Option<HostName>,
    /// hour, day, week, month or year
    #[arg(long, value_name = "VIEW", default_value = "day", conflicts_with_all = ["from", "to"])]
    view: View,
    /// So many points at most, up to 2000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(HistoryQuery::MOST_POINTS)))]
    points: Option<u32>,
    /// From this time on, or for so long before now
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Until this time, or until so long before now
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<Moment>,
    /// Print JSON
    #[arg(long, conflicts_with = "plot")]
    json: bool,
    /// Draw a plot though the output is no terminal
    #[arg(long)]
    plot: bool,
}

/// A moment as people give it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    At(Timestamp),
    Ago(Interval),
}

impl std::str::FromStr for Moment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        text.parse().map(Self::Ago).map_err(|_| {
            format!("{text:?} is neither a time such as 2026-11-20T08:00:00Z nor an interval such as 12h")
        })
    }
}

impl Moment {
    fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(interval) => SignedDuration::try_from(interval.duration())
                .ok()
                .and_then(|ago| now.checked_sub(ago).ok())
                .unwrap_or(Timestamp::MIN),
        }
    }
}

/// Shows an item's history: as a plot to people, as numbers to programs.
pub(crate) async fn run(args: Args) -> anyhow::Result<Exit> {
    let now = Clock::system().now();
    let span = match args.from {
        None => Span::View(args.view),
        Some(from) => Span::Between {
            from: from.before(now),
            to: args.to.map_or(now, |to| to.before(now)),
        },
    };
    let query = HistoryQuery {
        host: args.host,
        item: args.item,
        span,
        points: args.points,
    };
    let layout = args.root.layout()?;
    let WorkerAnswer::History(series) =
        local::ask_worker(&layout, &WorkerRequest::History(query)).await?
    else {
        bail!("the worker's answer is not understood");
    };
    if args.json {
        out::json(&series)?;
    } else {
        series::show(&series, args.plot);
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_so_long_ago() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let before = |text: &str| {
            text.parse::<Moment>()
                .map(|moment| moment.before(now).to_string())
        };
        assert_eq!(before("2h30m").as_deref(), Ok("2026-11-20T09:30:00Z"));
        assert_eq!(
            before("2026-11-20T08:00:00+02:00").as_deref(),
            Ok("2026-11-20T06:00:00Z")
        );
        let said = before("yesterday").unwrap_err();
        assert!(said.contains("neither a time"), "{said}");
    }
}
