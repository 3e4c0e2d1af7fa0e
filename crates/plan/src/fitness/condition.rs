//! What one moment says of one condition. What it means over time is in `latch`.

use lockstep_model::{Condition, Test, Value};

use super::function::{Function, refuses_unit};

/// What there is to look at.
#[derive(Debug)]
pub(super) struct Look<'a> {
    pub(super) function: &'a Function,
    /// What the probe found.
    pub(super) value: &'a Value,
    /// The number that is judged: the newest, or a mean. None for a text, and while there is too little for a mean.
    pub(super) number: Option<f64>,
    /// The value is another one than before.
    pub(super) changed: bool,
    pub(super) siblings: &'a [Sibling],
}

/// Another item of the same object, as a condition asks for it.
#[derive(Debug)]
pub(super) struct Sibling {
    pub(super) probe: String,
    /// Its last value that is not too old. None if there is no such thing, or the item is not watched.
    pub(super) value: Option<Value>,
    /// Its newest sample has no value.
    pub(super) is_missing: bool,
    /// Its newest value is another one than the one before.
    pub(super) changed: bool,
}

/// What a moment says of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// It holds.
    Bad,
    /// It does not hold, but a level that was entered is not left either.
    Between,
    /// It does not hold.
    Good,
    /// Nobody can tell.
    Nothing,
}

impl Look<'_> {
    /// What it says of a condition.
    ///
    /// Behind `clear` the other items do not matter: it alone says when a level is left.
    pub(super) fn says(&self, condition: &Condition) -> Says {
        let Some(holds) = self.holds(&condition.test) else {
            return Says::Nothing;
        };
        if holds
            && condition
                .and
                .iter()
                .all(|(probe, test)| self.asks(probe, test))
        {
            return Says::Bad;
        }
        match (&condition.clear, &condition.test, self.number) {
            (Some(clear), Test::Compare { op, .. }, Some(number))
                if op.holds(number, clear.value) =>
            {
                Says::Between
            }
            _ => Says::Good,
        }
    }

    fn holds(&self, test: &Test) -> Option<bool> {
        let is_missing = matches!(self.value, Value::None(_));
        Some(match (test, self.value) {
            (Test::None, _) => is_missing,
            (_, Value::None(_)) => return None,
            (Test::Changed, _) => self.changed,
            (Test::Compare { op, limit }, Value::Number { .. }) => {
                op.holds(self.number?, limit.value)
            }
            (Test::Outside(range), Value::Number { .. }) => range.alerts(self.number?),
            (test, Value::Text(text)) => says_text(self.function, test, text),
            _ => false,
        })
    }

    /// True unless the other item says no. One that is not watched, or of which nothing is known, cannot say so: a
    /// rule must not be switched off by taking a second item away.
    fn asks(&self, probe: &str, test: &Test) -> bool {
        let Some(sibling) = self.siblings.iter().find(|other| other.probe == probe) else {
            return true;
        };
        match (test, &sibling.value) {
            (Test::None, _) => sibling.is_missing,
            (_, None | Some(Value::None(_))) => true,
            (Test::Changed, _) => sibling.changed,
            (Test::Compare { op, limit }, Some(Value::Number { value, .. })) => {
                op.holds(*value, limit.value)
            }
            (Test::Outside(range), Some(Value::Number { value, .. })) => range.alerts(*value),
            (test, Some(Value::Text(text))) => says_text(self.function, test, text),
            (_, Some(Value::Number { .. })) => false,
        }
    }

    /// Why another item cannot be asked what a condition wants to know of it.
    pub(super) fn refuses(&self) -> Option<String> {
        let rules = self.function.rules().iter();
        let mut asked = rules.flat_map(|rule| &rule.when.and);
        asked.find_map(|(probe, test)| {
            let sibling = self.siblings.iter().find(|other| other.probe == *probe)?;
            let Some(Value::Number { unit, .. }) = &sibling.value else {
                return None;
            };
            refuses_unit(test, unit).map(|why| format!("{probe} cannot be asked: {why}"))
        })
    }
}

fn says_text(function: &Function, test: &Test, text: &str) -> bool {
    match test {
        Test::Is(whole) => text == whole,
        Test::Not(whole) => text != whole,
        Test::Has(part) => text.contains(part.as_str()),
        Test::Matches(pattern) => function.matches(pattern, text),
        Test::Compare { .. } | Test::Outside(_) | Test::Changed | Test::None => false,
    }
}
