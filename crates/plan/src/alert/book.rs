//! What each receiver was last told, row by row.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lockstep_model::{HostName, ItemName, Level, RunId};
use serde::{Deserialize, Serialize};

use super::Decision;

/// What everybody was told, and what waits to be told. The server stores it as rows of two texts, and stores the
/// changed ones together with the notices of the same decision.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Book {
    pub(super) rows: BTreeMap<Key, Row>,
    pub(super) threads: BTreeMap<String, Thread>,
}

/// A row of the book that cannot be read. What it said is lost: its problem may be told a second time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot read the row {key:?} of the alert book: {why}; delete it and its problem is told anew"
)]
pub struct BadRow {
    /// The row's key.
    pub key: String,
    /// What is wrong.
    pub why: String,
}

/// One problem as one receiver knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) host: HostName,
    pub(super) item: ItemName,
    pub(super) receiver: String,
}

/// How one receiver stands towards one problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    /// The route by which the receiver is told.
    pub(super) route: String,
    /// Since when the problem exists.
    pub(super) since: Timestamp,
    /// When it was first seen to be one for the receiver.
    pub(super) first_at: Timestamp,
    /// Nothing but a closing message goes out before.
    pub(super) ready_at: Timestamp,
    /// What holds messages back now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hold: Option<Hold>,
    /// What has held messages back since the last one, and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) was_held: Option<(Hold, Timestamp)>,
    /// The run in whose lease it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<RunId>,
    /// Since when it is over; it is told when that has lasted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) over_since: Option<Timestamp>,
    /// What the receiver was last told; none if nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<Told>,
}

/// What a receiver was last told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    /// The thread of its messages.
    pub(super) thread: String,
    /// When the first message was decided.
    pub(super) first_at: Timestamp,
    /// When the last one was.
    pub(super) last_at: Timestamp,
    pub(super) level: Level,
    pub(super) flapping: bool,
    /// Reminders since the last news.
    #[serde(default)]
    pub(super) reminders: u32,
    /// The acknowledgement that the receiver was told of, by its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) acked: Option<Timestamp>,
    /// Since when nobody is on it: from here on the time to an escalation is counted.
    pub(super) alone_since: Timestamp,
}

/// What holds messages back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Hold {
    /// The host depends on this one, which is down.
    Dependent { on: HostName },
    /// A silence.
    Silence {
        id: String,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
    },
    /// The route tells only in its hours.
    Hours,
    /// Somebody was on it before the receiver was told.
    Ack { by: String },
}

/// Messages that belong together, to one receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Thread {
    pub(super) receiver: String,
    pub(super) route: String,
    pub(super) cause: Cause,
    pub(super) first_at: Timestamp,
    pub(super) last_at: Timestamp,
    /// The number of the last message.
    pub(super) number: u64,
}

/// What the problems of a thread have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cause {
    /// Their hosts got the same release just before.
    Release(String),
    /// Their hosts depend on this one.
    Parent(HostName),
    /// The same item.
    Item(ItemName),
    /// The same host.
    Host(HostName),
    /// They came all at once.
    Storm,
}

const ROW: &str = "told";
const THREAD: &str = "thread";

impl Key {
    /// Neither hosts nor items hold control characters, and the receiver stands last: no two keys have one text.
    pub(super) fn text(&self) -> String {
        format!("{ROW}\t{}\t{}\t{}", self.host, self.item, self.receiver)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '\t');
        let host = HostName::parse(parts.next()?).ok()?;
        let item = ItemName::parse(parts.next()?).ok()?;
        let receiver = parts.next()?.to_owned();
        Some(Self {
            host,
            item,
            receiver,
        })
    }
}

/// The key of a thread's row.
pub(super) fn thread_key(id: &str) -> String {
    format!("{THREAD}\t{id}")
}

/// A row's text.
pub(super) fn json<T: Serialize>(row: &T) -> String {
    serde_json::to_string(row).expect("rows have no map whose keys are not text")
}

impl Book {
    /// Reads the rows that were stored. Those that cannot be read are left out and returned.
    pub fn from_rows<K, V>(rows: impl IntoIterator<Item = (K, V)>) -> (Self, Vec<BadRow>)
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut book = Self::default();
        let bad = rows
            .into_iter()
            .filter_map(|(key, row)| book.put(key.as_ref(), row.as_ref()).err())
            .collect();
        (book, bad)
    }

    /// Takes in what was decided, once it is stored.
    pub fn apply(&mut self, decision: &Decision) -> Result<(), BadRow> {
        for key in &decision.deletes {
            match key.split_once('\t') {
                Some((ROW, rest)) => {
                    Key::parse(rest).and_then(|key| self.rows.remove(&key));
                }
                Some((_, id)) => {
                    self.threads.remove(id);
                }
                None => {}
            }
        }
        for (key, row) in &decision.upserts {
            self.put(key, row)?;
        }
        Ok(())
    }

    /// The problems that somebody was told of, or may be told of soon.
    pub fn problems(&self) -> impl Iterator<Item = (&HostName, &ItemName)> {
        self.rows.keys().map(|key| (&key.host, &key.item))
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len() + self.threads.len()
    }

    /// True if nobody was told anything that is still open, and nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn put(&mut self, key: &str, row: &str) -> Result<(), BadRow> {
        let bad = |why: String| BadRow {
            key: key.to_owned(),
            why,
        };
        match key.split_once('\t') {
            Some((ROW, rest)) => {
                let parsed = Key::parse(rest).ok_or_else(|| bad("its key is none".into()))?;
                let row = serde_json::from_str(row).map_err(|error| bad(error.to_string()))?;
                self.rows.insert(parsed, row);
            }
            Some((THREAD, id)) => {
                let row = serde_json::from_str(row).map_err(|error| bad(error.to_string()))?;
                self.threads.insert(id.to_owned(), row);
            }
            _ => return Err(bad("its key is none".into())),
        }
        Ok(())
    }
}
