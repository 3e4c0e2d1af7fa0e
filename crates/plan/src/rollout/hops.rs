//! Floors: versions that a host must pass through on its way.
//!
//! A release may say from which versions it can be installed (`requires.from`), for example because it migrates data
//! in one step only. A host that is too far back then goes through versions in between, one after the other, each of
//! which proves itself on the host like any other.

use lockstep_model::{Version, VersionRange};

/// A version that can be installed.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// Which.
    pub version: &'a Version,
    /// From which versions, if it says so.
    pub from: Option<&'a VersionRange>,
}

/// Why there is no way from one version to another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{target} can be installed from {needs} only, {current} is not in that, and no version between them leads there"
)]
pub struct NoWay {
    /// Where it was to go.
    pub target: Version,
    /// From where that can be reached.
    pub needs: VersionRange,
    /// The version in force.
    pub current: Version,
}

/// Most versions between that are looked at, the highest ones.
const MOST_BETWEEN: usize = 1000;

/// The version that a host is to install next on its way from `current` to `target`: the target itself where that can
/// be installed from there, otherwise the first step of a way of as few steps as possible through versions that are
/// offered and lie between. Of several first steps the highest version is taken.
///
/// The target can be installed at once on a host that has no version yet, which has no data to carry over, and where
/// it is not above `current`: a way back must not be blocked by what leads forward. A version that is offered twice, for
/// two platforms, can be installed from where both can. A target that is not offered says nothing of where from.
pub fn next_hop(
    current: Option<&Version>,
    target: &Version,
    offers: &[Offer<'_>],
) -> Result<Version, NoWay> {
    let Some(current) = current else {
        return Ok(target.clone());
    };
    let mut needs = offers
        .iter()
        .filter(|it| it.version == target)
        .filter_map(|it| it.from)
        .filter(|from| !from.contains(current));
    let needs = match needs.next() {
        Some(needs) if target > current => needs,
        _ => return Ok(target.clone()),
    };
    way(current, target, offers).ok_or_else(|| NoWay {
        target: target.clone(),
        needs: needs.clone(),
        current: current.clone(),
    })
}

/// Goes back from the target, each turn one step more, until some version can be installed from `current`.
fn way(current: &Version, target: &Version, offers: &[Offer<'_>]) -> Option<Version> {
    let mut steps = steps(current, target, offers);
    let last = steps.iter().position(|it| it.version == target)?;
    let mut reached = vec![steps.remove(last)];
    while !reached.is_empty() {
        // Everything in `reached` is equally far from the target.
        let first = reached.iter().filter(|it| it.follows(current));
        if let Some(first) = first.map(|it| it.version).max() {
            return Some(first.clone());
        }
        let (before, rest): (Vec<_>, Vec<_>) = steps.into_iter().partition(|it| {
            reached
                .iter()
                .any(|next| it.version < next.version && next.follows(it.version))
        });
        (reached, steps) = (before, rest);
    }
    None
}

/// One version, and all that is said of where it can be installed from.
struct Step<'a> {
    version: &'a Version,
    from: Vec<&'a VersionRange>,
}

impl Step<'_> {
    fn follows(&self, version: &Version) -> bool {
        self.from.iter().all(|from| from.contains(version))
    }
}

/// The versions above `current` and up to the target.
fn steps<'a>(current: &Version, target: &Version, offers: &[Offer<'a>]) -> Vec<Step<'a>> {
    let mut offers: Vec<&Offer<'a>> = offers
        .iter()
        .filter(|it| current < it.version && it.version <= target)
        .collect();
    offers.sort_by(|one, other| other.version.cmp(one.version));
    let mut steps: Vec<Step<'a>> = Vec::new();
    for offer in offers {
        if let Some(step) = steps.last_mut()
            && step.version == offer.version
        {
            step.from.extend(offer.from);
            continue;
        }
        // The target, and those between.
        if steps.len() > MOST_BETWEEN {
            break;
        }
        steps.push(Step {
            version: offer.version,
            from: offer.from.into_iter().collect(),
        });
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    /// Versions, each with the range it can be installed from behind a space.
    struct Listed(Vec<(Version, Option<VersionRange>)>);

    impl Listed {
        fn new(texts: &[&str]) -> Self {
            let parse = |text: &&str| match text.split_once(' ') {
                Some((text, from)) => (version(text), Some(VersionRange::parse(from).unwrap())),
                None => (version(text), None),
            };
            Self(texts.iter().map(parse).collect())
        }

        fn offers(&self) -> Vec<Offer<'_>> {
            self.0
                .iter()
                .map(|(version, from)| Offer {
                    version,
                    from: from.as_ref(),
                })
                .collect()
        }
    }

    #[track_caller]
    fn next(current: &str, target: &str, listed: &[&str], expected: &str) {
        let listed = Listed::new(listed);
        let current = (!current.is_empty()).then(|| version(current));
        let found = next_hop(current.as_ref(), &version(target), &listed.offers());
        assert_eq!(
            found.map_or_else(|error| error.to_string(), |it| it.to_string()),
            expected
        );
    }

    #[test]
    fn most_versions_are_one_step_away() {
        next("1.0.0", "3.0.0", &["1.0.0", "2.0.0", "3.0.0"], "3.0.0");
        next("1.0.0", "3.0.0", &["2.0.0", "3.0.0 >=1"], "3.0.0");
        next("1.0.0", "3.0.0", &[], "3.0.0");
    }

    #[test]
    fn a_floor_is_passed_through() {
        let listed = [
            "1.0.0",
            "1.9.0",
            "1.9.3",
            "2.0.0 >=1.9",
            "2.4.0 >=1.9",
            "3.0.0 >=2, <3",
        ];
        // The highest of the versions that lead on, and not a longer way through 2.0.0.
        next("1.9.0", "3.0.0", &listed, "2.4.0");
        next("1.0.0", "3.0.0", &listed, "1.9.3");
        next("1.9.3", "3.0.0", &listed, "2.4.0");
        next("2.4.0", "3.0.0", &listed, "3.0.0");
        // Beyond the target nothing counts.
        next("1.0.0", "1.9.0", &listed, "1.9.0");
    }

    #[test]
    fn no_way_says_what_is_needed() {
        next(
            "1.0.0",
            "3.0.0",
            &["2.0.0 >=1.9", "3.0.0 >=2, <3"],
            "3.0.0 can be installed from >=2, <3 only, 1.0.0 is not in that, and no version between them leads there",
        );
    }

    #[test]
    fn a_fresh_host_and_a_way_back_have_no_floors() {
        let listed = ["1.0.0 >=0.9, <1", "2.0.0 >=1", "3.0.0 >=2"];
        next("", "3.0.0", &listed, "3.0.0");
        next("3.0.0", "1.0.0", &listed, "1.0.0");
        next("1.0.0", "1.0.0", &listed, "1.0.0");
    }

    #[test]
    fn both_platforms_must_agree() {
        let listed = ["2.0.0", "3.0.0", "3.0.0 >=2"];
        next("1.0.0", "3.0.0", &listed, "2.0.0");
        let listed = ["2.0.0 >=1", "2.0.0 >=1.5", "3.0.0 >=2"];
        next("1.5.0", "3.0.0", &listed, "2.0.0");
        assert!(
            next_hop(
                Some(&version("1.0.0")),
                &version("3.0.0"),
                &Listed::new(&listed).offers()
            )
            .is_err()
        );
    }

    #[test]
    fn work_is_bounded() {
        let mut listed: Vec<(Version, Option<VersionRange>)> = (1..3000)
            .map(|n| {
                let from = VersionRange::parse(&format!(">=1.{}.0", n - 1)).unwrap();
                (version(&format!("1.{n}.0")), Some(from))
            })
            .collect();
        let listed = {
            listed.reverse();
            Listed(listed)
        };
        let target = version("1.2999.0");
        let from = |text: &str| next_hop(Some(&version(text)), &target, &listed.offers());
        assert_eq!(from("1.2500.0").unwrap(), version("1.2501.0"));
        assert!(from("1.1500.0").is_err());
    }

    proptest! {
        #[test]
        fn steps_lead_to_the_target(
            listed in proptest::collection::vec((0_u64..30, proptest::option::weighted(0.7, (0_u64..30, 1_u64..10))), 0..25),
            current in 0_u64..30,
            target in 0_u64..30,
        ) {
            let number = |n: u64| version(&format!("1.{n}.0"));
            let listed = Listed(
                listed
                    .iter()
                    .map(|(n, from)| {
                        let range = |(from, length): (u64, u64)| format!(">=1.{from}, <1.{}", from + length);
                        (number(*n), from.map(|from| VersionRange::parse(&range(from)).unwrap()))
                    })
                    .collect(),
            );
            let offers = listed.offers();
            let target = number(target);
            let permitted = |from: &Version, to: &Version| {
                to <= from || offers.iter().filter(|it| it.version == to).all(|it| it.from.is_none_or(|range| range.contains(from)))
            };
            let listed = |it: &Version| offers.iter().any(|offer| offer.version == it);
            // By brute force: where one can come from `current` in so many steps.
            let fewest = |current: &Version| {
                let mut there = vec![current.clone()];
                (0..40).find(|_| {
                    let found = there.contains(&target);
                    let more: Vec<Version> = (0..30)
                        .map(number)
                        .filter(|to| *to == target || (listed(to) && *to > *current && *to < target))
                        .filter(|to| there.iter().any(|from| from < to && permitted(from, to)))
                        .collect();
                    there.extend(more);
                    found
                })
            };
            let mut at = number(current);
            if at > target {
                prop_assert_eq!(next_hop(Some(&at), &target, &offers), Ok(target));
                return Ok(());
            }
            let length = fewest(&at);
            let mut taken = 0;
            while at != target {
                match next_hop(Some(&at), &target, &offers) {
                    Ok(next) => {
                        prop_assert!(permitted(&at, &next), "{} {}", at, next);
                        prop_assert!(next == target || listed(&next), "{}", next);
                        prop_assert!(at < next && next <= target);
                        at = next;
                        taken += 1;
                    }
                    Err(why) => {
                        // Never in the middle of a way.
                        prop_assert_eq!((taken, length), (0, None));
                        prop_assert!(!why.needs.contains(&at));
                        return Ok(());
                    }
                }
            }
            prop_assert_eq!(length, Some(taken));
        }
    }
}
