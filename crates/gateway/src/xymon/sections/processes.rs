//! `[ps]`, `[who]`, `[nproc]` and `[vmstat]`.

use super::{Found, MOST_LINES, number};
use crate::xymon::message::{Message, lines};

pub(super) fn find(message: &Message<'_>, found: &mut Found) {
    if let Some(body) = message.section("ps") {
        let all = lines(body)
            .take(MOST_LINES)
            .filter(|line| !line.trim().is_empty());
        let is_header = |line: &str| line.trim_start().starts_with("PID");
        let count = all.filter(|line| !is_header(line)).count();
        if count > 0 {
            found.number("processes", as_f64(count), "");
        }
    }
    if let Some(body) = message.section("who") {
        let sessions = lines(body)
            .take(MOST_LINES)
            .filter(|line| !line.trim().is_empty());
        found.number("users", as_f64(sessions.count()), "");
    }
    if let Some(body) = message.section("vmstat") {
        vmstat(body, found);
    }
}

/// How many processors the host has; 0 if the message does not say.
pub(super) fn processors(message: &Message<'_>) -> u32 {
    let said = message.section("nproc").and_then(|body| {
        let line = lines(body).next()?;
        line.trim().parse::<u32>().ok()
    });
    let count = said.unwrap_or_else(|| {
        let body = message.section("ps").unwrap_or_default();
        let threads = lines(body)
            .take(MOST_LINES)
            .filter(|line| is_of_a_processor(line));
        u32::try_from(threads.count()).unwrap_or(u32::MAX)
    });
    count.min(65_536)
}

/// `PID 2 root ... [ksoftirqd/0]`: Linux has one such thread for each processor, and process 2 starts it. Nobody else's
/// program can have that parent, whatever it calls itself.
fn is_of_a_processor(line: &str) -> bool {
    line.split_ascii_whitespace().nth(1) == Some("2") && line.contains("[ksoftirqd/")
}

/// The last line of `vmstat`, if it is not the first, which has the means since the start of the machine.
fn vmstat(body: &[u8], found: &mut Found) {
    let all: Vec<_> = lines(body).take(100).collect();
    let words =
        |line: &str| -> Vec<String> { line.split_ascii_whitespace().map(str::to_owned).collect() };
    let Some(header) = all.iter().map(|line| words(line)).find(|words| {
        let has = |name: &str| words.iter().any(|word| word == name);
        has("us") && has("sy") && has("id")
    }) else {
        return;
    };
    let mut rows = all.iter().map(|line| words(line)).filter(|row| {
        row.len() == header.len() && row.last().is_some_and(|word| number::plain(word).is_some())
    });
    let (Some(_), Some(row)) = (rows.next(), rows.next_back()) else {
        return;
    };
    // The same word stands for calls of the system, too, further left.
    let at = |name: &str| {
        let column = header.iter().rposition(|word| word == name)?;
        number::plain(&row[column])
    };
    if let (Some(user), Some(system)) = (at("us"), at("sy")) {
        let guests = at("gu").unwrap_or(0.0);
        found.percent("cpu_busy", user + system + guests, 100.0);
    }
    for (name, item) in [("wa", "cpu_iowait"), ("st", "cpu_steal")] {
        if let Some(value) = at(name) {
            found.percent(item, value, 100.0);
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "lines are counted, of which there are few"
)]
fn as_f64(count: usize) -> f64 {
    count as f64
}
