//! When each host of a fleet begins a change that none of them was told to begin at a certain moment.
//!
//! A [`Spread`] is a curve: which share of the hosts has begun after which time. A host's own moment is where the
//! curve reaches its draw, and the draw comes from a seed that stays the same for the same change on the same host:
//! [`stable_hash`] of host, package and version. So a host that is restarted, or asked twice, comes to the same moment.
//!
//! [`stable_hash`]: crate::schedule::stable_hash

use std::time::Duration;

use lockstep_model::Spread;

/// Where the Gamma curve ends.
const GAMMA_END: Duration = Duration::from_secs(24 * 3600);
/// The scale of the Gamma curve, in seconds.
const GAMMA_SCALE_S: f64 = 2.0 * 3600.0;
/// Numbers that a draw can be: as many as a floating-point number tells apart below 1.
const DRAWS: f64 = (1u64 << 53) as f64;

/// How long after the beginning a host begins whose seed is this one. It is the inverse of [`share`] at a number from 0
/// to just below 1 that is made of the seed's higher 53 bits, to the nanosecond, and always before the curve's end.
#[must_use]
pub fn delay(spread: &Spread, seed: u64) -> Duration {
    let draw = (seed >> 11) as f64 / DRAWS;
    // At `late` the curve is above the draw, and at `early`, where that is not the beginning, it is not.
    let (mut early, mut late) = (0, nanoseconds(end(spread)));
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        if share(spread, Duration::from_nanos(middle)) <= draw {
            early = middle;
        } else {
            late = middle;
        }
    }
    Duration::from_nanos(early)
}

/// Which share of the hosts has begun after so long, from 0 to 1.
///
/// Gamma is the distribution function of the Gamma distribution with shape 3 and scale 2 hours, cut off at 24 hours and
/// scaled so that it is 1 there: with `y` in scales, `1 - (1 + y + y²/2) / eʸ`.
#[must_use]
pub fn share(spread: &Spread, after: Duration) -> f64 {
    if after >= end(spread) {
        return 1.0;
    }
    match spread {
        Spread::None => 1.0,
        Spread::Gamma => gamma(after) / gamma(GAMMA_END),
        Spread::Points(points) => {
            let mut before = (Duration::ZERO, 0.0);
            for (time, percent) in points {
                let point = (time.duration(), f64::from(*percent) / 100.0);
                if after < point.0 {
                    let way = (after - before.0).as_secs_f64() / (point.0 - before.0).as_secs_f64();
                    return before.1 + (point.1 - before.1) * way;
                }
                before = point;
            }
            1.0
        }
    }
}

/// When all have begun.
fn end(spread: &Spread) -> Duration {
    match spread {
        Spread::None => Duration::ZERO,
        Spread::Gamma => GAMMA_END,
        Spread::Points(points) => points
            .last()
            .map_or(Duration::ZERO, |(time, _)| time.duration()),
    }
}

/// The distribution function, not cut off.
fn gamma(after: Duration) -> f64 {
    let y = after.as_secs_f64() / GAMMA_SCALE_S;
    if y >= 1.0 {
        return 1.0 - (-y).exp() * (1.0 + y + y * y / 2.0);
    }
    // Near the beginning that would be a difference of two numbers which are almost the same. It equals the rest of the
    // exponential series, of which 1/25! is below everything that a floating-point number tells apart.
    let mut term = y * y * y / 6.0;
    let mut sum = 0.0;
    for n in 4..=25 {
        sum += term;
        term *= y / f64::from(n);
    }
    (-y).exp() * sum
}

/// Nanoseconds of a duration; the longest interval has 59 bits of them.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use lockstep_model::Interval;
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::stable_hash;

    const HOUR: u64 = 3600;

    fn hours(hours: u64) -> Duration {
        Duration::from_secs(hours * HOUR)
    }

    fn draws() -> Vec<Duration> {
        let seeds = (0u64..100_000).map(|n| stable_hash(&[n.to_le_bytes()]));
        seeds.map(|seed| delay(&Spread::Gamma, seed)).collect()
    }

    /// By the letter of the ancestor's documentation: x in hours.
    fn ancestor(x: f64) -> f64 {
        let gamma = |x: f64| 1.0 - (-x / 2.0).exp() * (1.0 + x / 2.0 + x * x / 8.0);
        gamma(x) / gamma(24.0)
    }

    #[test]
    fn a_fleet_begins_by_the_gamma_curve() {
        let mut draws = draws();
        draws.sort();
        assert!(*draws.last().unwrap() < hours(24));
        let n = draws.len() as f64;
        let distance = draws.iter().enumerate().map(|(rank, delay)| {
            let wanted = ancestor(delay.as_secs_f64() / 3600.0);
            let (below, above) = (rank as f64 / n, (rank + 1) as f64 / n);
            (wanted - below).abs().max((above - wanted).abs())
        });
        let distance = distance.fold(0.0, f64::max);
        assert!(distance < 0.01, "Kolmogorov-Smirnov distance {distance}");
        let begun = |after| draws.partition_point(|&it| it <= after) as f64 / n;
        assert!(
            (begun(hours(6)) - 0.577).abs() < 0.005,
            "{}",
            begun(hours(6))
        );
        assert!(
            (begun(hours(11)) - 0.912).abs() < 0.003,
            "{}",
            begun(hours(11))
        );
    }

    #[test]
    fn the_gamma_curve_is_the_ancestors() {
        for minute in 1..24 * 60 {
            let wanted = ancestor(f64::from(minute) / 60.0);
            let found = share(
                &Spread::Gamma,
                Duration::from_secs(u64::from(minute * 60u32)),
            );
            assert!(
                (found - wanted).abs() < 1e-12,
                "minute {minute}: {found} {wanted}"
            );
        }
        assert_eq!(share(&Spread::Gamma, Duration::ZERO), 0.0);
        assert_eq!(share(&Spread::Gamma, hours(24)), 1.0);
        assert_eq!(share(&Spread::Gamma, Duration::MAX), 1.0);
        assert!((share(&Spread::Gamma, hours(6)) - 0.577).abs() < 0.0005);
    }

    #[test]
    fn draws_never_change() {
        // A host that is upgraded in the middle of a change keeps its moment.
        let seed = stable_hash(&["web1", "driveclient", "1.20.3"]);
        assert_eq!(delay(&Spread::Gamma, seed).as_millis(), GOLDEN_MS);
    }
    /// Reckoned by another program.
    const GOLDEN_MS: u128 = 26027468;

    #[test]
    fn none_is_at_once() {
        for seed in [0, 1, u64::MAX / 2, u64::MAX] {
            assert_eq!(delay(&Spread::None, seed), Duration::ZERO);
            assert_eq!(delay(&Spread::Points(Vec::new()), seed), Duration::ZERO);
        }
        assert_eq!(share(&Spread::None, Duration::ZERO), 1.0);
    }

    #[test]
    fn curves_of_points_go_through_them() {
        let curve = Spread::parse("6h:50%, 11h:90%, 14h:100%").unwrap();
        let table = [
            (0, 0.0),
            (3, 0.25),
            (6, 0.5),
            (11, 0.9),
            (14, 1.0),
            (99, 1.0),
        ];
        for (hour, wanted) in table {
            assert_eq!(share(&curve, hours(hour)), wanted, "{hour}");
        }
        let early = delay(&curve, u64::MAX / 4);
        assert!(
            early.abs_diff(hours(3)) < Duration::from_millis(1),
            "{early:?}"
        );
        assert!(delay(&curve, u64::MAX) < hours(14));
        assert_eq!(delay(&curve, 0), Duration::ZERO);
    }

    fn curve() -> impl Strategy<Value = Spread> {
        let steps = proptest::collection::vec((1u64..100_000_000, 1u8..20), 0..5);
        let points = steps.prop_map(|steps| {
            let (mut time, mut percent, mut points) = (0, 0, Vec::new());
            for (more, share) in steps {
                time += more;
                percent += share;
                points.push((Interval::from_millis(time), percent));
            }
            points.push((Interval::from_millis(time + 1000), 100));
            Spread::Points(points)
        });
        prop_oneof![Just(Spread::Gamma), points]
    }

    proptest! {
        #[test]
        fn the_delay_is_the_inverse_of_the_share(curve in curve(), seed: u64) {
            let draw = (seed >> 11) as f64 / (1u64 << 53) as f64;
            let delay = delay(&curve, seed);
            let found = share(&curve, delay);
            prop_assert!((found - draw).abs() < 1e-9, "{found} for {draw}");
            prop_assert!(found <= draw || delay.is_zero());
            prop_assert!(share(&curve, delay + Duration::from_nanos(1)) > draw - 1e-12);
        }

        #[test]
        fn curves_grow(curve in curve(), one in 0u64..200_000_000, more in 1u64..100_000_000) {
            let (one, other) = (Duration::from_millis(one), Duration::from_millis(one + more));
            prop_assert!((0.0..=1.0).contains(&share(&curve, one)));
            prop_assert!(share(&curve, one) <= share(&curve, other));
        }

        #[test]
        fn who_draws_less_begins_no_later(curve in curve(), one: u64, other: u64) {
            let (less, more) = (one.min(other), one.max(other));
            prop_assert!(delay(&curve, less) <= delay(&curve, more));
        }
    }
}
