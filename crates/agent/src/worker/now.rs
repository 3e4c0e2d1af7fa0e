//! "How is this item now?": the server asks it for people who watch an item live.

use std::time::Duration;

use lockstep_model::api::{ItemNow, NowQuery};
use lockstep_model::{HostName, Level, Value};
use lockstep_net::Clock;
use lockstep_plan::fitness::ItemBook;
use lockstep_probe::{Live, Looked};
use tokio::time::timeout;

/// A look that is under way is waited for so long; then the newest value must do.
const PATIENCE: Duration = Duration::from_secs(3);

/// What it takes to answer one such question.
pub(super) struct Asker {
    pub(super) host: HostName,
    pub(super) live: Live,
    /// A copy: what is seen live is judged, and then forgotten.
    pub(super) book: ItemBook,
    pub(super) clock: Clock,
}

impl Asker {
    /// The item as it is now, or the newest value where it is not looked at sooner; the error is for people.
    pub(super) async fn answer(mut self, query: NowQuery) -> Result<ItemNow, String> {
        let NowQuery { host, item } = query;
        let host = host.filter(|host| *host != self.host);
        let looked = self.live.look(host.clone(), item.clone());
        let looked = timeout(PATIENCE, looked).await;
        let looked = looked.unwrap_or(Looked::Newest);
        if let Looked::Sample(sample) = &looked {
            self.book
                .take(std::slice::from_ref(sample), self.clock.now());
        }
        let sampled_at = self.book.sampled_at(host.as_ref(), &item);
        let states = self.book.states(host.as_ref());
        let state = states.into_iter().find(|state| state.item == item);
        match (looked, state) {
            (Looked::Sample(sample), state) => Ok(ItemNow {
                item,
                level: state.as_ref().map_or(Level::FINE, |state| state.level),
                // The book may make more of a value than the probe did: a rate of a counter.
                value: match (sample.value, state) {
                    (value @ Value::None(_), _) | (value, None) => value,
                    (_, Some(state)) => state.value,
                },
                at: sample.at,
                fresh: true,
            }),
            // What the worker itself measures has no probe.
            (Looked::Newest | Looked::Nothing, Some(state)) => Ok(ItemNow {
                item,
                value: state.value,
                level: state.level,
                at: sampled_at.unwrap_or(state.since),
                fresh: false,
            }),
            (_, None) => Err(format!("there is no item {item} on this host now")),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use lockstep_model::{Glob, ItemName, Sample, Work, WorkItem};
    use lockstep_probe::{Config, Prober};

    use super::*;

    fn asked(item: &str) -> NowQuery {
        NowQuery {
            host: None,
            item: ItemName::parse(item).unwrap(),
        }
    }

    #[tokio::test]
    async fn a_value_that_is_not_measured_anew_has_the_time_of_its_sample() {
        let (clock, _) = Clock::driven(Timestamp::UNIX_EPOCH);
        let at = |second| Timestamp::from_second(second).unwrap();
        // The worker measures this one itself; its level has been the same all the while.
        let item = ItemName::parse("version_lag").unwrap();
        let sample = |second| Sample {
            host: None,
            item: item.clone(),
            at: at(second),
            value: Value::Number {
                value: 0.0,
                unit: "s".into(),
            },
            verdict: None,
        };
        let mut book = ItemBook::new();
        book.follow(&Work::default());
        for second in [0, 60, 120] {
            book.take(&[sample(second)], at(second));
        }
        let nothing = Work {
            items: Vec::new(),
            ..Work::default()
        };
        let config = Config::of_this_machine(Vec::new());
        let (prober, _samples) = Prober::start(config, nothing, clock.clone());
        let asker = Asker {
            host: HostName::parse("web1").unwrap(),
            live: prober.live(),
            book,
            clock,
        };
        let now = asker.answer(asked("version_lag")).await.unwrap();
        assert_eq!((now.at, now.fresh), (at(120), false));
    }

    #[tokio::test]
    async fn what_is_cheap_is_measured_and_what_is_unknown_is_said_to_be() {
        let (clock, _) = Clock::driven(Timestamp::UNIX_EPOCH);
        let work = Work {
            items: vec![WorkItem::named(Glob::parse("uptime").unwrap())],
            ..Work::default()
        };
        let config = Config::of_this_machine(Vec::new());
        let (prober, mut samples) = Prober::start(config, work.clone(), clock.clone());
        let mut book = ItemBook::new();
        book.follow(&work);
        book.take(&samples.recv().await.unwrap(), clock.now());
        let asker = |host: &str| Asker {
            host: HostName::parse(host).unwrap(),
            live: prober.live(),
            book: book.clone(),
            clock: clock.clone(),
        };
        let now = asker("web1").answer(asked("uptime")).await.unwrap();
        assert!(
            now.fresh && matches!(now.value, Value::Number { .. }),
            "{now:?}"
        );
        // A question that names this host is one about its own items.
        let own = NowQuery {
            host: Some(HostName::parse("web1").unwrap()),
            ..asked("uptime")
        };
        assert!(asker("web1").answer(own.clone()).await.unwrap().fresh);
        for (host, query) in [("web2", own), ("web1", asked("cpu_load"))] {
            let why = asker(host).answer(query).await.unwrap_err();
            assert!(why.contains("there is no item"), "{why}");
        }
    }
}
