//! What a command prints: lines and tables for people, JSON for programs.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use lockstep_model::{ItemState, Level, Value};
use serde::Serialize;

/// Prints one line on standard output. A reader that has gone away (`| head`) ends the program in peace.
pub(crate) fn line(text: impl Display) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{text}") {
        end_on(&error);
    }
}

/// Prints one line on standard error: progress, and what a person should know beside the result.
pub(crate) fn note(text: impl Display) {
    // Nobody is left to be told.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints aligned columns under a header; without rows it prints `empty`, which says what to do next.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>, empty: &str) {
    if rows.is_empty() {
        line(empty);
        return;
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    let width = header.len();
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index + 1 == width { 0 } else { 2 }));
    }
    line(
        table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect::<Vec<_>>()
            .join("\n"),
    );
}

/// A text without anything that a terminal would obey: much of what is shown was said by hosts.
pub(crate) fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(plain).collect()
}

/// Prints a host's items; without any it prints `empty`.
pub(crate) fn items(items: &[ItemState], empty: &str) {
    let rows = items.iter().map(|state| {
        vec![
            level(state.level, state.no_data, state.flapping),
            state.item.to_string(),
            value(&state.value),
            state
                .pending
                .map_or_else(|| "-".into(), |it| format!("{} {}", it.to, it.lacks)),
            state.why.clone(),
        ]
    });
    let columns = ["level", "item", "value", "next", "why"];
    table(&columns, rows.collect(), empty);
}

/// A level with what goes beside it.
pub(crate) fn level(level: Level, no_data: bool, flapping: bool) -> String {
    let flags = [(no_data, "no data"), (flapping, "flapping")];
    let flags: Vec<&str> = flags.iter().filter(|it| it.0).map(|it| it.1).collect();
    match &flags[..] {
        [] => level.to_string(),
        flags => format!("{level} ({})", flags.join(", ")),
    }
}

/// A value for people. Why there is none stands beside it.
pub(crate) fn value(found: &Value) -> String {
    match found {
        Value::None(_) => "none".into(),
        Value::Number { value, unit } if unit == "s" => seconds(*value),
        Value::Number { value, unit } if unit.is_empty() && value.fract() == 0.0 => {
            format!("{value:.0}")
        }
        found => found.to_string(),
    }
}

fn seconds(value: f64) -> String {
    let size = value.abs();
    match size {
        0.0 => "0 s".into(),
        ..0.001 => format!("{:.0} µs", value * 1e6),
        ..1.0 => format!("{:.1} ms", value * 1e3),
        ..120.0 => format!("{value:.1} s"),
        ..7_200.0 => format!("{:.0} min", value / 60.0),
        ..172_800.0 => format!("{:.1} h", value / 3_600.0),
        _ => format!("{:.1} d", value / 86_400.0),
    }
}

/// A dash for what is not there.
pub(crate) fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

/// How long ago something was, for people: `12 s`, `3 min`, `5 h`, `9 d`.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

fn end_on(error: &std::io::Error) -> ! {
    let broken_pipe = error.kind() == ErrorKind::BrokenPipe;
    std::process::exit(i32::from(!broken_pipe));
}
