//! Figures behind the `|`: `'LABEL'=VALUE[UNIT];[WARN];[CRIT];[MIN];[MAX]`, with spaces between them.
//!
//! Plugins take the format lightly, so that a figure which is not understood is left out and the others count.

use lockstep_model::{Quantity, Value};

use crate::remote::{Part, clean};

/// Longest unit that is taken as it is, in bytes.
const LONGEST_UNIT: usize = 16;

/// All figures that can be read.
pub(super) fn read(mut text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return parts;
        }
        let Some((label, behind)) = label(text) else {
            // To the next word, which may be a figure again.
            text = text
                .split_once(char::is_whitespace)
                .map_or("", |(_, rest)| rest);
            continue;
        };
        let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
        let (figure, rest) = behind.split_at(end);
        text = rest;
        let value = figure.split(';').next().unwrap_or_default();
        if let (Some((value, is_counter)), false) = (self::value(value), label.is_empty()) {
            parts.push(Part {
                name: label,
                value,
                is_counter,
                verdict: None,
            });
        }
    }
}

/// The label before the `=`, and what stands behind that. In quotes, two quotes stand for one.
fn label(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('\'') else {
        let (label, behind) = text.split_once('=')?;
        if label.contains(char::is_whitespace) {
            return None;
        }
        return Some((clean(label, 200), behind));
    };
    let mut label = String::new();
    loop {
        let (piece, behind) = rest.split_once('\'')?;
        label.push_str(piece);
        match behind.strip_prefix('\'') {
            Some(behind) => {
                label.push('\'');
                rest = behind;
            }
            None => return Some((clean(&label, 200), behind.strip_prefix('=')?)),
        }
    }
}

/// A value with its unit, and whether it is a counter. `U` is a value that the plugin does not know.
fn value(text: &str) -> Option<(Value, bool)> {
    if text == "U" {
        return Some((Value::None("the plugin does not know it".into()), false));
    }
    // Some plugins heed the language of their surroundings after all.
    let text = text.replacen(',', ".", 1);
    let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    let mut end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    // `1.5e-05s`
    if let Some(exponent) = text[end..].strip_prefix(['e', 'E'])
        && let digits = exponent.find(|c| !is_number(c)).unwrap_or(exponent.len())
        && exponent[..digits].parse::<i32>().is_ok()
    {
        end += 1 + digits;
    }
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    if !number.is_finite() || unit.len() > LONGEST_UNIT {
        return None;
    }
    if unit == "c" {
        return Some((number_of(number, ""), true));
    }
    let (factor, unit) = self::unit(unit);
    Some((number_of(number * factor, &unit), false))
}

/// A plugin's unit as a factor and ours. Its bytes are those of computers: the plugins that everybody has count a
/// megabyte as 1024 × 1024.
fn unit(unit: &str) -> (f64, String) {
    let bytes = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];
    let power = bytes
        .iter()
        .position(|known| known.eq_ignore_ascii_case(unit));
    if let Some(power) = power {
        return (
            1024_f64.powi(i32::try_from(power).unwrap_or(0)),
            "bytes".into(),
        );
    }
    match Quantity::parse(&format!("1{unit}")) {
        // An `m` is no minute here.
        Ok(quantity) if !matches!(unit, "m" | "h" | "d" | "w" | "M" | "k") => {
            (quantity.value, quantity.unit)
        }
        _ => (1.0, clean(unit, LONGEST_UNIT)),
    }
}

fn number_of(value: f64, unit: &str) -> Value {
    Value::Number {
        value,
        unit: unit.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |part: Part| {
            let value = match part.value {
                Value::Number { value, unit } => format!("{value}{unit}"),
                other => other.to_string(),
            };
            format!(
                "{}={value}{}",
                part.name,
                if part.is_counter { " up" } else { "" }
            )
        };
        read(text).into_iter().map(show).collect()
    }

    #[test]
    fn figures_have_units() {
        assert_eq!(
            shown(
                "time=0.004121s;;;0.000000;10 size=615B;;;0 rta=250us;1 pl=0%;;;; /=2MB;1;2 n=12c x=7 t=21C"
            ),
            [
                "time=0.004121s",
                "size=615bytes",
                "rta=0.00025s",
                "pl=0%",
                "/=2097152bytes",
                "n=12 up",
                "x=7",
                "t=21°C"
            ]
        );
        assert_eq!(
            shown("a=1.5e-05s b=-3,5 c=2ops d=5m"),
            ["a=0.000015s", "b=-3.5", "c=2ops", "d=5m"]
        );
    }

    #[test]
    fn labels_may_be_quoted() {
        assert_eq!(
            shown("'C:\\ used'=5% 'it''s'=1 'x=y'=2"),
            ["C:\\ used=5%", "it's=1", "x=y=2"]
        );
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        assert_eq!(
            shown("junk a=1 b=x =3 ''=3 c= 'open=4 d=1e999 e=U f=2"),
            ["a=1", "e=none (the plugin does not know it)", "f=2",]
        );
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(text in "([a-z' =;,.%]|[0-9e+-]|\\PC){0,60}") {
            let _ = read(&text);
        }

        #[test]
        fn any_label_comes_back(label in "[ -~]{1,30}", number in -1e9..1e9_f64) {
            let quoted = label.replace('\'', "''");
            let parts = read(&format!("'{quoted}'={number};1;2 'z'=1"));
            let label = label.trim();
            if !label.is_empty() {
                prop_assert_eq!(&parts[0].name, label);
                prop_assert_eq!(&parts[0].value, &number_of(number, ""));
            }
            prop_assert_eq!(&parts.last().unwrap().name, "z");
        }
    }
}
