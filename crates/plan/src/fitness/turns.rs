//! What is told of an item.

use lockstep_model::{EventKind, Level};

use super::why::Why;

/// Something that happened to an item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turn {
    pub(super) kind: EventKind,
    pub(super) from: Level,
    pub(super) to: Level,
    pub(super) why: Why,
}

/// What is told, each beginning where the one before ended.
pub(super) struct Turns {
    pub(super) now: Level,
    pub(super) turns: Vec<Turn>,
}

impl Turns {
    pub(super) fn new(now: Level) -> Self {
        Self {
            now,
            turns: Vec::new(),
        }
    }

    pub(super) fn level(&mut self, to: Level, why: &Why) {
        if to != self.now {
            self.turns.push(Turn {
                kind: EventKind::Level,
                from: self.now,
                to,
                why: why.clone(),
            });
            self.now = to;
        }
    }

    pub(super) fn tell(&mut self, kind: EventKind, why: Why) {
        let (from, to) = (self.now, self.now);
        self.turns.push(Turn {
            kind,
            from,
            to,
            why,
        });
    }
}
