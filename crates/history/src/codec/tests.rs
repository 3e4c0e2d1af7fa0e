use proptest::prelude::*;

use super::{MOST, buckets, samples};
use crate::quantise::quantise;
use crate::tally::Tally;

/// Values as probes yield them, and such as they should not.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-100_000_i64..100_000).prop_map(|n| n as f64 / 100.0),
        2 => (0_i64..1 << 50).prop_map(|n| n as f64),
        2 => (0_u32..200).prop_map(|n| f64::from(n) * 4096.0),
        1 => -1e3..1e3_f64,
        1 => -1e99..1e99_f64,
        1 => Just(f64::MIN_POSITIVE),
        1 => Just(0.0),
        1 => Just(-0.0),
    ]
}

/// A series of one kind, or of all kinds at once.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let decimals = prop::collection::vec((0_i64..10_000).prop_map(|n| n as f64 / 100.0), 0..300);
    let constant = (value(), 0_usize..300).prop_map(|(value, count)| vec![value; count]);
    let counter = (0_i64..1 << 40, prop::collection::vec(0_i64..9_999, 0..300)).prop_map(
        |(mut counter, steps)| {
            let next = |step| {
                counter += step;
                counter as f64
            };
            steps.into_iter().map(next).collect()
        },
    );
    prop_oneof![
        decimals,
        constant,
        counter,
        prop::collection::vec(value(), 0..300)
    ]
}

fn timed(values: Vec<f64>, gaps: &[u8]) -> Vec<(i64, f64)> {
    let mut at = 1_700_000_000;
    let next = |(index, value)| {
        at += match gaps.get(index) {
            Some(gap) if gap % 16 == 0 => i64::from(*gap) * 60 + 1,
            _ => 60,
        };
        (at, value)
    };
    values.into_iter().enumerate().map(next).collect()
}

fn bits_of(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples
        .iter()
        .map(|(at, value)| (*at, value.to_bits()))
        .collect()
}

proptest! {
    #[test]
    fn samples_come_back_bit_by_bit(values in values(), gaps in prop::collection::vec(any::<u8>(), 0..300)) {
        let samples = timed(values, &gaps);
        let origin = samples.first().map_or(0, |sample| sample.0 - 100);
        let chunk = samples::encode(origin, &samples);
        let back = samples::decode(origin, &chunk).unwrap();
        prop_assert_eq!(bits_of(&back), bits_of(&samples));
    }

    #[test]
    fn buckets_come_back_but_for_the_rounding_of_sums(values in values(), per in 1_usize..20) {
        let tallies: Vec<_> = values
            .chunks(per)
            .zip(3_u32..)
            .map(|(chunk, place)| {
                let mut tally = Tally::EMPTY;
                chunk.iter().for_each(|&value| tally.add(&Tally::one(value)));
                (place, tally)
            })
            .collect();
        let back = buckets::decode(&buckets::encode(&tallies)).unwrap();
        prop_assert_eq!(back.len(), tallies.len());
        for (back, tally) in back.iter().zip(&tallies) {
            prop_assert_eq!((back.0, back.1.count), (tally.0, tally.1.count));
            prop_assert_eq!((back.1.min, back.1.max), (tally.1.min, tally.1.max));
            let size = tally.1.count as f64 * tally.1.min.abs().max(tally.1.max.abs());
            prop_assert!((back.1.sum - tally.1.sum).abs() <= size * 1e-9, "{:?} {:?}", back, tally);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = samples::decode(0, &bytes);
        let _ = buckets::decode(&bytes);
        // The same behind a beginning that is right.
        for exponent in [0_u8, 2, 6, 15] {
            let mut bytes = bytes.clone();
            bytes.insert(0, 1 | exponent << 4);
            if let Ok(found) = samples::decode(i64::MAX, &bytes) {
                prop_assert!(found.len() <= MOST);
            }
            if let Ok(found) = buckets::decode(&bytes) {
                prop_assert!(found.len() <= MOST);
            }
        }
    }

    #[test]
    fn a_chunk_with_a_flipped_bit_or_a_lost_tail_makes_nobody_panic(
        values in values(), position in any::<prop::sample::Index>(), bit in 0_u8..8,
    ) {
        let mut chunk = samples::encode(0, &timed(values, &[]));
        let position = position.index(chunk.len());
        chunk[position] ^= 1 << bit;
        let _ = samples::decode(0, &chunk);
        let _ = buckets::decode(&chunk);
        chunk.truncate(position);
        let _ = samples::decode(0, &chunk);
    }
}

#[test]
fn a_steady_series_costs_next_to_nothing() {
    let constant = timed(vec![42.0; 240], &[]);
    let chunk = samples::encode(constant[0].0, &constant);
    assert!(chunk.len() <= 12, "{} bytes", chunk.len());
    let counter = timed((0..240).map(|n| f64::from(n) * 4096.0).collect(), &[]);
    let chunk = samples::encode(counter[0].0, &counter);
    assert!(chunk.len() <= 16, "{} bytes", chunk.len());
}

#[test]
fn a_share_with_two_decimals_costs_less_than_two_bytes() {
    // A seeded walk of a hundredth here and there.
    let mut state = 7_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    let values = (0..240)
        .map(|_| quantise(20.0 + random() * 10.0, "%"))
        .collect();
    let samples = timed(values, &[]);
    let chunk = samples::encode(samples[0].0, &samples);
    assert!(chunk.len() < 2 * 240, "{} bytes", chunk.len());
}
