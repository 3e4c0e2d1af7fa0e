//! Settings of `analysis.cfg`: which item each one is about, and how that is judged.

mod files;
#[cfg(test)]
mod tests;

use lockstep_model::Condition;

use super::super::expression::globs;
use super::super::sheet::{Rule, item, pattern};

pub(super) use files::is_path;

/// What a setting becomes.
#[derive(Debug, PartialEq)]
pub(super) enum Judged {
    /// Items, each judged by itself.
    Items(Vec<Item>),
    /// A log, by a pattern.
    Log {
        /// Or `%` and an expression for several.
        path: String,
        pattern: String,
        rule: Rule,
    },
    /// A file, by its items.
    File {
        /// Or `%` and an expression for several.
        path: String,
        rules: Vec<(&'static str, Rule)>,
    },
}

/// An item that is judged.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) rule: Rule,
    /// True if it is not watched by default.
    pub(super) watch: bool,
}

/// A setting, and what of it could not be taken over.
type Found = Result<(Judged, Vec<String>), String>;

/// Reads a setting: its name and what stands behind it. `LOAD` is of a machine with so many processors.
pub(super) fn setting(words: &[&str], processors: u32) -> Found {
    let Some((name, all)) = words.split_first() else {
        return Err("it says nothing".into());
    };
    let mut notes = Vec::new();
    let mut args: Vec<&str> = Vec::new();
    for word in all {
        let key = word
            .split('=')
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        match key.as_str() {
            "GROUP" if word.contains('=') => notes.push(
                "who is told is said by [alert.NAME], by hosts and items; the rule was taken over"
                    .to_owned(),
            ),
            "TRACK" | "TEXT" => {}
            _ => args.push(word),
        }
    }
    let judged = match name.to_ascii_uppercase().as_str() {
        "LOAD" => {
            let load = load(&args, processors)?;
            notes.push(format!(
                "cpu_load is the load of 15 minutes for each processor: the numbers were divided by {processors}, see --processors"
            ));
            load
        }
        "UP" => up(&args)?,
        "CLOCK" => clock(&args)?,
        "DISK" => file_system(&args, "disk_usage", ["90", "95"])?,
        "INODE" => file_system(&args, "inode_usage", ["70", "90"])?,
        "MEMACT" | "ACT" => {
            let (warn, panic) = shares(&args, ["90", "97"])?;
            // What is not used is available.
            let below =
                |used: Option<f64>| used.map(|used| format!("<= {}%", number(100.0 - used)));
            one("memory_available", levels(below(warn), below(panic))?)
        }
        "MEMSWAP" | "SWAP" => {
            let (warn, panic) = shares(&args, ["50", "80"])?;
            one("swap_used", levels(above(warn, "%"), above(panic, "%"))?)
        }
        "MEMPHYS" | "PHYS" => {
            return Err("memory in use holds what the kernel can give back at once, so it is not watched; memory_available is, see MEMACT".into());
        }
        "PROC" => process(&args)?,
        "PORT" => port(&args)?,
        "LOG" => return files::log(&args, notes),
        "FILE" => return files::file(&args, notes),
        "DIR" => {
            return Err(
                "the size of a directory is not measured; disk_usage: is of file systems".into(),
            );
        }
        "SVC" => return Err("services of Windows are not watched; unit: is of systemd".into()),
        _ => return Err("there is no such setting here".into()),
    };
    Ok((judged, notes))
}

fn one(name: &str, rule: Rule) -> Judged {
    Judged::Items(vec![Item {
        name: name.into(),
        rule,
        watch: false,
    }])
}

/// A number without a sign, small enough to make sense.
fn amount(text: &str) -> Result<f64, String> {
    let plain = !text.is_empty()
        && text.len() <= 15
        && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let number = text.parse::<f64>().ok().filter(|_| plain);
    number.ok_or_else(|| "a number is expected".to_owned())
}

/// A number as people write it: at most three decimals.
fn number(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn above(limit: Option<f64>, unit: &str) -> Option<String> {
    limit.map(|limit| format!(">= {}{unit}", number(limit)))
}

/// Yellow and red from one text each. What red hides is left out.
fn levels(yellow: Option<String>, red: Option<String>) -> Result<Rule, String> {
    let yellow = yellow.filter(|yellow| red.as_ref() != Some(yellow));
    if yellow.is_none() && red.is_none() {
        return Err("by these numbers it is never judged".into());
    }
    Ok(Rule::judging(
        yellow.into_iter().collect(),
        red.into_iter().collect(),
    ))
}

/// Two shares in per cent; none for those that are never reached, and for a yellow that red hides.
fn shares(args: &[&str], usual: [&str; 2]) -> Result<(Option<f64>, Option<f64>), String> {
    let share = |index: usize| {
        amount(
            args.get(index)
                .unwrap_or(&usual[index])
                .trim_end_matches('%'),
        )
    };
    let (warn, panic) = (share(0)?, share(1)?);
    let possible = |share: f64| Some(share).filter(|share| *share <= 100.0);
    Ok((possible(warn).filter(|warn| *warn < panic), possible(panic)))
}

fn load(args: &[&str], processors: u32) -> Result<Judged, String> {
    let limit = |index: usize, usual: &str| {
        let limit = amount(args.get(index).unwrap_or(&usual))?;
        Ok::<_, String>(limit / f64::from(processors.max(1)))
    };
    let (warn, panic) = (limit(0, "5.0")?, limit(1, "10.0")?);
    let condition = |limit: f64| Some(format!("> {}", number(limit)));
    let warn = Some(warn).filter(|warn| *warn < panic).and_then(condition);
    Ok(one("cpu_load", levels(warn, condition(panic))?))
}

/// A colour as a level: true for red.
fn colour(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "red" => Some(true),
        "yellow" => Some(false),
        _ => None,
    }
}

fn by_colour(red: bool, when: Vec<String>) -> Rule {
    match red {
        true => Rule::judging(Vec::new(), when),
        false => Rule::judging(when, Vec::new()),
    }
}

/// A time: minutes without a unit, else `h`, `d` or `w`.
fn time(text: &str) -> Result<String, String> {
    let unit = text.chars().last().filter(char::is_ascii_alphabetic);
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match unit {
        None | Some('m') => "m",
        Some('h') => "h",
        Some('d') => "d",
        Some('w') => "w",
        Some('s') => "s",
        Some(_) => return Err("a time is expected".into()),
    };
    Ok(format!("{}{unit}", number(amount(digits)?)))
}

fn up(args: &[&str]) -> Result<Judged, String> {
    let mut when = Vec::new();
    let mut red = false;
    for (index, arg) in args.iter().enumerate() {
        match (index, colour(arg)) {
            (_, Some(is_red)) => red = is_red,
            (0, None) => when.push(format!("< {}", time(arg)?)),
            (1, None) if arg.starts_with('-') => {}
            (1, None) => when.push(format!("> {}", time(arg)?)),
            _ => return Err("it is written as in UP 1h 4w yellow".into()),
        }
    }
    if when.is_empty() {
        when.push("< 1h".into());
    }
    Ok(one("uptime", by_colour(red, when)))
}

fn clock(args: &[&str]) -> Result<Judged, String> {
    let offset = number(amount(args.first().unwrap_or(&""))?);
    let red = match args.get(1) {
        None => false,
        Some(word) => colour(word).ok_or("a colour is yellow or red")?,
    };
    Ok(one(
        "clock_offset",
        by_colour(red, vec![format!("outside -{offset}:{offset}")]),
    ))
}

/// File systems in memory, which `disk_usage:*` and `inode_usage:*` leave out by themselves.
const IN_MEMORY: [&str; 8] = [
    "/dev",
    "/dev/shm",
    "/run",
    "/run/lock",
    "/run/shm",
    "/lib/init/rw",
    "/sys/fs/cgroup",
    "/run/user",
];

fn file_system(args: &[&str], probe: &str, usual: [&str; 2]) -> Result<Judged, String> {
    let Some((path, limits)) = args.split_first() else {
        return Err("it names no file system".into());
    };
    if limits
        .first()
        .is_some_and(|word| word.eq_ignore_ascii_case("IGNORE"))
    {
        let plain = path
            .trim_start_matches("%^")
            .trim_end_matches('$')
            .trim_end_matches("/\\d+");
        return match IN_MEMORY.contains(&plain) {
            // Nothing is said, and nothing needs to be.
            true => Ok(Judged::Items(Vec::new())),
            false => Err(format!(
                "a part of {probe}:* cannot be taken away: name {probe}:* in without, and in items what is to stay"
            )),
        };
    }
    let paths = match path.strip_prefix('%') {
        Some(expression) => {
            globs(expression).ok_or("the expression says more than a pattern can")?
        }
        None => vec![(*path).to_owned()],
    };
    let free = limits.iter().any(|limit| {
        limit
            .trim_end_matches(|c: char| c.is_ascii_alphabetic())
            .len()
            < limit.len()
    });
    let mut items = Vec::new();
    for path in paths {
        if !path.starts_with(['/', '*']) {
            return Err("this is not where a file system is mounted".into());
        }
        let (name, rule) = match free {
            true if probe != "disk_usage" => {
                return Err("how many inodes are free is not watched, their share is".into());
            }
            true => (format!("disk_free:{path}"), room(limits)?),
            false => {
                let (warn, panic) = shares(limits, usual)?;
                (
                    format!("{probe}:{path}"),
                    levels(above(warn, "%"), above(panic, "%"))?,
                )
            }
        };
        items.push(Item {
            name: pattern(name)?,
            rule,
            watch: free,
        });
    }
    Ok(Judged::Items(items))
}

/// `1024U 512U`: kilobytes that are free, or K, M, G, T.
fn room(limits: &[&str]) -> Result<Rule, String> {
    let size = |text: &str| {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let (unit, factor) = match text[digits.len()..].to_ascii_uppercase().as_str() {
            "U" | "K" => ("KiB", 1.0),
            "M" => ("MiB", 1024.0),
            "G" => ("GiB", 1024.0 * 1024.0),
            "T" => ("TiB", 1024.0 * 1024.0 * 1024.0),
            _ => return Err("both numbers are a share, or both are room that is free".to_owned()),
        };
        let amount = amount(digits)?;
        Ok((format!("< {}{unit}", number(amount)), amount * factor))
    };
    let [warn, panic] = limits else {
        return Err("two numbers are expected".into());
    };
    let ((warn, more), (panic, less)) = (size(warn)?, size(panic)?);
    // Less than this is always red.
    let warn = Some(warn).filter(|_| more > less);
    checked(levels(warn, Some(panic))?)
}

/// Makes sure that what was put together is understood.
fn checked(rule: Rule) -> Result<Rule, String> {
    for condition in rule.fitness.values().flatten() {
        Condition::parse(condition).map_err(|error| format!("{condition:?}: {}", error.why))?;
    }
    Ok(rule)
}

/// Conditions for a count that has to be within limits.
fn count(min: u32, max: Option<u32>) -> Result<Vec<String>, String> {
    let mut when = Vec::new();
    if min > 0 {
        when.push(format!("< {min}"));
    }
    if let Some(max) = max {
        when.push(format!("> {max}"));
    }
    match when.is_empty() {
        true => Err("any number is right, so nothing is judged".into()),
        false => Ok(when),
    }
}

fn limit(text: &str) -> Result<Option<u32>, String> {
    match text {
        "-1" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| "a number is expected".to_owned()),
    }
}

fn process(args: &[&str]) -> Result<Judged, String> {
    let name = args.first().ok_or("it names no process")?;
    let plain = name
        .trim_start_matches('%')
        .trim_start_matches("(?-i)")
        .trim_start_matches('^')
        .trim_end_matches('$');
    let plain = match name.starts_with('/') {
        true => name.rsplit('/').next().unwrap_or_default(),
        false => plain,
    };
    let word = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '_' | '-' | '@' | ':')
            || (c == '.' && !name.starts_with('%'))
    };
    if plain.is_empty() || !plain.chars().all(word) {
        return Err("process:NAME is of the program's name alone, not of its command line; unit:NAME watches a service".into());
    }
    let mut numbers = Vec::new();
    let mut red = true;
    for arg in &args[1..] {
        match colour(arg) {
            Some(is_red) => red = is_red,
            None => numbers.push(limit(arg)?),
        }
    }
    let min = numbers.first().copied().flatten();
    let min = if numbers.is_empty() {
        1
    } else {
        min.unwrap_or(0)
    };
    let max = numbers.get(1).copied().flatten();
    if numbers.len() > 2 || max.is_some_and(|max| max < min) {
        return Err("it is written as in PROC cron 1 5 yellow".into());
    }
    Ok(Judged::Items(vec![Item {
        name: item(format!("process:{plain}"))?,
        rule: by_colour(red, count(min, max)?),
        watch: true,
    }]))
}

fn port(args: &[&str]) -> Result<Judged, String> {
    let mut port = None;
    let (mut listens, mut red) = (false, true);
    let (mut min, mut max) = (1, None);
    for arg in args {
        let (key, value) = arg
            .split_once('=')
            .ok_or("it is written as in PORT LOCAL=%[.:]22$ STATE=LISTEN")?;
        match key.to_ascii_uppercase().as_str() {
            "LOCAL" => port = any_address(value),
            "STATE" => listens = value.eq_ignore_ascii_case("LISTEN"),
            "MIN" => min = limit(value)?.unwrap_or(0),
            "MAX" => max = limit(value)?,
            "COLOR" => red = colour(value).ok_or("a colour is yellow or red")?,
            _ => {
                return Err(
                    "connections are not counted; listening:PORT says whether somebody listens"
                        .into(),
                );
            }
        }
    }
    let Some(port) = port.filter(|_| listens) else {
        return Err("listening:PORT says whether somebody listens on a port, at whatever address; nothing else is watched of sockets".into());
    };
    let when = match (min, max) {
        (0, Some(0)) => "> 0",
        (0, _) => return Err("any number is right, so nothing is judged".into()),
        _ => "< 1",
    };
    Ok(Judged::Items(vec![Item {
        name: format!("listening:{port}"),
        rule: by_colour(red, vec![when.into()]),
        watch: true,
    }]))
}

/// The port of a local address that means any address: `*:22`, `%[.:]22$`.
fn any_address(text: &str) -> Option<u16> {
    let begins = ["*:", "0.0.0.0:", ":::", "%[.:]", "%[:.]", "%:"];
    let rest = begins.iter().find_map(|begin| text.strip_prefix(begin))?;
    let port = if text.starts_with('%') {
        rest.strip_suffix('$')?
    } else {
        rest
    };
    port.parse().ok().filter(|port| *port > 0)
}
