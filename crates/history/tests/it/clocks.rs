//! Clocks that are wrong.

use lockstep_model::{Retention, View};

use crate::world::{DAWN, World, at, days, item};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// Records a sample each five minutes, and zaps each hour.
async fn run(world: &mut World, from: i64, to: i64) {
    let load = item("cpu_load");
    let mut second = from;
    while second < to {
        world
            .record(second, &load, (second / 300 % 100) as f64)
            .await;
        if second % HOUR < 300 {
            world.history.zap(at(second)).await.unwrap();
        }
        second += 300;
    }
}

/// Records what must not be kept.
async fn ignored(world: &World, second: i64) {
    let load = item("cpu_load");
    let sample = lockstep_history::Measured {
        host: None,
        item: &load,
        value: -1.0,
        unit: "",
    };
    assert_eq!(
        world.history.record(at(second), &[sample]).await.unwrap(),
        0
    );
}

#[tokio::test]
async fn a_clock_that_goes_back_a_little_costs_the_time_until_it_has_caught_up() {
    let mut world = World::new(Retention::default()).await;
    run(&mut world, DAWN, DAWN + 2 * HOUR).await;
    for minute in 0..44 {
        ignored(&world, DAWN + 2 * HOUR - 50 * 60 + minute * 60).await;
    }
    run(&mut world, DAWN + 2 * HOUR, DAWN + 6 * HOUR).await;
    world.check_views(DAWN + 6 * HOUR).await;
}

#[tokio::test]
async fn a_clock_that_stays_back_is_believed_after_an_hour() {
    for ahead in [2 * HOUR, 5 * HOUR, 3 * DAY, 400 * DAY] {
        let mut world = World::new(days(2, 30, 800)).await;
        let load = item("cpu_load");
        let right = DAWN + 9 * DAY + 247 * 300;
        run(&mut world, DAWN, right).await;
        // The clock is wrong for three hours.
        run(&mut world, right + ahead, right + ahead + 3 * HOUR).await;
        let wrong = right + 3 * HOUR;
        for minute in 0..60 {
            ignored(&world, wrong + minute * 60).await;
        }
        // From then on what came by the wrong clock is gone, and nothing else.
        let told = world.told.get_mut(&load).unwrap();
        told.retain(|sample| sample.0 < wrong + HOUR);
        run(&mut world, wrong + HOUR, wrong + 2 * DAY).await;
        let now = wrong + 2 * DAY;
        world.check_views(now).await;
        let all = world.between(&load, DAWN, now, 500).await;
        world.check(&all);
        world.reopen(days(2, 30, 800)).await;
        world.check_views(now).await;
    }
}

#[tokio::test]
async fn a_leap_ahead_does_not_expire_the_past_before_a_day_is_over() {
    let mut world = World::new(days(1, 2, 3)).await;
    let load = item("cpu_load");
    run(&mut world, DAWN, DAWN + 2 * DAY).await;
    let leap = DAWN + 4_000 * DAY;
    run(&mut world, leap, leap + 20 * HOUR).await;
    let past = world.between(&load, DAWN, DAWN + 2 * DAY, 48).await;
    assert_eq!(past.buckets.len(), 48, "the past is still there");
    world.check(&past);
    run(&mut world, leap + 20 * HOUR, leap + 2 * DAY).await;
    let past = world.between(&load, DAWN, DAWN + 2 * DAY, 48).await;
    assert_eq!(
        past.buckets,
        [],
        "the clock went on, so it was the host that was off"
    );
    let new = world.view(&load, View::Week, leap + 2 * DAY).await;
    assert!(new.buckets.len() >= 24);
    world.check(&world.view(&load, View::Day, leap + 2 * DAY).await);
}

#[tokio::test]
async fn a_zap_by_a_clock_that_no_sample_was_taken_by_expires_nothing() {
    let mut world = World::new(days(1, 2, 3)).await;
    run(&mut world, DAWN, DAWN + DAY).await;
    let done = world.history.zap(at(DAWN + 4_000 * DAY)).await.unwrap();
    assert_eq!(done.deleted, 0);
    world.check_views(DAWN + DAY).await;
    run(&mut world, DAWN + DAY, DAWN + DAY + HOUR).await;
    world.check_views(DAWN + DAY + HOUR).await;
}
