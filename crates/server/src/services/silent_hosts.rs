//! Hosts that are not heard of: the one item that the server itself says something about.

use jiff::{SignedDuration, Timestamp};
use lockstep_model::api::EventBatch;
use lockstep_model::{Event, EventKind, HostName, ItemName, Level, PackageName, Value};
use lockstep_plan::alert::lease::{SILENCE_ITEM, silence_level};

use crate::app::App;

/// The series of the server's own events.
const SERIES: &str = "server";

/// Says of each host whether it is silent, where that has changed.
pub(crate) async fn look(app: &App, now: Timestamp) -> Result<(), lockstep_store::Error> {
    let item = ItemName::parse(SILENCE_ITEM).expect("it is an item's name");
    let mut known: std::collections::BTreeMap<HostName, Level> = app
        .store
        .troubles()
        .await?
        .into_iter()
        .filter(|trouble| trouble.item == item)
        .map(|trouble| (trouble.host, trouble.level))
        .collect();
    let mut events = Vec::new();
    for standing in app.store.standings(&PackageName::lockstep()).await? {
        let heard = standing.last_seen.unwrap_or(standing.enrolled_at);
        let since = heard.max(app.decider.listening_since);
        let interval = app.report_interval(&standing.host);
        let silent = |since: Timestamp| now.duration_since(since).max(SignedDuration::ZERO);
        let level_of =
            |silent: SignedDuration| silence_level(silent.unsigned_abs(), interval.duration());
        let before = known.remove(&standing.host).unwrap_or_default();
        // Nothing was missed while nobody listened, but that makes no host well that had been silent before.
        let level = level_of(silent(since)).max(before.min(level_of(silent(heard))));
        if level == before {
            continue;
        }
        let seconds = silent(since).as_secs();
        events.push(Event {
            number: 0,
            at: now,
            host: standing.host,
            item: item.clone(),
            kind: EventKind::Level,
            from: before,
            to: level,
            value: Value::Number {
                value: seconds as f64,
                unit: "s".into(),
            },
            why: match level {
                Level::FINE => String::new(),
                _ => {
                    format!("nothing was heard of it for {seconds} s; it reports every {interval}")
                }
            },
        });
    }
    for batch in events.chunks(EventBatch::MOST) {
        let batch = EventBatch {
            oldest: 0,
            series: SERIES.into(),
            events: batch.to_vec(),
        };
        for event in &batch.events {
            tracing::info!(host = %event.host, from = %event.from, to = %event.to, "a host's silence changed its level");
        }
        super::events::store(app, None, &batch, now).await?;
    }
    Ok(())
}
