//! Who is told of what, and when: the server's half of the state engine.
//!
//! It goes by states, not by events. At each tick the server gives everything that is not well in the fleet, and
//! [`decide`] holds it against the [`Book`]: what each receiver was last told. A message is sent where the two differ.
//! So neither a restart nor a crash between two ticks can tell something twice or lose it, as long as the book's
//! changed rows and the notices are stored in one transaction.
//!
//! A problem exists for a receiver if a route that names the receiver tells of it; one who stands in several routes is
//! told once, by the first of them in the file. Whatever happens:
//!
//! * each first message (problem, flapping, escalated) is followed by exactly one closing one (recovered, cancelled),
//!   and no closing one comes without a first;
//! * while a host that it depends on is down, while it is silenced, and outside of the route's hours, nothing but the
//!   closing message is told of a problem; what is still bad at the end is told then, with the reason;
//! * a gap is not a recovery, and a recovery is told when it has lasted;
//! * while something flaps, its beginning, acknowledgements and the end are told, and nothing between them;
//! * the same facts at the same time say nothing a second time.
//!
//! How fast: a first message waits for others of its cause ([`Pace::wait`]); further ones of the same thread keep a
//! distance ([`Pace::interval`]). Not bound to it are new problems and worsenings to critical or dead,
//! acknowledgements and escalations, unless the thread has more than ten open problems; and the recovery that
//! leaves nothing open. A problem that somebody is on is not told to those who have not heard of it.
//!
//! Threads gather by cause: the release that the hosts got, a common parent, the same item on several hosts, one host.
//! More than ten new problems of one receiver that would make more than one message become one.
//!
//! Not here: hysteresis and the score of flapping (the host's half, `fitness`), how messages look and leave
//! (`notify`), and the silence of a host itself ([`lease::silence_level`] judges it, the server gives it as a trouble).
//!
//! [`Pace::wait`]: lockstep_model::alert::Pace::wait
//! [`Pace::interval`]: lockstep_model::alert::Pace::interval

mod book;
mod facts;
mod follow;
mod gather;
mod hold;
pub mod lease;
mod look;
mod scope;
mod words;

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use lockstep_model::alert::{Ack, Notice, NoticeEntry, NoticeKind, Trouble};
use lockstep_model::{HostName, ItemName, Level, LevelNames, Value};

pub use book::{BadRow, Book};
pub use facts::{Facts, Fleet, HostRun};
pub use hold::{Held, Holds};
pub use look::Counts;

use book::{Key, json, thread_key};
use gather::Gather;
use look::{Case, Look};

/// Most rows of the book that one decision touches. What is beyond is left for the next one, which is due at once:
/// messages go first, and of what waits the worst goes first, so that a fleet of any size that breaks as a whole is
/// told in a few large messages, and no transaction is longer than a second.
pub const MOST_ROWS: usize = 10_000;

/// What is to be stored, in one transaction, and then sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// Rows of the book, by their keys.
    pub upserts: Vec<(String, String)>,
    /// Rows of the book that go.
    pub deletes: Vec<String>,
    /// The messages.
    pub notices: Vec<Notice>,
    /// When to look again at the latest, if nothing changes before; now, when something was put off.
    pub next: Option<Timestamp>,
    /// Silences that are over by the clock.
    pub silences_ended: Vec<String>,
    /// Acknowledgements that are over: they have run out, or their problem has ended.
    pub acks_ended: Vec<(HostName, ItemName)>,
    /// How many problems each silence holds back now, by its identity.
    pub held_by_silence: BTreeMap<String, u64>,
    /// How many problems are held back now, by what.
    pub counts: Counts,
    /// Changes that were left for the next decision, see [`MOST_ROWS`].
    pub put_off: usize,
}

/// Decides who is told of what now.
#[must_use]
pub fn decide(book: &Book, facts: &Facts<'_>) -> Decision {
    decide_within(book, facts, MOST_ROWS)
}

/// The same with another limit, for tests.
fn decide_within(book: &Book, facts: &Facts<'_>, most_rows: usize) -> Decision {
    let mut look = Look::new(*facts);
    look.at_everything(book);
    let gathered = Gather::new(facts, book, &mut look.cases, most_rows).messages();
    let over = |ends_at: Timestamp| ends_at <= facts.now;
    let silences_over = facts.silences.iter().filter(|it| over(it.ends_at));
    let mut decision = Decision {
        next: [look.next, gathered.next].into_iter().flatten().min(),
        notices: gathered.notices,
        silences_ended: silences_over.map(|it| it.id.clone()).collect(),
        held_by_silence: look.silenced,
        counts: look.counts,
        put_off: gathered.put_off,
        ..Decision::default()
    };
    let mut changed: Vec<&Case<'_>> = look.cases.iter().filter(|case| case.changed).collect();
    // What was sent is within the limit already, and goes first.
    let room = most_rows.saturating_sub(gathered.threads.len());
    if changed.len() > room {
        changed.sort_by_cached_key(|case| (!case.sent, case.rank()));
        decision.put_off += changed.len() - room;
        changed.truncate(room);
    }
    let room = room - changed.len();
    let mut deleted: HashSet<Key> = HashSet::new();
    for case in changed {
        let key = case.key();
        match &case.row {
            Some(row) => decision.upserts.push((key.text(), json(row.as_ref()))),
            None => {
                decision.deletes.push(key.text());
                deleted.insert(key);
            }
        }
    }
    for (id, thread) in &gathered.threads {
        decision.upserts.push((thread_key(id), json(thread)));
    }
    let gone = gathered.silent.iter().take(room);
    decision.deletes.extend(gone.map(|id| thread_key(id)));
    decision.acks_ended = acks_ended(book, facts, &deleted);
    if decision.put_off > 0 {
        decision.next = Some(facts.now);
    }
    decision
}

/// Acknowledgements that are over. One ends with its problem: when all is fine, or when nobody has the problem open
/// any more. What is soso now and was sick when it was acknowledged would be a new problem if it became sick again.
fn acks_ended(book: &Book, facts: &Facts<'_>, deleted: &HashSet<Key>) -> Vec<(HostName, ItemName)> {
    if facts.acks.is_empty() {
        return Vec::new();
    }
    let asked: HashSet<(&HostName, &ItemName)> = facts
        .acks
        .iter()
        .map(|ack| (&ack.host, &ack.item))
        .collect();
    let troubles: HashMap<(&HostName, &ItemName), &Trouble> = facts
        .troubles
        .iter()
        .map(|it| ((&it.host, &it.item), it))
        .filter(|(problem, _)| asked.contains(problem))
        .collect();
    let open: HashSet<(&HostName, &ItemName)> = book
        .rows
        .keys()
        .filter(|key| asked.contains(&(&key.host, &key.item)) && !deleted.contains(key))
        .map(|key| (&key.host, &key.item))
        .collect();
    let is_over = |ack: &&Ack| {
        let problem = (&ack.host, &ack.item);
        let is_open = open.contains(&problem);
        let ended = match troubles.get(&problem) {
            Some(it) if it.no_data || it.flapping => false,
            Some(it) => it.level < ack.level && it.level < Level::SICK,
            None => true,
        };
        hold::is_past(ack, facts.now) || (ended && !is_open)
    };
    let over = facts.acks.iter().filter(is_over);
    over.map(|ack| (ack.host.clone(), ack.item.clone()))
        .collect()
}

/// The message of `alert test`.
#[must_use]
pub fn test_notice(
    receiver: &str,
    host: &HostName,
    now: Timestamp,
    levels: &LevelNames,
    server_url: Option<&str>,
) -> Notice {
    let id = format!("test-{receiver}-{}", now.as_millisecond());
    let item = ItemName::parse("alert_test").expect("it is a probe's name");
    Notice {
        id: id.clone(),
        receiver: receiver.to_owned(),
        route: "test".into(),
        thread: id,
        at: now,
        entries: vec![NoticeEntry {
            kind: NoticeKind::Test,
            host: host.clone(),
            item,
            level: Level::FINE,
            told: Level::FINE,
            value: Value::Text("test".into()),
            why: String::new(),
            since: now,
            ended: None,
            changes: Vec::new(),
            run: None,
            note: format!("this message shows that alerts reach {receiver}"),
            groups: Vec::new(),
        }],
        more: 0,
        cause: None,
        levels: levels.clone(),
        server_url: server_url.map(str::to_owned),
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
