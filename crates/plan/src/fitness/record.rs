//! A book as a document, so that a restarted agent goes on in the middle of a count.

use jiff::Timestamp;
use lockstep_model::{HostName, ItemName, Value};
use serde::{Deserialize, Serialize};

use super::item::Memory;

/// What an [`ItemBook`](super::ItemBook) remembers, to be kept over a restart. Nobody but the book reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BookRecord {
    /// Another number is another program's: nothing of it is taken over.
    pub(super) format: u32,
    /// When the book was last asked.
    pub(super) asked_at: Option<Timestamp>,
    /// Since when it has been asked without a long pause.
    pub(super) awake_since: Option<Timestamp>,
    pub(super) items: Vec<ItemRecord>,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ItemRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<HostName>,
    pub(super) item: ItemName,
    /// An entry of the work document named it.
    pub(super) is_listed: bool,
    pub(super) memory: Memory,
}

/// Numbers as texts. JSON writes a number so that most readers get the same one back; after a restart every reader
/// must, or a value right at a threshold would be another one.
pub(super) mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::fitness) fn serialize<S: Serializer>(
        number: &f64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(in crate::fitness) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number: f64 = text.parse().map_err(D::Error::custom)?;
        if number.is_finite() {
            Ok(number)
        } else {
            Err(D::Error::custom(format!("{text} is no quantity")))
        }
    }
}

/// A value that is written exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Exact", into = "Exact")]
pub(super) struct Kept(pub(super) Value);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Exact {
    Number(#[serde(with = "exact")] f64, String),
    Text(String),
    None(String),
}

impl From<Exact> for Kept {
    fn from(exact: Exact) -> Self {
        Self(match exact {
            Exact::Number(value, unit) => Value::Number { value, unit },
            Exact::Text(text) => Value::Text(text),
            Exact::None(why) => Value::None(why),
        })
    }
}
impl From<Kept> for Exact {
    fn from(kept: Kept) -> Self {
        match kept.0 {
            Value::Number { value, unit } => Self::Number(value, unit),
            Value::Text(text) => Self::Text(text),
            Value::None(why) => Self::None(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_comes_back_to_the_bit(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let kept = Kept(Value::Number { value, unit: "s".into() });
            let json = serde_json::to_string(&kept).unwrap();
            let Kept(Value::Number { value: back, .. }) = serde_json::from_str(&json).unwrap() else {
                panic!("{json}");
            };
            prop_assert_eq!(back.to_bits(), bits);
        }
    }
}
