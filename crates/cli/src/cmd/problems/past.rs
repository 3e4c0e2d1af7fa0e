//! `lockstep problems --at TIME`: what was not well at a moment that is over.

use jiff::Timestamp;
use lockstep_model::api::operator::{BoardThen, ToldBy};
use lockstep_model::{HostName, MomentError, moment_or_ago};
use lockstep_net::Clock;

use crate::exit::Exit;
use crate::operator::{Operator, OperatorArgs, question};
use crate::out;

/// A moment as it is typed: by itself, or how long ago.
///
/// # Errors
/// In words, if it is neither.
pub(in crate::cmd) fn moment(text: &str) -> Result<Timestamp, MomentError> {
    moment_or_ago(text, Clock::system().now())
}

/// Shows what was not well, or all items of one host.
pub(super) async fn run(
    operator: &OperatorArgs,
    at: Timestamp,
    host: Option<&HostName>,
    json: bool,
) -> anyhow::Result<Exit> {
    let path = question(
        "board",
        [
            ("at", Some(at.to_string())),
            ("host", host.map(ToString::to_string)),
        ],
    );
    let then: BoardThen = Operator::open(operator)?.get(&path).await?;
    if json {
        out::json(&then)?;
        return Ok(Exit::Done);
    }
    let rows = then.items.iter().map(|item| {
        vec![
            out::level(item.level, item.no_data, false),
            item.host.to_string(),
            item.item.to_string(),
            out::or_dash(item.number.map(|number| format!("{number:.2}"))),
            out::or_dash(item.since.map(|at| format!("{at:.0}"))),
            item.proof.words().to_owned(),
            out::printable(&item.why),
        ]
    });
    let header = ["level", "host", "item", "number", "since", "by", "why"];
    out::table(&header, rows.collect(), "nothing that is known was amiss");
    if then.more > 0 {
        out::note(format_args!("and {} items more", then.more));
    }
    out::note(format_args!("{}", source(&then)));
    Ok(Exit::Done)
}

/// What says so.
fn source(then: &BoardThen) -> String {
    let by = match then.by {
        ToldBy::Snapshots => "snapshots",
        ToldBy::Events => "events",
    };
    let mut words = format!(
        "{:.0} by {by}: {} hosts by a snapshot, {} by events alone, {} unknown",
        then.at,
        then.snapshots,
        then.by_events,
        then.unknown.len()
    );
    if let Some((oldest, newest)) = then.taken {
        words += &format!("; snapshots of {oldest:.0} to {newest:.0}");
    }
    if let Some(since) = then.events_since {
        words += &format!("; events since {since:.0}");
    }
    if then.cut {
        words += "; there was more than is looked at";
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_typed_in_two_ways() {
        let at = moment("2026-11-22T12:00:00Z").unwrap();
        assert_eq!(at.to_string(), "2026-11-22T12:00:00Z");
        assert!(moment("6h").unwrap() < Clock::system().now());
        assert!(moment("yesterday").is_err());
    }

    #[test]
    fn it_says_what_says_so() {
        let at = moment("2026-11-22T12:00:00Z").unwrap();
        let then = BoardThen {
            at,
            by: ToldBy::Snapshots,
            snapshots: 3,
            by_events: 1,
            taken: Some((at, at)),
            ..BoardThen::default()
        };
        assert_eq!(
            source(&then),
            "2026-11-22T12:00:00Z by snapshots: 3 hosts by a snapshot, 1 by events alone, 0 unknown; \
             snapshots of 2026-11-22T12:00:00Z to 2026-11-22T12:00:00Z"
        );
    }
}
