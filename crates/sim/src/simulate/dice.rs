//! Draws that depend on the seed, the host and what is drawn, and on nothing else: a host has the same luck under every
//! strategy, so that strategies can be compared.

/// What is drawn for a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Draw {
    Phase = 1,
    Hint,
    Apply,
    Probation,
    Fate,
    Breaks,
    Shows,
    Offline,
}

/// A seed for all draws of one simulation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number from 0 to just below 1.
    pub(super) fn unit(self, draw: Draw, host: u32) -> f64 {
        let mixed = mix(self.0 ^ mix(u64::from(host) << 8 | draw as u64));
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A factor whose logarithm is normal, with median 1: two of three lie within `exp(±sigma)`.
    pub(super) fn log_normal(self, draw: Draw, host: u32, sigma: f64) -> f64 {
        // The normal distribution by its logistic neighbour, which differs by less than 2 % of a probability
        // (Bowling and others, 2009): one draw, no polynomial.
        let unit = self.unit(draw, host).clamp(1e-9, 1.0 - 1e-9);
        let normal = (unit / (1.0 - unit)).ln() / 1.702;
        (sigma * normal).exp()
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_and_spread() {
        let dice = Dice(7);
        let hosts = 100_000;
        let units: Vec<f64> = (0..hosts).map(|host| dice.unit(Draw::Fate, host)).collect();
        let mean = units.iter().sum::<f64>() / f64::from(hosts);
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        let low = units.iter().filter(|unit| **unit < 0.001).count();
        assert!((60..150).contains(&low), "{low}");
        let mut factors: Vec<f64> = (0..hosts)
            .map(|host| dice.log_normal(Draw::Apply, host, 0.5))
            .collect();
        factors.sort_by(f64::total_cmp);
        assert!((factors[50_000] - 1.0).abs() < 0.02);
        // One deviation above the median: 84 of 100.
        assert!(
            (factors[84_134] - 0.5_f64.exp()).abs() < 0.06,
            "{}",
            factors[84_134]
        );
        assert_ne!(dice.unit(Draw::Fate, 1), dice.unit(Draw::Breaks, 1));
        assert_ne!(dice.unit(Draw::Fate, 1), Dice(8).unit(Draw::Fate, 1));
    }
}
