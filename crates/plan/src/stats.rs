//! Exact tests for small numbers: is it chance that more of these hosts are unwell than of those, and how many may
//! fail where none or few have failed so far?
//!
//! Nothing is approximated by a normal distribution: first waves are too small for that. Both distributions in here
//! have one peak, and the ratio of neighbouring weights is simple. So weights are summed outwards from the peak, whose
//! own is taken for one, until nothing changes any more, and only then divided by their sum. There are no large
//! factorials whose errors would have to cancel; the relative error stays below 1e-9 for a million hosts.

/// Most hosts that are compared. The work grows with the square root of their number.
pub const MOST_HOSTS: u64 = 100_000_000;

/// A weight below which the sum on a side is taken for nothing. What is as unlikely as that comes out as 0.
const NOTHING: f64 = 1e-300;

/// A share of a sum that no longer changes it.
const NEGLIGIBLE: f64 = 1e-18;

/// How likely it is that chance alone puts at least `worse_treated` of all worse hosts among the `treated`, where
/// `worse_control` of `control` others are worse as well: the exact test of Fisher (1934), on one side. Small values
/// say that the treatment made hosts worse. It never is small where fewer of the treated are worse.
///
/// More worse hosts than there are count as all; of more than [`MOST_HOSTS`] nothing is said, which is 1.
#[must_use]
pub fn fisher_one_sided(worse_treated: u64, treated: u64, worse_control: u64, control: u64) -> f64 {
    if treated > MOST_HOSTS || control > MOST_HOSTS {
        return 1.0;
    }
    let worse_treated = worse_treated.min(treated);
    let worse = worse_treated + worse_control.min(control);
    let all = treated + control;
    // How many of the worse can be among the treated, and how many most likely are.
    let (lowest, highest) = (worse.saturating_sub(control), worse.min(treated));
    let peak = product(worse + 1, treated + 1) / u128::from(all + 2);
    let peak = u64::try_from(peak)
        .unwrap_or(highest)
        .clamp(lowest, highest);
    let ratio = |k: u64| {
        // From k to k + 1; k is below both and at least as high as `lowest`, so that nothing goes below zero.
        float(worse - k) * float(treated - k) / (float(k + 1) * float(control + k + 1 - worse))
    };
    Sides::of(lowest, highest, peak, worse_treated, ratio).share_from()
}

/// The smallest value that [`fisher_one_sided`] can come to where `worse_total` hosts are worse: as many of them as
/// possible are among the treated.
#[must_use]
pub fn smallest_possible(treated: u64, control: u64, worse_total: u64) -> f64 {
    let worse_treated = worse_total.min(treated);
    fisher_one_sided(worse_treated, treated, worse_total - worse_treated, control)
}

/// True if any outcome at all could come to `alpha` or below. With too few hosts on one side none can, and a gate
/// that asked for it would let everything pass.
#[must_use]
pub fn can_decide(treated: u64, control: u64, alpha: f64) -> bool {
    // The clearest of all outcomes: exactly the treated are worse. Fewer or more worse hosts are likelier by chance.
    smallest_possible(treated, control, treated) <= alpha
}

/// The largest share of hosts that may fail in truth, where `failures` of `hosts` did: were it larger, so few failures
/// would be seen less often than in one of `1 / (1 - confidence)` cases. The upper bound of Clopper and Pearson (1934),
/// on one side.
///
/// It is 1 where nothing was tried, where all failed, and for more than [`MOST_HOSTS`].
#[must_use]
pub fn binomial_upper(failures: u64, hosts: u64, confidence: f64) -> f64 {
    if failures >= hosts || hosts > MOST_HOSTS || confidence.is_nan() || confidence >= 1.0 {
        return 1.0;
    }
    let doubt = 1.0 - confidence;
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    // Halving stops where no number lies between; from 1 down to the smallest bound of interest it takes about 80.
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if at_most(failures, hosts, middle) > doubt {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// How likely at most `failures` of `hosts` fail, of which each fails with this probability, above 0 and below 1.
fn at_most(failures: u64, hosts: u64, probability: f64) -> f64 {
    let odds = probability / (1.0 - probability);
    let peak = (float(hosts + 1) * probability) as u64;
    let ratio = |k: u64| float(hosts - k) / float(k + 1) * odds;
    Sides::of(0, hosts, peak.min(hosts), failures + 1, ratio).share_below()
}

/// A distribution over whole numbers, in two parts: the weights below a number, and those from it on.
struct Sides {
    below: f64,
    from: f64,
}

impl Sides {
    /// Sums the weights of `lowest..=highest`. The weight at `peak` is 1, none is larger, and `ratio(k)` is the weight
    /// at `k + 1` divided by the one at `k`; it falls as `k` grows.
    fn of(lowest: u64, highest: u64, peak: u64, number: u64, ratio: impl Fn(u64) -> f64) -> Self {
        let mut sides = Self {
            below: 0.0,
            from: 0.0,
        };
        *sides.at(peak, number) += 1.0;
        let mut weight = 1.0;
        for k in peak..highest {
            weight *= ratio(k);
            let sum = sides.at(k + 1, number);
            *sum += weight;
            // Behind the number only one of both sums still grows.
            if weight < NOTHING || (k >= number && weight < *sum * NEGLIGIBLE) {
                break;
            }
        }
        weight = 1.0;
        for k in (lowest..peak).rev() {
            weight /= ratio(k);
            let sum = sides.at(k, number);
            *sum += weight;
            if weight < NOTHING || (k < number && weight < *sum * NEGLIGIBLE) {
                break;
            }
        }
        sides
    }

    fn at(&mut self, k: u64, number: u64) -> &mut f64 {
        if k < number {
            &mut self.below
        } else {
            &mut self.from
        }
    }

    fn share_below(&self) -> f64 {
        self.below / (self.below + self.from)
    }

    fn share_from(&self) -> f64 {
        self.from / (self.below + self.from)
    }
}

/// A number of hosts, which is exact below 2^53.
fn float(number: u64) -> f64 {
    number as f64
}

fn product(one: u64, other: u64) -> u128 {
    u128::from(one) * u128::from(other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn near(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= expected * 1e-9,
            "{found:e} instead of {expected:e}"
        );
    }

    /// Pascal's triangle, up to where products of two of its numbers fit.
    fn choose(n: u64, k: u64) -> u128 {
        if k > n {
            return 0;
        }
        (0..k.min(n - k)).fold(1, |value, i| value * u128::from(n - i) / u128::from(i + 1))
    }

    /// The definition, in whole numbers.
    fn by_counting(a: u64, treated: u64, c: u64, control: u64) -> f64 {
        let ways = |k: u64| choose(treated, k) * choose(control, a + c - k);
        let worse: u128 = (a..=treated.min(a + c)).map(ways).sum();
        worse as f64 / choose(treated + control, a + c) as f64
    }

    #[test]
    fn small_tables_are_those_that_were_counted() {
        for (treated, control) in [
            (0, 0),
            (0, 5),
            (5, 0),
            (1, 1),
            (1, 9),
            (4, 4),
            (7, 12),
            (13, 6),
        ] {
            for a in 0..=treated {
                for c in 0..=control {
                    let found = fisher_one_sided(a, treated, c, control);
                    near(found, by_counting(a, treated, c, control));
                }
            }
        }
    }

    /// Every way to hand out the treatment, one by one.
    #[test]
    fn it_is_the_share_of_all_draws() {
        let worse = [true, false, true, true, false, false, true, false, false];
        for treated in 0..=9_u64 {
            let draws: Vec<u64> = (0_u32..1 << 9)
                .filter(|draw| u64::from(draw.count_ones()) == treated)
                .map(|draw| (0..9).filter(|i| draw & (1 << i) != 0 && worse[*i]).count() as u64)
                .collect();
            for a in 4_u64.saturating_sub(9 - treated)..=treated.min(4) {
                let as_bad = draws.iter().filter(|&&it| it >= a).count();
                let expected = as_bad as f64 / draws.len() as f64;
                near(fisher_one_sided(a, treated, 4 - a, 9 - treated), expected);
            }
        }
    }

    #[test]
    fn the_tea_was_tasted() {
        // Fisher's own example: 4 of 4 cups by chance are 1 of 70, and 3 of 4 are 17 of 70.
        near(fisher_one_sided(4, 4, 0, 4), 1.0 / 70.0);
        near(fisher_one_sided(3, 4, 1, 4), 17.0 / 70.0);
    }

    #[test]
    fn large_tables_keep_their_digits() {
        // By ratios of binomial coefficients with 60 digits (mpmath); scipy's `hypergeom.sf` agrees to its own error.
        for (table, expected) in LARGE {
            let (a, treated, c, control) = table;
            near(fisher_one_sided(a, treated, c, control), expected);
        }
    }
    const LARGE: [((u64, u64, u64, u64), f64); 10] = [
        ((3, 10, 0, 90), 7.421_150_278_293_135e-4),
        ((5, 20, 10, 980), 4.971_664_773_591_243e-6),
        ((300, 500_000, 200, 500_000), 4.447_148_631_388_65e-6),
        (
            (250_500, 500_000, 249_500, 500_000),
            2.285_830_305_678_909_3e-2,
        ),
        ((12, 1000, 4000, 999_000), 9.045_686_267_653_366e-4),
        ((60, 1000, 1000, 999_000), 4.714_917_272_832_591e-83),
        ((40, 1000, 50000, 999_000), 0.940_939_047_986_477),
        ((90, 100, 10, 900), 2.480_543_263_976_515e-104),
        ((1000, 100_000, 8000, 900_000), 2.680_799_122_129_326e-4),
        ((30000, 300_000, 60000, 700_000), 4.598_377_083_618_522e-114),
    ];

    #[test]
    fn nonsense_is_taken_for_the_most_there_can_be() {
        near(fisher_one_sided(9, 4, 0, 4), 1.0 / 70.0);
        near(fisher_one_sided(1, 4, u64::MAX, 4), 1.0);
        near(fisher_one_sided(u64::MAX, u64::MAX, 0, u64::MAX), 1.0);
        near(fisher_one_sided(0, 0, 0, 0), 1.0);
        // As unlikely as that is never.
        assert!(fisher_one_sided(5000, 5000, 0, 5000) < 1e-290);
    }

    #[test]
    fn some_sizes_can_decide_nothing() {
        // One canary: even if it alone of 20 is worse, that is one of 20.
        assert!(!can_decide(1, 19, 0.01));
        assert!(can_decide(1, 19, 0.0501));
        assert!(can_decide(1, 99, 0.0101));
        assert!(!can_decide(0, 1000, 0.05));
        assert!(!can_decide(1000, 0, 0.05));
        assert!(can_decide(3, 97, 0.01));
        near(smallest_possible(1, 99, 1), 0.01);
        near(smallest_possible(1, 99, 50), 0.5);
        near(smallest_possible(5, 5, 10), 1.0);
    }

    #[test]
    fn bounds_of_risk_are_those_of_clopper_and_pearson() {
        // By scipy's `beta.ppf(confidence, failures + 1, hosts - failures)`.
        for ((failures, hosts, confidence), expected) in BOUNDS {
            near(binomial_upper(failures, hosts, confidence), expected);
        }
        // Without failures there is a formula; its everyday form is "three divided by the hosts".
        near(
            binomial_upper(0, 300, 0.95),
            1.0 - 0.05_f64.powf(1.0 / 300.0),
        );
        for (failures, hosts, confidence) in [
            (0, 0, 0.95),
            (3, 3, 0.95),
            (9, 3, 0.95),
            (0, 9, 1.0),
            (0, 9, f64::NAN),
        ] {
            near(binomial_upper(failures, hosts, confidence), 1.0);
        }
        near(binomial_upper(0, MOST_HOSTS + 1, 0.95), 1.0);
        assert!(binomial_upper(0, 9, -1.0) < 1e-12);
    }
    const BOUNDS: [((u64, u64, f64), f64); 8] = [
        ((0, 10, 0.95), 0.258_865_550_893_052_2),
        ((1, 100, 0.95), 0.046_559_811_453_538_935),
        ((5, 40, 0.99), 0.295_738_483_873_837_05),
        ((2, 1_000_000, 0.95), 6.295_780_099_210_489e-6),
        ((500_000, 1_000_000, 0.999), 0.501_545_612_074_678_6),
        ((9, 10, 0.9), 0.989_519_258_206_214_4),
        ((3, 7, 0.5), 0.5),
        ((999_999, 1_000_000, 0.95), 0.999_999_948_706_706_9),
    ];

    fn tables() -> impl Strategy<Value = (u64, u64, u64, u64)> {
        (0_u64..3000, 0_u64..3000).prop_flat_map(|(treated, control)| {
            (0..=treated, Just(treated), 0..=control, Just(control))
        })
    }

    proptest! {
        #[test]
        fn tables_up_to_sixty_are_those_that_were_counted(treated in 0_u64..30, control in 0_u64..30, a in 0_u64..30, c in 0_u64..30) {
            let (a, c) = (a.min(treated), c.min(control));
            let (found, expected) = (fisher_one_sided(a, treated, c, control), by_counting(a, treated, c, control));
            prop_assert!((found - expected).abs() <= expected * 1e-9, "{} {}", found, expected);
        }

        #[test]
        fn rows_and_columns_may_be_exchanged((a, treated, c, control) in tables()) {
            let (one, other) = (
                fisher_one_sided(a, treated, c, control),
                fisher_one_sided(a, a + c, treated - a, treated + control - a - c),
            );
            prop_assert!((one - other).abs() <= one * 1e-9 + 1e-299, "{} {}", one, other);
        }

        #[test]
        fn one_more_worse_host_says_more((a, treated, c, control) in tables()) {
            let found = fisher_one_sided(a, treated, c, control);
            prop_assert!((0.0..=1.0).contains(&found));
            // Another host of those treated turns out to be worse, or one of the others to be well.
            let slack = 1.0 + 1e-12;
            prop_assert!(a == treated || fisher_one_sided(a + 1, treated, c, control) <= found * slack);
            prop_assert!(c == 0 || fisher_one_sided(a, treated, c - 1, control) <= found * slack);
            prop_assert!(found * slack >= smallest_possible(treated, control, a + c));
            prop_assert!(can_decide(treated, control, found * slack));
        }

        #[test]
        fn risks_lie_above_what_was_seen(failures in 0_u64..50, more in 1_u64..2000, confidence in 0.6_f64..0.999) {
            let hosts = failures + more;
            let bound = binomial_upper(failures, hosts, confidence);
            prop_assert!(bound <= 1.0 && bound >= failures as f64 / hosts as f64);
            prop_assert!((at_most(failures, hosts, bound) - (1.0 - confidence)).abs() < 1e-9);
            prop_assert!(binomial_upper(failures, hosts + 1, confidence) <= bound);
            prop_assert!(binomial_upper(failures + 1, hosts, confidence) >= bound);
        }
    }
}
