//! `LOG` and `FILE`: settings about files, which `client-local.cfg` has clients send something of.

use super::{Found, Judged, amount, by_colour, checked, colour, number};
use crate::probes;

/// True if a name of a file in a rule means a path.
pub(in super::super) fn is_path(name: &str, path: &str) -> bool {
    match name.strip_prefix('%') {
        Some(expression) => {
            super::super::super::expression::compile(expression).is_ok_and(|it| it.is_match(path))
        }
        None => name == path,
    }
}

/// `LOG`: its name is the first word behind it.
pub(super) fn log(args: &[&str], mut notes: Vec<String>) -> Found {
    let [path, pattern, more @ ..] = args else {
        return Err("it is written as in LOG /var/log/messages ERROR COLOR=yellow".into());
    };
    let mut red = true;
    for arg in more {
        match arg.split_once('=') {
            Some((key, value)) if key.eq_ignore_ascii_case("COLOR") => {
                red = colour(value).ok_or("a colour is yellow or red")?
            }
            Some((key, _)) if key.eq_ignore_ascii_case("IGNORE") => {
                notes.push(
                    "lines cannot be left out: the rule was taken over without IGNORE=".into(),
                );
            }
            None if arg.eq_ignore_ascii_case("OPTIONAL") => {}
            _ => red = colour(arg).ok_or("there is no such option of a log here")?,
        }
    }
    let pattern = match pattern.strip_prefix('%') {
        Some(expression) => format!("(?i){expression}"),
        None => literal(pattern),
    };
    probes::regular_expression(&pattern)?;
    let rule = by_colour(red, vec!["> 0 after 10m".into()]);
    let path = (*path).to_owned();
    Ok((
        Judged::Log {
            path,
            pattern,
            rule,
        },
        notes,
    ))
}

/// A text as an expression that matches it.
fn literal(text: &str) -> String {
    let mut literal = String::new();
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal
}

/// `FILE`.
pub(super) fn file(args: &[&str], mut notes: Vec<String>) -> Found {
    let Some((path, checks)) = args.split_first() else {
        return Err("it names no file".into());
    };
    let (mut age, mut size) = (Vec::new(), Vec::new());
    let (mut red, mut needed, mut understood) = (true, true, true);
    for check in checks {
        if let Some(is_red) = colour(check) {
            red = is_red;
            continue;
        }
        let lower = check.to_ascii_lowercase();
        // What is written is what is right, so it is bad when it is not so.
        let found = match lower.as_str() {
            "ifexist" | "optional" => {
                needed = false;
                Ok(())
            }
            "noexist" => return Err("that a file is not there is not watched".into()),
            check => {
                if let Some(limit) = check.strip_prefix("mtime<") {
                    amount(limit).map(|limit| age.push(format!(">= {}s", number(limit))))
                } else if let Some(limit) = check.strip_prefix("mtime>") {
                    amount(limit).map(|limit| age.push(format!("<= {}s", number(limit))))
                } else if let Some(limit) = check.strip_prefix("size<") {
                    bytes(limit).map(|limit| size.push(format!(">= {limit}")))
                } else if let Some(limit) = check.strip_prefix("size>") {
                    bytes(limit).map(|limit| size.push(format!("<= {limit}")))
                } else {
                    Err("only its age and its size are watched".into())
                }
            }
        };
        if let Err(why) = found {
            understood = false;
            notes.push(format!("{check}: {why}"));
        }
    }
    if age.is_empty() && size.is_empty() && !understood {
        return Err(notes.join("; "));
    }
    if needed {
        // It has to be there: one of the two says so.
        match size.is_empty() {
            true => age.push("none".into()),
            false => size.push("none".into()),
        }
    }
    let rules = [("file_age", age), ("file_size", size)];
    let rules = rules.into_iter().filter(|(_, when)| !when.is_empty());
    let rules: Result<Vec<_>, String> = rules
        .map(|(probe, when)| Ok((probe, checked(by_colour(red, when))?)))
        .collect();
    let rules = rules?;
    if rules.is_empty() {
        return Err("nothing of it is judged".into());
    }
    let path = (*path).to_owned();
    Ok((Judged::File { path, rules }, notes))
}

/// A size: kilobytes unless a unit says otherwise.
fn bytes(text: &str) -> Result<String, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "k" => "KiB",
        "b" => "B",
        "m" => "MiB",
        "g" => "GiB",
        "t" => "TiB",
        _ => return Err("a size is expected".into()),
    };
    Ok(format!("{}{unit}", number(amount(digits)?)))
}
