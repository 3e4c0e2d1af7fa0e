//! A message in words.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use lockstep_model::alert::{Notice, NoticeEntry, NoticeKind};
use lockstep_model::{Change, Level};

/// Longest subject, in bytes.
const MAX_SUBJECT: usize = 200;
/// Longest value, reason or note within a message, in bytes.
const MAX_WORDS: usize = 1000;
/// Changes that are named for each problem.
const MOST_CHANGES: usize = 5;

/// A text as one line of at most `max` bytes: control characters become blanks, so it can neither begin another
/// header nor hide what comes behind it.
pub(crate) fn line(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut blank = true;
    for c in text.chars() {
        // Line and paragraph separators, and characters that turn the direction of writing.
        let is_stray = c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let c = if is_stray || c.is_whitespace() {
            ' '
        } else {
            c
        };
        if c == ' ' && blank {
            continue;
        }
        blank = c == ' ';
        out.push(c);
    }
    let out = out.trim_end();
    if out.len() <= max {
        return out.into();
    }
    let mut end = max.saturating_sub('…'.len_utf8());
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &out[..end])
}

/// The subject: `[critical] web1 disk_usage:/ 96.0 %`, `[12 problems] switch1 is silent`.
pub(crate) fn subject(notice: &Notice) -> String {
    let count = count(notice);
    let text = match notice.entries.as_slice() {
        [] if notice.more == 0 => "[test] this way works".into(),
        [] => format!("[{count} problems] {}", cause(notice).unwrap_or_default()),
        [entry] if notice.more == 0 => {
            let (host, item) = (&entry.host, &entry.item);
            let mut text = format!("[{}] {host} {item}", word(notice, entry));
            if !entry.kind.closes() {
                let _ = write!(text, " {}", line(&entry.value.to_string(), 60));
            }
            match entry.kind {
                NoticeKind::Reminder => text.push_str(" (reminder)"),
                NoticeKind::Escalated => text.push_str(" (nobody has acknowledged it)"),
                _ => {}
            }
            text
        }
        [first, ..] => {
            let what = match status(notice) {
                Status::Resolved => match notice.entries.iter().all(is_recovery) {
                    true => "recovered",
                    false => "closed",
                },
                Status::Firing => "problems",
            };
            let about =
                cause(notice).unwrap_or_else(|| format!("{} {} and more", first.host, first.item));
            format!("[{count} {what}] {about}")
        }
    };
    line(&text, MAX_SUBJECT)
}

fn is_recovery(entry: &NoticeEntry) -> bool {
    entry.kind == NoticeKind::Recovered
}

fn cause(notice: &Notice) -> Option<String> {
    notice.cause.as_ref().map(|cause| line(cause, MAX_WORDS))
}

/// How many problems it is about.
pub(crate) fn count(notice: &Notice) -> u64 {
    notice.entries.len() as u64 + u64::from(notice.more)
}

/// Whether any of it is still a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Firing,
    Resolved,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }

    pub(crate) fn of(entry: &NoticeEntry) -> Self {
        match entry.kind.closes() {
            true => Self::Resolved,
            false => Self::Firing,
        }
    }
}

pub(crate) fn status(notice: &Notice) -> Status {
    let is_over = notice.entries.iter().all(|entry| entry.kind.closes());
    match is_over && !notice.entries.is_empty() {
        true => Status::Resolved,
        false => Status::Firing,
    }
}

/// The worst level of what is not over.
pub(crate) fn level(notice: &Notice) -> Level {
    let open = notice.entries.iter().filter(|entry| !entry.kind.closes());
    open.map(|entry| entry.level).max().unwrap_or_default()
}

/// What stands in brackets: the level, or what became of the problem.
pub(crate) fn word(notice: &Notice, entry: &NoticeEntry) -> String {
    match entry.kind {
        NoticeKind::Problem
        | NoticeKind::Worse
        | NoticeKind::Better
        | NoticeKind::Reminder
        | NoticeKind::Escalated => notice.levels.name(entry.level).to_owned(),
        kind => kind.as_str().to_owned(),
    }
}

/// One problem: its first line, and what is to be known of it.
pub(crate) struct Lines {
    pub(crate) word: String,
    pub(crate) host: String,
    pub(crate) item: String,
    pub(crate) value: String,
    pub(crate) more: Vec<String>,
}

pub(crate) fn lines(notice: &Notice, entry: &NoticeEntry) -> Lines {
    let mut more = Vec::new();
    if !entry.why.is_empty() {
        more.push(format!("why: {}", line(&entry.why, MAX_WORDS)));
    }
    match entry.kind {
        NoticeKind::Worse | NoticeKind::Better => {
            more.push(format!("it was {} before", notice.levels.name(entry.told)));
        }
        NoticeKind::Recovered => {
            more.push(format!("it was {}", notice.levels.name(entry.told)));
        }
        _ => {}
    }
    let lasted = entry.ended.unwrap_or(notice.at).duration_since(entry.since);
    more.push(match entry.ended {
        Some(ended) => format!(
            "from {} to {}: {}",
            moment(entry.since),
            moment(ended),
            length(lasted)
        ),
        None => format!("since {}: {}", moment(entry.since), length(lasted)),
    });
    let changes: Vec<_> = entry
        .changes
        .iter()
        .take(MOST_CHANGES)
        .map(|change| before(change, entry.since))
        .collect();
    if !changes.is_empty() {
        more.push(format!("changed just before: {}", changes.join("; ")));
    }
    if let Some(run) = entry.run {
        more.push(format!("thought to be the cause: run {run}"));
    }
    if !entry.note.is_empty() {
        more.push(line(&entry.note, MAX_WORDS));
    }
    Lines {
        word: word(notice, entry),
        host: entry.host.to_string(),
        item: entry.item.to_string(),
        value: line(&entry.value.to_string(), MAX_WORDS),
        more,
    }
}

/// `lockstep 1.4.1 → 1.4.2, 3 minutes earlier`.
pub(crate) fn before(change: &Change, since: Timestamp) -> String {
    let what = line(&change.what, MAX_WORDS);
    let earlier = since.duration_since(change.at);
    if earlier < SignedDuration::ZERO {
        return format!("{what}, {} later", length(-earlier));
    }
    format!("{what}, {} earlier", length(earlier))
}

/// The whole message as plain text.
pub(crate) fn plain(notice: &Notice) -> String {
    let mut text = String::new();
    if let Some(cause) = cause(notice) {
        let _ = writeln!(text, "{cause}\n");
    }
    if notice.entries.is_empty() && notice.more == 0 {
        let _ = writeln!(text, "This is a test: messages to you come this way.\n");
    }
    for entry in &notice.entries {
        let Lines {
            word,
            host,
            item,
            value,
            more,
        } = lines(notice, entry);
        let _ = writeln!(text, "[{word}] {host} {item}: {value}");
        for line in more {
            let _ = writeln!(text, "  {line}");
        }
        text.push('\n');
    }
    if notice.more > 0 {
        let _ = writeln!(text, "and {} more\n", notice.more);
    }
    let _ = writeln!(text, "{}", footer(notice));
    if let Some(url) = &notice.server_url {
        let _ = writeln!(text, "{}", line(url, MAX_WORDS));
    }
    text
}

/// Why the message comes to whoever reads it.
pub(crate) fn footer(notice: &Notice) -> String {
    let (receiver, route) = (line(&notice.receiver, 100), line(&notice.route, 100));
    format!("To {receiver}, by the route {route}.")
}

/// A moment in UTC, to the second.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A length of time in its largest unit: `3 minutes`.
pub(crate) fn length(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    let (number, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{s}")
}

#[cfg(test)]
mod tests;
