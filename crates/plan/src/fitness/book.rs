//! What is remembered of all items, and what happens to them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_model::api::Report;
use lockstep_model::{
    EventKind, HostName, Interval, ItemName, ItemState, Level, Sample, Value, Work,
};

use super::condition::Sibling;
use super::item::{Item, LONG_GAP, elapsed_ms};
use super::latch::millis;
use super::orders::{Listing, Orders};
use super::record::{BookRecord, ItemRecord};
use super::turns::Turn;
use super::why::Why;

/// Time between two samples where nobody says another.
const USUAL_SAMPLE: Interval = Interval::from_secs(60);
/// An item that only a pattern asks for is forgotten after this time without a sample: the disk is gone for good.
const FORGET_MS: u64 = 24 * 3_600_000;
/// The form of a book's record.
const FORMAT: u32 = 1;

/// Something that happened to an item; the outbox gives it its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// The watched host whose item it is; none for the agent's own host.
    pub host: Option<HostName>,
    /// Which item.
    pub item: ItemName,
    /// When, by the host's clock.
    pub at: Timestamp,
    /// What changed.
    pub kind: EventKind,
    /// The level before.
    pub from: Level,
    /// The level from now on. It differs from the one before for [`EventKind::Level`] alone.
    pub to: Level,
    /// The newest value.
    pub value: Value,
    /// Why.
    pub why: Why,
}

/// The items of a host and of those that it watches: their levels, and what led to them.
///
/// It holds [`ItemBook::MOST`] items at most. A copy is cheap enough to try a batch on it: when what happened cannot
/// be written down, the copy is thrown away and the batch is taken again.
#[derive(Debug, Clone)]
pub struct ItemBook {
    hosts: BTreeMap<Option<HostName>, BTreeMap<ItemName, Item>>,
    orders: Orders,
    /// When it was last asked.
    asked_at: Option<Timestamp>,
    /// Since when it has been asked again and again. A machine that slept did not watch, so nothing is missing of
    /// that time.
    awake_since: Option<Timestamp>,
    left_out: usize,
}

impl Default for ItemBook {
    fn default() -> Self {
        Self {
            hosts: BTreeMap::new(),
            orders: Orders::none(USUAL_SAMPLE),
            asked_at: None,
            awake_since: None,
            left_out: 0,
        }
    }
}

impl ItemBook {
    /// Most items; a report with more is refused by the server.
    pub const MOST: usize = Report::MOST_ITEMS;

    /// An empty book, which judges whatever comes by the built-in functions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges by this work document from now on. Items that it does not name any more are closed at the next
    /// [`ItemBook::take`]. An item whose function is another one now keeps its level until that has judged.
    pub fn follow(&mut self, work: &Work) {
        self.orders = Orders::of(work);
        for (host, items) in &mut self.hosts {
            for (name, item) in items {
                let order = self.orders.order(host.as_ref(), name);
                item.is_leaving =
                    (item.is_leaving || item.is_listed()) && order.listing == Listing::Unlisted;
                item.follow(order);
            }
        }
    }

    /// Takes in samples and says what happened, in the order of time for each item. It wants to be called at least
    /// as often as the item with the shortest interval is due, if only with nothing.
    pub fn take(&mut self, samples: &[Sample], now: Timestamp) -> Vec<Happened> {
        let mut happened = Vec::new();
        self.left_out = 0;
        self.notice_pause(now);
        let closed = self.close_leaving(now, &mut happened);
        let is_closed = |sample: &Sample| {
            closed
                .iter()
                .any(|(host, item)| (host, item) == (&sample.host, &sample.item))
        };
        for round in rounds(samples.iter().filter(|sample| !is_closed(sample))) {
            self.take_round(&round, now, &mut happened);
        }
        self.notice_silence(now, &mut happened);
        happened
    }

    /// How the items of a host stand, in the order of their names; none for the agent's own host.
    #[must_use]
    pub fn states(&self, host: Option<&HostName>) -> Vec<ItemState> {
        let items = self.hosts.get(&host.cloned()).into_iter().flatten();
        items.map(|(name, item)| item.state(name)).collect()
    }

    /// When the newest sample of an item was taken, whose value its state has.
    #[must_use]
    pub fn sampled_at(&self, host: Option<&HostName>, item: &ItemName) -> Option<Timestamp> {
        let items = self.hosts.get(&host.cloned())?;
        Some(items.get(item)?.memory.at())
    }

    /// The watched hosts of which there are items.
    pub fn watched(&self) -> impl Iterator<Item = &HostName> {
        self.hosts.keys().flatten()
    }

    /// The worst level of all items.
    #[must_use]
    pub fn worst(&self) -> Level {
        let items = self.hosts.values().flat_map(BTreeMap::values);
        items
            .map(|item| item.memory.shown())
            .max()
            .unwrap_or_default()
    }

    /// The level of an item of this host without what flapping adds.
    #[cfg(test)]
    pub(super) fn judged(&self, item: &ItemName) -> Option<Level> {
        Some(self.hosts.get(&None)?.get(item)?.memory.judged())
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hosts.values().map(BTreeMap::len).sum()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many samples of the last batch had no room: there are more items than [`ItemBook::MOST`].
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// What must be kept over a restart. Written together with what happened, it neither repeats nor loses anything.
    #[must_use]
    pub fn snapshot(&self) -> BookRecord {
        let items = self.hosts.iter().flat_map(|(host, items)| {
            items.iter().map(|(name, item)| ItemRecord {
                host: host.clone(),
                item: name.clone(),
                is_listed: item.is_leaving || item.is_listed(),
                memory: item.memory.clone(),
            })
        });
        BookRecord {
            format: FORMAT,
            asked_at: self.asked_at,
            awake_since: self.awake_since,
            items: items.collect(),
        }
    }

    /// A book that goes on where another one ended, under a work document that may be a newer one.
    #[must_use]
    pub fn resume(record: BookRecord, work: &Work, now: Timestamp) -> Self {
        let mut book = Self {
            orders: Orders::of(work),
            ..Self::default()
        };
        if record.format != FORMAT {
            return book;
        }
        for known in record.items.into_iter().take(Self::MOST) {
            let order = book.orders.order(known.host.as_ref(), &known.item);
            let mut item = Item::resume(known.memory, order);
            item.is_leaving = known.is_listed && !item.is_listed();
            book.hosts
                .entry(known.host)
                .or_default()
                .insert(known.item, item);
        }
        book.asked_at = record.asked_at;
        book.awake_since = record.awake_since;
        if book.asked_at.is_some() {
            book.notice_pause(now);
        }
        book
    }

    /// After a time in which nobody asked, or when the clock was turned back, silence is counted from now on.
    fn notice_pause(&mut self, now: Timestamp) {
        let items = self.hosts.values().flat_map(BTreeMap::values);
        let shortest = items.map(|item| millis(item.order.every)).min();
        let slept = self.asked_at.is_none_or(|asked| {
            asked > now || shortest.is_some_and(|every| elapsed_ms(asked, now) > LONG_GAP * every)
        });
        if slept || self.awake_since.is_none() {
            self.awake_since = Some(now);
        }
        self.asked_at = Some(now);
    }

    /// Closes what the work document does not name any more. Samples of it may still be under way.
    fn close_leaving(
        &mut self,
        now: Timestamp,
        happened: &mut Vec<Happened>,
    ) -> Vec<(Option<HostName>, ItemName)> {
        let gone = self.names(|item| item.is_leaving);
        for (host, name) in &gone {
            self.close(host, name, now, happened);
        }
        gone
    }

    /// An item that is asked for and not sampled has no data; one that nobody asks for by its name is forgotten
    /// sooner or later.
    fn notice_silence(&mut self, now: Timestamp, happened: &mut Vec<Happened>) {
        let awake_since = self.awake_since.unwrap_or(now);
        let silence = |item: &Item| {
            let silent_ms = item.silent_ms(awake_since, now);
            (silent_ms > LONG_GAP * millis(item.order.every)).then_some(silent_ms)
        };
        let gone = self.names(|item| match item.order.listing {
            Listing::Named => false,
            Listing::Found => silence(item).is_some_and(|silent_ms| silent_ms > FORGET_MS),
            Listing::Unlisted => silence(item).is_some(),
        });
        for (host, name) in &gone {
            self.close(host, name, now, happened);
        }
        for (host, items) in &mut self.hosts {
            for (name, item) in items {
                if silence(item).is_some() {
                    let turns = item.fall_silent(now);
                    tell(happened, host, name, now, item.memory.value(), turns);
                }
            }
        }
    }

    /// Takes in samples of different items: first all values, so that it does not matter which item is judged first.
    fn take_round(&mut self, round: &[&Sample], now: Timestamp, happened: &mut Vec<Happened>) {
        let arrived: Vec<_> = round
            .iter()
            .filter_map(|sample| {
                if !self.has(sample) && !self.make_room(now, happened) {
                    self.left_out += 1;
                    return None;
                }
                let orders = &self.orders;
                let items = self.hosts.entry(sample.host.clone()).or_default();
                let item = items.entry(sample.item.clone()).or_insert_with(|| {
                    let order = orders.order(sample.host.as_ref(), &sample.item);
                    Item::new(order, sample.at)
                });
                Some((*sample, item.arrive(sample)))
            })
            .collect();
        for (sample, arrival) in arrived {
            let siblings = self.siblings(sample);
            let Some(item) = self.item(sample) else {
                continue;
            };
            let turns = item.judge(sample, arrival, &siblings);
            let value = item.memory.value().clone();
            tell(
                happened,
                &sample.host,
                &sample.item,
                sample.at,
                &value,
                turns,
            );
        }
    }

    fn has(&self, sample: &Sample) -> bool {
        let items = self.hosts.get(&sample.host);
        items.is_some_and(|items| items.contains_key(&sample.item))
    }

    fn item(&mut self, sample: &Sample) -> Option<&mut Item> {
        self.hosts.get_mut(&sample.host)?.get_mut(&sample.item)
    }

    /// What the item's function wants to know of others.
    fn siblings(&self, sample: &Sample) -> Vec<Sibling> {
        let Some(items) = self.hosts.get(&sample.host) else {
            return Vec::new();
        };
        let Some(item) = items.get(&sample.item) else {
            return Vec::new();
        };
        let asked = item.order.function.asks().iter();
        asked
            .filter_map(|probe| {
                let name = sample.item.sibling(probe)?;
                Some(items.get(&name)?.as_sibling(probe, sample.at))
            })
            .collect()
    }

    /// True if there is room for one more item. Items that a pattern found and that are silent make room, the one
    /// that has been silent for longest first.
    fn make_room(&mut self, now: Timestamp, happened: &mut Vec<Happened>) -> bool {
        if self.len() < Self::MOST {
            return true;
        }
        let gone =
            self.names(|item| item.memory.is_silent() && item.order.listing != Listing::Named);
        let oldest = gone.into_iter().min_by_key(|(host, name)| {
            let item = self.hosts.get(host).and_then(|items| items.get(name));
            item.map(|item| item.memory.at())
        });
        let Some((host, name)) = oldest else {
            return false;
        };
        self.close(&host, &name, now, happened);
        true
    }

    fn names(&self, is_meant: impl Fn(&Item) -> bool) -> Vec<(Option<HostName>, ItemName)> {
        let all = self
            .hosts
            .iter()
            .flat_map(|(host, items)| items.iter().map(move |(name, item)| (host, name, item)));
        all.filter(|(.., item)| is_meant(item))
            .map(|(host, name, _)| (host.clone(), name.clone()))
            .collect()
    }

    fn close(
        &mut self,
        host: &Option<HostName>,
        name: &ItemName,
        now: Timestamp,
        happened: &mut Vec<Happened>,
    ) {
        let Some(items) = self.hosts.get_mut(host) else {
            return;
        };
        if let Some(item) = items.remove(name) {
            let value = item.memory.value().clone();
            tell(happened, host, name, now, &value, item.close());
        }
        if items.is_empty() {
            self.hosts.remove(host);
        }
    }
}

fn tell(
    happened: &mut Vec<Happened>,
    host: &Option<HostName>,
    item: &ItemName,
    at: Timestamp,
    value: &Value,
    turns: Vec<Turn>,
) {
    happened.extend(turns.into_iter().map(|turn| Happened {
        host: host.clone(),
        item: item.clone(),
        at,
        kind: turn.kind,
        from: turn.from,
        to: turn.to,
        value: value.clone(),
        why: turn.why,
    }));
}

/// The samples, sorted so that their order in the batch does not matter: the first one of each item, then the second
/// one of each, and so on.
fn rounds<'a>(samples: impl Iterator<Item = &'a Sample>) -> Vec<Vec<&'a Sample>> {
    let mut sorted: Vec<&Sample> = samples.collect();
    sorted.sort_by(|a, b| (&a.host, &a.item, a.at).cmp(&(&b.host, &b.item, b.at)));
    let mut rounds: Vec<Vec<&Sample>> = Vec::new();
    let mut before: Option<&Sample> = None;
    let mut round = 0;
    for sample in sorted {
        let again = before
            .is_some_and(|before| (&before.host, &before.item) == (&sample.host, &sample.item));
        round = if again { round + 1 } else { 0 };
        if rounds.len() == round {
            rounds.push(Vec::new());
        }
        if let Some(round) = rounds.get_mut(round) {
            round.push(sample);
        }
        before = Some(sample);
    }
    rounds
}
