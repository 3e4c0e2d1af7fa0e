//! Live looks, which go beside the schedule; see `prober::live`.

use jiff::Timestamp;
use lockstep_model::{Glob, ItemName, Sample};
use tokio::time::{Instant, timeout};

use super::super::bounds;
use super::super::entry::{Entry, Identity};
use super::super::live::{Ask, Looked};
use super::{EntryId, GRACE, MOST_WAITING, Schedule, UnderWay};
use crate::probe::Found;

impl Schedule {
    /// Somebody wants an item now.
    pub(super) fn look_live(&mut self, ask: Ask) {
        let now = Instant::now();
        let Ask { host, item, answer } = ask;
        let is_it = |entry: &Entry| {
            let identity = &entry.identity;
            identity.host == host
                && (entry.items.contains(&item) || identity.name.as_str() == item.as_str())
        };
        let Some((&id, entry)) = self.entries.iter().find(|(_, entry)| is_it(entry)) else {
            // Who asked may have gone away.
            let _ = answer.send(Looked::Nothing);
            return;
        };
        if entry.probe.is_err() {
            // That is said once, when the document comes, and not at each question.
            let _ = answer.send(Looked::Newest);
            return;
        }
        if !entry.is_cheap() || host.is_some() {
            self.waiting.retain(|(.., answer)| !answer.is_closed());
            if entry.is_busy && self.waiting.len() < MOST_WAITING {
                self.waiting.push((id, item, answer));
            } else {
                let _ = answer.send(Looked::Newest);
            }
            return;
        }
        if !self.watched.knows(&item, id) {
            // A probe of its own: the schedule's would find rates since this look, and not since its own last one.
            let timeout = entry.identity.timeout;
            let identity = Glob::parse(item.as_str()).map(|name| Identity {
                name,
                ..entry.identity.clone()
            });
            let probe = identity.and_then(|identity| self.probes.find(&identity));
            let added = probe.is_ok_and(|it| self.watched.add(&item, id, it, timeout, now));
            if !added {
                let _ = answer.send(Looked::Newest);
                return;
            }
        }
        if let Some(answer) = self.watched.wait(&item, answer, now) {
            let _ = answer.send(Looked::Newest);
        }
    }

    /// Begins the live looks whose time has come.
    pub(super) fn begin_live(&mut self, at: Timestamp, now: Instant) {
        let due = self.watched.due(now);
        if !due.is_empty() {
            self.probes.kernel.forget();
        }
        for begin in due {
            let (probe, limit) = (begin.probe, begin.timeout + GRACE);
            let look = async move { timeout(limit, async { probe.look(at).await }).await.ok() };
            let handle = self.looks.spawn(look);
            let under_way = UnderWay {
                entry: begin.entry,
                at,
                is_cheap: true,
                live: Some(begin.item),
                abort: handle.clone(),
            };
            self.under_way.insert(handle.id(), under_way);
        }
    }

    pub(super) fn end_live(
        &mut self,
        item: &ItemName,
        id: EntryId,
        at: Timestamp,
        found: Option<Vec<Found>>,
    ) {
        let found = found.into_iter().flatten().find(|it| it.item == *item);
        let sample = found.map(bounds::tidy).map(|found| Sample {
            host: None,
            item: found.item,
            at,
            value: found.value,
            verdict: found.verdict,
        });
        self.watched.end(item, id, sample.as_ref());
    }
}
