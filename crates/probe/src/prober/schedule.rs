//! Who is asked when, and what becomes of the answers.

mod beside;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep_model::api::Report;
use lockstep_model::{Interval, ItemName, Sample, Work};
use lockstep_net::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{self, AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::entry::{Entry, Identity, Wish, counts, wishes};
use super::live::{self, Ask, Watched};
use super::outbox::Outbox;
use super::probes::Probes;
use super::{Find, Leave, Wanted, bounds};
use crate::Config;
use crate::kernel::number;
use crate::probe::Found;
use crate::programs::Programs;

/// Most looks under way, cheap ones aside.
const MOST_LOOKS: usize = 16;
/// Most requests for samples of everything that wait for their last probe.
const MOST_REQUESTS: usize = 16;
/// Most who wait for looks that are under way.
const MOST_WAITING: usize = 64;
/// A probe has its limit to give up in its own words; so much later it is given up by us.
const GRACE: Duration = Duration::from_millis(500);

/// The number of an entry; it keeps it for as long as its probe is the same.
pub(super) type EntryId = u64;

/// The task that asks.
pub(super) struct Schedule {
    probes: Probes,
    clock: Clock,
    work: Arc<Work>,
    hurry: Option<Duration>,
    entries: BTreeMap<EntryId, Entry>,
    next_id: EntryId,
    /// Cheap probes are looked at in multiples of their interval behind this moment.
    start: Instant,
    /// Entries that are due and wait for a free place.
    queue: VecDeque<EntryId>,
    looks: JoinSet<Option<Vec<Found>>>,
    under_way: HashMap<task::Id, UnderWay>,
    outbox: Outbox,
    /// Who wants samples of everything at once.
    requests: Vec<Request>,
    /// Items that somebody watches live.
    watched: Watched,
    /// Who waits for a look that is under way, and for which item.
    waiting: Vec<(EntryId, ItemName, live::Answer)>,
    /// Entries that there was no room for.
    refused: usize,
    /// How many items had no room, as it was said last.
    dropped: usize,
}

#[derive(Debug)]
struct UnderWay {
    entry: EntryId,
    at: Timestamp,
    is_cheap: bool,
    /// The item that it is looked at for, if somebody watches that live: the schedule knows nothing of such a look.
    live: Option<ItemName>,
    abort: AbortHandle,
}

#[derive(Debug)]
struct Request {
    missing: HashSet<EntryId>,
    samples: Vec<Sample>,
    answer: oneshot::Sender<Vec<Sample>>,
}

impl Schedule {
    pub(super) fn new(
        config: Config,
        work: Arc<Work>,
        clock: Clock,
        find: Arc<Find>,
        programs: Arc<Programs>,
    ) -> Self {
        let start = Instant::now();
        let mut schedule = Self {
            probes: Probes::new(config, clock.clone(), find, programs),
            clock,
            work: Arc::clone(&work),
            hurry: None,
            entries: BTreeMap::new(),
            next_id: 0,
            start,
            queue: VecDeque::new(),
            looks: JoinSet::new(),
            under_way: HashMap::new(),
            outbox: Outbox::default(),
            requests: Vec::new(),
            watched: Watched::default(),
            waiting: Vec::new(),
            refused: 0,
            dropped: 0,
        };
        schedule.follow(work, start);
        schedule
    }

    pub(super) async fn run(
        mut self,
        mut wanted: watch::Receiver<Wanted>,
        mut requests: mpsc::Receiver<oneshot::Sender<Vec<Sample>>>,
        mut asks: mpsc::Receiver<Ask>,
        batches: mpsc::Sender<Vec<Sample>>,
    ) {
        loop {
            self.begin_what_is_due();
            let is_ready = self.is_ready();
            let wake = self.wake();
            tokio::select! {
                changed = wanted.changed() => match changed {
                    Ok(()) => {
                        let wanted = wanted.borrow_and_update().clone();
                        self.adopt(wanted);
                    }
                    // The prober is gone.
                    Err(_) => return,
                },
                Some(answer) = requests.recv(), if self.requests.len() < MOST_REQUESTS => {
                    self.sample_everything(answer);
                }
                Some(ask) = asks.recv() => self.look_live(ask),
                Some(ended) = self.looks.join_next_with_id(), if !self.looks.is_empty() => {
                    self.end(ended);
                }
                place = batches.reserve(), if is_ready => match place {
                    Ok(place) => place.send(self.outbox.take()),
                    Err(_) => return,
                },
                () = batches.closed() => return,
                () = sleep_until(wake) => {}
            }
        }
    }

    /// A batch is full when nobody is being asked any more, or when its first sample has waited long enough.
    fn is_ready(&self) -> bool {
        self.outbox
            .ready_at()
            .is_some_and(|at| self.looks.is_empty() || at <= Instant::now())
    }

    fn wake(&self) -> Instant {
        let due = self.entries.values().map(|entry| entry.due).min();
        let batch = self.outbox.ready_at().filter(|at| *at > Instant::now());
        let live = self.watched.wake();
        // With nothing to do, an hour is as good as any.
        let latest = Instant::now() + Duration::from_secs(3600);
        [due, batch, live]
            .into_iter()
            .flatten()
            .fold(latest, Instant::min)
    }

    /// Takes over what is wanted now.
    fn adopt(&mut self, wanted: Wanted) {
        let now = Instant::now();
        if let Some(leave) = wanted.leave
            && !Arc::ptr_eq(&self.probes.permits, &leave.permits)
        {
            self.permit(leave);
        }
        if !Arc::ptr_eq(&self.work, &wanted.work) {
            self.follow(wanted.work, now);
        }
        if self.hurry != wanted.hurry {
            self.hurry = wanted.hurry;
            for entry in self.entries.values_mut() {
                entry.plan(now, self.hurry);
            }
        }
    }

    /// Makes all probes anew that may depend on what the host permits; those of the kernel do not.
    fn permit(&mut self, leave: Leave) {
        self.probes.permits = leave.permits;
        self.probes.secrets = leave.secrets;
        for entry in self.entries.values_mut() {
            if !entry.is_of_the_kernel() {
                entry.probe = self.probes.find(&entry.identity);
            }
        }
        self.watched.clear();
    }

    fn follow(&mut self, work: Arc<Work>, now: Instant) {
        let mut wishes = wishes(&work);
        self.refused = wishes.len().saturating_sub(bounds::MOST_ITEMS);
        wishes.truncate(bounds::MOST_ITEMS);
        let mut before = std::mem::take(&mut self.entries);
        for wish in wishes {
            let same = before
                .iter()
                .find(|(_, entry)| entry.identity == wish.identity);
            match same.map(|(id, _)| *id) {
                Some(id) => {
                    if let Some(mut entry) = before.remove(&id) {
                        entry.change_pace(wish.every, now, self.hurry);
                        self.entries.insert(id, entry);
                    }
                }
                None => self.add(wish, now),
            }
        }
        self.work = work;
        self.watched.clear();
        self.waiting.clear();
        self.probes.programs.keep(|host, item| {
            let runs = |it: &Identity| {
                let rest = it.name.as_str().strip_prefix(item.as_str());
                it.host.as_ref() == host
                    && rest.is_some_and(|it| it.is_empty() || it.starts_with('/'))
            };
            self.entries.values().any(|entry| runs(&entry.identity))
        });
        self.queue.retain(|id| self.entries.contains_key(id));
        for look in self.under_way.values() {
            if before.contains_key(&look.entry) {
                look.abort.abort();
            }
        }
        for id in before.keys() {
            self.tell_requests(*id, &[]);
        }
        self.tell_dropped(now);
    }

    fn add(&mut self, wish: Wish, now: Instant) {
        let probe = self.probes.find(&wish.identity);
        let entry = Entry::new(wish, probe, self.start, now);
        self.entries.insert(self.next_id, entry);
        self.next_id += 1;
    }

    fn sample_everything(&mut self, answer: oneshot::Sender<Vec<Sample>>) {
        let now = Instant::now();
        for entry in self.entries.values_mut() {
            entry.due = now;
        }
        let request = Request {
            missing: self.entries.keys().copied().collect(),
            samples: Vec::new(),
            answer,
        };
        self.requests.push(request);
        self.answer_requests();
    }

    /// Begins the looks whose time has come. One that is still under way is not begun again, and not made up for.
    fn begin_what_is_due(&mut self) {
        let (now, at) = (Instant::now(), self.clock.now());
        let mut cheap = Vec::new();
        for (id, entry) in &mut self.entries {
            if entry.due > now {
                continue;
            }
            entry.plan(now, self.hurry);
            if entry.is_busy {
                continue;
            }
            entry.is_busy = true;
            if entry.is_cheap() {
                cheap.push(*id);
            } else {
                self.queue.push_back(*id);
            }
        }
        if !cheap.is_empty() {
            self.probes.kernel.forget();
        }
        for id in cheap {
            self.begin(id, at, now);
        }
        self.begin_live(at, now);
        while self
            .under_way
            .values()
            .filter(|look| !look.is_cheap)
            .count()
            < MOST_LOOKS
        {
            let Some(id) = self.queue.pop_front() else {
                break;
            };
            self.begin(id, at, now);
        }
    }

    fn begin(&mut self, id: EntryId, at: Timestamp, now: Instant) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        match &entry.probe {
            Ok(probe) => {
                let probe = Arc::clone(probe);
                let limit = entry.identity.timeout + GRACE;
                let is_cheap = entry.is_cheap();
                // The probe's own code runs in there as a whole: if it panics, it alone is harmed.
                let look = async move { timeout(limit, async { probe.look(at).await }).await.ok() };
                let handle = self.looks.spawn(look);
                let under_way = UnderWay {
                    entry: id,
                    at,
                    is_cheap,
                    live: None,
                    abort: handle.clone(),
                };
                self.under_way.insert(handle.id(), under_way);
            }
            Err(why) => {
                let found = entry.without_values(why);
                self.take(id, at, found, now);
            }
        }
    }

    fn end(&mut self, ended: Result<(task::Id, Option<Vec<Found>>), JoinError>) {
        let task = ended.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
        let Some(UnderWay {
            entry: id,
            at,
            live,
            ..
        }) = self.under_way.remove(&task)
        else {
            return;
        };
        if self.looks.is_empty() {
            self.probes.kernel.forget();
        }
        if let Some(item) = live {
            self.end_live(&item, id, at, ended.ok().and_then(|(_, found)| found));
            return;
        }
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let found = match ended {
            Ok((_, Some(found))) => found,
            Ok((_, None)) => entry.without_values(&no_answer(entry.identity.timeout)),
            Err(error) => entry.without_values(&panicked(error)),
        };
        self.take(id, at, found, Instant::now());
    }

    /// Makes samples of what a look found.
    fn take(&mut self, id: EntryId, at: Timestamp, mut found: Vec<Found>, now: Instant) {
        let room = self.room(id);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.is_busy = false;
        found.retain(|found| counts(&entry.identity, &found.item, &self.work));
        entry.dropped = bounds::admit(&mut found, &entry.items, room);
        entry.items = found.iter().map(|found| found.item.clone()).collect();
        let host = entry.identity.host.clone();
        let samples: Vec<Sample> = found
            .into_iter()
            .map(bounds::tidy)
            .map(|found| Sample {
                host: host.clone(),
                item: found.item,
                at,
                value: found.value,
                verdict: found.verdict,
            })
            .collect();
        for sample in &samples {
            self.outbox.put(sample.clone(), now);
        }
        let is_asked = |(entry, ..): &mut (EntryId, _, _)| *entry == id;
        for (_, item, answer) in self.waiting.extract_if(.., is_asked) {
            let sample = samples.iter().find(|it| it.item == item);
            let _ = answer.send(live::looked(sample));
        }
        self.tell_requests(id, &samples);
        self.tell_dropped(now);
    }

    /// Every entry has one place for itself; of all others the first comers have as many as there are.
    fn room(&self, id: EntryId) -> usize {
        let others = self.entries.iter().filter(|(other, _)| **other != id);
        let taken: usize = others.map(|(_, entry)| entry.items.len().max(1)).sum();
        bounds::MOST_ITEMS.saturating_sub(taken).max(1)
    }

    /// `items_dropped` is there while something is dropped, and once more when nothing is.
    #[expect(clippy::cast_precision_loss, reason = "below 2^52")]
    fn tell_dropped(&mut self, now: Instant) {
        let entries = self.entries.values().map(|entry| entry.dropped);
        let dropped = entries.fold(self.refused, usize::saturating_add);
        let before = std::mem::replace(&mut self.dropped, dropped);
        if dropped == 0 && before == 0 {
            return;
        }
        if before == 0 {
            let most = Report::MOST_ITEMS;
            tracing::warn!(
                dropped,
                most,
                "there are more items than a report can carry"
            );
        }
        let sample = Sample {
            host: None,
            item: ItemName::parse("items_dropped").expect("it is an item's name"),
            at: self.clock.now(),
            value: number(dropped as f64, ""),
            verdict: None,
        };
        self.outbox.put(sample, now);
    }

    fn tell_requests(&mut self, id: EntryId, samples: &[Sample]) {
        for request in &mut self.requests {
            if request.missing.remove(&id) {
                request.samples.extend_from_slice(samples);
            }
        }
        self.answer_requests();
    }

    fn answer_requests(&mut self) {
        for request in self
            .requests
            .extract_if(.., |request| request.missing.is_empty())
        {
            // Who asked may have gone away.
            let _ = request.answer.send(request.samples);
        }
    }
}

fn no_answer(limit: Duration) -> String {
    let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    format!("no answer within {}", Interval::from_millis(millis))
}

fn panicked(error: JoinError) -> String {
    let panic = error.try_into_panic().ok();
    let words = panic.as_deref().and_then(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied())
    });
    let words = words.unwrap_or("no reason given");
    format!("the probe failed, which is a bug of the agent: {words}")
}
