//! From events to levels over time.

use jiff::Timestamp;
use lockstep_model::{Event, EventKind, ItemState, Level, LevelNames};

use crate::chart::Segment;

/// Which level an item had when, from `from` to `to`. `events` are those of that time, in any order; `all` says whether they
/// are all. `state` is how the item stands now: it tells the level of a time without any event.
#[must_use]
pub fn segments<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    all: bool,
    state: Option<&ItemState>,
    (from, to): (Timestamp, Timestamp),
    names: &LevelNames,
) -> Vec<Segment> {
    let mut events: Vec<&Event> = events.into_iter().filter(|it| it.at <= to).collect();
    events.sort_by_key(|it| (it.at, it.number));
    let segment = |begin: Timestamp, end: Timestamp, level: Option<Level>| Segment {
        from: begin,
        to: end,
        level,
        name: level.map_or("no data".into(), |it| names.name(it).into()),
    };
    let Some(first) = events.first() else {
        // What was before that level is not known: the item may be new.
        let known = state.filter(|it| it.since < to);
        return known
            .map(|it| segment(it.since.max(from), to, (!it.no_data).then_some(it.level)))
            .into_iter()
            .collect();
    };
    let mut segments = Vec::with_capacity(events.len() + 1);
    if all && first.at > from {
        let before = (first.kind != EventKind::Data).then_some(first.from);
        segments.push(segment(from, first.at, before));
    }
    for (index, event) in events.iter().enumerate() {
        let end = events.get(index + 1).map_or(to, |next| next.at);
        let level = (event.kind != EventKind::NoData).then_some(event.to);
        if event.at < end {
            segments.push(segment(event.at.max(from), end, level));
        }
    }
    // That it flaps, or does no longer, changes no level.
    segments.dedup_by(|later, first| {
        let same = later.level == first.level && later.from == first.to;
        if same {
            first.to = later.to;
        }
        same
    });
    segments
}

#[cfg(test)]
mod tests {
    use lockstep_model::{HostName, ItemName, Value};

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + minute * 60).unwrap()
    }

    fn event(minute: i64, kind: EventKind, from: Level, to: Level) -> Event {
        Event {
            number: u64::try_from(minute).unwrap(),
            at: at(minute),
            host: HostName::parse("web1").unwrap(),
            item: ItemName::parse("cpu_load").unwrap(),
            kind,
            from,
            to,
            value: Value::None("x".into()),
            why: String::new(),
        }
    }

    fn drawn(
        events: &[Event],
        all: bool,
        state: Option<&ItemState>,
    ) -> Vec<(i64, i64, Option<u8>)> {
        let minute = |moment: Timestamp| (moment.as_second() - at(0).as_second()) / 60;
        segments(events, all, state, (at(0), at(60)), &LevelNames::default())
            .iter()
            .map(|it| (minute(it.from), minute(it.to), it.level.map(Level::rank)))
            .collect()
    }

    #[test]
    fn events_part_the_time() {
        use EventKind::{Data, Flapping, NoData};
        let events = [
            event(30, NoData, Level::SICK, Level::SICK),
            event(10, EventKind::Level, Level::FINE, Level::SICK),
            event(40, Data, Level::SICK, Level::SICK),
            event(50, Flapping, Level::SICK, Level::SICK),
        ];
        let all = [
            (0, 10, Some(0)),
            (10, 30, Some(2)),
            (30, 40, None),
            (40, 60, Some(2)),
        ];
        assert_eq!(drawn(&events, true, None), all);
        // Where older events are not known, what was before is not known.
        assert_eq!(drawn(&events, false, None), all[1..]);
    }

    #[test]
    fn a_time_without_events_is_as_it_is_now() {
        let mut state = ItemState {
            item: ItemName::parse("cpu_load").unwrap(),
            value: Value::Text("x".into()),
            level: Level::SOSO,
            since: at(-5),
            why: String::new(),
            no_data: false,
            flapping: false,
            pending: None,
        };
        assert_eq!(drawn(&[], true, Some(&state)), [(0, 60, Some(1))]);
        state.since = at(5);
        assert_eq!(drawn(&[], true, Some(&state)), [(5, 60, Some(1))]);
        state.since = at(60);
        assert!(drawn(&[], true, Some(&state)).is_empty());
        assert!(drawn(&[], true, None).is_empty());
    }
}
