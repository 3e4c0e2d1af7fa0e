//! Values of items in words.

use lockstep_model::{ItemState, LevelNames, Value};

use super::Hush;
use crate::chart::number;
use crate::parts::time;

/// Longest text of a value in a table, in characters.
const LONGEST: usize = 80;

/// A value, short enough for a table.
#[must_use]
pub fn words(value: &Value) -> String {
    match value {
        Value::Number { value, unit } => number::show(*value, unit),
        Value::Text(text) => cut(text),
        Value::None(why) => cut(&format!("no value ({why})")),
    }
}

/// Everything that is to be said of an item's state but its name: value, why, and that it has no data or flaps.
#[must_use]
pub fn whole(state: &ItemState) -> String {
    let mut said = words(&state.value);
    if state.no_data && !matches!(state.value, Value::None(_)) {
        said.push_str(", no new value");
    }
    if state.flapping {
        said.push_str(", goes back and forth");
    }
    if !state.why.is_empty() {
        said.push_str(": ");
        said.push_str(&cut(&state.why));
    }
    said
}

/// What is to be said of a cell to whom the pointer rests on it: name, level, value and why, since when, and who is on it.
#[must_use]
pub(super) fn hover(levels: &LevelNames, state: &ItemState, hush: Option<&Hush>) -> String {
    let mut said = format!(
        "{}, {}: {}; since {}",
        state.item,
        levels.name(state.level),
        whole(state),
        time::exact(state.since)
    );
    if let Some(hush) = hush {
        said.push_str("; ");
        said.push_str(&hush.words());
    }
    said
}

/// A rule with its numbers as people read them: `>= 96000000bytes` becomes `>= 96 MB`. What is no number with a unit stays
/// as it is written.
#[must_use]
pub fn rule(rule: &str) -> String {
    let words = rule.split(' ').map(|word| {
        let unit = word.trim_start_matches(|it: char| it.is_ascii_digit() || ".-".contains(it));
        let is_base = ["bytes", "bytes/s", "s"].contains(&unit);
        let number = word.strip_suffix(unit).filter(|_| is_base);
        match number.and_then(|it| it.parse::<f64>().ok()) {
            Some(number) => number::show(number, unit),
            None => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The beginning of a text, without line ends.
#[must_use]
pub fn cut(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut letters = text.chars();
    let mut short: String = letters.by_ref().take(LONGEST).map(plain).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use lockstep_model::Level;

    use super::super::tests::state;
    use super::*;

    #[test]
    fn a_value_is_short() {
        assert_eq!(words(&Value::Text("a\nb".into())), "a b");
        assert_eq!(
            words(&Value::Text("ä".repeat(100))).chars().count(),
            LONGEST + 1
        );
        assert_eq!(words(&Value::None("refused".into())), "no value (refused)");
    }

    #[test]
    fn rules_are_written_for_people() {
        assert_eq!(
            rule(">= 96000000bytes clear 86400000bytes"),
            ">= 96 MB clear 86.4 MB"
        );
        assert_eq!(rule("> 86400s"), "> 24 h");
        assert_eq!(rule(">= 90 %"), ">= 90 %");
        assert_eq!(rule("regex ^a 3b-$"), "regex ^a 3b-$");
    }

    #[test]
    fn a_state_says_all() {
        let mut it = state("cpu_busy", 93.25, "%", Level::SICK);
        it.why = "≥ 85 % for 10 min".into();
        it.no_data = true;
        it.flapping = true;
        assert_eq!(
            whole(&it),
            "93.25 %, no new value, goes back and forth: ≥ 85 % for 10 min"
        );
    }
}
