//! No probe may hand over more than a report can carry.

use std::collections::HashSet;

use lockstep_model::api::Report;
use lockstep_model::{ItemName, Value};

use crate::probe::Found;

/// Most items of all hosts; one place is for the item that counts those beyond.
pub(super) const MOST_ITEMS: usize = Report::MOST_ITEMS - 1;
/// Longest unit, in bytes.
const LONGEST_UNIT: usize = 32;

/// A value as it may travel.
pub(super) fn tidy(mut found: Found) -> Found {
    match &mut found.value {
        Value::Number { value, unit } if value.is_finite() => cut(unit, LONGEST_UNIT),
        Value::Number { value, .. } => {
            found.value = Value::None(format!("the probe gave {value}, which is no number"));
        }
        Value::Text(text) | Value::None(text) => cut(text, Value::LONGEST_TEXT),
    }
    if let Some(verdict) = &mut found.verdict {
        cut(&mut verdict.why, Value::LONGEST_TEXT);
    }
    found
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        // What is cut off would go on taking memory for as long as the value is kept.
        text.shrink_to_fit();
    }
}

/// Keeps at most `room` of the items, those that were `known` before all others, and each once. Returns how many had
/// no room.
pub(super) fn admit(found: &mut Vec<Found>, known: &[ItemName], room: usize) -> usize {
    let mut names = HashSet::new();
    found.retain(|found| names.insert(found.item.clone()));
    let dropped = found.len().saturating_sub(room);
    if dropped > 0 {
        let known: HashSet<&ItemName> = known.iter().collect();
        found.sort_by_key(|found| !known.contains(&found.item));
        found.truncate(room);
    }
    dropped
}

#[cfg(test)]
mod tests {
    use lockstep_model::{Level, Verdict};
    use proptest::prelude::*;

    use super::*;

    fn found(item: &str, value: Value) -> Found {
        Found::new(ItemName::parse(item).unwrap(), Ok(value))
    }

    fn names(found: &[Found]) -> Vec<&str> {
        found.iter().map(|found| found.item.as_str()).collect()
    }

    #[test]
    fn values_are_cut_where_they_are_made() {
        let text = format!("{}ä{}", "x".repeat(Value::LONGEST_TEXT - 1), "y".repeat(9));
        let mut long = found("a", Value::Text(text.clone()));
        long.verdict = Some(Verdict {
            level: Level::FINE,
            why: text,
        });
        let short = tidy(long);
        assert_eq!(
            short.value,
            Value::Text("x".repeat(Value::LONGEST_TEXT - 1))
        );
        assert_eq!(short.verdict.unwrap().why.len(), Value::LONGEST_TEXT - 1);
        for value in [f64::NAN, f64::INFINITY] {
            let unit = String::new();
            let none = tidy(found("a", Value::Number { value, unit })).value;
            assert!(matches!(none, Value::None(why) if why.contains("no number")));
        }
    }

    #[test]
    fn items_that_were_there_before_keep_their_place() {
        let value = || Value::Text(String::new());
        let mut flood: Vec<Found> = ["a", "b", "c", "b", "d"]
            .map(|item| found(item, value()))
            .into();
        let known = [ItemName::parse("d").unwrap()];
        assert_eq!(admit(&mut flood, &known, 2), 2);
        assert_eq!(names(&flood), ["d", "a"]);
        let mut few = vec![found("a", value())];
        assert_eq!(admit(&mut few, &known, 2), 0);
    }

    proptest! {
        #[test]
        fn texts_never_exceed_their_bound(text in "\\PC{0,3000}") {
            if let Value::Text(text) = tidy(found("a", Value::Text(text))).value {
                prop_assert!(text.len() <= Value::LONGEST_TEXT);
            }
        }
    }
}
