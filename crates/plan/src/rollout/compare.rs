//! The differential gate: are updated hosts worse off than hosts of the same group that are not updated, in the same
//! time?
//!
//! Which hosts are updated was drawn by lot. So if the release does no harm, "became worse" falls on updated and other
//! hosts alike, whatever the reason, and the number among the updated ones follows the hypergeometric distribution:
//! Fisher's exact test. Each comparison stops a harmless release with less than its share of the strategy's chance, and
//! a rollout makes a known number of comparisons, so the chance holds for the whole rollout (Bonferroni).

use jiff::Timestamp;
use lockstep_model::{Compare, Interval};

use super::look::{Sample, Tally};
use super::why::Verdict;
use crate::stats::{can_decide, fisher_one_sided};

/// Comparisons of each wave: when half of it and when all of it has come to an end, in the middle of its bake time and
/// at its end.
pub const LOOKS: u32 = 4;

/// How many comparisons of a wave are due.
pub(super) fn due(
    tally: &Tally,
    proven_at: Option<Timestamp>,
    bake: Interval,
    now: Timestamp,
) -> u32 {
    let Some(proven_at) = proven_at else {
        let ended = tally.settled() + tally.silent.count;
        return u32::from(tally.hosts > 0 && ended * 2 >= tally.hosts);
    };
    let after = |time| proven_at.checked_add(time).unwrap_or(Timestamp::MAX);
    let bake = bake.duration();
    if now >= after(bake) {
        LOOKS
    } else if now >= after(bake / 2) {
        3
    } else {
        2
    }
}

/// Compares both groups, as one of the comparisons of a rollout with so many waves.
#[must_use]
pub fn compare(compare: Compare, waves: usize, treated: Sample, control: Sample) -> Verdict {
    // The last wave has nobody left to be compared with.
    let gates = waves.saturating_sub(1).max(1);
    let comparisons = u32::try_from(gates)
        .unwrap_or(u32::MAX)
        .saturating_mul(LOOKS);
    let chance = f64::from(compare.chance.thousandths()) / 100_000.0;
    let threshold = chance / f64::from(comparisons);
    let (hosts, others) = (treated.hosts as u64, control.hosts as u64);
    if !can_decide(hosts, others, threshold) {
        return Verdict::NotEnoughData {
            treated,
            control,
            threshold,
        };
    }
    let p = fisher_one_sided(treated.worse as u64, hosts, control.worse as u64, others);
    if p < threshold {
        Verdict::Worse {
            treated,
            control,
            p,
            threshold,
        }
    } else {
        Verdict::NoWorse {
            treated,
            control,
            p,
            threshold,
        }
    }
}
