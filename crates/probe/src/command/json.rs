//! Several items in one JSON document; the format is described in [the module above](super).

use lockstep_model::{Level, Quantity, Value, Verdict};
use serde::Deserialize;

use crate::remote::{Part, clean};

/// What a program says by JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Document {
    pub(super) text: String,
    pub(super) parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    text: String,
    #[serde(default)]
    items: Vec<WrittenItem>,
}

#[derive(Deserialize)]
struct WrittenItem {
    name: String,
    value: Option<WrittenValue>,
    #[serde(default)]
    unit: String,
    level: Option<WrittenLevel>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    counter: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenValue {
    Number(f64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenLevel {
    Rank(u8),
    Name(String),
}

/// Longest words of a verdict, in bytes.
const LONGEST_WHY: usize = 1024;

pub(super) fn read(output: &str) -> Result<Document, String> {
    let written: Written = serde_json::from_str(output)
        .map_err(|error| format!("its output begins as JSON and is not understood: {error}"))?;
    let parts = written
        .items
        .into_iter()
        .map(part)
        .collect::<Result<_, _>>()?;
    Ok(Document {
        text: clean(&written.text, LONGEST_WHY),
        parts,
    })
}

fn part(item: WrittenItem) -> Result<Part, String> {
    let name = clean(&item.name, 200);
    if name.is_empty() {
        return Err("an item of its output has no name".into());
    }
    let why = clean(&item.text, LONGEST_WHY);
    let value = match item.value {
        Some(WrittenValue::Number(number)) => {
            let unit = Quantity::parse(&format!("1{}", item.unit))
                .map_err(|error| format!("the item {name:?} of its output: {error}"))?;
            Value::Number {
                value: number * unit.value,
                unit: unit.unit,
            }
        }
        Some(WrittenValue::Text(text)) => Value::Text(clean(&text, Value::LONGEST_TEXT)),
        None if why.is_empty() => Value::None("the program has no value for it".into()),
        None => Value::None(why.clone()),
    };
    let level = item
        .level
        .map(|level| self::level(&name, level))
        .transpose()?;
    Ok(Part {
        name,
        value,
        is_counter: item.counter,
        verdict: level.map(|level| Verdict { level, why }),
    })
}

fn level(name: &str, written: WrittenLevel) -> Result<Level, String> {
    let found = match &written {
        WrittenLevel::Rank(rank) => Level::ALL.get(usize::from(*rank)),
        WrittenLevel::Name(word) => Level::ALL.iter().find(|level| level.name() == word),
    };
    found.copied().ok_or_else(|| {
        format!("the item {name:?} of its output has no level of fine, soso, sick, critical, dead")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_documented_example_is_read() {
        let documentation = include_str!("../command.rs");
        let example: String = documentation
            .lines()
            .skip_while(|line| !line.contains("```json"))
            .skip(1)
            .take_while(|line| !line.contains("```"))
            .map(|line| line.trim_start_matches("//!"))
            .collect();
        let document = read(example.trim()).unwrap();
        assert_eq!(document.text, "2 of 3 pools are well");
        let [a, b, requests] = &document.parts[..] else {
            panic!("{document:?}")
        };
        assert_eq!(a.value.to_string(), "82.5 %");
        let verdict = a.verdict.as_ref().unwrap();
        assert_eq!(
            (verdict.level, verdict.why.as_str()),
            (Level::SICK, "nearly full")
        );
        assert_eq!(b.value, Value::Text("online".into()));
        assert!(requests.is_counter && requests.verdict.is_none());
    }

    #[test]
    fn slips_are_said() {
        let why = |text: &str| read(text).unwrap_err();
        assert!(why("{").contains("begins as JSON"));
        assert!(why(r#"{"items":[{"name":""}]}"#).contains("no name"));
        assert!(why(r#"{"items":[{"name":"a","value":1,"unit":"x"}]}"#).contains("not a unit"));
        assert!(why(r#"{"items":[{"name":"a","level":"bad"}]}"#).contains("no level"));
        assert!(why(r#"{"items":[{"name":"a","level":5}]}"#).contains("no level"));
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(text in "\\{(\"items\":\\[|\\{\"name\":|\\PC){0,20}") {
            let _ = read(&text);
        }
    }
}
