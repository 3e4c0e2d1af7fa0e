//! A series of whole numbers: the first one, the greatest common divisor of the steps, and what the best of four
//! forecasts misses.

use super::Garbage;
use super::bits::{Reader, Writer, unzigzag, zigzag};
use super::rice;

/// Numbers beyond this are not taken: differences of differences must not overflow.
pub(crate) const LARGEST: i64 = 1 << 58;

/// How the next number is foretold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forecast {
    /// Around one level: noise.
    Level,
    /// As the last one, plus a steady step: counters, times, what changes seldom.
    Step,
    /// As the last step: what rises and falls slowly.
    Slope,
    /// As the mean of the last few: noise around a level that moves.
    Smooth,
}

const FORECASTS: [Forecast; 4] = [
    Forecast::Level,
    Forecast::Step,
    Forecast::Slope,
    Forecast::Smooth,
];
const FORECAST_BITS: u32 = 2;

/// The forecast's state. Encoder and decoder go the same steps; sums wrap, so that garbage does no harm.
struct Oracle {
    forecast: Forecast,
    /// Of [`Forecast::Level`] the level; of the others the first step.
    parameter: i64,
    last: i64,
    step: i64,
    /// In sixteenths.
    smooth: i64,
}

impl Oracle {
    fn new(forecast: Forecast, parameter: i64) -> Self {
        Self {
            forecast,
            parameter,
            last: 0,
            step: parameter,
            smooth: 0,
        }
    }

    fn next(&self) -> i64 {
        match self.forecast {
            Forecast::Level => self.parameter,
            Forecast::Step => self.last.wrapping_add(self.parameter),
            Forecast::Slope => self.last.wrapping_add(self.step),
            Forecast::Smooth => self.smooth.wrapping_add(8) >> 4,
        }
    }

    fn learn(&mut self, number: i64) {
        self.step = number.wrapping_sub(self.last);
        self.last = number;
        let error = number.wrapping_mul(16).wrapping_sub(self.smooth);
        self.smooth = self.smooth.wrapping_add(error >> 2);
    }
}

/// Writes the numbers, each within [`LARGEST`]; their count is known to the reader.
pub(crate) fn encode(numbers: &[i64], bits: &mut Writer) {
    let Some((&first, rest)) = numbers.split_first() else {
        return;
    };
    bits.signed(first);
    if rest.is_empty() {
        return;
    }
    let divisor = rest
        .iter()
        .map(|number| number.wrapping_sub(first).unsigned_abs())
        .fold(0, gcd);
    bits.number(divisor);
    if divisor == 0 {
        return;
    }
    let rest: Vec<i64> = rest
        .iter()
        .map(|number| number.wrapping_sub(first) / divisor as i64)
        .collect();
    let mut best: Option<(u64, usize, i64, Vec<u64>)> = None;
    for (index, &forecast) in FORECASTS.iter().enumerate() {
        let parameter = parameter(forecast, &rest);
        let mut oracle = Oracle::new(forecast, parameter);
        let missed: Vec<u64> = rest
            .iter()
            .map(|&number| {
                let missed = number.wrapping_sub(oracle.next());
                oracle.learn(number);
                zigzag(missed)
            })
            .collect();
        let cost = rice::cost(&missed);
        if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
            best = Some((cost, index, parameter, missed));
        }
    }
    let Some((_, index, parameter, missed)) = best else {
        return;
    };
    bits.put(index as u64, FORECAST_BITS);
    bits.signed(parameter);
    let all_right = missed.iter().all(|&missed| missed == 0);
    bits.put(u64::from(!all_right), 1);
    if !all_right {
        rice::encode(&missed, bits);
    }
}

fn parameter(forecast: Forecast, numbers: &[i64]) -> i64 {
    let count = numbers.len() as i128;
    match forecast {
        Forecast::Level => {
            let sum: i128 = numbers.iter().map(|&number| i128::from(number)).sum();
            sum.div_euclid(count) as i64
        }
        // The first number is zero, so this is the mean step.
        Forecast::Step => (i128::from(*numbers.last().unwrap_or(&0))).div_euclid(count) as i64,
        Forecast::Slope => numbers[0],
        Forecast::Smooth => 0,
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Reads `count` numbers, at most [`super::MOST`].
pub(crate) fn decode(bits: &mut Reader<'_>, count: usize) -> Result<Vec<i64>, Garbage> {
    let mut numbers = Vec::with_capacity(count.min(super::MOST));
    if count == 0 {
        return Ok(numbers);
    }
    let first = bits.signed()?;
    numbers.push(first);
    if count == 1 {
        return Ok(numbers);
    }
    let divisor = bits.number()? as i64;
    if divisor == 0 {
        numbers.resize(count, first);
        return Ok(numbers);
    }
    let forecast = FORECASTS[bits.take(FORECAST_BITS)? as usize];
    let mut oracle = Oracle::new(forecast, bits.signed()?);
    let mut take = |missed| {
        let number = oracle.next().wrapping_add(unzigzag(missed));
        oracle.learn(number);
        numbers.push(first.wrapping_add(number.wrapping_mul(divisor)));
    };
    if bits.take(1)? == 0 {
        (1..count).for_each(|_| take(0));
    } else {
        rice::decode(bits, count - 1, take)?;
    }
    Ok(numbers)
}
