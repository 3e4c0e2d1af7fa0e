//! What happened to items, and what was measured while a host could not report.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::{Backfill, EventBatch, Snapshot};
use lockstep_model::{Event, EventKind, HostName, ItemName, Level, Value};

use lockstep_plan::alert::lease::SILENCE_ITEM;

use super::fleet;
use crate::app::App;
use crate::operator_api::add;
use crate::web::Refusal;

/// What was changed on a host within this time before an event is stored with it.
const CHANGES: SignedDuration = SignedDuration::from_hours(4);

/// The hosts of a group, those without an agent among them; refused where no fleet file names the group.
pub(crate) async fn hosts_of_group(app: &App, group: &str) -> Result<BTreeSet<String>, Refusal> {
    fleet::known_group(app, group)?;
    let board = app.boards.read(app).await?;
    let lines = board.hosts.iter();
    let of_group = lines.filter(|line| line.groups.iter().any(|it| it == group));
    Ok(of_group.map(|line| line.view.name.to_string()).collect())
}

/// Stores a batch and says up to which number the series is stored.
pub(crate) async fn receive(
    app: &App,
    host: &HostName,
    batch: &EventBatch,
    now: Timestamp,
) -> Result<u64, Refusal> {
    if batch.events.len() > EventBatch::MOST {
        return Err(Refusal::bad_request(format!(
            "a batch carries at most {} events, this one has {}",
            EventBatch::MOST,
            batch.events.len()
        )));
    }
    let named = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if batch.series.is_empty() || batch.series.len() > 64 || !batch.series.chars().all(named) {
        return Err(Refusal::bad_request(
            "series: 1 to 64 letters, digits or '-' are expected",
        ));
    }
    let batch = EventBatch {
        oldest: batch.oldest,
        series: batch.series.clone(),
        events: batch
            .events
            .iter()
            .map(|event| heard(app, host, event))
            .collect(),
    };
    let through = store(app, Some(host), &batch, now).await?;
    add(&app.counters.events, batch.events.len());
    for event in &batch.events {
        tracing::info!(host = %event.host, item = %event.item, kind = %event.kind, from = %event.from, to = %event.to, why = event.why, "event");
    }
    app.wake.notify_one();
    Ok(through)
}

/// Stores events with what was changed on their hosts just before.
pub(crate) async fn store(
    app: &App,
    via: Option<&HostName>,
    batch: &EventBatch,
    now: Timestamp,
) -> Result<u64, lockstep_store::Error> {
    let mut changes = BTreeMap::new();
    for event in &batch.events {
        if !changes.contains_key(&event.host) {
            let since = event.at.checked_sub(CHANGES).unwrap_or(Timestamp::MIN);
            let found = app.store.changes(&event.host, since).await?;
            changes.insert(event.host.clone(), found);
        }
    }
    app.store.record_events(via, batch, &changes, now).await
}

/// Stores what a host measured during an outage.
pub(crate) async fn receive_backfill(
    app: &App,
    host: &HostName,
    backfill: &Backfill,
    now: Timestamp,
) -> Result<(), Refusal> {
    if backfill.snapshots.len() > Backfill::MOST {
        return Err(Refusal::bad_request(format!(
            "at most {} snapshots are taken at once",
            Backfill::MOST
        )));
    }
    let heard = |snapshot: &&Snapshot| {
        let of = snapshot.host.as_ref();
        of.is_none_or(|of| speaks_for(app, host, of))
    };
    let snapshots: Vec<Snapshot> = backfill.snapshots.iter().filter(heard).cloned().collect();
    app.store.record_snapshots(host, &snapshots, now).await?;
    Ok(())
}

/// An event as it is believed. What a host says of one that it does not watch (any more) keeps its number, so that
/// the numbers have no gap, and says nothing of the other host.
fn heard(app: &App, host: &HostName, event: &Event) -> Event {
    if speaks_for(app, host, &event.host) && !is_of_the_server(&event.item) {
        return event.clone();
    }
    tracing::warn!(%host, of = %event.host, item = %event.item, "a host speaks of one that it does not watch");
    let why = format!(
        "it spoke of {} of {}, which it does not watch",
        event.item, event.host
    );
    Event {
        host: host.clone(),
        item: ItemName::parse("not_watched").expect("it is an item's name"),
        kind: EventKind::Level,
        from: Level::FINE,
        to: Level::FINE,
        // Not [`Value::None`]: what has no value is a trouble of its host.
        value: Value::Text("not believed".into()),
        why,
        ..event.clone()
    }
}

/// True for items that the server itself speaks of: nobody else can say whether it hears of a host.
pub(crate) fn is_of_the_server(item: &ItemName) -> bool {
    item.probe() == SILENCE_ITEM
}

/// A host speaks for itself, and for those that the fleet file has it watch.
pub(crate) fn speaks_for(app: &App, host: &HostName, of: &HostName) -> bool {
    of == host
        || app
            .fleet
            .accepted()
            .is_some_and(|accepted| accepted.fleet.watched_by(host).contains(of))
}
