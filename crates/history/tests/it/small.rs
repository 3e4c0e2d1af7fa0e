//! Single rules.

use jiff::Timestamp;
use lockstep_history::{Error, History, Kept, Measured};
use lockstep_model::{HistoryQuery, Interval, Retention, Sample, Span, Value, View};

use crate::world::{DAWN, World, at, days, host, item};

#[tokio::test]
async fn what_is_no_number_and_what_comes_twice_is_not_kept() {
    let mut world = World::new(Retention::default()).await;
    let load = item("cpu_load");
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e200] {
        world.record(DAWN, &load, value).await;
    }
    world.record(DAWN + 1, &load, 1.0).await;
    world.record(DAWN + 1, &load, 2.0).await;
    world.record(DAWN + 2, &load, 3.0).await;
    let values = [(load.clone(), 4.0, ""), (load.clone(), 5.0, "")];
    let samples = values.each_ref().map(|(item, value, unit)| Measured {
        host: None,
        item,
        value: *value,
        unit,
    });
    assert_eq!(
        world.history.record(at(DAWN + 3), &samples).await.unwrap(),
        1
    );
    let series = world.between(&load, DAWN, DAWN + 4, 4).await;
    let means: Vec<f64> = series.buckets.iter().map(|bucket| bucket.mean).collect();
    assert_eq!(means, [1.0, 3.0, 4.0]);
}

#[tokio::test]
async fn a_second_may_bring_several_rounds_of_different_items() {
    let mut world = World::new(Retention::default()).await;
    world.record(DAWN, &item("a"), 1.0).await;
    world.record(DAWN, &item("b"), 2.0).await;
    world.record(DAWN + 14_400, &item("b"), 3.0).await;
    world.check_views(DAWN + 14_400).await;
    world.reopen(Retention::default()).await;
    world.check_views(DAWN + 14_400).await;
}

#[tokio::test]
async fn an_item_without_history_is_said_to_have_none() {
    let mut world = World::new(Retention::default()).await;
    let query = HistoryQuery {
        host: None,
        item: item("cpu_load"),
        span: Span::View(View::Day),
        points: None,
    };
    let error = world.history.view(&query, at(DAWN)).await.unwrap_err();
    assert!(matches!(error, Error::Unknown { .. }));
    assert_eq!(error.to_string(), "there is no history of cpu_load");
    world.record(DAWN, &query.item, 1.0).await;
    let span = Span::Between {
        from: at(DAWN),
        to: at(DAWN),
    };
    let error = world
        .history
        .view(&HistoryQuery { span, ..query }, at(DAWN))
        .await;
    assert!(matches!(error.unwrap_err(), Error::Backwards { .. }));
}

#[tokio::test]
async fn the_ends_of_the_calendar_are_answered() {
    let mut world = World::new(Retention::default()).await;
    let load = item("cpu_load");
    world.record(DAWN, &load, 1.0).await;
    let span = Span::Between {
        from: Timestamp::MIN,
        to: Timestamp::MAX,
    };
    let series = world.ask(&load, span, None, DAWN).await;
    assert_eq!(series.buckets.len(), 1);
    for now in [Timestamp::MIN, Timestamp::MAX] {
        let query = HistoryQuery {
            host: None,
            item: load.clone(),
            span: Span::View(View::Year),
            points: None,
        };
        assert_eq!(world.history.view(&query, now).await.unwrap().buckets, []);
        world.history.zap(now).await.unwrap();
    }
}

#[tokio::test]
async fn hosts_and_items_are_told_apart_and_listed() {
    let history = World::new(Retention::default()).await.history;
    let sample = |host: Option<&str>, name: &str, value| Sample {
        host: host.map(crate::world::host),
        item: item(name),
        at: at(DAWN),
        value: Value::Number {
            value,
            unit: "s".into(),
        },
        verdict: None,
    };
    let mut samples = vec![
        sample(None, "ping:a", 0.001),
        sample(Some("ups1"), "ping:a", 0.002),
        sample(Some("ups1"), "ping:b", 0.003),
    ];
    samples.push(Sample {
        value: Value::Text("up".into()),
        ..sample(None, "state", 0.0)
    });
    let measured: Vec<_> = samples.iter().filter_map(Measured::of).collect();
    assert_eq!(history.record(at(DAWN), &measured).await.unwrap(), 3);
    let kept = |of: Option<&str>, name: &str| Kept {
        host: of.map(host),
        item: item(name),
        unit: "s".into(),
    };
    assert_eq!(
        history.items(),
        [
            kept(None, "ping:a"),
            kept(Some("ups1"), "ping:a"),
            kept(Some("ups1"), "ping:b")
        ]
    );
    let slots = history
        .slots(at(DAWN - 600), at(DAWN + 600), Interval::from_secs(600))
        .await
        .unwrap();
    let means: Vec<_> = slots
        .into_iter()
        .map(|slot| (slot.at, slot.host, slot.items))
        .collect();
    assert_eq!(
        means,
        [
            (at(DAWN), None, vec![(item("ping:a"), 0.001)]),
            (
                at(DAWN),
                Some(host("ups1")),
                vec![(item("ping:a"), 0.002), (item("ping:b"), 0.003)]
            ),
        ]
    );
}

#[tokio::test]
async fn slots_are_the_means_of_ten_minutes_and_at_most_fifty_at_once() {
    let mut world = World::new(Retention::default()).await;
    let load = item("cpu_load");
    for minute in 0..1_000_u32 {
        let second = DAWN + i64::from(minute) * 60;
        world.record(second, &load, f64::from(minute)).await;
    }
    let ten = Interval::from_secs(600);
    let slots = world
        .history
        .slots(at(DAWN + 1), at(DAWN + 3_000), ten)
        .await
        .unwrap();
    let means: Vec<(i64, f64)> = slots
        .iter()
        .map(|slot| (slot.at.as_second() - DAWN, slot.items[0].1))
        .collect();
    assert_eq!(
        means,
        [(600, 14.5), (1_200, 24.5), (1_800, 34.5), (2_400, 44.5)]
    );
    let slots = world
        .history
        .slots(at(DAWN), at(DAWN + 60_000), ten)
        .await
        .unwrap();
    assert_eq!(slots.len(), History::MOST_SLOTS);
    let last = slots.last().unwrap().at + ten.duration();
    let rest = world
        .history
        .slots(last, at(DAWN + 60_000), ten)
        .await
        .unwrap();
    assert_eq!(rest.len(), 50);
}

#[tokio::test]
async fn a_slope_needs_half_of_its_time() {
    let mut world = World::new(Retention::default()).await;
    let disk = item("disk_free:/");
    let hour = Interval::from_secs(3_600);
    let slope =
        async |world: &World, second| world.history.slope(None, &disk, hour, at(second)).await;
    for minute in 0..=60 {
        let second = DAWN + minute * 60;
        let value = 1e9 - (minute * 4096) as f64;
        world.round(second, &[(disk.clone(), value, "bytes")]).await;
        let found = slope(&world, second).await.unwrap();
        if minute < 30 {
            assert_eq!(found, None, "after {minute} minutes");
        }
        if minute >= 31 {
            let found = found.unwrap();
            assert!((found.per_second + 4096.0 / 60.0).abs() < 1e-6);
            // The sample of this very second is not in the past yet.
            assert!((found.latest - value).abs() <= 4096.0, "{}", found.latest);
        }
    }
}

#[tokio::test]
async fn many_items_at_a_quick_pace_are_packed_before_they_fill_the_memory() {
    let mut world = World::new(days(1, 2, 3)).await;
    let names: Vec<_> = (0..300)
        .map(|index| item(&format!("script:{index}")))
        .collect();
    for second in 0..300 {
        let values: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(index, name)| (name.clone(), ((second as usize * index) % 97) as f64, ""))
            .collect();
        world.round(DAWN + second, &values).await;
    }
    for name in names.iter().step_by(37) {
        world.check(&world.between(name, DAWN, DAWN + 300, 300).await);
    }
}

#[tokio::test]
async fn a_zap_that_is_run_again_has_nothing_left_to_do() {
    let mut world = World::new(days(1, 6, 40)).await;
    let load = item("cpu_load");
    for step in 0..2_000 {
        world
            .record(DAWN + step * 600, &load, (step % 50) as f64)
            .await;
    }
    let now = DAWN + 2_000 * 600;
    let first = world.history.zap(at(now)).await.unwrap();
    assert!(first.folded > 10 && first.deleted > 10, "{first:?}");
    world.check_views(now).await;
    assert_eq!(
        world.history.zap(at(now)).await.unwrap(),
        lockstep_history::Zapped::default()
    );
    world.reopen(days(1, 6, 40)).await;
    assert_eq!(
        world.history.zap(at(now)).await.unwrap(),
        lockstep_history::Zapped::default()
    );
    world.check_views(now).await;
}

#[tokio::test]
async fn an_item_that_is_gone_for_longer_than_anything_is_kept_is_forgotten() {
    let mut world = World::new(days(1, 2, 3)).await;
    let (gone, stays) = (item("container:1"), item("cpu_load"));
    world.record(DAWN, &gone, 1.0).await;
    for step in 0..2_500 {
        world.record(DAWN + 600 + step * 600, &stays, 1.0).await;
        if step % 100 == 0 {
            world
                .history
                .zap(at(DAWN + 600 + step * 600))
                .await
                .unwrap();
        }
    }
    let names: Vec<_> = world
        .history
        .items()
        .into_iter()
        .map(|kept| kept.item)
        .collect();
    assert_eq!(names, [stays]);
}

#[tokio::test]
async fn the_newest_unit_counts() {
    let mut world = World::new(Retention::default()).await;
    let script = item("script:x");
    world.round(DAWN, &[(script.clone(), 1.0, "")]).await;
    world.round(DAWN + 60, &[(script.clone(), 2.0, "%")]).await;
    assert_eq!(world.view(&script, View::Hour, DAWN + 60).await.unit, "%");
    world.reopen(Retention::default()).await;
    assert_eq!(world.view(&script, View::Hour, DAWN + 60).await.unit, "%");
}
