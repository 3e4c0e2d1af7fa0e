//! Counters, which only say something as what they gain in a second.

use tokio::time::Instant;

/// What a counter said at the last look.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counter(Option<(Instant, f64)>);

impl Counter {
    /// What it has gained for each second since the last look; none if there was no look before, or if the counter
    /// has begun anew since: after a restart of what is counted, nobody knows how much was lost.
    pub(crate) fn rate(&mut self, now: Instant, value: f64) -> Result<f64, String> {
        let Some((then, before)) = self.0.replace((now, value)) else {
            return Err("a counter has no rate before its second look".into());
        };
        if value < before {
            return Err("the counter began anew; its rate is known at the next look".into());
        }
        let seconds = now.saturating_duration_since(then).as_secs_f64();
        if seconds <= 0.0 {
            return Err("no time has passed since the last look".into());
        }
        Ok((value - before) / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_counter_that_begins_anew_has_no_rate() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut counter = Counter::default();
        assert!(counter.rate(at(0), 100.0).is_err());
        assert_eq!(counter.rate(at(10), 150.0), Ok(5.0));
        assert!(counter.rate(at(20), 3.0).unwrap_err().contains("anew"));
        assert_eq!(counter.rate(at(30), 13.0), Ok(1.0));
        assert!(counter.rate(at(30), 13.0).unwrap_err().contains("no time"));
    }
}
