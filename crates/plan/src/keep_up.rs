//! How well the hosts of a channel kept up with what it said: the share of them that ran it, over time.

use jiff::{SignedDuration, Timestamp};

/// A course: from each of these times on, such a share of the hosts, from 0 to 1.
pub type Course = Vec<(Timestamp, f64)>;

/// Longest course, in days.
const MOST_DAYS: i64 = 400;

/// The course of a channel from the courses of its rollouts, the oldest first. Each counts from its own beginning until the
/// next one begins, because from then on the channel says something else. It is told from `from` to `to`.
#[must_use]
pub fn course(rollouts: &[Course], from: Timestamp, to: Timestamp) -> Course {
    let mut course = Course::new();
    for (index, rollout) in rollouts.iter().enumerate() {
        let next = rollouts[index + 1..]
            .iter()
            .find_map(|next| next.first().map(|point| point.0));
        let until = next.unwrap_or(Timestamp::MAX);
        let counts = rollout.iter().filter(|(at, _)| *at < until && *at <= to);
        course.extend(counts.copied());
    }
    course.sort_by_key(|point| point.0);
    let before = course.partition_point(|(at, _)| *at < from);
    if let Some(&(_, share)) = before.checked_sub(1).and_then(|index| course.get(index)) {
        course.drain(..before);
        if course.first().is_none_or(|(at, _)| *at > from) {
            course.insert(0, (from, share));
        }
    }
    course
}

/// The share at a moment; none before the course begins.
#[must_use]
pub fn share_at(course: &[(Timestamp, f64)], at: Timestamp) -> Option<f64> {
    let behind = course.partition_point(|point| point.0 <= at);
    behind.checked_sub(1).map(|index| course[index].1)
}

/// The share at the end of each day (UTC) of a course, the oldest first, and at `to`, which is the day that has not ended.
#[must_use]
pub fn daily(course: &[(Timestamp, f64)], to: Timestamp) -> Course {
    let Some(&(begin, _)) = course.first() else {
        return Course::new();
    };
    let day = SignedDuration::from_hours(24);
    let days_ago = |days: i64| to.checked_sub(SignedDuration::from_hours(24 * days)).ok();
    let begin = begin.max(days_ago(MOST_DAYS).unwrap_or(Timestamp::MIN));
    let midnight = begin.as_second().div_euclid(day.as_secs()) + 1;
    let mut daily = Course::new();
    for number in midnight.. {
        let end = Timestamp::from_second(number.saturating_mul(day.as_secs()));
        let Some(end) = end.ok().filter(|end| *end < to) else {
            break;
        };
        daily.extend(share_at(course, end).map(|share| (end, share)));
    }
    daily.extend(share_at(course, to).map(|share| (to, share)));
    daily
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hour: i64) -> Timestamp {
        let zero: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
        zero + SignedDuration::from_hours(hour)
    }

    fn hours(course: &[(i64, f64)]) -> Course {
        course
            .iter()
            .map(|(hour, share)| (at(*hour), *share))
            .collect()
    }

    #[test]
    fn a_rollout_counts_until_the_next_one_begins() {
        let rollouts = [
            hours(&[(0, 0.0), (2, 0.5), (30, 1.0)]),
            hours(&[(20, 0.0), (22, 0.25), (40, 1.0)]),
        ];
        assert_eq!(
            course(&rollouts, at(-5), at(35)),
            hours(&[(0, 0.0), (2, 0.5), (20, 0.0), (22, 0.25)])
        );
        assert_eq!(
            course(&rollouts, at(10), at(50)),
            hours(&[(10, 0.5), (20, 0.0), (22, 0.25), (40, 1.0)])
        );
        assert_eq!(course(&rollouts, at(60), at(70)), hours(&[(60, 1.0)]));
        assert!(course(&[], at(0), at(9)).is_empty());
    }

    #[test]
    fn days_end_at_midnight() {
        let course = hours(&[(1, 0.0), (23, 0.5), (24, 0.75), (50, 1.0)]);
        assert_eq!(
            daily(&course, at(60)),
            hours(&[(24, 0.75), (48, 0.75), (60, 1.0)])
        );
        assert_eq!(daily(&course, at(5)), hours(&[(5, 0.0)]));
        assert!(daily(&[], at(5)).is_empty());
    }

    proptest! {
        #[test]
        fn a_course_is_in_order_within_its_time_and_says_what_the_newest_rollout_said(
            rollouts in prop::collection::vec((0..200_i64, prop::collection::vec((0..100_i64, 0.0..1.0_f64), 0..6)), 0..5),
            from in -10..150_i64, length in 0..100_i64,
        ) {
            let mut rollouts: Vec<(i64, Vec<(i64, f64)>)> = rollouts;
            rollouts.sort_by_key(|it| it.0);
            rollouts.dedup_by_key(|it| it.0);
            let courses: Vec<Course> = rollouts
                .iter()
                .map(|(begin, points)| {
                    let mut course = vec![(at(*begin), 0.0)];
                    let mut later: Vec<_> = points.iter().map(|(hour, share)| (at(begin + 1 + hour), *share)).collect();
                    later.sort_by_key(|it| it.0);
                    course.extend(later);
                    course
                })
                .collect();
            let (from, to) = (at(from), at(from + length));
            let whole = course(&courses, from, to);
            prop_assert!(whole.is_sorted_by_key(|it| it.0));
            prop_assert!(whole.iter().all(|(at, _)| (from..=to).contains(at)));
            // At the end the newest rollout that had begun says the share.
            let newest = courses.iter().rev().find(|it| it[0].0 <= to);
            prop_assert_eq!(share_at(&whole, to), newest.and_then(|it| share_at(it, to)));
            prop_assert!(daily(&whole, to).len() <= whole.len() + 10);
        }
    }
}
