//! Samples that the reader has not taken yet.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_model::api::Report;
use lockstep_model::{HostName, ItemName, Sample};
use tokio::time::Instant;

/// Samples that come so close together travel together, so that the history is written once.
const GATHER: Duration = Duration::from_millis(500);

/// The newest sample of each item.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    samples: BTreeMap<(Option<HostName>, ItemName), Sample>,
    since: Option<Instant>,
}

impl Outbox {
    /// Puts a sample in, in place of an older one of the same item. Beyond the bound the oldest one goes.
    pub(super) fn put(&mut self, sample: Sample, now: Instant) {
        self.since.get_or_insert(now);
        let key = (sample.host.clone(), sample.item.clone());
        if self.samples.len() >= Report::MOST_ITEMS && !self.samples.contains_key(&key) {
            let oldest = self.samples.iter().min_by_key(|(_, sample)| sample.at);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.samples.remove(&oldest);
            }
        }
        self.samples.insert(key, sample);
    }

    /// When a batch is made of them at the latest.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        self.since.map(|since| since + GATHER)
    }

    pub(super) fn take(&mut self) -> Vec<Sample> {
        self.since = None;
        std::mem::take(&mut self.samples).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lockstep_model::Value;

    use super::*;

    fn sample(item: &str, second: i64) -> Sample {
        Sample {
            host: None,
            item: ItemName::parse(item).unwrap(),
            at: Timestamp::from_second(second).unwrap(),
            value: Value::Text(second.to_string()),
            verdict: None,
        }
    }

    #[tokio::test]
    async fn the_newest_sample_of_each_item_is_kept() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        assert_eq!(outbox.ready_at(), None);
        outbox.put(sample("a", 1), now);
        outbox.put(sample("b", 1), now);
        outbox.put(sample("a", 2), now + GATHER);
        assert_eq!(outbox.ready_at(), Some(now + GATHER));
        assert_eq!(outbox.take(), [sample("a", 2), sample("b", 1)]);
        assert_eq!(outbox.ready_at(), None);
    }

    #[tokio::test]
    async fn it_does_not_grow_without_end() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        for n in 0..2000 {
            outbox.put(sample(&format!("i:{n}"), n), now);
        }
        let samples = outbox.take();
        assert_eq!(samples.len(), Report::MOST_ITEMS);
        assert!(samples.iter().all(|sample| sample.at.as_second() >= 1500));
    }
}
