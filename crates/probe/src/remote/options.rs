//! The options of an order, read once and with clear words for what is wrong with them.

use std::str::FromStr;

use lockstep_model::Setting;

use crate::probe::Order;

/// The options of one order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options<'a>(&'a Order);

impl<'a> Options<'a> {
    /// The options, if the probe knows all of them: one with a slip in its name would silently do nothing.
    pub(crate) fn of(order: &'a Order, known: &[&str]) -> Result<Self, String> {
        match order
            .options
            .keys()
            .find(|name| !known.contains(&name.as_str()))
        {
            None => Ok(Self(order)),
            Some(name) if known.is_empty() => Err(format!(
                "the probe {} has no options, and so no {name:?}",
                order.probe()
            )),
            Some(name) => Err(format!(
                "the probe {} has no option {name:?}; it has {}",
                order.probe(),
                known.join(", ")
            )),
        }
    }

    pub(crate) fn text(self, name: &str) -> Result<Option<&'a str>, String> {
        match self.0.options.get(name) {
            None => Ok(None),
            Some(Setting::Text(text)) => Ok(Some(text)),
            Some(_) => Err(format!("the option {name:?} is not a text")),
        }
    }

    pub(crate) fn flag(self, name: &str) -> Result<bool, String> {
        match self.0.options.get(name) {
            None => Ok(false),
            Some(Setting::Flag(flag)) => Ok(*flag),
            Some(_) => Err(format!("the option {name:?} is neither true nor false")),
        }
    }

    /// A whole number from 0 up.
    pub(crate) fn count(self, name: &str) -> Result<Option<u64>, String> {
        match self.0.options.get(name) {
            None => Ok(None),
            Some(Setting::Number(number))
                if number.fract() == 0.0 && (0.0..9e15).contains(number) =>
            {
                Ok(Some(*number as u64))
            }
            Some(_) => Err(format!("the option {name:?} is not a whole number")),
        }
    }

    /// Several texts; one alone counts as a list of one, and a number as its digits.
    pub(crate) fn list(self, name: &str) -> Result<Vec<String>, String> {
        match self.0.options.get(name) {
            None => Ok(Vec::new()),
            Some(Setting::Text(text)) => Ok(vec![text.clone()]),
            Some(Setting::Number(number)) => Ok(vec![number.to_string()]),
            Some(Setting::List(list)) => Ok(list.clone()),
            Some(Setting::Flag(_)) => Err(format!("the option {name:?} is not a list of texts")),
        }
    }

    /// A text that means something.
    pub(crate) fn parsed<T: FromStr<Err: std::fmt::Display>>(
        self,
        name: &str,
    ) -> Result<Option<T>, String> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(format!("the option {name:?}: {error}")),
        }
    }
}
