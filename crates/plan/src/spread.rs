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
