//! Looks at one item for somebody who watches it live: beside the item's own interval, and without a trace in it.
//!
//! An item of a cheap probe is looked at by a probe of its own, once a second at most, however many ask: its rates are
//! between live looks, and those of the schedule are what they would have been. Its samples go to whoever asked and
//! nowhere else, so that nobody is alerted because somebody watched. Any other item is not looked at sooner than its
//! interval says; a look that is under way is waited for, and a second one is never begun.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lockstep_model::{HostName, ItemName, Sample, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::schedule::EntryId;
use crate::NEEDS_TWO;
use crate::probe::Probe;

/// Time between two live looks at one item.
pub(super) const PACE: Duration = Duration::from_secs(1);
/// A probe that nobody has asked for so long is given up, with what it remembers.
const FORGOTTEN: Duration = Duration::from_secs(15);
/// Most items that are watched live at the same time.
const MOST: usize = 16;
/// Most who wait for one look.
const MOST_WAITING: usize = 16;

/// What a live look found.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    /// A sample that was taken for whoever asked, or the one of a look that was just under way.
    Sample(Sample),
    /// The item is not looked at sooner than its interval says, cannot be looked at, or a rate has no value yet: the newest
    /// value that came by the schedule must do.
    Newest,
    /// No probe of this host gives such an item.
    Nothing,
}

/// Asks a [`Prober`](super::Prober) for single items.
#[derive(Debug, Clone)]
pub struct Live {
    pub(super) asks: mpsc::Sender<Ask>,
}

/// Somebody asks for an item now.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) host: Option<HostName>,
    pub(super) item: ItemName,
    pub(super) answer: Answer,
}

pub(super) type Answer = oneshot::Sender<Looked>;

impl Live {
    /// Looks at an item now, if that costs next to nothing; see [`Looked`]. Waits for up to a second, and for a look
    /// that is under way until it ends.
    pub async fn look(&self, host: Option<HostName>, item: ItemName) -> Looked {
        let (answer, looked) = oneshot::channel();
        if self.asks.send(Ask { host, item, answer }).await.is_err() {
            return Looked::Nothing;
        }
        looked.await.unwrap_or(Looked::Newest)
    }
}

/// Items that are watched live.
#[derive(Debug, Default)]
pub(super) struct Watched {
    items: HashMap<ItemName, One>,
}

/// One of them.
#[derive(Debug)]
struct One {
    entry: EntryId,
    probe: Arc<dyn Probe>,
    timeout: Duration,
    due: Instant,
    asked: Instant,
    is_busy: bool,
    waiting: Vec<Answer>,
}

/// A live look that is to be begun.
pub(super) struct Begin {
    pub(super) item: ItemName,
    pub(super) entry: EntryId,
    pub(super) probe: Arc<dyn Probe>,
    pub(super) timeout: Duration,
}

impl Watched {
    /// True if the item has a probe for this entry already.
    pub(super) fn knows(&self, item: &ItemName, entry: EntryId) -> bool {
        self.items.get(item).is_some_and(|it| it.entry == entry)
    }

    /// Takes an item up with a probe of its own. False if there are too many.
    pub(super) fn add(
        &mut self,
        item: &ItemName,
        entry: EntryId,
        probe: Arc<dyn Probe>,
        timeout: Duration,
        now: Instant,
    ) -> bool {
        if !self.items.contains_key(item) && self.items.len() >= MOST {
            return false;
        }
        let one = One {
            entry,
            probe,
            timeout,
            due: now,
            asked: now,
            is_busy: false,
            waiting: Vec::new(),
        };
        self.items.insert(item.clone(), one);
        true
    }

    /// Somebody waits for the item's next look; gives them back if too many do.
    pub(super) fn wait(&mut self, item: &ItemName, answer: Answer, now: Instant) -> Option<Answer> {
        let one = match self.items.get_mut(item) {
            Some(one) => one,
            None => return Some(answer),
        };
        one.asked = now;
        one.waiting.retain(|it| !it.is_closed());
        if one.waiting.len() >= MOST_WAITING {
            return Some(answer);
        }
        one.waiting.push(answer);
        None
    }

    /// When there is something to do, if there is.
    pub(super) fn wake(&self) -> Option<Instant> {
        let waited_for = |it: &&One| !it.is_busy && !it.waiting.is_empty();
        self.items
            .values()
            .filter(waited_for)
            .map(|it| it.due)
            .min()
    }

    /// The looks whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Begin> {
        self.items.retain(|_, it| {
            it.is_busy || !it.waiting.is_empty() || now.duration_since(it.asked) < FORGOTTEN
        });
        let mut due = Vec::new();
        for (item, one) in &mut self.items {
            if one.is_busy || one.waiting.is_empty() || one.due > now {
                continue;
            }
            one.is_busy = true;
            one.due = now + PACE;
            due.push(Begin {
                item: item.clone(),
                entry: one.entry,
                probe: Arc::clone(&one.probe),
                timeout: one.timeout,
            });
        }
        due
    }

    /// A look has ended: all who wait have its sample. None if the probe did not answer in time.
    pub(super) fn end(&mut self, item: &ItemName, entry: EntryId, sample: Option<&Sample>) {
        let Some(one) = self.items.get_mut(item).filter(|it| it.entry == entry) else {
            return;
        };
        one.is_busy = false;
        for answer in one.waiting.drain(..) {
            // Who asked may have gone away.
            let _ = answer.send(looked(sample));
        }
    }

    /// Another document counts: probes are made anew when they are asked for again.
    pub(super) fn clear(&mut self) {
        self.items.clear();
    }
}

/// What a look is worth to somebody who asked.
pub(super) fn looked(sample: Option<&Sample>) -> Looked {
    match sample {
        Some(Sample {
            value: Value::None(why),
            ..
        }) if why == NEEDS_TWO => Looked::Newest,
        Some(sample) => Looked::Sample(sample.clone()),
        None => Looked::Newest,
    }
}
