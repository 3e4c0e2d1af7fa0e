//! From rows to words and back: everything that is read is parsed, and what does not parse is named by table and
//! key; everything that is written is checked first.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use crate::Error;

/// Turns rows into values. By convention the first column of every such query is text and holds the row's key.
pub(crate) fn rows<R, T>(table: &'static str, rows: &[R]) -> Result<Vec<T>, Error>
where
    R: Row,
    T: for<'r> FromRow<'r, R>,
    usize: ColumnIndex<R>,
    String: Type<R::Database> + for<'r> Decode<'r, R::Database>,
{
    rows.iter()
        .map(|row| {
            T::from_row(row).map_err(|error| Error::Damaged {
                table,
                key: row.try_get(0).unwrap_or_else(|_| "?".into()),
                why: error.to_string(),
            })
        })
        .collect()
}

/// One row of a table, for parsing its columns.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The table.
    pub(crate) table: &'static str,
    /// The row's key.
    pub(crate) key: &'a str,
}

impl Place<'_> {
    /// A column does not hold what it should.
    pub(crate) fn damaged(self, column: &str, why: impl Display) -> Error {
        Error::Damaged {
            table: self.table,
            key: self.key.to_owned(),
            why: format!("{column}: {why}"),
        }
    }

    /// Parses a text.
    pub(crate) fn parse<T: FromStr<Err: Display>>(
        self,
        column: &str,
        text: &str,
    ) -> Result<T, Error> {
        text.parse().map_err(|error| self.damaged(column, error))
    }

    /// Parses a JSON document.
    pub(crate) fn json<T: DeserializeOwned>(self, column: &str, text: &str) -> Result<T, Error> {
        serde_json::from_str(text).map_err(|error| self.damaged(column, error))
    }

    /// Understands a time.
    pub(crate) fn time(self, column: &str, milliseconds: i64) -> Result<Timestamp, Error> {
        Timestamp::from_millisecond(milliseconds).map_err(|error| self.damaged(column, error))
    }

    /// Understands a number that is never negative.
    pub(crate) fn number<T: TryFrom<i64>>(self, column: &str, number: i64) -> Result<T, Error> {
        T::try_from(number).map_err(|_| self.damaged(column, format!("{number} is out of range")))
    }
}

/// Largest document of any kind that describes one host, one run or one release, in bytes.
pub(crate) const MAX_DOCUMENT: usize = 256 * 1024;

/// Writes a document as JSON, and makes sure that it can be read back: JSON has no words for some numbers.
pub(crate) fn to_json<T: Serialize + DeserializeOwned>(
    what: &'static str,
    document: &T,
    max: usize,
) -> Result<String, Error> {
    let refuse = |error: serde_json::Error| Error::NotStorable {
        what,
        why: error.to_string(),
    };
    let text = serde_json::to_string(document).map_err(refuse)?;
    if text.len() > max {
        return Err(Error::TooLarge {
            what,
            bytes: text.len(),
            max,
        });
    }
    serde_json::from_str::<T>(&text).map_err(refuse)?;
    Ok(text)
}

/// Checks a text that is stored as it is. PostgreSQL takes no NUL in a text.
pub(crate) fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), Error> {
    if text.len() > max {
        return Err(Error::TooLarge {
            what,
            bytes: text.len(),
            max,
        });
    }
    if text.contains('\0') {
        return Err(Error::NotStorable {
            what,
            why: "it holds a NUL character".into(),
        });
    }
    Ok(())
}

/// A sentence for people, without NUL and cut to at most `max` bytes: a long one must not stop what it tells of.
pub(crate) fn sentence(text: &str, max: usize) -> String {
    let text = text.replace('\0', "\u{fffd}");
    if text.len() <= max {
        return text;
    }
    let mut end = max - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

/// A time as it is stored.
pub(crate) fn milliseconds(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A number as it is stored.
pub(crate) fn stored_number(what: &'static str, number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::NotStorable {
        what,
        why: format!("{number} is larger than {}", i64::MAX),
    })
}

/// How many rows are asked for, at most `max`.
pub(crate) fn limit(wanted: u32, max: u32) -> i64 {
    i64::from(wanted.min(max))
}

#[cfg(test)]
mod tests {
    use lockstep_model::Value;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_that_json_cannot_hold_is_refused_before_it_is_stored() {
        let value = Value::Number {
            value: f64::NAN,
            unit: String::new(),
        };
        let error = to_json("a value", &value, 100).unwrap_err();
        assert!(matches!(error, Error::NotStorable { .. }), "{error}");
        let text = Value::Text("x".repeat(100));
        let error = to_json("a value", &text, 100).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a value has 111 bytes, at most 100 are stored"
        );
    }

    proptest! {
        #[test]
        fn a_sentence_is_cut_between_characters(text in "\\PC{0,60}", max in 3_usize..80) {
            let cut = sentence(&text, max);
            prop_assert!(cut.len() <= max);
            prop_assert!(cut == text || text.starts_with(cut.trim_end_matches('…')));
        }
    }
}
