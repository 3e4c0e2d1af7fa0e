//! The outbox of events: what happened to items, until the server has stored it.
//!
//! An event and the state of mind that it left behind (which item has which level, what was said of it) are written
//! in one file, so that no crash can part them: a restarted agent neither says the same twice nor forgets it. One
//! file holds what one round of samples brought.
//!
//! ```text
//! events/series.json               the numbering, and up to where the server has it
//! events/00000000000000000041.json the events from number 41 on, and the mind after them
//! events/mind.json                 the mind, written now and then when nothing happens
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use lockstep_host::{Layout, fs};
use lockstep_model::api::EventBatch;
use lockstep_model::{Event, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

use crate::state::{read, write_compact};
use crate::{Error, random, words};

/// Most events that wait. A host that is cut off for so long that more happens loses the oldest ones, and says so.
const MOST_EVENTS: u64 = 10_000;
/// Files that wait before the oldest of them are put together.
const MOST_FILES: usize = 64;
/// Most events that are put together in one file; the files lose their minds, of which only the newest counts.
const MOST_TOGETHER: u64 = 500;
/// Most events that one file can hold: a round closes the items of one work document and begins those of another, at
/// most 500 each, and with each of them its level may change and its flapping begin.
const MOST_IN_FILE: u64 = 2_000;
/// Longest text of an event's value, in bytes: what happened is told by its beginning.
const LONGEST_TEXT: usize = 512;

/// Events that the server has not stored yet, and the newest mind.
#[derive(Debug)]
pub(crate) struct EventLog {
    dir: PathBuf,
    numbering: Numbering,
    /// The number of the next event.
    next: u64,
    /// The files: number of the first event in it, and how many.
    files: BTreeMap<u64, u64>,
}

/// `series.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Numbering {
    series: String,
    /// All events up to this number are at the server, or were given up.
    through: u64,
}

/// One file of events.
#[derive(Debug, Serialize, Deserialize)]
struct Page<M> {
    events: Vec<Event>,
    mind: Option<M>,
}

/// `mind.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Mind<M> {
    /// The number of the last event before it.
    after: u64,
    mind: M,
}

impl EventLog {
    /// Opens the outbox below the layout's root, and gives the newest mind. A damaged file is moved aside and told.
    pub(crate) fn open<M: DeserializeOwned>(layout: &Layout) -> Result<(Self, Option<M>), Error> {
        let dir = layout.events();
        fs::create_private_dir(&dir)?;
        fs::remove_leftovers(&dir)?;
        let series_file = dir.join("series.json");
        let numbering = match read::<Numbering>(&series_file)? {
            Some(numbering) => numbering,
            None => {
                let series = random().iter().map(|byte| format!("{byte:02x}")).collect();
                let numbering = Numbering { series, through: 0 };
                write_compact(&series_file, &numbering)?;
                numbering
            }
        };
        let saved: Option<Mind<M>> = read(&dir.join("mind.json"))?;
        let mut log = Self {
            next: numbering.through + 1,
            numbering,
            files: BTreeMap::new(),
            dir,
        };
        let mut newest: Option<Mind<M>> = None;
        for first in log.names(".json")? {
            let Some(page) = read::<Page<M>>(&log.file(first))? else {
                continue;
            };
            let count = page.events.len() as u64;
            log.files.insert(first, count);
            log.next = log.next.max(first + count);
            if let Some(mind) = page.mind {
                let after = first + count - 1;
                newest = Some(Mind { after, mind });
            }
        }
        // How many events a damaged file had nobody knows, and the server may have them: their numbers are not used
        // again, or it would take new events for those. The file stays where it was moved to, so a restart knows too.
        for first in log.names(".json.damaged")? {
            log.next = log.next.max(first.saturating_add(MOST_IN_FILE));
        }
        let mind = match (saved, newest) {
            (Some(saved), Some(newest)) if newest.after > saved.after => Some(newest.mind),
            (Some(saved), _) => {
                log.next = log.next.max(saved.after + 1);
                Some(saved.mind)
            }
            (None, newest) => newest.map(|newest| newest.mind),
        };
        Ok((log, mind))
    }

    /// Gives the events their numbers and writes them, with the mind after them, durably. Their own numbers do not
    /// matter. When this returns an error nothing has happened: the caller keeps its old mind.
    pub(crate) fn add<M: Serialize>(
        &mut self,
        mut events: Vec<Event>,
        mind: &M,
    ) -> Result<(), Error> {
        if events.is_empty() {
            return Ok(());
        }
        let first = self.next;
        for (number, event) in (first..).zip(&mut events) {
            event.number = number;
            if let Value::Text(text) = &mut event.value {
                shorten(text);
            }
            shorten(&mut event.why);
        }
        let count = events.len() as u64;
        let page = Page {
            events,
            mind: Some(mind),
        };
        write_compact(&self.file(first), &page)?;
        self.files.insert(first, count);
        self.next = first + count;
        // The events are written down, so what follows is no reason to tell them again.
        if let Err(error) = self.keep_small() {
            warn!(
                error = words(&error),
                "the events that wait could not be made fewer; tried again with the next ones"
            );
        }
        Ok(())
    }

    /// Writes the mind down when nothing has happened for a while.
    pub(crate) fn save<M: Serialize>(&self, mind: &M) -> Result<(), Error> {
        let after = self.next - 1;
        write_compact(&self.dir.join("mind.json"), &Mind { after, mind })
    }

    /// The oldest events that wait, as many as one request carries.
    pub(crate) fn batch(&self) -> Result<Option<EventBatch>, Error> {
        let mut events: Vec<Event> = Vec::new();
        for first in self.files.keys() {
            let page = self.page(*first)?;
            // Folding may have been interrupted: then some stand in two files.
            let known = events
                .last()
                .map_or(self.numbering.through, |event| event.number);
            events.extend(page.into_iter().filter(|event| event.number > known));
            if events.len() >= EventBatch::MOST {
                events.truncate(EventBatch::MOST);
                break;
            }
        }
        let Some(first) = events.first() else {
            return Ok(None);
        };
        Ok(Some(EventBatch {
            series: self.numbering.series.clone(),
            oldest: first.number,
            events,
        }))
    }

    /// Forgets what the server has stored.
    pub(crate) fn stored(&mut self, series: &str, through: u64) -> Result<(), Error> {
        // A server cannot have more than there is.
        let through = through.min(self.next - 1);
        if series != self.numbering.series || through <= self.numbering.through {
            return Ok(());
        }
        self.forget_through(through)
    }

    /// How many events wait, at most.
    pub(crate) fn waiting(&self) -> u64 {
        self.next - 1 - self.numbering.through
    }

    fn forget_through(&mut self, through: u64) -> Result<(), Error> {
        let numbering = Numbering {
            series: self.numbering.series.clone(),
            through,
        };
        write_compact(&self.dir.join("series.json"), &numbering)?;
        self.numbering = numbering;
        let newest = self.files.last_key_value().map(|(first, _)| *first);
        let gone: Vec<u64> = self
            .files
            .iter()
            // The newest file stays even when it is acknowledged: it holds the mind.
            .filter(|(first, count)| **first + **count - 1 <= through && Some(**first) != newest)
            .map(|(first, _)| *first)
            .collect();
        for first in gone {
            fs::remove_durable(&self.file(first))?;
            self.files.remove(&first);
        }
        Ok(())
    }

    fn keep_small(&mut self) -> Result<(), Error> {
        if self.waiting() > MOST_EVENTS {
            let through = self.next - 1 - MOST_EVENTS * 9 / 10;
            error!(
                lost = through - self.numbering.through,
                "the server has been away for so long that the oldest events are given up"
            );
            self.forget_through(through)?;
        }
        if self.files.len() > MOST_FILES {
            self.fold()?;
        }
        Ok(())
    }

    /// Puts the oldest small files together. Interrupted, it leaves events in two files, which does no harm.
    fn fold(&mut self) -> Result<(), Error> {
        let Some((first, rest)) = self.small_neighbours() else {
            return Ok(());
        };
        let mut events = self.page(first)?;
        for &file in &rest {
            events.extend(self.page(file)?);
        }
        let count = events.last().map_or(0, |event| event.number + 1 - first);
        let page = Page::<()> { events, mind: None };
        write_compact(&self.file(first), &page)?;
        for &file in &rest {
            fs::remove_durable(&self.file(file))?;
            self.files.remove(&file);
        }
        self.files.insert(first, count);
        info!(files = rest.len() + 1, "put waiting events together");
        Ok(())
    }

    /// The first files in a row, but for the newest, that fit into one.
    fn small_neighbours(&self) -> Option<(u64, Vec<u64>)> {
        let mut files: Vec<(u64, u64)> = self.files.iter().map(|(f, c)| (*f, *c)).collect();
        files.pop();
        let mut at = 0;
        while at < files.len() {
            let mut together = files[at].1;
            let mut end = at + 1;
            while end < files.len() && together + files[end].1 <= MOST_TOGETHER {
                together += files[end].1;
                end += 1;
            }
            if end > at + 1 {
                let rest = files[at + 1..end].iter().map(|(first, _)| *first);
                return Some((files[at].0, rest.collect()));
            }
            at = end;
        }
        None
    }

    fn page(&self, first: u64) -> Result<Vec<Event>, Error> {
        let page: Option<Page<serde::de::IgnoredAny>> = read(&self.file(first))?;
        Ok(page.map(|page| page.events).unwrap_or_default())
    }

    fn file(&self, first: u64) -> PathBuf {
        self.dir.join(format!("{first:020}.json"))
    }

    /// The numbers of the files whose names end in this way.
    fn names(&self, ending: &str) -> Result<Vec<u64>, Error> {
        let listing = |source| Error::System {
            doing: "list the events that wait",
            source,
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(listing)? {
            let name = entry.map_err(listing)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(ending));
            names.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn shorten(text: &mut String) {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
    }
}

#[cfg(test)]
mod tests;
