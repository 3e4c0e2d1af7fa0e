//! Probes that read files, which may take for ever.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{ItemName, Level, Value, Verdict};
use tokio::time::Instant;

use crate::probe::{Found, Look, Order, Probe};

/// What is read, and what it says. It runs in a thread of its own and may wait.
pub(super) trait Source: fmt::Debug + Send + Sync + 'static {
    /// Reads once. An error is why the item has no value.
    fn read(&self, order: &Order, at: Timestamp) -> Result<Vec<Found>, String>;
}

/// The probe for a source.
#[derive(Debug)]
struct Reading<S> {
    order: Order,
    source: S,
}

/// Makes a source the probe of an entry.
pub(super) fn reading(order: &Order, source: impl Source) -> Arc<dyn Probe> {
    Arc::new(Reading {
        order: order.clone(),
        source,
    })
}

impl<S: Source> Probe for Reading<S> {
    fn look(self: Arc<Self>, at: Timestamp) -> Look {
        Box::pin(async move {
            let deadline = Instant::now() + self.order.timeout;
            let this = Arc::clone(&self);
            let key = self.order.name.as_str();
            let pending = self
                .order
                .aside
                .ask(key, at, move || this.source.read(&this.order, at));
            let found = pending.answer(deadline).await.and_then(|found| found);
            found.unwrap_or_else(|why| without_value(&self.order, why))
        })
    }
}

/// The item of an entry, without a value. An entry that is a pattern names no item that could be without one.
pub(super) fn without_value(order: &Order, why: String) -> Vec<Found> {
    if !order.name.is_plain() {
        tracing::debug!(items = %order.name, why, "nothing is found");
        return Vec::new();
    }
    the_item(order, Value::None(why), None)
}

/// The one item that an entry names.
pub(super) fn the_item(order: &Order, value: Value, verdict: Option<Verdict>) -> Vec<Found> {
    match ItemName::parse(order.name.as_str()) {
        Ok(item) => vec![Found {
            item,
            value,
            verdict,
        }],
        Err(why) => {
            tracing::debug!(item = %order.name, why, "an entry cannot be an item");
            Vec::new()
        }
    }
}

/// An item of an entry that may be a pattern; none if the entry does not mean it.
pub(super) fn one_of(
    order: &Order,
    name: &str,
    value: Value,
    verdict: Option<Verdict>,
) -> Option<Found> {
    let item = ItemName::parse(&format!("{}:{name}", order.probe()))
        .inspect_err(|why| tracing::debug!(name, why, "it cannot be an item"))
        .ok()?;
    order.name.matches(item.as_str()).then_some(Found {
        item,
        value,
        verdict,
    })
}

/// A verdict; the best one needs no words.
pub(super) fn verdict(level: Level, why: impl Into<String>) -> Option<Verdict> {
    Some(Verdict {
        level,
        why: why.into(),
    })
}

/// The seconds from `then` to `now`, and never fewer than none: clocks are set back.
pub(super) fn age(now: Timestamp, then_second: i64) -> Value {
    seconds(now.as_second().saturating_sub(then_second).max(0))
}

/// A number of seconds.
#[expect(clippy::cast_precision_loss, reason = "2^52 seconds are long enough")]
pub(super) fn seconds(count: i64) -> Value {
    crate::kernel::number(count as f64, "s")
}

/// A number of things.
#[expect(clippy::cast_precision_loss, reason = "2^52 things are enough")]
pub(super) fn count(count: usize) -> Value {
    crate::kernel::number(count as f64, "")
}
