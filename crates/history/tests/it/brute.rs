//! Views against the sum over all samples.

use lockstep_model::{Span, View};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::world::{DAWN, World, days, item};

/// What a series' values are like.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Share,
    Constant,
    Counter,
    Bytes,
    Latency,
    Anything,
}

#[derive(Debug, Clone)]
struct Plan {
    kinds: Vec<Kind>,
    /// How many rounds, with how many seconds between two.
    stretches: Vec<(u16, u32)>,
    seed: u64,
    zap_every: usize,
    points: u32,
}

fn plan() -> impl Strategy<Value = Plan> {
    use Kind::*;
    let kinds = prop::sample::subsequence(
        vec![Share, Constant, Counter, Bytes, Latency, Anything],
        1..=4,
    );
    // Mostly a steady pace, now and then a gap of up to a week.
    let stretch = prop_oneof![
        4 => (1_u16..120, prop::sample::select(vec![1_u32, 10, 60, 61, 300, 900])),
        1 => (1_u16..3, 600_u32..600_000),
    ];
    let stretches = prop::collection::vec(stretch, 1..12);
    (kinds, stretches, any::<u64>(), 5_usize..200, 1_u32..300).prop_map(
        |(kinds, stretches, seed, zap_every, points)| Plan {
            kinds,
            stretches,
            seed,
            zap_every,
            points,
        },
    )
}

fn value(kind: Kind, random: &mut fastrand::Rng, round: usize) -> (f64, &'static str) {
    match kind {
        Kind::Share => (random.f64() * 100.0, "%"),
        Kind::Constant => (17.25, ""),
        Kind::Counter => ((round as u64 * 1_000 + random.u64(0..900)) as f64, ""),
        Kind::Bytes => ((random.u64(0..1 << 30) * 4096) as f64, "bytes"),
        Kind::Latency => (random.f64().powi(8) * 3.0, "s"),
        Kind::Anything => match random.u8(0..8) {
            0 => (f64::NAN, "V"),
            1 => (f64::INFINITY, "V"),
            2 => (1e300, "V"),
            3 => (-1e90, "V"),
            4 => (random.f64() * 1e-9, "V"),
            5 => (-random.f64() * 1e12, "V"),
            6 => (0.0, "V"),
            _ => (random.f64(), "V"),
        },
    }
}

async fn play(plan: Plan) -> TestCaseResult {
    let mut world = World::new(days(3, 20, 400)).await;
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut second = DAWN + random.i64(0..500_000);
    let begin = second;
    let mut rounds = 0;
    for (count, pace) in plan.stretches {
        for _ in 0..count {
            second += i64::from(pace);
            rounds += 1;
            let mut values = Vec::new();
            for &kind in &plan.kinds {
                let (value, unit) = value(kind, &mut random, rounds);
                // Each probe fails now and then.
                if random.u8(0..10) > 0 {
                    values.push((item(&format!("item:{kind:?}")), value, unit));
                }
            }
            world.round(second, &values).await;
            if rounds % plan.zap_every == 0 {
                world.history.zap(crate::world::at(second)).await.unwrap();
            }
        }
    }
    world.check_views(second).await;
    for name in world.told.keys() {
        let all = world.between(name, begin, second + 1, plan.points).await;
        world.check(&all);
        let total: u64 = all.buckets.iter().map(|bucket| bucket.count).sum();
        prop_assert_eq!(total, world.told[name].len() as u64);
        let middle = (begin + second) / 2;
        world.check(&world.between(name, middle, second + 1, plan.points).await);
        for view in View::ALL {
            world.check(
                &world
                    .ask(name, Span::View(view), Some(plan.points), second)
                    .await,
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_view_is_the_sum_over_all_samples(plan in plan()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(play(plan))?;
    }
}
