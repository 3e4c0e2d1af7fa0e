//! What is wrong with a fleet file: everything at once, each with its line.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::source::{At, Place, Sources};

/// Everything that is wrong with a fleet file, in the order of its lines.
#[derive(Debug, Clone, Serialize, thiserror::Error)]
pub struct Errors {
    /// At most [`Errors::MOST`].
    pub shown: Vec<Fault>,
    /// How many more there are.
    pub more: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where; none when a whole file is concerned, which the message then names.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What may be written instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The line, for people to look at.
    pub line: String,
    /// How many of its characters, from the column on, are meant.
    pub width: usize,
}

impl Errors {
    /// Most errors that are shown.
    pub const MOST: usize = 200;
}

/// Longest line that is shown beneath an error, in characters.
const LONGEST_LINE: usize = 160;

impl fmt::Display for Fault {
    /// As compilers do it: the place, what is wrong, and the line with a mark beneath.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            return f.write_str(&self.message);
        };
        write!(f, "{place}: {}", self.message)?;
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        if !self.line.is_empty() && self.line.chars().count() <= LONGEST_LINE {
            // Tabs stay tabs, so that the mark stands beneath what it marks.
            let blank = |c: char| if c == '\t' { '\t' } else { ' ' };
            let before = self.line.chars().take(place.column - 1).map(blank);
            let before: String = before.collect();
            let mark = "^".repeat(self.width.max(1));
            write!(f, "\n{gutter} |\n{number} | {}", self.line)?;
            write!(f, "\n{gutter} | {before}{mark}")?;
        }
        match &self.note {
            Some(note) => write!(f, "\n{gutter} = {note}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.shown.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{fault}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more"),
        }
    }
}

/// Collects faults while texts are read.
///
/// What a broken text seems to say is not to be trusted, so only the faults of its syntax count; and whether a name
/// is known cannot be told before all texts can be read.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    found: RefCell<Vec<Found>>,
    uncollected: Cell<usize>,
    broken: RefCell<BTreeSet<u16>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    at: At,
    message: String,
    note: Option<String>,
    whole: bool,
}

/// Most faults that are kept until they are sorted; the others are counted.
const MOST_KEPT: usize = 10_000;

impl Faults {
    /// Something is wrong there.
    pub(crate) fn add(&self, at: At, message: impl Into<String>) {
        self.add_with(at, message, None);
    }

    /// Something is wrong there, and this could be written instead.
    pub(crate) fn add_with(&self, at: At, message: impl Into<String>, note: Option<String>) {
        if !self.broken.borrow().contains(&at.file) {
            self.keep(Found {
                at,
                message: message.into(),
                note,
                whole: false,
            });
        }
    }

    /// A name is not known.
    pub(crate) fn unknown(&self, at: At, message: impl Into<String>, note: Option<String>) {
        if self.broken.borrow().is_empty() {
            self.add_with(at, message, note);
        }
    }

    /// A text is no TOML.
    pub(crate) fn syntax(&self, at: At, message: impl Into<String>) {
        self.broken.borrow_mut().insert(at.file);
        self.keep(Found {
            at,
            message: message.into(),
            note: None,
            whole: false,
        });
    }

    /// A whole file is of no use.
    pub(crate) fn whole(&self, file: u16, message: impl Into<String>) {
        self.broken.borrow_mut().insert(file);
        let at = At {
            file,
            start: 0,
            end: 0,
        };
        self.keep(Found {
            at,
            message: message.into(),
            note: None,
            whole: true,
        });
    }

    /// True while a fault that is added may be shown. To look for what may have been meant takes time, and is not worth
    /// it beyond that.
    pub(crate) fn may_be_shown(&self) -> bool {
        self.found.borrow().len() < 2 * Errors::MOST
    }

    fn keep(&self, found: Found) {
        let mut kept = self.found.borrow_mut();
        if kept.len() < MOST_KEPT {
            kept.push(found);
        } else {
            self.uncollected.set(self.uncollected.get() + 1);
        }
    }

    /// All of them in the order of the lines; none if there are none.
    pub(crate) fn into_errors(self, sources: &Sources) -> Option<Errors> {
        let mut found = self.found.into_inner();
        found.sort();
        found.dedup();
        if found.is_empty() {
            return None;
        }
        let more = found.len().saturating_sub(Errors::MOST) + self.uncollected.get();
        let shown = found.into_iter().take(Errors::MOST).map(|found| {
            let (line, width) = sources.line(found.at);
            let place = (!found.whole).then(|| sources.place(found.at));
            let line = if found.whole { "" } else { line };
            Fault {
                place,
                message: found.message,
                note: found.note,
                line: line.into(),
                width,
            }
        });
        Some(Errors {
            shown: shown.collect(),
            more,
        })
    }
}

/// A text in quotes, cut to what fits into a line.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{:?}{dots}", short)
}

/// Several words in a sentence.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}
