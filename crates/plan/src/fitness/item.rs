//! One item: what a sample makes of what is remembered of it.

use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{EventKind, ItemName, ItemState, Level, Sample, Value};
use serde::{Deserialize, Serialize};

use super::condition::{Look, Says, Sibling};
use super::flap::Flap;
use super::latch::{Latch, Pace, millis};
use super::orders::{Listing, Order};
use super::record::Kept;
use super::turns::{Turn, Turns};
use super::why::Why;
use super::window::Window;

mod level;
mod pending;

/// After so many samples without a value it is told that there is none.
pub(super) const BLIND: u32 = 3;
/// A gap of more sampling intervals than this begins all counting anew, and an item of which nothing is heard for
/// longer has no data (Xymon's lifetime of a status).
pub(super) const LONG_GAP: u64 = 4;

/// An item that is watched.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) memory: Memory,
    pub(super) order: Order,
    /// It is no longer in the work document and goes at the next chance.
    pub(super) is_leaving: bool,
}

/// What is remembered of an item from one sample to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The function that the latches belong to.
    print: u64,
    value: Kept,
    /// The last value, while the newest sample has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    known: Option<Kept>,
    /// The newest value is another one than that before.
    #[serde(default, skip_serializing_if = "is_false")]
    changed: bool,
    /// The time of the newest sample.
    at: Timestamp,
    /// The time of the newest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_at: Option<Timestamp>,
    /// The probe's own judgement, where it counts.
    #[serde(default, skip_serializing_if = "is_fine")]
    verdict: Level,
    /// One for each rule of the function.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    latches: Vec<Latch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    /// The level that it had under another function, until the new one has judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inherits: Option<Level>,
    /// Samples in a row without a value that can be judged.
    #[serde(default, skip_serializing_if = "is_zero")]
    blind: u32,
    /// It is soso at least, because it has been without a value for too long.
    #[serde(default, skip_serializing_if = "is_false")]
    is_overdue: bool,
    /// That there is no value has been told.
    #[serde(default, skip_serializing_if = "is_false")]
    told_blind: bool,
    /// There has been no sample for a long time.
    #[serde(default, skip_serializing_if = "is_false")]
    is_silent: bool,
    flap: Flap,
    #[serde(default, skip_serializing_if = "is_false")]
    is_flapping: bool,
    /// The level as it is judged.
    #[serde(default, skip_serializing_if = "is_fine")]
    judged: Level,
    /// The level that is shown, and was told: the worst one while it flaps.
    #[serde(default, skip_serializing_if = "is_fine")]
    shown: Level,
    since: Timestamp,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    why: String,
}

fn is_false(flag: &bool) -> bool {
    !flag
}
fn is_zero(number: &u32) -> bool {
    *number == 0
}
fn is_fine(level: &Level) -> bool {
    *level == Level::FINE
}

/// How a sample came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pace: Pace,
    /// The samples before it are too long ago to be counted on.
    after_silence: bool,
    /// So are the values.
    after_gap: bool,
}

/// What a sample is good for.
enum Finding {
    Usable,
    Missing(String),
    /// There is a value, and it cannot be judged.
    Unfit(String),
}

impl Item {
    pub(super) fn new(order: Order, at: Timestamp) -> Self {
        let memory = Memory {
            print: order.function.print(),
            value: Kept(Value::None("there is no sample yet".into())),
            known: None,
            changed: false,
            at,
            value_at: None,
            verdict: Level::FINE,
            latches: vec![Latch::default(); order.function.rules().len()],
            window: None,
            inherits: None,
            blind: 0,
            is_overdue: false,
            told_blind: false,
            is_silent: false,
            flap: Flap::default(),
            is_flapping: false,
            judged: Level::FINE,
            shown: Level::FINE,
            since: at,
            why: String::new(),
        };
        Self {
            memory,
            order,
            is_leaving: false,
        }
    }

    /// An item that goes on where its memory ends.
    pub(super) fn resume(memory: Memory, order: Order) -> Self {
        let mut item = Self {
            memory,
            order: order.clone(),
            is_leaving: false,
        };
        item.follow(order);
        item
    }

    /// Is judged by these orders from now on. Under another function the level stays until that has judged.
    pub(super) fn follow(&mut self, order: Order) {
        let memory = &mut self.memory;
        let function = &order.function;
        if memory.print != function.print() || memory.latches.len() != function.rules().len() {
            memory.print = function.print();
            memory.latches = vec![Latch::default(); function.rules().len()];
            memory.window = None;
            memory.verdict = Level::FINE;
            memory.inherits = Some(memory.judged).filter(|level| *level > Level::FINE);
        }
        self.order = order;
    }

    /// Takes in a sample's value, so that others can ask for it. [`Item::judge`] must follow.
    pub(super) fn arrive(&mut self, sample: &Sample) -> Arrival {
        let memory = &mut self.memory;
        let every = millis(self.order.every);
        let long = |since: Timestamp| elapsed_ms(since, sample.at) > LONG_GAP * every;
        let arrival = Arrival {
            pace: Pace {
                step_ms: elapsed_ms(memory.at, sample.at).min(every + every / 2),
                ..Pace::on_time(self.order.every)
            },
            after_silence: long(memory.at),
            after_gap: memory.value_at.is_some_and(long),
        };
        memory.at = sample.at;
        let value = tame(&sample.value);
        let before = std::mem::replace(&mut memory.value, Kept(value));
        let had_value = memory.value_at.is_some() && memory.known.is_none();
        if has_value(&memory.value.0) {
            let last = memory.known.take().or(had_value.then_some(before));
            memory.changed = last.is_some_and(|last| last != memory.value);
            memory.value_at = Some(sample.at);
        } else {
            memory.changed = false;
            if had_value {
                memory.known = Some(before);
            }
        }
        arrival
    }

    /// Judges the sample that has arrived, and says what happened.
    pub(super) fn judge(
        &mut self,
        sample: &Sample,
        arrival: Arrival,
        siblings: &[Sibling],
    ) -> Vec<Turn> {
        let function = Arc::clone(&self.order.function);
        let every = self.order.every;
        let memory = &mut self.memory;
        let value = &memory.value.0;
        let mut look = Look {
            function: &function,
            value,
            number: None,
            changed: memory.changed,
            siblings,
        };
        let finding = match value {
            // A probe that finds nothing wrong although it found nothing could not ask: that says nothing of what it asks.
            Value::None(why) if could_not_ask(sample) => Finding::Unfit(why.clone()),
            Value::None(why) => Finding::Missing(why.clone()),
            value => match function.refuses(value).or_else(|| look.refuses()) {
                Some(why) => Finding::Unfit(why),
                None => Finding::Usable,
            },
        };
        if let (Value::Number { value, .. }, Finding::Usable) = (value, &finding) {
            look.number = match function.fitness().mean {
                None => Some(*value),
                Some(over) => {
                    let window = memory.window.get_or_insert_default();
                    window.push(sample.at, *value, over);
                    window.mean(over, every)
                }
            };
        }
        let says: Vec<Says> = function
            .rules()
            .iter()
            .map(|rule| match finding {
                Finding::Unfit(_) => Says::Nothing,
                Finding::Usable | Finding::Missing(_) => look.says(&rule.when),
            })
            .collect();
        let number = look.number;

        memory.turn_latches(function.rules(), &says, arrival);
        memory.count_blind(&finding, function.knows_none());
        let verdict = sample
            .verdict
            .as_ref()
            .filter(|_| !function.is_configured() || !is_a_program(&sample.item));
        let counts = memory.hear(verdict, &finding, function.knows_none());
        let verdict = verdict.filter(|_| counts);

        let why = memory.reason(function.rules(), &says, &finding, verdict, |value| {
            match (value, number, function.fitness().mean) {
                (Value::Number { unit, .. }, Some(value), Some(mean)) => {
                    let unit = unit.clone();
                    (Value::Number { value, unit }, Some(mean))
                }
                (value, ..) => (value.clone(), None),
            }
        });
        let why = match (why, function.fitness().mean) {
            (Why::Fine, Some(mean)) if memory.level(function.rules()) > Level::FINE => {
                Why::TooFew { mean }
            }
            (why, _) => why,
        };
        let level = memory.level(function.rules());
        memory.turn(level, why, &finding, sample.at)
    }

    /// Nothing has been heard of it for a long time.
    pub(super) fn fall_silent(&mut self, now: Timestamp) -> Vec<Turn> {
        let memory = &mut self.memory;
        if memory.is_silent {
            return Vec::new();
        }
        memory.is_silent = true;
        memory.is_overdue = true;
        memory.blind = memory.blind.max(BLIND);
        let level = memory.level(self.order.function.rules());
        let why = Why::NoSample { since: memory.at };
        memory.turn(level, why, &Finding::Missing(String::new()), now)
    }

    /// It is not watched any more: whatever was told of it ends.
    pub(super) fn close(self) -> Vec<Turn> {
        let memory = self.memory;
        let mut turns = Turns::new(memory.shown);
        if memory.is_flapping {
            turns.tell(EventKind::Steady, Why::NotWatched);
        }
        if memory.told_blind {
            turns.tell(EventKind::Data, Why::NotWatched);
        }
        turns.level(Level::FINE, &Why::NotWatched);
        turns.turns
    }

    /// What another item is told of it at this moment.
    pub(super) fn as_sibling(&self, probe: &str, at: Timestamp) -> Sibling {
        let memory = &self.memory;
        let fresh = memory
            .value_at
            .is_some_and(|then| elapsed_ms(then, at) <= LONG_GAP * millis(self.order.every));
        let known = memory.known.as_ref().unwrap_or(&memory.value);
        Sibling {
            probe: probe.to_owned(),
            value: fresh.then(|| known.0.clone()),
            is_missing: !has_value(&memory.value.0),
            changed: memory.changed,
        }
    }

    pub(super) fn state(&self, item: &ItemName) -> ItemState {
        let memory = &self.memory;
        ItemState {
            item: item.clone(),
            value: memory.value.0.clone(),
            level: memory.shown,
            since: memory.since,
            why: memory.why.clone(),
            no_data: memory.blind > 0,
            flapping: memory.is_flapping,
            pending: self.pending(),
        }
    }

    /// Since when there has been no sample, if nobody has been asleep.
    pub(super) fn silent_ms(&self, awake_since: Timestamp, now: Timestamp) -> u64 {
        elapsed_ms(self.memory.at.max(awake_since), now)
    }

    pub(super) fn is_listed(&self) -> bool {
        self.order.listing != Listing::Unlisted
    }
}

impl Memory {
    /// The level without what flapping adds.
    #[cfg(test)]
    pub(super) fn judged(&self) -> Level {
        self.judged
    }

    pub(super) fn shown(&self) -> Level {
        self.shown
    }

    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }

    pub(super) fn value(&self) -> &Value {
        &self.value.0
    }
}

fn has_value(value: &Value) -> bool {
    !matches!(value, Value::None(_))
}

/// A value that can be kept, judged and sent: a number that is none becomes a missing value, and a text that is too
/// long is cut.
fn tame(value: &Value) -> Value {
    match value {
        Value::Number { value, .. } if !value.is_finite() => {
            Value::None(format!("the probe found {value}, which is no quantity"))
        }
        Value::Number { .. } => value.clone(),
        Value::Text(text) => Value::Text(cut(text)),
        Value::None(why) => Value::None(cut(why)),
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(Value::LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// Time between two moments; nothing if the clock was turned back between them.
pub(super) fn elapsed_ms(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond().saturating_sub(from.as_millisecond())).unwrap_or(0)
}

/// True for items whose verdict is a program's own threshold: a configured function replaces it. The verdict of all
/// other probes says that the answer itself was wrong, however quickly it came.
fn is_a_program(item: &ItemName) -> bool {
    matches!(item.probe(), "plugin" | "script")
}

fn could_not_ask(sample: &Sample) -> bool {
    let verdict = sample.verdict.as_ref();
    verdict.is_some_and(|verdict| verdict.level == Level::FINE)
}
