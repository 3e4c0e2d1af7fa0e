//! What BBWin and Xymon's client for PowerShell say in sections of their own.

use super::disks::{rows, space};
use super::{Found, number};
use crate::xymon::message::{Message, lines};

/// True for the words by which these clients name their system.
pub(super) fn is(os: &str) -> bool {
    let os = os.to_ascii_lowercase();
    os == "powershell" || os == "bbwin" || os.starts_with("win")
}

pub(super) fn find(message: &Message<'_>, found: &mut Found) {
    if let Some(body) = message.section("disk").or_else(|| message.section("df")) {
        // Drives are called `/FIXED/C`; what can be taken out comes and goes.
        rows(
            body,
            |row| row.point.starts_with("/FIXED/"),
            |header, row| {
                // Behind the name stands a summary for people.
                let point = row.point.split_ascii_whitespace().next();
                let point = point.unwrap_or(row.point);
                space(header, &row.at(point), found);
            },
        );
    }
    if let Some(body) = message.section("memory") {
        memory(body, found);
    }
    if let Some(body) = message.section("cpu") {
        cpu(body, found);
    }
    let uptime = lines(message.section("uptime").unwrap_or_default());
    for line in uptime.take(20) {
        if let Some(seconds) = line
            .strip_prefix("sec:")
            .and_then(|text| number::plain(text.trim()))
        {
            found.number("uptime", seconds, "s");
        }
    }
}

/// `physical: TOTAL USED`, in megabytes.
fn memory(body: &[u8], found: &mut Found) {
    for line in lines(body).take(20) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if let ["physical:", total, used, ..] = words[..]
            && let (Some(total), Some(used)) = (number::plain(total), number::plain(used))
        {
            found.percent("memory_available", total - used, total);
        }
    }
}

/// `up: 3 days, 2 users, 57 procs, load=12%, PhysicalMem: ...`.
fn cpu(body: &[u8], found: &mut Found) {
    let Some(line) = lines(body).take(20).find(|line| line.starts_with("up:")) else {
        return;
    };
    for part in line.split(',').map(str::trim) {
        if let Some(load) = part.strip_prefix("load=") {
            if let Some(load) = load.strip_suffix('%').and_then(number::plain) {
                found.percent("cpu_busy", load, 100.0);
            }
        } else if let Some((count, what)) = part.split_once(' ')
            && let Some(count) = number::plain(count)
        {
            match what {
                "users" => found.number("users", count, ""),
                "procs" => found.number("processes", count, ""),
                _ => {}
            }
        }
    }
}
