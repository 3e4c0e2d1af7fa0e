//! `script:NAME`: a program that prints `NAME=VALUE`, line by line.
//!
//! A value is a number, with a unit if it likes (`12`, `80%`, `300ms`), or a text. Lines that begin with `#`, and empty
//! ones, say nothing. The script's own item is its exit status, which is critical if it is not 0.

use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{Level, Quantity, Value, Verdict};

use super::json;
use super::program::Kind;
use super::run::{Command, Said};
use crate::probe::{Look, Order, Probe};
use crate::remote::{Family, Part, clean};

pub(super) fn script(order: &Order) -> Result<Arc<dyn Probe>, String> {
    let command = Command::of(order, Kind::Script)?;
    let family = Family::new(command.wish.item.clone(), '/', command.wish.parts.clone());
    Ok(Arc::new(Script { command, family }))
}

#[derive(Debug)]
struct Script {
    command: Command,
    family: Family,
}

impl Probe for Script {
    fn look(self: Arc<Self>, at: Timestamp) -> Look {
        Box::pin(async move {
            let said = match self.command.run(at).await {
                Ok(said) => said,
                Err(why) => return self.family.lost((Value::None(why), None)),
            };
            let (parts, odd) = match said.output.starts_with('{') {
                false => read(&said.output),
                true => match json::read(&said.output) {
                    Ok(document) => (document.parts, None),
                    Err(why) => return self.family.lost((Value::None(why), None)),
                },
            };
            let own = judge(&said, odd);
            let wants = |part: &Part| {
                self.family
                    .wanted()
                    .is_none_or(|glob| glob.matches(&part.name))
            };
            self.family
                .found(own, parts.into_iter().filter(wants).collect())
        })
    }
}

fn judge(said: &Said, odd: Option<String>) -> (Value, Option<Verdict>) {
    let value = Value::Number {
        value: said.code.into(),
        unit: String::new(),
    };
    let (level, why) = match (said.code, odd) {
        (0, None) => (Level::FINE, String::new()),
        (0, Some(line)) => (Level::SOSO, format!("{line:?} is not NAME=VALUE")),
        (code, _) => (
            Level::CRITICAL,
            format!("exit status {code}: {}", said.errors),
        ),
    };
    (value, Some(Verdict { level, why }))
}

/// All values, and the first line that is none.
fn read(output: &str) -> (Vec<Part>, Option<String>) {
    let mut odd = None;
    let mut parts = Vec::new();
    let lines = output.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let part = line
            .split_once('=')
            .map(|(name, value)| (clean(name, 200), value.trim()));
        match part {
            Some((name, value)) if !name.is_empty() => parts.push(Part {
                name,
                value: self::value(value),
                is_counter: false,
                verdict: None,
            }),
            _ => {
                odd.get_or_insert_with(|| clean(line, 200));
            }
        }
    }
    (parts, odd)
}

fn value(text: &str) -> Value {
    match Quantity::parse(text) {
        Ok(Quantity { value, unit }) => Value::Number { value, unit },
        Err(_) => Value::Text(clean(text, Value::LONGEST_TEXT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_values() {
        let (parts, odd) = read(
            "# a comment\n\nqueue = 12\nfull=80%\nslow=300ms\nstate=all is well=yes\nodd line\n=3\n",
        );
        let shown: Vec<_> = parts
            .iter()
            .map(|part| format!("{}={}", part.name, part.value))
            .collect();
        assert_eq!(
            shown,
            [
                "queue=12.00",
                "full=80.0 %",
                "slow=0.3 s",
                "state=all is well=yes"
            ]
        );
        assert_eq!(odd.as_deref(), Some("odd line"));
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(output in "([a-z=# \n0-9.%]|\\PC){0,60}") {
            let _ = read(&output);
        }
    }
}
