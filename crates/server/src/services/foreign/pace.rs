//! A work document for a host that is heard of at its own pace.

use lockstep_model::Work;

/// The same work, with every item looked at as often as the host reports: a client that speaks every five minutes
/// measures every five minutes, and a gap is what is longer than that.
pub(super) fn at_the_pace_of_reports(mut work: Work) -> Work {
    work.sample = work.sample.max(work.report);
    for item in &mut work.items {
        item.every = item.every.map(|every| every.max(work.report));
        // What is not among its samples is not missing: the client was not told of it.
        item.is_rule = true;
    }
    work.watched.clear();
    work.packages.clear();
    work
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_model::Interval;

    #[test]
    fn nothing_is_expected_sooner_than_the_next_report() {
        let work = at_the_pace_of_reports(Work::default());
        assert_eq!(work.sample, work.report);
        let item = work.items.iter().find_map(|item| item.every);
        assert!(item.is_none_or(|every| every >= Interval::from_secs(300)));
        assert!(work.items.iter().all(|item| item.is_rule));
    }
}
