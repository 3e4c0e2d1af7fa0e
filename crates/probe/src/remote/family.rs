//! An item, and the items that come with it: a plugin and its figures, an endpoint and its series.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lockstep_model::{Glob, ItemName, Value, Verdict};
use tokio::time::Instant;

use super::rate::Counter;
use crate::probe::Found;

/// Items that come with one.
const MOST_PARTS: usize = 100;

/// An item and its parts, `OWN/PART` or `OWN#PART`.
#[derive(Debug)]
pub(crate) struct Family {
    own: ItemName,
    mark: char,
    /// Which parts are wanted, if not all; the item itself is not wanted then.
    wanted: Option<Glob>,
    /// The parts of the last look.
    parts: Mutex<BTreeMap<ItemName, Counter>>,
}

/// What was found of one part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) value: Value,
    /// True for a number of which only the growth means something.
    pub(crate) is_counter: bool,
    pub(crate) verdict: Option<Verdict>,
}

impl Family {
    pub(crate) fn new(own: ItemName, mark: char, wanted: Option<Glob>) -> Self {
        Self {
            own,
            mark,
            wanted,
            parts: Mutex::default(),
        }
    }

    /// The item itself.
    pub(crate) fn own(&self) -> &ItemName {
        &self.own
    }

    /// Which parts are wanted, if not all.
    pub(crate) fn wanted(&self) -> Option<&Glob> {
        self.wanted.as_ref()
    }

    /// A look that found something. Parts of the last look that are missing now are told once more, without a value.
    pub(crate) fn found(
        &self,
        (value, verdict): (Value, Option<Verdict>),
        parts: Vec<Part>,
    ) -> Vec<Found> {
        let now = Instant::now();
        let mut known = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *known);
        let mut found = Vec::new();
        if self.wanted.is_none() {
            found.push(Found {
                item: self.own.clone(),
                value,
                verdict,
            });
        }
        for part in parts {
            let item = match self.item(&part.name) {
                Ok(item) => item,
                Err(why) => {
                    tracing::debug!(item = %self.own, why, "a part of it cannot be an item");
                    continue;
                }
            };
            if known.contains_key(&item) || known.len() == MOST_PARTS {
                continue;
            }
            let mut counter = gone.remove(&item).unwrap_or_default();
            let value = if part.is_counter {
                counter.per_second(now, part.value)
            } else {
                part.value
            };
            known.insert(item.clone(), counter);
            found.push(Found {
                item,
                value,
                verdict: part.verdict,
            });
        }
        found.extend(gone.into_keys().map(|item| Found {
            item,
            value: Value::None("it is not there any more".into()),
            verdict: None,
        }));
        found
    }

    /// A look that found nothing: all that was there at the last one is there without a value.
    pub(crate) fn lost(&self, (value, verdict): (Value, Option<Verdict>)) -> Vec<Found> {
        let known = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut items: Vec<ItemName> = known.keys().cloned().collect();
        match &self.wanted {
            None => items.insert(0, self.own.clone()),
            // One that has never been there is wanted all the same.
            Some(wanted) if wanted.is_plain() && items.is_empty() => {
                items.extend(self.item(wanted.as_str()));
            }
            Some(_) => {}
        }
        let found = |item| Found {
            item,
            value: value.clone(),
            verdict: verdict.clone(),
        };
        items.into_iter().map(found).collect()
    }

    /// The item of a part. A name that would be too long ends with a number that stands for the rest of it, the same
    /// at every look.
    fn item(&self, part: &str) -> Result<ItemName, String> {
        let whole = format!("{}{}{part}", self.own, self.mark);
        if whole.len() <= ItemName::LONGEST {
            return ItemName::parse(&whole);
        }
        // FNV-1a.
        let hash = whole.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        let behind = format!("~{hash:08x}");
        let end = whole.floor_char_boundary(ItemName::LONGEST - behind.len());
        if end <= self.own.as_str().len() + 1 {
            return Err(format!(
                "{} leaves no room for the name of a part",
                self.own
            ));
        }
        ItemName::parse(&format!("{}{behind}", &whole[..end]))
    }
}

impl Counter {
    /// What a number has gained, in its unit for each second.
    fn per_second(&mut self, now: Instant, value: Value) -> Value {
        match value {
            Value::Number { value, unit } => match self.rate(now, value) {
                Ok(value) => Value::Number {
                    value,
                    unit: format!("{unit}/s"),
                },
                Err(why) => Value::None(why),
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(wanted: Option<&str>) -> Family {
        let wanted = wanted.map(|glob| Glob::parse(glob).unwrap());
        Family::new(ItemName::parse("plugin:x").unwrap(), '/', wanted)
    }

    fn part(name: &str) -> Part {
        Part {
            name: name.into(),
            value: Value::Text("yes".into()),
            is_counter: false,
            verdict: None,
        }
    }

    fn shown(found: &[Found]) -> Vec<String> {
        found
            .iter()
            .map(|found| format!("{} {}", found.item, found.value))
            .collect()
    }

    #[test]
    fn parts_come_and_go() {
        let own = || (Value::Text("own".into()), None);
        let family = family(None);
        let first = family.found(own(), vec![part("a"), part("b"), part("a")]);
        assert_eq!(
            shown(&first),
            ["plugin:x own", "plugin:x/a yes", "plugin:x/b yes"]
        );
        let lost = family.lost((Value::None("gone".into()), None));
        assert_eq!(
            shown(&lost),
            [
                "plugin:x none (gone)",
                "plugin:x/a none (gone)",
                "plugin:x/b none (gone)"
            ]
        );
        let fewer = shown(&family.found(own(), vec![part("b")]));
        assert_eq!(fewer[2], "plugin:x/a none (it is not there any more)");
        assert_eq!(family.found(own(), vec![part("b")]).len(), 2);
        let many = (0..200).map(|n| part(&n.to_string())).collect();
        assert_eq!(family.found(own(), many).len(), 1 + MOST_PARTS + 1);
    }

    #[test]
    fn one_part_may_be_all_that_is_wanted() {
        let family = family(Some("a"));
        let none = || (Value::None("gone".into()), None);
        assert_eq!(shown(&family.lost(none())), ["plugin:x/a none (gone)"]);
        assert_eq!(
            shown(&family.found(none(), vec![part("a")])),
            ["plugin:x/a yes"]
        );
    }

    #[test]
    fn long_names_stay_different() {
        let family = family(None);
        let long = "ä".repeat(150);
        let (a, b) = (
            family.item(&format!("{long}a")).unwrap(),
            family.item(&format!("{long}b")).unwrap(),
        );
        assert!(a != b && a.as_str().len() <= ItemName::LONGEST);
        assert_eq!(family.item(&format!("{long}a")).unwrap(), a);
    }
}
