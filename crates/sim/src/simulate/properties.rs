//! What must hold of simulations, whatever the strategy.

use std::time::Duration;

use lockstep_model::{RolloutId, Strategy};
use serde_json::json;

use super::agreement::{any_settings, any_strategy};
use super::{End, Exposure, Fleet, Healthy, Settings, impossible, runs, simulate, svg};

const HOSTS: u32 = 1000;

fn quiet() -> Settings {
    let start = "2026-03-02T09:00:00Z".parse().unwrap();
    Settings {
        offline: 0.0,
        fail: 0.0,
        noise: 0.0,
        ..Settings::new(start, "2.0.0".parse().unwrap())
    }
}

fn strategy(keys: serde_json::Value) -> Strategy {
    serde_json::from_value(keys).unwrap()
}

fn fleet(strategy: &Strategy) -> Fleet {
    Fleet::invented(HOSTS, strategy, RolloutId(1))
}

#[test]
fn equal_seeds_give_equal_outcomes() {
    for seed in 0..5 {
        let mut luck = fastrand::Rng::with_seed(seed);
        let (strategy, mut settings) = (any_strategy(&mut luck), any_settings(&mut luck));
        settings.step = Duration::from_secs(1);
        let fleet = Fleet::invented(100, &strategy, RolloutId(seed));
        let [one, other] = [(); 2].map(|()| simulate(&fleet, &strategy, &settings, seed));
        assert_eq!(
            (one.proven, one.why),
            (other.proven, other.why),
            "seed {seed}"
        );
    }
}

#[test]
fn limits_hold_whatever_the_strategy() {
    for seed in 0..30 {
        let mut luck = fastrand::Rng::with_seed(seed);
        let (strategy, mut settings) = (any_strategy(&mut luck), any_settings(&mut luck));
        settings.step = Duration::from_secs(1);
        let fleet = Fleet::invented(150, &strategy, RolloutId(seed));
        let outcome = simulate(&fleet, &strategy, &settings, seed);
        if let Some(limit) = strategy.in_flight {
            let limit = limit.of(150).max(1);
            assert!(
                outcome.in_flight <= limit,
                "seed {seed}: {} of {limit}",
                outcome.in_flight
            );
        }
        assert!(
            outcome.load.downloads <= settings.downloads as usize,
            "seed {seed}"
        );
        assert!(outcome.load.bytes <= settings.uplink * 1.001, "seed {seed}");
        assert!(outcome.proven.is_sorted(), "seed {seed}");
        assert!(
            outcome.proven.len() + outcome.failed <= outcome.let_go,
            "seed {seed}"
        );
        let sizes: usize = outcome.waves.iter().map(|wave| wave.hosts).sum();
        assert_eq!(sizes, 150, "seed {seed}");
        for pair in outcome.waves.windows(2) {
            let Some(opened) = pair[1].opened_at else {
                continue;
            };
            let baked = pair[0].proven_at.unwrap() + strategy.bake.duration();
            assert!(opened >= baked, "seed {seed}: {opened} before {baked}");
            assert!(strategy.windows.is_open(opened), "seed {seed}: {opened}");
        }
        if outcome.end == End::Done && settings.offline == 0.0 {
            assert_eq!(
                outcome.let_go,
                outcome.proven.len() + outcome.failed,
                "seed {seed}"
            );
        }
    }
}

#[test]
fn smaller_waves_never_expose_more_hosts_to_a_bad_release() {
    let reaches = ["1%", "5%", "20%", "50%"].map(|first| {
        let strategy = strategy(json!({"waves": [first, "100%"], "bake": "10m", "domain": "rack"}));
        let fleet = fleet(&strategy);
        let risk = Exposure::of(&fleet, &strategy, &quiet(), 0.5, 20, 1);
        assert_eq!((risk.runs, risk.stopped), (20, 20), "{first}");
        risk.hosts
    });
    assert!(reaches.is_sorted(), "{reaches:?}");
    assert_eq!(reaches[0], 10);
    assert!(reaches[3] <= 500);
}

#[test]
fn a_longer_bake_never_finishes_earlier() {
    let took = ["1s", "1m", "10m", "1h", "6h"].map(|bake| {
        let strategy = strategy(json!({"waves": ["1", "10%", "100%"], "bake": bake}));
        let outcome = simulate(&fleet(&strategy), &strategy, &quiet(), 7);
        assert_eq!(outcome.end, End::Done);
        assert_eq!(outcome.proven.len(), HOSTS as usize);
        outcome.took()
    });
    assert!(took.is_sorted(), "{took:?}");
    // Nothing but the bake differs: six hours twice, instead of a second.
    let more = took[4] - took[0];
    assert!(more >= Duration::from_secs(2 * 6 * 3600 - 2), "{more:?}");
}

#[test]
fn a_tighter_limit_never_finishes_earlier() {
    let took = [
        ("100%", "1GB"),
        ("10%", "1GB"),
        ("10%", "20MB"),
        ("1%", "20MB"),
    ]
    .map(|(flight, site)| {
        let strategy = strategy(json!({
            "waves": ["100%"], "in_flight": flight, "site": "site", "site_bytes": site,
        }));
        simulate(&fleet(&strategy), &strategy, &quiet(), 7).took()
    });
    // A host that goes later finds a less busy line: a minute is not told apart.
    let slack = Duration::from_secs(60);
    assert!(
        took.windows(2).all(|pair| pair[0] <= pair[1] + slack),
        "{took:?}"
    );
    assert!(took[0] + 4 * slack < took[3]);
}

#[test]
fn a_good_release_on_a_quiet_fleet_is_never_stopped() {
    let strategy = Strategy::default();
    let healthy = Healthy::of(&fleet(&strategy), &strategy, &quiet(), 20, 1);
    assert_eq!((healthy.done, healthy.plan_run), (20, 1));
    // 1 - 0.05^(1/20).
    assert!(
        (healthy.chance_below - 0.139).abs() < 0.001,
        "{}",
        healthy.chance_below
    );
}

#[test]
fn what_can_never_finish_is_said_with_its_rule() {
    let blackout = strategy(json!({"blackouts": ["01-01..06-30", "07-01..12-31"]}));
    let why = impossible(&blackout, 10, &quiet()).unwrap();
    assert!(why.contains("no window opens"), "{why}");
    let outcome = simulate(&fleet(&blackout), &blackout, &quiet(), 1);
    assert_eq!((outcome.end, outcome.let_go), (End::Stuck, 0));
    let all_fit = strategy(json!({"fit": "100%"}));
    let why = impossible(&all_fit, 10, &quiet()).unwrap();
    assert!(why.contains("fit = \"100%\": 10 of 10"), "{why}");
    let outcome = simulate(&fleet(&all_fit), &all_fit, &quiet(), 1);
    assert_eq!((outcome.end, outcome.let_go), (End::Stuck, 0));
    assert!(outcome.why.contains("fit"), "{}", outcome.why);
    assert_eq!(impossible(&Strategy::default(), 10, &quiet()), None);
}

#[test]
fn large_fleets_get_fewer_simulations() {
    assert_eq!(runs(100, 1000), 100);
    assert_eq!(runs(100, 20_000), 50);
    assert_eq!(runs(100, 1_000_000), 1);
    assert_eq!(runs(100, 0), 100);
}

#[test]
fn drawings_are_whole() {
    for seed in 0..10 {
        let mut luck = fastrand::Rng::with_seed(seed);
        let (strategy, mut settings) = (any_strategy(&mut luck), any_settings(&mut luck));
        settings.step = Duration::from_secs(1);
        let fleet = Fleet::invented(60, &strategy, RolloutId(seed));
        let outcome = simulate(&fleet, &strategy, &settings, seed);
        let drawing = svg::draw(&outcome, &strategy, 60, "a <b> & c");
        assert!(
            drawing.starts_with("<svg ") && drawing.ends_with("</svg>\n"),
            "seed {seed}"
        );
        assert!(drawing.contains("a &lt;b&gt; &amp; c"), "seed {seed}");
        assert!(
            !drawing.contains("NaN") && !drawing.contains("inf"),
            "seed {seed}"
        );
        for tag in ["text", "title", "desc", "style", "svg"] {
            let opened = drawing.matches(&format!("<{tag}")).count();
            assert_eq!(
                opened,
                drawing.matches(&format!("</{tag}>")).count(),
                "seed {seed}: {tag}"
            );
        }
        assert!(drawing.len() < 200_000, "seed {seed}: {}", drawing.len());
    }
}
