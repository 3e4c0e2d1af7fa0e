//! TOML, written so that whatever stands in a name stays in that name.

use std::fmt::Write;

/// A value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
}

/// A basic string (TOML 1.0.0, "String"): quotes, backslashes and everything that controls is escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A key: bare where it can be, else in quotes.
pub(super) fn key(text: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match !text.is_empty() && text.chars().all(bare) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// A comment: one line, whatever the text holds.
pub(super) fn comment(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().map(plain).collect();
    format!("# {}\n", text.trim_end())
}

/// A list: in one line while it fits, else one entry in a line.
pub(super) fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| self::quoted(text)).collect();
    let line = format!("[{}]", quoted.join(", "));
    match line.len() <= 100 {
        true => line,
        false => format!("[\n    {},\n]", quoted.join(",\n    ")),
    }
}

impl Value {
    pub(super) fn written(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::List(texts) => list(texts),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(name in "(?s).{0,20}", text in "(?s).{0,60}", texts in prop::collection::vec("(?s).{0,40}", 0..6), remark in "(?s).{0,60}") {
            let written = format!(
                "{}[{}]\ntext = {}\nlist = {}\n",
                comment(&remark),
                key(&name),
                Value::Text(text.clone()).written(),
                Value::List(texts.clone()).written()
            );
            let table: toml::Table = written.parse().unwrap();
            prop_assert_eq!(table.len(), 1);
            let inner = table[&name].as_table().unwrap();
            prop_assert_eq!(inner["text"].as_str(), Some(text.as_str()));
            let list: Vec<&str> = inner["list"].as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
            prop_assert_eq!(list, texts);
        }
    }
}
