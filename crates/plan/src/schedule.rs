//! When things happen: stable draws, and times spread so that a fleet does not act as one.
//!
//! A draw depends on nothing but its parts, so every server, the simulator and the next version of both come to
//! the same one. Here is no clock and no random generator: a seed comes from the caller.

use std::time::Duration;

/// A 64-bit hash that never changes, neither between versions nor between platforms: rollouts under way rely on it.
///
/// It is FNV-1a (Fowler, Noll, Vo; 64 bit) over each part's length (eight bytes, little end first) and bytes, put
/// through the finalizer of `MurmurHash3` (`fmix64`), because FNV alone leaves the high bits of similar short texts
/// alike. The lengths keep `["ab", "c"]` and `["a", "bc"]` apart. It is no defence against somebody who picks the
/// parts to hit a certain value.
#[must_use]
pub fn stable_hash<P: AsRef<[u8]>>(parts: &[P]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = OFFSET;
    for part in parts {
        let part = part.as_ref();
        let length = (part.len() as u64).to_le_bytes();
        for byte in length.iter().chain(part.iter()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The time until a host's next report: `interval` give or take a tenth. `seed` is the host's own and `n` counts
/// its reports, so that hosts which started together drift apart and stay apart.
#[must_use]
pub fn next_report(interval: Duration, seed: u64, n: u64) -> Duration {
    let whole = nanoseconds(interval);
    let tenth = whole / 10;
    let drawn = stable_hash::<&[u8]>(&[b"report", &seed.to_le_bytes(), &n.to_le_bytes()]);
    Duration::from_nanos(whole - tenth + below(2 * tenth + 1, drawn))
}

/// A waiting time of at least `base` and less than twice as much (`base` itself when that is nothing), so that
/// clients who were sent away together do not come back together.
#[must_use]
pub fn spread_retry(base: Duration, seed: u64) -> Duration {
    let whole = nanoseconds(base);
    let drawn = stable_hash::<&[u8]>(&[b"retry", &seed.to_le_bytes()]);
    Duration::from_nanos(whole + below(whole, drawn))
}

/// Nanoseconds of a duration, at most 146 years, so that twice as much is still a number.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos())
        .map_or(u64::MAX / 4, |nanoseconds| nanoseconds.min(u64::MAX / 4))
}

/// Maps a draw over all 64-bit numbers to one below `limit`; 0 when there is none.
fn below(limit: u64, drawn: u64) -> u64 {
    let scaled = (u128::from(drawn) * u128::from(limit)) >> 64;
    u64::try_from(scaled)
        .expect("a product of two 64-bit numbers has at most 64 bits above its lower 64")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn draws_never_change() {
        // A rollout that is under way while its server is upgraded must keep its canaries: these values are for ever.
        assert_eq!(stable_hash::<&str>(&[]), GOLDEN[0]);
        assert_eq!(stable_hash(&[""]), GOLDEN[1]);
        assert_eq!(stable_hash(&["web1"]), GOLDEN[2]);
        assert_eq!(
            stable_hash::<&[u8]>(&[b"rollout", &7u64.to_le_bytes(), b"web1.example.org"]),
            GOLDEN[3]
        );
    }
    const GOLDEN: [u64; 4] = [
        0xefd0_1f60_ba99_2926,
        0x7bd3_144f_29c0_cc9e,
        0x1402_886c_68d0_b6a8,
        0x859f_3b07_2b94_1200,
    ];

    #[test]
    fn parts_are_kept_apart() {
        assert_ne!(stable_hash(&["ab", "c"]), stable_hash(&["a", "bc"]));
        assert_ne!(stable_hash(&["ab"]), stable_hash(&["ab", ""]));
    }

    #[test]
    fn similar_names_are_spread_evenly() {
        // 16 buckets by the highest bits, 16,000 names that differ in their last digits: each bucket has a mean of
        // 1,000 and a deviation of about 31.
        let mut buckets = [0u32; 16];
        for n in 0..16_000 {
            buckets[(stable_hash(&[format!("host-{n:05}")]) >> 60) as usize] += 1;
        }
        assert!(
            buckets.iter().all(|&count| (850..1150).contains(&count)),
            "{buckets:?}"
        );
    }

    #[test]
    fn hosts_that_start_together_drift_apart() {
        let interval = Duration::from_secs(60);
        let first: HashSet<_> = (0..100)
            .map(|seed| next_report(interval, seed, 0))
            .collect();
        assert_eq!(first.len(), 100);
        assert_ne!(next_report(interval, 1, 0), next_report(interval, 1, 1));
    }

    proptest! {
        #[test]
        fn the_next_report_is_a_tenth_early_or_late_at_most(milliseconds in 0u64..400_000_000_000, seed: u64, n: u64) {
            let interval = Duration::from_millis(milliseconds);
            let next = next_report(interval, seed, n);
            prop_assert!(next >= interval - interval / 10 && next <= interval + interval / 10);
        }

        #[test]
        fn a_retry_is_between_once_and_twice_the_base(milliseconds in 1u64..400_000_000_000, seed: u64) {
            let base = Duration::from_millis(milliseconds);
            let wait = spread_retry(base, seed);
            prop_assert!(wait >= base && wait < 2 * base);
        }

        #[test]
        fn no_duration_is_too_long(seconds: u64, seed: u64) {
            let long = Duration::from_secs(seconds);
            let (next, retry) = (next_report(long, seed, seed), spread_retry(long, seed));
            prop_assert!(seconds == 0 || (next > Duration::ZERO && retry > Duration::ZERO));
        }
    }
}
