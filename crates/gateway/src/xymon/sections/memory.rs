//! `[free]` and `[swapinfo]`.

use super::{Found, number};
use crate::xymon::message::{Message, lines};

pub(super) fn find(message: &Message<'_>, found: &mut Found) {
    if let Some(body) = message.section("free") {
        free(body, found);
    }
    if let Some(body) = message.section("swapinfo") {
        swapinfo(body, found);
    }
}

/// The output of `free`, old and new, in whatever unit.
fn free(body: &[u8], found: &mut Found) {
    let mut columns: Vec<String> = Vec::new();
    let mut total = None;
    let mut available = None;
    for line in lines(body).take(20) {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        let at = |name: &str| {
            let column = columns.iter().position(|column| column == name)?;
            number::plain(rest.get(column)?)
        };
        match first {
            "total" => columns = line.split_ascii_whitespace().map(str::to_owned).collect(),
            "Mem:" => {
                total = at("total");
                // Without that column, what buffers and the cache hold is what could be handed out.
                let parts = || Some(at("free")? + at("buffers")? + at("cached")?);
                available = at("available").or_else(parts);
            }
            // `-/+ buffers/cache: USED FREE` says so itself.
            "-/+" => available = rest.last().and_then(|word| number::plain(word)),
            "Swap:" => {
                if let (Some(total), Some(used)) = (at("total"), at("used")) {
                    found.percent("swap_used", used, total);
                }
            }
            _ => {}
        }
    }
    if let (Some(total), Some(available)) = (total, available) {
        found.percent("memory_available", available, total);
    }
}

/// FreeBSD's `swapinfo -k`: a line for each device, and a sum if there are several.
fn swapinfo(body: &[u8], found: &mut Found) {
    let (mut total, mut used) = (0.0, 0.0);
    for line in lines(body).skip(1).take(100) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, blocks, in_use, ..] = words[..] else {
            continue;
        };
        if let (Some(blocks), Some(in_use)) = (number::plain(blocks), number::plain(in_use))
            && name != "Total"
        {
            total += blocks;
            used += in_use;
        }
    }
    found.percent("swap_used", used, total);
}
