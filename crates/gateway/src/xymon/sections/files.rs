//! `[file:PATH]` and `[logfile:PATH]`: what `logfetch` says of one file, in lines `key:value`.

use lockstep_model::Value;

use super::{Found, number};
use crate::xymon::message::{Message, lines};

/// Longest reason that is taken over, in bytes.
const LONGEST_WHY: usize = 200;

pub(super) fn find(message: &Message<'_>, found: &mut Found) {
    for section in message.sections() {
        let path = section
            .name
            .strip_prefix("file:")
            .or_else(|| section.name.strip_prefix("logfile:"));
        if let Some(path) = path.filter(|path| path.starts_with('/')) {
            file(path, section.body, found);
        }
    }
}

fn file(path: &str, body: &[u8], found: &mut Found) {
    let (mut is_file, mut size, mut clock, mut changed) = (false, None, None, None);
    for line in lines(body).take(50) {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        let first = number::plain(value.split(' ').next().unwrap_or_default());
        match key {
            // `ERROR: No such file or directory`: there is no value, and this is why.
            "ERROR" => {
                let why: String = value.chars().filter(|c| !c.is_control()).collect();
                let why = &why[..why.floor_char_boundary(LONGEST_WHY)];
                for item in ["file_size", "file_age"] {
                    let item = format!("{item}:{path}");
                    found.value(&item, Value::None(format!("the host says: {why}")));
                }
                return;
            }
            "type" => is_file = value.starts_with("100000"),
            "size" => size = first,
            "clock" => clock = first,
            "mtime" => changed = first,
            _ => {}
        }
    }
    if let Some(size) = size.filter(|_| is_file) {
        found.number(&format!("file_size:{path}"), size, "bytes");
    }
    if let (Some(clock), Some(changed)) = (clock, changed) {
        found.number(&format!("file_age:{path}"), (clock - changed).max(0.0), "s");
    }
}
