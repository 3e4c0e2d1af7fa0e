//! The last day at a glance: how much of what is asked for came when.

use jiff::Timestamp;
use lockstep_model::Level;
use lockstep_pages::chart::Cell;
use lockstep_pages::events::{Filter, Kind};
use lockstep_pages::parts::time::second;
use lockstep_store::EventFilter;

use super::stream;
use crate::app::App;
use crate::web::Refusal;

/// Cells of the last day, and how long one is.
const CELLS: i64 = 48;
const CELL_MS: i64 = 30 * 60_000;

/// A cell for each half an hour. Where everything is asked for, events of items are counted. The filter's times do not count:
/// a cell leads to them.
pub(super) async fn cells(
    app: &App,
    wanted: &EventFilter,
    kind: Kind,
    filter: &Filter,
    now: Timestamp,
) -> Result<Vec<Cell>, Refusal> {
    let last = now.as_millisecond().div_euclid(CELL_MS);
    let begin = |cell: i64| {
        let at = (last - CELLS + 1 + cell).saturating_mul(CELL_MS);
        Timestamp::from_millisecond(at).unwrap_or(now)
    };
    let counts: Vec<(Timestamp, u64, Option<Level>)> = match kind {
        Kind::All | Kind::Items => {
            let slots = app.store.event_slots(begin(0), CELL_MS, wanted).await?;
            let count = |it: &lockstep_store::EventSlot| (it.from, it.count, Some(it.worst));
            slots.iter().map(count).collect()
        }
        Kind::Changes | Kind::Messages | Kind::Deeds => {
            let moments = stream::moments(app, wanted, kind, begin(0), begin(CELLS)).await?;
            moments.into_iter().map(|at| (at, 1, None)).collect()
        }
    };
    let cells = (0..CELLS).map(|cell| {
        let (from, to) = (begin(cell), begin(cell + 1));
        let within = counts.iter().filter(|(at, ..)| (from..to).contains(at));
        Cell {
            from,
            to,
            count: within.clone().map(|(_, count, _)| count).sum(),
            worst: within.filter_map(|(_, _, worst)| *worst).max(),
            href: Some(filter.within(second(from), second(to)).address("/events")),
        }
    });
    Ok(cells.collect())
}
