//! `[df]` and `[inode]`.

use std::collections::HashMap;

use super::{Found, number};
use crate::xymon::message::{Message, lines};

/// Most file systems of one host, as with our own probes.
const MOST_MOUNTS: usize = 32;
/// Images, full by design, and file systems in memory or behind others.
const NOT_DISKS: [&str; 12] = [
    "autofs", "cramfs", "devfs", "devtmpfs", "erofs", "iso9660", "nullfs", "ramfs", "romfs",
    "squashfs", "tmpfs", "udf",
];
/// File systems of disks that do not name a device as their source.
const DISKS_BY_NAME: [&str; 3] = ["bcachefs", "btrfs", "zfs"];

/// A line of `df`.
#[derive(Debug, PartialEq)]
pub(super) struct Row<'a> {
    source: &'a str,
    total: &'a str,
    used: &'a str,
    available: &'a str,
    /// What it says of itself, in per cent.
    percent: f64,
    pub(super) point: &'a str,
}

pub(super) fn find(message: &Message<'_>, found: &mut Found) {
    let types = types(message.section("mount").unwrap_or_default());
    let is_disk = |row: &Row<'_>| row.is_disk(types.get(row.point).map(String::as_str));
    if let Some(body) = message.section("df") {
        rows(body, is_disk, |header, row| space(header, row, found));
    }
    if let Some(body) = message.section("inode") {
        rows(body, is_disk, |_, row| {
            if let (Some(total), Some(free)) =
                (number::plain(row.total), number::plain(row.available))
            {
                found.percent(&format!("inode_usage:{}", row.point), total - free, total);
            }
        });
    }
}

/// Hands the rows over that pass, with the header.
pub(super) fn rows(
    body: &[u8],
    passes: impl Fn(&Row<'_>) -> bool,
    mut take: impl FnMut(&str, &Row<'_>),
) {
    let mut header = String::new();
    let mut taken = 0;
    for line in lines(body).take(1_000) {
        if header.is_empty() {
            header = line.into_owned();
            continue;
        }
        if let Some(row) = Row::parse(&line).filter(&passes) {
            take(&header, &row);
            taken += 1;
            if taken == MOST_MOUNTS {
                return;
            }
        }
    }
}

/// The used part as `df` counts it, and what is free.
pub(super) fn space(header: &str, row: &Row<'_>, found: &mut Found) {
    let block = block(header);
    let in_bytes = |text: &str| match block {
        Some(bytes) => number::plain(text).map(|blocks| blocks * bytes),
        None => number::sized(text, 1000.0),
    };
    let (used, free) = (in_bytes(row.used), in_bytes(row.available));
    let usage = format!("disk_usage:{}", row.point);
    match (block, used, free) {
        // Exact numbers give a decimal that the column has not.
        (Some(_), Some(used), Some(free)) => found.percent(&usage, used, used + free.max(0.0)),
        _ => found.percent(&usage, row.percent, 100.0),
    }
    if let Some(free) = free {
        found.number(
            &format!("disk_free:{}", row.point),
            free.max(0.0).round(),
            "bytes",
        );
    }
}

/// Bytes in a block, from the head of its column: `1024-blocks`, `1K-blocks`; none where the sizes have units.
fn block(header: &str) -> Option<f64> {
    let head = header
        .split_ascii_whitespace()
        .find_map(|word| word.strip_suffix("-blocks"))?;
    number::plain(head).or_else(|| number::sized(head, 1024.0))
}

impl<'a> Row<'a> {
    /// A line with at least three numbers before the one with `%`, and a mount point behind it.
    fn parse(line: &'a str) -> Option<Self> {
        let mut before: Vec<&str> = Vec::new();
        let mut rest = line.trim();
        loop {
            let (word, behind) = rest.split_once(char::is_whitespace)?;
            let behind = behind.trim_start();
            let percent = word.strip_suffix('%').and_then(number::plain);
            if let (Some(percent), [source, .., total, used, available]) = (percent, &before[..]) {
                let point = behind.trim_end();
                return point.starts_with('/').then_some(Self {
                    source,
                    total,
                    used,
                    available,
                    percent,
                    point,
                });
            }
            before.push(word);
            rest = behind;
        }
    }

    /// The same row with another mount point.
    pub(super) fn at(&self, point: &'a str) -> Self {
        Self { point, ..*self }
    }

    /// True for what our own probes would look at.
    fn is_disk(&self, kind: Option<&str>) -> bool {
        if self.point == "/" {
            return true;
        }
        match kind {
            Some(kind) if NOT_DISKS.contains(&kind) => false,
            Some(kind) => self.source.starts_with('/') || DISKS_BY_NAME.contains(&kind),
            // Pools have names such as `zroot/home`, file systems in memory have plain ones.
            None => {
                self.source.contains('/')
                    && !self.source.contains(":/")
                    && !self.source.starts_with("/dev/loop")
            }
        }
    }
}

/// The kinds of file systems by mount point: `SOURCE on POINT type KIND (...)`, or `SOURCE on POINT (KIND, ...)`.
fn types(body: &[u8]) -> HashMap<String, String> {
    let mut types = HashMap::new();
    for line in lines(body).take(1_000) {
        let Some((_, rest)) = line.split_once(" on ") else {
            continue;
        };
        let Some((before, options)) = rest.rsplit_once(" (") else {
            continue;
        };
        let (point, kind) = before.rsplit_once(" type ").unwrap_or_else(|| {
            let kind = options.split([',', ')']).next().unwrap_or_default();
            (before, kind)
        });
        types.insert(point.to_owned(), kind.trim().to_owned());
    }
    types
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_may_hold_blanks() {
        let row = Row::parse("/dev/my disk 100 40 60 40% /srv/a b").unwrap();
        assert_eq!((row.source, row.total, row.used), ("/dev/my", "100", "40"));
        assert_eq!((row.available, row.point), ("60", "/srv/a b"));
        assert_eq!(Row::parse("zfs - - - - /x"), None);
        assert_eq!(Row::parse("/dev/a 1 2 3 4%"), None);
        assert_eq!(Row::parse("/dev/a 1 2 3 4% x"), None);
    }

    #[test]
    fn kinds_come_from_the_list_of_mounts() {
        let types = types(b"/dev/vda on / type ext4 (rw)\nzroot/usr on /usr (zfs, local)\ntmpfs on /a (b type tmpfs (rw)\nx\n");
        assert_eq!(types["/"], "ext4");
        assert_eq!(types["/usr"], "zfs");
        assert_eq!(types["/a (b"], "tmpfs");
        assert_eq!(types.len(), 3);
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_parser(line in "(\\PC|[0-9]{1,30}| |%|/| on | type | \\(){0,30}") {
            if let Some(row) = Row::parse(&line) {
                prop_assert!(row.point.starts_with('/'));
            }
            types(line.as_bytes());
            block(&line);
        }
    }
}
