//! What happened to a host in a stretch of time, as markers of a drawing: its runs, the versions that came, what else was
//! changed; and for one item its events, which are its levels, too.

use jiff::Timestamp;
use lockstep_model::api::operator::RunView;
use lockstep_model::{
    Change, ChangeKind, Event, EventKind, Glob, HostName, ItemName, ItemState, LevelNames, Outcome,
};
use lockstep_pages::chart::{Marker, MarkerKind, Segment};
use lockstep_pages::item::segments;
use lockstep_pages::parts::link;
use lockstep_store::EventFilter;

use crate::app::App;
use crate::web::Refusal;

/// Runs and events of one drawing. Those that come together are drawn as one.
const MOST_RUNS: u32 = 200;
const MOST_EVENTS: u32 = 1_000;

/// What happened to a host.
#[derive(Debug)]
pub(super) struct Story {
    host: HostName,
    from: Timestamp,
    to: Timestamp,
    pub(super) markers: Vec<Marker>,
}

impl Story {
    /// Runs and changes of a host from a moment to another.
    pub(super) async fn of(
        app: &App,
        host: &HostName,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Self, Refusal> {
        let runs = app.store.runs(Some(host), MOST_RUNS).await?;
        let changes = app.store.changes(host, from).await?;
        let mut markers: Vec<Marker> = runs.iter().flat_map(of_run).collect();
        markers.extend(changes.iter().filter_map(|change| of_change(host, change)));
        markers.retain(|it| it.at >= from && it.at <= to);
        Ok(Self {
            host: host.clone(),
            from,
            to,
            markers,
        })
    }

    /// The levels of an item in that time, and all markers with its events among them.
    pub(super) async fn of_item(
        mut self,
        app: &App,
        item: &ItemName,
        state: Option<&ItemState>,
        names: &LevelNames,
    ) -> Result<(Vec<Segment>, Vec<Marker>), Refusal> {
        let filter = EventFilter {
            host: Some(self.host.clone()),
            item: Glob::parse(item.as_str()).ok(),
            since: Some(self.from),
            until: Some(self.to),
            ..EventFilter::default()
        };
        let stored = app.store.events(&filter, MOST_EVENTS).await?;
        let all = stored.len() < MOST_EVENTS as usize;
        // The name of an item may look like a pattern that fits others, too.
        let events = stored.iter().map(|it| &it.event);
        let events: Vec<&Event> = events.filter(|it| it.item == *item).collect();
        let levels = segments(
            events.iter().copied(),
            all,
            state,
            (self.from, self.to),
            names,
        );
        let host = self.host.as_str();
        let listed = [("host", Some(host)), ("item", Some(item.as_str()))];
        let href = link::ask("/events", &listed);
        self.markers.extend(events.iter().map(|event| Marker {
            at: event.at,
            kind: MarkerKind::Event,
            words: words(event, names),
            href: href.clone(),
        }));
        Ok((levels, self.markers))
    }
}

/// The beginning of a run, and the version that is in force since its good end.
fn of_run(run: &RunView) -> Vec<Marker> {
    let record = &run.record;
    let end = match record.outcome {
        Some(outcome) => outcome.to_string(),
        None => format!("at {}", record.phase),
    };
    let mut markers = vec![Marker {
        at: record.started_at,
        kind: MarkerKind::Run,
        words: format!("run of {}: {end}", record.what()),
        href: format!("/runs/{}", record.id),
    }];
    if record.outcome == Some(Outcome::Done) && record.to.is_some() {
        markers.push(Marker {
            at: record.at,
            kind: MarkerKind::Release,
            words: format!("{} in force", record.brings()),
            href: format!("/releases/{}", link::segment(record.package.as_str())),
        });
    }
    markers
}

/// Runs are there already.
fn of_change(host: &HostName, change: &Change) -> Option<Marker> {
    let href = match change.kind {
        ChangeKind::Run => return None,
        ChangeKind::Restart | ChangeKind::Enrolled | ChangeKind::Work => link::host_path(host),
    };
    Some(Marker {
        at: change.at,
        kind: MarkerKind::Change,
        words: change.what.clone(),
        href,
    })
}

fn words(event: &Event, names: &LevelNames) -> String {
    let (from, to) = (names.name(event.from), names.name(event.to));
    let what = match event.kind {
        EventKind::Level => format!("{from} → {to}"),
        EventKind::NoData => "no value any more".into(),
        EventKind::Data => format!("a value again, {to}"),
        EventKind::Flapping => format!("begins to go back and forth, {to}"),
        EventKind::Steady => format!("goes back and forth no longer, {to}"),
    };
    match event.why.as_str() {
        "" => what,
        why => format!("{what}: {why}"),
    }
}
