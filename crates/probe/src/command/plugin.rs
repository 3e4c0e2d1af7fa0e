//! `plugin:NAME`: the plugin API of Nagios, as thousands of plugins speak it.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | fine |
//! | 1 | sick (Nagios says warning) |
//! | 2 | critical |
//! | 3 | no data (Nagios says unknown) |
//! | anything else, a signal, too late | no data |
//!
//! The first line says how it is; behind `|` on it, and on later lines, are figures.

use std::sync::Arc;

use jiff::Timestamp;
use lockstep_model::{Level, Value, Verdict};

use super::json;
use super::program::Kind;
use super::run::{Command, Said};
use crate::probe::{Look, Order, Probe};
use crate::remote::{Family, Part, clean, cut};

mod output;
mod perfdata;

use output::Output;

/// Longest words of a verdict, in bytes.
const LONGEST_WHY: usize = 1024;

pub(super) fn plugin(order: &Order) -> Result<Arc<dyn Probe>, String> {
    let command = Command::of(order, Kind::Plugin)?;
    let family = Family::new(command.wish.item.clone(), '/', command.wish.parts.clone());
    Ok(Arc::new(Plugin { command, family }))
}

#[derive(Debug)]
struct Plugin {
    command: Command,
    family: Family,
}

impl Probe for Plugin {
    fn look(self: Arc<Self>, at: Timestamp) -> Look {
        Box::pin(async move {
            let said = match self.command.run(at).await {
                Ok(said) => said,
                Err(why) => return self.family.lost((Value::None(why), None)),
            };
            let (output, parts) = match read(&said) {
                Ok(read) => read,
                Err(why) => return self.family.lost((Value::None(why), None)),
            };
            let own = judge(&said, &output, &parts);
            if matches!(own.0, Value::None(_)) && parts.is_empty() {
                return self.family.lost(own);
            }
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

/// The words and the figures of an output, in whichever of the two formats it is.
fn read(said: &Said) -> Result<(Output, Vec<Part>), String> {
    if said.output.starts_with('{') {
        let document = json::read(&said.output)?;
        let output = Output {
            text: document.text,
            ..Output::default()
        };
        return Ok((output, document.parts));
    }
    let output = Output::read(&said.output);
    let parts = perfdata::read(&output.perfdata);
    Ok((output, parts))
}

/// What the exit status says of the plugin's own item.
fn judge(said: &Said, output: &Output, parts: &[Part]) -> (Value, Option<Verdict>) {
    let text = match (output.text.as_str(), said.errors.as_str()) {
        ("", "") => "it said nothing",
        ("", errors) => errors,
        (text, _) => text,
    };
    let level = match said.code {
        0 => Level::FINE,
        1 => Level::SICK,
        2 => Level::CRITICAL,
        3 => return (Value::None(clean(text, LONGEST_WHY)), None),
        other => {
            let why = format!("exit status {other}, which plugins do not have: {text}");
            return (Value::None(clean(&why, LONGEST_WHY)), None);
        }
    };
    // Of a plugin that is well, the first line is enough.
    let mut why = clean(text, LONGEST_WHY);
    if level > Level::FINE && !output.long_text.is_empty() {
        why = cut(&format!("{why}\n{}", output.long_text), LONGEST_WHY).into_owned();
    }
    let first = parts
        .iter()
        .find(|part| matches!(part.value, Value::Number { .. }) && !part.is_counter)
        .map(|part| part.value.clone());
    let value = first.unwrap_or_else(|| Value::Text(clean(text, Value::LONGEST_TEXT)));
    (value, Some(Verdict { level, why }))
}
