//! What happened to the items of a foreign host, as events.

use lockstep_model::api::EventBatch;
use lockstep_model::{Event, HostName};
use lockstep_plan::fitness::Happened;

use super::Kept;

/// Gives what happened its numbers.
pub(super) fn numbered(host: &HostName, kept: &mut Kept, happened: Vec<Happened>) -> Vec<Event> {
    let number = |it: Happened| {
        kept.events += 1;
        Event {
            number: kept.events,
            at: it.at,
            host: host.clone(),
            item: it.item,
            kind: it.kind,
            from: it.from,
            to: it.to,
            value: it.value,
            why: it.why.to_string(),
        }
    };
    happened.into_iter().map(number).collect()
}

/// As many batches as its events need.
pub(super) fn parts(batch: EventBatch) -> impl Iterator<Item = EventBatch> {
    let EventBatch {
        series,
        events,
        oldest,
    } = batch;
    let chunks: Vec<Vec<Event>> = events
        .chunks(EventBatch::MOST)
        .map(<[Event]>::to_vec)
        .collect();
    chunks.into_iter().map(move |events| EventBatch {
        series: series.clone(),
        events,
        oldest,
    })
}
