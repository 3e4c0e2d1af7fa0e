//! A long time in the life of a host.

use lockstep_model::View;

use crate::world::{DAWN, World, at, days, item};

const DAY: i64 = 86_400;

/// A pace at which a year takes seconds, and each view has a sample for each of its buckets.
fn pace(left: i64) -> i64 {
    match left {
        ..86_400 => 60,
        86_400..691_200 => 600,
        _ => 3_600,
    }
}

#[tokio::test]
async fn after_a_year_each_view_has_its_rows_and_its_sums() {
    let mut world = World::new(days(2, 90, 730)).await;
    let (load, disk) = (item("cpu_load"), item("disk_usage:/"));
    let mut second = DAWN + 12_345;
    let end = second + 370 * DAY;
    while second < end {
        second += pace(end - second);
        let day = (second % DAY) as f64 / DAY as f64;
        let values = [
            (load.clone(), 1.0 + day, ""),
            (disk.clone(), 50.0 + ((second - DAWN) as f64 / 1e6), "%"),
        ];
        world.round(second, &values).await;
        if second % DAY < pace(end - second) {
            world.history.zap(at(second)).await.unwrap();
        }
    }
    for view in View::ALL {
        let series = world.view(&load, view, second).await;
        assert!(
            series.buckets.len().abs_diff(view.buckets() as usize) <= 1,
            "{view}: {} rows",
            series.buckets.len()
        );
    }
    world.check_views(second).await;
    let size = world.history.size_bytes().await.unwrap();
    assert!(size < 2_000_000, "{size} bytes");

    // The disk grows by 0.0864 % a day.
    let slope = world.history.slope(
        None,
        &disk,
        lockstep_model::Interval::from_secs(86_400),
        at(second),
    );
    let slope = slope.await.unwrap().unwrap();
    assert!((slope.per_second - 1e-6).abs() < 2e-8, "{slope:?}");
}

#[tokio::test]
async fn what_has_expired_is_gone_and_its_space_is_used_again() {
    let mut world = World::new(days(2, 5, 10)).await;
    let load = item("cpu_load");
    let mut sizes = Vec::new();
    let mut second = DAWN;
    for _ in 0..60 {
        for _ in 0..144 {
            second += 600;
            let value = (second / 7 % 1_000) as f64 / 100.0;
            world.record(second, &load, value).await;
        }
        world.history.zap(at(second)).await.unwrap();
        sizes.push(world.history.size_bytes().await.unwrap());
    }
    assert!(sizes[59] <= sizes[30] + 65_536, "{sizes:?}");
    let old = world.between(&load, DAWN, second - 16 * DAY, 100).await;
    assert_eq!(old.buckets, []);
    let kept = world
        .between(&load, second - 10 * DAY, second + 1, 100)
        .await;
    world.check(&kept);
    assert!(!kept.buckets.is_empty());
}
