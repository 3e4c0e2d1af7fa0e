//! The lines of STATE, and how many items are how well.

use jiff::Timestamp;
use lockstep_model::{ItemState, Level, LevelNames};
use serde_json::{Map, Value as Json, json};

use super::one_line;

/// Lines as STATE has them, each behind `-- `.
pub(super) fn lines<T: AsRef<str>>(lines: &[T]) -> String {
    let line = |line: &T| format!("-- {}\n", one_line(line.as_ref()));
    lines.iter().map(line).collect()
}

/// A moment as it is written here.
pub(super) fn date(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// A moment that may never have come.
pub(super) fn date_or_never(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".into(), date)
}

/// `{"items":3,"fine":2,"sick":1}`.
pub(super) fn counts(items: &[ItemState], names: &LevelNames) -> String {
    let mut counts = Map::new();
    counts.insert("items".into(), json!(items.len()));
    for level in Level::ALL {
        let count = items.iter().filter(|item| item.level == level).count();
        if count > 0 {
            counts.insert(names.name(level).into(), json!(count));
        }
    }
    Json::Object(counts).to_string()
}
